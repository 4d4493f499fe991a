#include "cli/plan_report.h"

#include "base/alloc.h"
#include "cli/human.h"
#include "cli/settings.h"
#include "core/cost.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what both say ---------------------------------------------------------- */

/* D's value in C belongs into the file: it was chosen, or said by the user. The cloud's own
 * behaviour does not: it is assumed here, and `up` would make the local platform play it. */
static bool is_in_file(const struct ic_plan_report *r, const struct ic_directive *d)
{
    for (int i = 0; i < IC_PLAN_DIMENSIONS; i++) {
        if (strcmp(d->name, ic_plan_space_name((enum ic_plan_dimension)i)) == 0) {
            return true;
        }
    }
    return (d->scope & IC_SCOPE_P) != 0 && r->said(r->ctx, d->name);
}

/* The winner's configuration, as of one proxy. */
static struct ic_config *config_of(const struct ic_plan_report *r, uint32_t *proxies)
{
    struct ic_config *c = ic_plan_space_config(r->space, r->winner.point);
    *proxies = ic_plan_run_proxies(c->functions);
    c->functions = (c->functions + *proxies - 1) / *proxies;
    return c;
}

static const char *difference(const struct ic_plan_report *r, struct ic_plan_point p,
                              struct ic_buf *text)
{
    ic_buf_init(text);
    if (ic_plan_space_difference(r->space, r->winner.point, p, text) < 0 ||
        ic_buf_append(text, "", 1) < 0) {
        abort(); /* out of memory: there is nothing to save */
    }
    return (const char *)text->data;
}

/* ---- text ------------------------------------------------------------------- */

static void print_targets(const struct ic_plan_report *r)
{
    const struct ic_plan_targets *t = r->targets;
    fputs("# targets:", stdout);
    if (t->hit_ratio > 0) {
        printf(" hit ratio %.2f %%", t->hit_ratio * 100);
    }
    if (t->byte_hit_ratio > 0) {
        printf(" of bytes %.2f %%", t->byte_hit_ratio * 100);
    }
    if (t->availability > 0) {
        printf(" availability %.3f %%", t->availability * 100);
    }
    if (t->availability_least > 0) {
        printf(" availability of every hour %.3f %%", t->availability_least * 100);
    }
    if (t->p99_us > 0) {
        printf(" p99 %.0f ms", t->p99_us / 1000);
    }
    if (t->dollars_per_hour > 0) {
        printf(" budget $%g an hour", t->dollars_per_hour);
    }
    puts("");
}

static void print_head(const struct ic_plan_report *r)
{
    const struct ic_work *w = r->work;
    char bytes[IC_HUMAN_MAX];
    printf("# infinicache plan: the cheapest pool found in %zu simulations for\n", r->trials);
    printf("# %s%s: %" PRIu64 " requests in %.1f hours, %s read\n",
           w->path == NULL ? "made-up requests" : w->path,
           w->path == NULL       ? ""
           : w->choice.by_digest ? ", keys by digest"
                                 : ", keys by URI",
           w->requests, (double)w->end_us / 3.6e9, ic_human_bytes((double)w->get_bytes, bytes));
    print_targets(r);
    printf(
        "# assumed: cloud %s, reclaim %s, %g %% of reclaims with a shutdown phase, billed by %s, "
        "seed %" PRIu64 "\n",
        r->world->cloud.name, r->world->reclaim, r->world->shutdown * 100,
        r->world->billing == IC_BILLING_100MS ? "100 ms" : "1 ms", r->world->seed);
}

static void print_outcome(const struct ic_plan_report *r)
{
    const struct ic_plan_outcome *o = &r->winner.outcome;
    char a[IC_HUMAN_MAX], b[IC_HUMAN_MAX], c[IC_HUMAN_MAX];
    if (!ic_plan_meets(r->targets, o)) {
        puts("#\n# NO POOL WAS FOUND THAT MEETS THE TARGETS. This one comes nearest:");
    }
    printf("#\n# functions: %s in %.1f hours, %s an hour (over %" PRIu32 " seeds %s",
           ic_human_dollars(o->dollars, a), o->hours, ic_human_dollars(o->dollars / o->hours, b),
           r->seeds, ic_human_dollars(r->dollars_least, c));
    printf(" to %s)\n#", ic_human_dollars(r->dollars_most, a));
    for (int i = 0; i < IC_COST_CAUSES; i++) {
        printf(" %s %s", ic_cost_cause_name((enum ic_cost_cause)i),
               ic_human_dollars(o->cause[i], a));
    }
    printf("\n# hit ratio %.2f %%, of bytes %.2f %%; hits p50 %.0f ms, p99 %.0f ms\n",
           o->hit_ratio * 100, o->byte_hit_ratio * 100, o->p50_us / 1000, o->p99_us / 1000);
    printf(
        "# availability %.3f %% per hour on average, %.3f %% in the worst hour; %.1f resets, %.0f "
        "at most\n",
        o->availability * 100, o->availability_least * 100, o->resets, r->resets_most);
}

static void print_elsewhere(const struct ic_plan_report *r, uint32_t proxies)
{
    const struct ic_elsewhere *e = &r->elsewhere;
    char text[4][IC_HUMAN_MAX];
    double proxy = r->world->prices.dollars[IC_PRICE_PROXY_HOUR];
    printf("# beside it: %" PRIu32 " proxy at %s an hour; ElastiCache %" PRIu64
           " x %s with that hit ratio %s, S3 Express %s, S3 %s\n",
           proxies, ic_human_dollars(proxy, text[0]), e->same.nodes, ic_price(e->same.type)->name,
           ic_human_dollars(e->same.dollars, text[1]), ic_human_dollars(e->s3_express, text[2]),
           ic_human_dollars(e->s3, text[3]));
}

