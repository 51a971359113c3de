/* SPDX-License-Identifier: MIT */
/* What no implementation can go below: each piece of the work alone, from C,
 * with everything prepared that can be. bench_floor.py builds this as an
 * extension and lets its loops take turns with ours in one process.
 *
 * Every function but nothing() runs its piece `count` times and answers the
 * nanoseconds of one. */
#define PY_SSIZE_T_CLEAN
#define OPENSSL_SUPPRESS_DEPRECATED
#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#define RING_BYTES ((size_t)4 << 20)
#define HMAC_BLOCK 64
#define FIELDS_MAX 64

static double
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The empty vectorcall: what a call from Python costs before it does a thing.
 */
static PyObject *
nothing(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    (void)args;
    (void)nargs;
    Py_RETURN_NONE;
}

/* HMAC-SHA-256 with the key's two blocks hashed beforehand. */
static PyObject *
hmac(PyObject *module, PyObject *args)
{
    (void)module;
    const unsigned char *key, *message;
    Py_ssize_t key_size, size, count;
    if (!PyArg_ParseTuple(args, "y#y#n", &key, &key_size, &message, &size,
                          &count)) {
        return NULL;
    }
    if (key_size > HMAC_BLOCK) {
        PyErr_SetString(PyExc_ValueError, "a key of one block at most");
        return NULL;
    }
    unsigned char inner[HMAC_BLOCK] = {0}, outer[HMAC_BLOCK];
    memcpy(inner, key, (size_t)key_size);
    for (size_t n = 0; n < HMAC_BLOCK; n++) {
        outer[n] = inner[n] ^ 0x5c;
        inner[n] ^= 0x36;
    }
    SHA256_CTX prepared_inner, prepared_outer;
    SHA256_Init(&prepared_inner);
    SHA256_Update(&prepared_inner, inner, sizeof(inner));
    SHA256_Init(&prepared_outer);
    SHA256_Update(&prepared_outer, outer, sizeof(outer));

    unsigned char digest[SHA256_DIGEST_LENGTH];
    volatile unsigned char kept = 0;
    double start = now_ns();
    for (Py_ssize_t n = 0; n < count; n++) {
        SHA256_CTX hash = prepared_inner;
        SHA256_Update(&hash, message, (size_t)size);
        SHA256_Final(digest, &hash);
        hash = prepared_outer;
        SHA256_Update(&hash, digest, sizeof(digest));
        SHA256_Final(digest, &hash);
        kept ^= digest[0];
    }
    return PyFloat_FromDouble((now_ns() - start) / (double)count);
}

static bool
verified(EVP_PKEY_CTX *context, EVP_MD_CTX *whole, EVP_PKEY *key,
         const unsigned char *message, size_t size,
         const unsigned char *signature, size_t signature_size)
{
    if (context == NULL) { /* EdDSA signs the message, not its digest */
        bool good = EVP_DigestVerifyInit(whole, NULL, NULL, NULL, key) == 1 &&
                    EVP_DigestVerify(whole, signature, signature_size, message,
                                     size) == 1;
        EVP_MD_CTX_reset(whole);
        return good;
    }
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, message, size);
    SHA256_Final(digest, &hash);
    return EVP_PKEY_verify(context, signature, signature_size, digest,
                           sizeof(digest)) == 1;
}

/* One signature over and over, the key parsed and the context made ready. */
static PyObject *
verify(PyObject *module, PyObject *args)
{
    (void)module;
    const unsigned char *der, *message, *signature;
    Py_ssize_t der_size, size, signature_size, count;
    if (!PyArg_ParseTuple(args, "y#y#y#n", &der, &der_size, &message, &size,
                          &signature, &signature_size, &count)) {
        return NULL;
    }
    PyObject *answer = NULL;
    EVP_PKEY_CTX *context = NULL;
    EVP_MD_CTX *whole = EVP_MD_CTX_new();
    const unsigned char *at = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der_size);
    if (key == NULL || whole == NULL) {
        PyErr_SetString(PyExc_ValueError, "no key, or no memory");
        goto done;
    }
    if (EVP_PKEY_id(key) != EVP_PKEY_ED25519) {
        context = EVP_PKEY_CTX_new(key, NULL);
        if (context == NULL || EVP_PKEY_verify_init(context) != 1 ||
            EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1) {
            PyErr_SetString(PyExc_ValueError, "the key does not verify");
            goto done;
        }
    }
    double start = now_ns();
    for (Py_ssize_t n = 0; n < count; n++) {
        if (!verified(context, whole, key, message, (size_t)size, signature,
                      (size_t)signature_size)) {
            PyErr_SetString(PyExc_ValueError, "a good signature is refused");
            goto done;
        }
    }
    answer = PyFloat_FromDouble((now_ns() - start) / (double)count);
