/*
 * command_server.c - TIME, SHUTDOWN, DEBUG: the server itself. INFO is in command_info.c,
 * CONFIG in command_config.c.
 */
#include "base/clock.h"
#include "proxy/command_handlers.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"

#include <math.h>
#include <stdlib.h>

enum { SLEEP_MAX_S = 3600 };

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
