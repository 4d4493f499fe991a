#include "cli/simulate_json.h"

#include "base/alloc.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void set_real(json_t *o, const char *name, double value)
{
    json_object_set_new(o, name, json_real(value));
}

static void set_count(json_t *o, const char *name, uint64_t value)
{
    json_object_set_new(o, name, json_integer((json_int_t)value));
}

/* ---- requests --------------------------------------------------------------- */

static void set_requests(json_t *o, const struct ic_simulate_report *r)
{
    const struct ic_sim_result *s = r->result;
    double least, mean = ic_simulate_availability(s, &least);
    set_count(o, "requests", s->requests);
    set_count(o, "passed_over", r->work->passed_over);
    set_real(o, "hours", ic_simulate_hours(r));
    set_count(o, "gets", s->gets);
    set_count(o, "hits", s->hits);
    set_real(o, "object_hit_ratio", ic_simulate_ratio(s->hits, s->gets));
    set_count(o, "get_bytes", s->get_bytes);
    set_count(o, "hit_bytes", s->hit_bytes);
    set_real(o, "byte_hit_ratio", ic_simulate_ratio(s->hit_bytes, s->get_bytes));
    set_count(o, "puts", s->puts);
    set_count(o, "fills", s->fills);
    set_count(o, "refused", s->refused);
    set_count(o, "too_large", s->too_large);
    set_count(o, "resets", s->resets);
    set_real(o, "availability_per_hour", mean);
    set_real(o, "availability_worst_hour", least);
    set_count(o, "evictions", s->evictions);
}

static void set_losses(json_t *o, const struct ic_sim_result *s)
{
    set_count(o, "reclaimed", s->reclaimed);
    set_count(o, "cold_starts", s->cold_starts);
    set_count(o, "lost_objects", s->lost_objects);
    set_count(o, "lost_chunks", s->lost_chunks);
    set_count(o, "decoded", s->decoded);
    set_count(o, "repairs", s->repairs);
    set_count(o, "repaired_chunks", s->repaired_chunks);
    set_count(o, "repaired_bytes", s->repaired_bytes);
    set_count(o, "backups", s->backups);
    set_count(o, "copied_chunks", s->copied_chunks);
    set_count(o, "copied_bytes", s->copied_bytes);
    set_count(o, "handed_over_chunks", s->handed_over_chunks);
    set_count(o, "handed_over_bytes", s->handed_over_bytes);
}

static void set_memory(json_t *o, const struct ic_simulate_report *r)
{
    const struct ic_sim_result *s = r->result;
    struct ic_lru_kept kept = ic_lru_curve_kept(r->work->curve);
    set_count(o, "functions", r->settings->functions);
    set_count(o, "proxies", r->proxies);
    set_real(o, "distinct_objects", kept.objects);
    set_real(o, "distinct_bytes", kept.bytes);
    set_count(o, "objects", s->objects);
    set_count(o, "peak_objects", s->peak_objects);
    set_count(o, "peak_bytes", s->cost.peak_bytes);
    set_count(o, "catalog_memory", s->catalog_memory);
    set_real(o, "memory_per_object", ic_simulate_ratio(s->catalog_memory, s->peak_objects));
}

static json_t *json_of_latency(const struct ic_histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    json_t *o = json_object();
    set_count(o, "count", h->count);
    set_real(o, "mean", ic_histogram_mean(h) / 1000);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        set_real(o, quantiles[i].name, (double)ic_histogram_quantile(h, quantiles[i].share) / 1000);
    }
    return o;
}

static json_t *json_of_latencies(const struct ic_sim_result *s)
{
    json_t *classes = json_object();
    for (int c = 0; c < IC_SIM_CLASSES; c++) {
        json_t *o = json_object();
        for (int l = 0; l < IC_SIM_LATENCIES; l++) {
            json_object_set_new(o, ic_sim_latency_name((enum ic_sim_latency)l),
                                json_of_latency(&s->latency[l][c]));
        }
        json_object_set_new(classes, ic_sim_class_name((enum ic_sim_class)c), o);
    }
    return classes;
}

