#include "cli/plan_run.h"

#include "base/alloc.h"
#include "base/list.h"
#include "cli/simulate_report.h"
#include "simulate/fleet.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MAX = 64 };

struct answer { /* what a child writes */
    struct ic_plan_outcome outcome;
    char why[IC_PLAN_RUN_WHY_MAX];
};
static_assert(sizeof(struct answer) <= 4096, "written to a pipe at once");

/* ---- one simulation, in the child ------------------------------------------- */

struct paced { /* the work's source on another clock */
    struct ic_sim_source source;
    struct ic_sim_source *inner;
    double speed;
};

static int next_paced(struct ic_sim_source *source, struct ic_sim_request *out)
{
    struct paced *p = IC_CONTAINER(source, struct paced, source);
    int result = p->inner->next(p->inner, out);
    out->at_us = result > 0 ? (int64_t)((double)out->at_us / p->speed) : out->at_us;
    return result;
}

struct child {
    struct ic_work *work;
    const struct ic_plan_world *world;
};

static int open_paced(void *ctx, struct ic_sim_source **out, char *why)
{
    struct child *c = ctx;
    struct paced *p = ic_calloc(1, sizeof *p);
    int result = p == NULL ? IC_ENOMEM : ic_work_open(c->work, &p->inner, why);
    if (result < 0) {
        ic_free(p);
        return result;
    }
    p->source.next = next_paced;
    p->speed = c->world->speed;
    *out = &p->source;
    return 0;
}

static void close_paced(void *ctx, struct ic_sim_source *source)
{
    struct child *c = ctx;
    struct paced *p = IC_CONTAINER(source, struct paced, source);
    ic_work_close(c->work, p->inner);
    ic_free(p);
}

static double hit_quantile(const struct ic_sim_result *r, double share)
{
    struct ic_histogram *all = ic_must(ic_calloc(1, sizeof *all));
    for (int c = 0; c < IC_SIM_CLASSES; c++) {
        ic_histogram_merge(all, &r->latency[IC_SIM_HIT][c]);
    }
    double value = (double)ic_histogram_quantile(all, share);
    ic_free(all);
    return value;
}

static void judge(const struct ic_sim_result *r, struct ic_plan_outcome *o)
{
    static_assert(IC_COST_CAUSES <= sizeof o->cause / sizeof o->cause[0], "room for all causes");
    *o = (struct ic_plan_outcome){
        .hours = (double)r->end_us / 3.6e9,
        .hit_ratio = ic_simulate_ratio(r->hits, r->gets),
        .byte_hit_ratio = ic_simulate_ratio(r->hit_bytes, r->get_bytes),
        .availability = ic_simulate_availability(r, &o->availability_least),
        .p50_us = hit_quantile(r, 0.5),
        .p99_us = hit_quantile(r, 0.99),
        .resets = (double)r->resets,
    };
    ic_simulate_availability(r, &o->availability_least);
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        o->cause[c] = r->cost.dollars[c];
        o->dollars += r->cost.dollars[c];
    }
}

uint32_t ic_plan_run_proxies(int64_t functions)
{
    return ic_sim_fleet_proxies((uint32_t)functions);
}

static struct ic_config *config_of(const struct ic_plan_run *run, const struct ic_plan_job *job)
{
    char why[IC_WHY_MAX];
    struct ic_config *c = ic_plan_space_config(run->space, job->point);
    c->billing = job->world->billing;
    if (ic_config_set(c, ic_slice_str("reclaim"), ic_slice_str(job->world->reclaim), why) < 0) {
        abort(); /* a text is refused only without memory */
    }
    return c;
}

