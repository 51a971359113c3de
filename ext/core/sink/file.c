/* SPDX-License-Identifier: MIT */
/* Several processes write one file: each batch is one append under the file's
 * lock, and whoever finds it full rotates it. A batch is written whole or, on
 * a full disk, taken back; a process killed in between makes it at least
 * once. */
#include "sink/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/fork_guard.h"

#define LINE_OVERHEAD 256  /* of id, kind's name and time */
#define GROWTH 6           /* one byte is at most "\u00xx" */
#define LINES_MAX 16777216 /* bytes of one batch as lines */

typedef struct file {
    hr_sink_target base;
    char *path; /* owned */
    uint64_t max_bytes;
    int fd; /* -1: not open */
    hr_buf lines;
    char detail[160];
} file;

static file *
of(hr_sink_target *target)
{
    return (file *)(void *)target;
}

/* ---- lines -------------------------------------------------------------- */

static void
put_escape(hr_buf *out, unsigned code)
{
    char text[7];
    snprintf(text, sizeof(text), "\\u%04x", code & 0xFFFF);
    hr_buf_put(out, text, 6);
}

/* Room for GROWTH times the text and two quotes is there. */
static void
put_string(hr_buf *out, hr_span text)
{
    hr_buf_put(out, "\"", 1);
    while (text.len != 0) {
        unsigned char c = (unsigned char)text.ptr[0];
        size_t len =
            c < 0x80 ? 1 : hr_span_utf8_length(text.ptr, text.ptr + text.len);
        if (len == 0) {
            put_escape(out, 0xFFFD);
            len = 1;
        } else if (c == '"' || c == '\\') {
            char escaped[2] = {'\\', (char)c};
            hr_buf_put(out, escaped, 2);
        } else if (c < 0x20 || c == 0x7F) {
            put_escape(out, c);
        } else if (len == 2 && c == 0xC2 &&
                   (unsigned char)text.ptr[1] < 0xA0) {
            put_escape(out, (unsigned char)text.ptr[1]);
        } else if (len == 3 && memcmp(text.ptr, "\xe2\x80\xa8", 3) == 0) {
            put_escape(out, 0x2028);
        } else if (len == 3 && memcmp(text.ptr, "\xe2\x80\xa9", 3) == 0) {
            put_escape(out, 0x2029);
        } else {
            hr_buf_put(out, text.ptr, len);
        }
        text = hr_span_from(text, len);
    }
    hr_buf_put(out, "\"", 1);
}

void
hr_sink_file_line(hr_buf *out, const hr_ring *ring,
                  const hr_ring_batch_event *taken)
{
    const hr_ring_event *event = &taken->event;
    if (!hr_buf_room(out, LINE_OVERHEAD +
                              GROWTH * (event->kind.len + event->body.len) +
                              8 * (size_t)event->field_count)) {
        return;
    }
    hr_buf_put(out, "{\"id\":\"", 7);
    hr_buf_put(out, hr_ring_header_producer(ring->header).ptr,
               HR_RING_PRODUCER_SIZE);
    hr_buf_put(out, "-", 1);
    hr_buf_put_number(out, taken->sequence);
    hr_buf_put(out, "\",\"kind\":", 9);
    put_string(out, event->kind);
    hr_buf_put(out, ",\"time\":", 8);
    hr_buf_put_number(out, (uint64_t)event->time_ms);
    hr_span rest = event->body;
    hr_ring_event_field field;
    while (hr_ring_event_next_field(&rest, &field)) {
        hr_buf_put(out, ",", 1);
        put_string(out, field.name);
        hr_buf_put(out, ":", 1);
        put_string(out, field.value);
    }
    hr_buf_put(out, "}\n", 2);
}

/* ---- the file ----------------------------------------------------------- */

static hr_status
fail(file *self, const char *what)
{
    char text[96];
    snprintf(self->detail, sizeof(self->detail), "%s: %s", what,
             strerror_r(errno, text, sizeof(text)));
    return HR_SYSTEM;
}

static void
shut(file *self)
{
    hr_fork_guard_hold();
    if (self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
    hr_fork_guard_let_go();
}

/* The folder, and where it is .headrace, what keeps it out of git. */
static void
make_folder(const file *self)
{
    char path[HR_RING_PATH_MAX];
    const char *slash = strrchr(self->path, '/');
    size_t len = slash != NULL ? (size_t)(slash - self->path) : 0;
    if (len == 0 || len > sizeof(path) - 16) {
        return;
    }
    memcpy(path, self->path, len);
    path[len] = '\0';
    if (mkdir(path, 0700) != 0 || len < 9 ||
        strcmp(path + len - 9, ".headrace") != 0 ||
        (len > 9 && path[len - 10] != '/')) {
        return; /* what is missing shows when the file is opened */
    }
    memcpy(path + len, "/.gitignore", 12);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, "*\n", 2) != 2) {
            /* then git will show the file: no harm */
        }
        close(fd);
    }
}

