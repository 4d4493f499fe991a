#include "sim/model.h"

#include "proxy/proxy.h"
#include "proxy/store.h"
#include "sim/report.h"
#include "sim/value.h"
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { COPIES_MAX = 6 }; /* of copies */

void sim_model_init(struct sim_model *m, uint32_t keys)
{
    *m = (struct sim_model){.keys = keys};
    for (uint32_t i = 0; i < keys; i++) {
        m->write[i] = sim_alloc(sizeof **m->write);
        *m->write[i] = (struct sim_write){
            .key = i, .gone = SIM_NEVER, .must_expire_ms = INT64_MAX, .may_expire_ms = INT64_MAX};
    }
}

/* Some keys are long, so that what is sealed with a chunk is. */
void sim_key_name(uint32_t key, char out[SIM_KEY_BYTES])
{
    snprintf(out, SIM_KEY_BYTES, "key:%u%.*s", key, key % 5 == 0 ? 60 : 0,
             "-------------------------------------------------------------");
}

uint32_t sim_key_twin(const struct sim_model *m, uint32_t key)
{
    char name[SIM_KEY_BYTES], other[SIM_KEY_BYTES];
    sim_key_name(key, name);
    for (uint32_t i = 1; i < m->keys; i++) {
        uint32_t twin = (key + i) % m->keys;
        sim_key_name(twin, other);
        if (strlen(other) == strlen(name)) {
            return twin;
        }
    }
    return key;
}

int sim_key_find(const struct sim_model *m, struct ic_slice name)
{
    char own[SIM_KEY_BYTES];
    for (uint32_t i = 0; i < m->keys; i++) {
        sim_key_name(i, own);
        if (ic_slice_equal(name, ic_slice_str(own))) {
            return (int)i;
        }
    }
    return -1;
}

uint64_t sim_model_event(struct sim_model *m)
{
    int64_t now_ms = sim_wall_us(sim_world()) / 1000;
    if (++m->events >= m->wall_capacity) {
        m->wall_capacity = 2 * m->events + 1024;
        m->wall_ms = realloc(m->wall_ms, m->wall_capacity * sizeof *m->wall_ms);
        assert(m->wall_ms != NULL);
    }
    m->wall_ms[m->events] = now_ms;
    m->wall_high_ms = now_ms > m->wall_high_ms ? now_ms : m->wall_high_ms;
    return m->events;
}

void sim_model_clock_step(struct sim_model *m)
{
    m->stepped = sim_model_event(m);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- writes ----------------------------------------------------------------------- */

static struct sim_write *add(struct sim_model *m, uint32_t key, uint64_t begun)
{
    struct sim_write *w = sim_alloc(sizeof *w);
    *w = (struct sim_write){.next = m->write[key],
                            .key = key,
                            .begun = begun,
                            .happened = SIM_NEVER,
                            .settled = SIM_NEVER,
                            .gone = SIM_NEVER,
                            .evicted = sim_host_evicted(&sim_world()->host),
                            .copy_of = -1,
                            .must_expire_ms = INT64_MAX,
                            .may_expire_ms = INT64_MAX};
    memset(w->chunks_on, 1, sizeof w->chunks_on);
    m->write[key] = w;
    return w;
}

struct sim_write *sim_model_begin(struct sim_model *m, uint32_t key, bool empty, uint64_t size)
{
    struct sim_write *w = add(m, key, sim_model_event(m));
    w->version = empty ? 0 : ++m->versions;
    w->size = size;
    return w;
}

struct sim_write *sim_model_begin_copy(struct sim_model *m, uint32_t from, uint32_t key)
{
    struct sim_write *w = add(m, key, sim_model_event(m));
    w->version = ++m->versions;
    w->copy_of = (int)from;
    return w;
}

static void change_expiry(struct sim_model *m, uint32_t key, int64_t at_ms)
{
    sim_model_event(m);
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        w->must_expire_ms = INT64_MAX;
        w->put_off = true;
        w->may_expire_ms = at_ms < w->may_expire_ms ? at_ms : w->may_expire_ms;
    }
}

void sim_model_expire(struct sim_model *m, uint32_t key, int64_t at_ms)
{
    change_expiry(m, key, at_ms);
    m->expiring[key]++;
}

/* It may have been one that was written meanwhile. */
void sim_model_expire_done(struct sim_model *m, uint32_t key, int64_t at_ms)
{
    change_expiry(m, key, at_ms);
    m->expiring[key]--;
}

void sim_model_expire_unknown(struct sim_model *m, uint32_t key, int64_t at_ms)
{
    sim_model_expire_done(m, key, at_ms);
    m->put_off[key] = true;
}