done:
    EVP_MD_CTX_free(whole);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    return answer;
}

/* A record is copied to where the last one ended, and made visible. */
static PyObject *
ring(PyObject *module, PyObject *args)
{
    (void)module;
    const char *record;
    Py_ssize_t size, count;
    if (!PyArg_ParseTuple(args, "y#n", &record, &size, &count)) {
        return NULL;
    }
    char *bytes = PyMem_RawMalloc(RING_BYTES);
    if (bytes == NULL) {
        return PyErr_NoMemory();
    }
    memset(bytes, 1, RING_BYTES); /* the pages are there before the clock */
    static _Atomic size_t position;
    size_t step = ((size_t)size + 7) & ~(size_t)7;
    double start = now_ns();
    for (Py_ssize_t n = 0; n < count; n++) {
        size_t at = atomic_load_explicit(&position, memory_order_relaxed);
        size_t place = at + step > RING_BYTES ? 0 : at;
        memcpy(bytes + place, record, (size_t)size);
        atomic_store_explicit(&position, place + step, memory_order_release);
    }
    double took = now_ns() - start;
    PyMem_RawFree(bytes);
    return PyFloat_FromDouble(took / (double)count);
}

static bool
replied(redisContext *redis, long wanted)
{
    for (; wanted > 0; wanted--) {
        void *reply = NULL;
        if (redisGetReply(redis, &reply) != REDIS_OK) {
            return false;
        }
        bool good = ((redisReply *)reply)->type != REDIS_REPLY_ERROR;
        freeReplyObject(reply);
        if (!good) {
            return false;
        }
    }
    return true;
}

/* `count` times the command, which is formatted once. One pipeline of `batch`
 * is on its way while the replies of the one before are read, so that the
 * server never waits for us. */
static bool
add_all(redisContext *redis, int argc, const char **argv, long count,
        long batch)
{
    char *command = NULL;
    int size = redisFormatCommandArgv(&command, argc, argv, NULL);
    bool good = size > 0;
    long before = 0; /* replies that are still to come */
    for (long sent = 0; good && sent < count; sent += batch) {
        for (long n = 0; good && n < batch; n++) {
            good = redisAppendFormattedCommand(redis, command, (size_t)size) ==
                   REDIS_OK;
        }
        int written = 0;
        while (good && !written) {
            good = redisBufferWrite(redis, &written) == REDIS_OK;
        }
        good = good && replied(redis, before);
        before = batch;
    }
    good = good && replied(redis, before);
    if (command != NULL) {
        redisFreeCommand(command);
    }
    return good;
}

/* Pipelined XADD: path of the socket, the words of the command, how many. */
static PyObject *
xadd(PyObject *module, PyObject *args)
{
    (void)module;
    const char *path;
    PyObject *words;
    long count, batch;
    if (!PyArg_ParseTuple(args, "sO!ll", &path, &PyTuple_Type, &words, &count,
                          &batch)) {
        return NULL;
    }
    const char *argv[FIELDS_MAX];
    Py_ssize_t argc = PyTuple_GET_SIZE(words);
    if (argc > FIELDS_MAX) {
        PyErr_SetString(PyExc_ValueError, "too many words");
        return NULL;
    }
    for (Py_ssize_t n = 0; n < argc; n++) {
        argv[n] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(words, n));
        if (argv[n] == NULL) {
            return NULL;
        }
    }
    redisContext *redis = redisConnectUnix(path);
    bool good = redis != NULL && redis->err == 0;
    double took = 0;
    if (good) {
        Py_BEGIN_ALLOW_THREADS;
        double start = now_ns();
        good = add_all(redis, (int)argc, argv, count, batch);
        took = now_ns() - start;
        Py_END_ALLOW_THREADS;
    }
    if (redis != NULL) {
        redisFree(redis);
    }
    if (!good) {
        PyErr_SetString(PyExc_OSError, "Redis did not take the events");
        return NULL;
    }
    return PyFloat_FromDouble(took / (double)count);
}

static PyMethodDef methods[] = {
    {"nothing", (PyCFunction)(void (*)(void))nothing, METH_FASTCALL, NULL},
    {"hmac", hmac, METH_VARARGS, NULL},
    {"verify", verify, METH_VARARGS, NULL},
    {"ring", ring, METH_VARARGS, NULL},
    {"xadd", xadd, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "floor",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit_limits(void)
{
    return PyModuleDef_Init(&definition);
}