static void print_file(const struct ic_plan_report *r, const struct ic_config *c)
{
    size_t count;
    const struct ic_directive *all = ic_directives(&count);
    puts("");
    for (size_t i = 0; i < count; i++) {
        if (is_in_file(r, &all[i])) {
            char *value = ic_settings_text(c, &all[i]);
            printf("%s \"%s\"\n", all[i].name, value);
            ic_free(value);
        }
    }
}

static void print_runners(const struct ic_plan_report *r)
{
    char dollars[IC_HUMAN_MAX];
    if (r->runners == 0) {
        return;
    }
    puts("\n# Runners-up: dollars, hit ratio, availability, p99 of hits, what is different");
    for (size_t i = 0; i < r->runners; i++) {
        const struct ic_plan_trial *t = &r->runner[i];
        struct ic_buf text;
        printf("#  %9s  %6.2f %%  %7.3f %%  %7.0f ms  %s%s\n",
               ic_human_dollars(t->outcome.dollars, dollars), t->outcome.hit_ratio * 100,
               t->outcome.availability * 100, t->outcome.p99_us / 1000,
               difference(r, t->point, &text),
               ic_plan_meets(r->targets, &t->outcome) ? "" : " (misses a target)");
        ic_buf_deinit(&text);
    }
}

static void print_variations(const struct ic_plan_report *r)
{
    char dollars[IC_HUMAN_MAX];
    if (r->variations == 0) {
        return;
    }
    puts("\n# What the answer hangs on: the same pool, if");
    for (size_t i = 0; i < r->variations; i++) {
        const struct ic_plan_variation *v = &r->variation[i];
        if (v->outcome.failed) {
            printf("#  %-52s could not be simulated\n", v->what);
            continue;
        }
        printf("#  %-52s %9s  %+6.1f %%   hit ratio %.2f %%, availability %.3f %%%s\n", v->what,
               ic_human_dollars(v->outcome.dollars, dollars), v->change * 100,
               v->outcome.hit_ratio * 100, v->outcome.availability * 100,
               ic_plan_meets(r->targets, &v->outcome) ? "" : " MISSED");
    }
    printf("# most: %s\n", r->variation[0].what);
}

void ic_plan_report_text(const struct ic_plan_report *r)
{
    uint32_t proxies;
    struct ic_config *c = config_of(r, &proxies);
    print_head(r);
    print_outcome(r);
    print_elsewhere(r, proxies);
    if (proxies > 1) {
        printf("# %" PRIu32 " proxies, each with this file\n", proxies);
    }
    print_file(r, c);
    print_runners(r);
    print_variations(r);
    ic_config_free(c);
}

/* ---- JSON ------------------------------------------------------------------- */

static json_t *json_of_outcome(const struct ic_plan_report *r, const struct ic_plan_outcome *o)
{
    json_t *causes = json_object();
    for (int i = 0; i < IC_COST_CAUSES; i++) {
        json_object_set_new(causes, ic_cost_cause_name((enum ic_cost_cause)i),
                            json_real(o->cause[i]));
    }
    json_object_set_new(causes, "functions", json_real(o->dollars));
    return json_pack("{s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:b}", "dollars", causes,
                     "hours", o->hours, "object_hit_ratio", o->hit_ratio, "byte_hit_ratio",
                     o->byte_hit_ratio, "availability_per_hour", o->availability,
                     "availability_worst_hour", o->availability_least, "p50_ms", o->p50_us / 1000,
                     "p99_ms", o->p99_us / 1000, "resets", o->resets, "meets_targets",
                     ic_plan_meets(r->targets, o));
}

static json_t *json_of_file(const struct ic_plan_report *r, const struct ic_config *c)
{
    size_t count;
    const struct ic_directive *all = ic_directives(&count);
    json_t *o = json_object();
    for (size_t i = 0; i < count; i++) {
        if (is_in_file(r, &all[i])) {
            char *value = ic_settings_text(c, &all[i]);
            json_object_set_new(o, all[i].name, json_string(value));
            ic_free(value);
        }
    }
    return o;
}

static json_t *json_of_runners(const struct ic_plan_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->runners; i++) {
        struct ic_buf text;
        json_t *o = json_of_outcome(r, &r->runner[i].outcome);
        json_object_set_new(o, "difference", json_string(difference(r, r->runner[i].point, &text)));
        ic_buf_deinit(&text);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *json_of_variations(const struct ic_plan_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->variations; i++) {
        json_t *o = json_of_outcome(r, &r->variation[i].outcome);
        json_object_set_new(o, "if", json_string(r->variation[i].what));
        json_object_set_new(o, "change", json_real(r->variation[i].change));
        json_array_append_new(list, o);
    }
    return list;
}

void ic_plan_report_json(const struct ic_plan_report *r)
{
    uint32_t proxies;
    struct ic_config *c = config_of(r, &proxies);
    json_t *o = json_object();
    json_object_set_new(o, "configuration", json_of_file(r, c));
    json_object_set_new(o, "proxies", json_integer(proxies));
    json_object_set_new(o, "outcome", json_of_outcome(r, &r->winner.outcome));
    json_object_set_new(o, "seeds", json_integer(r->seeds));
    json_object_set_new(o, "runners_up", json_of_runners(r));
    json_object_set_new(o, "sensitivity", json_of_variations(r));
    json_object_set_new(o, "simulations", json_integer((json_int_t)r->trials));
    char *text = ic_must(json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9)));
    puts(text);
    free(text);
    json_decref(o);
    ic_config_free(c);
}
