/*
 * work.h - what `simulate` and `plan` are asked about: a trace, or made-up requests. It is gone
 * through once at the beginning, for what it is like; then it is there as often as one likes, on
 * any thread.
 *
 *   TRACE --------\                            .--> in memory, or (too many) read or made again
 *                  >-- load: totals, LRU curve <
 *   --keys ... ---/                            '--> source, source, ...
 */
#ifndef IC_CLI_WORK_H
#define IC_CLI_WORK_H

#include "cli/trace_source.h"
#include "simulate/lru_curve.h"
#include "simulate/recording.h"
#include "simulate/result.h"
#include "simulate/synthetic.h"

struct ic_work_options { /* as given */
    const char *key_field, *largest, *from, *to;
    const char *keys, *sizes, *order, *gets, *one_hit, *rate, *requests, *duration, *diurnal;
};

#define IC_WORK_OPTIONS(o)                                                                         \
    {"key-field", &(o).key_field}, {"largest", &(o).largest}, {"from", &(o).from},                 \
        {"to", &(o).to}, {"keys", &(o).keys}, {"sizes", &(o).sizes}, {"order", &(o).order},        \
        {"gets", &(o).gets}, {"one-hit", &(o).one_hit}, {"rate", &(o).rate},                       \
        {"requests", &(o).requests}, {"duration", &(o).duration},                                  \
    {                                                                                              \
        "diurnal", &(o).diurnal                                                                    \
    }

#define IC_WORK_HELP                                                                               \
    "Requests of a TRACE (packed or not; - is standard input; formats: doc/traces.md):\n"          \
    "  --key-field FIELD    uri: all of the key; digest: what follows its last /; default: uri\n"  \
    "  --largest BYTES      passes over larger objects\n"                                          \
    "  --from TIME          passes over what comes earlier, counted from the first request\n"      \
    "  --to TIME            passes over what comes from then on\n\n"                               \
    "Made-up requests, without a TRACE:\n"                                                         \
    "  --keys N             different keys; default: 100000\n"                                     \
    "  --sizes SIZES        1mb, or 1kb,10mb, or 1kb:9,10mb:1 (weights), uniform:1kb-1mb,\n"       \
    "                       loguniform:1kb-1gb, lognormal:MEDIAN,DEVIATION,\n"                     \
    "                       pareto:LEAST,EXPONENT; default: lognormal:1mb,2\n"                     \
    "  --order ORDER        sequence, uniform, or zipf:EXPONENT; default: zipf:0.9\n"              \
    "  --gets PERCENT       share of GETs, the rest are PUTs; default: 100\n"                      \
    "  --one-hit PERCENT    GETs of keys that come once, beside the others; default: 0\n"          \
    "  --rate N             requests a second, on average over a day; default: 1\n"                \
    "  --diurnal PERCENT    by which the rate rises at noon and falls at midnight; default: 0\n"   \
    "  --duration TIME      default: 24h\n"                                                        \
    "  --requests N         instead of a duration\n"

struct ic_work {
    const char *command; /* for complaints */
    const char *path;    /* of the trace; NULL: made up */
    struct ic_trace_choice choice;
    struct ic_synthetic_settings made;
    struct ic_recording recording; /* empty: too many requests for that */
    bool recorded;
    struct ic_lru_curve *curve;
    uint64_t requests, gets, puts, deletes, get_bytes, passed_over;
    uint64_t class_gets[IC_SIM_CLASSES];
    uint64_t largest_bytes;
    int64_t end_us; /* time of the last */
};

/* Reads OPTIONS; PATH NULL: made up, from SEED. 0, or IC_CLI_FAILED after a complaint. */
int ic_work_init(struct ic_work *w, const char *command, const struct ic_work_options *options,
                 const char *path, uint64_t seed);
/* Goes through it, with a progress bar. 0, or IC_CLI_FAILED after a complaint. */
int ic_work_load(struct ic_work *w);
void ic_work_deinit(struct ic_work *w); /* fine after a failure, and on a zeroed one */

/* As struct ic_sim_fleet wants them; WORK is the context. */
int ic_work_open(void *work, struct ic_sim_source **out, char *why) IC_MUST_USE;
void ic_work_close(void *work, struct ic_sim_source *source);

/* "sequence|uniform|zipf:EXPONENT" into S; NULL leaves it alone. 0 or IC_CLI_FAILED. */
int ic_work_order(const char *command, const char *text, struct ic_workload_settings *s);

#endif
