#include "cli/work.h"

#include "base/alloc.h"
#include "base/list.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>

enum { SHOW_EVERY = 4096 }; /* requests */

/* ---- options ---------------------------------------------------------------- */

int ic_work_order(const char *command, const char *text, struct ic_workload_settings *s)
{
    static const char zipf[] = "zipf:";
    if (text == NULL) {
        return 0;
    }
    if (strncmp(text, zipf, sizeof zipf - 1) == 0) {
        s->order = IC_ORDER_ZIPF;
        return ic_option_decimal(command, "order", text + sizeof zipf - 1, 10, &s->zipf);
    }
    bool uniform = strcmp(text, "uniform") == 0;
    if (!uniform && strcmp(text, "sequence") != 0) {
        return ic_option_complain(command, "order", text, "sequence, uniform or zipf:EXPONENT");
    }
    s->order = uniform ? IC_ORDER_UNIFORM : IC_ORDER_SEQUENCE;
    return 0;
}

static int read_trace_options(struct ic_work *w, const struct ic_work_options *o)
{
    int by_digest = 0;
    struct ic_trace_choice *c = &w->choice;
    if (ic_option_choice(w->command, "key-field", o->key_field, "uri|digest", &by_digest) != 0 ||
        ic_option_bytes(w->command, "largest", o->largest, &c->largest) != 0 ||
        ic_option_time(w->command, "from", o->from, &c->from_ms) != 0 ||
        ic_option_time(w->command, "to", o->to, &c->to_ms) != 0) {
        return IC_CLI_FAILED;
    }
    if (c->to_ms > 0 && c->to_ms <= c->from_ms) {
        return ic_option_complain(w->command, "to", o->to, "later than --from");
    }
    c->by_digest = by_digest != 0;
    return 0;
}

static int read_made_options(struct ic_work *w, const struct ic_work_options *o, uint64_t seed)
{
    struct ic_synthetic_settings *s = &w->made;
    double diurnal = 0;
    uint64_t duration_ms = 86400000;
    *s = (struct ic_synthetic_settings){
        .workload = {.keys = 100000,
                     .sizes = o->sizes == NULL ? "lognormal:1mb,2" : o->sizes,
                     .order = IC_ORDER_ZIPF,
                     .zipf = 0.9,
                     .get_percent = 100,
                     .seed = seed},
        .requests = UINT64_MAX,
        .per_s = 1,
    };
    if (ic_option_number(w->command, "keys", o->keys, 1, IC_WORKLOAD_KEYS_MAX, &s->workload.keys) !=
            0 ||
        ic_work_order(w->command, o->order, &s->workload) != 0 ||
        ic_option_decimal(w->command, "gets", o->gets, 100, &s->workload.get_percent) != 0 ||
        ic_option_decimal(w->command, "one-hit", o->one_hit, 100, &s->workload.one_hit_percent) !=
            0 ||
        ic_option_decimal(w->command, "rate", o->rate, 1e7, &s->per_s) != 0 ||
        ic_option_decimal(w->command, "diurnal", o->diurnal, 100, &diurnal) != 0 ||
        ic_option_number(w->command, "requests", o->requests, 1, INT64_MAX, &s->requests) != 0 ||
        ic_option_time(w->command, "duration", o->duration, &duration_ms) != 0) {
        return IC_CLI_FAILED;
    }
    if (s->per_s <= 0) {
        return ic_option_complain(w->command, "rate", o->rate, "above 0");
    }
    s->diurnal = diurnal / 100;
    s->end_us = o->requests != NULL && o->duration == NULL ? 0 : (int64_t)duration_ms * 1000;
    return 0;
}

/* An option that makes no sense with (or without) a trace, or NULL. */
static const char *out_of_place(const struct ic_work_options *o, bool trace)
{
    const struct {
        const char *name, *value;
        bool of_traces;
    } all[] = {{"key-field", o->key_field, true}, {"largest", o->largest, true},
               {"from", o->from, true},           {"to", o->to, true},
               {"keys", o->keys, false},          {"sizes", o->sizes, false},
               {"order", o->order, false},        {"gets", o->gets, false},
               {"one-hit", o->one_hit, false},    {"rate", o->rate, false},
               {"requests", o->requests, false},  {"duration", o->duration, false},
               {"diurnal", o->diurnal, false}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].value != NULL && all[i].of_traces != trace) {
            return all[i].name;
        }
    }
    return NULL;
}

int ic_work_init(struct ic_work *w, const char *command, const struct ic_work_options *options,
                 const char *path, uint64_t seed)
{
    *w = (struct ic_work){.command = command, .path = path};
    const char *wrong = out_of_place(options, path != NULL);
    if (wrong != NULL) {
        return ic_cli_fail("%s: --%s is for %s", command, wrong,
                           path != NULL ? "made-up requests, and there is a trace"
                                        : "a trace, and none was named");
    }
    return path != NULL ? read_trace_options(w, options) : read_made_options(w, options, seed);
}

/* ---- sources ---------------------------------------------------------------- */

/* What a fleet gets when the requests are not in memory: the one or the other. */
struct again {
    struct ic_sim_source source;
    struct ic_sim_source *inner;
    struct ic_trace_source *trace; /* or */
    struct ic_synthetic *made;
};

