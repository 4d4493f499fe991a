#include "proxy/backup.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "core/backup.h"
#include "core/pool.h"
#include "core/token_bucket.h"
#include "net/net.h"
#include "proxy/books.h"
#include "proxy/chunk_copy.h"
#include "proxy/functions.h"
#include "proxy/proxy.h"
#include "proxy/rebuilder.h"
#include "proxy/store.h"

#include <assert.h>

enum {
    SCAN_SLICE = 1000, /* buckets of objects looked at in one turn */
    PASSES_MAX = 3,    /* over the catalog: what is new since the pass before */
    LOOK_MS = 1000,    /* what a function holds, and the directives, change meanwhile */
};

struct job {
    struct ic_backups *all;
    struct ic_meeting meeting;
    uint32_t current, beside; /* serials */
    struct ic_chunk_copy copy[IC_BACKUP_COPIES_MAX];
    struct ic_timer timer; /* goes on with the scan */
    struct ic_node_request mark[2];
    uint64_t cursor;
    uint64_t begun_ms, bytes, chunks;
    uint32_t passes, found; /* found: in this pass */
    uint32_t marks_due;
    int64_t mark_ms;
    bool busy, scanned, full, overflow;
};

struct ic_backups {
    struct ic_proxy *proxy;
    struct ic_backup_plan *plan;
    struct ic_token_bucket bucket;
    struct ic_timer timer;
    struct job job[IC_BACKUP_JOBS_MAX];
    struct ic_backup_stats stats;
    bool stopped;
};

static void look(void *ctx);
static void pump(void *ctx);
static void on_copied(struct ic_chunk_copy *c, int result, uint64_t bytes);

static struct ic_pool *pool_of(const struct ic_backups *b)
{
    return ic_functions_pool(b->proxy->functions);
}

/* ---- life ----------------------------------------------------------------------- */

struct ic_backups *ic_backups_new(struct ic_proxy *proxy)
{
    struct ic_backups *b = ic_calloc(1, sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    b->proxy = proxy;
    b->plan = ic_backup_plan_new(ic_pool_count(ic_functions_pool(proxy->functions)),
                                 ic_loop_now_ms(proxy->loop));
    if (b->plan == NULL) {
        ic_free(b);
        return NULL;
    }
    for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
        struct job *job = &b->job[i];
        job->all = b;
        ic_timer_init(&job->timer, proxy->loop, pump, job);
        for (size_t k = 0; k < IC_BACKUP_COPIES_MAX; k++) {
            ic_chunk_copy_init(&job->copy[k], proxy, &b->bucket);
            job->copy[k].done = on_copied;
            job->copy[k].ctx = job;
        }
    }
    ic_timer_init(&b->timer, proxy->loop, look, b);
    ic_timer_start(&b->timer, 0);
    return b;
}

/* ---- the end of a job ------------------------------------------------------------- */

static void finish(struct job *job, bool done)
{
    struct ic_backups *b = job->all;
    uint64_t now_ms = ic_loop_now_ms(b->proxy->loop);
    for (size_t k = 0; k < IC_BACKUP_COPIES_MAX; k++) {
        ic_chunk_copy_cancel(&job->copy[k]);
    }
    for (size_t k = 0; k < 2; k++) {
        ic_functions_cancel(b->proxy->functions, &job->mark[k]);
    }
    ic_timer_stop(&job->timer);
    ic_functions_part(b->proxy->functions, &job->meeting);
    ic_store_journal_copies(b->proxy->store);
    job->busy = false;
    b->stats.running--;
    b->stats.done += done;
    b->stats.failed += !done;
    if (done) {
        b->stats.last_ms = now_ms - job->begun_ms;
    }
    ic_backup_ended(b->plan, job->meeting.function, done, now_ms);
    ic_log(IC_LOG_INFO, done ? "backup-done" : "backup-failed",
           "function=%s chunks=%llu bytes=%llu ms=%llu room=%s",
           ic_functions_name(b->proxy->functions, job->meeting.function),
           (unsigned long long)job->chunks, (unsigned long long)job->bytes,
           (unsigned long long)(now_ms - job->begun_ms), job->full ? "no" : "yes");
    if (!b->stopped) {
        ic_timer_start(&b->timer, 0);
    }
}

