/*
 * look_ahead.h - while the values of a request are sealed, which takes until the functions answer,
 * or a request waits for its turn, the values of the next requests are begun: one by one, each
 * would take a turn of the loop, which others may fill.
 *
 *   rest: [SET a 1][GET a][SET b 2][SET c     <-- read on while all of it has been looked at
 *             |              |
 *             '-- values ----'-- taken when the parser comes to the same argument
 *
 * Only the bytes of values go ahead. Each request is parsed, judged and executed when its turn has
 * come, in order, and then finds its value there, or on its way. What was begun for one that turns
 * out not to want it is dropped, and so is all of it when it is not known when the next request
 * will run. A value that fails, or that there is no room for, is begun anew when its turn has come.
 *
 * What goes ahead waits for nothing that others hold, and takes no memory that others may need: a
 * value is begun if there is room for all of it at once, while half of the window is free.
 */
#ifndef IC_PROXY_LOOK_AHEAD_H
#define IC_PROXY_LOOK_AHEAD_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ic_session;

enum {                               /* of a client: */
       IC_LOOK_AHEAD_UNDER_WAY = 32, /* values that are being sealed at a time, */
       IC_LOOK_AHEAD_VALUES = 256,   /* and those that wait for their requests besides */
};

/* Embedded in its session. Requests have numbers, in the order in which they come, from 0. */
struct ic_look_ahead {
    struct ic_list values; /* of struct ic_value, in order */
    uint32_t count;        /* of these, */
    uint32_t under_way;    /* and of them those that are not sealed yet */
    size_t bytes;          /* that all of them take */
    uint64_t reading;      /* the request that the session's parser is in, or comes to next */
    uint64_t next;         /* the one to be looked at next; before `reading`: that one */
    size_t at;             /* where it begins in the session's `rest` */
    bool stuck;            /* more of it has to come */
};

void ic_look_ahead_init(struct ic_look_ahead *a);
/* Begins what can be begun in this turn; or drops all, if the session waits for anything but its
 * values and its turn. */
void ic_look_ahead(struct ic_session *s);
/* S is looked ahead for, and has looked at all that came: some more is to be read. */
bool ic_look_ahead_wants_bytes(const struct ic_session *s);
/* The first LENGTH bytes of the session's `rest` are gone; more has come. */
void ic_look_ahead_consumed(struct ic_look_ahead *a, size_t length);
void ic_look_ahead_came(struct ic_look_ahead *a);
/* The request being read is complete: what was begun for it and was not taken is dropped. */
void ic_look_ahead_pass(struct ic_session *s);
/* Argument INDEX of the request being read was begun: it is the request's. False: it was not. */
bool ic_look_ahead_take(struct ic_session *s, uint32_t index);
void ic_look_ahead_drop(struct ic_session *s); /* all */

#endif
