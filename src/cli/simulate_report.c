#include "cli/simulate_report.h"

#include "base/alloc.h"
#include "cli/human.h"
#include "cli/settings.h"
#include "cli/simulate_json.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- figures ---------------------------------------------------------------- */

double ic_simulate_ratio(uint64_t part, uint64_t all)
{
    return all == 0 ? 0 : (double)part / (double)all;
}

double ic_simulate_hours(const struct ic_simulate_report *r)
{
    double hours = (double)r->result->end_us / 3.6e9;
    return hours > 1e-9 ? hours : 1e-9;
}

struct ic_simulate_bill ic_simulate_bill(const struct ic_simulate_report *r)
{
    struct ic_simulate_bill bill = {.proxy = r->proxy_per_hour * r->proxies * ic_simulate_hours(r)};
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        bill.cause[c] = r->result->cost.dollars[c];
        bill.functions += bill.cause[c];
    }
    bill.total = bill.functions + bill.proxy;
    return bill;
}

double ic_simulate_availability(const struct ic_sim_result *result, double *least)
{
    double sum = 0;
    uint32_t counted = 0;
    *least = 1;
    for (uint32_t i = 0; i < result->hours; i++) {
        const struct ic_sim_hour *h = &result->hour[i];
        if (h->hits + h->resets > 0) {
            double a = ic_sim_availability(h->hits, h->resets);
            sum += a;
            counted++;
            *least = a < *least ? a : *least;
        }
    }
    return counted == 0 ? 1 : sum / counted;
}

double ic_simulate_origin(const struct ic_simulate_report *r)
{
    const double *dollars = r->settings->prices->dollars;
    const struct ic_sim_result *s = r->result;
    return (double)(s->gets - s->hits) / 1000 * dollars[IC_PRICE_S3_GETS] +
           (double)s->puts / 1000 * dollars[IC_PRICE_S3_PUTS];
}

/* ---- text ------------------------------------------------------------------- */

static const char *percent(double share, char out[IC_HUMAN_MAX])
{
    snprintf(out, IC_HUMAN_MAX, "%.2f %%", share * 100);
    return out;
}

static void print_head(const struct ic_simulate_report *r)
{
    char memory[IC_HUMAN_MAX];
    const struct ic_config *c = r->settings->config;
    const struct ic_work *w = r->work;
    char *eviction = ic_settings_text(c, ic_directive_find(ic_slice_str("eviction")));
    ic_human_bytes((double)c->memory, memory);
    if (w->path != NULL) {
        printf("%s, keys by %s, %.1f hours\n", w->path, w->choice.by_digest ? "digest" : "URI",
               ic_simulate_hours(r));
    } else {
        printf("made-up requests, %.1f hours\n", ic_simulate_hours(r));
    }
    printf("%" PRIu32 " functions of %s (%s), code %s, eviction %s, warm-up every %g s, ",
           r->settings->functions, memory,
           c->architecture == IC_ARCHITECTURE_ARM64 ? "arm64" : "x86_64", c->code_table, eviction,
           (double)c->warm_interval / 1000);
    if (c->backup_interval > 0) {
        printf("backup every %g s", (double)c->backup_interval / 1000);
    } else {
        fputs("no backup", stdout);
    }
    printf(", billed by %s, reclaim %s, seed %" PRIu64 "\n\n",
           c->billing == IC_BILLING_100MS ? "100 ms" : "1 ms", c->reclaim, r->settings->seed);
    ic_free(eviction);
}

