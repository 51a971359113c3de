/* SPDX-License-Identifier: MIT */
/* Any process of this user may read a header at any time, and whoever adopts
 * a ring finds it as its process died: each function leaves something sound
 * after every instruction. */
#include "ring/header.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fork_guard.h"
#include "base/clock.h"
#include "base/crc32c.h"

_Static_assert(sizeof(hr_ring_header) <= HR_RING_HEADER_BYTES,
               "the header fits its pages");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "a counter is eight bytes");

static const char MAGIC[8] = {'h', 'e', 'a', 'd', 'r', 'a', 'c', 'e'};

/* ---- its memory --------------------------------------------------------- */

static size_t
mapped_bytes(size_t data_bytes)
{
    return HR_RING_HEADER_BYTES + data_bytes +
           (data_bytes != 0 ? HR_RING_MIRROR : 0);
}

/* Header, data, and once more the first pages of the data. */
static bool
map_file(char *start, int fd, size_t data_bytes)
{
    const int how = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
    size_t body = HR_RING_HEADER_BYTES + data_bytes;
    return mmap(start, body, PROT_READ | PROT_WRITE, how, fd, 0) !=
               MAP_FAILED &&
           mmap(start + body, HR_RING_MIRROR, PROT_READ | PROT_WRITE, how, fd,
                HR_RING_HEADER_BYTES) != MAP_FAILED;
}

hr_ring_header *
hr_ring_header_new(int fd, size_t data_bytes)
{
    size_t size = mapped_bytes(data_bytes);
    if (fd < 0) {
        return hr_alloc_is_refused() ? NULL
                                     : hr_fork_guard_page_new(size, NULL);
    }
    char *start = mmap(NULL, size, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    if (!map_file(start, fd, data_bytes) ||
        madvise(start, size, MADV_DONTFORK) != 0) {
        munmap(start, size);
        return NULL;
    }
    return (hr_ring_header *)(void *)start;
}

void
hr_ring_header_free(hr_ring_header *header, size_t data_bytes)
{
    if (header != NULL) {
        munmap(header, mapped_bytes(data_bytes));
    }
}

/* ---- label -------------------------------------------------------------- */

static uint32_t
checksum_of(const hr_ring_header_label *label)
{
    return hr_crc32c(0, label, offsetof(hr_ring_header_label, checksum));
}

void
hr_ring_header_begin(hr_ring_header *header, const hr_ring_header_label *label)
{
    hr_ring_header_label *own = &header->label;
    *own = *label;
    memcpy(own->magic, MAGIC, sizeof(MAGIC));
    own->format = HR_RING_FORMAT;
    own->header_bytes = HR_RING_HEADER_BYTES;
    /* Above 0, so that a marker of 0 is below every sequence. */
    own->first = 1;
    own->created_ms = hr_clock_wall_ms();
    own->pid = (uint32_t)getpid();
    own->checksum = checksum_of(own);
    atomic_store(&header->head, own->first);
    atomic_store(&header->tail, own->first);
    hr_ring_header_touch(header, own->created_ms);
}

bool
hr_ring_header_label_is_sound(const hr_ring_header_label *label)
{
    return memcmp(label->magic, MAGIC, sizeof(MAGIC)) == 0 &&
           label->format == HR_RING_FORMAT &&
           label->checksum == checksum_of(label) &&
           label->header_bytes == HR_RING_HEADER_BYTES &&
           label->data_bytes >= HR_RING_BYTES_MIN &&
           label->data_bytes <= HR_RING_BYTES_TOP &&
           (label->data_bytes & (label->data_bytes - 1)) == 0;
}

/* ---- settling ----------------------------------------------------------- */

void
hr_ring_header_settle(hr_ring_header *header, uint64_t end, uint64_t delivered,
                      uint64_t expired, uint64_t rejected)
{
    hr_ring_counters *stats = &header->stats;
    hr_ring_header_journal *journal = &header->journal;
    atomic_store(&journal->delivered,
                 hr_ring_counters_read(&stats->delivered) + delivered);
    atomic_store(&journal->expired,
                 hr_ring_counters_read(&stats->dropped[HR_EXPIRED]) + expired);
    atomic_store(&journal->rejected,
                 hr_ring_counters_read(&stats->dropped[HR_REJECTED]) +
                     rejected);
    atomic_store(&journal->end, end);
    hr_ring_counters_raise(&stats->dropped[HR_EXPIRED], expired);
    hr_ring_counters_raise(&stats->dropped[HR_REJECTED], rejected);
    atomic_fetch_add_explicit(&stats->delivered, delivered,
                              memory_order_release);
}

bool
hr_ring_header_redo(hr_ring_header *header, uint64_t head, uint64_t *tail)
{
    hr_ring_counters *stats = &header->stats;
    const hr_ring_header_journal *journal = &header->journal;
    uint64_t end = atomic_load(&journal->end);
    if (end > head) {
        return false;
    }
    if (end > *tail) {
        atomic_store(&stats->delivered, journal->delivered);
        atomic_store(&stats->dropped[HR_EXPIRED], journal->expired);
        atomic_store(&stats->dropped[HR_REJECTED], journal->rejected);
        *tail = end;
    }
    return true;
}

/* ---- fence -------------------------------------------------------------- */

uint64_t
hr_ring_header_fence_read(const hr_ring_header *header,
                          const char run_id[HR_RING_RUN_ID_SIZE])
{
    bool same = memcmp(header->fence_run_id, run_id, HR_RING_RUN_ID_SIZE) == 0;
    return same ? atomic_load(&header->fence_client) : 0;
}

/* The id is cleared first: a half-written fence is none, and the connection
 * that it named is dead. */
void
hr_ring_header_fence_write(hr_ring_header *header,
                           const char run_id[HR_RING_RUN_ID_SIZE],
                           uint64_t client_id)
{
    atomic_store(&header->fence_client, 0);
    memcpy(header->fence_run_id, run_id, HR_RING_RUN_ID_SIZE);
    atomic_store(&header->fence_client, client_id);
}
