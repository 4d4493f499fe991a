/*
 * get.h - one reader of one object's bytes, or of a range of them: they come in the object's order
 * as slices of window buffers, while further spans are on their way. Readers of the same object at
 * the same place share one read (reader.h).
 *
 *   nodes --READ--> segments of a span --CRC, rebuild--> data(slice, owner) --> client's stream
 *                                                   pause ^  resume
 */
#ifndef IC_PROXY_GET_H
#define IC_PROXY_GET_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

struct ic_get;
struct ic_object;
struct ic_proxy;

/* Handlers are never called on the stack of ic_get_new or ic_get_resume; they may call anything
 * below. */
struct ic_get_handler {
    /* The next bytes, never 0. They lie in OWNER: take a reference to keep them, do not write. */
    void (*data)(void *ctx, struct ic_slice bytes, struct ic_buf *owner);
    /*
     * Once, nothing follows. 0: all bytes were given. Else, before the first byte or in the middle:
     *   IC_ENOENT    more than p chunks are lost: the value is gone (the store purges the key). Or
     *                they are on instances that did not come when they were recalled
     *   IC_EUNAVAIL  too many functions do not answer now, or their instances do not stay
     *   IC_ETIMEOUT  as EUNAVAIL, or no window memory in time
     *   IC_ENOMEM
     */
    void (*end)(void *ctx, int result);
};

/*
 * Reads LEN bytes of OBJECT from OFFSET on (OFFSET + LEN <= size) and pins it meanwhile.
 * NULL: out of memory.
 */
struct ic_get *ic_get_new(struct ic_proxy *p, struct ic_object *object, uint64_t offset,
                          uint64_t len, const struct ic_get_handler *h, void *ctx);
/* How many of these bytes are read next without standing in line for the window's memory: see
 * reader.h. So what is large goes on in small pieces where there are many readers. */
uint64_t ic_get_at_once(const struct ic_proxy *p, const struct ic_object *object, uint64_t offset,
                        uint64_t len);
/* No data until resume: the client does not take it as fast. What is on its way is kept in bounds.
 */
void ic_get_pause(struct ic_get *g);
void ic_get_resume(struct ic_get *g);
/* What it has cost so far. */
double ic_get_dollars(const struct ic_get *g);
/* At any time; no handler is called any more. NULL is fine. */
void ic_get_free(struct ic_get *g);

#endif
