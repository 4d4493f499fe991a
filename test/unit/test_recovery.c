/*
 * test_recovery.c - the journal at start: each row of recovery.h's table, and files that
 * were damaged at random: found, or harmless.
 */
#include "proxy/recovery.h"

#include "base/config.h"
#include "base/random.h"
#include "unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACES = 3, FILE_MAX = 4 << 20 };

static char dir[64], why[IC_JOURNAL_WHY_MAX];
static struct ic_config *config;
static uint8_t pristine[FILE_MAX];

static void set(const char *name, const char *value)
{
    assert_int_equal(ic_config_set(config, ic_slice_str(name), ic_slice_str(value), why), 0);
}

static int begin(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/ic-recovery-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(unit_setup(state), 0);
    config = ic_config_new();
    set("dir", dir);
    return 0;
}

static int end(void **state)
{
    char command[128];
    ic_config_free(config);
    snprintf(command, sizeof command, "rm -rf %.63s", dir);
    assert_int_equal(system(command), 0);
    return unit_no_leak(state);
}

static void path_of(char *out, size_t size)
{
    snprintf(out, size, "%s/journal.lmdb", dir);
}

/* How many files in dir have names that begin with NAME. */
static int files(const char *name)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int count = 0;
    while ((entry = readdir(d)) != NULL) {
        count += strncmp(entry->d_name, name, strlen(name)) == 0;
    }
    closedir(d);
    return count;
}

static void put(struct ic_journal *j, uint64_t id)
{
    struct ic_journal_place place[PLACES];
    for (uint16_t i = 0; i < PLACES; i++) {
        place[i] = (struct ic_journal_place){.function = i, .held = true};
        memset(place[i].instance, (int)(id + i), sizeof place[i].instance);
    }
    char key[32];
    snprintf(key, sizeof key, "key-%d", (int)id);
    struct ic_journal_object o = {.id = id,
                                  .size = 100,
                                  .version = id,
                                  .unit = 64,
                                  .key_len = (uint32_t)strlen(key),
                                  .data = 2,
                                  .parity = 1,
                                  .place = place};
    struct ic_journal_entry e = {.id = id, .object_id = id, .key = ic_slice_str(key)};
    assert_int_equal(ic_journal_put_object(j, &o), 0);
    assert_int_equal(ic_journal_put_entry(j, &e), 0);
}

static int count_object(void *ctx, const struct ic_journal_object *o)
{
    (void)o;
    ++*(int *)ctx;
    return 0;
}

static int any_entry(void *ctx, const struct ic_journal_entry *e)
{
    (void)ctx;
    (void)e;
    return 0;
}

static int load(struct ic_journal *j, int *count)
{
    static const struct ic_journal_loader loader = {.object = count_object, .entry = any_entry};
    *count = 0;
    return ic_journal_load(j, &loader, count, why);
}

/* Opens as MODE; the number of objects in it, or an error. */
static int open_as(const char *mode, struct ic_recovery *r)
{
    set("rebuild", mode);
    *r = (struct ic_recovery){0};
    int result = ic_recovery_open(r, config, why);
    if (result < 0) {
        assert_null(r->journal);
        assert_true(strlen(why) > 0);
        return result;
    }
    int count;
    assert_int_equal(load(r->journal, &count), 0);
    return count;
}

/* A journal of COUNT objects that was rebuilt and closed. */
static struct ic_journal_meta make(int count)
{
    struct ic_recovery r;
    assert_int_equal(open_as("no", &r), 0);
    assert_true(r.meta.fresh && !r.meta.rebuild);
    for (int i = 1; i <= count; i++) {
        put(r.journal, (uint64_t)i);
        if (i % 50 == 0) { /* pages are replaced: there are free ones */
            assert_int_equal(ic_journal_commit(r.journal), 0);
        }
    }
    ic_journal_close(r.journal);
    return r.meta;
}

static void test_missing(void **state)
{
    (void)state;
    struct ic_recovery r;
    assert_int_equal(open_as("auto", &r), 0);
    assert_true(r.meta.fresh && r.meta.rebuild);
    assert_string_equal(r.reason, "journal-missing");
    put(r.journal, 1);
    ic_journal_close(r.journal);
    struct ic_journal_meta before = r.meta;
    assert_int_equal(open_as("auto", &r), 0); /* half rebuilt: from the beginning */
    assert_true(!r.meta.fresh && r.meta.rebuild);
    assert_string_equal(r.reason, "rebuild-unfinished");
    assert_memory_equal(r.meta.secret, before.secret, sizeof before.secret);
    assert_int_equal(r.meta.epoch, before.epoch + 1);
    put(r.journal, 1);
    assert_int_equal(ic_journal_commit(r.journal), 0);
    assert_int_equal(ic_journal_rebuilt(r.journal), 0);
    ic_journal_close(r.journal);
    assert_int_equal(open_as("auto", &r), 1);
    assert_false(r.meta.rebuild);
    ic_journal_close(r.journal);
    assert_int_equal(files("journal.lmdb.aside"), 0);
}

