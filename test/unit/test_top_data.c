/* test_top_data.c - replies of all kinds as figures, and figures compared. */
#include "cli/top_data.h"

#include "unit/top_world.h"

#include <math.h>

static const char info[] =
    "# Server\r\nuptime_in_seconds:100\r\n\r\n# Clients\r\n"
    "connected_clients:3\r\nunheard_of:1\r\nno colon here\r\n:\r\n"
    "# Stats\r\ntotal_net_input_bytes:1000\r\ntotal_net_output_bytes:5000\r\n"
    "keyspace_hits:30\r\nkeyspace_misses:10\r\n# Commandstats\r\n"
    "cmdstat_get:calls=10,usec=5,usec_per_call=0.50\r\n"
    "cmdstat_mget:calls=2,usec=5\r\ncmdstat_ping:calls=77\r\n"
    "cmdstat_set:calls=4\r\n# Pool\r\npool_objects:7\r\n"
    "dollars_total:0.0123\r\nbudget_level:warning\r\n";

static void test_info(void **state)
{
    (void)state;
    struct ic_top_sample s;
    ic_top_sample_init(&s, 5);
    assert_true(isnan(s.figure[IC_TOP_UPTIME_S]));
    assert_int_equal(top_info(&s, info), 0);
    assert_true(s.figure[IC_TOP_UPTIME_S] == 100 && s.figure[IC_TOP_CLIENTS] == 3);
    assert_true(s.figure[IC_TOP_GETS] == 12 && s.figure[IC_TOP_SETS] == 4);
    assert_true(s.figure[IC_TOP_OBJECTS] == 7 && s.figure[IC_TOP_DOLLARS] == 0.0123);
    assert_true(isnan(s.figure[IC_TOP_CAPACITY_BYTES]));
    assert_true(isnan(s.figure[IC_TOP_DOLLARS_WARM]));
    assert_string_equal(s.budget_level, "warning");
    ic_top_sample_deinit(&s);
}

static void test_info_of_other_proxies(void **state)
{
    (void)state;
    struct ic_top_sample s;
    ic_top_sample_init(&s, 0);
    assert_int_equal(top_info(&s, "uptime_in_seconds:soon\r\nconnected_clients:\r\n"
                                  "pool_objects:1e999\r\ncmdstat_get:calls=many\r\n"
                                  "cmdstat_set:usec=3\r\nbudget_level:unreasonably-long-word\r\n"),
                     0);
    for (size_t i = 0; i < IC_TOP_FIGURES; i++) {
        assert_true(isnan(s.figure[i]));
    }
    assert_string_equal(s.budget_level, "unreasonably-lo");
    assert_int_equal(top_info(&s, "# Commandstats\r\n"), 0); /* nothing was called yet */
    assert_true(s.figure[IC_TOP_GETS] == 0 && s.figure[IC_TOP_SETS] == 0);
    static const char verbatim[] = "=27\r\ntxt:uptime_in_seconds:1\r\nx:y\r\n";
    assert_int_equal(ic_top_sample_info(&s, ic_slice_str(verbatim)), 0);
    ic_top_sample_deinit(&s);
}

static void test_malformed_info(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "\r\n",
                                      "$",
                                      "$5",
                                      "$5\r\n",
                                      "$5\r\nabc\r\n",
                                      "$-1\r\n",
                                      "$-7\r\n",
                                      "$x\r\n",
                                      "*0\r\n",
                                      ":5\r\n",
                                      "+OK\r\n",
                                      "-ERR no\r\n",
                                      "$0\r\n\r\n",
                                      "$99999999999999999999\r\nx\r\n",
                                      "$9223372036854775807\r\nx\r\n"};
    struct ic_top_sample s;
    ic_top_sample_init(&s, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ic_top_sample_info(&s, ic_slice_str(bad[i])), IC_EPROTO);
    }
    ic_top_sample_deinit(&s);
}

