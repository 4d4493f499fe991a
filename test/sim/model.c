#include "sim/model.h"

#include "proxy/proxy.h"
#include "proxy/store.h"
#include "sim/report.h"
#include "sim/value.h"
#include "sim/world.h"

#include <stdio.h>

void sim_model_init(struct sim_model *m, uint32_t keys)
{
    *m = (struct sim_model){.keys = keys};
    for (uint32_t i = 0; i < keys; i++) {
        m->write[i] = sim_alloc(sizeof **m->write);
        *m->write[i] = (struct sim_write){.key = i, .gone = SIM_NEVER};
    }
}

/* Some keys are long, so that what is sealed with a chunk is. */
void sim_key_name(uint32_t key, char out[SIM_KEY_BYTES])
{
    snprintf(out, SIM_KEY_BYTES, "key:%u%.*s", key, key % 5 == 0 ? 60 : 0,
             "-------------------------------------------------------------");
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
    return ++m->events;
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
                            .functions = UINT32_MAX};
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

/* Rule 1. */
static void happened(struct sim_model *m, struct sim_write *w, uint64_t by)
{
    if (w->happened <= by) {
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
    if (o == NULL || o->size != w->size) {
        return;
    }
    uint32_t held = 0, functions = 0;
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        if (ic_store_held(proxy->store, o, i)) {
            functions |= 1U << o->place[i].function;
            held++;
        }
    }
    if (held >= o->data) { /* else it is lost already: by what has happened since it began */
        w->functions = functions;
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

static bool may_be_evicted(const struct sim_write *w)
{
    return sim_host_evicted(&sim_world()->host) > w->evicted;
}

/* Fewer chunks than are needed may be left; or at hand, where siblings answer for a while. */
static bool may_be_lost(const struct sim_write *w)
{
    const struct sim_world *world = sim_world();
    uint32_t lost = w->deleted ? UINT32_MAX / 2 : 0;
    for (uint32_t f = 0; f < world->settings.functions; f++) {
        bool siblings = sim_platform_alive(&world->platform, (int)f) > 1;
        lost +=
            (w->functions >> f & 1) != 0 && (siblings || world->platform.lost_at[f] >= w->begun);
    }
    return lost > w->spare;
}

/* The candidates are marked: rule 2, and rule 1 if there is but one. */
static void conclude(struct sim_model *m, uint32_t key, uint64_t begun)
{
    uint64_t now = sim_model_event(m);
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
                 "gone %lld functions %x spare %u%s",
                 key, w->version, (unsigned long long)w->size, (unsigned long long)w->begun,
                 (long long)w->happened, (long long)w->settled, (long long)w->gone, w->functions,
                 w->spare, w->failed ? " failed" : "");
    }
}

/* A read that shows a value that OK says yes to. Returns how many writes explain it. */
static uint32_t mark(struct sim_model *m, uint32_t key, uint64_t begun,
                     bool (*fits)(const struct sim_write *w, const void *ctx), const void *ctx)
{
    uint32_t count = 0;
    m->checks++;
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        w->candidate = may_show(w, begun) && fits(w, ctx);
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

static bool has_size(const struct sim_write *w, const void *ctx)
{
    return w->version != 0 && w->size == *(const uint64_t *)ctx;
}

static void unmark(struct sim_model *m, uint32_t key)
{
    for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        w->candidate = false;
    }
}

void sim_model_saw_nothing(struct sim_model *m, uint32_t key, uint64_t begun)
{
    bool lost = false, evicted = false;
    bool written = mark(m, key, begun, is_empty, NULL) > 0;
    m->misses++;
    for (const struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        bool there = w->version != 0 && may_show(w, begun);
        lost = lost || (there && may_be_lost(w));
        evicted = evicted || (there && may_be_evicted(w));
    }
    if (!lost && !evicted && !written) {
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
    if (count == 0) {
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

static bool has_bytes(const struct sim_write *w, const void *ctx)
{
    const struct seen *seen = ctx;
    uint64_t end = seen->to < w->size ? seen->to + 1 : w->size;
    uint64_t len = end > seen->from ? end - seen->from : 0;
    return w->version != 0 && len == seen->bytes.len &&
           sim_value_equal(w->key, w->version, seen->from, seen->bytes);
}

/* Whose bytes they are, for the report. */
static void tell_origin(const struct sim_model *m, uint32_t key, const struct seen *seen)
{
    for (const struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
        if (has_bytes(w, seen)) {
            sim_note("  the bytes are those of version %u", w->version);
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
        for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
            w->settled = earlier(w->settled, now);
        }
    }
}

void sim_model_power_failure(struct sim_model *m, uint64_t mark_at)
{
    uint64_t now = sim_model_event(m);
    sim_note("what began after event %llu is undone", (unsigned long long)mark_at);
    for (uint32_t key = 0; key < m->keys; key++) {
        for (struct sim_write *w = m->write[key]; w != NULL; w = w->next) {
            if (w->begun > mark_at) {
                w->gone = earlier(w->gone, now);
            } else if (w->gone > mark_at) {
                w->deleted = w->deleted || w->gone != SIM_NEVER;
                w->gone = SIM_NEVER;
            }
            w->happened = w->happened > mark_at ? SIM_NEVER : w->happened;
            w->settled = w->settled > mark_at ? now : w->settled;
        }
    }
}
