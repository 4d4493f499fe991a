/*
 * keys.h - what the handlers of several files do with keys and expiry times.
 */
#ifndef IC_PROXY_KEYS_H
#define IC_PROXY_KEYS_H

#include "proxy/command.h"

/* What the key in argument INDEX shows, or NULL. */
struct ic_entry *ic_key_find(struct ic_call *c, uint32_t index);
/* The same, as an access that reads the value: counted, and good for its place in the pool. */
struct ic_entry *ic_key_read(struct ic_call *c, uint32_t index);
/* Any key, or NULL: none, or none was found soon among those that have expired. */
struct ic_entry *ic_key_random(struct ic_call *c);
/* Replies with the whole value of E; NULL: with nil. */
void ic_key_reply(struct ic_call *c, const struct ic_entry *e);

enum ic_expiry_unit { IC_EXPIRY_SECONDS = 1000, IC_EXPIRY_MS = 1 };

/* The options that GET and SET with options share. */
struct ic_expiry {
    bool given, keep, persist;
    bool absolute; /* EXAT, PXAT */
    enum ic_expiry_unit unit;
    uint32_t index; /* of the argument with the number */
};
/* Takes option INDEX if it is one about expiry: 0 it is not (or clashes with one before), else how
 * many arguments it has. KEEPTTL is allowed with SET, PERSIST with GETEX. */
uint32_t ic_expiry_option(struct ic_expiry *x, const struct ic_call *c, uint32_t index,
                          bool is_set);
/* The wall time meant. False: replied with an error. */
bool ic_expiry_time(struct ic_call *c, const struct ic_expiry *x, int64_t *expires_ms);

#endif
