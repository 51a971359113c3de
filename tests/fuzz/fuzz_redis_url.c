/* SPDX-License-Identifier: MIT */
/* Any bytes as a URL: parsed and named, or refused with a reason. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size != 0 ? size : 1);
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, data, size);
    hr_redis_url url;
    const char *why = NULL;
    hr_status status = hr_redis_url_parse((hr_span){copy, size}, &url, &why);
    if (status == HR_OK) {
        hr_buf identity;
        hr_buf_init(&identity, 8192);
        assert((url.host != NULL) != (url.path != NULL));
        assert(url.path == NULL || strlen(url.path) < 108);
        assert(url.host == NULL || (url.port != 0 && url.host[0] != '\0'));
        hr_redis_url_identity(&url, &identity);
        assert(hr_buf_status(&identity) == HR_OK);
        hr_buf_fini(&identity);
        hr_redis_url_fini(&url);
    } else {
        assert(status == HR_URL && why != NULL);
    }
    free(copy);
    return 0;
}
