/*
 * test_journal_pool.c - a journal whose pool was another one: other functions in number, in memory
 * or in name, or of another run of the platform.
 */
#include "base/config.h"
#include "proxy/journal.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 3 };

static char dir[64];
static char why[IC_JOURNAL_WHY_MAX];

static int make_dir(void **state)
{
    (void)state;
    ic_alloc_fail_at(0);
    snprintf(dir, sizeof dir, "/tmp/ic-journal-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %.63s", dir);
    return system(command) != 0 ? -1 : unit_no_leak(state);
}

static struct ic_journal_setup usual(void)
{
    return (struct ic_journal_setup){.dir = dir,
                                     .appendfsync = IC_FSYNC_NO,
                                     .prefix = "infinicache",
                                     .functions = 16,
                                     .memory = 256 << 20};
}

static struct ic_journal *open_journal(struct ic_journal_meta *meta)
{
    struct ic_journal_setup setup = usual();
    struct ic_journal_meta ignored;
    struct ic_journal *j;
    assert_int_equal(ic_journal_open(&setup, &j, meta == NULL ? &ignored : meta, why), 0);
    return j;
}

/* An object on the last functions of the pool. */
static void put(struct ic_journal *j, uint64_t id)
{
    struct ic_journal_place place[PLACES];
    for (uint16_t i = 0; i < PLACES; i++) {
        place[i] = (struct ic_journal_place){.function = (uint16_t)(15 - i), .held = true};
        memset(place[i].instance, (int)(id + i), sizeof place[i].instance);
    }
    struct ic_journal_object o = {.id = id,
                                  .size = 100,
                                  .version = id,
                                  .unit = 64,
                                  .key_len = 3,
                                  .data = 2,
                                  .parity = 1,
                                  .place = place};
    struct ic_journal_entry e = {.id = id, .object_id = id, .key = ic_slice_str("key")};
    assert_int_equal(ic_journal_put_object(j, &o), 0);
    assert_int_equal(ic_journal_put_entry(j, &e), 0);
    assert_int_equal(ic_journal_commit(j), 0);
}

static int count_object(void *ctx, const struct ic_journal_object *o)
{
    assert_int_equal(o->place[0].function, 15); /* whatever the pool is */
    ++*(int *)ctx;
    return 0;
}

static int any_entry(void *ctx, const struct ic_journal_entry *e)
{
    (void)ctx;
    (void)e;
    return 0;
}

static int count_objects(struct ic_journal *j)
{
    static const struct ic_journal_loader loader = {.object = count_object, .entry = any_entry};
    int count = 0;
    assert_int_equal(ic_journal_load(j, &loader, &count, why), 0);
    return count;
}

/* Whatever the pool is now: the journal opens, and says what it was of. */
static void test_other_size(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {15, 20, 3, 16};
    uint32_t before = 16;
    struct ic_journal *j = open_journal(NULL);
    put(j, 7);
    ic_journal_close(j);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ic_journal_meta meta;
        struct ic_journal_setup setup = usual();
        setup.functions = sizes[i];
        setup.memory *= 2;
        assert_int_equal(ic_journal_open(&setup, &j, &meta, why), 0);
        assert_int_equal(meta.pool.functions, before);
        assert_string_equal(meta.pool.prefix, "infinicache");
        assert_int_equal(meta.pool.memory, i == 0 ? setup.memory / 2 : setup.memory);
        assert_false(meta.emptied || meta.rebuild || meta.fresh);
        assert_int_equal(count_objects(j), 1);
        before = sizes[i];
        ic_journal_close(j);
    }
}

/* Functions of other names: empty, above the epoch of before, and not to be rebuilt; the same when
 * it goes back. What was in it is kept in a file of its own. */
