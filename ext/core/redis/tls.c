/* SPDX-License-Identifier: MIT */
/* Calls into OpenSSL go through enter() and leave(): once the process has
 * begun to exit none is begun any more, and exit waits for the one that is
 * going on, since OpenSSL's own exit handler frees what it works with. These
 * two words are the process's, as exit is.
 *
 * OpenSSL's memory is only ever touched on the sink thread, and never in a
 * forked child (its close_notify would go out on the parent's session), so
 * the session is dropped without a shutdown. The error queue is the thread's
 * own; it is emptied before each call, so that what is read is ours. */
#include "redis/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/config.h"

#define SLICE 65536 /* bytes given to SSL_write at a time */

static atomic_bool exiting;
static atomic_int inside; /* calls into OpenSSL that are going on */

struct hr_redis_tls {
    SSL_CTX *context;
    SSL *session;
    char error[120];
};

static void
on_exit_park(void)
{
    const struct timespec pause = {0, 1000000};
    atomic_store(&exiting, true);
    for (int ms = 0; ms < HR_SINK_PARK_MS && atomic_load(&inside) != 0; ms++) {
        nanosleep(&pause, NULL);
    }
}

/* Handlers run in reverse order: ours is entered after OpenSSL's. */
static void
prepare_exit(void)
{
    if (OPENSSL_init_ssl(0, NULL) != 1 || atexit(on_exit_park) != 0) {
        /* then exit is as safe as it is without us */
    }
}

/* False: the process is exiting, OpenSSL is not to be called. */
static bool
enter(void)
{
    atomic_fetch_add(&inside, 1);
    if (atomic_load(&exiting)) {
        atomic_fetch_sub(&inside, 1);
        return false;
    }
    return true;
}

static void
leave(void)
{
    atomic_fetch_sub(&inside, 1);
}

/* What went wrong, in OpenSSL's words. */
static void
explain(hr_redis_tls *tls, const char *otherwise)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    long verified = SSL_get_verify_result(tls->session);
    if (verified != X509_V_OK) {
        reason = X509_verify_cert_error_string(verified);
    }
    snprintf(tls->error, sizeof(tls->error), "%s",
             reason != NULL ? reason : otherwise);
    ERR_clear_error();
}

static bool
set_trust(SSL_CTX *context, const hr_redis_tls_settings *settings)
{
    if (settings->ca_file != NULL) {
        struct stat about;
        bool folder =
            stat(settings->ca_file, &about) == 0 && S_ISDIR(about.st_mode);
        return SSL_CTX_load_verify_locations(
                   context, folder ? NULL : settings->ca_file,
                   folder ? settings->ca_file : NULL) == 1;
    }
    return SSL_CTX_set_default_verify_paths(context) == 1;
}

static bool
set_client(SSL_CTX *context, const hr_redis_tls_settings *settings)
{
    if (settings->certificate == NULL) {
        return true;
    }
    const char *key = settings->private_key != NULL ? settings->private_key
                                                    : settings->certificate;
    return SSL_CTX_use_certificate_chain_file(context,
                                              settings->certificate) == 1 &&
           SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_check_private_key(context) == 1;
}

/* The name that the certificate must bear. */
static bool
set_name(SSL *session, const char *host)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, host, &address) == 1 ||
        inet_pton(AF_INET6, host, &address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) ==
               1;
    }
    SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(session, host) == 1 &&
           SSL_set_tlsext_host_name(session, host) == 1;
}

/* Everything before the first byte; the phrase that failed, or NULL. */
static const char *
prepare(hr_redis_tls *tls, const hr_redis_tls_settings *settings)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL ||
        SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        return "no TLS context";
    }
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_AUTO_RETRY);
    if (!set_trust(tls->context, settings)) {
        return "ca_file cannot be read";
    }
    if (!set_client(tls->context, settings)) {
        return "certificate or private_key cannot be used";
    }
    tls->session = SSL_new(tls->context);
    if (tls->session == NULL || !set_name(tls->session, settings->host) ||
        SSL_set_fd(tls->session, settings->fd) != 1) {
        return "no TLS session";
    }
    return NULL;
}