static void test_half_rebuilt_and_given_up(void **state)
{
    (void)state;
    struct ic_recovery r;
    assert_int_equal(open_as("auto", &r), 0);
    put(r.journal, 1);
    ic_journal_close(r.journal);
    assert_int_equal(open_as("no", &r), 0);
    assert_false(r.meta.rebuild);
    put(r.journal, 2);
    ic_journal_close(r.journal);
    assert_int_equal(open_as("auto", &r), 1);
    assert_false(r.meta.rebuild);
    ic_journal_close(r.journal);
}

/* Asked for although the journal is whole: the secret is kept, and the file. */
static void test_intact(void **state)
{
    (void)state;
    struct ic_recovery r;
    struct ic_journal_meta before = make(3);
    assert_int_equal(open_as("auto", &r), 3);
    assert_false(r.meta.rebuild);
    ic_journal_close(r.journal);
    assert_int_equal(open_as("yes", &r), 0);
    assert_true(r.meta.rebuild);
    assert_string_equal(r.reason, "asked-for");
    assert_memory_equal(r.meta.secret, before.secret, sizeof before.secret);
    assert_true(r.meta.epoch > before.epoch + 1);
    assert_int_equal(files("journal.lmdb.aside"), 1);
    assert_int_equal(ic_journal_rebuilt(r.journal), 0);
    ic_journal_close(r.journal);
    assert_int_equal(open_as("yes", &r), 0);
    assert_int_equal(files("journal.lmdb.aside"), 2); /* each has a name of its own */
    ic_journal_close(r.journal);
}

static void write_at(off_t at, const void *bytes, size_t len)
{
    char path[128];
    path_of(path, sizeof path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

static void check_damaged(uint32_t epoch)
{
    struct ic_recovery r;
    assert_int_equal(open_as("no", &r), IC_ECORRUPT);
    assert_non_null(strstr(why, "journal.lmdb"));
    int before = files("journal.lmdb.aside");
    assert_int_equal(open_as("auto", &r), 0);
    assert_true(r.meta.rebuild && r.meta.fresh);
    assert_string_equal(r.reason, "journal-damaged");
    assert_true(r.meta.epoch >= epoch);
    assert_int_equal(files("journal.lmdb.aside"), before + 1);
    ic_journal_close(r.journal);
}

static void test_damaged(void **state)
{
    (void)state;
    char path[128];
    path_of(path, sizeof path);
    make(500);
    assert_int_equal(truncate(path, 20000), 0);
    check_damaged(1);
    assert_int_equal(unlink(path), 0);
    make(500);
    static uint8_t garbage[30000];
    memset(garbage, 'g', sizeof garbage);
    assert_int_equal(truncate(path, 0), 0);
    write_at(0, garbage, sizeof garbage);
    check_damaged(1);
    assert_int_equal(unlink(path), 0);
    make(500);
    write_at(4096L * 3, garbage, sizeof garbage); /* some pages in the middle */
    check_damaged(1);
}

/* What is at OFFSET of the meta record, wherever copies of it are in the file. */
static void change_meta(const struct ic_journal_meta *meta, size_t offset, uint32_t value)
{
    enum { SECRET_AT = 24 }; /* after format, epoch, functions, flags, memory */
    char path[128];
    path_of(path, sizeof path);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, pristine, sizeof pristine);
    close(fd);
    int found = 0;
    for (ssize_t i = SECRET_AT; i + IC_JOURNAL_SECRET_LEN <= len; i++) {
        if (memcmp(pristine + i, meta->secret, IC_JOURNAL_SECRET_LEN) == 0) {
            write_at(i - SECRET_AT + (off_t)offset, &value, sizeof value);
            found++;
        }
    }
    assert_true(found > 0);
}

/* Of an older or newer program, or with an epoch that cannot be: never in the way of a start, but
 * with `rebuild no`. */
static void test_of_another_program(void **state)
{
    (void)state;
    enum { FORMAT_AT = 0, EPOCH_AT = 4 };
    static const struct {
        size_t at;
        uint32_t value;
        const char *mode, *reason;
        int refused;
    } cases[] = {
        {FORMAT_AT, 1, "auto", "journal-format", IC_ENOSYS},
        {FORMAT_AT, 4, "yes", "journal-format", IC_ENOSYS},
        {EPOCH_AT, (1 << 24) - 1, "auto", "journal-damaged", IC_ECORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ic_recovery r;
        char path[128];
        path_of(path, sizeof path);
        (void)unlink(path);
        struct ic_journal_meta before = make(3);
        change_meta(&before, cases[i].at, cases[i].value);
        assert_int_equal(open_as("no", &r), cases[i].refused);
        assert_non_null(strstr(why, "journal.lmdb"));
        assert_non_null(strstr(why, "rebuild"));
        assert_int_equal(files("journal.lmdb.aside"), i);
        assert_int_equal(open_as(cases[i].mode, &r), 0);
        assert_true(r.meta.rebuild && r.meta.fresh);
        assert_string_equal(r.reason, cases[i].reason);
        assert_int_equal(files("journal.lmdb.aside"), i + 1);
        ic_journal_close(r.journal);
    }
}

/* The copy for power failures goes with its journal: alone it would overwrite the next one. */
static void test_safe_copy_goes_too(void **state)
{
    (void)state;
    struct ic_recovery r;
    char path[128], safe[128];
    set("appendfsync", "everysec");
    assert_int_equal(open_as("no", &r), 0);
    put(r.journal, 1);
    assert_int_equal(ic_journal_probe(r.journal), 0);
    snprintf(safe, sizeof safe, "%s/journal.safe", dir);
    assert_int_equal(access(safe, F_OK), 0);
    ic_journal_rewind(r.journal, 0);
    assert_int_equal(ic_journal_set_aside(dir, path, why), 0);
    assert_int_equal(access(safe, F_OK), -1);
    assert_int_equal(files("journal.lmdb.aside"), 2);
    ic_journal_close(r.journal);
}

/* Bytes flipped anywhere: the damage is found before it is followed, or it is in nothing that
 * counts. */
static void test_random_damage(void **state)
{
    (void)state;
    char path[128];
    path_of(path, sizeof path);
    make(400);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, pristine, sizeof pristine);
    close(fd);
    assert_true(len > 20000 && len < FILE_MAX);
    int found = 0, harmless = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct ic_rng rng;
        struct ic_recovery r;
        ic_rng_init(&rng, seed);
        write_at(0, pristine, (size_t)len);
        for (uint64_t i = 0; i <= seed % 40; i++) {
            uint8_t byte = (uint8_t)ic_rng_next(&rng);
            write_at((off_t)(ic_rng_next(&rng) % (uint64_t)len), &byte, 1);
        }
        set("rebuild", "auto");
        r = (struct ic_recovery){0};
        int result = ic_recovery_open(&r, config, why);
        assert_int_equal(result, 0);
        int count;
        assert_int_equal(load(r.journal, &count), 0);
        found += r.meta.rebuild;
        harmless += !r.meta.rebuild;
        put(r.journal, 1000);
        result = ic_journal_commit(r.journal);
        assert_true(result == 0 || result == IC_EIO);
        ic_journal_close(r.journal);
        assert_int_equal(unlink(path), 0);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        close(fd);
    }
    assert_true(found > 50 && harmless > 0);
}