static void test_other_names(void **state)
{
    (void)state;
    struct ic_journal_meta first, meta;
    struct ic_journal *j = open_journal(&first);
    put(j, 7);
    ic_journal_close(j);
    for (int i = 0; i < 2; i++) {
        struct ic_journal_setup setup = usual();
        setup.prefix = i == 0 ? "other" : setup.prefix;
        setup.rebuild = true;
        assert_int_equal(ic_journal_open(&setup, &j, &meta, why), 0);
        assert_true(meta.emptied && !meta.rebuild && !meta.fresh);
        assert_int_equal(meta.emptied_objects, i == 0);
        assert_string_equal(meta.pool.prefix, i == 0 ? "infinicache" : "other");
        assert_int_equal(meta.epoch, first.epoch + 1 + (uint32_t)i);
        assert_memory_equal(meta.secret, first.secret, sizeof first.secret);
        assert_int_equal(count_objects(j), 0);
        assert_int_equal(meta.aside[0] != '\0', i == 0);
        if (i == 0) {
            char command[1200];
            snprintf(command, sizeof command, "cp %.500s %.63s/copy.lmdb", meta.aside, dir);
            assert_int_equal(system(command), 0);
        }
        ic_journal_close(j);
    }
    char command[1200];
    snprintf(command, sizeof command, "mv %.63s/copy.lmdb %.63s/journal.lmdb", dir, dir);
    assert_int_equal(system(command), 0);
    j = open_journal(&meta);
    assert_int_equal(count_objects(j), 1);
    assert_false(meta.emptied);
    ic_journal_close(j);
}

static struct ic_journal *open_run(const char *run, struct ic_journal_meta *meta)
{
    struct ic_journal_setup setup = usual();
    struct ic_journal *j;
    setup.run = run;
    setup.rebuild = true;
    assert_int_equal(ic_journal_open(&setup, &j, meta, why), 0);
    assert_int_equal(meta->aside[0], '\0');
    return j;
}

static int count_ledger(void *ctx, uint64_t key, struct ic_slice record)
{
    (void)key;
    (void)record;
    ++*(int *)ctx;
    return 0;
}

/* The same names, and a platform that was started anew: the catalog is gone at once, for good and
 * however often it is opened, the ledger is not. A run that is not known takes nothing away. */
static void test_other_run(void **state)
{
    (void)state;
    static const struct {
        const char *run;
        bool emptied;
    } lives[] = {{"one", false}, {"one", false}, {"two", true}, {"two", false}, {"one", true},
                 {"", false},    {"one", false}, {NULL, false}, {"two", false}};
    struct ic_journal_meta meta;
    struct ic_journal *j = open_journal(NULL); /* of a program that knew of no runs */
    put(j, 7);
    assert_int_equal(ic_journal_put_ledger(j, 1, ic_slice_str("spent")), 0);
    assert_int_equal(ic_journal_commit(j), 0);
    ic_journal_close(j);
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        int ledger = 0;
        j = open_run(lives[i].run, &meta);
        assert_int_equal(meta.emptied,
                         lives[i].emptied ? IC_JOURNAL_OTHER_RUN : IC_JOURNAL_NOT_EMPTIED);
        assert_int_equal(meta.emptied_objects, lives[i].emptied);
        assert_int_equal(count_objects(j), !lives[i].emptied);
        assert_false(meta.rebuild || meta.fresh);
        assert_int_equal(ic_journal_load_ledger(j, count_ledger, &ledger, why), 0);
        assert_int_equal(ledger, 1);
        put(j, 7);
        ic_journal_close(j);
    }
}

/* A rebuild that another run of the platform has cut short is over: there is nothing to rebuild. */
static void test_other_run_while_it_is_rebuilt(void **state)
{
    (void)state;
    struct ic_journal_meta meta;
    struct ic_journal *j = open_run("one", &meta);
    assert_true(meta.rebuild);
    put(j, 7);
    ic_journal_close(j);
    j = open_run("two", &meta);
    assert_false(meta.rebuild);
    assert_int_equal(count_objects(j), 0);
    ic_journal_close(j);
}

#define dir_test(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        dir_test(test_other_size),
        dir_test(test_other_names),
        dir_test(test_other_run),
        dir_test(test_other_run_while_it_is_rebuilt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
