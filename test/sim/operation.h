/*
 * operation.h - one command of a client: which one and with what (drawn from the seed), its bytes,
 * and what its reply tells the model.
 */
#ifndef IC_SIM_OPERATION_H
#define IC_SIM_OPERATION_H

#include "base/buf.h"
#include "base/list.h"
#include "sim/model.h"
#include "sim/reply.h"

enum { SIM_OPERATION_KEYS_MAX = 4 };

enum sim_operation_kind {
    SIM_GET,
    SIM_SET,
    SIM_SET_GET, /* SET key value GET */
    SIM_SET_NX,
    SIM_SET_XX,
    SIM_SET_PX, /* SET key value PX ms */
    SIM_EXPIRE, /* PEXPIRE key ms */
    SIM_PERSIST,
    SIM_COPY, /* COPY key key REPLACE */
    SIM_RENAME,
    SIM_DEL,
    SIM_GETDEL,
    SIM_GETRANGE,
    SIM_STRLEN,
    SIM_EXISTS,
    SIM_MGET,
    SIM_MSET,
    SIM_EXEC, /* MULTI, SET, GET, DEL, CLIENT INFO, EXEC: six replies */
    SIM_FLUSHALL,
    SIM_EVICTION, /* CONFIG SET eviction POLICY */
    SIM_PING,
    SIM_OPERATION_KINDS
};

struct sim_operation {
    struct ic_list node;
    enum sim_operation_kind kind;
    uint32_t count;
    uint32_t key[SIM_OPERATION_KEYS_MAX];
    struct sim_write *write[SIM_KEYS_MAX]; /* NULL: that key is not written */
    uint32_t replies;                      /* to come */
    uint64_t from, to;
    uint64_t life_ms;  /* SET PX */
    int64_t expiry_ms; /* PEXPIRE, PERSIST */
    uint64_t begun;    /* the model's event */
    uint64_t begun_us; /* virtual time */
    bool refused;      /* EXEC: a command was not queued */
};

struct sim_world;
/* Draws one and appends its bytes to OUT. Owned by the caller (free). */
struct sim_operation *sim_operation_new(struct sim_world *w, struct ic_buf *out);
/* The same of a given kind. SIZE: of its values. What is renamed or copied becomes KEY's twin. */
struct sim_operation *sim_operation_make(struct sim_world *w, enum sim_operation_kind kind,
                                         uint32_t key, uint64_t size, struct ic_buf *out);
/* Its next reply. */
void sim_operation_answer(struct sim_world *w, struct sim_operation *op,
                          const struct sim_reply *reply);

/* There will be none. */
void sim_operation_give_up(struct sim_world *w, struct sim_operation *op);

#endif
