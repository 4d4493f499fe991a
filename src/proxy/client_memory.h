/*
 * client_memory.h - the books of what clients make the proxy keep: each is charged with its own,
 * and all together have a bound (maxmemory-clients), beyond which the largest are to go. The books
 * know who is large by powers of two, as Redis's, so that no charge walks over the clients.
 *
 *   charge --> [1 MiB, 2 MiB): client client      <-- largest: the first of the topmost
 *              [512 KiB, 1 MiB): client
 *              ...
 *
 * Who is spared (CLIENT NO-EVICT) goes after the others. But any client may say so: the others lose
 * nobody while they keep within half of the bound.
 *
 * What was withdrawn from a client (value.h) is in the totals, but was not the client's choice: who
 * is large is said by the rest, unless most of the memory is taken by what was withdrawn.
 */
#ifndef IC_PROXY_CLIENT_MEMORY_H
#define IC_PROXY_CLIENT_MEMORY_H

#include "base/config.h"
#include "base/list.h"

enum {
    IC_CLIENT_MEMORY_LEAST = 128 << 10, /* a lower bound would let nobody in, as in Redis */
    IC_CLIENT_MEMORY_BUCKETS = 64,      /* bucket i: from 2^i bytes on */
    IC_CLIENT_MEMORY_RECENT_S = 8,      /* over which `recent` looks back, as Redis */
};

/* By what a client is large. */
enum ic_client_measure {
    IC_CLIENT_CHOSEN, /* bytes without those that were withdrawn from it */
    IC_CLIENT_WHOLE,
    IC_CLIENT_MEASURES
};

/* One client's charge: embedded in it, zeroed before first use. */
struct ic_client_charge {
    struct ic_list node[IC_CLIENT_MEASURES]; /* in its bucket of each measure */
    size_t bytes;                            /* 0: in none */
    size_t withdrawn;                        /* of these */
    bool spared;
};

struct ic_client_memory {
    size_t total, spared; /* of all, and of those that are spared */
    size_t withdrawn[2];  /* of these; [spared] */
    struct ic_list bucket[2][IC_CLIENT_MEASURES][IC_CLIENT_MEMORY_BUCKETS]; /* [spared] */
    struct {
        uint64_t second;
        size_t input, output;
    } recent[IC_CLIENT_MEMORY_RECENT_S]; /* the most of any one client, by second */
};

void ic_client_memory_init(struct ic_client_memory *m);
/* C takes BYTES from now on, WITHDRAWN (fewer) of which were withdrawn from it. */
void ic_client_memory_charge(struct ic_client_memory *m, struct ic_client_charge *c, size_t bytes,
                             size_t withdrawn, bool spared);
void ic_client_memory_leave(struct ic_client_memory *m, struct ic_client_charge *c);
/* Who is to go next: one of the largest, up to a factor of two. NULL: all are within LIMIT. */
struct ic_client_charge *ic_client_memory_victim(const struct ic_client_memory *m, size_t limit);

/* Somebody's requests take INPUT bytes and its replies OUTPUT. */
void ic_client_memory_note(struct ic_client_memory *m, uint64_t now_ms, size_t input,
                           size_t output);
/* The most of these in the last seconds. */
void ic_client_memory_recent(const struct ic_client_memory *m, uint64_t now_ms, size_t *input,
                             size_t *output);

/* What maxmemory-clients says now, in bytes; SIZE_MAX: no bound. */
size_t ic_client_memory_limit(const struct ic_config *c);

#endif
