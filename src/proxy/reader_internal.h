/*
 * reader_internal.h - what reader.c (spans, taps, deadlines), reader_memory.c (the window),
 * reader_plan.c (which chunks) and reader_recall.c (instances that are away) share.
 */
#ifndef IC_PROXY_READER_INTERNAL_H
#define IC_PROXY_READER_INTERNAL_H

#include "code/layout.h"
#include "proxy/proxy.h"
#include "proxy/reader.h"
#include "proxy/span.h"
#include "proxy/window.h"

struct ic_reader {
    struct ic_list node; /* proxy->readers */
    struct ic_proxy *proxy;
    struct ic_object *object; /* pinned */
    struct ic_rs *rs;
    struct ic_layout layout;
    uint64_t next, end;   /* the next span's first byte; where the read stops */
    struct ic_list spans; /* in order, not yet given to all taps */
    struct ic_list taps;
    struct ic_grant grant;
    struct ic_timer timer; /* admission, late chunks */
    struct ic_timer kick;  /* goes on in a later turn */
    struct ic_reap reap;
    uint64_t started_ms;
    uint64_t failed, late, chosen; /* chunks */
    uint64_t away;                 /* of those that failed: another instance answered */
    uint64_t chunks;               /* wanted whole; 0: the bytes are */
    uint32_t span_count;
    uint32_t stripes; /* per span, if memory allows */
    int error;        /* of the last chunk that failed otherwise than by loss */
    bool decoded;     /* something that could not be had was rebuilt */
    bool little;      /* a part of one unit: memory for that one is reserved */
    bool careful;     /* the next span has one stripe: its memory is reserved */
    bool served;      /* spans have been given with the memory that it has now */
    bool admitted, pumping, closed;
    struct ic_reader_recalls *recalls; /* NULL: none yet */
};

/* ---- reader_memory.c -------------------------------------------------------- */

/* Reserves what R needs at least; if that is not to be had at once READY tells, and R is not
 * `admitted` until then. */
void ic_reader_stand_in_line(struct ic_reader *r, void (*ready)(void *reader));
/* Others have waited for the memory that R has had its use of. */
bool ic_reader_must_yield(const struct ic_reader *r);
/* Only a part of one unit is wanted, and there is no room for a stripe. */
bool ic_reader_is_little(const struct ic_reader *r);
/* How many of LEN bytes of OBJECT from OFFSET on there is room for: all, or those in its unit. */
uint64_t ic_reader_fits(const struct ic_proxy *p, const struct ic_object *object, uint64_t offset,
                        uint64_t len);

/* ---- reader_plan.c ---------------------------------------------------------- */

/* Chunks on instances that answer for their function; one whose sibling answers may come back, but
 * until then its chunks are as good as lost. */
bool ic_reader_is_reachable(const struct ic_reader *r, uint16_t chunk);
/* CHUNK is on an instance whose sibling answers. */
bool ic_reader_is_away(const struct ic_reader *r, uint16_t chunk);
/* CHUNK's node is not awake. */
bool ic_reader_wakes(const struct ic_reader *r, uint16_t chunk);
/* What to ask now, so that SPAN can be completed without those that are late. IC_EUNAVAIL: it
 * cannot be completed even with them. */
int ic_reader_plan(const struct ic_reader *r, const struct ic_span *span,
                   uint64_t *more) IC_MUST_USE;

/* ---- reader_recall.c -------------------------------------------------------- */

/* What is asked cannot be completed. True: it may be once instances that are away have come back:
 * they are recalled, and `kick` goes on when they have, or will not. */
bool ic_reader_recall(struct ic_reader *r);
/* CHUNK is on an instance that is away, and no recall of this read has brought a third instead. */
bool ic_reader_may_return(const struct ic_reader *r, uint16_t chunk);
void ic_reader_went_on(struct ic_reader *r); /* a span is complete */
bool ic_reader_recalling(const struct ic_reader *r);
/* They need not stay. No READ may be pending. */
void ic_reader_end_recalls(struct ic_reader *r);
void ic_reader_free_recalls(struct ic_reader *r); /* they have ended */

#endif
