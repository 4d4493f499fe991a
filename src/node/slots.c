#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_* */
#include "node/slots.h"

#include <assert.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, STEP_BYTES = 64 * 1024 };

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

int ic_slots_init(struct ic_slots *s, size_t slot_bytes, size_t max)
{
    size_t bytes = round_up(slot_bytes * max, STEP_BYTES);
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        *s = (struct ic_slots){0};
        return -1;
    }
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
    *s = (struct ic_slots){.base = base, .slot_bytes = slot_bytes, .mapped_bytes = bytes};
    return 0;
}

void ic_slots_deinit(struct ic_slots *s)
{
    if (s->base != NULL) {
        munmap(s->base, s->mapped_bytes);
    }
    *s = (struct ic_slots){0};
}

void *ic_slots_add(struct ic_slots *s)
{
    size_t end = (s->count + 1) * s->slot_bytes;
    if (end > s->mapped_bytes) {
        return NULL;
    }
    if (end > s->resident_bytes) {
        s->resident_bytes = round_up(end, PAGE_BYTES);
    }
    return s->base + s->count++ * s->slot_bytes;
}

void *ic_slots_last(const struct ic_slots *s)
{
    return s->count == 0 ? NULL : s->base + (s->count - 1) * s->slot_bytes;
}

void ic_slots_drop_last(struct ic_slots *s)
{
    assert(s->count > 0);
    s->count--;
}

void ic_slots_trim(struct ic_slots *s)
{
    size_t used = round_up(s->count * s->slot_bytes, PAGE_BYTES);
    if (used < s->resident_bytes) {
        (void)madvise(s->base + used, s->resident_bytes - used, MADV_DONTNEED);
        s->resident_bytes = used;
    }
}
