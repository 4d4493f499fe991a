#include "sim/siege.h"

#include "base/config.h"
#include "proxy/proxy.h"
#include "proxy/session.h"
#include "proxy/sessions.h"
#include "proxy/store.h"
#include "proxy/window.h"
#include "sim/report.h"
#include "sim/verdict.h"
#include "sim/world.h"

enum {
    COME_US = 5 * 1000000,   /* until all of a crowd have come, and some wait */
    PLACE_US = 60 * 1000000, /* until nobody waits: readers that are too slow are cut, one by one */
    FREE_US = 15 * 1000000,  /* until what has come is on its functions; sooner than it is cut */
    GONE_US = 120 * 1000000, /* until whoever is too slow has been found out */
    REST_US = 3 * 1000000,
    PATIENCE_MS = 15000, /* of requests that wait for the window */
    PACE = 2000,         /* bytes a step: nobody comes to an end */
    LEAST_RATE = 64 << 10,
    STALL_US = 5 * 1000000,            /* a function stands still: late, but not for ever */
    STEADY_READERS = 2,                /* none waits for the window */
    STEADY_RATE = 4 << 10,             /* so slow that no value comes to its end */
    STEADY_PACE = STEADY_RATE * 5 / 8, /* bytes a step, two of which a second are a little more */
    STEADY_US = 20 * 1000000,
    POOL_BYTES = 5 << 18,    /* no more than a stripe of each of a crowd */
    UPLOAD_BYTES = 66 << 10, /* less than a sixteenth of it, and no part is kept for it */
    PINNED_BYTES = 1 << 19,  /* at least, and */
    LITTLE_BYTES = 20 << 10, /* less than a sixteenth of that */
    MAKE_ROOM_US = 1100000,  /* one goes a second */
};

static bool nobody_waits(const struct sim_world *w)
{
    return ic_window_stats(w->host.proxy->window).waiting == 0;
}

static bool nobody_has_a_place(const struct sim_world *w)
{
    return ic_window_stats(w->host.proxy->window).admitted == 0;
}

static bool all_are_away(const struct sim_world *w)
{
    return sim_crowd_count(&w->crowd) == 0;
}

static uint64_t count_cut(const struct sim_world *w)
{
    return w->host.proxy->sessions->stats.connections_cut;
}

/* More than what counts as small, and no more than what is kept for its use. */
static uint64_t large(struct sim_world *w)
{
    uint64_t most = w->settings.size_max;
    return most / 2 + sim_below(w, most / 2);
}

static void take_places(struct sim_world *w, enum sim_loiter what, uint64_t pace)
{
    uint64_t cut = count_cut(w);
    sim_crowd_some(&w->crowd, SIM_CROWD_MAX, what, pace);
    sim_world_run_for(w, COME_US, NULL);
    if (!sim_world_run_for(w, PLACE_US, nobody_waits)) {
        sim_violation("whoever waits for the window gets nothing of those that hardly go on");
    }
    if (what != SIM_READING && count_cut(w) != cut) {
        sim_violation("uploads that only have to give way are cut");
    }
}

static void disperse(struct sim_world *w)
{
    sim_crowd_leave(&w->crowd);
    sim_world_run_for(w, REST_US, NULL);
}

/* A large KIND and what is small have parts of the window that the crowd cannot have. */
static void serve_beside(struct sim_world *w, enum sim_operation_kind kind, uint32_t key)
{
    enum ic_window_use use = kind == SIM_GET ? IC_WINDOW_READ : IC_WINDOW_WRITE;
    uint64_t cut = count_cut(w), waited = w->lines.waited[use] + w->lines.no_room;
    bool repairing = sim_verdict_is_repairing(w); /* it reads, too */
    sim_verdict_serve(w, kind, key, large(w));
    sim_verdict_serve(w, SIM_SET, (key + 1) % w->model.keys, sim_below(w, 100));
    sim_verdict_serve(w, SIM_GET, (key + 1) % w->model.keys, 0);
    if (w->lines.waited[use] + w->lines.no_room != waited && !repairing &&
        !sim_verdict_is_repairing(w)) {
        sim_violation("a %s waits beside a crowd, and has a part of its own",
                      kind == SIM_GET ? "GET" : "SET");
    }
    if (count_cut(w) != cut && !repairing && !sim_verdict_is_repairing(w)) {
        sim_violation("%llu of a crowd are cut for a %s, which has a part of its own",
                      (unsigned long long)(count_cut(w) - cut), kind == SIM_GET ? "GET" : "SET");
    }
}

/* WHO has the pool: who finds no room there has it soon, when those of them have gone that take
 * what others gave back. */
static void must_make_room(struct sim_world *w, const char *who, uint32_t key, uint64_t bytes)
{
    bool stored = false;
    for (int i = 0; i < SIM_CROWD_MAX && !stored; i++) {
        stored = sim_verdict_ask(w, SIM_SET, key, bytes);
        sim_world_run_for(w, MAKE_ROOM_US, NULL);
    }
    if (!stored) {
        sim_violation("%s keep the pool to themselves", who);
    }
}