/* What an SSL call that did not succeed asks to wait for; 0: an error. */
static short
wanted(hr_redis_tls *tls, int result)
{
    int error = SSL_get_error(tls->session, result);
    if (error == SSL_ERROR_WANT_READ) {
        return POLLIN;
    }
    if (error == SSL_ERROR_WANT_WRITE) {
        return POLLOUT;
    }
    explain(tls, error == SSL_ERROR_ZERO_RETURN ? "closed by the server"
                                                : "connection lost");
    return 0;
}

static hr_status
shake_hands(hr_redis_tls *tls, int fd, hr_wake *wake, int64_t deadline_ns)
{
    for (;;) {
        if (!enter()) {
            return HR_CLOSED;
        }
        ERR_clear_error();
        int result = SSL_connect(tls->session);
        short events = result == 1 ? 0 : wanted(tls, result);
        leave();
        if (result == 1) {
            return HR_OK;
        }
        if (events == 0) {
            return HR_TLS;
        }
        hr_status status;
        do {
            status = hr_wake_wait(wake, fd, events, deadline_ns);
        } while (status == HR_ABSENT);
        if (status != HR_OK) {
            snprintf(tls->error, sizeof(tls->error),
                     "no answer within connect_timeout");
            return status;
        }
    }
}

hr_status
hr_redis_tls_open(const hr_redis_tls_settings *settings, hr_wake *wake,
                  int64_t deadline_ns, hr_redis_tls **tls, char *detail,
                  size_t detail_size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    hr_redis_tls *made = hr_alloc_zeroed(1, sizeof(*made));
    if (made == NULL) {
        return HR_NO_MEMORY;
    }
    pthread_once(&once, prepare_exit);
    if (!enter()) {
        hr_alloc_free(made);
        return HR_CLOSED;
    }
    ERR_clear_error();
    hr_status status = HR_OK;
    const char *failed = prepare(made, settings);
    if (failed != NULL) {
        unsigned long code = ERR_peek_last_error();
        const char *reason = code ? ERR_reason_error_string(code) : NULL;
        snprintf(made->error, sizeof(made->error), "%s (%s)", failed,
                 reason != NULL ? reason : "no reason given");
        ERR_clear_error();
        status = HR_TLS;
    }
    leave();
    if (status == HR_OK) {
        status = shake_hands(made, settings->fd, wake, deadline_ns);
    }
    if (status != HR_OK) {
        snprintf(detail, detail_size, "TLS: %s", made->error);
        hr_redis_tls_free(made);
        return status;
    }
    *tls = made;
    return HR_OK;
}

void
hr_redis_tls_free(hr_redis_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    if (enter()) {
        SSL_free(tls->session);
        SSL_CTX_free(tls->context);
        leave();
    }
    hr_alloc_free(tls);
}

ssize_t
hr_redis_tls_write(hr_redis_tls *tls, const char *bytes, size_t len,
                   short *events)
{
    if (!enter()) {
        return -1;
    }
    ERR_clear_error();
    int result =
        SSL_write(tls->session, bytes, (int)(len < SLICE ? len : SLICE));
    short want = result > 0 ? 0 : wanted(tls, result);
    leave();
    if (result > 0) {
        return result;
    }
    *events |= want;
    return want != 0 ? 0 : -1;
}

ssize_t
hr_redis_tls_read(hr_redis_tls *tls, char *bytes, size_t len, short *events)
{
    if (!enter()) {
        return -1;
    }
    ERR_clear_error();
    int result =
        SSL_read(tls->session, bytes, (int)(len < SLICE ? len : SLICE));
    short want = result > 0 ? 0 : wanted(tls, result);
    leave();
    if (result > 0) {
        return result;
    }
    *events |= want;
    return want != 0 ? 0 : -1;
}

const char *
hr_redis_tls_error(const hr_redis_tls *tls)
{
    return tls->error;
}
