/*
 * main.c - the function's program, named `bootstrap` in its zip: everything is in node.h.
 */
#include "base/alloc.h"
#include "net/net_uv.h"
#include "node/node.h"

#include <signal.h>
#include <stdlib.h>

static void on_terminate(uv_signal_t *handle, int number)
{
    (void)number;
    ic_node_terminate(handle->data);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct ic_loop *loop = ic_must(ic_loop_new());
    struct ic_node *node = ic_node_new(loop);
    if (node == NULL) {
        ic_loop_free(loop);
        return EXIT_FAILURE;
    }
    uv_signal_t terminate = {.data = node};
    bool heard = uv_signal_init(ic_loop_uv(loop), &terminate) == 0;
    if (heard) {
        (void)uv_signal_start(&terminate, on_terminate, SIGTERM);
    }
    ic_loop_run(loop);
    /* Otherwise a function runs until its platform ends it. */
    int status = ic_node_terminated(node) ? EXIT_SUCCESS : EXIT_FAILURE;
    ic_node_free(node);
    if (heard) {
        uv_close((uv_handle_t *)&terminate, NULL);
    }
    ic_loop_free(loop);
    return status;
}
