/*
 * world.h - what the files of one simulated proxy share.
 *
 *   simulate.c    life, time, the minutes and hours       lanes.c      invocations, as
 * proxy/function*.c clients.c     GETs, origin, SETs, RESETs              asks.c       requests to
 * functions, as proxy/link.c instances.c   the cloud: instances, reclaims          readers.c reads,
 * as proxy/reader.c writes.c      SETs, as proxy/put.c                    holdings.c   which chunks
 * a function has repairs.c     as proxy/repair*.c                      backups.c    as
 * proxy/backup.c handovers.c   as proxy/handover*.c
 *
 * Whoever decides is below: the pool, the lease, the read plan, the store (places, eviction), the
 * repair queue, the backup plan, the ledger. Here is the mechanism, with times in place of bytes.
 */
#ifndef IC_SIMULATE_WORLD_H
#define IC_SIMULATE_WORLD_H

#include "base/buf.h"
#include "base/config.h"
#include "base/random.h"
#include "core/hedge.h"
#include "core/lease.h"
#include "core/placement.h"
#include "core/pool.h"
#include "core/token_bucket.h"
#include "model/cloud.h"
#include "model/reclaim.h"
#include "proto/frame.h"
#include "proxy/store.h"
#include "simulate/clock.h"
#include "simulate/network.h"
#include "simulate/simulate.h"

struct ic_item; /* proto/link_body.h */
struct ic_sim_ask;
struct ic_sim_backup;
struct ic_sim_lane;
struct ic_sim_repair;

enum {
    IC_SIM_HOUR_MS = 3600 * 1000,
    IC_SIM_BEGIN_MS = IC_SIM_HOUR_MS, /* of monotonic time: zero means never in places */
    IC_SIM_TICK_MS = 100,             /* the proxy looks for losses so often */
};
/* Wall time of monotonic time 0: a full hour, so that the ledger's hours are ours. */
#define IC_SIM_WALL_MS (INT64_C(480000) * IC_SIM_HOUR_MS)

struct ic_sim_instance { /* of a function, at the cloud */
    struct ic_list node; /* in its function's, the one used last first */
    uint8_t id[IC_INSTANCE_ID_LEN];
    uint64_t born_us, used_us;
    size_t place; /* in sim->instance */
    uint16_t function;
    uint32_t serial;    /* as the proxy heard of it; 0: it has not, or has forgotten it */
    struct ic_buf kept; /* forgotten: the chunks it has, as in holdings.c */
    bool busy;          /* runs an invocation */
    bool doomed;        /* ends with it */
};

struct ic_sim_function {
    struct ic_sim_lane *own, *peer; /* peer: NULL until its first backup */
    struct ic_list instances;
    struct ic_buf holdings; /* see holdings.c */
    size_t holdings_look;   /* compacted when there are so many */
    uint32_t alike[2];  /* serials of the two instances that both have the first `alike_count` */
    size_t alike_count; /* of the holdings */
    bool lost;          /* one of its instances is gone: its chunks are to be looked at */
};

struct ic_sim {
    struct ic_sim_settings settings;
    const struct ic_config *config;
    const struct ic_cloud *cloud;
    struct ic_rate rate;
    uint32_t functions;
    struct ic_sim_clock clock;
    struct ic_sim_network network;
    struct ic_rng rng;       /* of the proxy's decisions */
    struct ic_rng cloud_rng; /* latencies, instances */
    struct ic_rng elsewhere; /* S3's and ElastiCache's latencies */
    struct ic_pool *pool;
    struct ic_journal *journal; /* keeps nothing */
    struct ic_store *store;
    struct ic_cost *cost;
    struct ic_lease_measures measures;
    struct ic_hedge hedge;
    struct ic_sim_function *function;
    bool turn_due; /* the store wants its turn's end */
    bool failed;   /* out of memory: of no use any more */
    bool ending;   /* no request is to come: no warm-ups, backups, repairs */

    struct ic_sim_instance **instance; /* all of them, at the cloud */
    size_t instances, instances_cap;
    uint64_t born;
    uint32_t running; /* invocations */
    struct ic_reclaim_model reclaim;
    struct ic_reclaim_subject *subject; /* scratch, instances_cap of them */
    bool *taken;

    struct ic_sim_event warm_timer, minute_timer, look_timer, sweep_timer;
    uint32_t warming;
    double bandwidth; /* of a function, bytes per second */

    struct ic_list readers;
    struct ic_list gets, writes, dying, moves;
    uint64_t clients; /* requests not answered yet */
    struct ic_map lost_keys;
    struct ic_sim_repair *repair;
    struct ic_sim_backup *backup;

    struct ic_sim_result result;
    struct ic_cost_totals hour_before;     /* the ledger at the hour's begin */
    uint64_t evicted, purged, lost_chunks; /* by the store, as counted so far */
    uint64_t sent, received;               /* bytes not in the ledger yet */
};

static inline uint64_t ic_sim_ms(const struct ic_sim *sim)
{
    return ic_sim_now_ms(&sim->clock);
}

