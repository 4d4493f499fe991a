/*
 * recall.h - brings an instance back whose function answers with another at present (IC_EAWAY),
 * for requests that only it can serve: the one that answers is held awake, and a second Invoke
 * raises the other (struct ic_meeting). While they are together, requests name either.
 *
 *   begin --> done(0): submit again --> end
 *        '--> done(error)
 */
#ifndef IC_PROXY_RECALL_H
#define IC_PROXY_RECALL_H

#include "net/net.h"
#include "proxy/functions.h"

struct ic_proxy;

struct ic_recall {
    struct ic_meeting meeting;
    struct ic_timer retry;
    struct ic_proxy *proxy;
    uint32_t serial;
    uint64_t until_ms;
    int error;  /* < 0: done is to say so */
    bool waits; /* DONE is still to come; the owner may look */
    /* From the loop, once for each ic_recall_begin: 0, or the other instance does not come:
     * IC_EUNAVAIL, IC_ETIMEOUT, IC_EBUSY, IC_ENOMEM. */
    void (*done)(struct ic_recall *r, int result);
    void *ctx;
};

void ic_recall_init(struct ic_recall *r, struct ic_proxy *p,
                    void (*done)(struct ic_recall *r, int result), void *ctx);
/* Of FUNCTION's instance SERIAL. Not while it waits. */
void ic_recall_begin(struct ic_recall *r, uint16_t function, uint32_t serial);
bool ic_recall_active(const struct ic_recall *r); /* begun and not ended */
/* Both instances may leave, DONE is not called any more. None of the owner's requests may be
 * pending. Fine if it was not begun. */
void ic_recall_end(struct ic_recall *r);
void ic_recall_deinit(const struct ic_recall *r); /* its owner is about to be freed: it has ended */

#endif
