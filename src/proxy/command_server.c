/*
 * command_server.c - CONFIG, TIME, SHUTDOWN, DEBUG: the server itself. INFO is in
 * command_info.c.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/glob.h"
#include "base/log.h"
#include "proxy/command_handlers.h"
#include "proxy/handover.h"
#include "proxy/proxy.h"
#include "proxy/repair.h"
#include "proxy/sessions.h"

#include <math.h>
#include <stdlib.h>

enum { SLEEP_MAX_S = 3600, DIRECTIVES_MAX = 256 };

void ic_command_time(struct ic_call *c)
{
    int64_t us = ic_clock_wall_us();
    ic_resp_array(c->out, 2);
    ic_resp_bulkf(c->out, "%lld", (long long)(us / 1000000));
    ic_resp_bulkf(c->out, "%lld", (long long)(us % 1000000));
}

static void stop_proxy(void *ctx)
{
    ic_proxy_stop(ctx);
}

void ic_command_shutdown(struct ic_call *c)
{
    bool save = false, nosave = false, stop = false, abort = false;
    for (uint32_t i = 1; i < c->argc; i++) {
        bool now = ic_call_is(c, i, "NOW") || ic_call_is(c, i, "FORCE");
        save = save || ic_call_is(c, i, "SAVE");
        nosave = nosave || ic_call_is(c, i, "NOSAVE");
        abort = abort || ic_call_is(c, i, "ABORT");
        stop = stop || now;
        if (!now && !ic_call_is(c, i, "SAVE") && !ic_call_is(c, i, "NOSAVE") &&
            !ic_call_is(c, i, "ABORT")) {
            ic_call_syntax_error(c);
            return;
        }
    }
    if ((abort && (save || nosave || stop)) || (save && nosave)) {
        ic_call_syntax_error(c);
    } else if (abort) {
        ic_call_error(c, "No shutdown in progress.");
    } else {
        struct ic_sessions *all = c->session->sessions;
        ic_session_close_after_reply(c->session);
        if (ic_list_empty(&all->shutdown.node)) {
            ic_loop_reap(c->proxy->loop, &all->shutdown, stop_proxy, c->proxy);
        }
    }
}

/*
 * DEBUG SLEEP seconds: only this client waits. Its reply is held back by a timer; the loop and with
 * it every other client goes on, where Redis would stop them all.
 */
void ic_command_debug(struct ic_call *c)
{
    if (c->argc == 2 && ic_call_is(c, 1, "HELP")) {
        static const char *const lines[] = {
            "SLEEP <seconds>", "    Answer this client after so long. Decimals allowed.", NULL};
        ic_call_help(c, lines);
        return;
    }
    if (c->argc != 3 || !ic_call_is(c, 1, "SLEEP")) {
        ic_call_errorf(c,
                       "unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG "
                       "HELP.",
                       IC_CALL_TEXT(c, 1));
        return;
    }
    char text[32] = "";
    struct ic_slice arg = c->argv[2].bytes;
    if (arg.len < sizeof(text)) {
        memcpy(text, arg.data, arg.len);
    }
    double seconds = strtod(text, NULL); /* what is no number is 0, as in Redis */
    if (seconds > 0) {
        seconds = seconds > SLEEP_MAX_S ? SLEEP_MAX_S : seconds;
        ic_call_delay(c, (uint64_t)ceil(seconds * 1000));
    }
    ic_call_ok(c);
}

/* ---- CONFIG ---- */

static bool is_secret(const struct ic_directive *d)
{
    return strstr(d->name, "pass") != NULL && strstr(d->name, "file") == NULL;
}

/* *NAME: as the client wrote it, or as the table has it where a pattern matched. */
static bool is_wanted(const struct ic_call *c, const struct ic_directive *d, struct ic_slice *name)
{
    *name = ic_slice_str(d->name);
    if ((d->scope & IC_SCOPE_P) == 0 || is_secret(d)) {
        return false;
    }
    for (uint32_t i = 2; i < c->argc; i++) {
        if (ic_slice_equal_nocase(c->argv[i].bytes, d->name)) {
            *name = c->argv[i].bytes;
            return true;
        }
        if (ic_glob_match(c->argv[i].bytes, *name, true)) {
            return true;
        }
    }
    return false;
}