static int pass_on(struct ic_sim_source *source, struct ic_sim_request *out)
{
    struct again *a = IC_CONTAINER(source, struct again, source);
    return a->inner->next(a->inner, out);
}

static int open_again(const struct ic_work *w, struct again *a, char *why)
{
    a->source.next = pass_on;
    int result;
    if (w->path != NULL) {
        result = ic_trace_source_open(w->path, &w->choice, &a->trace, why);
        a->inner = result < 0 ? NULL : ic_trace_source_requests(a->trace);
    } else {
        result = ic_synthetic_new(&w->made, &a->made, why);
        a->inner = result < 0 ? NULL : ic_synthetic_source(a->made);
    }
    return result;
}

static void close_again(struct again *a)
{
    ic_trace_source_close(a->trace);
    ic_synthetic_free(a->made);
}

int ic_work_open(void *work, struct ic_sim_source **out, char *why)
{
    struct ic_work *w = work;
    if (w->recorded) {
        *out = ic_recording_play(&w->recording);
        return *out == NULL ? IC_ENOMEM : 0;
    }
    struct again *a = ic_calloc(1, sizeof *a);
    int result = a == NULL ? IC_ENOMEM : open_again(w, a, why);
    if (result < 0) {
        ic_free(a);
        return result;
    }
    *out = &a->source;
    return 0;
}

void ic_work_close(void *work, struct ic_sim_source *source)
{
    struct ic_work *w = work;
    if (!w->recorded) {
        close_again(IC_CONTAINER(source, struct again, source));
    }
    ic_free(source); /* the first field of either */
}

/* ---- going through it ------------------------------------------------------- */

static void count(struct ic_work *w, const struct ic_sim_request *r)
{
    w->requests++;
    w->deletes += r->op == IC_SIM_DELETE;
    w->puts += r->op == IC_SIM_PUT;
    w->end_us = r->at_us > w->end_us ? r->at_us : w->end_us;
    w->largest_bytes = r->bytes > w->largest_bytes ? r->bytes : w->largest_bytes;
    if (r->op == IC_SIM_GET) {
        w->gets++;
        w->get_bytes += r->bytes;
        w->class_gets[ic_sim_class_of(r->bytes)]++;
    }
    ic_lru_curve_request(w->curve, r);
}

/* Requests are kept as long as there is room for all of them. */
static int record(struct ic_work *w, const struct ic_sim_request *r)
{
    if (!w->recorded) {
        return 0;
    }
    int result = ic_recording_append(&w->recording, r);
    if (result == IC_ETOOBIG) {
        ic_recording_deinit(&w->recording);
        w->recorded = false;
        bool again = w->path == NULL || strcmp(w->path, "-") != 0;
        return again ? 0 : IC_ETOOBIG;
    }
    return result;
}

static double share_read(const struct ic_work *w, const struct again *a)
{
    if (a->trace != NULL) {
        return ic_trace_source_share(a->trace);
    }
    const struct ic_synthetic_settings *s = &w->made;
    double by_number = (double)w->requests / (double)s->requests;
    double by_time = s->end_us == 0 ? 0 : (double)w->end_us / (double)s->end_us;
    return by_number > by_time ? by_number : by_time;
}

static int go_through(struct ic_work *w, struct again *a)
{
    struct ic_progress bar;
    struct ic_sim_request r;
    int result;
    w->recorded = true;
    ic_progress_init(&bar, "", 0, true);
    while ((result = pass_on(&a->source, &r)) > 0) {
        count(w, &r);
        result = record(w, &r);
        if (result < 0) {
            break;
        }
        if (w->requests % SHOW_EVERY == 0) {
            ic_progress_share(&bar, "reading the requests", share_read(w, a));
        }
    }
    ic_progress_end(&bar);
    return result;
}

static int complain(const struct ic_work *w, const struct again *a, int result, const char *why)
{
    if (result == IC_ETOOBIG && a->inner != NULL && w->requests > IC_RECORDING_MAX) {
        return ic_cli_fail("%s: more than %d requests from standard input: name a file", w->command,
                           IC_RECORDING_MAX);
    }
    if (result == IC_ENOMEM) {
        return ic_cli_fail("%s: %s", w->command, ic_error_text(result));
    }
    return ic_cli_fail("%s: %s", w->command,
                       a->trace == NULL ? why : ic_trace_source_why(a->trace));
}

int ic_work_load(struct ic_work *w)
{
    char why[IC_TRACE_WHY_MAX] = "";
    struct again a = {.inner = NULL};
    w->curve = ic_lru_curve_new();
    int result = w->curve == NULL ? IC_ENOMEM : open_again(w, &a, why);
    if (result == 0) {
        result = go_through(w, &a);
    }
    if (result < 0) {
        result = complain(w, &a, result, why);
    } else if (w->requests == 0) {
        result = ic_cli_fail("%s: there is no request in %s", w->command,
                             w->path == NULL ? "that time" : w->path);
    }
    w->passed_over = a.trace == NULL ? 0 : ic_trace_source_passed_over(a.trace);
    close_again(&a);
    return result;
}

void ic_work_deinit(struct ic_work *w)
{
    ic_recording_deinit(&w->recording);
    ic_lru_curve_free(w->curve);
    w->curve = NULL;
}
