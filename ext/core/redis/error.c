/* SPDX-License-Identifier: MIT */
/* The error table, in the order in which it is searched: code and beginning
 * of the message as Redis 6.2 to 8 write them. */
#include "redis/error.h"

#include <stddef.h>

static const struct {
    hr_span prefix;
    hr_redis_error meaning;
} TABLE[] = {
    {HR_SPAN("LOADING"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("BUSY"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("MASTERDOWN"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("TRYAGAIN"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("CLUSTERDOWN"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("OOM"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("MISCONF"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("NOREPLICAS"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("NOSCRIPT"), HR_REDIS_ERROR_WAIT},
    {HR_SPAN("READONLY"), HR_REDIS_ERROR_RECONNECT},
    {HR_SPAN("ERR max number of clients"), HR_REDIS_ERROR_RECONNECT},
    {HR_SPAN("NOAUTH"), HR_REDIS_ERROR_AUTH},
    {HR_SPAN("WRONGPASS"), HR_REDIS_ERROR_AUTH},
    {HR_SPAN("ERR invalid password"), HR_REDIS_ERROR_AUTH},
    {HR_SPAN("ERR AUTH"), HR_REDIS_ERROR_AUTH},
    {HR_SPAN("ERR Client sent AUTH"), HR_REDIS_ERROR_AUTH},
    {HR_SPAN("NOPERM"), HR_REDIS_ERROR_PERMISSION},
    {HR_SPAN("MOVED"), HR_REDIS_ERROR_CLUSTER},
    {HR_SPAN("ASK"), HR_REDIS_ERROR_CLUSTER},
    {HR_SPAN("CROSSSLOT"), HR_REDIS_ERROR_CLUSTER},
    {HR_SPAN("EXECABORT"), HR_REDIS_ERROR_ABORTED},
    {HR_SPAN("WRONGTYPE"), HR_REDIS_ERROR_REJECT},
    {HR_SPAN("ERR Elements are too large"), HR_REDIS_ERROR_REJECT},
    {HR_SPAN("ERR wrong number of arguments"), HR_REDIS_ERROR_REJECT},
    {HR_SPAN("ERR unknown command"), HR_REDIS_ERROR_REJECT},
    {HR_SPAN("ERR The ID specified in XADD"), HR_REDIS_ERROR_REJECT},
    {HR_SPAN("ERR The stream has exhausted"), HR_REDIS_ERROR_REJECT},
};

hr_redis_error
hr_redis_error_class(hr_span text)
{
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        if (hr_span_starts_with(text, TABLE[i].prefix)) {
            return TABLE[i].meaning;
        }
    }
    return HR_REDIS_ERROR_SUSPECT;
}