static void print_hits(const struct ic_simulate_report *r)
{
    const struct ic_sim_result *s = r->result;
    char a[IC_HUMAN_MAX], b[IC_HUMAN_MAX], c[IC_HUMAN_MAX], d[IC_HUMAN_MAX];
    double least, mean = ic_simulate_availability(s, &least);
    struct ic_lru_kept kept = ic_lru_curve_kept(r->work->curve);
    printf("%-14s %12" PRIu64 "    of %.0f objects, %s\n", "requests", s->requests, kept.objects,
           ic_human_bytes(kept.bytes, a));
    printf("%-14s %12s    of bytes %s, of %s read\n", "hit ratio",
           percent(ic_simulate_ratio(s->hits, s->gets), a),
           percent(ic_simulate_ratio(s->hit_bytes, s->get_bytes), b),
           ic_human_bytes((double)s->get_bytes, c));
    printf("%-14s %12" PRIu64 "    GETs of objects lost with their functions\n", "resets",
           s->resets);
    printf("%-14s %12s    per hour on average, in the worst hour %s\n", "availability",
           percent(mean, a), percent(least, b));
    printf("%-14s %12" PRIu64 "    instances; %" PRIu64 " chunks and %" PRIu64
           " objects lost, %" PRIu64 " chunks repaired, %" PRIu64 " handed over, %" PRIu64
           " copied\n",
           "reclaimed", s->reclaimed, s->lost_chunks, s->lost_objects, s->repaired_chunks,
           s->handed_over_chunks, s->copied_chunks);
    printf("%-14s %12" PRIu64 "    at most %" PRIu64 " objects, %s at a time; %" PRIu64
           " refused\n\n",
           "evicted", s->evictions, s->peak_objects, ic_human_bytes((double)s->cost.peak_bytes, d),
           s->refused);
}

static void print_quantiles(const struct ic_histogram *h)
{
    if (h->count == 0) {
        printf(" %9s %9s", "-", "-");
    } else {
        printf(" %9.1f %9.1f", (double)ic_histogram_quantile(h, 0.5) / 1000,
               (double)ic_histogram_quantile(h, 0.99) / 1000);
    }
}

static void print_latencies(const struct ic_simulate_report *r)
{
    const struct ic_sim_result *s = r->result;
    printf("%-10s %9s %19s %19s %19s %19s\n", "GET, ms", "", "hit   p50       p99",
           "miss  p50       p99", "S3    p50       p99", "EC    p50       p99");
    for (int c = 0; c < IC_SIM_CLASSES; c++) {
        if (s->latency[IC_SIM_ALL][c].count == 0) {
            continue;
        }
        printf("%-10s %9" PRIu64, ic_sim_class_name((enum ic_sim_class)c),
               s->latency[IC_SIM_ALL][c].count);
        print_quantiles(&s->latency[IC_SIM_HIT][c]);
        print_quantiles(&s->latency[IC_SIM_MISS][c]);
        print_quantiles(&s->latency[IC_SIM_S3][c]);
        print_quantiles(&s->latency[IC_SIM_ELASTICACHE][c]);
        puts("");
    }
    puts("");
}

static void print_dollars(const char *name, double dollars, double hours, double all)
{
    char a[IC_HUMAN_MAX], b[IC_HUMAN_MAX], c[IC_HUMAN_MAX];
    printf("  %-12s %12s %12s %9s\n", name, ic_human_dollars(dollars, a),
           ic_human_dollars(dollars / hours, b),
           all > 0 ? ic_human_percent(dollars / all, c) : "-");
}

static void print_bill(const struct ic_simulate_report *r)
{
    struct ic_simulate_bill b = ic_simulate_bill(r);
    double hours = ic_simulate_hours(r);
    char text[IC_HUMAN_MAX];
    printf("%-14s %12s %12s %9s\n", "dollars", "in all", "per hour", "share");
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        print_dollars(ic_cost_cause_name((enum ic_cost_cause)c), b.cause[c], hours, b.functions);
    }
    print_dollars("functions", b.functions, hours, b.functions);
    print_dollars(r->proxies == 1 ? "the proxy" : "the proxies", b.proxy, hours, 0);
    print_dollars("total", b.total, hours, 0);
    printf("  (the origin's requests for what missed: %s)\n\n",
           ic_human_dollars(ic_simulate_origin(r), text));
}

