/* SPDX-License-Identifier: MIT */
#include "redis/open.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "redis/url.h"
#include "sink/file.h"
#include "sink/memory.h"

#define IDENTITY_MAX 16384
#define GREETING_MAX 4096

bool
hr_redis_open_is_tls(hr_span url)
{
    return hr_span_starts_with(url, HR_SPAN("rediss://"));
}

static hr_status
open_redis(hr_span url, const hr_redis_delivery_settings *settings,
           hr_redis_open_result *result, const char **why)
{
    hr_redis_url parsed;
    hr_status status = hr_redis_url_parse(url, &parsed, why);
    if (status != HR_OK) {
        return status;
    }
    if (!parsed.tls &&
        (settings->ca_file.ptr != NULL || settings->certificate.ptr != NULL ||
         settings->private_key.ptr != NULL)) {
        hr_redis_url_fini(&parsed);
        *why = "ca_file, certificate and private_key need rediss://";
        return HR_URL;
    }
    hr_redis_url_identity(&parsed, &result->identity);
    /* A prefix has no blanks, so that no other pair of prefix and stream is
     * the same text. */
    hr_buf_add(&result->identity, HR_SPAN(" "));
    hr_buf_add(&result->identity, settings->prefix);
    hr_buf_add(&result->identity, HR_SPAN(" "));
    hr_buf_add(&result->identity, settings->stream);
    status = hr_buf_status(&result->identity);
    if (status == HR_OK) {
        hr_redis_delivery_settings with_url = *settings;
        with_url.url = &parsed;
        status = hr_redis_delivery_new(&with_url, &result->target);
    }
    hr_redis_url_fini(&parsed);
    *why = NULL;
    return status;
}

/* Rings of one file are adopted by one another, so it is named in full. */
static hr_status
open_file(hr_span path, hr_redis_open_result *result, const char **why)
{
    char folder[PATH_MAX] = "";
    if (path.len == 0 || path.len > HR_RING_PATH_MAX - 16 ||
        memchr(path.ptr, '\0', path.len) != NULL) {
        *why = "file: is followed by a path";
        return HR_URL;
    }
    if (path.ptr[0] != '/' && getcwd(folder, sizeof(folder)) == NULL) {
        return HR_SYSTEM;
    }
    hr_buf *identity = &result->identity;
    hr_buf_add(identity, HR_SPAN("file:"));
    hr_buf_add(identity, (hr_span){folder, strlen(folder)});
    hr_buf_add(identity, path.ptr[0] != '/' ? HR_SPAN("/") : HR_SPAN(""));
    hr_buf_add(identity, path);
    /* Where the file is and how to watch it. */
    hr_buf_add(&result->greeting, HR_SPAN("events go to "));
    hr_buf_add(&result->greeting, path);
    hr_buf_add(&result->greeting,
               HR_SPAN("; watch them with: headrace tail file:"));
    hr_buf_add(&result->greeting, path);
    hr_status status = hr_buf_status(identity);
    if (status == HR_OK) {
        status = hr_buf_status(&result->greeting);
    }
    if (status == HR_OK) {
        status = hr_sink_file_new(hr_span_from(hr_buf_span(identity), 5),
                                  HR_SINK_FILE_BYTES_DEFAULT, &result->target);
    }
    return status;
}

static hr_status
open_memory(hr_span url, hr_redis_open_result *result)
{
    result->in_memory = true;
    hr_buf_add(&result->identity, url);
    hr_status status = hr_buf_status(&result->identity);
    return status == HR_OK ? hr_sink_memory_new(&result->target) : status;
}

hr_status
hr_redis_open_target(hr_span url, const hr_redis_delivery_settings *settings,
                     hr_redis_open_result *result, const char **why)
{
    *result = (hr_redis_open_result){.target = NULL};
    *why = NULL;
    hr_buf_init(&result->identity, IDENTITY_MAX);
    hr_buf_init(&result->greeting, GREETING_MAX);
    hr_status status = hr_redis_delivery_check(settings, why);
    if (status != HR_OK) {
        return status;
    }
    if (hr_span_equal(url, HR_SPAN("memory:"))) {
        return open_memory(url, result);
    }
    return hr_span_starts_with(url, HR_SPAN("file:"))
               ? open_file(hr_span_from(url, 5), result, why)
               : open_redis(url, settings, result, why);
}

void
hr_redis_open_fini(hr_redis_open_result *result)
{
    if (result->target != NULL) {
        result->target->ops->free(result->target);
        result->target = NULL;
    }
    hr_buf_fini(&result->identity);
    hr_buf_fini(&result->greeting);
}
