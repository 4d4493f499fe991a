/*
 * test_trace_source.c - which requests of a trace are simulated, under which keys, when.
 */
#include "cli/trace_source.h"

#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/infinicache-trace-XXXXXX";

static const char text[] = "10.0 get v2/one/abc 1000\n"
                           "11.5 put v2/two/abc 2000\n"
                           "11.5 copy v2/two/abc 2000\n"
                           "12.0 head v2/one/abc\n"
                           "13.0 get v2/one/big 5000\n"
                           "14.0 del abc\n"
                           "15.0 gat oops\n";

static int make_file(void **state)
{
    (void)state;
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

static struct ic_trace_source *open_with(struct ic_trace_choice choice)
{
    char why[IC_TRACE_WHY_MAX];
    struct ic_trace_source *s;
    assert_int_equal(ic_trace_source_open(path, &choice, &s, why), 0);
    return s;
}

static int take(struct ic_trace_source *s, struct ic_sim_request *r)
{
    struct ic_sim_source *source = ic_trace_source_requests(s);
    return source->next(source, r);
}

static void test_all_of_it(void **state)
{
    (void)state;
    static const int64_t at_ms[] = {0, 1500, 2000, 3000, 4000};
    static const uint8_t ops[] = {IC_SIM_GET, IC_SIM_PUT, IC_SIM_HEAD, IC_SIM_GET, IC_SIM_DELETE};
    struct ic_sim_request r[5], more;
    struct ic_trace_source *s = open_with((struct ic_trace_choice){.by_digest = false});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(take(s, &r[i]), 1);
        assert_int_equal(r[i].at_us, at_ms[i] * 1000);
        assert_int_equal(r[i].op, ops[i]);
    }
    assert_true(r[0].key == r[2].key && r[0].key != r[1].key && r[0].key != r[4].key);
    assert_true(r[1].bytes == 2000 && r[3].bytes == 5000);
    assert_int_equal(take(s, &more), IC_EPROTO);
    assert_non_null(strstr(ic_trace_source_why(s), "line 7"));
    assert_int_equal(ic_trace_source_passed_over(s), 1);
    ic_trace_source_close(s);
}

static void test_a_part_by_digest(void **state)
{
    (void)state;
    struct ic_sim_request r[3];
    struct ic_trace_source *s = open_with((struct ic_trace_choice){
        .by_digest = true, .largest = 4000, .from_ms = 1000, .to_ms = 5000});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take(s, &r[i]), 1);
        assert_true(r[i].key == r[0].key);
    }
    assert_int_equal(r[0].at_us, 500000);
    assert_int_equal(r[2].at_us, 3000000);
    ic_trace_source_close(s);
}

static void test_no_such_file_and_no_memory(void **state)
{
    (void)state;
    char why[IC_TRACE_WHY_MAX];
    struct ic_trace_source *s;
    struct ic_trace_choice all = {.by_digest = false};
    assert_int_equal(ic_trace_source_open("/none", &all, &s, why), IC_ENOENT);
    assert_non_null(strstr(why, "/none"));
    for (uint64_t n = 1; n <= 2; n++) {
        ic_alloc_fail_at(n);
        assert_int_equal(ic_trace_source_open(path, &all, &s, why), IC_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_all_of_it),
        leak_test(test_a_part_by_digest),
        leak_test(test_no_such_file_and_no_memory),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
