/*
 * outage.h - since when no function can be had at all, and why. Pure: time is an argument.
 *
 *   an Invoke has failed, no function being had since --> begins
 *   a node says HELLO, or a warm-up is answered       --> is over
 *
 * One function's trouble is no outage: while others are had, each of them ends it.
 */
#ifndef IC_CORE_OUTAGE_H
#define IC_CORE_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

enum ic_outage_cause {
    IC_OUTAGE_NONE,
    IC_OUTAGE_UNREACHABLE, /* no connection to the platform's endpoint */
    IC_OUTAGE_SILENT,      /* it took Invokes, and neither an answer nor a node came of them */
    IC_OUTAGE_DENIED,      /* 401, 403: the credentials, or what they permit */
    IC_OUTAGE_THROTTLED,   /* 429 */
    IC_OUTAGE_MISSING,     /* 404: no such function */
    IC_OUTAGE_FAILED,      /* another error of the platform's */
    IC_OUTAGE_CRASHED,     /* the functions end in errors */
    IC_OUTAGE_NO_NODE,     /* the functions run, and no node of theirs dials in */
    IC_OUTAGE_CAUSES
};
/* "unreachable" ...; of NONE "none". For INFO and metrics. */
const char *ic_outage_cause_name(enum ic_outage_cause cause);

enum {
    IC_OUTAGE_INVOKES = 3,      /* invoke-timeouts until it counts */
    IC_OUTAGE_FRESH_MS = 60000, /* what failed longer ago tells nothing of now */
};

/* Zeroed: none. */
struct ic_outage {
    enum ic_outage_cause cause; /* of the last failure */
    uint64_t since_ms, last_ms; /* the first and the last failure since a function was had */
    bool told;                  /* the owner's: it was logged */
};

/* FOR_MS: what failed did so for so long already. */
void ic_outage_failed(struct ic_outage *o, enum ic_outage_cause cause, uint64_t now_ms,
                      uint64_t for_ms);
/* A node said HELLO, or (WARM) a warm-up was answered, which says nothing of nodes' links. True:
 * that ends an outage which was told. */
bool ic_outage_over(struct ic_outage *o, bool warm);
/*
 * For how long (ms) it has lasted; 0: it does not count, because a function was had within
 * IC_OUTAGE_INVOKES times INVOKE_TIMEOUT_MS, or because nobody has asked of late and all may be
 * well again.
 */
uint64_t ic_outage_ms(const struct ic_outage *o, uint64_t invoke_timeout_ms, uint64_t now_ms);

#endif
