/*
 * test_config.c - the directive table: defaults within their bounds, every kind's
 * text to value and back, complaints that name file, line and directive, rewrite.
 */
#include "base/config.h"

#include "base/alloc.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char why[IC_WHY_MAX];

static int set(struct ic_config *c, const char *name, const char *value)
{
    why[0] = '\0';
    return ic_config_set(c, ic_slice_str(name), ic_slice_str(value), why);
}

static void get(const struct ic_config *c, const char *name, char *out, size_t size)
{
    struct ic_buf buf;
    ic_buf_init(&buf);
    assert_int_equal(ic_config_get(c, ic_directive_find(ic_slice_str(name)), &buf), 0);
    snprintf(out, size, "%.*s", (int)buf.len, buf.len == 0 ? "" : (const char *)buf.data);
    ic_buf_deinit(&buf);
}

static void test_values(void **state)
{
    (void)state;
    struct ic_config *c = ic_config_new();
    char text[256];
    assert_int_equal(c->port, 6378);
    assert_int_equal(c->max_object_size, INT64_C(4) << 30);
    assert_int_equal(set(c, "PORT", "7000"), 0);
    assert_int_equal(c->port, 7000);
    assert_int_equal(set(c, "window-memory", "48mb"), 0);
    assert_int_equal(c->window_memory, 48 << 20);
    assert_int_equal(set(c, "lease", "2m"), 0);
    assert_int_equal(c->lease, 120000);
    get(c, "lease", text, sizeof text);
    assert_string_equal(text, "2m");
    assert_int_equal(set(c, "eviction", "LRU"), 0);
    assert_int_equal(c->eviction, IC_EVICTION_LRU);
    get(c, "eviction", text, sizeof text);
    assert_string_equal(text, "lru");
    assert_int_equal(set(c, "latency-value", "0.0125"), 0);
    assert_true(c->latency_value == 0.0125);
    get(c, "latency-value", text, sizeof text);
    assert_string_equal(text, "0.0125");
    ic_config_free(c);
}

static void test_shares(void **state)
{
    (void)state;
    struct ic_config *c = ic_config_new();
    char text[256];
    assert_int_equal(set(c, "maxmemory-clients", "64mb"), 0);
    assert_int_equal(c->maxmemory_clients, 64 << 20);
    assert_int_equal(set(c, "maxmemory-clients", "5%"), 0);
    assert_int_equal(c->maxmemory_clients, -5);
    get(c, "maxmemory-clients", text, sizeof text);
    assert_string_equal(text, "5%");
    static const char *const bad[] = {"101%", "-1%", "%", "-5", "", "5 %", "x%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(set(c, "maxmemory-clients", bad[i]) < 0);
        assert_non_null(strstr(why, "from 0% to 100%"));
    }
    assert_int_equal(c->maxmemory_clients, -5);
    ic_config_free(c);
}

static void test_complaints(void **state)
{
    (void)state;
    struct ic_config *c = ic_config_new();
    assert_int_equal(set(c, "no-such", "1"), IC_ENOENT);
    assert_non_null(strstr(why, "no-such"));
    assert_int_equal(set(c, "port", "65536"), IC_ERANGE);
    assert_non_null(strstr(why, "port"));
    assert_int_equal(set(c, "port", "12x"), IC_EINVAL);
    assert_int_equal(set(c, "port", ""), IC_EINVAL);
    assert_int_equal(set(c, "lease", "1 s"), IC_EINVAL);
    assert_int_equal(set(c, "memory", "99999999999gb"), IC_ERANGE);
    assert_int_equal(set(c, "memory", "127mb"), IC_ERANGE);
    assert_non_null(strstr(why, "a size in bytes, or with kb, mb or gb, from 128mb to 10gb"));
    assert_int_equal(set(c, "unit-size", "63"), IC_ERANGE);
    assert_non_null(strstr(why, ", from 64 to 1mb"));
    assert_int_equal(set(c, "catalog-memory", "1kb"), IC_ERANGE);
    assert_non_null(strstr(why, ", of at least 1mb"));
    assert_int_equal(set(c, "function-timeout", "19999ms"), IC_ERANGE);
    assert_non_null(strstr(why, "a time with ms, s, m or h, from 20s to 15m"));
    assert_int_equal(set(c, "instance-idle", "99ms"), IC_ERANGE);
    assert_non_null(strstr(why, ", of at least 100ms"));
    assert_int_equal(set(c, "latency-value", "-0.1"), IC_ERANGE);
    assert_non_null(strstr(why, "a decimal number from 0 to 1000"));
    assert_int_equal(set(c, "latency-value", "1000.5"), IC_ERANGE);
    assert_int_equal(set(c, "latency-value", "dear"), IC_EINVAL);
    assert_int_equal(set(c, "appendfsync", "sometimes"), IC_EINVAL);
    assert_non_null(strstr(why, "always|everysec|no"));
    assert_int_equal(c->port, 6378);
    ic_config_free(c);
}

