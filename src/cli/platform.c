/*
 * platform.c - `infinicache platform`: the local platform as a daemon in the foreground.
 */
#include "cli/commands.h"

#include "base/log.h"
#include "cli/daemons.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "net/net_uv.h"
#include "platform/local/platform.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct daemon {
    struct ic_loop *loop;
    struct ic_platform *platform;
    uv_signal_t terminate, interrupt;
    int ready_fd; /* of `up`, or -1 */
    bool stopping;
};

static void print_help(void)
{
    puts("usage: infinicache platform --dir DIR [--port PORT] [--DIRECTIVE VALUE ...]\n"
         "\n"
         "Serves the AWS Lambda API for this machine: functions are processes, billed and\n"
         "reclaimed as in the cloud. Also under /_local/: GET instances, GET bill,\n"
         "POST reclaim, POST fail. --port and --bind are short for --platform-port, "
         "--platform-bind.\n"
         "\n"
         "Directives:");
    ic_config_help(stdout, IC_SCOPE_L);
}

/* The short names of this command's own directives. */
static void expand(int argc, char **argv)
{
    static char port[] = "--platform-port", bind[] = "--platform-bind";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0) {
            argv[i] = port;
        } else if (strcmp(argv[i], "--bind") == 0) {
            argv[i] = bind;
        }
    }
}

static void on_stopped(void *ctx)
{
    struct daemon *d = ctx;
    ic_loop_stop(d->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    if (d->stopping) {
        return;
    }
    d->stopping = true;
    ic_log(IC_LOG_INFO, "platform-stops", "signal=%d", number);
    ic_platform_stop(d->platform, on_stopped, d);
}

static void watch(struct daemon *d, uv_signal_t *handle, int number)
{
    uv_signal_init(ic_loop_uv(d->loop), handle);
    handle->data = d;
    uv_signal_start(handle, on_signal, number);
}

static void tell_ready(int fd)
{
    if (fd >= 0) {
        ssize_t written = write(fd, "ready\n", 6);
        (void)written; /* else whoever waits sees it close */
        close(fd);
    }
}

static void run(struct daemon *d, const struct ic_config *config)
{
    watch(d, &d->terminate, SIGTERM);
    watch(d, &d->interrupt, SIGINT);
    unsigned port = ic_platform_port(d->platform);
    ic_log(IC_LOG_INFO, "platform-ready", "address=%s:%u dir=%s", config->platform_bind, port,
           config->dir);
    printf("platform: http://%s:%u\n", config->platform_bind, port);
    fflush(stdout);
    tell_ready(d->ready_fd);
    ic_loop_run(d->loop);
    ic_log(IC_LOG_INFO, "platform-stopped", "address=%s:%u", config->platform_bind, port);
    ic_platform_free(d->platform);
    uv_close((uv_handle_t *)&d->terminate, NULL);
    uv_close((uv_handle_t *)&d->interrupt, NULL);
    ic_loop_free(d->loop);
}

int ic_cli_platform(int argc, char **argv)
{
    char why[IC_WHY_MAX] = "", reason[IC_PLATFORM_WHY_MAX] = "out of memory or descriptors";
    struct daemon d = {.ready_fd = ic_daemons_ready_fd()};
    int status = IC_CLI_DONE;
    if (ic_options_help(argc, argv)) {
        print_help();
        return IC_CLI_DONE;
    }
    expand(argc, argv);
    struct ic_config *config = ic_config_new();
    if (ic_settings_apply(config, argc, argv, IC_SCOPE_L, why) < 0) {
        status = ic_cli_fail("platform: %s", why);
    } else {
        signal(SIGPIPE, SIG_IGN);
        ic_log_set_level((enum ic_log_level)config->loglevel);
        d.loop = ic_loop_new();
        if (d.loop == NULL || ic_platform_new(d.loop, config, &d.platform, reason) < 0) {
            status = ic_cli_fail("platform: %s", reason);
            ic_loop_free(d.loop);
        } else {
            run(&d, config);
        }
    }
    ic_config_free(config);
    return status;
}
