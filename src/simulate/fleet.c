#include "simulate/fleet.h"

#include "base/alloc.h"
#include "base/random.h"
#include "core/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
    REPORT_EVERY = 4096,
    QUEUE_MAX = 32768, /* so that a proxy is in the processor's caches while it works them off */
};

struct queue { /* requests of one proxy that are simulated together */
    uint32_t count;
    struct ic_sim_request request[QUEUE_MAX];
};

struct run {
    const struct ic_sim_fleet *fleet;
    uint32_t proxies, threads, passes;
    uint32_t first, end; /* proxies of this pass */
    uint32_t pass;
    struct ic_sim **sim; /* of the pass, from `first` on; NULL: not made, or merged */
    struct queue *queue; /* of each of them */
    _Atomic uint64_t requests;
    _Atomic bool given_up;
};

struct worker {
    struct run *run;
    uint32_t index;
    uint64_t unreported;
    int result;
    char why[IC_SIM_WHY_MAX];
};

uint32_t ic_sim_fleet_proxies(uint32_t functions)
{
    return functions == 0 ? 1 : (functions - 1) / IC_POOL_FUNCTIONS_MAX + 1;
}

/* Which proxy owns KEY: splitmix64's finalizer spreads keys that are counted up. */
static uint32_t owner_of(uint64_t key, uint32_t proxies)
{
    struct ic_rng rng;
    ic_rng_init(&rng, key);
    return (uint32_t)(((ic_rng_next(&rng) >> 32) * proxies) >> 32);
}

/* ---- one worker ------------------------------------------------------------------ */

/* Proxy I of this pass is this worker's. */
static bool is_mine(const struct worker *w, uint32_t proxy)
{
    const struct run *run = w->run;
    return proxy >= run->first && proxy < run->end &&
           (proxy - run->first) % run->threads == w->index;
}

static void report(struct worker *w, int64_t at_us)
{
    struct run *run = w->run;
    const struct ic_sim_fleet *f = run->fleet;
    if (++w->unreported < (f->report_every > 0 ? f->report_every : REPORT_EVERY)) {
        return;
    }
    uint64_t sum = atomic_fetch_add(&run->requests, w->unreported) + w->unreported;
    w->unreported = 0;
    if (w->index == 0 && f->progress != NULL &&
        !f->progress(f->ctx, sum, at_us, run->pass, run->passes)) {
        atomic_store(&run->given_up, true);
    }
}

