/* SPDX-License-Identifier: MIT */
/* The error table, in the order in which it is searched: code and beginning
 * of the message as Redis 6.2 to 8 write them. */
#include "redis_error.h"

#include <stddef.h>

static const struct {
    ps_span prefix;
    ps_redis_error meaning;
} TABLE[] = {
    {PS_SPAN("LOADING"), PS_REDIS_WAIT},
    {PS_SPAN("BUSY"), PS_REDIS_WAIT},
    {PS_SPAN("MASTERDOWN"), PS_REDIS_WAIT},
    {PS_SPAN("TRYAGAIN"), PS_REDIS_WAIT},
    {PS_SPAN("CLUSTERDOWN"), PS_REDIS_WAIT},
    {PS_SPAN("OOM"), PS_REDIS_WAIT},
    {PS_SPAN("MISCONF"), PS_REDIS_WAIT},
    {PS_SPAN("NOREPLICAS"), PS_REDIS_WAIT},
    {PS_SPAN("NOSCRIPT"), PS_REDIS_WAIT},
    {PS_SPAN("READONLY"), PS_REDIS_RECONNECT},
    {PS_SPAN("ERR max number of clients"), PS_REDIS_RECONNECT},
    {PS_SPAN("NOAUTH"), PS_REDIS_AUTH},
    {PS_SPAN("WRONGPASS"), PS_REDIS_AUTH},
    {PS_SPAN("ERR invalid password"), PS_REDIS_AUTH},
    {PS_SPAN("ERR AUTH"), PS_REDIS_AUTH},
    {PS_SPAN("ERR Client sent AUTH"), PS_REDIS_AUTH},
    {PS_SPAN("NOPERM"), PS_REDIS_PERMISSION},
    {PS_SPAN("MOVED"), PS_REDIS_CLUSTER},
    {PS_SPAN("ASK"), PS_REDIS_CLUSTER},
    {PS_SPAN("CROSSSLOT"), PS_REDIS_CLUSTER},
    {PS_SPAN("EXECABORT"), PS_REDIS_ABORTED},
    {PS_SPAN("WRONGTYPE"), PS_REDIS_REJECT},
    {PS_SPAN("ERR Elements are too large"), PS_REDIS_REJECT},
    {PS_SPAN("ERR wrong number of arguments"), PS_REDIS_REJECT},
    {PS_SPAN("ERR unknown command"), PS_REDIS_REJECT},
    {PS_SPAN("ERR The ID specified in XADD"), PS_REDIS_REJECT},
    {PS_SPAN("ERR The stream has exhausted"), PS_REDIS_REJECT},
};

ps_redis_error
ps_redis_error_class(ps_span text)
{
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        if (ps_span_starts_with(text, TABLE[i].prefix)) {
            return TABLE[i].meaning;
        }
    }
    return PS_REDIS_SUSPECT;
}
