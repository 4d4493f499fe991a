/*
 * up.c - `infinicache up`: platform, functions and proxy on this machine, in the background.
 *
 *   settings --> DIR locked --> what runs? --both--> every function has an instance? --> say so
 *                                  |                          '- no: invoke it
 *                                  '--a part is missing--> checks (ports, disk, bootstrap)
 *                                        --> platform --> functions --> proxy --> instances
 *
 * The proxy is told which run of the platform it gets (platform-run), so that it knows when nothing
 * of its pool is left; one that runs while the platform has ended is started anew with it. Whatever
 * fails ends what this very command started, and nothing else; the settings are those of before
 * then.
 */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/disk.h"
#include "cli/daemons.h"
#include "cli/deploy.h"
#include "cli/local_api.h"
#include "cli/options.h"
#include "cli/place.h"
#include "cli/ports.h"
#include "cli/retire.h"
#include "cli/settings.h"
#include "cli/signals.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    UP_MS = 28000,            /* below the 30 s that are promised */
    LOCK_WAIT_MS = 10000,     /* for a `down` that is at it */
    PROBE_BYTES = 256 * 1024, /* what a start writes: pid files, settings, an empty journal */
    SLOW_PROXY_MS = 8000,     /* a running proxy gets so long to warm the pool up by itself */
};

struct up {
    struct ic_config *wanted;  /* what is to run: saved settings or defaults, and the arguments */
    struct ic_config *before;  /* the settings of what ran before; NULL: nothing did */
    bool saved;                /* those that are wanted are in their file */
    struct ic_daemons running; /* before this command, then as started */
    struct ic_daemons begun;   /* by this command: what a failure ends */
    int64_t retired;           /* functions deleted, since the pool has become smaller */
    int rebuild;               /* for this start of the proxy only: neither saved nor compared */
    uint64_t end_ms;
    char dir[IC_PLACE_MAX];
    char why[IC_DAEMONS_WHY_MAX];
};

static void print_help(void)
{
    puts(
        "usage: infinicache up [--dir DIR] [--config FILE] [--DIRECTIVE VALUE ...]\n\n"
        "Starts the local function platform, a pool of functions and the proxy in the background,\n"
        "and returns when Redis clients can connect and every function has an instance. Run again\n"
        "it starts only what is missing, and the proxy anew if the platform has ended; settings "
        "that\n"
        "differ from the running ones are refused.\n"
        "`infinicache down` ends it all, `infinicache down --keep-functions` the proxy alone: then "
        "`up`\n"
        "serves what the functions hold, also with more --functions, or fewer: then those that "
        "the\n"
        "pool has not any more are deleted, with their chunks, and what lacks chunks is repaired.\n"
        "Logs and pid files are in DIR\n"
        "(default: " IC_PLACE_DEFAULT_TEXT ").\n\n"
        "  --config FILE\n      Directives from a file, one `directive value` a line;\n"
        "      those on the command line win. `infinicache config` prints a sample.");
    ic_config_help(stdout, IC_SCOPE_PL | IC_SCOPE_U);
}

static void set_text(struct ic_config *c, const char *name, const char *value)
{
    char why[IC_WHY_MAX];
    if (ic_config_set(c, ic_slice_str(name), ic_slice_str(value), why) < 0) {
        abort(); /* a text is refused only without memory */
    }
}

static void derive(struct ic_config *c, const char *dir)
{
    char endpoint[128];
    bool any = strcmp(c->platform_bind, "0.0.0.0") == 0;
    snprintf(endpoint, sizeof endpoint, "http://%.64s:%" PRId64,
             any ? "127.0.0.1" : c->platform_bind, c->platform_port);
    set_text(c, "platform-endpoint", endpoint);
    set_text(c, "dir", dir);
}

/* ---- settings --------------------------------------------------------------- */

static int read_settings(struct up *u, int argc, char **argv)
{
    int result = ic_settings_apply(u->wanted, argc, argv, IC_SCOPE_PL | IC_SCOPE_U, u->why);
    if (result < 0) {
        return result;
    }
    struct ic_config *defaults = ic_config_new();
    bool own_endpoint = strcmp(u->wanted->platform_endpoint, defaults->platform_endpoint) != 0;
    ic_config_free(defaults);
    if (own_endpoint) {
        snprintf(u->why, sizeof u->why,
                 "platform-endpoint: `up` runs a platform of its own on platform-port; for another "
                 "one start `infinicache proxy`");
        return IC_EINVAL;
    }
    result = ic_place_dir(u->wanted->dir, u->dir, u->why);
    if (result == 0) {
        result = ic_place_make(u->dir, u->why);
    }
    if (result < 0) {
        return result;
    }
    char made[IC_PLACE_MAX]; /* now that it exists, without `..` and links, as the next `up` sees it
                              */
    memcpy(made, u->dir, sizeof made);
    return ic_place_dir(made, u->dir, u->why);
}