/* ---- dollars ---------------------------------------------------------------- */

static json_t *json_of_bill(const struct ic_simulate_bill *b, double hours)
{
    json_t *o = json_object();
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        set_real(o, ic_cost_cause_name((enum ic_cost_cause)c), b->cause[c] / hours);
    }
    set_real(o, "functions", b->functions / hours);
    set_real(o, "proxy", b->proxy / hours);
    set_real(o, "total", b->total / hours);
    return o;
}

static json_t *json_of_invocations(const uint64_t *by_cause)
{
    json_t *o = json_object();
    for (int c = 0; c < IC_COST_TRANSFER; c++) {
        set_count(o, ic_cost_cause_name((enum ic_cost_cause)c), by_cause[c]);
    }
    return o;
}

static json_t *json_of_node(const struct ic_elsewhere_node *n)
{
    json_t *o = json_object();
    json_object_set_new(o, "node", json_string(ic_price(n->type)->name));
    set_count(o, "nodes", n->nodes);
    set_real(o, "dollars", n->dollars);
    set_real(o, "object_hit_ratio", n->object_hit_ratio);
    set_real(o, "byte_hit_ratio", n->byte_hit_ratio);
    return o;
}

static json_t *json_of_price(double dollars)
{
    json_t *o = json_object();
    set_real(o, "dollars", dollars);
    return o;
}

static json_t *json_of_elsewhere(const struct ic_elsewhere *e)
{
    json_t *o = json_object();
    json_t *same = json_of_node(&e->same);
    set_count(same, "lru_bytes", e->lru_bytes);
    json_object_set_new(o, "elasticache", same);
    json_object_set_new(o, "elasticache_paper", json_of_node(&e->paper));
    json_object_set_new(o, "serverless_redis", json_of_price(e->serverless_redis));
    json_object_set_new(o, "serverless_valkey", json_of_price(e->serverless_valkey));
    json_object_set_new(o, "s3_express", json_of_price(e->s3_express));
    json_object_set_new(o, "s3", json_of_price(e->s3));
    return o;
}

/* ---- hours ------------------------------------------------------------------ */

static json_t *json_of_hour(const struct ic_sim_hour *h)
{
    json_t *o = json_object();
    set_count(o, "gets", h->gets);
    set_count(o, "hits", h->hits);
    set_count(o, "resets", h->resets);
    set_real(o, "availability", ic_sim_availability(h->hits, h->resets));
    set_count(o, "reclaimed", h->reclaimed);
    set_count(o, "lost_objects", h->lost_objects);
    set_count(o, "repaired", h->repaired);
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        set_real(o, ic_cost_cause_name((enum ic_cost_cause)c), h->dollars[c]);
    }
    return o;
}

static json_t *json_of_hours(const struct ic_sim_result *s)
{
    json_t *hours = json_array();
    for (uint32_t i = 0; i < s->hours; i++) {
        json_array_append_new(hours, json_of_hour(&s->hour[i]));
    }
    return hours;
}

void ic_simulate_json_print(const struct ic_simulate_report *r)
{
    struct ic_simulate_bill bill = ic_simulate_bill(r);
    json_t *o = json_object();
    set_requests(o, r);
    set_losses(o, r->result);
    set_memory(o, r);
    json_object_set_new(o, "invocations", json_of_invocations(r->result->cost.invocations));
    json_object_set_new(o, "billed_ms", json_of_invocations(r->result->cost.billed_ms));
    json_object_set_new(o, "dollars", json_of_bill(&bill, 1));
    json_object_set_new(o, "dollars_per_hour", json_of_bill(&bill, ic_simulate_hours(r)));
    json_object_set_new(o, "origin", json_of_price(ic_simulate_origin(r)));
    json_object_set_new(o, "alternatives", json_of_elsewhere(&r->elsewhere));
    json_object_set_new(o, "latency_ms", json_of_latencies(r->result));
    json_object_set_new(o, "by_hour", json_of_hours(r->result));
    char *text = ic_must(json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9)));
    puts(text);
    free(text);
    json_decref(o);
}
