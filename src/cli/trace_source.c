#include "cli/trace_source.h"

#include "base/alloc.h"
#include "base/list.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct ic_trace_source {
    struct ic_sim_source source;
    struct ic_trace_choice choice;
    struct ic_trace *trace;
    int64_t first_ms; /* of the trace's clock */
    bool begun;
    uint64_t passed_over;
    char why[IC_TRACE_WHY_MAX];
};

/* What REQUEST becomes; false: it is none that was chosen. */
static bool convert(struct ic_trace_source *s, const struct ic_trace_request *request,
                    struct ic_sim_request *out)
{
    static const int ops[] = {[IC_TRACE_GET] = IC_SIM_GET,
                              [IC_TRACE_PUT] = IC_SIM_PUT,
                              [IC_TRACE_HEAD] = IC_SIM_HEAD,
                              [IC_TRACE_COPY] = -1,
                              [IC_TRACE_DELETE] = IC_SIM_DELETE};
    const struct ic_trace_choice *c = &s->choice;
    s->first_ms = s->begun ? s->first_ms : request->time_ms;
    s->begun = true;
    int64_t at_ms = request->time_ms - s->first_ms;
    if (ops[request->op] < 0 || (c->largest > 0 && request->bytes > c->largest) ||
        at_ms < (int64_t)c->from_ms || (c->to_ms > 0 && at_ms >= (int64_t)c->to_ms)) {
        return false;
    }
    struct ic_slice key = ic_trace_key(request->key, c->by_digest);
    *out = (struct ic_sim_request){
        .at_us = (at_ms - (int64_t)c->from_ms) * 1000,
        .key = XXH3_64bits(key.data, key.len),
        .bytes = request->bytes,
        .op = (uint8_t)ops[request->op],
    };
    return true;
}

static int next(struct ic_sim_source *source, struct ic_sim_request *out)
{
    struct ic_trace_source *s = IC_CONTAINER(source, struct ic_trace_source, source);
    struct ic_trace_request request;
    int result;
    while ((result = ic_trace_next(s->trace, &request, s->why)) > 0) {
        if (convert(s, &request, out)) {
            return 1;
        }
        s->passed_over++;
    }
    return result;
}

int ic_trace_source_open(const char *path, const struct ic_trace_choice *choice,
                         struct ic_trace_source **out, char *why)
{
    struct ic_trace_source *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        snprintf(why, IC_TRACE_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    s->source.next = next;
    s->choice = *choice;
    int result = ic_trace_open(path, &s->trace, why);
    if (result < 0) {
        ic_free(s);
        return result;
    }
    *out = s;
    return 0;
}

void ic_trace_source_close(struct ic_trace_source *s)
{
    if (s != NULL) {
        ic_trace_close(s->trace);
        ic_free(s);
    }
}

struct ic_sim_source *ic_trace_source_requests(struct ic_trace_source *s)
{
    return &s->source;
}

const char *ic_trace_source_why(const struct ic_trace_source *s)
{
    return s->why;
}

uint64_t ic_trace_source_passed_over(const struct ic_trace_source *s)
{
    return s->passed_over;
}

double ic_trace_source_share(const struct ic_trace_source *s)
{
    return ic_trace_share(s->trace);
}
