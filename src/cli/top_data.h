/*
 * top_data.h - what `infinicache top` knows: the proxy's replies as figures, two of
 * them compared, and the traffic of the last minute. Pure: bytes and times are arguments.
 *
 *   INFO everything --.
 *   IC.POOL ----------+--> sample --ic_top_data_take--> now, before --> rates, traffic
 *
 * Fields are found by name and all are optional: a proxy that is older or newer than
 * this command works. A figure that is not known is NAN.
 */
#ifndef IC_CLI_TOP_DATA_H
#define IC_CLI_TOP_DATA_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>

enum {
    IC_TOP_NAME_MAX = 64, /* bytes of a function's name that are kept, the end included */
    IC_TOP_STATE_MAX = 16,
    IC_TOP_WORD_MAX = 16,
    IC_TOP_TRAFFIC = 60,          /* samples remembered: a minute, one a second */
    IC_TOP_FUNCTIONS_MAX = 65536, /* accepted of a reply */
    IC_TOP_REPLY_MAX = 64 << 20,  /* bytes of one: less than 1 KiB a function */
};

/* The figures of INFO; top_data.c has the table of their names. */
enum ic_top_figure {
    IC_TOP_UPTIME_S,
    IC_TOP_CLIENTS,
    IC_TOP_GETS, /* calls of GET and its like */
    IC_TOP_SETS,
    IC_TOP_BYTES_IN,
    IC_TOP_BYTES_OUT,
    IC_TOP_HITS,
    IC_TOP_MISSES,
    IC_TOP_OBJECTS,
    IC_TOP_OBJECT_BYTES,
    IC_TOP_LIVE_BYTES,
    IC_TOP_CAPACITY_BYTES,
    IC_TOP_DOLLARS, /* since money is counted; by cause: */
    IC_TOP_DOLLARS_SERVE,
    IC_TOP_DOLLARS_WARM,
    IC_TOP_DOLLARS_BACKUP,
    IC_TOP_DOLLARS_REPAIR,
    IC_TOP_DOLLARS_TRANSFER,
    IC_TOP_DOLLARS_UNREPORTED,  /* beside them, at most */
    IC_TOP_DOLLARS_OUTSTANDING, /* beside them, of invocations that have not ended */
    IC_TOP_DOLLARS_LAST_HOUR,
    IC_TOP_DOLLARS_PER_GET,
    IC_TOP_DOLLARS_PER_GB,
    IC_TOP_DOLLARS_ELASTICACHE, /* the same service elsewhere, in the same time */
    IC_TOP_DOLLARS_SERVERLESS,
    IC_TOP_DOLLARS_S3_EXPRESS,
    IC_TOP_DOLLARS_S3,
    IC_TOP_HOURS,  /* that time */
    IC_TOP_BUDGET, /* an hour; 0: none */
    IC_TOP_BUDGET_SPENT,
    IC_TOP_FIGURES,
};

/* The figures of a row of IC.POOL. */
enum ic_top_field {
    IC_TOP_CAPACITY,
    IC_TOP_LIVE,
    IC_TOP_CHUNKS,
    IC_TOP_AGE_MS,
    IC_TOP_IDLE_MS,
    IC_TOP_INVOCATIONS,
    IC_TOP_BILLED_MS,
    IC_TOP_LEASE_MS,
    IC_TOP_FAILURES,
    IC_TOP_FIELDS,
};

struct ic_top_function {
    char name[IC_TOP_NAME_MAX];   /* "": the proxy did not say */
    char state[IC_TOP_STATE_MAX]; /* the same */
    double field[IC_TOP_FIELDS];
};

/* One moment. */
struct ic_top_sample {
    uint64_t taken_ms;
    double figure[IC_TOP_FIGURES];
    char budget_level[IC_TOP_WORD_MAX]; /* "": none */
    struct ic_top_function *function;   /* owned */
    size_t functions;
};

void ic_top_sample_init(struct ic_top_sample *s, uint64_t taken_ms); /* nothing is known */
void ic_top_sample_deinit(struct ic_top_sample *s);
/* REPLY: one reply, all of it, RESP2 or RESP3. IC_EPROTO: it is not what was asked for; IC_ENOMEM.
 */
int ic_top_sample_info(struct ic_top_sample *s, struct ic_slice reply) IC_MUST_USE;
int ic_top_sample_pool(struct ic_top_sample *s, struct ic_slice reply) IC_MUST_USE;
/* Of the traffic that INFO tells, SENT bytes to the proxy and RECEIVED from it were the asking. */
void ic_top_sample_leave_out(struct ic_top_sample *s, uint64_t sent, uint64_t received);
/* LIVE of CAPACITY, NAN if either is not known or there is none. */
double ic_top_fill(const struct ic_top_function *f);

struct ic_top_data {
    bool known; /* `now` is */
    struct ic_top_sample now;
    /* Between the last two samples: NAN before the second, after a restart or CONFIG RESETSTAT. */
    double gets_per_s, sets_per_s, in_per_s, out_per_s, hit_ratio;
    double hit_ratio_ever;          /* since the proxy's start */
    double traffic[IC_TOP_TRAFFIC]; /* bytes per second, in and out; the oldest first */
    size_t traffic_count;
};

void ic_top_data_init(struct ic_top_data *d);
void ic_top_data_deinit(struct ic_top_data *d);
/* SAMPLE becomes the present one: D owns what it held, SAMPLE is as after deinit. */
void ic_top_data_take(struct ic_top_data *d, struct ic_top_sample *sample);

#endif