static void store_beside(struct sim_world *w, enum sim_loiter what, uint64_t pool_bytes,
                         uint32_t key)
{
    w->host.config->maxmemory = (int64_t)pool_bytes;
    sim_crowd_some(&w->crowd, SIM_CROWD_MAX, what, PACE);
    sim_world_run_for(w, COME_US, NULL);
    must_make_room(w, "uploads that hardly go on, or never end,", key, UPLOAD_BYTES);
    w->host.config->maxmemory = 0;
    disperse(w);
}

static bool is_within_maxmemory(const struct sim_world *w)
{
    return ic_store_stats(w->host.proxy->store).bytes <= (uint64_t)w->host.config->maxmemory;
}

/* Everything is to go while readers that stall pin some of it: that goes when others find no room,
 * or when they have left. */
static void evict_beside(struct sim_world *w, uint32_t key)
{
    sim_crowd_some(&w->crowd, SIM_CROWD_MAX, SIM_STORING, 0);
    sim_world_run_for(w, PLACE_US, all_are_away);
    w->host.config->min_read_rate = 0;
    sim_crowd_some(&w->crowd, SIM_CROWD_MAX, SIM_READING, 0);
    sim_world_run_for(w, COME_US, NULL);
    w->host.config->maxmemory = 1;
    sim_world_run_for(w, REST_US, NULL);
    uint64_t pinned = ic_store_stats(w->host.proxy->store).bytes;
    if (pinned > PINNED_BYTES) { /* else what is asked for may be too much for them */
        w->host.config->maxmemory = (int64_t)pinned;
        must_make_room(w, "readers that stall", key, LITTLE_BYTES);
        w->host.config->maxmemory = 1;
    }
    sim_crowd_leave(&w->crowd);
    if (!sim_world_run_for(w, GONE_US, is_within_maxmemory)) {
        sim_violation("%llu bytes can never be evicted",
                      (unsigned long long)ic_store_stats(w->host.proxy->store).bytes);
    }
    w->host.config->maxmemory = 0;
}

/* A read that needs a stripe, if the function that stands still has a part of it. */
static void read_beside(struct sim_world *w, uint32_t key)
{
    struct sim_instance *one = sim_platform_pick(&w->platform, SIM_INSTANCE_BUSY, -1);
    if (one != NULL) {
        sim_platform_stall(one, STALL_US);
    }
    sim_verdict_serve(w, SIM_GET, key, 0);
}

static void must_be_cut(struct sim_world *w, enum sim_loiter what)
{
    sim_crowd_some(&w->crowd, SIM_CROWD_MAX, what, PACE);
    if (!sim_world_run_for(w, GONE_US, all_are_away)) {
        sim_violation("clients that are slower than the least rate go on");
    }
}

static void must_not_be_cut(struct sim_world *w)
{
    w->host.config->min_read_rate = STEADY_RATE;
    uint64_t cut = count_cut(w), waited = w->lines.waited[IC_WINDOW_READ];
    sim_crowd_some(&w->crowd, STEADY_READERS, SIM_READING, STEADY_PACE);
    sim_world_run_for(w, STEADY_US, NULL);
    if (count_cut(w) != cut && w->lines.waited[IC_WINDOW_READ] == waited) {
        sim_violation("readers just above the least rate are cut");
    }
    disperse(w);
}

void sim_siege(struct sim_world *w)
{
    struct ic_config *config = w->host.config;
    if (!sim_has_crowd(w)) {
        return;
    }
    uint32_t key = (uint32_t)sim_below(w, w->model.keys);
    config->invoke_timeout = PATIENCE_MS;
    config->min_read_rate = config->min_write_rate = 0;
    disperse(w);
    sim_verdict_serve(w, SIM_SET, key, large(w));
    take_places(w, SIM_UPLOADING, PACE);
    serve_beside(w, SIM_GET, key);
    sim_verdict_serve(w, SIM_SET, key, large(w));
    disperse(w);
    take_places(w, SIM_UNENDED, 0);
    if (!sim_world_run_for(w, FREE_US, nobody_has_a_place)) {
        sim_violation("values that have come keep a place in the window");
    }
    sim_verdict_serve(w, SIM_SET, key, large(w));
    disperse(w);
    sim_crowd_some(&w->crowd, SIM_CROWD_MAX, SIM_STORING, 0);
    sim_world_run_for(w, PLACE_US, all_are_away);
    take_places(w, SIM_READING, 0);
    serve_beside(w, SIM_SET, key);
    read_beside(w, key);
    disperse(w);
    must_not_be_cut(w);
    config->min_read_rate = config->min_write_rate = LEAST_RATE;
    must_be_cut(w, SIM_UPLOADING);
    must_be_cut(w, SIM_UNENDED);
    must_be_cut(w, SIM_READING);
    config->min_write_rate = 0;
    store_beside(w, SIM_UPLOADING, POOL_BYTES, key); /* these cost the crowd its values, */
    store_beside(w, SIM_UNENDED, POOL_BYTES, key);
    uint64_t all = SIM_CROWD_MAX * w->crowd.value_bytes; /* and a sixteenth is not for uploads */
    store_beside(w, SIM_UNENDED, all * 16 / 15 + UPLOAD_BYTES / 2, key);
    evict_beside(w, key); /* and this everybody theirs */
}
