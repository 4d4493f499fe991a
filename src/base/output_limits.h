/*
 * output_limits.h - how much a client may leave unread before it is closed, for each class of
 * clients, as Redis has it: at HARD bytes at once, at SOFT bytes after SOFT_S seconds without a
 * break. 0: no such limit.
 *
 *   normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60
 *
 * The first IC_OUTPUT_FREE bytes are in Redis a buffer that each client has: lower limits are as if
 * they were that, or nobody could be told anything.
 */
#ifndef IC_BASE_OUTPUT_LIMITS_H
#define IC_BASE_OUTPUT_LIMITS_H

#include "base/buf.h"

enum ic_client_class {
    IC_CLIENT_NORMAL,
    IC_CLIENT_REPLICA, /* there are none here, nor of the next: only their limits are kept */
    IC_CLIENT_PUBSUB,
    IC_CLIENT_CLASSES,
};

enum { IC_OUTPUT_FREE = 16 << 10 };

struct ic_output_limit {
    int64_t hard, soft, soft_s;
};

struct ic_output_limits {
    struct ic_output_limit of[IC_CLIENT_CLASSES];
};

/* Sets the classes that TEXT names, "slave" meaning replica; the others stay. IC_EINVAL: it is not
 * that, nothing is set. */
int ic_output_limits_set(struct ic_output_limits *limits, struct ic_slice text) IC_MUST_USE;
/* What holds for CLASS. */
struct ic_output_limit ic_output_limits_of(const struct ic_output_limits *limits,
                                           enum ic_client_class class);
/* Appends all of them, in bytes, as Redis's CONFIG GET does. IC_ENOMEM. */
int ic_output_limits_print(const struct ic_output_limits *limits, struct ic_buf *out) IC_MUST_USE;

#endif
