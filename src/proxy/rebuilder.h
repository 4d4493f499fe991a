/*
 * rebuilder.h - fills the catalog from the functions when the journal is lost: has each
 * of them invoked and its instance listed, a bounded number at a time; then the store settles what
 * was gathered (core/rebuild.h), and only then keys are served.
 *
 *   GATHERING --every function has answered or is given up--> FILLING --> DONE
 *      |                                                         |
 *      '--------- no memory, or the journal cannot be written ---'------> FAILED
 *
 * A function has answered when its instance's chunks are known: listed, or there are none.
 * (An instance that never held anything answers perhaps in place of another one that was busy with
 * a proxy before: if there are traces of such a proxy, those functions are asked once more, when
 * every node of its has left. The platform then invokes whichever instance ran last.)  It is
 * given up when it has not answered for three times `invoke-timeout`, and 15 s at least, and a
 * second more for each 2 MB of what it has listed (core/listing.h: 8,000 small chunks); and at once
 * if the platform knows no such function. When not one answers the platform is away, or another one
 * is asked (a wrong region, account or prefix), not the objects: then all are asked again.
 *
 * How long N functions can take of which K never come to an end, whatever their nodes do, if one
 * answers: a node lists no more than `memory` in one list, and another list counts only for what it
 * is longer, so a function has
 *
 *   T = max(3 invoke-timeout, 15 s) + memory / 2 MB/s     (defaults: 30 s + 131 s; 10 GB: 87 min)
 *
 * and ASKED_MAX (32) are waited for at a time, twice at most each: 2 ceil(K / 32) T, and what the
 * others need. Only a tenth of the time counts in which, before its first node has come, it is not
 * invoked (the platform throttles it; it is put off for strangers, which are heeded for a few
 * seconds after the start), and in which its list waits for its turn here (clients use all turns
 * for what is refused): 10 T then.
 */
#ifndef IC_PROXY_REBUILDER_H
#define IC_PROXY_REBUILDER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct ic_config;
struct ic_functions;
struct ic_journal;
struct ic_loop;
struct ic_rebuilder;
struct ic_store;

struct ic_rebuilder_setup {
    struct ic_loop *loop;
    const struct ic_config *config;
    struct ic_functions *functions; /* started, with `rebuild` */
    struct ic_store *store;         /* ic_store_rebuild_begin was called */
    struct ic_journal *journal;
    const char *reason; /* for the log */
    bool fresh;         /* nothing says that there was a proxy before */
    /* DONE (0) or FAILED (< 0); may free nothing of the setup. */
    void (*done)(void *ctx, int result);
    void *ctx;
};

/* Begins. NULL: out of memory. */
struct ic_rebuilder *ic_rebuilder_new(const struct ic_rebuilder_setup *setup);
void ic_rebuilder_free(struct ic_rebuilder *r); /* NULL is fine */
/* Keys cannot be served yet. R may be NULL: there is nothing to rebuild. */
bool ic_rebuilder_loading(const struct ic_rebuilder *r);

struct ic_rebuilder_progress {
    int64_t started_wall_ms;
    uint64_t elapsed_ms; /* so far, or in all */
    uint64_t functions, answered, given_up;
    /* The function that is waited for longest, "": none is; for so long; and what it has listed,
     * in bytes of its memory. */
    const char *waits_for;
    uint64_t waits_ms, waits_listed;
    uint64_t bytes; /* held by the instances that have answered or said HELLO */
};
struct ic_rebuilder_progress ic_rebuilder_progress(const struct ic_rebuilder *r);
/* What nobody can know of the catalog, for people. */
const char *ic_rebuilder_note(void);

#endif
