/*
 * slots.h - a dense array of equal slots in a mapping of its own: the bookkeeping of chunks. Small
 * blocks on the heap would stay resident long after most of them are freed, since a few that are
 * left pin its pages; here the last slot moves into a hole and the end of the array is given
 * back.
 *
 *   [ used | used | used | used |  resident, not used  |  never touched ... ]
 *                               ^ count                 ^ resident
 */
#ifndef IC_NODE_SLOTS_H
#define IC_NODE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct ic_slots { /* embedded */
    uint8_t *base;
    size_t slot_bytes;
    size_t mapped_bytes;
    size_t count;
    size_t resident_bytes; /* at most */
};

/* Room for MAX slots, nothing of it resident. -1: no address space. */
int ic_slots_init(struct ic_slots *s, size_t slot_bytes, size_t max)
    __attribute__((warn_unused_result));
void ic_slots_deinit(struct ic_slots *s);

void *ic_slots_add(struct ic_slots *s); /* one more at the end, not zeroed; NULL: MAX are used */
void *ic_slots_last(const struct ic_slots *s); /* NULL: there is none */
void ic_slots_drop_last(struct ic_slots *s);

/* Gives the unused end back to the system. */
void ic_slots_trim(struct ic_slots *s);

#endif
