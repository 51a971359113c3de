/* SPDX-License-Identifier: MIT */
/* The floor of bench_jwt.py: how long the crypto library alone takes to verify
 * one signature, with everything prepared that can be.
 *
 *   bare_verify algorithm key.der message signature
 *
 * The key is a SubjectPublicKeyInfo, the signature as the library takes it
 * (DER for ES256). Prints nanoseconds, the median of some rounds. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#define ROUNDS 30
#define ROUND_NS 20000000.0
#define FILE_MAX 16384

typedef struct bytes {
    unsigned char data[FILE_MAX];
    size_t size;
} bytes;

static void
read_file(const char *path, bytes *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    out->size = fread(out->data, 1, sizeof(out->data), file);
    fclose(file);
}

static double
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int
by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int
verify_digest(EVP_PKEY_CTX *context, const bytes *message,
              const bytes *signature)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, message->data, message->size);
    SHA256_Final(digest, &hash);
    return EVP_PKEY_verify(context, signature->data, signature->size, digest,
                           sizeof(digest));
}

static int
verify_eddsa(EVP_MD_CTX *context, EVP_PKEY *key, const bytes *message,
             const bytes *signature)
{
    int good = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
               EVP_DigestVerify(context, signature->data, signature->size,
                                message->data, message->size) == 1;
    EVP_MD_CTX_reset(context);
    return good;
}

int
main(int argc, char **argv)
{
    static bytes der, message, signature;
    if (argc != 5) {
        fputs("usage: bare_verify algorithm key message signature\n", stderr);
        return 2;
    }
    read_file(argv[2], &der);
    read_file(argv[3], &message);
    read_file(argv[4], &signature);
    const unsigned char *at = der.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.size);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    EVP_MD_CTX *whole = EVP_MD_CTX_new();
    int eddsa = strcmp(argv[1], "EdDSA") == 0;
    if (key == NULL || context == NULL || whole == NULL ||
        (!eddsa &&
         (EVP_PKEY_verify_init(context) != 1 ||
          EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1))) {
        fputs("bare_verify: the library does not take the key\n", stderr);
        return 1;
    }
    double took[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns(), passed;
        long count = 0;
        do {
            int good = eddsa ? verify_eddsa(whole, key, &message, &signature)
                             : verify_digest(context, &message, &signature);
            if (good != 1) {
                fputs("bare_verify: a good signature was refused\n", stderr);
                return 1;
            }
            count++;
            passed = now_ns() - start;
        } while (passed < ROUND_NS);
        took[round] = passed / (double)count;
    }
    qsort(took, ROUNDS, sizeof(took[0]), by_size);
    printf("%.0f\n", took[ROUNDS / 2]);
    EVP_MD_CTX_free(whole);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    return 0;
}
