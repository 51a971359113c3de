/* SPDX-License-Identifier: MIT */
/* A Redis that answers by a script: a thread on a Unix socket. For each
 * connection in turn, so many commands are read, then a text is sent. */
#ifndef HR_TEST_REDIS_SERVER_H
#define HR_TEST_REDIS_SERVER_H

#include "tap.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "redis/link.h"

/* One answer. A connection's last one has `hang_up` set. */
typedef struct step {
    int commands; /* read before */
    const char *answer;
    int hang_up; /* and close; else the next step follows */
} step;

typedef struct redis_server {
    int fd;
    char path[64];
    pthread_t thread;
    const step *steps; /* until one with commands < 0 */
} redis_server;

static int
read_line(int fd, long *number)
{
    char line[32];
    size_t len = 0;
    while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1) {
        if (line[len++] == '\n') {
            line[len] = '\0';
            *number = strtol(line + 1, NULL, 10);
            return 1;
        }
    }
    return 0;
}

static int
read_command(int fd)
{
    long words = 0;
    long size = 0;
    char byte;
    if (!read_line(fd, &words)) {
        return 0;
    }
    for (; words > 0; words--) {
        if (!read_line(fd, &size)) {
            return 0;
        }
        for (size += 2; size > 0; size--) {
            if (read(fd, &byte, 1) != 1) {
                return 0;
            }
        }
    }
    return 1;
}

static void *
serve(void *context)
{
    redis_server *server = context;
    const step *at = server->steps;
    while (at->commands >= 0) {
        int client = accept(server->fd, NULL, NULL);
        if (client < 0) {
            return NULL;
        }
        for (int open = 1; open && at->commands >= 0; at++) {
            for (int i = 0; i < at->commands && open; i++) {
                open = read_command(client);
            }
            size_t len = strlen(at->answer);
            if (!open ||
                send(client, at->answer, len, MSG_NOSIGNAL) != (ssize_t)len) {
                open = 0;
            }
            open = open && !at->hang_up;
        }
        /* The other end goes first where it has to judge the answer. */
        char byte;
        shutdown(client, SHUT_WR);
        while (read(client, &byte, 1) == 1) {
        }
        close(client);
    }
    return NULL;
}

static void
start_server(redis_server *server, const step *steps)
{
    static int count;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(server->path, sizeof(server->path), "/tmp/hr-c-%d-%d.sock",
             (int)getpid(), count++);
    memcpy(address.sun_path, server->path, sizeof(server->path));
    server->steps = steps;
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 ||
        bind(server->fd, (struct sockaddr *)(void *)&address,
             sizeof(address)) != 0 ||
        listen(server->fd, 16) != 0 ||
        pthread_create(&server->thread, NULL, serve, server) != 0) {
        printf("Bail out! no server\n");
        exit(2);
    }
}

static void
stop_server(redis_server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    unlink(server->path);
}

/* What a server of version 7 answers to the greeting. */
#define RUN_ID "0123456789012345678901234567890123456789"
#define INFO_SERVER "$71\r\nredis_version:7.0.15\r\nrun_id:" RUN_ID "\r\n\r\n"
#define INFO_MEMORY "$13\r\nmaxmemory:0\r\n\r\n"
#define GREETING_FROM_ID \
    INFO_SERVER INFO_MEMORY ":0\r\n$-1\r\n+OK\r\n*0\r\n:1\r\n"
#define GREETING "+OK\r\n:77\r\n" GREETING_FROM_ID
#define GREETING_COMMANDS 9

#endif
