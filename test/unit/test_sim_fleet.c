/* test_sim_fleet.c - several proxies, threads and passes: the same outcome. */
#include "simulate/fleet.h"

#include "base/list.h"
#include "sim_world.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { REQUESTS = 3000, MB = 1000000 };

struct source {
    struct ic_sim_source base;
    struct ic_rng rng;
    uint64_t next, fails_at; /* 0: never */
};

struct context {
    _Atomic int open;
    uint64_t fails_at, stops_at, reported;
    uint32_t passes;
    bool refuses;
};

static int next(struct ic_sim_source *base, struct ic_sim_request *out)
{
    struct source *s = IC_CONTAINER(base, struct source, base);
    if (s->fails_at != 0 && s->next == s->fails_at) {
        return IC_EPROTO;
    }
    if (s->next == REQUESTS) {
        return 0;
    }
    *out = sim_made_up(&s->rng, s->next++, 3, 20 * MB);
    return 1;
}

static int open_source(void *ctx, struct ic_sim_source **out, char *why)
{
    struct context *c = ctx;
    if (c->refuses) {
        strcpy(why, "not today");
        return IC_EIO;
    }
    struct source *s = calloc(1, sizeof *s); /* not of what fails in tests */
    s->base.next = next;
    s->fails_at = c->fails_at;
    ic_rng_init(&s->rng, 11);
    *out = &s->base;
    c->open++;
    return 0;
}

static void close_source(void *ctx, struct ic_sim_source *base)
{
    struct context *c = ctx;
    c->open--;
    free(IC_CONTAINER(base, struct source, base));
}

static bool progress(void *ctx, uint64_t requests, int64_t at_us, uint32_t pass, uint32_t passes)
{
    struct context *c = ctx;
    assert_true(requests >= c->reported && at_us >= 0 && pass < passes);
    c->reported = requests;
    c->passes = passes;
    return c->stops_at == 0 || requests < c->stops_at;
}

static struct ic_sim_fleet fleet_of(const struct sim_world *w, struct context *c, uint32_t proxies,
                                    uint32_t threads, uint32_t at_once)
{
    return (struct ic_sim_fleet){.settings = w->settings,
                                 .proxies = proxies,
                                 .threads = threads,
                                 .at_once = at_once,
                                 .open = open_source,
                                 .close = close_source,
                                 .progress = progress,
                                 .ctx = c};
}

static const char *const set[] = {"memory", "512mb", "reclaim", "zipf:2.5", NULL};

static void threads_and_passes_change_nothing(void **state)
{
    (void)state;
    static const uint32_t ways[][2] = {{1, 0}, {2, 0}, {3, 2}, {1, 1}, {64, 5}};
    struct sim_world w;
    struct ic_sim_result first = {0};
    sim_world_init(&w, 100, set);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct context c = {0};
        struct ic_sim_result r = {0};
        struct ic_sim_fleet f = fleet_of(&w, &c, 7, ways[i][0], ways[i][1]);
        assert_int_equal(ic_sim_fleet_run(&f, &r, w.why), 0);
        assert_int_equal(c.open, 0);
        assert_int_equal(r.requests, REQUESTS);
        if (i == 0) {
            first = r;
            continue;
        }
        assert_int_equal(r.hours, first.hours);
        assert_memory_equal(r.hour, first.hour, r.hours * sizeof *r.hour);
        ic_sim_result_deinit(&r);
        r.hour = first.hour;
        r.hours = first.hours;
        assert_memory_equal(&r, &first, sizeof r);
    }
    assert_true(first.hits > 0 && first.reclaimed > 0);
    ic_sim_result_deinit(&first);
    sim_world_deinit(&w);
}

