/*
 * command_backup.c - IC.BACKUP: what backups have done and are doing, and one at once.
 */
#include "core/pool.h"
#include "proxy/backup.h"
#include "proxy/command_handlers.h"
#include "proxy/functions.h"
#include "proxy/proxy.h"

void ic_command_ic_backup(struct ic_call *c)
{
    struct ic_backup_stats s = ic_backups_stats(c->proxy->backups);
    uint64_t uncopied = 0;
    for (uint32_t i = 0; i < ic_pool_count(ic_functions_pool(c->proxy->functions)); i++) {
        uncopied += ic_store_uncopied(c->proxy->store, (uint16_t)i);
    }
    ic_resp_map(c->out, 10);
    ic_resp_pair_uint(c->out, "running", s.running);
    ic_resp_pair_uint(c->out, "done", s.done);
    ic_resp_pair_uint(c->out, "failed", s.failed);
    ic_resp_pair_uint(c->out, "bytes_copied", s.bytes);
    ic_resp_pair_uint(c->out, "chunks_copied", s.chunks);
    ic_resp_pair_uint(c->out, "deletes_copied", s.deletes);
    ic_resp_pair_uint(c->out, "chunks_without_room", s.no_room);
    ic_resp_pair_uint(c->out, "chunks_with_a_copy", ic_store_copies(c->proxy->store));
    ic_resp_pair_uint(c->out, "bytes_to_copy", uncopied);
    ic_resp_pair_uint(c->out, "last_ms", s.last_ms);
}

/* The function whose name, or number, is argument I; -1: there is none. */
static int function_of(const struct ic_call *c, uint32_t i)
{
    const struct ic_functions *f = c->proxy->functions;
    uint32_t count = ic_pool_count(ic_functions_pool(c->proxy->functions));
    int64_t number;
    if (ic_slice_to_i64(c->argv[i].bytes, &number) == 0) {
        return number >= 0 && number < count ? (int)number : -1;
    }
    for (uint32_t k = 0; k < count; k++) {
        if (ic_slice_equal(c->argv[i].bytes, ic_slice_str(ic_functions_name(f, (uint16_t)k)))) {
            return (int)k;
        }
    }
    return -1;
}

void ic_command_ic_backup_now(struct ic_call *c)
{
    uint32_t count = ic_pool_count(ic_functions_pool(c->proxy->functions));
    int function = c->argc == 3 ? function_of(c, 2) : 0;
    if (c->argc > 3) {
        ic_call_syntax_error(c);
        return;
    }
    if (function < 0) {
        ic_call_error(c, "no such function");
        return;
    }
    uint32_t first = (uint32_t)function, end = c->argc == 3 ? first + 1 : count;
    for (uint32_t i = first; i < end; i++) {
        ic_backups_ask(c->proxy->backups, (uint16_t)i);
    }
    ic_resp_int(c->out, (int64_t)(end - first));
}

void ic_command_ic_backup_help(struct ic_call *c)
{
    static const char *const lines[] = {"(no subcommand)",
                                        "    Return what backups have done and are doing.",
                                        "NOW [<function>]",
                                        "    Begin to copy what is new on <function>, a name or a "
                                        "number, or on all of them. Return",
                                        "    how many functions that are.",
                                        NULL};
    ic_call_help(c, lines);
}
