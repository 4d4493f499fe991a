#include "cli/replay_report.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t class_below[IC_REPLAY_CLASSES] = {1000000, 10000000, 100000000, UINT64_MAX};
static const char *const class_names[IC_REPLAY_CLASSES + 1] = {"< 1 MB", "1 - 10 MB", "10 - 100 MB",
                                                               ">= 100 MB", "all"};

struct ic_replay_class *ic_replay_class(struct ic_replay_report *r, uint64_t bytes)
{
    size_t i = 0;
    while (bytes >= class_below[i]) {
        i++;
    }
    return &r->size_class[i];
}

static double ratio(uint64_t part, uint64_t all)
{
    return all == 0 ? 0 : (double)part / (double)all;
}

static double quantile_ms(const struct ic_histogram *h, double share)
{
    return (double)ic_histogram_quantile(h, share) / 1000;
}

/* Freed by the caller. */
static struct ic_replay_class *sum(const struct ic_replay_report *r)
{
    struct ic_replay_class *all = ic_must(ic_calloc(1, sizeof *all));
    for (size_t i = 0; i < IC_REPLAY_CLASSES; i++) {
        const struct ic_replay_class *c = &r->size_class[i];
        all->gets += c->gets;
        all->hits += c->hits;
        all->get_bytes += c->get_bytes;
        all->hit_bytes += c->hit_bytes;
        ic_histogram_merge(&all->hit_us, &c->hit_us);
        ic_histogram_merge(&all->miss_us, &c->miss_us);
        ic_histogram_merge(&all->set_us, &c->set_us);
    }
    return all;
}

/* ---- text ------------------------------------------------------------------- */

static void print_row(const char *name, const struct ic_replay_class *c)
{
    printf("%-12s %9" PRIu64 " %9.3f %9.3f %9.3f %9.1f %9.1f %9.1f %9.1f\n", name, c->gets,
           ratio(c->hits, c->gets), ratio(c->hit_bytes, c->get_bytes), (double)c->get_bytes / 1e9,
           quantile_ms(&c->hit_us, 0.5), quantile_ms(&c->hit_us, 0.99),
           quantile_ms(&c->set_us, 0.5), quantile_ms(&c->set_us, 0.99));
}

static void print_text(const struct ic_replay_report *r, const struct ic_replay_class *all)
{
    printf("%.1f s, %s%g, sizes divided by %" PRIu64 "; %" PRIu64 " requests passed over\n",
           r->seconds, r->speed > 0 ? "speed " : "as fast as answered, speed ", r->speed, r->scale,
           r->passed_over);
    printf("%-12s %9s %9s %9s %9s %9s %9s %9s %9s\n", "objects", "GETs", "hits", "of bytes", "GB",
           "GET p50", "p99 ms", "SET p50", "p99 ms");
    for (size_t i = 0; i < IC_REPLAY_CLASSES; i++) {
        print_row(class_names[i], &r->size_class[i]);
    }
    print_row(class_names[IC_REPLAY_CLASSES], all);
    if (r->charge.known) {
        printf("cost: $%.6f, %.0f invocations, %.0f billed ms; %.0f invocations not ended yet\n",
               r->charge.dollars, r->charge.invocations, r->charge.billed_ms,
               r->charge.outstanding);
    }
    if (r->errors + r->wrong > 0) {
        printf("%" PRIu64 " ERRORS, %" PRIu64 " WRONG VALUES; first error: %s\n", r->errors,
               r->wrong, r->first_error);
    }
}

/* ---- JSON ------------------------------------------------------------------- */

static json_t *json_of_latency(const struct ic_histogram *h)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)h->count, "p50",
                     quantile_ms(h, 0.5), "p90", quantile_ms(h, 0.9), "p99", quantile_ms(h, 0.99),
                     "p99.9", quantile_ms(h, 0.999), "max", quantile_ms(h, 1));
}

static json_t *json_of_class(const struct ic_replay_class *c)
{
    return json_pack("{s:I, s:I, s:f, s:f, s:I, s:o, s:o, s:o}", "gets", (json_int_t)c->gets,
                     "hits", (json_int_t)c->hits, "object_hit_ratio", ratio(c->hits, c->gets),
                     "byte_hit_ratio", ratio(c->hit_bytes, c->get_bytes), "get_bytes",
                     (json_int_t)c->get_bytes, "hit_ms", json_of_latency(&c->hit_us), "miss_ms",
                     json_of_latency(&c->miss_us), "set_ms", json_of_latency(&c->set_us));
}

/* null: the server does not say. */
static json_t *json_of_charge(const struct ic_charge *c)
{
    return !c->known ? json_null()
                     : json_pack("{s:f, s:I, s:I, s:I}", "dollars", c->dollars, "invocations",
                                 (json_int_t)c->invocations, "billed_ms", (json_int_t)c->billed_ms,
                                 "outstanding", (json_int_t)c->outstanding);
}

static void print_json(const struct ic_replay_report *r, const struct ic_replay_class *all)
{
    json_t *classes = json_object();
    for (size_t i = 0; i < IC_REPLAY_CLASSES; i++) {
        json_object_set_new(classes, class_names[i], json_of_class(&r->size_class[i]));
    }
    json_t *report = json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:s}", "seconds",
                               r->seconds, "speed", r->speed, "scale", (json_int_t)r->scale,
                               "passed_over", (json_int_t)r->passed_over, "deletes",
                               (json_int_t)r->deletes, "errors", (json_int_t)r->errors, "wrong",
                               (json_int_t)r->wrong, "all", json_of_class(all), "classes", classes,
                               "cost", json_of_charge(&r->charge), "first_error", r->first_error);
    char *text = ic_must(json_dumps(report, JSON_INDENT(2) | JSON_REAL_PRECISION(9)));
    puts(text);
    free(text);
    json_decref(report);
}

/* ---- CSV -------------------------------------------------------------------- */

static void print_csv_row(const char *name, const struct ic_replay_class *c)
{
    printf("%s,%" PRIu64 ",%" PRIu64 ",%.6f,%" PRIu64 ",%" PRIu64 ",%.6f,%.3f,%.3f,%.3f,%.3f\n",
           name, c->gets, c->hits, ratio(c->hits, c->gets), c->get_bytes, c->hit_bytes,
           ratio(c->hit_bytes, c->get_bytes), quantile_ms(&c->hit_us, 0.5),
           quantile_ms(&c->hit_us, 0.99), quantile_ms(&c->set_us, 0.5),
           quantile_ms(&c->set_us, 0.99));
}

static void print_csv(const struct ic_replay_report *r, const struct ic_replay_class *all)
{
    puts("objects,gets,hits,object_hit_ratio,get_bytes,hit_bytes,byte_hit_ratio,hit_p50_ms,"
         "hit_p99_ms,set_p50_ms,set_p99_ms");
    for (size_t i = 0; i < IC_REPLAY_CLASSES; i++) {
        print_csv_row(class_names[i], &r->size_class[i]);
    }
    print_csv_row(class_names[IC_REPLAY_CLASSES], all);
}

void ic_replay_report_print(const struct ic_replay_report *r, enum ic_replay_format format)
{
    struct ic_replay_class *all = sum(r);
    switch (format) {
    case IC_REPLAY_TEXT:
        print_text(r, all);
        break;
    case IC_REPLAY_JSON:
        print_json(r, all);
        break;
    case IC_REPLAY_CSV:
        print_csv(r, all);
        break;
    }
    ic_free(all);
}
