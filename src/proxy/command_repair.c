/*
 * command_repair.c - IC.REPAIR: what repair does, and asking it to.
 */
#include "proxy/command_handlers.h"
#include "proxy/keys.h"
#include "proxy/proxy.h"
#include "proxy/repair.h"

static void write_number(struct ic_resp_writer *w, const char *name, uint64_t value)
{
    ic_resp_bulk_str(w, name);
    ic_resp_int(w, (int64_t)value);
}

void ic_command_ic_repair(struct ic_call *c)
{
    static const char *const mode_names[] = {[IC_REPAIR_MODE_EAGER] = "eager",
                                             [IC_REPAIR_MODE_LAZY] = "lazy",
                                             [IC_REPAIR_MODE_OFF] = "off"};
    struct ic_repair_stats stats = ic_repair_stats(c->proxy->repair);
    struct ic_store_stats store = ic_store_stats(c->proxy->store);
    ic_resp_map(c->out, 11);
    ic_resp_bulk_str(c->out, "mode");
    ic_resp_bulk_str(c->out, mode_names[c->proxy->config->repair]);
    write_number(c->out, "waiting", stats.waiting);
    write_number(c->out, "active", stats.active);
    write_number(c->out, "done", stats.done);
    write_number(c->out, "failed", stats.failed);
    write_number(c->out, "dropped", stats.dropped);
    write_number(c->out, "postponed", stats.postponed);
    write_number(c->out, "chunks", stats.chunks);
    write_number(c->out, "bytes", stats.bytes);
    write_number(c->out, "lost_chunks", store.lost_chunks);
    write_number(c->out, "degraded_reads", store.degraded_reads);
}

void ic_command_ic_repair_key(struct ic_call *c)
{
    struct ic_entry *e = ic_key_find(c, 2);
    bool lacks = e != NULL && ic_store_lost_count(c->proxy->store, e->object) > 0;
    if (lacks) {
        ic_repair_degraded(c->proxy->repair, e->object, IC_DEGRADED_ASKED);
    }
    ic_resp_int(c->out, lacks);
}

void ic_command_ic_repair_now(struct ic_call *c)
{
    ic_store_sweep(c->proxy->store, IC_DEGRADED_ASKED);
    ic_call_ok(c);
}

void ic_command_ic_repair_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return what repair does and has done.",
        "KEY <key>",
        "    Repair the object of <key>, whatever the setting `repair` says. Return 1 if it lacks",
        "    chunks, else 0.",
        "NOW",
        "    Repair every object that lacks chunks.",
        NULL};
    ic_call_help(c, lines);
}
