/*
 * instance_state.h - the life of one function instance, as a pure state machine.
 *
 *  +---------+ again (its init failed: once more, in the invocation's time)
 *  |         v
 *  |          first `next`, event waiting            `next`: answered, frozen
 *  |  STARTING ----------------------------> BUSY ------------------------------> IDLE
 *  +---+  |                                  ^  <------- event: thawed --------- |
 *  |      |                                  |                                   |
 *  |      | end (init failed or late)        | end (time or memory out)          |
 *  |      v                                  v                                   |
 *  +- STOPPING <---------------------------------------------------------------+
 *      | ^ end (time over)                        from all three: terminate       |
 *      | +---------------------- ENDING <--- (reclaimed, code changed, stop) -----+
 *      |
 *      | the process is reaped (from every state: it may die by itself)
 *      v
 *     GONE
 */
#ifndef IC_PLATFORM_LOCAL_INSTANCE_STATE_H
#define IC_PLATFORM_LOCAL_INSTANCE_STATE_H

#include "base/error.h"

enum ic_instance_state {
    IC_INSTANCE_STARTING,
    IC_INSTANCE_IDLE,
    IC_INSTANCE_BUSY,
    IC_INSTANCE_ENDING, /* in its shutdown phase: thawed, SIGTERM sent */
    IC_INSTANCE_STOPPING,
    IC_INSTANCE_GONE,
};

enum ic_instance_event {
    IC_INSTANCE_ASSIGN,    /* an event is handed out */
    IC_INSTANCE_SETTLE,    /* `next` was asked and no event waits */
    IC_INSTANCE_TERMINATE, /* its shutdown phase begins */
    IC_INSTANCE_END,       /* it is being killed */
    IC_INSTANCE_REAPED,    /* its process is gone */
    IC_INSTANCE_AGAIN,     /* its process is gone and gets a successor */
};

/* The state after EVENT; IC_EINVAL: not possible in STATE (nothing happens). */
int ic_instance_next_state(enum ic_instance_state state, enum ic_instance_event event) IC_MUST_USE;

/* "starting", "idle", "busy", "ending", "stopping"; "gone". */
const char *ic_instance_state_name(enum ic_instance_state state);

#endif