void sim_model_expires(struct sim_model *m, struct sim_write *w, int64_t life_ms)
{
    int64_t at_ms = m->wall_ms[m->events] + life_ms;
    bool known = m->stepped < w->begun; /* the clock's reading when it was executed */
    if (known && !w->put_off && !m->put_off[w->key]) {
        w->must_expire_ms = at_ms;
    }
    w->may_expire_ms = at_ms < w->may_expire_ms ? at_ms : w->may_expire_ms;
}

/* Rule 1. */
static void happened(struct sim_model *m, struct sim_write *w, uint64_t by)
{
    if (w->happened <= by || w->begun < m->undone) {
        return;
    }
    w->happened = by;
    w->settled = earlier(w->settled, by);
    for (struct sim_write *o = m->write[w->key]; o != NULL; o = o->next) {
        if (o != w && o->settled < w->begun) {
            o->gone = earlier(o->gone, by);
        }
    }
}

struct look {
    struct ic_slice key;
    struct ic_entry *entry;
};

static void look_at(struct ic_entry *e, void *ctx)
{
    struct look *l = ctx;
    if (ic_slice_equal(ic_entry_key(e), l->key)) {
        l->entry = e;
    }
}

/* Where the chunks of W are, as the proxy has it; nothing is known if that is another version. */
static void note_places(struct sim_write *w)
{
    struct ic_proxy *proxy = sim_world()->host.proxy;
    char name[SIM_KEY_BYTES];
    sim_key_name(w->key, name);
    struct look look = {.key = ic_slice_str(name)};
    uint64_t cursor = 0;
    do {
        cursor = proxy == NULL ? 0 : ic_store_scan(proxy->store, cursor, look_at, &look);
    } while (cursor != 0);
    const struct ic_object *o = look.entry == NULL ? NULL : look.entry->object;
    if (o == NULL || o->size != w->size || w->copy_of >= 0) {
        return;
    }
    uint32_t held = 0;
    uint8_t chunks_on[SIM_FUNCTIONS_MAX] = {0};
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        if (ic_store_held(proxy->store, o, i)) {
            chunks_on[sim_platform_function(o->place[i].function)]++;
            held++;
        }
    }
    if (held >= o->data) { /* else it is lost already: by what has happened since it began */
        memcpy(w->chunks_on, chunks_on, sizeof chunks_on);
        w->spare = held - o->data;
    }
}

void sim_model_done(struct sim_model *m, struct sim_write *w)
{
    happened(m, w, sim_model_event(m));
    if (w->version != 0) {
        note_places(w);
    }
}

void sim_model_unknown(struct sim_model *m, struct sim_write *w)
{
    w->settled = earlier(w->settled, sim_model_event(m));
}

void sim_model_failed(struct sim_model *m, struct sim_write *w)
{
    w->settled = sim_model_event(m);
    w->failed = true;
    m->errors++;
}

/* ---- reads ------------------------------------------------------------------------ */

static bool may_show(const struct sim_write *w, uint64_t begun)
{
    return !w->failed && w->gone >= begun;
}

/* When a read that began at BEGUN looked, at the earliest. */
static bool must_be_expired(const struct sim_model *m, const struct sim_write *w, uint64_t begun)
{
    return m->stepped < begun && w->must_expire_ms < m->wall_ms[begun];
}

/* Of a copy it is not looked into whose expiry it has. If the clock was set since, an expiry may be
 * any time; and so it may if one is on its way. */
static bool may_be_expired(const struct sim_model *m, const struct sim_write *w)
{
    bool unsure = w->copy_of >= 0 || m->expiring[w->key] > 0 || m->put_off[w->key];
    bool expires = w->may_expire_ms != INT64_MAX;
    return unsure || (expires && (m->stepped >= w->begun || w->may_expire_ms <= m->wall_high_ms));
}

static bool may_be_evicted(const struct sim_write *w)
{
    return sim_host_evicted(&sim_world()->host) > w->evicted;
}

/* Chunks of FUNCTION that W had may be lost; or not at hand, where siblings answer for a while: of
 * two the other one is recalled, if the function can be reached at all; and without backups it is
 * given up after two invocations that do not show it. */
static bool may_lack(const struct sim_platform *p, int function, const struct sim_write *w,
                     uint64_t begun)
{
    size_t alive = sim_platform_alive(p, function);
    bool given_up = sim_world()->host.config->backup_interval == 0;
    return p->lost_at[function] >= w->begun || alive > 2 ||
           (alive == 2 && (given_up || p->hindered_at[function] >= begun));
}

/* A read that began at BEGUN may find fewer chunks than are needed. */
static bool may_be_lost(const struct sim_write *w, uint64_t begun)
{
    const struct sim_world *world = sim_world();
    uint32_t lost = w->deleted ? UINT32_MAX / 2 : 0;
    for (uint32_t f = 0; f < SIM_FUNCTIONS_MAX; f++) {
        lost += may_lack(&world->platform, (int)f, w, begun) ? w->chunks_on[f] : 0;
    }
    return lost > w->spare;
}

