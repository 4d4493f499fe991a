/*
 * test_code_table.c - the directive's text into rows, and what is wrong with bad ones.
 */
#include "core/code_table.h"

#include "unit/unit.h"

#include <string.h>

static void test_default(void **state)
{
    (void)state;
    struct ic_code_table t;
    char why[256];
    assert_int_equal(ic_code_table_parse(&t, "256kb:1+2,4mb:4+2,*:10+2", why, sizeof why), 0);
    assert_int_equal(t.count, 3);
    static const struct {
        uint64_t size;
        uint16_t data;
    } picks[] = {{0, 1},       {1, 1},        {262143, 1},     {262144, 4},
                 {4194303, 4}, {4194304, 10}, {UINT64_MAX, 10}};
    for (size_t i = 0; i < sizeof picks / sizeof picks[0]; i++) {
        const struct ic_code_row *row = ic_code_table_pick(&t, picks[i].size);
        assert_int_equal(row->data, picks[i].data);
        assert_int_equal(row->parity, 2);
    }
    assert_int_equal(ic_code_table_check(&t, 12, why, sizeof why), 0);
    assert_int_equal(ic_code_table_check(&t, 11, why, sizeof why), IC_ERANGE);
    assert_non_null(strstr(why, "10+2"));
    assert_non_null(strstr(why, "12 functions"));
}

static void test_other_texts(void **state)
{
    (void)state;
    struct ic_code_table t;
    char why[256];
    assert_int_equal(ic_code_table_parse(&t, "*:1+0", why, sizeof why), 0);
    assert_int_equal(ic_code_table_pick(&t, 77)->parity, 0);
    assert_int_equal(ic_code_table_parse(&t, "100:1+1,2KB:2+1,1GB:3+1,*:32+16", why, sizeof why),
                     0);
    assert_int_equal(t.row[0].below, 100);
    assert_int_equal(t.row[1].below, 2048);
    assert_int_equal(t.row[2].below, 1 << 30);
    static const char *const bad[] = {
        "",
        "*",
        "*:",
        "*:10",
        "*:10+",
        "*:0+2",
        "*:33+2",
        "*:10+17",
        "64kb:1+2",
        "*:10+2,",
        "*:1+1,*:1+1",
        "2kb:1+1,1kb:1+1,*:1+1",
        "x:1+1",
        "0kb:1+1,*:1+1",
        "64kb:1+2 *:1+1",
        "-1:1+1,*:1+1",
        "*:10+2x",
        "1tb:1+1,*:1+1",
        "99999999999999999999:1+1,*:1+1",
        ("1:1+1,2:1+1,3:1+1,4:1+1,5:1+1,6:1+1,7:1+1,8:1+1,9:1+1,10:1+1,11:1+1,12:1+1,13:1+1,14:1+1,"
         "15:1+1,16:1+1,*:1+1"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why[0] = '\0';
        assert_int_equal(ic_code_table_parse(&t, bad[i], why, sizeof why), IC_EINVAL);
        assert_non_null(strstr(why, "code-table"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_default),
        leak_test(test_other_texts),
    };
    return cmocka_run_group_tests_name("code_table", tests, NULL, NULL);
}
