#include "platform/local/children.h"

#include "base/alloc.h"
#include "net/net_uv.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct ic_children {
    uv_signal_t signal;
    const struct ic_children_handler *handler;
    void *ctx;
};

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    struct ic_children *c = handle->data;
    for (;;) { /* one signal may stand for several children; there are finitely many */
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) {
            return;
        }
        int wait_status = 0;
        c->handler->ending(c->ctx, ended.si_pid);
        if (waitpid(ended.si_pid, &wait_status, 0) == ended.si_pid) {
            c->handler->reaped(c->ctx, ended.si_pid, wait_status);
        }
    }
}

static void free_children(uv_handle_t *handle)
{
    ic_free(handle->data);
}

int ic_children_new(struct ic_loop *loop, const struct ic_children_handler *handler, void *ctx,
                    struct ic_children **out)
{
    struct ic_children *c = ic_calloc(1, sizeof *c);
    if (c == NULL) {
        return IC_ENOMEM;
    }
    c->handler = handler;
    c->ctx = ctx;
    if (uv_signal_init(ic_loop_uv(loop), &c->signal) != 0) {
        ic_free(c);
        return IC_EIO;
    }
    c->signal.data = c;
    if (uv_signal_start(&c->signal, on_signal, SIGCHLD) != 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        ic_children_free(c);
        return IC_EIO;
    }
    *out = c;
    return 0;
}

void ic_children_free(struct ic_children *c)
{
    if (c != NULL) {
        uv_close((uv_handle_t *)&c->signal, free_children);
    }
}
