/*
 * test_plan_run.c - simulations in children: as many as asked for, in the order asked for, and one
 * that cannot be is told.
 */
#include "cli/plan_run.h"

#include "core/cost.h"

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

static bool nothing_said(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return false;
}

static void tick(void *ctx)
{
    unsigned *count = ctx;
    (*count)++;
}

static void test_jobs(void **state)
{
    (void)state;
    struct ic_config *base = ic_config_new();
    struct ic_plan_space space;
    struct ic_work work;
    struct ic_work_options o = {.keys = "100", .sizes = "2mb", .requests = "500", .rate = "0.5"};
    struct ic_plan_world usual = {
        .cloud = ic_cloud_aws, .reclaim = "none", .shutdown = 1, .speed = 1};
    ic_prices_init(&usual.prices);
    struct ic_plan_world fast = usual, wrong = usual;
    fast.speed = 2;
    snprintf(wrong.reclaim, sizeof wrong.reclaim, "always");
    assert_int_equal(ic_work_init(&work, "plan", &o, NULL, 1), 0);
    assert_int_equal(ic_work_load(&work), 0);
    ic_plan_space_init(&space, base, nothing_said, NULL);
    struct ic_plan_point p = ic_plan_space_start(&space, 1e10);
    struct ic_plan_run run = {.work = &work, .space = &space, .children = 2};
    struct ic_plan_outcome out[4];
    struct ic_plan_job job[] = {
        {p, &usual, &out[0]}, {p, &fast, &out[1]}, {p, &wrong, &out[2]}, {p, &usual, &out[3]}};
    char why[IC_PLAN_RUN_WHY_MAX] = "";
    unsigned done = 0;
    assert_int_equal(ic_plan_run(&run, job, 4, tick, &done, why), 0);
    assert_int_equal(done, 4);
    assert_true(out[0].dollars == out[3].dollars); /* the same seed */
    assert_true(!out[0].failed && out[0].hit_ratio > 0.5 && out[0].dollars > 0);
    assert_true(out[0].cause[IC_COST_SERVE] > 0 && out[0].p99_us >= out[0].p50_us);
    assert_true(out[1].hours < 0.6 * out[0].hours && out[1].hit_ratio > 0.5);
    assert_true(out[2].failed);
    assert_non_null(strstr(why, "always"));
    double floor = ic_plan_run_floor(&run, &usual, p);
    assert_true(floor > 0 && floor <= out[0].dollars);
    ic_work_deinit(&work);
    ic_config_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_jobs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
