/*
 * command_repair.c - IC.REPAIR: what repair does, and asking it to.
 */
#include "proxy/command_handlers.h"
#include "proxy/keys.h"
#include "proxy/proxy.h"
#include "proxy/repair.h"

void ic_command_ic_repair(struct ic_call *c)
{
    static const char *const mode_names[] = {[IC_REPAIR_MODE_EAGER] = "eager",
                                             [IC_REPAIR_MODE_LAZY] = "lazy",
                                             [IC_REPAIR_MODE_OFF] = "off"};
    struct ic_repair_stats stats = ic_repair_stats(c->proxy->repair);
    struct ic_store_stats store = ic_store_stats(c->proxy->store);
    ic_resp_map(c->out, 11);
    ic_resp_pair_str(c->out, "mode", mode_names[c->proxy->config->repair]);
    ic_resp_pair_uint(c->out, "waiting", stats.waiting);
    ic_resp_pair_uint(c->out, "active", stats.active);
    ic_resp_pair_uint(c->out, "done", stats.done);
    ic_resp_pair_uint(c->out, "failed", stats.failed);
    ic_resp_pair_uint(c->out, "dropped", stats.dropped);
    ic_resp_pair_uint(c->out, "postponed", stats.postponed);
    ic_resp_pair_uint(c->out, "chunks", stats.chunks);
    ic_resp_pair_uint(c->out, "bytes", stats.bytes);
    ic_resp_pair_uint(c->out, "lost_chunks", store.lost_chunks);
    ic_resp_pair_uint(c->out, "degraded_reads", store.degraded_reads);
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