static inline int64_t ic_sim_wall_ms(const struct ic_sim *sim)
{
    return IC_SIM_WALL_MS + (int64_t)ic_sim_ms(sim);
}

/* ---- simulate.c -------------------------------------------------------------- */

/* The running hour's counts; never NULL. */
struct ic_sim_hour *ic_sim_hour(struct ic_sim *sim);
/* The store's figures that it counts itself are brought up to date. */
void ic_sim_count_store(struct ic_sim *sim);
enum ic_budget_level ic_sim_budget(const struct ic_sim *sim);
/* The store looks at all objects, in ticks to come. */
void ic_sim_sweep(struct ic_sim *sim);

/* ---- instances.c: the cloud --------------------------------------------------- */

/* An idle instance of FUNCTION, as `routing` says, or a new one (*COLD); busy from now on. NULL:
 * out of memory. */
struct ic_sim_instance *ic_sim_instance_take(struct ic_sim *sim, uint16_t function, bool *cold);
/* Its invocation is over. It may be gone afterwards. */
void ic_sim_instance_release(struct ic_sim *sim, struct ic_sim_instance *instance);
/* A minute has passed: the reclaim model takes what it takes. */
void ic_sim_reclaim(struct ic_sim *sim);
/* The proxy has forgotten instance SERIAL of FUNCTION, which may be there all the same. */
void ic_sim_instance_forgotten(struct ic_sim *sim, uint16_t function, uint32_t serial);
void ic_sim_instances_free(struct ic_sim *sim);

/* ---- lanes.c: invocations ----------------------------------------------------- */

enum ic_sim_step { /* what a lane's timer is for */
                   IC_SIM_STEP_NONE,
                   IC_SIM_STEP_HELLO,
                   IC_SIM_STEP_REFUSED, /* throttled */
                   IC_SIM_STEP_WARMED,
                   IC_SIM_STEP_LEAVE,
                   IC_SIM_STEP_RESPONSE,
                   IC_SIM_STEP_RETRY,
};

/* One of a function's two invocations. */
struct ic_sim_lane {
    struct ic_sim *sim;
    struct ic_sim_lane *own; /* itself, or of a peer the other */
    uint16_t function;
    enum ic_pool_lane lane;
    struct ic_sim_instance *instance; /* that runs it */
    struct ic_sim_port port;
    struct ic_sim_event timer;
    enum ic_sim_step step;
    struct ic_lease lease;
    uint32_t lease_ms;
    struct ic_list waiting; /* asks, for a node */
    uint32_t running;       /* asks under way */
    uint64_t backlog;       /* bytes of all of them, as the proxy would have queued them */
    uint64_t invoked_us, begun_us, left_us;
    enum ic_cost_cause cause;
    bool wanted;   /* invoked although nobody waits: for a meeting */
    bool draining; /* it has lasted long enough */
    bool bye_held; /* its lease is over, and it is kept */
    void *meeting; /* of the own lane: the backup that holds it and its peer; NULL: none */
};

/* NULL: out of memory. */
struct ic_sim_lane *ic_sim_lane_new(struct ic_sim *sim, uint16_t function, struct ic_sim_lane *own);
void ic_sim_lane_free(struct ic_sim_lane *lane); /* NULL is fine */
const struct ic_pool_run *ic_sim_lane_run(const struct ic_sim_lane *lane);
/* Invokes it if somebody waits and that is permitted, else when it will be. */
void ic_sim_lane_pursue(struct ic_sim_lane *lane);
void ic_sim_lane_invoke(struct ic_sim_lane *lane, enum ic_invoke_kind kind);
/* Serial of the instance that its requests reach; 0: none. */
uint32_t ic_sim_lane_serial(const struct ic_sim_lane *lane);
/* A request for its node begins, or the last one has ended. */
void ic_sim_lane_busy(struct ic_sim_lane *lane);
void ic_sim_lane_quiet(struct ic_sim_lane *lane);
/* Nobody holds FUNCTION's two together any more. */
void ic_sim_lane_part(struct ic_sim_lane *own);
/* Warm-ups that are due go out; again when the next one is due. */
void ic_sim_warm_start(void *sim);
/* What is queued to be deleted on FUNCTION's attached instances is. */
void ic_sim_lane_delete(struct ic_sim *sim, uint16_t function);
struct ic_lease_settings ic_sim_lane_prices(const struct ic_sim_lane *lane);

/* ---- asks.c: requests to functions -------------------------------------------- */

struct ic_sim_ask {
    struct ic_list node; /* in its lane's waiting */
    struct ic_sim_flow flow;
    struct ic_sim_lane *lane; /* NULL: not under way */
    struct ic_object *object; /* WRITE: whose chunk it is */
    uint64_t bytes;
    uint32_t instance; /* serial; 0: of a WRITE, to be set */
    uint32_t nodes;    /* that the same client waits for */
    uint16_t function, chunk;
    uint64_t began_us; /* its node was there */
    uint8_t cause;     /* enum ic_cost_cause */
    bool write, running;
    /* Once, not on the stack of submit: 0, IC_EAWAY, IC_ESTALE, IC_ENOSPC. */
    void (*done)(struct ic_sim_ask *ask, int result);
    void *ctx;
};