void ic_backups_stop(struct ic_backups *b)
{
    if (b == NULL) {
        return;
    }
    b->stopped = true;
    ic_timer_stop(&b->timer);
    for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
        if (b->job[i].busy) {
            finish(&b->job[i], false);
        }
    }
}

static void deinit_job(const struct job *job)
{
    for (size_t k = 0; k < IC_BACKUP_COPIES_MAX; k++) {
        ic_chunk_copy_deinit(&job->copy[k]);
    }
    for (size_t k = 0; k < 2; k++) {
        ic_node_request_deinit(&job->mark[k]);
    }
}

void ic_backups_free(struct ic_backups *b)
{
    if (b != NULL) {
        ic_backups_stop(b);
        for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
            deinit_job(&b->job[i]);
        }
        ic_backup_plan_free(b->plan);
        ic_free(b);
    }
}

/* ---- marking ---------------------------------------------------------------------- */

static void on_marked(struct ic_node_request *r, int result)
{
    struct job *job = r->ctx;
    struct ic_pool_instance *instance = ic_pool_find(pool_of(job->all), r->function, r->instance);
    if (result < 0 || instance == NULL) {
        finish(job, false);
        return;
    }
    instance->copied_ms = job->mark_ms;
    if (--job->marks_due == 0) {
        finish(job, true);
    }
}

/* Both have all there is: they are told, so that a proxy to come knows. */
static void mark_both(struct job *job)
{
    job->mark_ms = ic_clock_wall_ms();
    job->marks_due = 2;
    for (size_t k = 0; k < 2; k++) {
        struct ic_node_request mark = {.op = IC_NODE_MARK,
                                       .cause = IC_COST_BACKUP,
                                       .function = job->meeting.function,
                                       .instance = k == 0 ? job->beside : job->current,
                                       .offset = (uint64_t)job->mark_ms,
                                       .done = on_marked,
                                       .ctx = job};
        ic_node_request_fill(&job->mark[k], &mark);
        ic_functions_submit(job->all->proxy->functions, &job->mark[k]);
    }
}

/* ---- copying ---------------------------------------------------------------------- */

static struct ic_chunk_copy *idle_copy(struct job *job)
{
    for (size_t k = 0; k < IC_BACKUP_COPIES_MAX; k++) {
        if (!ic_chunk_copy_busy(&job->copy[k])) {
            return &job->copy[k];
        }
    }
    return NULL;
}

static bool copying(const struct job *job)
{
    for (size_t k = 0; k < IC_BACKUP_COPIES_MAX; k++) {
        if (ic_chunk_copy_busy(&job->copy[k])) {
            return true;
        }
    }
    return false;
}

/* Instance TO has no room for COST bytes more, deletes that are under way taken as done. */
static bool is_full(const struct job *job, uint32_t to, uint64_t cost)
{
    const struct ic_pool_instance *instance =
        ic_pool_find(pool_of(job->all), job->meeting.function, to);
    return instance == NULL || instance->live + instance->in_flight + cost > instance->capacity;
}

static void visit(void *ctx, struct ic_object *o, uint16_t chunk, uint32_t from)
{
    struct job *job = ctx;
    uint32_t to = from == job->current ? job->beside : job->current;
    if (is_full(job, to, o->chunk_cost)) {
        job->full = true;
        job->all->stats.no_room++;
        return;
    }
    struct ic_chunk_copy *copy = idle_copy(job);
    if (copy == NULL) {
        job->overflow = true; /* the same bucket again, later: what is under way is not visited */
        return;
    }
    job->found++;
    ic_chunk_copy_begin(copy, o, chunk, from, to);
}