/* Found only by who loads it: the journal is replaced then, and its secret kept. */
static void test_replaced_while_loading(void **state)
{
    (void)state;
    struct ic_recovery r;
    struct ic_journal_meta before = make(3);
    assert_int_equal(open_as("auto", &r), 3);
    snprintf(why, sizeof why, "entry without object");
    assert_int_equal(ic_recovery_replace(&r, config, why), 0);
    assert_true(r.meta.rebuild);
    assert_memory_equal(r.meta.secret, before.secret, sizeof before.secret);
    assert_int_equal(files("journal.lmdb.aside"), 1);
    set("rebuild", "no");
    assert_int_equal(ic_recovery_replace(&r, config, why), IC_ECORRUPT);
    ic_journal_close(r.journal);
}

static void test_epoch_is_raised(void **state)
{
    (void)state;
    struct ic_recovery r;
    uint32_t epoch = 0;
    assert_int_equal(open_as("auto", &r), 0);
    assert_int_equal(ic_journal_raise_epoch(r.journal, r.meta.epoch + 5, &epoch), 0);
    assert_int_equal(epoch, r.meta.epoch + 6);
    assert_int_equal(ic_journal_raise_epoch(r.journal, 3, &epoch), 0);
    assert_int_equal(epoch, r.meta.epoch + 6);
    assert_int_equal(ic_journal_raise_epoch(r.journal, (1 << 24) - 1, &epoch), IC_ERANGE);
    ic_journal_close(r.journal);
    assert_int_equal(open_as("auto", &r), 0);
    assert_int_equal(r.meta.epoch, epoch + 1);
    ic_journal_close(r.journal);
}

#define recovery_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        recovery_test(test_missing),
        recovery_test(test_half_rebuilt_and_given_up),
        recovery_test(test_intact),
        recovery_test(test_damaged),
        recovery_test(test_random_damage),
        recovery_test(test_safe_copy_goes_too),
        recovery_test(test_epoch_is_raised),
        recovery_test(test_replaced_while_loading),
        recovery_test(test_of_another_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
