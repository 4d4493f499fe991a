#include "sim/disk.h"

#include "base/alloc.h"
#include "base/config.h"
#include "core/epoch.h"
#include "proxy/journal.h"
#include "proxy/journal_queue.h"
#include "proxy/journal_record.h"
#include "sim/report.h"
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EVERYSEC_MS = 1000, /* as in proxy/journal.c */
    SELDOM_MS = 30000,
    SYNC_US = 5000, /* an fsync takes so long, at most; a slow one: */
    SYNC_SLOW_US = 4000000,
};

struct ic_journal {
    struct sim_disk *disk;
    struct ic_journal_queue queue;
    int appendfsync;
    bool failed, unsynced, syncing;
    uint64_t synced_ms;
    struct ic_journal_stats stats;
};

/* ---- images ------------------------------------------------------------------- */

static void record_unref(struct sim_record *r)
{
    if (--r->refs == 0) {
        free(r);
    }
}

/* The place of the first record whose id is not below ID. */
static size_t place_of(const struct sim_table *t, uint64_t id)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->at[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void table_remove(struct sim_table *t, uint64_t id)
{
    size_t place = place_of(t, id);
    if (place < t->count && t->at[place]->id == id) {
        record_unref(t->at[place]);
        t->count--;
        memmove(t->at + place, t->at + place + 1, (t->count - place) * sizeof *t->at);
    }
}

static void table_put(struct sim_table *t, uint64_t id, struct ic_slice record)
{
    struct sim_record *r = sim_alloc(sizeof *r + record.len);
    *r = (struct sim_record){.id = id, .refs = 1, .len = record.len};
    memcpy(r->bytes, record.data, record.len);
    table_remove(t, id);
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 64 : t->capacity * 2;
        t->at = realloc(t->at, t->capacity * sizeof *t->at);
        assert(t->at != NULL);
    }
    size_t place = place_of(t, id);
    memmove(t->at + place + 1, t->at + place, (t->count - place) * sizeof *t->at);
    t->at[place] = r;
    t->count++;
}

static void table_clear(struct sim_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        record_unref(t->at[i]);
    }
    t->count = 0;
}

static void table_copy(struct sim_table *to, const struct sim_table *from)
{
    table_clear(to);
    if (to->capacity < from->count) {
        to->capacity = from->capacity;
        to->at = realloc(to->at, to->capacity * sizeof *to->at);
        assert(to->at != NULL);
    }
    for (size_t i = 0; i < from->count; i++) {
        to->at[i] = from->at[i];
        to->at[i]->refs++;
    }
    to->count = from->count;
}

static void image_copy(struct sim_image *to, const struct sim_image *from)
{
    struct sim_table objects = to->objects, entries = to->entries, ledger = to->ledger;
    table_copy(&objects, &from->objects);
    table_copy(&entries, &from->entries);
    table_copy(&ledger, &from->ledger);
    *to = *from;
    to->objects = objects;
    to->entries = entries;
    to->ledger = ledger;
}

/* ---- the disk ----------------------------------------------------------------- */

static void sync_done(void *ctx)
{
    struct sim_disk *d = ctx;
    image_copy(&d->durable, &d->pinned);
    d->synced = true;
}

void sim_disk_init(struct sim_disk *d)
{
    *d = (struct sim_disk){0};
    ic_event_init(&d->sync, sync_done, d);
}

static void stop_sync(struct sim_disk *d)
{
    ic_event_stop(sim_time(sim_world()), &d->sync);
    d->synced = false;
}

void sim_disk_crash(struct sim_disk *d)
{
    stop_sync(d);
}

uint64_t sim_disk_power_failure(struct sim_disk *d)
{
    stop_sync(d);
    image_copy(&d->current, &d->durable);
    return d->current.mark;
}

static void image_clear(struct sim_image *image)
{
    table_clear(&image->objects);
    table_clear(&image->entries);
    table_clear(&image->ledger);
    image->exists = image->open = image->rebuilding = false;
}

void sim_disk_lose(struct sim_disk *d)
{
    stop_sync(d);
    image_clear(&d->current);
    image_clear(&d->durable);
}

static void make_durable(struct ic_journal *j)
{
    stop_sync(j->disk);
    image_copy(&j->disk->durable, &j->disk->current);
    j->syncing = j->unsynced = false;
}

/* ---- open and close ------------------------------------------------------------ */

/* A fresh journal, with the secret and above the epoch of what it is heir of. */
static void create(struct sim_image *image, const struct ic_journal_setup *setup)
{
    image->exists = true;
    image->rebuilding = setup->rebuild;
    image->epoch = ic_epoch_first(sim_wall_us(sim_world()) / 1000) - 1;
    if (setup->heir_of != NULL) {
        image->epoch = setup->heir_of->epoch > image->epoch ? setup->heir_of->epoch : image->epoch;
        memcpy(image->secret, setup->heir_of->secret, sizeof image->secret);
        return;
    }
    for (size_t i = 0; i < sizeof image->secret; i++) {
        image->secret[i] = (uint8_t)ic_rng_next(&sim_world()->system);
    }
}