static void unmark(struct sim_model *m, uint32_t key)
{
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        w->candidate = false;
    }
}

/* The candidates are marked: rule 2, and rule 1 if there is but one. */
static void conclude(struct sim_model *m, uint32_t key, uint64_t begun)
{
    uint64_t now = sim_model_event(m);
    if (begun < m->undone) {
        unmark(m, key);
        return;
    }
    struct sim_write *only = NULL;
    uint32_t candidates = 0;
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        if (w->candidate) {
            only = w;
            candidates++;
        } else if (w->settled < begun) {
            w->gone = earlier(w->gone, now);
        }
        w->candidate = false;
    }
    if (candidates == 1) {
        happened(m, only, now);
    }
}

static void show_writes(const struct sim_model *m, uint32_t key)
{
    int shown = 0;
    for (const struct sim_write *w = m->write[key]; w != NULL && shown < 12; w = w->next, shown++) {
        sim_note("  write of key %u: version %u size %llu begun %llu happened %lld settled %lld "
                 "gone %lld spare %u%s",
                 key, w->version, (unsigned long long)w->size, (unsigned long long)w->begun,
                 (long long)w->happened, (long long)w->settled, (long long)w->gone, w->spare,
                 w->failed ? " failed" : "");
    }
}

/* A read that shows a value that OK says yes to. Returns how many writes explain it. */
static uint32_t mark(struct sim_model *m, uint32_t key, uint64_t begun,
                     bool (*fits)(const struct sim_write *w, const void *ctx), const void *ctx)
{
    uint32_t count = 0;
    m->checks++;
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        w->candidate = may_show(w, begun) && !must_be_expired(m, w, begun) && fits(w, ctx);
        count += w->candidate;
    }
    return count;
}

static bool is_empty(const struct sim_write *w, const void *ctx)
{
    (void)ctx;
    return w->version == 0;
}

static bool is_value(const struct sim_write *w, const void *ctx)
{
    (void)ctx;
    return w->version != 0;
}

static bool may_be_source(const struct sim_write *o, const struct sim_write *copy)
{
    return may_show(o, copy->begun) && o->begun < copy->settled;
}

/* Whether what W shows passes FITS: of a copy, what the other key may have shown then. */
static bool shows(const struct sim_write *w, int depth,
                  bool (*fits)(const struct sim_write *w, const void *ctx), const void *ctx)
{
    if (w->version == 0 || w->copy_of < 0) {
        return w->version != 0 && fits(w, ctx);
    }
    const struct sim_write *o = depth == 0 ? NULL : sim_world()->model.write[w->copy_of];
    for (; o != NULL; o = o->next) {
        if (may_be_source(o, w) && shows(o, depth - 1, fits, ctx)) {
            return true;
        }
    }
    return false;
}

static bool is_of_size(const struct sim_write *w, const void *ctx)
{
    return w->size == *(const uint64_t *)ctx;
}

static bool has_size(const struct sim_write *w, const void *ctx)
{
    return shows(w, COPIES_MAX, is_of_size, ctx);
}

void sim_model_saw_nothing(struct sim_model *m, uint32_t key, uint64_t begun)
{
    sim_model_event(m);                 /* the clock's reading counts */
    bool lost = false, evicted = false; /* or expired */
    bool written = mark(m, key, begun, is_empty, NULL) > 0;
    m->misses++;
    for (const struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        bool there = w->version != 0 && may_show(w, begun) && !w->outdated;
        lost = lost || (there && (may_be_lost(w, begun) || may_be_expired(m, w)));
        evicted = evicted || (there && may_be_evicted(w));
    }
    if (!lost && !evicted && !written && begun > m->undone) {
        show_writes(m, key);
        sim_violation("key %u: a miss [%llu, %llu] that nothing explains", key,
                      (unsigned long long)begun, (unsigned long long)m->events);
    }
    m->excused += !written;
    if (lost) { /* it may come back with its instances: nothing follows */
        unmark(m, key);
        return;
    }
    if (evicted) {
        add(m, key, begun)->candidate = true; /* until now; it stays so */
    }
    conclude(m, key, begun);
}

static void must_be_marked(struct sim_model *m, uint32_t key, uint64_t begun, uint32_t count,
                           const char *what)
{
    if (count == 0 && begun > m->undone) {
        show_writes(m, key);
        sim_violation("key %u: %s [%llu, %llu] that no write explains", key, what,
                      (unsigned long long)begun, (unsigned long long)m->events);
    }
    m->hits++;
    conclude(m, key, begun);
}

void sim_model_saw_size(struct sim_model *m, uint32_t key, uint64_t begun, uint64_t size)
{
    must_be_marked(m, key, begun, mark(m, key, begun, has_size, &size), "a size");
}

