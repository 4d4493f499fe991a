/*
 * trace_source.h - the requests of a trace as a simulation takes them.
 *
 *   line --trace.h--> URI, bytes --chosen?--> key: hash of the URI, or of its digest --> request
 */
#ifndef IC_CLI_TRACE_SOURCE_H
#define IC_CLI_TRACE_SOURCE_H

#include "cli/trace.h"
#include "simulate/request.h"

struct ic_trace_choice {
    bool by_digest;   /* what follows a key's last / names the object, whatever is before */
    uint64_t largest; /* requests for larger objects are passed over; 0: none */
    uint64_t from_ms; /* of the trace's time since its first request; it becomes time 0 */
    uint64_t to_ms;   /* what comes from then on is passed over; 0: nothing */
};

struct ic_trace_source;

/* PATH as of ic_trace_open, and its errors. */
int ic_trace_source_open(const char *path, const struct ic_trace_choice *choice,
                         struct ic_trace_source **out, char *why) IC_MUST_USE;
void ic_trace_source_close(struct ic_trace_source *s); /* NULL is fine */
/* Its source; errors as of ic_trace_next, which ic_trace_source_why says in words. */
struct ic_sim_source *ic_trace_source_requests(struct ic_trace_source *s);
const char *ic_trace_source_why(const struct ic_trace_source *s);
uint64_t ic_trace_source_passed_over(const struct ic_trace_source *s);
double ic_trace_source_share(const struct ic_trace_source *s); /* as ic_trace_share */

#endif