static struct ic_journal_pool pool_of(const struct ic_journal_setup *setup)
{
    struct ic_journal_pool pool = {.functions = setup->functions, .memory = setup->memory};
    snprintf(pool.prefix, sizeof pool.prefix, "%s", setup->prefix);
    snprintf(pool.run, sizeof pool.run, "%s", setup->run);
    return pool;
}

static enum ic_journal_emptied compare_pools(const struct ic_journal_pool *before,
                                             const struct ic_journal_setup *setup)
{
    return strcmp(before->prefix, setup->prefix) != 0 ? IC_JOURNAL_OTHER_NAMES
           : strcmp(before->run, setup->run) != 0     ? IC_JOURNAL_OTHER_RUN
                                                      : IC_JOURNAL_NOT_EMPTIED;
}

int ic_journal_open(const struct ic_journal_setup *setup, struct ic_journal **out,
                    struct ic_journal_meta *meta, char *why)
{
    (void)why; /* it always opens */
    struct sim_disk *d = &sim_world()->disk;
    struct ic_journal *j = sim_alloc(sizeof *j);
    struct sim_image *image = &d->current;
    j->disk = d;
    j->appendfsync = setup->appendfsync;
    ic_journal_queue_init(&j->queue);
    *meta = (struct ic_journal_meta){.fresh = !image->exists, .crashed = image->open};
    if (!image->exists) {
        create(image, setup);
    }
    meta->pool = meta->fresh ? pool_of(setup) : image->pool;
    meta->emptied = compare_pools(&meta->pool, setup);
    if (meta->emptied != IC_JOURNAL_NOT_EMPTIED) {
        meta->emptied_objects = image->objects.count;
        image->rebuilding = false;
        table_clear(&image->objects);
        table_clear(&image->entries);
    }
    image->pool = pool_of(setup);
    if (image->rebuilding) { /* begins anew, or is given up */
        table_clear(&image->objects);
        table_clear(&image->entries);
        image->rebuilding = setup->rebuild;
    }
    image->open = true;
    meta->rebuild = image->rebuilding;
    meta->epoch = ++image->epoch;
    memcpy(meta->secret, image->secret, sizeof meta->secret);
    make_durable(j);
    *out = j;
    return 0;
}

/* ---- rebuilding ---------------------------------------------------------------- */

int ic_journal_verify(const struct ic_journal_setup *setup, char *why)
{
    (void)setup;
    (void)why;
    return 0; /* this disk loses, it does not damage */
}

int ic_journal_set_aside(const char *dir, char *path, char *why)
{
    struct sim_image *image = &sim_world()->disk.current;
    (void)why;
    snprintf(path, IC_JOURNAL_WHY_MAX, "%.400s/journal.aside", dir);
    image_clear(image);
    return 0;
}

int ic_journal_rebuilt(struct ic_journal *j)
{
    j->disk->current.rebuilding = false;
    make_durable(j);
    return 0;
}

int ic_journal_raise_epoch(struct ic_journal *j, uint32_t seen, uint32_t *epoch)
{
    struct sim_image *image = &j->disk->current;
    image->epoch = image->epoch > seen ? image->epoch : seen + 1;
    *epoch = image->epoch;
    make_durable(j);
    return 0;
}

void ic_journal_close(struct ic_journal *j)
{
    if (j == NULL) {
        return;
    }
    if (ic_journal_commit(j) == 0) {
        j->disk->current.open = false;
        make_durable(j);
    }
    ic_journal_queue_deinit(&j->queue);
    free(j);
}

/* ---- committing ---------------------------------------------------------------- */

struct ic_journal_queue *ic_journal_queue_of(struct ic_journal *j)
{
    return &j->queue;
}

static void apply_one(struct sim_image *image, const struct ic_journal_change *c)
{
    static const char *const names[] = {"object",   "no object", "entry",
                                        "no entry", "flush",     "ledger"};
    sim_note("journal: %s %llx", names[c->op], (unsigned long long)c->id);
    switch (c->op) {
    case IC_JOURNAL_PUT_OBJECT:
        table_put(&image->objects, c->id, c->record);
        return;
    case IC_JOURNAL_PUT_ENTRY:
        table_put(&image->entries, c->id, c->record);
        return;
    case IC_JOURNAL_PUT_LEDGER:
        table_put(&image->ledger, c->id, c->record);
        return;
    case IC_JOURNAL_DELETE_OBJECT:
        table_remove(&image->objects, c->id);
        return;
    case IC_JOURNAL_DELETE_ENTRY:
        table_remove(&image->entries, c->id);
        return;
    case IC_JOURNAL_FLUSH:
        table_clear(&image->objects);
        table_clear(&image->entries);
        return;
    }
}

static void apply_queue(struct ic_journal *j)
{
    struct ic_journal_change change;
    size_t at = 0;
    while (ic_journal_queue_next(&j->queue, &at, &change)) {
        apply_one(&j->disk->current, &change);
        j->stats.records++;
    }
}

