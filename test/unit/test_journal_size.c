/*
 * test_journal_size.c - how many bytes the journal takes: what commits leave behind is used again,
 * and what is not used is given back at the next start, with every record as it was.
 */
#include "proxy/journal.h"

#include "base/clock.h"
#include "base/config.h"
#include "unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEYS = 2000,
    ROUNDS = 5,
    PLACES = 3,
    /* Of an object of one data and two parity chunks with a key of 25 bytes. */
    BYTES_PER_KEY_MAX = 190,
    FILE_BYTES_MAX = 32 << 20,
};

static char dir[64];
static char why[IC_JOURNAL_WHY_MAX];

static int make_dir(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/ic-journal-size-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : unit_setup(state);
}

static int remove_dir(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0 ? -1 : unit_no_leak(state);
}

static struct ic_journal *open_journal(void)
{
    struct ic_journal_setup setup = {.dir = dir,
                                     .appendfsync = IC_FSYNC_EVERYSEC,
                                     .prefix = "infinicache",
                                     .functions = 16,
                                     .memory = 256 << 20};
    struct ic_journal_meta meta;
    struct ic_journal *j;
    if (ic_journal_open(&setup, &j, &meta, why) < 0) {
        fail_msg("%s", why);
    }
    return j;
}

static uint64_t object_id(int round, int key)
{
    return (UINT64_C(478574) << 40) + 2 * ((uint64_t)round * KEYS + (uint64_t)key) + 1;
}

static void delete_key(struct ic_journal *j, int round, int key)
{
    uint64_t id = object_id(round, key);
    assert_int_equal(ic_journal_delete_object(j, id), 0);
    assert_int_equal(ic_journal_delete_entry(j, id + 1), 0);
}

/* As a SET of a small value does, in the place of that of the round before. */
static void set(struct ic_journal *j, int round, int key)
{
    char name[32];
    uint64_t id = object_id(round, key);
    struct ic_journal_place place[PLACES] = {{0}};
    for (int i = 0; i < PLACES; i++) {
        place[i].function = (uint16_t)((key + i) % 16);
        place[i].held = true;
        memset(place[i].instance, 1 + (key + i) % 16, sizeof place[i].instance);
    }
    struct ic_journal_object o = {.id = id,
                                  .size = 100,
                                  .version = id,
                                  .unit = 128,
                                  .key_len = 25,
                                  .data = 1,
                                  .parity = 2,
                                  .place = place};
    snprintf(name, sizeof name, "user:session:%012d", key);
    struct ic_journal_entry e = {
        .id = id + 1, .object_id = id, .accessed_ms = 1795939200000, .key = ic_slice_str(name)};
    if (round > 0) {
        delete_key(j, round - 1, key);
    }
    assert_int_equal(ic_journal_put_object(j, &o), 0);
    assert_int_equal(ic_journal_put_entry(j, &e), 0);
    assert_int_equal(ic_journal_commit(j), 0);
}

/* The disk keeps up: no commit while an fsync runs. */
static void wait_for_sync(struct ic_journal *j)
{
    uint64_t deadline = ic_clock_mono_ms() + 60000;
    while (ic_journal_stats(j).synced < ic_journal_stats(j).syncs) {
        assert_true(ic_clock_mono_ms() < deadline);
        (void)poll(NULL, 0, 1);
        ic_journal_tick(j, 0);
    }
}

static void fill(struct ic_journal *j)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (int key = 0; key < KEYS; key++) {
            set(j, round, key);
            wait_for_sync(j);
        }
    }
}

struct found {
    int objects, entries;
};

static int find_object(void *ctx, const struct ic_journal_object *o)
{
    struct found *f = ctx;
    f->objects++;
    assert_int_equal(o->size, 100);
    assert_int_equal(o->version, o->id);
    assert_true(o->place[2].held && !o->place[2].copied);
    return 0;
}

static int find_entry(void *ctx, const struct ic_journal_entry *e)
{
    struct found *f = ctx;
    f->entries++;
    assert_int_equal(e->id, e->object_id + 1);
    assert_int_equal(e->key.len, 25);
    return 0;
}

static void expect(struct ic_journal *j, int keys)
{
    static const struct ic_journal_loader loader = {.object = find_object, .entry = find_entry};
    struct found f = {0};
    if (ic_journal_load(j, &loader, &f, why) < 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(f.objects, keys);
    assert_int_equal(f.entries, keys);
}

static void test_size(void **state)
{
    (void)state;
    struct ic_journal *j = open_journal();
    fill(j);
    uint64_t bytes = ic_journal_stats(j).bytes;
    ic_journal_close(j);
    j = open_journal();
    uint64_t after = ic_journal_stats(j).bytes;
    print_message("%llu bytes after %d commits, %llu a key after a start\n",
                  (unsigned long long)bytes, ROUNDS * KEYS, (unsigned long long)after / KEYS);
    assert_true(bytes < FILE_BYTES_MAX);
    assert_true(after < KEYS * BYTES_PER_KEY_MAX);
    expect(j, KEYS);
    /* It goes on as any other, over kill -9 as well. */
    for (int key = 0; key < KEYS; key += 2) {
        delete_key(j, ROUNDS - 1, key);
    }
    assert_int_equal(ic_journal_commit(j), 0);
    ic_journal_close(j);
    j = open_journal();
    expect(j, KEYS / 2);
    ic_journal_close(j);
}

/* What has no room to be made smaller stays as it is, and whatever was left of a copy goes. */
static void test_no_room_to_compact(void **state)
{
    (void)state;
    char path[128];
    signal(SIGXFSZ, SIG_IGN);
    struct ic_journal *j = open_journal();
    fill(j);
    uint64_t bytes = ic_journal_stats(j).bytes;
    ic_journal_close(j);
    snprintf(path, sizeof path, "%s/journal.lmdb.compact", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    j = open_journal();
    assert_true(ic_journal_stats(j).bytes >= bytes);
    expect(j, KEYS);
    ic_journal_close(j);
    assert_int_equal(rmdir(path), 0);
    j = open_journal();
    assert_true(ic_journal_stats(j).bytes < bytes / 2);
    assert_int_equal(access(path, F_OK), -1);
    expect(j, KEYS);
    ic_journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_size, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_no_room_to_compact, make_dir, remove_dir),
    };
    return cmocka_run_group_tests_name("journal_size", tests, NULL, NULL);
}