/* Each chunk is on two instances, and these two have as much as each other: the same. */
static bool alike(const struct job *job)
{
    struct ic_backups *b = job->all;
    uint16_t function = job->meeting.function;
    const struct ic_pool_instance *first = ic_pool_find(pool_of(b), function, job->current);
    const struct ic_pool_instance *second = ic_pool_find(pool_of(b), function, job->beside);
    return ic_store_uncopied(b->proxy->store, function) == 0 && first != NULL && second != NULL &&
           first->live == second->live;
}

static void end_pass(struct job *job)
{
    job->passes++;
    job->scanned = job->found == 0 || job->passes == PASSES_MAX || alike(job);
    job->found = 0;
}

/* True: the slice is used up, and there is more to look at. */
static bool scan(struct job *job)
{
    struct ic_backups *b = job->all;
    for (uint32_t i = 0; !job->scanned && idle_copy(job) != NULL; i++) {
        if (i == SCAN_SLICE) {
            return true;
        }
        job->overflow = false;
        uint64_t next = ic_store_scan_uncopied(b->proxy->store, job->meeting.function, job->current,
                                               job->beside, job->cursor, visit, job);
        if (job->overflow) {
            return false;
        }
        job->cursor = next;
        if (next == 0) {
            end_pass(job);
        }
    }
    return false;
}

static void pump(void *ctx)
{
    struct job *job = ctx;
    if (scan(job)) {
        ic_timer_start(&job->timer, 0);
    } else if (job->scanned && !copying(job) && job->marks_due == 0) {
        if (job->full) {
            finish(job, true); /* as far as there is room */
        } else {
            mark_both(job);
        }
    }
}

static void on_copied(struct ic_chunk_copy *c, int result, uint64_t bytes)
{
    struct job *job = c->ctx;
    struct ic_backups *b = job->all;
    if (result >= 0) {
        job->chunks++;
        job->bytes += bytes;
        b->stats.chunks++;
        b->stats.bytes += bytes;
    } else if (result == IC_ENOSPC) {
        job->full = true;
        b->stats.no_room++;
    } else if (result != IC_ENOENT) {
        finish(job, false);
        return;
    }
    pump(job);
}

/* ---- the beginning ------------------------------------------------------------------ */

static void on_met(struct ic_meeting *m, int result, uint32_t current, uint32_t beside)
{
    struct job *job = m->ctx;
    struct ic_backups *b = job->all;
    if (result < 0) {
        finish(job, false);
        return;
    }
    job->current = current;
    job->beside = beside;
    job->scanned = alike(job);
    ic_functions_flush_deletes(b->proxy->functions, m->function);
    pump(job);
}

static void on_ended(struct ic_meeting *m)
{
    finish(m->ctx, false);
}

static struct job *idle_job(struct ic_backups *b)
{
    for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
        if (!b->job[i].busy) {
            return &b->job[i];
        }
    }
    return NULL;
}

static void begin(struct ic_backups *b, struct job *job, uint16_t function)
{
    uint64_t now_ms = ic_loop_now_ms(b->proxy->loop);
    job->meeting = (struct ic_meeting){.function = function,
                                       .cause = IC_COST_BACKUP,
                                       .met = on_met,
                                       .ended = on_ended,
                                       .ctx = job};
    job->cursor = 0;
    job->begun_ms = now_ms;
    job->bytes = job->chunks = 0;
    job->passes = job->found = job->marks_due = 0;
    job->scanned = job->full = false;
    job->busy = true;
    b->stats.running++;
    ic_backup_began(b->plan, function, now_ms);
    if (ic_functions_meet(b->proxy->functions, &job->meeting) < 0) {
        finish(job, false);
    }
}

/* ---- whose turn it is ---------------------------------------------------------------- */