static int make_proxies(struct worker *w)
{
    struct run *run = w->run;
    for (uint32_t i = run->first; i < run->end; i++) {
        int result = is_mine(w, i) ? ic_sim_new(&run->fleet->settings, i, run->proxies,
                                                &run->sim[i - run->first], w->why)
                                   : 0;
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* PROXY simulates what is queued for it. */
static int work_off(struct worker *w, uint32_t proxy)
{
    struct run *run = w->run;
    struct queue *q = &run->queue[proxy - run->first];
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < q->count; i++) {
        result = ic_sim_request(run->sim[proxy - run->first], &q->request[i]);
    }
    q->count = 0;
    return result;
}

static int finish(struct worker *w, int64_t last_us)
{
    struct run *run = w->run;
    int64_t end_us = run->fleet->end_us > last_us ? run->fleet->end_us : last_us;
    int result = 0;
    for (uint32_t i = run->first; result == 0 && i < run->end; i++) {
        if (is_mine(w, i)) {
            result = work_off(w, i);
            result = result < 0 ? result : ic_sim_finish(run->sim[i - run->first], end_us);
        }
    }
    return result;
}

static int feed(struct worker *w, struct ic_sim_source *source)
{
    struct run *run = w->run;
    struct ic_sim_request r;
    int64_t last_us = 0;
    int result;
    while ((result = source->next(source, &r)) > 0) {
        uint32_t owner = owner_of(r.key, run->proxies);
        last_us = r.at_us > last_us ? r.at_us : last_us;
        if (is_mine(w, owner)) {
            struct queue *q = &run->queue[owner - run->first];
            q->request[q->count++] = r;
            result = q->count == QUEUE_MAX ? work_off(w, owner) : 0;
            if (result < 0) {
                return result;
            }
            report(w, last_us);
        }
        if (atomic_load_explicit(&run->given_up, memory_order_relaxed)) {
            return IC_ECANCELED;
        }
    }
    return result < 0 ? result : finish(w, last_us);
}

static void work(struct worker *w)
{
    const struct ic_sim_fleet *f = w->run->fleet;
    struct ic_sim_source *source = NULL;
    w->result = make_proxies(w);
    if (w->result == 0) {
        w->result = f->open(f->ctx, &source, w->why);
    }
    if (w->result == 0) {
        w->result = feed(w, source);
        f->close(f->ctx, source);
    }
    if (w->result < 0) {
        atomic_store(&w->run->given_up, true); /* the others need not go on */
    }
}

static void *on_thread(void *ctx)
{
    work(ctx);
    ic_alloc_thread_end();
    return NULL;
}

/* ---- a pass ---------------------------------------------------------------------- */

/* The caller's thread is worker 0. The first error counts, but the error of whoever was made to
 * give up because of it does not. */
static int run_workers(struct run *run, struct worker *worker, char *why)
{
    pthread_t thread[IC_SIM_THREADS_MAX];
    bool started[IC_SIM_THREADS_MAX] = {false};
    for (uint32_t i = 0; i < run->threads; i++) {
        worker[i] = (struct worker){.run = run, .index = i};
        started[i] = i > 0 && pthread_create(&thread[i], NULL, on_thread, &worker[i]) == 0;
    }
    for (uint32_t i = 0; i < run->threads; i++) {
        if (!started[i]) { /* the caller's own, and those for which there was no thread */
            work(&worker[i]);
        }
    }
    int result = 0;
    for (uint32_t i = 0; i < run->threads; i++) {
        if (started[i]) {
            pthread_join(thread[i], NULL);
        }
        if (worker[i].result < 0 && (result == 0 || result == IC_ECANCELED)) {
            result = worker[i].result;
            snprintf(why, IC_SIM_WHY_MAX, "%s",
                     worker[i].why[0] != '\0' ? worker[i].why : ic_error_text(result));
        }
    }
    return result;
}

static int run_pass(struct run *run, struct worker *worker, struct ic_sim_result *out, char *why)
{
    int result = run_workers(run, worker, why);
    for (uint32_t i = 0; i < run->end - run->first; i++) {
        if (result == 0) {
            result = ic_sim_result_merge(out, ic_sim_result(run->sim[i]));
        }
        ic_sim_free(run->sim[i]);
        run->sim[i] = NULL;
    }
    return result;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

int ic_sim_fleet_run(const struct ic_sim_fleet *fleet, struct ic_sim_result *out, char *why)
{
    struct run run = {.fleet = fleet};
    run.proxies =
        fleet->proxies > 0 ? fleet->proxies : ic_sim_fleet_proxies(fleet->settings.functions);
    uint32_t at_once = fleet->at_once > 0 ? lesser(fleet->at_once, run.proxies) : run.proxies;
    run.threads =
        lesser(lesser(fleet->threads > 0 ? fleet->threads : 1, IC_SIM_THREADS_MAX), at_once);
    run.passes = (run.proxies - 1) / at_once + 1;
    run.sim = ic_calloc(at_once, sizeof(struct ic_sim *));
    run.queue = ic_calloc(at_once, sizeof *run.queue);
    struct worker *worker = ic_calloc(run.threads, sizeof *worker);
    int result = run.sim == NULL || run.queue == NULL || worker == NULL ? IC_ENOMEM : 0;
    snprintf(why, IC_SIM_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
    for (run.pass = 0; result == 0 && run.pass < run.passes; run.pass++) {
        run.first = run.pass * at_once;
        run.end = lesser(run.first + at_once, run.proxies);
        result = run_pass(&run, worker, out, why);
    }
    ic_free(run.sim);
    ic_free(run.queue);
    ic_free(worker);
    return result;
}
