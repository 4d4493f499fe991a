/*
 * result.h - what a simulation has counted. Results of several proxies are merged.
 *
 *   GET --> the key is there --> enough chunks answer --> hit
 *       |                    '-> too few are left ------> RESET   (a miss)
 *       '-> the key was purged for that and not SET since: RESET  (a miss)
 *       '-> never there, or evicted, deleted -----------> miss
 *
 * RESET is the word of the FAST 2020 paper (section 5.2) for a GET whose object was lost with its
 * functions and must be fetched from the origin again. Its availability is that of an hour: of the
 * GETs that would have been hits the part that was.
 */
#ifndef IC_SIMULATE_RESULT_H
#define IC_SIMULATE_RESULT_H

#include "base/error.h"
#include "base/histogram.h"
#include "core/cost.h"

enum ic_sim_class { /* by the object's size, in units of 10^6 bytes */
                    IC_SIM_BELOW_1MB,
                    IC_SIM_BELOW_10MB,
                    IC_SIM_BELOW_100MB,
                    IC_SIM_LARGER,
                    IC_SIM_CLASSES,
};
enum ic_sim_class ic_sim_class_of(uint64_t bytes);
const char *ic_sim_class_name(enum ic_sim_class c); /* "<1MB", "1-10MB", "10-100MB", ">=100MB" */

enum ic_sim_latency { /* of GETs, in microseconds, as a client sees them */
                      IC_SIM_HIT,
                      IC_SIM_MISS,        /* with the fetch from the origin */
                      IC_SIM_ALL,         /* both */
                      IC_SIM_S3,          /* the same GETs, asked of S3 alone; */
                      IC_SIM_ELASTICACHE, /* all of them hits of ElastiCache */
                      IC_SIM_LATENCIES,
};
const char *ic_sim_latency_name(enum ic_sim_latency l);

struct ic_sim_hour {
    uint64_t gets, hits, resets;
    uint64_t get_bytes, hit_bytes;
    uint64_t evictions;
    uint64_t reclaimed;    /* instances taken by the cloud */
    uint64_t lost_chunks;  /* of objects, found lost */
    uint64_t lost_objects; /* keys of which too few chunks were left */
    uint64_t repaired;     /* chunks */
    uint64_t handed_over;  /* chunks */
    uint64_t copied;       /* chunks, by backups */
    uint64_t object_bytes; /* held at the hour's end */
    uint64_t invocations[IC_COST_CAUSES], billed_ms[IC_COST_CAUSES];
    double dollars[IC_COST_CAUSES];
};
/* hits / (hits + resets); 1 if there were neither. */
double ic_sim_availability(uint64_t hits, uint64_t resets);

struct ic_sim_result {
    uint64_t requests; /* of all kinds */
    uint64_t gets, hits, resets, get_bytes, hit_bytes;
    uint64_t puts, put_bytes;   /* of the trace; without fills */
    uint64_t fills, fill_bytes; /* after misses */
    uint64_t refused;           /* SETs, fills included, for which there was no room or too few
                                   functions */
    uint64_t too_large;         /* of these: larger than the pool or a directive allows */
    uint64_t decoded;           /* GETs that were answered with parity in place of a lost chunk */
    uint64_t evictions, lost_objects, lost_chunks;
    uint64_t reclaimed, cold_starts;
    uint64_t repairs, repaired_chunks, repaired_bytes;
    uint64_t backups, copied_chunks, copied_bytes;
    uint64_t handed_over_chunks, handed_over_bytes;
    uint64_t objects, peak_objects; /* at the end; most at a time */
    uint64_t catalog_memory;        /* bytes of the proxies' memory, at the most objects */
    uint64_t events;                /* simulated */
    int64_t end_us;                 /* of the simulated time */
    struct ic_cost_totals cost;     /* the ledgers of core/cost.h, added up */
    struct ic_histogram latency[IC_SIM_LATENCIES][IC_SIM_CLASSES];
    struct ic_histogram set_us;
    struct ic_sim_hour *hour; /* owned */
    uint32_t hours;           /* begun */
};

/* Zeroed before. FROM is added to INTO, hour by hour. IC_ENOMEM. */
int ic_sim_result_merge(struct ic_sim_result *into, const struct ic_sim_result *from) IC_MUST_USE;
void ic_sim_result_deinit(struct ic_sim_result *r);
/* The hour AT_US falls into, made if need be; NULL: out of memory. */
struct ic_sim_hour *ic_sim_result_hour(struct ic_sim_result *r, int64_t at_us);

#endif
