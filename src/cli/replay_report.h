/*
 * replay_report.h - what the replay of a trace came to: hits and latencies by size class.
 */
#ifndef IC_CLI_REPLAY_REPORT_H
#define IC_CLI_REPLAY_REPORT_H

#include "base/histogram.h"
#include "cli/charge.h"

enum { IC_REPLAY_CLASSES = 4 }; /* below 1 MB, 10 MB, 100 MB, and the rest; MB are 10^6 bytes */

enum ic_replay_format { IC_REPLAY_TEXT, IC_REPLAY_JSON, IC_REPLAY_CSV };

struct ic_replay_class {
    uint64_t gets, hits, get_bytes, hit_bytes;
    struct ic_histogram hit_us, miss_us, set_us;
};

/* Large: keep it off the stack. */
struct ic_replay_report {
    double speed; /* 0: as fast as answers came */
    uint64_t scale;
    struct ic_replay_class size_class[IC_REPLAY_CLASSES];
    uint64_t deletes, passed_over, errors, wrong;
    uint64_t last_due_us;
    double seconds;
    struct ic_charge charge;
    const char *first_error; /* reply; empty: none */
};

/* The class of an object of BYTES, as it was asked for. */
struct ic_replay_class *ic_replay_class(struct ic_replay_report *r, uint64_t bytes);
/* To standard output. CSV: a line of names, then a line per class and one for all. */
void ic_replay_report_print(const struct ic_replay_report *r, enum ic_replay_format format);

#endif
