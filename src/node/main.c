/*
 * main.c - the function's program, named `bootstrap` in its zip: everything is in node.h.
 */
#include "base/alloc.h"
#include "net/net.h"
#include "node/node.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* The platform ends the instance: there is nothing to save. */
static void on_terminate(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_terminate);
    struct ic_loop *loop = ic_must(ic_loop_new());
    struct ic_node *node = ic_node_new(loop);
    if (node == NULL) {
        return EXIT_FAILURE;
    }
    ic_loop_run(loop);
    return EXIT_FAILURE; /* a function runs until its platform ends it */
}
