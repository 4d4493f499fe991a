#include "cli/bench_report.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static double per_second(const struct ic_bench_report *r, double amount)
{
    return r->seconds > 0 ? amount / r->seconds : 0;
}

static double quantile_ms(const struct ic_bench_figures *f, size_t i)
{
    return (double)ic_histogram_quantile(&f->latency_us, quantiles[i].share) / 1000;
}

static double gigabytes(const struct ic_bench_figures *f)
{
    return (double)f->bytes / 1e9;
}

static bool was_asked(const struct ic_bench_figures *f)
{
    return f->latency_us.count + f->errors > 0;
}

/* ---- text ------------------------------------------------------------------- */

static void print_figures(const struct ic_bench_report *r, const char *name,
                          const struct ic_bench_figures *f)
{
    if (!was_asked(f)) {
        return;
    }
    printf("%-4s %" PRIu64 " answered, %.1f a second, %.3f GB/s", name, f->latency_us.count,
           per_second(r, (double)f->latency_us.count), per_second(r, gigabytes(f)));
    if (f->misses > 0) {
        printf(", %" PRIu64 " misses", f->misses);
    }
    if (f->errors > 0) {
        printf(", %" PRIu64 " ERRORS", f->errors);
    }
    if (f->wrong > 0) {
        printf(", %" PRIu64 " WRONG VALUES", f->wrong);
    }
    printf("\n     latency in ms:");
    for (size_t i = 0; i < QUANTILES; i++) {
        printf("  %s %.3f", quantiles[i].name, quantile_ms(f, i));
    }
    printf("  mean %.3f\n", ic_histogram_mean(&f->latency_us) / 1000);
}

static void print_text(const struct ic_bench_report *r)
{
    const struct ic_load_settings *l = r->load;
    printf("%" PRIu64 " keys of %s at %s:%s, %" PRIu32 " clients, pipeline %" PRIu32 ", %s",
           r->workload.keys, r->workload.sizes, l->host, l->port, l->clients, l->pipeline,
           r->rate > 0 ? "open loop" : "closed loop");
    if (r->rate > 0) {
        printf(" at %g a second", r->rate);
    }
    printf(", %.3f s, values %s\n", r->seconds, l->verify ? "verified" : "not verified");
    print_figures(r, "GET", &r->get);
    print_figures(r, "SET", &r->set);
    if (r->first_error[0] != '\0') {
        printf("first error: %s\n", r->first_error);
    }
    for (uint32_t i = 0; i < r->usage.count; i++) {
        printf("pid %d: %.2f s of CPU, peak %.1f MiB resident\n", (int)r->usage.pid[i],
               r->usage.cpu_s[i], (double)r->usage.peak_bytes[i] / (1024 * 1024));
    }
}

/* ---- JSON ------------------------------------------------------------------- */

static json_t *json_of_figures(const struct ic_bench_report *r, const struct ic_bench_figures *f)
{
    json_t *latency = json_object();
    for (size_t i = 0; i < QUANTILES; i++) {
        json_object_set_new(latency, quantiles[i].name, json_real(quantile_ms(f, i)));
    }
    json_object_set_new(latency, "mean", json_real(ic_histogram_mean(&f->latency_us) / 1000));
    return json_pack(
        "{s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:o}", "answered", (json_int_t)f->latency_us.count,
        "per_second", per_second(r, (double)f->latency_us.count), "gb_per_second",
        per_second(r, gigabytes(f)), "bytes", (json_int_t)f->bytes, "misses", (json_int_t)f->misses,
        "errors", (json_int_t)f->errors, "wrong", (json_int_t)f->wrong, "latency_ms", latency);
}

static json_t *json_of_usage(const struct ic_usage *u)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < u->count; i++) {
        json_array_append_new(all, json_pack("{s:I, s:f, s:I}", "pid", (json_int_t)u->pid[i],
                                             "cpu_seconds", u->cpu_s[i], "peak_bytes",
                                             (json_int_t)u->peak_bytes[i]));
    }
    return all;
}

static void print_json(const struct ic_bench_report *r)
{
    const struct ic_load_settings *l = r->load;
    json_t *settings = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:b}", "host", l->host, "port", l->port,
        "sizes", r->workload.sizes, "keys", (json_int_t)r->workload.keys, "clients",
        (json_int_t)l->clients, "pipeline", (json_int_t)l->pipeline, "rate", r->rate, "get_percent",
        r->workload.get_percent, "range_bytes", (json_int_t)r->range_bytes, "verify", l->verify);
    json_t *report =
        json_pack("{s:o, s:f, s:o, s:o, s:o, s:s}", "settings", settings, "seconds", r->seconds,
                  "get", json_of_figures(r, &r->get), "set", json_of_figures(r, &r->set),
                  "processes", json_of_usage(&r->usage), "first_error", r->first_error);
    char *text = ic_must(json_dumps(report, JSON_INDENT(2) | JSON_REAL_PRECISION(9)));
    puts(text);
    free(text);
    json_decref(report);
}

/* ---- CSV -------------------------------------------------------------------- */

static void print_row(const struct ic_bench_report *r, const char *name,
                      const struct ic_bench_figures *f)
{
    printf("%s,%.6f,%" PRIu64 ",%.3f,%.6f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, name,
           r->seconds, f->latency_us.count, per_second(r, (double)f->latency_us.count),
           per_second(r, gigabytes(f)), f->bytes, f->misses, f->errors, f->wrong);
    for (size_t i = 0; i < QUANTILES; i++) {
        printf(",%.3f", quantile_ms(f, i));
    }
    printf(",%.3f\n", ic_histogram_mean(&f->latency_us) / 1000);
}

static void print_csv(const struct ic_bench_report *r)
{
    printf("operation,seconds,answered,per_second,gb_per_second,bytes,misses,errors,wrong");
    for (size_t i = 0; i < QUANTILES; i++) {
        printf(",%s_ms", quantiles[i].name);
    }
    printf(",mean_ms\n");
    print_row(r, "get", &r->get);
    print_row(r, "set", &r->set);
}

void ic_bench_report_print(const struct ic_bench_report *r, enum ic_bench_format format)
{
    switch (format) {
    case IC_BENCH_TEXT:
        print_text(r);
        return;
    case IC_BENCH_JSON:
        print_json(r);
        return;
    case IC_BENCH_CSV:
        print_csv(r);
        return;
    }
}