static int fail(struct ic_journal *j)
{
    sim_note("journal failed");
    j->failed = true;
    j->stats.failures[IC_DISK_OTHER]++;
    return IC_EIO;
}

int ic_journal_commit(struct ic_journal *j)
{
    if (ic_journal_queue_empty(&j->queue)) {
        return j->failed ? IC_EIO : 0;
    }
    ic_sim_act();
    if (sim_faults_draw(&sim_world()->faults, SIM_FAULT_JOURNAL_ERROR)) {
        ic_journal_queue_clear(&j->queue);
        return fail(j);
    }
    apply_queue(j);
    ic_journal_queue_clear(&j->queue);
    j->stats.commits++;
    j->disk->commits++;
    j->disk->current.mark = sim_world()->model.events;
    if (j->appendfsync == IC_FSYNC_ALWAYS) {
        make_durable(j);
        j->stats.syncs++;
    } else {
        j->unsynced = true;
    }
    ic_sim_act();
    return 0;
}

bool ic_journal_failed(const struct ic_journal *j)
{
    return j->failed;
}

const char *ic_journal_failure(const struct ic_journal *j)
{
    (void)j;
    return "simulated failure";
}

int ic_journal_probe(struct ic_journal *j)
{
    ic_sim_act();
    if (sim_faults_draw(&sim_world()->faults, SIM_FAULT_JOURNAL_ERROR)) {
        return fail(j);
    }
    make_durable(j);
    j->failed = false;
    return 0;
}

static void begin_sync(struct ic_journal *j, uint64_t now_ms)
{
    struct sim_world *w = sim_world();
    bool slow = sim_faults_draw(&w->faults, SIM_FAULT_SYNC_SLOW);
    image_copy(&j->disk->pinned, &j->disk->current);
    j->disk->pinned.mark = w->model.events;
    j->disk->synced = false;
    j->syncing = true;
    j->unsynced = false;
    j->synced_ms = now_ms;
    j->stats.syncs++;
    ic_event_start(sim_time(w), &j->disk->sync,
                   1 + ic_rng_below(&w->rng, slow ? SYNC_SLOW_US : SYNC_US));
}

void ic_journal_tick(struct ic_journal *j, uint64_t now_ms)
{
    if (j->syncing && j->disk->synced) {
        j->syncing = false;
        j->stats.synced++;
    }
    uint64_t interval_ms = j->appendfsync == IC_FSYNC_EVERYSEC ? EVERYSEC_MS : SELDOM_MS;
    if (j->unsynced && !j->syncing && now_ms - j->synced_ms >= interval_ms) {
        begin_sync(j, now_ms);
    }
}

bool ic_journal_set_appendfsync(struct ic_journal *j, int appendfsync)
{
    bool changes = j->appendfsync != appendfsync;
    j->appendfsync = appendfsync;
    if (changes) {
        make_durable(j);
    }
    return changes;
}

struct ic_journal_stats ic_journal_stats(const struct ic_journal *j)
{
    return j->stats;
}

/* ---- loading ------------------------------------------------------------------- */

static int load_object(const struct sim_record *r, const struct ic_journal_loader *loader,
                       void *ctx)
{
    struct ic_journal_object o;
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX];
    int result = ic_journal_decode_object(ic_slice(r->bytes, r->len), r->id, &o, place);
    return result < 0 ? result : loader->object(ctx, &o);
}

static int load_entry(const struct sim_record *r, const struct ic_journal_loader *loader, void *ctx)
{
    struct ic_journal_entry e;
    int result = ic_journal_decode_entry(ic_slice(r->bytes, r->len), r->id, &e);
    return result < 0 ? result : loader->entry(ctx, &e);
}

static int explain(int result, const char *what, const struct sim_record *r, char *why)
{
    if (result < 0) {
        snprintf(why, IC_JOURNAL_WHY_MAX, "the simulated journal: record of %s %llx: %s", what,
                 (unsigned long long)r->id, ic_error_text(result));
    }
    return result;
}

int ic_journal_load(struct ic_journal *j, const struct ic_journal_loader *loader, void *ctx,
                    char *why)
{
    const struct sim_image *image = &j->disk->current;
    int result = 0;
    for (size_t i = 0; result >= 0 && i < image->objects.count; i++) {
        const struct sim_record *r = image->objects.at[i];
        result = explain(load_object(r, loader, ctx), "object", r, why);
    }
    for (size_t i = 0; result >= 0 && i < image->entries.count; i++) {
        const struct sim_record *r = image->entries.at[i];
        result = explain(load_entry(r, loader, ctx), "entry", r, why);
    }
    return result < 0 ? result : 0;
}

int ic_journal_load_ledger(struct ic_journal *j,
                           int (*each)(void *ctx, uint64_t key, struct ic_slice record), void *ctx,
                           char *why)
{
    const struct sim_table *ledger = &j->disk->current.ledger;
    int result = 0;
    (void)why;
    for (size_t i = 0; result >= 0 && i < ledger->count; i++) {
        const struct sim_record *r = ledger->at[i];
        result = each(ctx, r->id, ic_slice(r->bytes, r->len));
    }
    return result < 0 ? result : 0;
}
