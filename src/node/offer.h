/*
 * offer.h - what a dying instance offers the proxy: its sealed chunks, the newest first, as the
 * body of one OFFER frame. What does not fit could not be moved in the time that is left either.
 */
#ifndef IC_NODE_OFFER_H
#define IC_NODE_OFFER_H

#include "base/buf.h"
#include "node/chunks.h"

/* Appends the items; nothing if no chunk is sealed. IC_ENOMEM. */
int ic_offer_encode(const struct ic_chunks *chunks, struct ic_buf *out) IC_MUST_USE;

#endif
