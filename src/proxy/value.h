/*
 * value.h - one argument of a request that is a value: streamed into the pool while it
 * arrives, sealed when what decides about it is known, and then a draft, which is the argument's
 * (command.h): of the value itself nothing is left.
 *
 *   begin --body--> complete --seal--> sealing --ready--> draft (or the session's value_error)
 *
 * Its first bytes, IC_VALUE_HEAD_BYTES or all of it, are collected in memory that is charged to the
 * client before it asks for window memory: who announces a value and does not send it stands in
 * nobody's way, and one that is small never waits for its client while it holds some. Who then does
 * not go on while others wait is back where it was: what has come is a head again, and the next
 * time as much more must have come before it asks.
 */
#ifndef IC_PROXY_VALUE_H
#define IC_PROXY_VALUE_H

#include "proxy/session.h"

struct iovec;
struct ic_put;

enum {
    IC_VALUE_HEAD_BYTES = 64 << 10,
    IC_VALUE_UNITS = 16, /* of work (turns.h): one that begins */
};

struct ic_value {
    struct ic_list node; /* in session->values, or in session->ahead */
    struct ic_session *session;
    struct ic_put *put;
    uint32_t index;              /* of the argument */
    uint64_t size, left;         /* bytes; those that have not come yet */
    uint64_t mark_ms, mark_left; /* since when its pace is measured; at its end, when it came */
    uint64_t near_ms;            /* how long it has been near its end at its pace, and waited for */
    size_t memory;               /* of the session's values_bytes */
    struct ic_buf head;          /* the next bytes; what lies before `moved` is the put's */
    size_t head_wanted;          /* bytes of it; 0: the put has all of them */
    size_t moved;
    bool sealing;
    int64_t expires_ms;      /* for the seal */
    struct ic_object *draft; /* what it has become, sealed; owned */
    bool ahead;              /* its request is not being read yet: */
    uint64_t request;        /* its number (look_ahead.h) */
};

/* Argument INDEX of S's request, SIZE bytes for KEY, is about to come. NULL: s->value_error says
 * why, and the body is to be skipped. */
struct ic_value *ic_value_begin(struct ic_session *s, uint32_t index, struct ic_slice key,
                                uint64_t size);
/*
 * The same for request number REQUEST of S, which follows: all its BYTES are there and go to the
 * functions, and then the seals. The session is not continued when it is a draft, and a failure is
 * none of the session's. False: there is no room for all of it now, or it cannot be stored at all.
 */
bool ic_value_begin_ahead(struct ic_session *s, uint64_t request, uint32_t index,
                          struct ic_slice key, struct ic_slice bytes, int64_t expires_ms);
/* V, which was begun ahead, is a value of the request being read from now on; if it is a draft
 * already, its argument's. */
void ic_value_adopt(struct ic_value *v);
/* What V holds is given back; the draft that an argument has of it is none of that. */
void ic_value_free(struct ic_value *v);
/* The next bytes are to be written (ic_value_write): they go to the head. */
bool ic_value_wants_head(const struct ic_value *v);
/* Where the next bytes go otherwise, as ic_put_room. */
size_t ic_value_room(struct ic_value *v, struct iovec *iov, size_t max);
void ic_value_received(struct ic_value *v, size_t length);
/* Others wait for window memory: if V holds some that its client does not fill, that memory is
 * given back (ic_put_withdraw), and what came is a head again, which is complete when twice as much
 * has come. Returns how many bytes were copied; the session is to be charged for them. */
size_t ic_value_withdraw(struct ic_value *v);
/* Bytes that V takes because of that, beyond IC_VALUE_HEAD_BYTES: not what its client chose. */
size_t ic_value_withdrawn(const struct ic_value *v);
/* As ic_put_fast_enough; of a V that is streaming. */
bool ic_value_fast_enough(struct ic_value *v, uint64_t rate);
/* What was claimed of the pool for V, which is streaming or complete, and not sealed, if its client
 * will keep it for long: at its pace of the last seconds, or as it has kept what is complete. */
struct ic_pool_use ic_value_kept(const struct ic_value *v);
/* Takes bytes by copy; fewer than there are: the session is continued when there is room. While the
 * head is complete and has not gone to the put the session's `waiting` is V: nothing more is to be
 * read. */
size_t ic_value_write(struct ic_value *v, struct ic_slice bytes);
/* All its bytes are there: seal it. The session is continued when s->sealing has become 0. */
void ic_value_seal(struct ic_value *v, int64_t expires_ms);

#endif
