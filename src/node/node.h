/*
 * node.h - the function's process: what Lambda's environment says, the chunks, the Runtime API
 * and the serving of invocations, put together.
 *
 *    runtime.h --invoked--> node --begin--> serve.h --requests--> chunks.h
 *       ^                     | warm: at once  |
 *       '------ respond ------+----- done -----'
 */
#ifndef IC_NODE_NODE_H
#define IC_NODE_NODE_H

#include "net/net.h"

struct ic_node;

/* Reads AWS_LAMBDA_RUNTIME_API and AWS_LAMBDA_FUNCTION_MEMORY_SIZE (in MiB). NULL: no Runtime API,
 * or no memory, and the log says so. A node that cannot hold chunks starts, to report that as its
 * init error. Stops the loop when the Runtime API is gone. */
struct ic_node *ic_node_new(struct ic_loop *loop);
void ic_node_free(struct ic_node *n); /* NULL is fine */

/* The platform ends the instance soon: offers what it holds, then stops the loop. Again: no effect.
 */
void ic_node_terminate(struct ic_node *n);
bool ic_node_terminated(const struct ic_node *n); /* asked to, and through with it */

#endif
