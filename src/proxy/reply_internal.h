/*
 * reply_internal.h - what reply.c (parts, and sending them) and reply_ahead.c (what is fetched
 * before its turn) share.
 */
#ifndef IC_PROXY_REPLY_INTERNAL_H
#define IC_PROXY_REPLY_INTERNAL_H

#include "base/buf.h"
#include "proxy/reply.h"

/* An object of few bytes, fetched before its turn: one by one, each would take a turn of the loop
 * of its own. */
struct ic_reply_ahead {
    struct ic_reply *reply;
    struct ic_reply_part *part;
    struct ic_get *get;  /* NULL: it has ended, with */
    int result;          /* this */
    struct ic_buf bytes; /* so far */
};

struct ic_reply_part {
    struct ic_list node;
    uint64_t number;              /* in the order they were made */
    struct ic_buf *bytes;         /* or NULL: a bulk of an object */
    struct ic_object *object;     /* shown; */
    bool sending;                 /* its turn has come */
    struct ic_reply_ahead *ahead; /* or NULL */
    struct ic_reply_bill *bill;   /* or NULL */
    uint64_t offset, length;
    const char *absent; /* what is said if the value turns out to be lost */
};

static inline struct ic_reply_part *ic_reply_first(const struct ic_reply *r)
{
    return ic_list_empty(&r->parts) ? NULL
                                    : IC_CONTAINER(r->parts.next, struct ic_reply_part, node);
}

/* MORE bytes wait, or fewer. What the writer may add is what is left of the limit. */
void ic_reply_count_memory(struct ic_reply *r, int64_t more);
/* P's object is to be fetched: it stays until it is sent. */
void ic_reply_take_turn(const struct ic_reply *r, struct ic_reply_part *p);

/* The first part is being fetched, or waits: what follows is asked for as well. */
void ic_reply_look_ahead(struct ic_reply *r);
/* What was fetched of P is not wanted any more. Fine if it was not. */
void ic_reply_ahead_free(struct ic_reply *r, struct ic_reply_part *p);

#endif
