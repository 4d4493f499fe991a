#include "proxy/process.h"

#include "base/alloc.h"
#include "base/log.h"
#include "net/net_uv.h"
#include "proxy/proxy.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A signal that comes while the proxy starts waits for the loop's first turn. */
struct process {
    struct ic_loop *loop;
    struct ic_proxy *proxy; /* NULL until it is started */
    uv_signal_t on_term, on_int;
    int ready_fd; /* -1: nobody waits there (any more) */
};

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    ic_proxy_stop(((struct process *)signal->data)->proxy);
}

static void watch_signals(struct process *p)
{
    uv_loop_t *uv = ic_loop_uv(p->loop);
    uv_signal_init(uv, &p->on_term);
    uv_signal_init(uv, &p->on_int);
    p->on_term.data = p->on_int.data = p;
    uv_signal_start(&p->on_term, on_signal, SIGTERM);
    uv_signal_start(&p->on_int, on_signal, SIGINT);
}

static void close_loop(struct process *p)
{
    uv_close((uv_handle_t *)&p->on_term, NULL);
    uv_close((uv_handle_t *)&p->on_int, NULL);
    ic_loop_free(p->loop); /* runs it once more, so that the handles are let go */
}

/* Says on ready_fd that clients are served, or will be, and what there is to say of the pool;
 * whether anybody reads it is not our concern.
 */
static void on_told(void *ctx, bool ready)
{
    struct process *p = ctx;
    char text[IC_POOL_CHANGE_MAX + 16];
    if (p->ready_fd >= 0) {
        int len = snprintf(text, sizeof text, "%s\n%s", ready ? "ready" : "loading",
                           p->proxy->pool_change);
        ssize_t written = write(p->ready_fd, text, (size_t)len);
        (void)written;
        close(p->ready_fd);
        p->ready_fd = -1;
    }
}

/* Returns the exit status. */
static int run(struct process *p)
{
    ic_proxy_tell(p->proxy, on_told, p);
    ic_loop_run(p->loop);
    ic_log(IC_LOG_INFO, "stopped", "uptime_ms=%llu",
           (unsigned long long)(ic_loop_now_ms(p->loop) - p->proxy->started_ms));
    const char *failure = ic_proxy_failure(p->proxy);
    if (failure != NULL) {
        fprintf(stderr, "infinicache proxy: %s\n", failure);
    }
    int status = failure == NULL ? 0 : 1;
    ic_proxy_free(p->proxy);
    return status;
}

/* The proxy may need a descriptor per client, function and Invoke: takes what the system grants. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int ic_proxy_run(struct ic_config *config, int ready_fd)
{
    char why[IC_PROXY_WHY_MAX];
    struct process p = {.ready_fd = ready_fd};
    int status = 1;
    ic_log_set_level((enum ic_log_level)config->loglevel);
    signal(SIGPIPE, SIG_IGN);
    ic_alloc_put_nothing_off();
    raise_descriptor_limit();
    p.loop = ic_must(ic_loop_new());
    watch_signals(&p);
    int result = ic_proxy_new(p.loop, config, &p.proxy, why);
    if (result == 0) {
        status = run(&p);
    } else {
        fprintf(stderr, "infinicache proxy: %s\n", why);
    }
    close_loop(&p);
    return status;
}
