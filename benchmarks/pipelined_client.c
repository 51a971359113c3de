/* SPDX-License-Identifier: MIT */
/* The peer of bench_sink.py's delivery: what a careful C program does with
 * hiredis. It formats the same commands as the sink, a transaction with a
 * marker for each batch, sends a batch at once and reads all its replies.
 *
 *   pipelined_client socket events batch
 *
 * Prints events a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>

#define ID_PREFIX "0123456789abcdef-"

static const char *const FIELDS[] = {
    "user",          "1234567", "plan", "pro", "path",
    "/community/7/", "n",       "7",    "ok",  "1",
};
#define FIELD_WORDS (sizeof(FIELDS) / sizeof(FIELDS[0]))

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
append(redisContext *redis, int count, const char **words)
{
    if (redisAppendCommandArgv(redis, count, words, NULL) != REDIS_OK) {
        fprintf(stderr, "append: %s\n", redis->errstr);
        exit(1);
    }
}

static void
append_event(redisContext *redis, long n)
{
    char id[48];
    char time_ms[32];
    snprintf(id, sizeof(id), ID_PREFIX "%ld", n * 18);
    snprintf(time_ms, sizeof(time_ms), "%ld", 1700000000000 + n);
    const char *words[12 + FIELD_WORDS] = {
        "XADD", "headrace:events", "MAXLEN", "~",     "100000", "*", "id", id,
        "kind", "signup",          "time",   time_ms,
    };
    memcpy(words + 12, FIELDS, sizeof(FIELDS));
    append(redis, 12 + (int)FIELD_WORDS, words);
}

static void
take_reply(redisContext *redis)
{
    redisReply *reply = NULL;
    if (redisGetReply(redis, (void **)&reply) != REDIS_OK ||
        reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "reply: %s\n",
                reply != NULL ? reply->str : redis->errstr);
        exit(1);
    }
    freeReplyObject(reply);
}

static void
deliver(redisContext *redis, long first, long count)
{
    char last[32];
    const char *multi[] = {"MULTI"};
    const char *marker[] = {"SET", "headrace:marker:peer", last, "EX",
                            "604800"};
    const char *exec[] = {"EXEC"};
    append(redis, 1, multi);
    for (long n = first; n < first + count; n++) {
        append_event(redis, n);
    }
    snprintf(last, sizeof(last), "%ld", (first + count - 1) * 18);
    append(redis, 5, marker);
    append(redis, 1, exec);
    for (long n = 0; n < count + 3; n++) {
        take_reply(redis);
    }
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s socket events batch\n", argv[0]);
        return 2;
    }
    long events = strtol(argv[2], NULL, 10);
    long batch = strtol(argv[3], NULL, 10);
    redisContext *redis = redisConnectUnix(argv[1]);
    if (redis == NULL || redis->err != 0 || events < 1 || batch < 1) {
        fprintf(stderr, "cannot connect to %s\n", argv[1]);
        return 1;
    }
    double start = now();
    for (long n = 0; n < events; n += batch) {
        deliver(redis, n, n + batch < events ? batch : events - n);
    }
    printf("%.0f\n", (double)events / (now() - start));
    redisFree(redis);
    return 0;
}