/* Settings that the platform, or the functions on it, were made with. */
static bool binds_platform(const struct ic_directive *d)
{
    return (d->scope & IC_SCOPE_L) != 0 || strcmp(d->name, "memory") == 0 ||
           strcmp(d->name, "function-prefix") == 0 || strcmp(d->name, "function-timeout") == 0;
}

/* What runs must not be asked to run otherwise; a proxy that does not run may. */
static int check_difference(struct up *u, const struct ic_config *running,
                            const struct ic_config *wanted)
{
    bool proxy = u->running.process[IC_DAEMON_PROXY].pid != 0;
    bool platform = u->running.process[IC_DAEMON_PLATFORM].pid != 0;
    struct ic_buf bound, all;
    ic_buf_init(&bound);
    ic_buf_init(&all);
    int result = ic_settings_difference(running, wanted, binds_platform, &bound);
    if (result == 0) {
        result = ic_settings_difference(running, wanted, NULL, &all);
    }
    bool differs = (platform && bound.len > 0) || (proxy && all.len > 0);
    if (result == 0 && differs) {
        const struct ic_buf *which = proxy ? &all : &bound;
        snprintf(
            u->why, sizeof u->why,
            "it runs already with other settings: %.*s; `infinicache down%s` first%s, or leave "
            "them as they are",
            (int)which->len, (const char *)which->data, bound.len > 0 ? "" : " --keep-functions",
            bound.len > 0 ? " (what the functions hold goes with them)" : "");
        result = IC_EEXIST;
    }
    ic_buf_deinit(&bound);
    ic_buf_deinit(&all);
    return result;
}

/* Something runs: its settings hold, and the arguments must fit them. */
static int compare_settings(struct up *u, int argc, char **argv)
{
    struct ic_config *running = ic_settings_load(u->dir);
    struct ic_config *wanted = ic_settings_load(u->dir);
    if (running == NULL || wanted == NULL) {
        ic_config_free(running);
        ic_config_free(wanted);
        snprintf(u->why, sizeof u->why,
                 "%.2000s/settings cannot be read, but something runs there; `infinicache down` "
                 "ends it",
                 u->dir);
        return IC_EIO;
    }
    int result = ic_settings_apply(wanted, argc, argv, IC_SCOPE_PL | IC_SCOPE_U, u->why);
    if (result == 0) {
        derive(wanted, u->dir);
        set_text(wanted, "platform-run", running->platform_run); /* ours to say, not a file's */
        u->rebuild = wanted->rebuild;
        wanted->rebuild = running->rebuild;
        result = check_difference(u, running, wanted);
    }
    u->before = running;
    ic_config_free(u->wanted);
    u->wanted = wanted;
    return result;
}

/* ---- checks before anything is started -------------------------------------- */

struct listening {
    const char *directive, *host;
    int64_t port;
    enum ic_daemon_kind by;
};

enum { LISTENINGS = 4 };

static int check_ports(struct up *u)
{
    const struct ic_config *c = u->wanted;
    const struct listening all[LISTENINGS] = {
        {"port", c->bind, c->port, IC_DAEMON_PROXY},
        {"node-port", c->node_bind, c->node_port, IC_DAEMON_PROXY},
        {"http-port", c->http_bind, c->http_port, IC_DAEMON_PROXY},
        {"platform-port", c->platform_bind, c->platform_port, IC_DAEMON_PLATFORM},
    };
    for (int i = 0; i < LISTENINGS; i++) {
        char why[IC_PORTS_WHY_MAX];
        for (int j = 0; j < i; j++) {
            if (all[i].port == all[j].port) {
                snprintf(u->why, sizeof u->why,
                         "%s and %s are both %" PRId64 "; give one another port", all[j].directive,
                         all[i].directive, all[i].port);
                return IC_EINVAL;
            }
        }
        if (all[i].port == 0) {
            snprintf(u->why, sizeof u->why, "%s must be a port that others can be told, not 0",
                     all[i].directive);
            return IC_EINVAL;
        }
        if (u->running.process[all[i].by].pid != 0) {
            continue;
        }
        int result = ic_ports_check(all[i].host, (uint16_t)all[i].port, why);
        if (result < 0) {
            snprintf(u->why, sizeof u->why, "%s %s; choose another with --%s", all[i].directive,
                     why, all[i].directive);
            return result;
        }
    }
    return 0;
}

