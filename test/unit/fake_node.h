/*
 * fake_node.h - a Lambda and its nodes inside a unit test: this file defines the ic_lambda_*
 * that functions.c calls, and nodes that dial the real listener over loopback, keep
 * chunks, and can be told to misbehave.
 */
#ifndef IC_TEST_FAKE_NODE_H
#define IC_TEST_FAKE_NODE_H

#include "base/clock.h"
#include "base/random.h"
#include "net/net.h"
#include "platform/lambda.h"
#include "proto/frame.h"
#include "proto/link_auth.h"
#include "proto/link_body.h"
#include "unit/unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct fake_chunk {
    struct ic_list node;
    uint64_t object_id, length;
    uint16_t chunk;
    uint32_t unit;
    struct ic_buf data, crcs;
    bool sealed;
    struct ic_seal seal;
    char key[64];
};

struct fake_world;
struct ic_lambda_call { /* an Invoke under way */
    struct ic_list node;
    struct fake_world *w;
    struct ic_timer timer;
    char function[64], kind[8];
    uint8_t invocation[16], key[32];
    ic_lambda_done *done;
    void *ctx;
};

struct fake_node { /* an instance */
    struct ic_list node;
    struct fake_world *w;
    char function[64];
    uint8_t instance[16], invocation[16], key[32], mac[32];
    uint32_t dial;
    uint64_t position, capacity, mark;
    uint32_t highest_epoch; /* 0 at first; as told by WELCOMEs if follows_epochs */
    bool follows_epochs;
    struct ic_list chunks;
    struct ic_lambda_call *call;
    struct ic_stream *stream;
    struct ic_frame_parser parser;
    uint8_t *body;
    uint32_t requests;   /* answered or swallowed */
    uint32_t seen[16];   /* requests by type */
    uint32_t lease[16];  /* ms, the last of each type */
    bool welcomed, mute; /* mute: swallows requests */
    uint32_t drop_after; /* closes the link at the Nth request, unanswered; 0: never */
    bool drop_half;      /* and sends half a header first */
    bool wrong_mac, redials;
    uint8_t refuse_writes, refuse_reads; /* status; 0: no */
    bool gone_link;                      /* the proxy closed the link */
    bool dying;                          /* HELLO says so, and OFFER follows the WELCOME */
    bool orphan; /* until BYE_OK: it runs an invocation whose response is nobody's */
};

enum fake_mode { FAKE_SERVE, FAKE_HOLD, FAKE_ERROR };
struct fake_world {
    struct ic_loop *loop;
    struct ic_list calls; /* not taken by a node */
    struct ic_list nodes;
    uint16_t port;
    enum fake_mode mode;
    struct ic_lambda_reply error; /* FAKE_ERROR: what every Invoke is answered */
    uint32_t lease_ms;            /* of the last serving Invoke's payload */
    uint32_t invokes, warm_invokes, outstanding, outstanding_max;
    struct ic_timer poll;
    bool (*until)(void *ctx);
    void *until_ctx;
    uint64_t until_ms;
    bool late;
};

/* Runs the loop until UNTIL(ctx); fails the test after ten seconds. */
void fake_run(struct fake_world *w, bool (*until)(void *ctx), void *ctx);
void fake_run_for(struct fake_world *w, uint64_t ms);
void fake_world_init(struct fake_world *w, struct ic_loop *loop);
void fake_world_deinit(struct fake_world *w);
/* The instance of FUNCTION that an Invoke meets: the first there is, or a new one. */
struct fake_node *fake_node_of(struct fake_world *w, const char *function);
struct fake_node *fake_node_new(struct fake_world *w, const char *function);
void fake_node_free(
    struct fake_node *n); /* its memory is gone; its call, if any, is answered with an error */
void fake_dial(struct fake_node *n);
void fake_hang_up(struct fake_node *n);
void fake_bye(struct fake_node *n, bool deadline);
void fake_offer(struct fake_node *n);
/* Answers CALL as its node would (NODE NULL: with ERROR as in w->error). */
void fake_answer(struct ic_lambda_call *call, struct fake_node *node);
uint64_t fake_held(const struct fake_node *n);

#endif