static void print_other(const char *name, double dollars, double hours, double functions,
                        const char *note)
{
    char a[IC_HUMAN_MAX], b[IC_HUMAN_MAX];
    printf("  %-30s %10s %12s", name, ic_human_dollars(dollars, a),
           ic_human_dollars(dollars / hours, b));
    if (functions > 0) {
        printf(" %8.*f x", dollars / functions < 10 ? 1 : 0, dollars / functions);
    }
    printf("   %s\n", note);
}

static void print_node(const char *why, const struct ic_elsewhere_node *n, double hours,
                       double functions)
{
    char name[64], note[128], a[IC_HUMAN_MAX], b[IC_HUMAN_MAX];
    snprintf(name, sizeof name, "ElastiCache %" PRIu64 " x %s", n->nodes, ic_price(n->type)->name);
    snprintf(note, sizeof note, "%s: LRU hits %s, of bytes %s", why,
             percent(n->object_hit_ratio, a), percent(n->byte_hit_ratio, b));
    print_other(name, n->dollars, hours, functions, note);
}

static void print_elsewhere(const struct ic_simulate_report *r)
{
    const struct ic_elsewhere *e = &r->elsewhere;
    double hours = ic_simulate_hours(r), functions = ic_simulate_bill(r).functions;
    char bytes[IC_HUMAN_MAX], note[64];
    printf("%-32s %10s %12s %10s\n", "the same work elsewhere", "dollars", "per hour", "functions");
    snprintf(note, sizeof note, "our hit ratio, at %s",
             ic_human_bytes((double)e->lru_bytes, bytes));
    print_node(note, &e->same, hours, functions);
    print_node("the paper's", &e->paper, hours, functions);
    print_other("ElastiCache Serverless, Redis", e->serverless_redis, hours, functions,
                "the bytes we held");
    print_other("ElastiCache Serverless, Valkey", e->serverless_valkey, hours, functions,
                "the bytes we held");
    print_other("S3 Express One Zone", e->s3_express, hours, functions,
                "every object kept, every GET a hit");
    print_other("S3", e->s3, hours, functions, "every object kept, every GET a hit");
}

static void print_text(const struct ic_simulate_report *r)
{
    print_head(r);
    print_hits(r);
    print_latencies(r);
    print_bill(r);
    print_elsewhere(r);
}

/* ---- CSV -------------------------------------------------------------------- */

static void print_hour(const struct ic_simulate_report *r, uint32_t i, FILE *out)
{
    const struct ic_sim_hour *h = &r->result->hour[i];
    double left = ic_simulate_hours(r) - i, part = left < 1 ? left < 0 ? 0 : left : 1;
    double dollars = 0;
    fprintf(out,
            "%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.6f,%" PRIu64
            ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
            i, h->gets, h->hits, h->resets, h->get_bytes, h->hit_bytes,
            ic_sim_availability(h->hits, h->resets), h->evictions, h->reclaimed, h->lost_chunks,
            h->lost_objects, h->repaired, h->handed_over, h->copied, h->object_bytes);
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        dollars += h->dollars[c];
        fprintf(out, ",%.9f", h->dollars[c]);
    }
    fprintf(out, ",%.9f,%.9f\n", dollars, r->proxy_per_hour * r->proxies * part);
}

void ic_simulate_report_hours(const struct ic_simulate_report *r, FILE *out)
{
    fputs("hour,gets,hits,resets,get_bytes,hit_bytes,availability,evictions,reclaimed,"
          "lost_chunks,lost_objects,repaired,handed_over,copied,object_bytes",
          out);
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        fprintf(out, ",%s_dollars", ic_cost_cause_name((enum ic_cost_cause)c));
    }
    fputs(",functions_dollars,proxy_dollars\n", out);
    for (uint32_t i = 0; i < r->result->hours; i++) {
        print_hour(r, i, out);
    }
}

void ic_simulate_report_print(const struct ic_simulate_report *r, enum ic_simulate_format format)
{
    switch (format) {
    case IC_SIMULATE_TEXT:
        print_text(r);
        break;
    case IC_SIMULATE_JSON:
        ic_simulate_json_print(r);
        break;
    case IC_SIMULATE_CSV:
        ic_simulate_report_hours(r, stdout);
        break;
    }
}