/* 0; or it is refused at once: IC_EAWAY, IC_ESTALE, and IC_ENOSPC of a WRITE. */
int ic_sim_ask_submit(struct ic_sim *sim, struct ic_sim_ask *ask) IC_MUST_USE;
void ic_sim_ask_cancel(struct ic_sim *sim, struct ic_sim_ask *ask); /* fine if not under way */
/* LANE's node is there: what waits goes out, or is refused. */
void ic_sim_asks_start(struct ic_sim_lane *lane);

/* ---- holdings.c --------------------------------------------------------------- */

/* CHUNK of O is held by its function from now on. */
void ic_sim_holdings_add(struct ic_sim *sim, const struct ic_object *o, uint16_t chunk);
/* Instances A and B of FUNCTION both have all it holds now; 0 and 0: no two are known to. */
void ic_sim_holdings_alike(struct ic_sim *sim, uint16_t function, uint32_t a, uint32_t b);
/* VISIT for each chunk that FUNCTION holds, but those that A and B are known to have both; the
 * newest first. */
void ic_sim_holdings_differ(struct ic_sim *sim, uint16_t function, uint32_t a, uint32_t b,
                            void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk),
                            void *ctx);
/* VISIT for each chunk that FUNCTION holds, the newest first. */
void ic_sim_holdings_each(struct ic_sim *sim, uint16_t function,
                          void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk), void *ctx);
/* Appends to KEPT what instance SERIAL of FUNCTION has. */
void ic_sim_holdings_keep(struct ic_sim *sim, uint16_t function, uint32_t serial,
                          struct ic_buf *kept);
/* Instance SERIAL of FUNCTION is listed: KEPT is what it has. */
void ic_sim_holdings_list(struct ic_sim *sim, uint16_t function, uint32_t serial,
                          const struct ic_buf *kept);
/* The item that a node would list for CHUNK of O. */
struct ic_item ic_sim_item(const struct ic_object *o, uint16_t chunk);
/* An instance of FUNCTION is gone: its objects are looked at within a tick. */
void ic_sim_holdings_lost(struct ic_sim *sim, uint16_t function);
void ic_sim_look(void *sim);
/* O may have lost chunks: it is told as degraded, or purged, and its key remembered as lost. */
void ic_sim_look_at(struct ic_sim *sim, struct ic_object *o);

/* ---- readers.c ---------------------------------------------------------------- */

struct ic_sim_tap { /* who reads: a client, or a repair */
    struct ic_list node;
    struct ic_sim_reader *reader;
    /* Once, not on the stack of join: 0, IC_ENOENT, IC_EUNAVAIL. */
    void (*done)(struct ic_sim_tap *tap, int result, bool decoded);
};
/* TAP reads O, whose size is not 0; with others if they have not begun, and if CAUSE is the same.
 */
int ic_sim_reader_join(struct ic_sim *sim, struct ic_object *o, enum ic_cost_cause cause,
                       struct ic_sim_tap *tap) IC_MUST_USE;
void ic_sim_readers_free(struct ic_sim *sim);

/* ---- writes.c ----------------------------------------------------------------- */

void ic_sim_writes_free(struct ic_sim *sim);
/* A SET of KEY. DONE(ctx, result): 0, or why it was not stored. */
int ic_sim_write(struct ic_sim *sim, uint64_t key, uint64_t bytes,
                 void (*done)(void *ctx, int result), void *ctx) IC_MUST_USE;

/* ---- clients.c ---------------------------------------------------------------- */

void ic_sim_clients_init(struct ic_sim *sim);
void ic_sim_clients_free(struct ic_sim *sim);
int ic_sim_client(struct ic_sim *sim, const struct ic_sim_request *request) IC_MUST_USE;
/* The key's object is unreadable: its next GET is a RESET. */
void ic_sim_key_lost(struct ic_sim *sim, const struct ic_object *o);
void ic_sim_key_stored(struct ic_sim *sim, uint64_t key);

/* ---- repairs.c ---------------------------------------------------------------- */

int ic_sim_repair_new(struct ic_sim *sim) IC_MUST_USE;
void ic_sim_repair_free(struct ic_sim *sim);
void ic_sim_repair_degraded(struct ic_sim *sim, struct ic_object *o, enum ic_degraded found);
uint32_t ic_sim_repairs_active(const struct ic_sim *sim);

/* ---- backups.c ---------------------------------------------------------------- */

int ic_sim_backup_new(struct ic_sim *sim) IC_MUST_USE;
void ic_sim_backup_free(struct ic_sim *sim);
/* FUNCTION's data or instances have changed. */
void ic_sim_backup_changed(struct ic_sim *sim, uint16_t function);
/* Something about LANE or its peer has changed. */
void ic_sim_meeting_step(struct ic_sim_lane *lane);

/* ---- handovers.c -------------------------------------------------------------- */

/* INSTANCE, which is idle, is being ended, and has a shutdown phase. */
void ic_sim_handover(struct ic_sim *sim, const struct ic_sim_instance *instance);
void ic_sim_handovers_free(struct ic_sim *sim);

#endif