static void test_pool(void **state)
{
    (void)state;
    struct ic_top_sample s;
    ic_top_sample_init(&s, 0);
    top_functions(&s, 3);
    assert_int_equal(s.functions, 3);
    assert_string_equal(s.function[2].name, "f-2");
    assert_string_equal(s.function[1].state, "active");
    assert_true(ic_top_fill(&s.function[2]) == 0.02);
    assert_true(isnan(s.function[0].field[IC_TOP_LEASE_MS]));
    /* RESP3, fields that are new, of any kind, or not known to the proxy. */
    assert_int_equal(top_pool(&s, "*1\r\n%6\r\n$8\r\nfunction\r\n$1\r\na\r\n$4\r\nnest\r\n*2\r\n"
                                  "*1\r\n:1\r\n%1\r\n+k\r\n~1\r\n$1\r\nx\r\n$6\r\nage_ms\r\n:-1\r\n"
                                  "$4\r\nlive\r\n$2\r\n42\r\n$6\r\nchunks\r\n_\r\n"
                                  "$8\r\nlease_ms\r\n,2.5\r\n"),
                     0);
    assert_int_equal(s.functions, 1);
    assert_true(s.function[0].field[IC_TOP_LIVE] == 42);
    assert_true(s.function[0].field[IC_TOP_LEASE_MS] == 2.5);
    assert_true(isnan(s.function[0].field[IC_TOP_AGE_MS]));
    assert_true(isnan(s.function[0].field[IC_TOP_CHUNKS]));
    assert_true(isnan(ic_top_fill(&s.function[0])));
    assert_int_equal(top_pool(&s, "*0\r\n"), 0);
    assert_int_equal(s.functions, 0);
    ic_top_sample_deinit(&s);
}

static void test_long_names_are_cut(void **state)
{
    (void)state;
    char reply[400], name[200];
    struct ic_top_sample s;
    memset(name, 'n', sizeof name);
    snprintf(reply, sizeof reply, "*1\r\n*4\r\n+function\r\n$200\r\n%.200s\r\n+state\r\n+%.40s\r\n",
             name, name);
    ic_top_sample_init(&s, 0);
    assert_int_equal(top_pool(&s, reply), 0);
    assert_int_equal(strlen(s.function[0].name), IC_TOP_NAME_MAX - 1);
    assert_int_equal(strlen(s.function[0].state), IC_TOP_STATE_MAX - 1);
    ic_top_sample_deinit(&s);
}

static void test_malformed_pool(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "*1\r\n",
                                      "*-2\r\n",
                                      "*1000000000000\r\n",
                                      "%1\r\n+a\r\n*0\r\n",
                                      "$1\r\na\r\n",
                                      "*1\r\n:5\r\n",
                                      "*1\r\n*1\r\n+a\r\n",
                                      "*1\r\n*2\r\n+a\r\n",
                                      "*1\r\n*2\r\n*0\r\n:1\r\n",
                                      "*1\r\n*2\r\n+a\r\n*9\r\n:1\r\n",
                                      "*1\r\n*2\r\n+a\r\n$4\r\nab\r\n",
                                      "*1\r\n*2\r\n+a\r\n*1\r\n\r\n"};
    struct ic_top_sample s;
    ic_top_sample_init(&s, 0);
    top_functions(&s, 2);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(top_pool(&s, bad[i]), IC_EPROTO);
        assert_int_equal(s.functions, 2); /* what was known stays */
    }
    ic_top_sample_deinit(&s);
}

/* Every beginning of a good reply, in a block of its own, so that a read beyond it is seen. */
static void test_cut_replies(void **state)
{
    (void)state;
    static const char pool[] =
        "*1\r\n%2\r\n$4\r\nlive\r\n:42\r\n$4\r\nnest\r\n*2\r\n+a\r\n$2\r\nbc\r\n";
    for (size_t len = 0; len < sizeof pool - 1; len++) {
        struct ic_top_sample s;
        char *copy = ic_malloc(len);
        ic_top_sample_init(&s, 0);
        memcpy(copy, pool, len);
        assert_int_equal(ic_top_sample_pool(&s, ic_slice(copy, len)), IC_EPROTO);
        assert_int_equal(ic_top_sample_info(&s, ic_slice(copy, len)), IC_EPROTO);
        ic_free(copy);
        ic_top_sample_deinit(&s);
    }
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_top_sample s;
    ic_top_sample_init(&s, 0);
    ic_alloc_fail_at(1);
    assert_int_equal(top_pool(&s, "*0\r\n"), IC_ENOMEM);
    ic_top_sample_deinit(&s);
}