void ic_command_config_get(struct ic_call *c)
{
    size_t count, found = 0;
    const struct ic_directive *table = ic_directives(&count);
    struct ic_slice name;
    for (size_t i = 0; i < count; i++) {
        found += is_wanted(c, &table[i], &name);
    }
    ic_resp_map(c->out, found);
    for (size_t i = 0; i < count; i++) {
        struct ic_buf value;
        if (!is_wanted(c, &table[i], &name)) {
            continue;
        }
        ic_buf_init(&value);
        c->out->failed |= ic_config_get(c->proxy->config, &table[i], &value) != 0;
        ic_resp_bulk(c->out, name);
        ic_resp_bulk(c->out, ic_buf_slice(&value));
        ic_buf_deinit(&value);
    }
}

static void config_set_error(struct ic_call *c, uint32_t index, const char *why)
{
    ic_call_errorf(c, "CONFIG SET failed (possibly related to argument '%.*s') - %s",
                   IC_CALL_TEXT(c, index), why);
}

/* Every directive is there, may be changed and is named once. */
static bool check_directives(struct ic_call *c)
{
    for (uint32_t i = 2; i < c->argc; i += 2) {
        const struct ic_directive *d = ic_directive_find(c->argv[i].bytes);
        if (d == NULL || (d->scope & IC_SCOPE_P) == 0) {
            ic_call_errorf(c, "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                           IC_CALL_TEXT(c, i));
            return false;
        }
        if (!d->runtime) {
            config_set_error(c, i, "can't set immutable config");
            return false;
        }
        for (uint32_t j = 2; j < i; j += 2) {
            if (ic_directive_find(c->argv[j].bytes) == d) {
                config_set_error(c, i, "duplicate parameter");
                return false;
            }
        }
    }
    return true;
}

/* What the directives from argument 2 up to END showed before. */
struct backup {
    struct ic_buf old[DIRECTIVES_MAX / 2];
};

static void restore(struct ic_call *c, struct backup *b, uint32_t count)
{
    char why[IC_WHY_MAX];
    for (uint32_t i = 0; i < count; i++) {
        int result = ic_config_set(c->proxy->config, c->argv[2 + 2 * i].bytes,
                                   ic_buf_slice(&b->old[i]), why);
        if (result != 0) {
            ic_log(IC_LOG_ERROR, "config-not-restored", "why=\"%s\"", why);
        }
    }
}

void ic_command_config_set(struct ic_call *c)
{
    char why[IC_WHY_MAX] = "";
    if (c->argc % 2 != 0) {
        ic_call_syntax_error(c);
        return;
    }
    struct backup *b = c->argc > DIRECTIVES_MAX ? NULL : ic_calloc(1, sizeof(*b));
    if (b == NULL || !check_directives(c)) {
        if (b == NULL) {
            ic_call_error(c, "too many directives at once");
        }
        ic_free(b);
        return;
    }
    uint32_t done = 0, count = (c->argc - 2) / 2;
    int result = 0;
    for (; done < count && result == 0; done += result == 0) {
        struct ic_slice name = c->argv[2 + 2 * done].bytes;
        result = ic_config_get(c->proxy->config, ic_directive_find(name), &b->old[done]);
        if (result == 0) {
            result = ic_config_set(c->proxy->config, name, c->argv[3 + 2 * done].bytes, why);
        }
    }
    if (result != 0) {
        restore(c, b, done);
        config_set_error(c, 2 + 2 * done, why[0] != '\0' ? why : ic_error_text(result));
    } else {
        /* What is not read from the config each time is told now: here and at the store's tick. */
        ic_log_set_level((enum ic_log_level)c->proxy->config->loglevel);
        ic_store_tick(c->proxy->store, ic_loop_now_ms(c->proxy->loop), c->wall_ms);
        ic_call_ok(c);
    }
    for (uint32_t i = 0; i < count; i++) {
        ic_buf_deinit(&b->old[i]);
    }
    ic_free(b);
}

void ic_command_config_resetstat(struct ic_call *c)
{
    ic_stats_reset(&c->session->sessions->stats);
    ic_store_stats_reset(c->proxy->store);
    ic_repair_stats_reset(c->proxy->repair);
    ic_handover_stats_reset(c->proxy->handover);
    ic_call_ok(c);
}

void ic_command_config_rewrite(struct ic_call *c)
{
    int result = ic_config_rewrite(c->proxy->config);
    if (result == IC_EINVAL) {
        ic_call_error(c, "The server is running without a config file");
    } else if (result != 0) {
        ic_call_errorf(c, "Rewriting config file: %s", ic_error_text(result));
    } else {
        ic_call_ok(c);
    }
}

void ic_command_config_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL};
    ic_call_help(c, lines);
}
