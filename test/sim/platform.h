/*
 * platform.h - the model of AWS Lambda: instances of functions, each a process that runs the node's
 * own code; an Invoke finds an idle one or starts another; whoever has nothing to do is frozen.
 * lambda.c is its door for the proxy (platform/lambda.h), runtime_api.c its door for the nodes.
 *
 *   STARTING --asks for work--> IDLE (frozen) --Invoke--> BUSY --posts its response--> RETURNED
 *                                 ^                                                       |
 *       any: reclaimed --> DEAD   '-------------------- asks for work --------------------'
 *       IDLE --SIGTERM--> ENDING --> DEAD
 */
#ifndef IC_SIM_PLATFORM_H
#define IC_SIM_PLATFORM_H

#include "base/buf.h"
#include "base/list.h"
#include "net/net_sim.h"

struct ic_lambda_call;
struct ic_node;

enum {
    SIM_POOL_MAX = 16,                            /* functions of one pool */
    SIM_POOLS = 2,                                /* of functions of different names */
    SIM_FUNCTIONS_MAX = SIM_POOLS * SIM_POOL_MAX, /* the second pool's after the first one's */
    SIM_RUNTIME_PORT = 9000,                      /* and the instance's number */
    SIM_INSTANCES_MAX = 10000,
    SIM_RUNTIME_LINKS_MAX = 16, /* of one instance, in all its life */
};

enum sim_instance_state {
    SIM_INSTANCE_STARTING,
    SIM_INSTANCE_IDLE,
    SIM_INSTANCE_BUSY,
    SIM_INSTANCE_RETURNED,
    SIM_INSTANCE_ENDING, /* its shutdown phase */
    SIM_INSTANCE_DEAD,
};

struct sim_invocation {
    uint32_t number;
    uint16_t function;
    uint8_t *payload; /* owned */
    size_t payload_len;
    struct ic_lambda_call *call; /* who waits for the response; NULL: nobody any more */
    struct ic_event event;       /* its arrival, then its timeout */
    uint64_t begun_us;
    struct sim_instance *instance;
};

struct sim_instance {
    struct ic_list node;
    uint32_t number;
    uint16_t function;
    enum sim_instance_state state;
    struct ic_loop *loop;
    struct ic_node *node_process;
    char environment[48]; /* AWS_LAMBDA_RUNTIME_API=127.0.0.1:... */
    struct sim_invocation *running;
    uint64_t used_us;
    uint32_t passed_over; /* invocations in a row that siblings have answered */
    uint8_t id[16];       /* as it says of itself in its responses, and what it holds */
    uint64_t held, capacity;
    struct ic_event stall; /* it goes on after having stood still */
    /* its Runtime API, see runtime_api.c */
    struct ic_listener *listener;
    struct sim_runtime_link *link[SIM_RUNTIME_LINKS_MAX];
    uint32_t link_count;
    struct sim_runtime_link *asks; /* for the next invocation */
    bool is_told;                  /* before it is ended */
    struct ic_sim_post terminate;
};

enum sim_routing { SIM_ROUTING_NEWEST, SIM_ROUTING_OLDEST, SIM_ROUTING_ANY, SIM_ROUTING_COUNT };

struct sim_platform {
    struct ic_loop *loop;
    struct ic_list instances; /* in the order they were started */
    uint32_t instance_count, invocation_count;
    enum sim_routing routing;
    uint64_t memory_mb, timeout_us;
    bool has_extensions;     /* and with them a shutdown phase */
    uint64_t start_us;       /* a cold start takes so long, at most */
    uint64_t down_until_us;  /* killed, and not started again before */
    uint32_t throttles_left; /* so many Invokes to come are refused as too many */
    /* When memory of the function was last lost, or may seem to be: the model's count of events. */
    uint64_t lost_at[SIM_FUNCTIONS_MAX];
    /* And when it was last asked in vain. */
    uint64_t hindered_at[SIM_FUNCTIONS_MAX];
};

struct sim_world;
void sim_platform_init(struct sim_platform *p);
/* An Invoke has arrived: takes over INV. */
void sim_platform_invoke(struct sim_platform *p, struct sim_invocation *inv);
struct sim_invocation *sim_invocation_new(uint16_t function, const void *payload, size_t len,
                                          struct ic_lambda_call *call);

/* A random instance in STATE, of FUNCTION (< 0: any); NULL: none. */
struct sim_instance *sim_platform_pick(struct sim_platform *p, enum sim_instance_state state,
                                       int function);
/* The instance is gone, and what it ran has failed. */
void sim_platform_reclaim(struct sim_instance *i, enum ic_sim_end how);
/* The platform wants an idle instance back: SIGTERM, and a while later it is reclaimed. */
void sim_platform_shut_down(struct sim_instance *i);
/* It stands still for DELAY_US, as a machine that has no time for it. */
void sim_platform_stall(struct sim_instance *i, uint64_t delay_us);
/* Its process is killed: all instances die with it, who waits for a response hears that the
 * connection is closed, and for DOWN_US nobody is there to be asked. */
void sim_platform_kill(struct sim_platform *p, uint64_t down_us);
bool sim_platform_is_down(const struct sim_platform *p);
/* No slow nodes any more, and one instance of each function. */
void sim_platform_calm(struct sim_platform *p);
/* Notes that chunks of FUNCTION may be lost now. */
void sim_platform_lost(struct sim_platform *p, uint16_t function);
/* Notes that FUNCTION cannot be reached now, or not with the instance that is wanted. */
void sim_platform_hindered(struct sim_platform *p, uint16_t function);
/* The platform's number of function INDEX of the proxy's present pool. */
uint16_t sim_platform_function(uint16_t index);
size_t sim_platform_alive(const struct sim_platform *p, int function);

/* ---- between the doors ---------------------------------------------------------- */

/* lambda.c: the invocation has ended. ERROR: of the function, its body is BODY. */
void sim_lambda_respond(struct sim_invocation *inv, struct ic_slice body, bool function_error);
/* lambda.c: its connection is closed before an answer came; nobody waits for INV any more. */
void sim_lambda_cut_off(struct sim_invocation *inv);
/* lambda.c: the proxy's process is gone; nobody waits for a response any more. */
void sim_lambda_forget_all(void);

/* runtime_api.c */
void sim_runtime_open(struct sim_instance *i);
void sim_runtime_close(struct sim_instance *i);
/* Answers the instance's question for work with what is `running`. */
void sim_runtime_hand_out(struct sim_instance *i);
/* platform.c: what the instance said there. */
void sim_instance_asks(struct sim_instance *i);
void sim_instance_responds(struct sim_instance *i, struct ic_slice body, bool error);
void sim_instance_exited(struct sim_instance *i);

#endif
