/* SPDX-License-Identifier: MIT */
/* Every event gets a block of its own: what a reader was given stays where it
 * is until the target is freed. Past PS_MEMORY_EVENTS_MAX events or
 * PS_MEMORY_BYTES_MAX bytes further ones are rejected. */
#include "target_memory.h"

#include <string.h>

#include "alloc.h"
#include "buf.h"
#include "config.h"

typedef struct memory {
    ps_target base;
    ps_buf kept;  /* of ps_kept_event *, each owned */
    size_t bytes; /* of all events */
} memory;

static memory *
of(ps_target *target)
{
    return (memory *)(void *)target;
}

/* A copy of the event with its text behind it. */
static ps_status
keep(memory *self, const ps_ring *ring, const ps_batch_event *taken)
{
    const ps_event *event = &taken->event;
    size_t text = event->kind.len + event->body.len;
    if (text > PS_MEMORY_BYTES_MAX - self->bytes) {
        return PS_TOO_BIG;
    }
    ps_status status = ps_buf_reserve(&self->kept, sizeof(ps_kept_event *));
    if (status != PS_OK) {
        return status;
    }
    ps_kept_event *copy = ps_malloc(sizeof(*copy) + text);
    if (copy == NULL) {
        return PS_NO_MEMORY;
    }
    char *at = (char *)(copy + 1);
    *copy = (ps_kept_event){.sequence = taken->sequence, .event = *event};
    memcpy(copy->producer, ring->header->label.producer, PS_PRODUCER_SIZE);
    memcpy(at, event->kind.ptr, event->kind.len);
    memcpy(at + event->kind.len, event->body.ptr, event->body.len);
    copy->event.kind.ptr = at;
    copy->event.body.ptr = at + event->kind.len;
    ps_buf_put(&self->kept, (const char *)&copy, sizeof(copy));
    self->bytes += text;
    return PS_OK;
}

static ps_status
memory_deliver(ps_target *target, ps_batch *batch, ps_wake *wake)
{
    (void)wake;
    memory *self = of(target);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state != PS_EVENT_WAITING) {
            continue;
        }
        ps_status status = keep(self, batch->ring, &batch->events[i]);
        if (status == PS_NO_MEMORY) {
            return status;
        }
        ps_batch_settle(batch, i,
                        status == PS_OK ? PS_EVENT_DELIVERED
                                        : PS_EVENT_REJECTED);
    }
    return PS_OK;
}

static void
memory_report(const ps_target *target, ps_target_report *report)
{
    (void)target;
    *report = (ps_target_report){.delivery = "exactly-once"};
}

static void
memory_close(ps_target *target)
{
    (void)target;
}

static void
memory_forget(ps_target *target)
{
    memory *self = of(target);
    ps_buf_init(&self->kept, self->kept.max);
    self->bytes = 0;
}

static void
memory_free(ps_target *target)
{
    memory *self = of(target);
    for (size_t i = 0; i < ps_target_memory_count(target); i++) {
        ps_kept_event *kept;
        memcpy(&kept, self->kept.ptr + i * sizeof(kept), sizeof(kept));
        ps_free(kept);
    }
    ps_buf_fini(&self->kept);
    ps_free(self);
}

static const ps_target_ops OPS = {
    .deliver = memory_deliver,
    .report = memory_report,
    .close = memory_close,
    .forget = memory_forget,
    .free = memory_free,
};

ps_status
ps_target_memory_new(ps_target **target)
{
    memory *self = ps_calloc(1, sizeof(*self));
    if (self == NULL) {
        return PS_NO_MEMORY;
    }
    self->base.ops = &OPS;
    ps_buf_init(&self->kept, PS_MEMORY_EVENTS_MAX * sizeof(ps_kept_event *));
    *target = &self->base;
    return PS_OK;
}

size_t
ps_target_memory_count(const ps_target *target)
{
    const memory *self = (const memory *)(const void *)target;
    return self->kept.len / sizeof(ps_kept_event *);
}

const ps_kept_event *
ps_target_memory_at(const ps_target *target, size_t index)
{
    const memory *self = (const memory *)(const void *)target;
    const ps_kept_event *kept;
    memcpy(&kept, self->kept.ptr + index * sizeof(kept), sizeof(kept));
    return kept;
}