static hr_status
open_file(file *self)
{
    for (int tries = 0; tries < 2 && self->fd < 0; tries++) {
        hr_fork_guard_hold();
        self->fd =
            open(self->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        hr_fork_guard_let_go();
        if (self->fd < 0 && errno == ENOENT && tries == 0) {
            make_folder(self);
        }
    }
    return self->fd >= 0 ? HR_OK : fail(self, self->path);
}

static void
rotate(const file *self)
{
    char from[HR_RING_PATH_MAX];
    char to[HR_RING_PATH_MAX];
    for (int i = HR_SINK_FILE_KEPT; i > 0; i--) {
        snprintf(to, sizeof(to), "%s.%d", self->path, i);
        snprintf(from, sizeof(from), i > 1 ? "%s.%d" : "%s", self->path,
                 i - 1);
        rename(from, to);
    }
}

/* The file that bears the name, locked, with room for `more` bytes. */
static hr_status
lock_file(file *self, uint64_t more, struct stat *locked)
{
    for (int tries = 0; tries < 8; tries++) {
        struct stat named;
        hr_status status = open_file(self);
        if (status != HR_OK) {
            return status;
        }
        if (flock(self->fd, LOCK_EX) != 0 || fstat(self->fd, locked) != 0) {
            return fail(self, "lock");
        }
        if (stat(self->path, &named) == 0 && named.st_ino == locked->st_ino &&
            named.st_dev == locked->st_dev) {
            if (locked->st_size == 0 ||
                (uint64_t)locked->st_size + more <= self->max_bytes) {
                return HR_OK;
            }
            rotate(self);
        }
        shut(self);
    }
    errno = EBUSY;
    return fail(self, "rotate");
}

static hr_status
append(file *self)
{
    struct stat before;
    hr_status status = lock_file(self, self->lines.len, &before);
    size_t written = 0;
    while (status == HR_OK && written < self->lines.len) {
        ssize_t now = write(self->fd, self->lines.ptr + written,
                            self->lines.len - written);
        if (now > 0) {
            written += (size_t)now;
        } else if (errno != EINTR) {
            status = fail(self, "write");
            if (ftruncate(self->fd, before.st_size) != 0) {
                /* half a line stays; readers skip what is no JSON */
            }
        }
    }
    if (self->fd >= 0) {
        flock(self->fd, LOCK_UN);
    }
    return status;
}

/* ---- the target --------------------------------------------------------- */

static hr_status
file_deliver(hr_sink_target *target, hr_ring_batch *batch, hr_wake *wake)
{
    (void)wake;
    file *self = of(target);
    hr_buf_clear(&self->lines);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state == HR_RING_BATCH_WAITING) {
            hr_sink_file_line(&self->lines, batch->ring, &batch->events[i]);
        }
    }
    hr_status status = hr_buf_status(&self->lines);
    if (status == HR_OK) {
        status = append(self);
    }
    if (status != HR_OK) {
        return status;
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state == HR_RING_BATCH_WAITING) {
            hr_ring_batch_settle(batch, i, HR_RING_BATCH_DELIVERED);
        }
    }
    self->detail[0] = '\0';
    return HR_OK;
}

static void
file_report(const hr_sink_target *target, hr_sink_target_report *report)
{
    const file *self = (const file *)(const void *)target;
    *report = (hr_sink_target_report){.delivery = "at-least-once"};
    snprintf(report->detail, sizeof(report->detail), "%s", self->detail);
}

static void
file_close(hr_sink_target *target)
{
    shut(of(target));
}

static void
file_forget(hr_sink_target *target)
{
    file *self = of(target);
    if (self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
    hr_buf_init(&self->lines, self->lines.max);
}

static void
file_free(hr_sink_target *target)
{
    file *self = of(target);
    shut(self);
    hr_buf_fini(&self->lines);
    hr_alloc_free(self->path);
    hr_alloc_free(self);
}

static const hr_sink_target_ops OPS = {
    .deliver = file_deliver,
    .report = file_report,
    .close = file_close,
    .forget = file_forget,
    .free = file_free,
};

hr_status
hr_sink_file_new(hr_span path, uint64_t max_bytes, hr_sink_target **target)
{
    file *self = hr_alloc_zeroed(1, sizeof(*self));
    if (self == NULL) {
        return HR_NO_MEMORY;
    }
    self->base.ops = &OPS;
    self->fd = -1;
    self->max_bytes = max_bytes;
    hr_buf_init(&self->lines, LINES_MAX);
    self->path = hr_alloc_copy(path);
    if (self->path == NULL) {
        hr_alloc_free(self);
        return HR_NO_MEMORY;
    }
    *target = &self->base;
    return HR_OK;
}