/* A sample of a proxy that has been up UPTIME seconds, with COUNT of everything. */
static void sample(struct ic_top_data *d, uint64_t now_ms, double uptime_s, double count)
{
    struct ic_top_sample s;
    ic_top_sample_init(&s, now_ms);
    top_functions(&s, 1);
    s.figure[IC_TOP_UPTIME_S] = uptime_s;
    s.figure[IC_TOP_GETS] = s.figure[IC_TOP_SETS] = count;
    s.figure[IC_TOP_BYTES_IN] = s.figure[IC_TOP_BYTES_OUT] = 100 * count;
    s.figure[IC_TOP_HITS] = 3 * count;
    s.figure[IC_TOP_MISSES] = count;
    ic_top_data_take(d, &s);
    assert_null(s.function);
}

static void test_rates(void **state)
{
    (void)state;
    struct ic_top_data d;
    ic_top_data_init(&d);
    assert_false(d.known);
    sample(&d, 1000, 10, 40);
    assert_true(d.known && isnan(d.gets_per_s) && isnan(d.hit_ratio));
    assert_true(d.hit_ratio_ever == 0.75);
    assert_int_equal(d.traffic_count, 0);
    sample(&d, 3000, 12, 60);
    assert_true(d.gets_per_s == 10 && d.sets_per_s == 10 && d.in_per_s == 1000);
    assert_true(d.hit_ratio == 0.75 && d.traffic[0] == 2000);
    sample(&d, 4000, 13, 60); /* nothing happened */
    assert_true(d.gets_per_s == 0 && isnan(d.hit_ratio) && d.traffic[1] == 0);
    sample(&d, 5000, 14, 5); /* CONFIG RESETSTAT */
    assert_true(isnan(d.gets_per_s) && isnan(d.traffic[2]));
    sample(&d, 6000, 1, 500); /* another process, busy since its start */
    assert_true(isnan(d.gets_per_s) && isnan(d.out_per_s));
    sample(&d, 6000, 1, 600); /* no time has passed */
    assert_true(isnan(d.gets_per_s));
    ic_top_data_deinit(&d);
}

/* What the asking itself takes is no traffic, whatever else there is. */
static void test_our_own_traffic(void **state)
{
    (void)state;
    struct ic_top_data d;
    ic_top_data_init(&d);
    for (int i = 1; i <= 2; i++) {
        struct ic_top_sample s;
        ic_top_sample_init(&s, 1000 * (uint64_t)i);
        s.figure[IC_TOP_UPTIME_S] = i;
        s.figure[IC_TOP_BYTES_IN] = 100 * i;
        s.figure[IC_TOP_BYTES_OUT] = 5000 * i;
        ic_top_sample_leave_out(&s, 100 * (uint64_t)i, 4000 * (uint64_t)(i - 1));
        ic_top_data_take(&d, &s);
    }
    assert_true(d.in_per_s == 0 && d.out_per_s == 1000 && d.traffic[0] == 1000);
    ic_top_data_deinit(&d);
}

static void test_traffic_is_bounded(void **state)
{
    (void)state;
    struct ic_top_data d;
    ic_top_data_init(&d);
    for (int i = 0; i <= 2 * IC_TOP_TRAFFIC; i++) {
        sample(&d, 1000 * (uint64_t)(i + 1), i, i * (i + 1) / 2);
    }
    assert_int_equal(d.traffic_count, IC_TOP_TRAFFIC);
    assert_true(d.traffic[IC_TOP_TRAFFIC - 1] == 200 * 2 * IC_TOP_TRAFFIC);
    assert_true(d.traffic[0] == 200 * (IC_TOP_TRAFFIC + 1));
    ic_top_data_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_info),
                                       leak_test(test_info_of_other_proxies),
                                       leak_test(test_malformed_info),
                                       leak_test(test_pool),
                                       leak_test(test_long_names_are_cut),
                                       leak_test(test_malformed_pool),
                                       leak_test(test_cut_replies),
                                       leak_test(test_without_memory),
                                       leak_test(test_rates),
                                       leak_test(test_our_own_traffic),
                                       leak_test(test_traffic_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
