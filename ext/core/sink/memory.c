/* SPDX-License-Identifier: MIT */
/* Every event gets a block of its own: what a reader was given stays where it
 * is until the target is freed. Past HR_MEMORY_EVENTS_MAX events or
 * HR_MEMORY_BYTES_MAX bytes further ones are rejected. */
#include "sink/memory.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/config.h"

typedef struct memory {
    hr_sink_target base;
    hr_buf kept;  /* of hr_sink_memory_event *, each owned */
    size_t bytes; /* of all events */
} memory;

static memory *
of(hr_sink_target *target)
{
    return (memory *)(void *)target;
}

/* A copy of the event with its text behind it. */
static hr_status
keep(memory *self, const hr_ring *ring, const hr_ring_batch_event *taken)
{
    const hr_ring_event *event = &taken->event;
    size_t text = event->kind.len + event->body.len;
    if (text > HR_MEMORY_BYTES_MAX - self->bytes) {
        return HR_TOO_BIG;
    }
    hr_status status =
        hr_buf_reserve(&self->kept, sizeof(hr_sink_memory_event *));
    if (status != HR_OK) {
        return status;
    }
    hr_sink_memory_event *copy = hr_alloc(sizeof(*copy) + text);
    if (copy == NULL) {
        return HR_NO_MEMORY;
    }
    char *at = (char *)(copy + 1);
    *copy =
        (hr_sink_memory_event){.sequence = taken->sequence, .event = *event};
    memcpy(copy->producer, hr_ring_header_producer(ring->header).ptr,
           HR_RING_PRODUCER_SIZE);
    memcpy(at, event->kind.ptr, event->kind.len);
    memcpy(at + event->kind.len, event->body.ptr, event->body.len);
    copy->event.kind.ptr = at;
    copy->event.body.ptr = at + event->kind.len;
    hr_buf_put(&self->kept, (const char *)&copy, sizeof(copy));
    self->bytes += text;
    return HR_OK;
}

static hr_status
memory_deliver(hr_sink_target *target, hr_ring_batch *batch, hr_wake *wake)
{
    (void)wake;
    memory *self = of(target);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->events[i].state != HR_RING_BATCH_WAITING) {
            continue;
        }
        hr_status status = keep(self, batch->ring, &batch->events[i]);
        if (status == HR_NO_MEMORY) {
            return status;
        }
        hr_ring_batch_settle(batch, i,
                             status == HR_OK ? HR_RING_BATCH_DELIVERED
                                             : HR_RING_BATCH_REJECTED);
    }
    return HR_OK;
}

static void
memory_report(const hr_sink_target *target, hr_sink_target_report *report)
{
    (void)target;
    *report = (hr_sink_target_report){.delivery = "exactly-once"};
}

static void
memory_close(hr_sink_target *target)
{
    (void)target;
}

static void
memory_forget(hr_sink_target *target)
{
    memory *self = of(target);
    hr_buf_init(&self->kept, self->kept.max);
    self->bytes = 0;
}

static void
memory_free(hr_sink_target *target)
{
    memory *self = of(target);
    for (size_t i = 0; i < hr_sink_memory_count(target); i++) {
        hr_sink_memory_event *kept;
        memcpy(&kept, self->kept.ptr + i * sizeof(kept), sizeof(kept));
        hr_alloc_free(kept);
    }
    hr_buf_fini(&self->kept);
    hr_alloc_free(self);
}

static const hr_sink_target_ops OPS = {
    .deliver = memory_deliver,
    .report = memory_report,
    .close = memory_close,
    .forget = memory_forget,
    .free = memory_free,
};

hr_status
hr_sink_memory_new(hr_sink_target **target)
{
    memory *self = hr_alloc_zeroed(1, sizeof(*self));
    if (self == NULL) {
        return HR_NO_MEMORY;
    }
    self->base.ops = &OPS;
    hr_buf_init(&self->kept,
                HR_MEMORY_EVENTS_MAX * sizeof(hr_sink_memory_event *));
    *target = &self->base;
    return HR_OK;
}

size_t
hr_sink_memory_count(const hr_sink_target *target)
{
    const memory *self = (const memory *)(const void *)target;
    return self->kept.len / sizeof(hr_sink_memory_event *);
}

const hr_sink_memory_event *
hr_sink_memory_at(const hr_sink_target *target, size_t index)
{
    const memory *self = (const memory *)(const void *)target;
    const hr_sink_memory_event *kept;
    memcpy(&kept, self->kept.ptr + index * sizeof(kept), sizeof(kept));
    return kept;
}