void sim_model_saw_something(struct sim_model *m, uint32_t key, uint64_t begun)
{
    must_be_marked(m, key, begun, mark(m, key, begun, is_value, NULL), "an existing key");
}

struct seen {
    struct ic_slice bytes;
    uint64_t from, to;
};

static bool is_of_bytes(const struct sim_write *w, const void *ctx)
{
    const struct seen *seen = ctx;
    uint64_t end = seen->to < w->size ? seen->to + 1 : w->size;
    uint64_t len = end > seen->from ? end - seen->from : 0;
    return len == seen->bytes.len && sim_value_equal(w->key, w->version, seen->from, seen->bytes);
}

static bool has_bytes(const struct sim_write *w, const void *ctx)
{
    return shows(w, COPIES_MAX, is_of_bytes, ctx);
}

/* Whose bytes they are, for the report. */
static void tell_origin(const struct sim_model *m, uint32_t key, const struct seen *seen)
{
    for (const struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        if (has_bytes(w, seen)) {
            sim_note("  the bytes are those of version %u, expiry %lld", w->version,
                     (long long)w->must_expire_ms);
        }
    }
}

void sim_model_saw_bytes(struct sim_model *m, uint32_t key, uint64_t begun, struct ic_slice bytes,
                         uint64_t from, uint64_t to)
{
    struct seen seen = {.bytes = bytes, .from = from, .to = to};
    uint32_t count = mark(m, key, begun, has_bytes, &seen);
    if (count == 0) {
        tell_origin(m, key, &seen);
    }
    must_be_marked(m, key, begun, count, "a value");
}

/* ---- the proxy's ends --------------------------------------------------------------- */

void sim_model_proxy_gone(struct sim_model *m)
{
    uint64_t now = sim_model_event(m);
    for (uint32_t key = 0; key < m->keys; key++) {
        m->put_off[key] = false;
        for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
            w->settled = earlier(w->settled, now);
        }
    }
}

/* What was written since MARK_AT is undone; but chunks that it replaced may be deleted. */
static void undo_key(struct sim_model *m, uint32_t key, uint64_t mark_at, uint64_t now)
{
    bool replaced = false;
    for (const struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        replaced = replaced || w->settled > mark_at;
    }
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        if (w->begun > mark_at) {
            w->gone = earlier(w->gone, now);
        } else if (w->gone > mark_at) {
            w->deleted = w->deleted || replaced;
            w->gone = SIM_NEVER;
        }
        w->happened = w->happened > mark_at ? SIM_NEVER : w->happened;
        w->settled = w->settled > mark_at ? now : w->settled;
    }
}

void sim_model_power_failure(struct sim_model *m, uint64_t mark_at)
{
    uint64_t now = sim_model_event(m);
    m->undone = now;
    sim_note("what began after event %llu is undone", (unsigned long long)mark_at);
    for (uint32_t key = 0; key < m->keys; key++) {
        undo_key(m, key, mark_at, now);
    }
}

/* Its chunks are there, as far as is known, and nothing but a loss takes them away. */
static bool must_be_stored(const struct sim_model *m, const struct sim_write *w)
{
    bool stays = w->may_expire_ms == INT64_MAX && !w->put_off && !m->put_off[w->key] &&
                 m->expiring[w->key] == 0;
    return w->happened != SIM_NEVER && w->gone == SIM_NEVER && stays && !w->deleted &&
           !may_be_evicted(w);
}

/* The last version of KEY that is known to be stored, if only values can have been written since;
 * else NULL. */
static const struct sim_write *find_stored(const struct sim_model *m, uint32_t key)
{
    for (const struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        bool is_value = w->version != 0 && w->copy_of < 0;
        if (is_value && must_be_stored(m, w)) {
            return w;
        }
        if (!is_value && !w->failed) {
            return NULL;
        }
    }
    return NULL;
}

static void forget_order(struct sim_model *m, uint32_t key)
{
    const struct sim_write *stored = find_stored(m, key);
    uint64_t since = stored == NULL ? 0 : stored->begun;
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        w->outdated = w->settled < since;
        w->gone = w->outdated && w->version == 0 ? w->gone : SIM_NEVER;
        w->happened = SIM_NEVER;
        w->settled = earlier(w->settled, m->undone);
        w->must_expire_ms = INT64_MAX;
        w->deleted = w->deleted || stored == NULL;
        w->failed = false;
    }
}

/* Any version that was ever sealed may be the newest that is complete, also one whose SET was
 * answered with an error. */
void sim_model_journal_lost(struct sim_model *m)
{
    m->undone = sim_model_event(m);
    for (uint32_t key = 0; key < m->keys; key++) {
        forget_order(m, key);
    }
}
