/*
 * function.h - one function's life as functions.c sees it: invoking it, its answer, the HELLO and
 * BYE of its node, and the deadlines of whoever waits for it. The states are the
 * pool's (core/pool.h); here is the mechanism around them. Private to functions.c.
 *
 *   pursue: requests wait and it sleeps -> Invoke (serve)
 *   judge, enter: HELLO -> link attached -> requests go out
 *   bye: nothing outstanding -> BYE_OK -> response -> pursue again
 *
 * A struct ic_function is one invocation with its link. A function's peer is another, reached from
 * the function's own: made at its first meeting, kept for the next.
 */
#ifndef IC_PROXY_FUNCTION_H
#define IC_PROXY_FUNCTION_H

#include "base/random.h"
#include "core/lease.h"
#include "core/outage.h"
#include "core/pool.h"
#include "core/price.h"
#include "core/slow.h"
#include "net/net.h"
#include "platform/lambda.h"
#include "proto/link_auth.h"
#include "proxy/door.h"
#include "proxy/functions.h"
#include "proxy/link.h"
#include "proxy/turns.h"

struct ic_function {
    struct ic_functions *all;
    struct ic_function *own;  /* the function's own invocation: itself, or, of a peer, the other */
    struct ic_function *peer; /* of the own one: NULL until its first meeting */
    uint16_t index;
    enum ic_pool_lane lane;
    char name[IC_LAMBDA_NAME_MAX + 1];
    struct ic_link *link;
    struct ic_list waiters;      /* requests by `wait`, the earliest deadline first */
    struct ic_timer timer;       /* the earliest of everything below; may fire early */
    struct ic_lambda_call *call; /* the outstanding Invoke */
    uint8_t invocation[IC_INVOCATION_ID_BYTES]; /* outstanding, active, or the last */
    uint8_t instance[IC_INSTANCE_ID_BYTES];     /* greeted: who said HELLO in it */
    uint32_t dial;                              /* greeted: the last dial counter accepted */
    uint64_t invoked_ms;                        /* when the last Invoke was sent */
    struct ic_lease lease;
    uint32_t lease_ms; /* the last given to its node; 0: none yet */
    bool greeted;
    bool begun;  /* invoked or adopted since the start: an older invocation's node comes too late */
    bool heard;  /* an Invoke has come to an end or a HELLO was accepted since the start */
    bool wanted; /* ic_functions_wake */
    bool curious; /* only because of what a warm-up told, see function_invoke.c, or in its place */
    uint32_t curious_tries;
    uint64_t curious_ms;      /* not before, once more */
    bool outstanding;         /* an Invoke whose cost is not in the books yet */
    bool fee_due;             /* nobody's request has been charged the invocation yet */
    enum ic_cost_cause cause; /* of the last Invoke */
    uint64_t paid_until_ms;   /* the node's time until then is in the cost of requests answered */
    uint8_t doubled[IC_INVOCATION_ID_BYTES]; /* the last one that two instances ran */
    uint64_t left_ms;           /* the node has surely returned by then; 0: not known */
    uint64_t link_lost_ms;      /* the link of an active node broke; 0: it did not */
    bool given_up;              /* it has not dialled again either: ic_function_is_lost */
    bool leaving;               /* its invocation has lasted long enough: it is being drained */
    uint32_t epochs_taken;      /* of the own one: because its nodes had seen another proxy */
    bool lied;                  /* its node named an epoch that cannot be: it was logged */
    uint64_t missing_ms;        /* when the platform said that it knows no such function, last; 0:
                                   it knows it */
    uint64_t hold_until_ms;     /* before it or its peer is begun: the node may be there yet */
    struct ic_slow slow;        /* of the own one: of its instance, or how late it comes */
    uint64_t listed;            /* of the list under way: bytes its chunks take at the least */
    struct ic_worker lister;    /* for what its node lists beyond the share of a turn */
    uint64_t list_held_ms;      /* what is put off now, since */
    uint32_t list_least;        /* items that may be taken in any case */
    struct ic_listing listing;  /* all that it has listed */
    uint32_t slow_serial;       /* that was found slow; 0: none, or whoever is to come */
    uint64_t awaited_ms;        /* since when it can be neither asked nor invoked; 0: it can */
    bool bye_held;              /* its node has said BYE and is kept: see struct ic_meeting */
    struct ic_meeting *meeting; /* of the own one; NULL: none */
    struct ic_timer meeting_timer;
    struct ic_function_figures figures;
};