static struct ic_backup_view view(void *ctx, uint16_t function)
{
    const struct ic_backups *b = ctx;
    struct ic_backup_view v =
        ic_store_backup_view(b->proxy->store, function, ic_loop_now_ms(b->proxy->loop));
    v.able = v.able && !ic_rebuilder_loading(b->proxy->rebuilder);
    return v;
}

/* What the instances' marks say; of the time before this proxy, too. */
static int64_t whole_at(const struct ic_backups *b, uint16_t function)
{
    struct ic_pool *pool = pool_of(b);
    const struct ic_pool_function *f = ic_pool_function(pool, function);
    const struct ic_pool_instance *current = ic_pool_find(pool, function, f->current);
    return current == NULL ? 0 : current->copied_ms;
}

static void learn_marks(struct ic_backups *b)
{
    uint64_t now_ms = ic_loop_now_ms(b->proxy->loop);
    int64_t wall_ms = ic_clock_wall_ms();
    for (uint32_t i = 0; i < ic_pool_count(pool_of(b)); i++) {
        int64_t at_ms = whole_at(b, (uint16_t)i);
        if (at_ms > 0 && at_ms <= wall_ms && (uint64_t)(wall_ms - at_ms) < now_ms) {
            ic_backup_seen(b->plan, (uint16_t)i, now_ms - (uint64_t)(wall_ms - at_ms));
        }
    }
}

static void look(void *ctx)
{
    struct ic_backups *b = ctx;
    const struct ic_config *c = b->proxy->config;
    bool affordable = ic_books_budget(b->proxy->books) < IC_BUDGET_NO_BACKUP;
    struct ic_backup_settings settings = {.interval_ms =
                                              affordable ? (uint64_t)c->backup_interval : 0,
                                          .peer_interval_ms = (uint64_t)c->peer_interval};
    uint64_t now_ms = ic_loop_now_ms(b->proxy->loop), next_ms = now_ms;
    struct job *job;
    int function = 0;
    ic_pool_set_peers(pool_of(b), c->backup_interval > 0);
    learn_marks(b);
    for (uint32_t i = 0; i < ic_pool_count(pool_of(b)); i++) {
        ic_backup_changed(b->plan, (uint16_t)i); /* it may have: nobody tells */
    }
    while (!b->stopped && (job = idle_job(b)) != NULL &&
           (function = ic_backup_next(b->plan, &settings, view, b, now_ms, &next_ms)) >= 0) {
        begin(b, job, (uint16_t)function);
    }
    if (!b->stopped && function < 0) {
        next_ms = next_ms < now_ms + LOOK_MS ? next_ms : now_ms + LOOK_MS;
        ic_timer_start(&b->timer, next_ms > now_ms ? next_ms - now_ms : 0);
    } /* else a job's end looks again */
}

void ic_backups_ask(struct ic_backups *b, uint16_t function)
{
    ic_backup_ask(b->plan, function);
    if (!b->stopped) {
        ic_timer_start(&b->timer, 0);
    }
}

/* ---- figures -------------------------------------------------------------------------- */

struct ic_backup_stats ic_backups_stats(const struct ic_backups *b)
{
    struct ic_backup_stats stats = b->stats;
    stats.deletes = ic_functions_figures(b->proxy->functions, -1).deletes_peer;
    return stats;
}

struct ic_backup_state ic_backups_state(const struct ic_backups *b, uint16_t function)
{
    struct ic_backup_state state = {.uncopied = ic_store_uncopied(b->proxy->store, function),
                                    .age_ms = -1};
    for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
        state.running |= b->job[i].busy && b->job[i].meeting.function == function;
    }
    int64_t at_ms = whole_at(b, function), wall_ms = ic_clock_wall_ms();
    if (at_ms > 0) {
        state.age_ms = wall_ms > at_ms ? wall_ms - at_ms : 0;
    }
    return state;
}
