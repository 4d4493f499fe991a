/*
 * command_object.c - how values are kept: OBJECT and MEMORY USAGE as Redis has them,
 * IC.OBJECT and IC.POOL for what only this server knows.
 */
#include "core/pool.h"
#include "proxy/backup.h"
#include "proxy/books.h"
#include "proxy/command_handlers.h"
#include "proxy/functions.h"
#include "proxy/keys.h"
#include "proxy/proxy.h"

#include <stdio.h>

void ic_command_object_encoding(struct ic_call *c)
{
    if (ic_key_find(c, 2) == NULL) {
        ic_resp_null(c->out);
    } else {
        ic_resp_bulk_str(c->out, "raw");
    }
}

void ic_command_object_freq(struct ic_call *c)
{
    if (ic_key_find(c, 2) == NULL) {
        ic_resp_null(c->out);
    } else {
        ic_call_error(c, "An LFU maxmemory policy is not selected, access frequency not tracked. "
                         "Please note that when switching between policies at runtime LRU and LFU "
                         "data will take some time to adjust.");
    }
}

void ic_command_object_idletime(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_find(c, 2);
    if (e == NULL) {
        ic_resp_null(c->out);
        return;
    }
    int64_t idle_ms = c->wall_ms - e->accessed_ms;
    ic_resp_int(c->out, idle_ms < 0 ? 0 : idle_ms / 1000);
}

void ic_command_object_refcount(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_find(c, 2);
    if (e == NULL) {
        ic_resp_null(c->out);
        return;
    }
    ic_resp_int(c->out, (int64_t)e->object->names);
}

void ic_command_object_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        NULL};
    ic_call_help(c, lines);
}

void ic_command_memory_usage(struct ic_call *c)
{
    int64_t samples;
    for (uint32_t i = 3; i < c->argc; i += 2) {
        if (!ic_call_is(c, i, "SAMPLES") || i + 1 == c->argc) {
            ic_call_syntax_error(c);
            return;
        }
        if (!ic_call_integer(c, i + 1, &samples, NULL)) {
            return;
        }
        if (samples < 0) {
            ic_call_syntax_error(c);
            return;
        }
    }
    const struct ic_entry *e = ic_key_find(c, 2);
    if (e == NULL) {
        ic_resp_null(c->out);
    } else {
        ic_resp_int(c->out, (int64_t)ic_store_memory_usage(c->proxy->store, e));
    }
}

void ic_command_memory_help(struct ic_call *c)
{
    static const char *const lines[] = {"USAGE <key> [SAMPLES <count>]",
                                        "    Return memory in bytes used by <key> and its value, "
                                        "in the functions and in the proxy.",
                                        NULL};
    ic_call_help(c, lines);
}

/* ---- our own ---- */

/* Chunk INDEX as [number, role, function, state, place's status]. */
static void write_chunk(struct ic_call *c, const struct ic_object *o, uint16_t index)
{
    static const char *const status_names[] = {
        [IC_STATUS_GONE] = "gone",  [IC_STATUS_AWAY] = "away",     [IC_STATUS_DOWN] = "down",
        [IC_STATUS_SLOW] = "slow",  [IC_STATUS_ASLEEP] = "asleep", [IC_STATUS_WAKING] = "waking",
        [IC_STATUS_AWAKE] = "awake"};
    static const char *const fate_names[] = {[IC_FATE_HELD] = "held",
                                             [IC_FATE_UNREACHABLE] = "unreachable",
                                             [IC_FATE_WRITING] = "writing",
                                             [IC_FATE_LOST] = "lost"};
    const struct ic_chunk_place *place = &o->place[index];
    bool there = place->function != IC_FUNCTION_NONE;
    ic_resp_map(c->out, 6);
    ic_resp_pair_uint(c->out, "chunk", index);
    ic_resp_pair_str(c->out, "role", index < o->data ? "data" : "parity");
    ic_resp_pair_str(c->out, "function",
                     there ? ic_functions_name(c->proxy->functions, place->function) : "");
    ic_resp_pair_str(c->out, "state", fate_names[ic_store_fate(c->proxy->store, o, index)]);
    ic_resp_pair_str(
        c->out, "node",
        status_names[there ? ic_functions_status(c->proxy->functions, place->function,
                                                 ic_store_holder(c->proxy->store, o, index))
                           : IC_STATUS_GONE]);
    ic_resp_pair_uint(c->out, "copies",
                      ic_store_has_copy(c->proxy->store, o, index)
                          ? 2
                          : ic_store_held(c->proxy->store, o, index));
}

