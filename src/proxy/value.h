/*
 * value.h - one argument of a request that is a value: streamed into the pool while it
 * arrives, sealed when what decides about it is known, and then a draft.
 *
 *   begin --body--> complete --seal--> sealing --ready--> draft (or the session's value_error)
 */
#ifndef IC_PROXY_VALUE_H
#define IC_PROXY_VALUE_H

#include "proxy/session.h"

struct iovec;
struct ic_put;

struct ic_value {
    struct ic_list node; /* in session->values */
    struct ic_session *session;
    struct ic_put *put;      /* NULL: it failed, or is taken */
    struct ic_object *draft; /* owned until the command takes it */
    uint32_t index;          /* of the argument */
    double dollars;          /* what storing it cost */
    uint64_t size, left;     /* bytes; those that have not come yet */
    size_t memory;           /* of the session's values_bytes */
    bool sealing;
};

/* Argument INDEX of S's request, SIZE bytes for KEY, is about to come. NULL: s->value_error says
 * why, and the body is to be skipped. */
struct ic_value *ic_value_begin(struct ic_session *s, uint32_t index, struct ic_slice key,
                                uint64_t size);
void ic_value_free(struct ic_value *v);
/* Where the next bytes go, as ic_put_room. */
size_t ic_value_room(struct ic_value *v, struct iovec *iov, size_t max);
void ic_value_received(struct ic_value *v, size_t length);
/* As the functions of put.h; fine if the put has failed. */
uint64_t ic_value_hold_ms(const struct ic_value *v);
bool ic_value_fast_enough(struct ic_value *v, uint64_t rate);
/* Takes bytes by copy; fewer than there are: the session is continued when there is room. */
size_t ic_value_write(struct ic_value *v, struct ic_slice bytes);
/* All its bytes are there: seal it. The session is continued when s->sealing has become 0. */
void ic_value_seal(struct ic_value *v, int64_t expires_ms);

#endif