/* A full disk shows here with its name, before a daemon stumbles over it. */
static int check_disk(struct up *u)
{
    char path[IC_PLACE_MAX + 16];
    static const char zeros[PROBE_BYTES];
    snprintf(path, sizeof path, "%s/probe.tmp", u->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : ic_disk_write(fd, zeros, sizeof zeros);
    if (error == 0 && fsync(fd) < 0) {
        error = errno;
    }
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    if (error == 0) {
        return 0;
    }
    char reason[IC_DISK_WHY_MAX];
    snprintf(u->why, sizeof u->why, "cannot write to %s; --dir names another folder",
             ic_disk_explain(u->dir, error, reason));
    return ic_error_from_errno(error);
}

/* ---- start ------------------------------------------------------------------ */

static int start(struct up *u, enum ic_daemon_kind kind)
{
    int saved = u->wanted->rebuild;
    u->wanted->rebuild = u->rebuild;
    int result = ic_daemons_start(&u->running, kind, u->wanted, u->end_ms, u->why);
    u->wanted->rebuild = saved;
    u->begun.process[kind] = u->running.process[kind];
    return result;
}

static uint64_t left_ms(const struct up *u)
{
    uint64_t now_ms = ic_clock_mono_ms();
    return now_ms < u->end_ms ? u->end_ms - now_ms : 1;
}

static int start_platform(struct up *u, const struct ic_package *package)
{
    bool fresh = u->running.process[IC_DAEMON_PLATFORM].pid == 0;
    int result = fresh ? start(u, IC_DAEMON_PLATFORM) : 0;
    if (result < 0) {
        return result;
    }
    char run[IC_PROCESS_RUN_MAX];
    ic_process_run(&u->running.process[IC_DAEMON_PLATFORM], run);
    set_text(u->wanted, "platform-run", run);
    /* Functions that run keep their code, and with it what they hold. */
    return ic_deploy_functions(u->wanted, package, fresh ? IC_DEPLOY_ALL : IC_DEPLOY_MISSING,
                               left_ms(u), u->why);
}

/* It runs although its platform has ended, and all that it knows of was there. */
static int end_proxy(struct up *u)
{
    struct ic_process *process = &u->running.process[IC_DAEMON_PROXY];
    struct ic_daemons proxy = {.process[IC_DAEMON_PROXY] = *process};
    int result = ic_daemons_end(&proxy, u->dir);
    if (result < 0) {
        snprintf(u->why, sizeof u->why, "the proxy of a platform that has ended does not end");
        return result;
    }
    *process = (struct ic_process){0};
    return 0;
}

static int start_proxy(struct up *u)
{
    int result = u->running.process[IC_DAEMON_PROXY].pid != 0 ? end_proxy(u) : 0;
    return result < 0 ? result : start(u, IC_DAEMON_PROXY);
}

/* Once the proxy serves the pool as it is now, and not before: it might not have started with it.
 * They only take memory, so a failure is no reason to end what runs. */
static void retire(struct up *u)
{
    if (ic_retire_functions(u->wanted, left_ms(u), &u->retired, u->why) < 0) {
        ic_cli_fail("functions that are not in the pool any more are still there: %s", u->why);
    }
}

/* Waits until every function has an instance; invokes those a proxy that ran before has left out.
 */
static int wait_for_instances(struct up *u, bool proxy_ran_before)
{
    uint64_t help_ms = proxy_ran_before ? 0 : ic_clock_mono_ms() + SLOW_PROXY_MS;
    while (true) {
        struct ic_pool_view view;
        int result = ic_pool_view_init(&view, u->wanted);
        if (result < 0) {
            snprintf(u->why, sizeof u->why, "the platform does not answer: %s",
                     ic_error_text(result));
            return result;
        }
        bool ready = view.with_instance == view.functions;
        snprintf(u->why, sizeof u->why,
                 "only %" PRId64 " of %" PRId64 " functions have an instance", view.with_instance,
                 view.functions);
        if (!ready && ic_clock_mono_ms() > help_ms) {
            for (int64_t i = 0; i < view.functions; i++) {
                view.has_instance[i] = !view.has_instance[i]; /* now: needs one */
            }
            result = ic_deploy_invoke(u->wanted, view.has_instance, left_ms(u), u->why);
        }
        ic_pool_view_deinit(&view);
        if (ready || result < 0) {
            return result;
        }
        if (ic_signals_arrived() || ic_clock_mono_ms() > u->end_ms) {
            return IC_ETIMEOUT;
        }
        ic_process_pause();
    }
}

static int start_missing(struct up *u)
{
    char bootstrap[IC_PLACE_MAX];
    struct ic_package package;
    int result = ic_place_bootstrap(bootstrap, u->why);
    if (result == 0) {
        result = check_ports(u);
    }
    if (result == 0) {
        result = check_disk(u);
    }
    bool proxy_ran_before = u->running.process[IC_DAEMON_PROXY].pid != 0;
    if (result == 0 && !proxy_ran_before) {
        result = ic_settings_save(u->wanted, u->dir, u->why);
        u->saved = result == 0;
    }
    if (result == 0) {
        result = ic_package_init(&package, bootstrap, u->why);
    }
    if (result < 0) {
        return result;
    }
    result = start_platform(u, &package);
    ic_package_deinit(&package);
    if (result == 0) {
        result = start_proxy(u);
    }
    if (result < 0) {
        return result;
    }
    if (u->begun.process[IC_DAEMON_PLATFORM].pid == 0) {
        retire(u);
    }
    return wait_for_instances(u, false);
}

/* What became of the objects, if the pool is another one. */
static void print_pool_change(const struct up *u)
{
    const char *note = u->running.note;
    if (note[0] != '\0') {
        printf("%c%s.\n", toupper((unsigned char)note[0]), note + 1);
    }
}

static void print_done(const struct up *u, bool did)
{
    const struct ic_config *c = u->wanted;
    print_pool_change(u);
    if (u->retired > 0) {
        printf("%" PRId64 " functions that are not in the pool any more were deleted.\n",
               u->retired);
    }
    if (u->running.loading) {
        puts("InfiniCache is rebuilding its catalog from the functions; until it has, clients are "
             "answered -LOADING (`infinicache status`, INFO persistence).");
    }
    printf("InfiniCache %s: redis-cli -h %s -p %" PRId64 "  (%" PRId64 " functions of %" PRId64
           " MiB; logs in %s)\n",
           did ? "is up" : "is running already", c->bind, c->port, c->functions, c->memory >> 20,
           u->dir);
}

/* What runs is what ran before, with its settings. */
static void undo(const struct up *u)
{
    char why[IC_WHY_MAX];
    if (ic_daemons_end(&u->begun, u->dir) < 0) {
        ic_cli_fail("what was begun could not be ended; see `infinicache status`");
    }
    if (u->saved && u->before != NULL && ic_settings_save(u->before, u->dir, why) < 0) {
        ic_cli_fail("the settings stay those of this command: %s", why);
    }
}

/* The folder is locked. */
static int bring_up(struct up *u, int argc, char **argv)
{
    ic_daemons_look(&u->running, u->dir);
    bool platform = u->running.process[IC_DAEMON_PLATFORM].pid != 0;
    bool proxy = u->running.process[IC_DAEMON_PROXY].pid != 0;
    int result = 0;
    if (platform || proxy) {
        result = compare_settings(u, argc, argv);
    } else {
        derive(u->wanted, u->dir);
        u->rebuild = u->wanted->rebuild;
        u->wanted->rebuild = IC_REBUILD_AUTO;
        /* Instances that outlived a platform which was killed hold nothing anyone can reach. */
        result = ic_daemons_kill_instances(u->dir);
    }
    if (result == 0 && proxy && u->rebuild == IC_REBUILD_YES) {
        snprintf(u->why, sizeof u->why,
                 "rebuild yes: the proxy runs, and rebuilds only when it starts; `infinicache down "
                 "--keep-functions` first");
        result = IC_EEXIST;
    }
    if (result < 0) {
        return result;
    }
    result = platform && proxy ? wait_for_instances(u, true) : start_missing(u);
    if (result < 0) {
        undo(u);
        return result;
    }
    print_done(u, !platform || !proxy);
    return 0;
}

int ic_cli_up(int argc, char **argv)
{
    if (ic_options_help(argc, argv)) {
        print_help();
        return IC_CLI_DONE;
    }
    struct up u = {.wanted = ic_config_new(), .end_ms = ic_clock_mono_ms() + UP_MS};
    ic_signals_hold();
    int lock = -1;
    int result = read_settings(&u, argc, argv);
    if (result == 0) {
        lock = ic_daemons_lock(u.dir, LOCK_WAIT_MS, u.why);
        result = lock < 0 ? lock : bring_up(&u, argc, argv);
    }
    if (lock >= 0) {
        close(lock);
    }
    ic_config_free(u.wanted);
    ic_config_free(u.before);
    if (result < 0) {
        ic_cli_fail("up: %s", u.why);
    }
    ic_signals_release();
    return result < 0 ? IC_CLI_FAILED : IC_CLI_DONE;
}
