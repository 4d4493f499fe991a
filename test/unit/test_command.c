/*
 * test_command.c - the table of commands: every row is complete and found by its name,
 * and what derives from it fits.
 */
#include "proxy/command.h"

#include "unit/unit.h"

#include <ctype.h>

static void check_row(const struct ic_command *c)
{
    assert_true(c->arity != 0);
    assert_true(c->since != NULL && c->complexity != NULL);
    assert_true(c->group < IC_GROUP_COUNT);
    size_t length = strlen(c->summary);
    assert_true(length > 5 && c->summary[length - 1] == '.' && isupper(c->summary[0]));
    for (const char *at = c->name; *at != '\0'; at++) {
        assert_false(isupper(*at));
    }
    assert_true(c->handler != NULL || c->subcommand_count > 0);
    assert_true((c->flags & IC_COMMAND_WRITE) == 0 || (c->flags & IC_COMMAND_READONLY) == 0);
    assert_true(c->value == 0 || (c->flags & IC_COMMAND_DENYOOM) != 0);
    assert_ptr_equal(ic_command_find_full(ic_slice_str(c->name)), c);
}

static void test_rows(void **state)
{
    (void)state;
    size_t numbers = 0;
    static bool seen[1000];
    assert_true(ic_command_numbers() < 1000);
    for (size_t i = 0; i < ic_command_count; i++) {
        const struct ic_command *c = &ic_command_table[i];
        check_row(c);
        assert_false(seen[ic_command_number(c)]);
        seen[ic_command_number(c)] = true;
        numbers++;
        for (size_t j = 0; j < c->subcommand_count; j++) {
            const struct ic_command *sub = &c->subcommands[j];
            check_row(sub);
            assert_int_equal(strncmp(sub->name, c->name, strlen(c->name)), 0);
            assert_false(seen[ic_command_number(sub)]);
            seen[ic_command_number(sub)] = true;
            numbers++;
        }
    }
    assert_int_equal(numbers, ic_command_numbers());
}

static void test_find(void **state)
{
    (void)state;
    assert_string_equal(ic_command_find(ic_slice_str("GeT"))->name, "get");
    assert_null(ic_command_find(ic_slice_str("ge")));
    assert_null(ic_command_find(ic_slice_str("gett")));
    assert_null(ic_command_find(ic_slice_str("")));
    assert_null(ic_command_find(ic_slice("get\0", 4)));
    const struct ic_command *client = ic_command_find(ic_slice_str("client"));
    assert_string_equal(ic_command_find_sub(client, ic_slice_str("LIST"))->name, "client|list");
    assert_null(ic_command_find_sub(client, ic_slice_str("lis")));
    assert_null(ic_command_find_full(ic_slice_str("get|x")));
    assert_null(ic_command_find_full(ic_slice_str("x|get")));
    assert_null(ic_command_find_full(ic_slice(NULL, 0)));
}

static void test_arity(void **state)
{
    (void)state;
    const struct ic_command *get = ic_command_find(ic_slice_str("get"));
    const struct ic_command *del = ic_command_find(ic_slice_str("del"));
    assert_false(ic_command_arity_fits(get, 1));
    assert_true(ic_command_arity_fits(get, 2));
    assert_false(ic_command_arity_fits(get, 3));
    assert_false(ic_command_arity_fits(del, 1));
    assert_true(ic_command_arity_fits(del, 1000000));
}

static void expect_values(const char *name, uint32_t total, const char *values)
{
    uint32_t key = 0;
    const struct ic_command *c = ic_command_find(ic_slice_str(name));
    for (uint32_t i = 1; i < total; i++) {
        bool is_value = ic_command_is_value(c, i, total, &key);
        assert_int_equal(is_value, values[i] == 'v');
        assert_true(!is_value || values[key] == 'k');
    }
}

static void test_values(void **state)
{
    (void)state;
    expect_values("get", 2, "-k");
    expect_values("set", 5, "-kv--");
    expect_values("setnx", 3, "-kv");
    expect_values("getset", 3, "-kv");
    expect_values("setex", 4, "-k-v");
    expect_values("psetex", 4, "-k-v");
    expect_values("mset", 7, "-kvkvkv");
    expect_values("msetnx", 5, "-kvkv");
    expect_values("mget", 4, "-kkk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_rows), leak_test(test_find),
                                       leak_test(test_arity), leak_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