struct ic_functions {
    struct ic_loop *loop;
    const struct ic_config *config;
    const struct ic_prices *prices;
    struct ic_lease_measures measures;
    struct ic_books *books;
    uint8_t secret[IC_SECRET_LEN];
    uint32_t epoch;
    const struct ic_functions_handler *handler;
    void *ctx;
    struct ic_turns *turns; /* or NULL: see ic_functions_share_turns */
    struct ic_rng rng;
    struct ic_pool *pool;
    struct ic_lambda *lambda;
    struct ic_door *door;
    uint8_t *scratch;
    struct ic_function *function; /* ic_pool_count of them */
    char node_address[80];        /* what nodes are told to dial */
    struct ic_list dying;         /* instances that the platform is ending */
    uint32_t dying_count;
    struct ic_list failed; /* requests by `wait`, whose `done` is called in the next turn */
    struct ic_timer fail_timer;
    struct ic_timer warm_timer;
    struct ic_timer stop_timer;
    uint64_t stop_until_ms;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    uint32_t warming;             /* warm-ups outstanding */
    char trouble[IC_TROUBLE_MAX]; /* ic_functions_trouble */
    uint64_t trouble_ms;
    struct ic_outage outage;
    uint64_t strangers_until_ms; /* until then a stranger at the door puts off its function */
    uint64_t knocks_until_ms;    /* and until then the others: theirs may be about to knock */
    uint64_t refused;            /* links without a valid HELLO */
    bool adopt, strangers, rebuild, stopping;
};

/* IC_EINVAL: its name is too long; IC_ENOMEM. */
int ic_function_init(struct ic_function *fn, struct ic_functions *all, uint16_t index) IC_MUST_USE;
/* FN's peer, made if need be. IC_ENOMEM. */
int ic_function_make_peer(struct ic_function *fn) IC_MUST_USE;
void ic_function_deinit(struct ic_function *fn);

/* A request joins; it goes out, wakes the function, or fails in the next turn. */
void ic_function_submit(struct ic_function *fn, struct ic_node_request *r);
void ic_function_cancel(struct ic_function *fn, struct ic_node_request *r);
/* Does what the state permits for whoever waits: Invoke, wait for a back-off, or refuse. */
void ic_function_pursue(struct ic_function *fn);
/* It was invoked, and for SILENT_MS neither its node nor an answer has come: for clients that ask
 * in vain. */
void ic_function_note_silence(struct ic_function *fn, uint64_t silent_ms);
/* Sends the Invoke of a warm-up; the pool permits it. */
void ic_function_warm(struct ic_function *fn);
/* Sends an active node home if nothing is outstanding; true if it is not active (any more). */
bool ic_function_dismiss(struct ic_function *fn);
/* Its node is active, but has had no link for so long that it will not dial again: it can only
 * leave. */
bool ic_function_is_lost(const struct ic_function *fn);
/* function_pace.c: for IC_SLOW_MS nothing could be asked of it, since a node has not come, or not
 * returned. */
bool ic_function_is_late(const struct ic_function *fn);
/* Instance SERIAL is gone (the pool's word): requests for it are refused. */
void ic_function_gone(struct ic_function *fn, uint32_t serial);

/* function_peer.c: see struct ic_meeting. */
int ic_function_meet(struct ic_function *fn, struct ic_meeting *m) IC_MUST_USE;
void ic_function_part(struct ic_function *fn, struct ic_meeting *m);

/* function_dying.c: what a dying instance offered has been read: it may end. Its memory counts as
 * gone when what is under way is answered. */
void ic_function_release(struct ic_function *fn, uint32_t serial);
/* Instance SERIAL is dying and has a link of its own for READs. */
bool ic_function_visits(const struct ic_function *fn, uint32_t serial);
/* All of them, at once: what was asked of them is refused. */
void ic_functions_end_dying(struct ic_functions *f);

enum ic_door_verdict ic_function_judge(struct ic_function *fn, const struct ic_hello *hello);
void ic_function_enter(struct ic_function *fn, const struct ic_hello *hello,
                       struct ic_stream *stream);

/* functions.c: R's `done` is called with RESULT in the next turn. */
void ic_functions_fail_later(struct ic_functions *f, struct ic_node_request *r, int result);
/* functions.c: a warm-up has ended; the next may begin. */
void ic_functions_warm_ended(struct ic_functions *f);

#endif
