/* test_human.c - figures as people read them: units, digits and bounds. */
#include "cli/human.h"

#include "unit.h"

#include <math.h>
#include <string.h>

struct row {
    double value;
    const char *text;
};

static void check(const char *(*write)(double value, char *out), const struct row *rows,
                  size_t count)
{
    char out[IC_HUMAN_MAX];
    static const double nothing[] = {NAN, -1, INFINITY, -INFINITY};
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(write(rows[i].value, out), rows[i].text);
    }
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        assert_string_equal(write(nothing[i], out), "-");
    }
    static const double huge[] = {1e12, 1e18, 1e30, 1e308};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        assert_true(strlen(write(huge[i], out)) < IC_HUMAN_MAX - 1); /* it is not cut either */
    }
}

#define CHECK(write, rows) check(write, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_bytes(void **state)
{
    (void)state;
    static const struct row rows[] = {{0, "0 B"},
                                      {999, "999 B"},
                                      {1000, "0.98 KiB"},
                                      {1024, "1.00 KiB"},
                                      {1536, "1.50 KiB"},
                                      {10.24 * 1024, "10.2 KiB"},
                                      {999 * 1024.0, "999 KiB"},
                                      {1023.9 * 1024, "1.00 MiB"},
                                      {1.21 * (1 << 30), "1.21 GiB"},
                                      {1e15, "909 TiB"}};
    CHECK(ic_human_bytes, rows);
}

static void test_counts_and_rates(void **state)
{
    (void)state;
    static const struct row counts[] = {
        {0, "0"},          {7, "7"},           {99999, "99999"},    {100000, "100 k"},
        {999499, "999 k"}, {999999, "1.00 M"}, {12345678, "12.3 M"}};
    static const struct row rates[] = {
        {0, "0"}, {0.4, "0.4"}, {9.9, "9.9"}, {9.96, "10"}, {1204, "1204"}};
    CHECK(ic_human_count, counts);
    CHECK(ic_human_rate, rates);
}

static void test_durations(void **state)
{
    (void)state;
    static const struct row rows[] = {{0, "0ms"},          {999, "999ms"},      {999.6, "1.0s"},
                                      {12345, "12.3s"},    {59960, "60.0s"},    {60000, "1m00s"},
                                      {245000, "4m05s"},   {3600000, "1h00m"},  {11100000, "3h05m"},
                                      {86400000, "1d00h"}, {187200000, "2d04h"}};
    CHECK(ic_human_duration, rows);
}

static void test_dollars(void **state)
{
    (void)state;
    static const struct row rows[] = {{0, "$0.00"},        {0.0000012345, "$0.00000123"},
                                      {0.0123, "$0.0123"}, {0.5, "$0.500"},
                                      {1, "$1.00"},        {12.345, "$12.35"},
                                      {518.4, "$518"},     {1e-20, "$0.000000000000"}};
    CHECK(ic_human_dollars, rows);
}

static void test_percents(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, "0.0%"}, {0.3424, "34.2%"}, {0.9994, "99.9%"}, {1, "100%"}, {1.5, "150%"}};
    CHECK(ic_human_percent, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_bytes), leak_test(test_counts_and_rates),
                                       leak_test(test_durations), leak_test(test_dollars),
                                       leak_test(test_percents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
