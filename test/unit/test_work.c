/*
 * test_work.c - a trace or made-up requests, counted once and then given as often as asked for.
 */
#include "cli/work.h"

#include "cli/commands.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/infinicache-work-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    static const char text[] = "0 get a/x 1000000\n60 get b/x 2000000\n90 put c 500\n95 del c\n"
                               "99 get huge 9000000000\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* Requests of one opening, all keys mixed into one number. */
static uint64_t play(struct ic_work *w, uint64_t *count)
{
    char why[512];
    struct ic_sim_source *source;
    struct ic_sim_request r;
    uint64_t mixed = 0;
    assert_int_equal(ic_work_open(w, &source, why), 0);
    for (*count = 0; source->next(source, &r) == 1; (*count)++) {
        mixed = mixed * 31 + r.key;
    }
    ic_work_close(w, source);
    return mixed;
}

static void test_a_trace(void **state)
{
    (void)state;
    uint64_t first, second;
    struct ic_work w;
    struct ic_work_options o = {.largest = "1gb", .key_field = "digest"};
    assert_int_equal(ic_work_init(&w, "simulate", &o, path, 1), 0);
    assert_int_equal(ic_work_load(&w), 0);
    assert_int_equal(w.requests, 4);
    assert_int_equal(w.passed_over, 1);
    assert_int_equal(w.gets, 2);
    assert_int_equal(w.puts, 1);
    assert_int_equal(w.deletes, 1);
    assert_int_equal(w.get_bytes, 3000000);
    assert_int_equal(w.largest_bytes, 2000000);
    assert_int_equal(w.end_us, 95000000);
    assert_true(ic_lru_curve_hits(w.curve, 1 << 30) == 0.5);
    assert_true(play(&w, &first) == play(&w, &second));
    assert_int_equal(first, 4);
    ic_work_deinit(&w);
}

static void test_made_up_requests(void **state)
{
    (void)state;
    uint64_t count;
    struct ic_work w;
    struct ic_work_options o = {
        .keys = "50", .sizes = "2mb", .requests = "3000", .order = "uniform"};
    assert_int_equal(ic_work_init(&w, "simulate", &o, NULL, 1), 0);
    assert_int_equal(ic_work_load(&w), 0);
    assert_int_equal(w.requests, 3000);
    assert_int_equal(w.class_gets[IC_SIM_BELOW_10MB], 3000);
    assert_true(w.end_us > 2800000000); /* one a second */
    uint64_t mixed = play(&w, &count);
    assert_int_equal(count, 3000);
    w.recorded = false; /* as if they had been too many: made again */
    assert_true(play(&w, &count) == mixed);
    ic_work_deinit(&w);
}

static void test_what_is_wrong_is_refused(void **state)
{
    (void)state;
    struct ic_work w;
    static const struct {
        struct ic_work_options options;
        bool trace;
    } bad[] = {{{.keys = "5"}, true},
               {{.key_field = "digest"}, false},
               {{.from = "2h", .to = "1h"}, true},
               {{.key_field = "path"}, true},
               {{.rate = "0"}, false},
               {{.order = "zipf:x"}, false},
               {{.order = "random"}, false}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *trace = bad[i].trace ? path : NULL;
        assert_int_equal(ic_work_init(&w, "simulate", &bad[i].options, trace, 1), IC_CLI_FAILED);
    }
    struct ic_work_options none = {.from = "1h"};
    assert_int_equal(ic_work_init(&w, "simulate", &none, path, 1), 0);
    assert_int_equal(ic_work_load(&w), IC_CLI_FAILED);
    ic_work_deinit(&w);
    struct ic_work_options sizes = {.sizes = "huge"};
    assert_int_equal(ic_work_init(&w, "simulate", &sizes, NULL, 1), 0);
    assert_int_equal(ic_work_load(&w), IC_CLI_FAILED);
    ic_work_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_a_trace),
        leak_test(test_made_up_requests),
        leak_test(test_what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