void ic_command_ic_object(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_find(c, 1);
    if (e == NULL) {
        ic_resp_null(c->out);
        return;
    }
    const struct ic_object *o = e->object;
    char id[24];
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)o->id);
    ic_resp_map(c->out, 9);
    ic_resp_pair_str(c->out, "id", id);
    ic_resp_pair_uint(c->out, "version", o->version);
    ic_resp_pair_uint(c->out, "size", o->size);
    ic_resp_pair_uint(c->out, "data", o->data);
    ic_resp_pair_uint(c->out, "parity", o->parity);
    ic_resp_pair_uint(c->out, "unit", o->unit);
    ic_resp_pair_uint(c->out, "chunk_bytes", o->chunk_length);
    ic_resp_pair_uint(c->out, "held", ic_store_held_count(c->proxy->store, o));
    ic_resp_bulk_str(c->out, "chunks");
    ic_resp_array(c->out, (size_t)o->data + o->parity);
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        write_chunk(c, o, i);
    }
}

/* What the instance that answered last holds. */
static const struct ic_pool_instance *current(const struct ic_pool_function *f)
{
    for (size_t i = 0; i < IC_POOL_INSTANCES_MAX; i++) {
        if (f->instance[i].serial != 0 && f->instance[i].serial == f->current) {
            return &f->instance[i];
        }
    }
    return NULL;
}

/* Milliseconds since SINCE_MS on the loop's clock; -1 if that is 0: it has not been. */
static void write_elapsed(struct ic_call *c, const char *name, uint64_t since_ms)
{
    uint64_t elapsed_ms = ic_loop_now_ms(c->proxy->loop) - since_ms;
    ic_resp_bulk_str(c->out, name);
    ic_resp_int(c->out, since_ms == 0 ? -1 : (int64_t)elapsed_ms);
}

/* Its id in hexadecimal; empty: there is none. */
static void write_instance(struct ic_call *c, const char *name, const struct ic_pool_instance *i)
{
    char hex[2 * IC_INSTANCE_ID_LEN + 1] = "";
    for (size_t k = 0; i != NULL && i->serial != 0 && k < IC_INSTANCE_ID_LEN; k++) {
        snprintf(hex + 2 * k, 3, "%02x", i->id[k]);
    }
    ic_resp_pair_str(c->out, name, hex);
}

static void write_function(struct ic_call *c, struct ic_pool *pool, uint16_t index)
{
    static const struct ic_pool_instance none;
    const struct ic_pool_function *f = ic_pool_function(pool, index);
    const struct ic_pool_instance *i = current(f);
    struct ic_function_figures figures = ic_functions_figures(c->proxy->functions, index);
    struct ic_function_stay stay = ic_functions_stay(c->proxy->functions, index);
    const struct ic_cost_account *account = ic_cost_account(ic_books_cost(c->proxy->books), index);
    i = i == NULL ? &none : i;
    struct ic_backup_state backup = ic_backups_state(c->proxy->backups, index);
    ic_resp_map(c->out, 22);
    ic_resp_pair_str(c->out, "function", ic_functions_name(c->proxy->functions, index));
    ic_resp_pair_str(c->out, "state", ic_function_state_name(f->state));
    ic_resp_pair_uint(c->out, "capacity", ic_pool_capacity(pool, index));
    ic_resp_pair_uint(c->out, "live", i->live);
    ic_resp_pair_uint(c->out, "condemned", i->condemned);
    ic_resp_pair_uint(c->out, "in_flight", i->in_flight);
    ic_resp_pair_uint(c->out, "planned", f->planned);
    ic_resp_pair_uint(c->out, "held", i->held_reported);
    ic_resp_pair_uint(c->out, "chunks", i->live_chunks);
    ic_resp_pair_uint(c->out, "room", ic_pool_room(pool, index));
    ic_resp_pair_uint(c->out, "invocations", account->invocations);
    ic_resp_pair_uint(c->out, "billed_ms", account->billed_ms);
    ic_resp_pair_uint(c->out, "failures", figures.failures + figures.crashes);
    write_elapsed(c, "age_ms", i->since_ms);
    write_elapsed(c, "idle_ms", figures.asked_ms);
    ic_resp_pair_uint(c->out, "lease_ms", stay.lease_ms);
    ic_resp_pair_uint(c->out, "gap_ms", stay.gap_ms);
    write_instance(c, "instance", i);
    write_instance(c, "peer", ic_pool_sibling(pool, index));
    ic_resp_pair_str(c->out, "peer_state", ic_function_state_name(f->peer.state));
    ic_resp_bulk_str(c->out, "backup_age_ms");
    ic_resp_int(c->out, backup.age_ms);
    ic_resp_pair_uint(c->out, "to_copy", backup.uncopied);
}

void ic_command_ic_pool(struct ic_call *c)
{
    struct ic_pool *pool = ic_functions_pool(c->proxy->functions);
    uint32_t count = ic_pool_count(pool);
    ic_resp_array(c->out, count);
    for (uint32_t i = 0; i < count; i++) {
        write_function(c, pool, (uint16_t)i);
    }
}
