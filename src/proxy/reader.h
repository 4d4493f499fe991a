/*
 * reader.h - one read of an object through the pool, from an offset to an end, for one client or
 * several that are at the same place: a window of spans, asked ahead, given out in order.
 *
 *     taps at:      A,B                C (late: gets a reader of its own when A, B need the room)
 *                    v                 v
 *   object ----[span ][span ][span ][span ]----------> end
 *               given  complete  asked   next
 *
 * A read starts when its least window (one stripe, all d + p chunks) is reserved. One of a part of
 * a single unit, when there is no room for that, starts with the unit's chunk alone, and if that
 * cannot be had stands in line for a stripe, holding nothing. Chunks: any d of
 * d + p, see core/read_plan.h. A chunk that fails is remembered for the rest of the read and
 * replaced at once; one that is late (`read-deadline`) too, but may still come first. If fewer than
 * d are in reach because other instances answer than those that have them, as many as are needed
 * are recalled (recall.h), as often as that brings the read on. When memory is short what was asked
 * ahead is dropped and asked again later; when others have waited for it for long, the read goes to
 * the end of their line between two spans, holding nothing.
 *
 * A read may also be of whole chunks, lost ones, which are then rebuilt: for repair_job.h.
 */
#ifndef IC_PROXY_READER_H
#define IC_PROXY_READER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"

struct ic_object;
struct ic_proxy;
struct ic_reader;
struct ic_span;

/* A consumer of a read: embedded in struct ic_get. */
struct ic_tap {
    struct ic_list node;
    struct ic_reader *reader; /* NULL: none (any more) */
    uint64_t at, end;         /* the next byte of the object it wants, and where it stops */
    double dollars;           /* what its reads cost; shared by those who read together */
    uint64_t chunks; /* 0: it wants the bytes; else these chunks, which cannot be read, rebuilt */
    bool paused;
    /* All from the loop; they may leave, pause, and join others. */
    void (*rebuilt)(struct ic_tap *tap, const struct ic_span *span); /* with `chunks`: the next
        stripes; segment[] of each is whole. It keeps buffers by references. */
    void (*data)(struct ic_tap *tap, struct ic_slice bytes, struct ic_buf *owner);
    void (*finished)(struct ic_tap *tap, int result); /* it has left the reader already */
};

enum {
    IC_READER_TURN_BYTES = 8 << 20, /* of all reads, given in one turn: then those that are left
                                       go on in the next */
    IC_READER_TAP_BYTES = 16 << 10, /* that to give a tap anything counts as */
    IC_READER_SPANS_MAX = 2,        /* asked ahead or not yet given to all taps */
    IC_READER_SEGMENT_BYTES = 256 << 10, /* of one READ, more if a unit is more */
    IC_READER_REBUILD_BYTES = 64 << 10,  /* the same of a read of chunks: it holds less memory */
    IC_READER_STRIPES_MAX = 64,          /* of one span */
    IC_READER_JOIN_SCAN_MAX = 32,        /* reads looked at for one to join */
};

/* TAP (at < end) joins a read of OBJECT that is at its place, or a new one. IC_ENOMEM. */
int ic_reader_join(struct ic_proxy *p, struct ic_object *object, struct ic_tap *tap) IC_MUST_USE;
/* How many of LEN bytes of OBJECT from OFFSET on (LEN > 0) are read next without standing in line:
 * all, if there is room for a stripe or a read to join, else those in OFFSET's unit. */
uint64_t ic_reader_at_once(const struct ic_proxy *p, const struct ic_object *object,
                           uint64_t offset, uint64_t len);
/* TAP is told nothing any more; the last one ends the read. Fine if it is with none. */
void ic_reader_leave(struct ic_tap *tap);
/* TAP was paused and is not any more. */
void ic_reader_resume(struct ic_tap *tap);

#endif