static void simulate(const struct ic_plan_run *run, const struct ic_plan_job *job,
                     struct answer *answer)
{
    struct ic_config *config = config_of(run, job);
    struct ic_sim_result *result = ic_must(ic_calloc(1, sizeof *result));
    struct child child = {.work = run->work, .world = job->world};
    struct ic_sim_fleet fleet = {
        .settings = {.config = config,
                     .prices = &job->world->prices,
                     .cloud = &job->world->cloud,
                     .functions = (uint32_t)config->functions,
                     .fill = true,
                     .shutdown = job->world->shutdown,
                     .seed = job->world->seed},
        .proxies = ic_plan_run_proxies(config->functions),
        .threads = 1,
        .at_once = 1,
        .end_us = (int64_t)((double)run->work->made.end_us / job->world->speed),
        .open = open_paced,
        .close = close_paced,
        .ctx = &child,
    };
    if (ic_sim_fleet_run(&fleet, result, answer->why) < 0) {
        answer->outcome = (struct ic_plan_outcome){.failed = true};
    } else {
        judge(result, &answer->outcome);
    }
    ic_sim_result_deinit(result);
    ic_free(result);
    ic_config_free(config);
}

/* ---- children --------------------------------------------------------------- */

struct running {
    pid_t pid;
    int pipe;
    const struct ic_plan_job *job;
};

static int begin(const struct ic_plan_run *run, const struct ic_plan_job *job, struct running *r)
{
    int ends[2];
    if (pipe(ends) < 0) {
        return IC_EIO;
    }
    fflush(NULL); /* or the child would write it too */
    r->pid = fork();
    if (r->pid == 0) {
        struct answer answer = {.why = ""};
        close(ends[0]);
        simulate(run, job, &answer);
        _exit(write(ends[1], &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1);
    }
    close(ends[1]);
    if (r->pid < 0) {
        close(ends[0]);
        return IC_EIO;
    }
    r->pipe = ends[0];
    r->job = job;
    return 0;
}

static void end(struct running *r, char *why)
{
    struct answer answer = {.outcome = {.failed = true}};
    ssize_t got;
    do {
        got = read(r->pipe, &answer, sizeof answer);
    } while (got < 0 && errno == EINTR);
    close(r->pipe);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (got != (ssize_t)sizeof answer) {
        answer = (struct answer){.outcome = {.failed = true},
                                 .why = "a simulation has ended before its end"};
    }
    *r->job->out = answer.outcome;
    if (answer.outcome.failed) {
        snprintf(why, IC_PLAN_RUN_WHY_MAX, "%s", answer.why);
    }
    *r = (struct running){.pid = 0};
}

int ic_plan_run(const struct ic_plan_run *run, const struct ic_plan_job *job, size_t count,
                void (*done)(void *ctx), void *ctx, char *why)
{
    struct running ring[CHILDREN_MAX] = {{.pid = 0}};
    size_t children = run->children < CHILDREN_MAX ? run->children : CHILDREN_MAX;
    size_t begun = 0;
    int result = 0;
    /* Collected in the order they were begun: they take about as long each. */
    for (size_t ended = 0; ended < count && result == 0; ended++) {
        while (begun < count && begun < ended + children && result == 0) {
            result = begin(run, &job[begun], &ring[begun % children]);
            begun += result == 0;
        }
        if (ended < begun) {
            end(&ring[ended % children], why);
            done(ctx);
        }
    }
    for (size_t i = 0; i < children; i++) {
        if (ring[i].pid != 0) {
            end(&ring[i], why);
        }
    }
    return result;
}

double ic_plan_run_floor(const struct ic_plan_run *run, const struct ic_plan_world *world,
                         struct ic_plan_point point)
{
    struct ic_config *c = ic_plan_space_config(run->space, point);
    double hours = (double)run->work->end_us / world->speed / 3.6e9;
    struct ic_rate rate =
        ic_prices_rate(&world->prices, world->billing, c->architecture, (uint64_t)c->memory);
    /* A function that is used as often as it would be warmed is not warmed, but invoked. */
    double times = c->warm_interval > 0 ? hours * 3.6e6 / (double)c->warm_interval : 0;
    double dollars =
        (double)c->functions * times * (rate.per_invocation + rate.per_ms * rate.granularity) / 2;
    ic_config_free(c);
    return dollars;
}