/* Every directive's printed value is taken back and prints the same. */
static void test_round_trip(void **state)
{
    (void)state;
    struct ic_config *c = ic_config_new();
    size_t count;
    const struct ic_directive *all = ic_directives(&count);
    for (size_t i = 0; i < count; i++) {
        char before[512], after[512];
        get(c, all[i].name, before, sizeof before);
        assert_int_equal(set(c, all[i].name, before), 0);
        get(c, all[i].name, after, sizeof after);
        assert_string_equal(before, after);
    }
    ic_config_free(c);
}

/* An empty file, whose name PATH, a template of mkstemp, becomes. */
static void make_file(char *path)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config.XXXXXX";
    make_file(path);
    struct ic_config *c = ic_config_new();
    write_file(path, "# ours\n\n  port 7001\ndir \"/a b\"\nlease 5s # not a comment in a value\n");
    assert_true(ic_config_load(c, path, why) < 0);
    assert_non_null(strstr(why, ":5:"));
    assert_non_null(strstr(why, path));
    write_file(path, "# ours\n\n  port 7001\ndir \"/a b\"\nlease 5s\n");
    assert_int_equal(ic_config_load(c, path, why), 0);
    assert_int_equal(c->port, 7001);
    assert_string_equal(c->dir, "/a b");

    assert_int_equal(set(c, "lease", "9s"), 0);
    assert_int_equal(set(c, "timeout", "30"), 0);
    assert_int_equal(ic_config_rewrite(c), 0);
    struct ic_config *again = ic_config_new();
    assert_int_equal(ic_config_load(again, path, why), 0);
    assert_int_equal(again->lease, 9000);
    assert_int_equal(again->timeout_s, 30);
    assert_int_equal(again->port, 7001);
    char first[16];
    FILE *in = fopen(path, "r");
    assert_non_null(fgets(first, sizeof first, in));
    assert_string_equal(first, "# ours\n");
    fclose(in);
    ic_config_free(again);
    ic_config_free(c);
    unlink(path);
}

/* What is there stays what it was, to its last line and its mode; what `up` said is not written. */
static void test_rewritten(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"# the end", "# the end\nport 7001\n"},
        {"port 7002\n# the end", "port 7001\n# the end\n"},
        {"port 7002", "port 7001\n"},
        {"platform-run of-before\n", "platform-run of-before\nport 7001\n"},
        {"", "port 7001\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[] = "/tmp/test_config.XXXXXX", text[200];
        make_file(path);
        write_file(path, cases[i].before);
        assert_int_equal(chmod(path, 0640), 0);
        struct ic_config *c = ic_config_new();
        assert_int_equal(ic_config_load(c, path, why), 0);
        assert_int_equal(set(c, "port", "7001"), 0);
        assert_int_equal(set(c, "platform-run", "this-one"), 0);
        assert_int_equal(ic_config_rewrite(c), 0);
        FILE *in = fopen(path, "r");
        text[fread(text, 1, sizeof text - 1, in)] = '\0';
        struct stat file;
        assert_int_equal(fstat(fileno(in), &file), 0);
        fclose(in);
        assert_string_equal(text, cases[i].after);
        assert_int_equal(file.st_mode & 07777, 0640);
        ic_config_free(c);
        unlink(path);
    }
}

/* A line may hold a zero byte, and what follows it is another line all the same. */
static void test_rewritten_with_a_zero(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config.XXXXXX";
    static const char text[] = "# of no use \0 here\nlease 5s\n";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    struct ic_config *c = ic_config_new(), *again = ic_config_new();
    assert_int_equal(ic_config_load(c, path, why), 0);
    assert_int_equal(set(c, "lease", "7s"), 0);
    assert_int_equal(ic_config_rewrite(c), 0);
    assert_int_equal(ic_config_load(again, path, why), 0);
    assert_int_equal(again->lease, 7000);
    ic_config_free(again);
    ic_config_free(c);
    unlink(path);
}

/* As in redis.conf: a line for each class, or one for several, which Redis reads, too. */
static void test_output_limits_in_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config.XXXXXX", line[200];
    make_file(path);
    struct ic_config *c = ic_config_new();
    write_file(path, "client-output-buffer-limit normal 1mb 0 0\n"
                     "client-output-buffer-limit pubsub 2mb 1mb 5\n");
    assert_int_equal(ic_config_load(c, path, why), 0);
    assert_int_equal(c->client_output_buffer_limit.of[IC_CLIENT_NORMAL].hard, 1 << 20);
    assert_int_equal(c->client_output_buffer_limit.of[IC_CLIENT_PUBSUB].soft_s, 5);
    assert_int_equal(ic_config_rewrite(c), 0);
    FILE *in = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, in));
    assert_string_equal(line, "client-output-buffer-limit normal 1048576 0 0 slave 268435456 "
                              "67108864 60 pubsub 2097152 1048576 5\n");
    assert_null(fgets(line, sizeof line, in));
    fclose(in);
    assert_int_equal(ic_config_load(c, path, why), 0);
    ic_config_free(c);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_values),
        leak_test(test_shares),
        leak_test(test_complaints),
        leak_test(test_round_trip),
        leak_test(test_file),
        leak_test(test_rewritten),
        leak_test(test_rewritten_with_a_zero),
        leak_test(test_output_limits_in_a_file),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