/* Keys are spread: no proxy has far more than its share of what there is to do. */
static void keys_are_shared(void **state)
{
    (void)state;
    struct sim_world w;
    sim_world_init(&w, 100, set);
    struct context c = {0};
    struct ic_sim_result one = {0}, many = {0};
    struct ic_sim_fleet f = fleet_of(&w, &c, 1, 1, 0);
    assert_int_equal(ic_sim_fleet_run(&f, &one, w.why), 0);
    f = fleet_of(&w, &c, 5, 2, 0);
    assert_int_equal(ic_sim_fleet_run(&f, &many, w.why), 0);
    assert_int_equal(one.gets, many.gets);
    assert_in_range(many.hits, one.hits - one.gets / 20, one.hits + one.gets / 20);
    assert_int_equal(many.cold_starts >= 100, true);
    ic_sim_result_deinit(&one);
    ic_sim_result_deinit(&many);
    sim_world_deinit(&w);
}

static void as_many_as_are_needed(void **state)
{
    (void)state;
    assert_int_equal(ic_sim_fleet_proxies(1), 1);
    assert_int_equal(ic_sim_fleet_proxies(4096), 1);
    assert_int_equal(ic_sim_fleet_proxies(4097), 2);
    assert_int_equal(ic_sim_fleet_proxies(100000), 25);
}

static void errors_end_it(void **state)
{
    (void)state;
    struct sim_world w;
    sim_world_init(&w, 100, set);
    struct context c = {.fails_at = 500};
    struct ic_sim_result r = {0};
    struct ic_sim_fleet f = fleet_of(&w, &c, 4, 2, 0);
    assert_int_equal(ic_sim_fleet_run(&f, &r, w.why), IC_EPROTO);
    assert_int_equal(c.open, 0);
    c = (struct context){.refuses = true};
    assert_int_equal(ic_sim_fleet_run(&f, &r, w.why), IC_EIO);
    assert_string_equal(w.why, "not today");
    c = (struct context){0};
    f = fleet_of(&w, &c, 30, 2, 0); /* 3 functions each, and 4+2 needs 6 */
    assert_int_equal(ic_sim_fleet_run(&f, &r, w.why), IC_EINVAL);
    assert_non_null(strstr(w.why, "4+2"));
    assert_int_equal(c.open, 0);
    ic_sim_result_deinit(&r);
    sim_world_deinit(&w);
}

static void it_can_be_given_up(void **state)
{
    (void)state;
    struct sim_world w;
    sim_world_init(&w, 100, set);
    struct context c = {.stops_at = 1};
    struct ic_sim_result r = {0};
    struct ic_sim_fleet f = fleet_of(&w, &c, 2, 2, 1);
    f.progress = NULL;
    assert_int_equal(ic_sim_fleet_run(&f, &r, w.why), 0); /* nobody asks */
    ic_sim_result_deinit(&r);
    r = (struct ic_sim_result){0};
    f.progress = progress;
    f.report_every = 100;
    assert_int_equal(ic_sim_fleet_run(&f, &r, w.why), IC_ECANCELED);
    assert_int_equal(c.open, 0);
    assert_true(c.reported >= 1 && c.reported < REQUESTS);
    assert_int_equal(c.passes, 2);
    ic_sim_result_deinit(&r);
    sim_world_deinit(&w);
}

static void no_memory(void **state)
{
    (void)state;
    struct sim_world w;
    sim_world_init(&w, 24, set);
    struct context c = {0};
    struct ic_sim_fleet f = fleet_of(&w, &c, 2, 1, 0);
    int failed = 0;
    for (uint64_t n = 1; n < 100000; n = n * 3 + 1) {
        struct ic_sim_result r = {0};
        ic_alloc_fail_at(n);
        int result = ic_sim_fleet_run(&f, &r, w.why);
        ic_alloc_fail_at(0);
        assert_true(result == 0 || result == IC_ENOMEM);
        failed += result < 0;
        assert_int_equal(c.open, 0);
        ic_sim_result_deinit(&r);
    }
    assert_true(failed >= 3);
    sim_world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(threads_and_passes_change_nothing),
        leak_test(keys_are_shared),
        leak_test(as_many_as_are_needed),
        leak_test(errors_end_it),
        leak_test(it_can_be_given_up),
        leak_test(no_memory),
    };
    return cmocka_run_group_tests_name("sim_fleet", tests, NULL, NULL);
}
