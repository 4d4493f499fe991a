/*
 * children.h - reaps every child of the process, those that orphans of instances become included:
 * the process is their reaper, so none is left a zombie.
 *
 *   SIGCHLD --> child has ended: `ending` (its number is still its own) --> reaped: `reaped`
 */
#ifndef IC_PLATFORM_LOCAL_CHILDREN_H
#define IC_PLATFORM_LOCAL_CHILDREN_H

#include "base/error.h"

#include <sys/types.h>

struct ic_children;
struct ic_loop;

struct ic_children_handler {
    void (*ending)(void *ctx, pid_t pid);
    void (*reaped)(void *ctx, pid_t pid, int wait_status); /* as of waitpid */
};

/* One per process: takes over SIGCHLD. IC_ENOMEM, IC_EIO. */
int ic_children_new(struct ic_loop *loop, const struct ic_children_handler *handler, void *ctx,
                    struct ic_children **out) IC_MUST_USE;
void ic_children_free(struct ic_children *c); /* NULL is fine */

#endif
