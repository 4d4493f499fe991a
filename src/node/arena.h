/*
 * arena.h - chunk memory: one mapping, cut into pages of 64 KiB, cut into granules of 64 bytes.
 * What is asked for comes as a list of extents, so every free granule is good for every request:
 * there is no fragmentation that could refuse one.
 *
 *   pages    |  full  |  full  | split  |  free  | ...
 *   extents   [-------------------] [--]             one chunk: whole pages and a tail
 *                              granules of a split page, by its bitmap
 *
 * Free pages are reused lowest address first, so that the resident memory follows what is held.
 * What is still resident and not needed can be given back to the system with ic_arena_trim.
 */
#ifndef IC_NODE_ARENA_H
#define IC_NODE_ARENA_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    IC_GRANULE_BYTES = 64, /* the least unit: lengths are multiples of it but for odd chunks */
    IC_ARENA_PAGE_BYTES = 64 * 1024,
    IC_ARENA_PAGE_GRANULES = IC_ARENA_PAGE_BYTES / IC_GRANULE_BYTES,
};

struct ic_extent { /* in granules from the start of the arena: up to 256 GiB */
    uint32_t start, count;
};

enum { IC_EXTENTS_INSIDE = 2 }; /* a chunk usually has whole pages and a tail */

struct ic_extents { /* may be moved */
    uint32_t count;
    uint32_t capacity; /* of list; 0: they are in `inside` */
    union {
        struct ic_extent inside[IC_EXTENTS_INSIDE];
        struct ic_extent *list; /* owned */
    };
};

static inline const struct ic_extent *ic_extents_list(const struct ic_extents *e)
{
    return e->capacity == 0 ? e->inside : e->list;
}

struct ic_arena;

/* At least BYTES of address space, nothing of it resident yet. NULL: out of memory. */
struct ic_arena *ic_arena_new(uint64_t bytes);
void ic_arena_free(struct ic_arena *a); /* NULL is fine */

/* LEN bytes (rounded up to granules) as extents, in few pieces where possible. IC_ENOSPC: fewer are
 * free; IC_ENOMEM; on failure *OUT is empty. */
int ic_arena_get(struct ic_arena *a, uint64_t len, struct ic_extents *out) IC_MUST_USE;
/* The same, behind what EXTENTS, of whole granules, have already; on failure they are unchanged. */
int ic_arena_extend(struct ic_arena *a, uint64_t len, struct ic_extents *extents) IC_MUST_USE;
void ic_arena_put(struct ic_arena *a, struct ic_extents *extents); /* and empties it */

uint8_t *ic_arena_at(const struct ic_arena *a, uint32_t granule);
uint64_t ic_arena_bytes(const struct ic_arena *a); /* in all */
uint64_t ic_arena_free_bytes(const struct ic_arena *a);
uint64_t ic_arena_resident_bytes(const struct ic_arena *a); /* at most: pages used since trimmed */
uint64_t ic_arena_table_bytes(const struct ic_arena *a); /* heap used for the split pages' maps */

/*
 * From now on no page that is not resident is used while as many as BYTES are: what is asked for
 * then comes out of the free parts of resident pages, in more pieces. No limit at first.
 */
void ic_arena_limit(struct ic_arena *a, uint64_t bytes);

/* Gives free pages back until at most KEEP bytes are resident, or no free page is. */
void ic_arena_trim(struct ic_arena *a, uint64_t keep);

#endif
