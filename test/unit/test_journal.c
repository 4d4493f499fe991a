/*
 * test_journal.c - what is committed is loaded again, also after kill -9; a full disk is
 * an error that passes; a damaged or foreign file is named.
 */
#include "proxy/journal.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/map.h"
#include "base/random.h"
#include "proxy/journal_record.h"
#include "proxy/journal_safe.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { PLACES = 12 };

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
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) {
        return -1;
    }
    return unit_no_leak(state);
}

#define dir_test(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

enum { MAP_BYTES = 16 << 20 };

static struct ic_journal_setup usual(void)
{
    return (struct ic_journal_setup){.dir = dir,
                                     .map_bytes = MAP_BYTES,
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
    int result = ic_journal_open(&setup, &j, meta == NULL ? &ignored : meta, why);
    if (result < 0) {
        fail_msg("%s", why);
    }
    return j;
}

static int open_error(struct ic_journal_setup setup)
{
    struct ic_journal_meta meta;
    struct ic_journal *j = NULL;
    why[0] = '\0';
    int result = ic_journal_open(&setup, &j, &meta, why);
    assert_true(result < 0);
    assert_null(j);
    assert_true(strlen(why) > 0);
    return result;
}

static void put(struct ic_journal *j, uint64_t id, const char *key)
{
    struct ic_journal_place place[PLACES];
    for (uint16_t i = 0; i < PLACES; i++) {
        place[i] =
            (struct ic_journal_place){.function = i, .held = i != 3, .copied = i != 3 && i % 2};
        memset(place[i].instance, (int)(id + i), sizeof place[i].instance);
        memset(place[i].backup, (int)(2 * id + i), sizeof place[i].backup);
    }
    struct ic_journal_object o = {.id = id,
                                  .size = id * 1000,
                                  .version = id + 1,
                                  .unit = 65536,
                                  .key_len = (uint32_t)strlen(key),
                                  .data = 10,
                                  .parity = 2,
                                  .place = place};
    struct ic_journal_entry e = {.id = id + 1000000,
                                 .object_id = id,
                                 .expires_ms = -5,
                                 .accessed_ms = 77,
                                 .key = ic_slice_str(key)};
    assert_int_equal(ic_journal_put_object(j, &o), 0);
    assert_int_equal(ic_journal_put_entry(j, &e), 0);
}

static void delete_both(struct ic_journal *j, uint64_t id)
{
    assert_int_equal(ic_journal_delete_entry(j, id + 1000000), 0);
    assert_int_equal(ic_journal_delete_object(j, id), 0);
}

struct loaded {
    uint64_t objects, entries, sum; /* sum of object ids */
    uint64_t last;
};

static int count_object(void *ctx, const struct ic_journal_object *o)
{
    struct loaded *l = ctx;
    assert_int_equal(o->size, o->id * 1000);
    assert_int_equal(o->version, o->id + 1);
    assert_int_equal(o->unit, 65536);
    assert_int_equal(o->data + o->parity, PLACES);
    for (uint16_t i = 0; i < PLACES; i++) {
        assert_int_equal(o->place[i].function, i);
        assert_int_equal(o->place[i].held, i != 3);
        assert_int_equal(o->place[i].copied, i != 3 && i % 2);
        assert_int_equal(o->place[i].instance[15], (uint8_t)(o->id + i));
        assert_int_equal(o->place[i].backup[15], (uint8_t)(2 * o->id + i));
    }
    assert_true(o->id > l->last); /* in order */
    l->last = o->id;
    l->objects++;
    l->sum += o->id;
    return 0;
}

static int count_entry(void *ctx, const struct ic_journal_entry *e)
{
    struct loaded *l = ctx;
    assert_int_equal(e->id, e->object_id + 1000000);
    assert_int_equal(e->expires_ms, -5);
    assert_int_equal(e->accessed_ms, 77);
    assert_true(e->key.len > 0 && e->key.data[0] == 'k');
    l->entries++;
    return 0;
}

static const struct ic_journal_loader loader = {.object = count_object, .entry = count_entry};

static struct loaded load(struct ic_journal *j)
{
    struct loaded l = {0};
    if (ic_journal_load(j, &loader, &l, why) < 0) {
        fail_msg("%s", why);
    }
    return l;
}

static void test_commit_and_load(void **state)
{
    (void)state;
    struct ic_journal_meta first, second;
    struct ic_journal *j = open_journal(&first);
    assert_true(first.fresh && !first.crashed && first.epoch > 0);
    put(j, 1, "k1");
    put(j, 2, "k2");
    assert_int_equal(ic_journal_commit(j), 0);
    delete_both(j, 1);
    delete_both(j, 99); /* not there: fine */
    put(j, 3, "k3");
    size_t mark = ic_journal_mark(j);
    put(j, 4, "k4");
    ic_journal_rewind(j, mark);
    assert_int_equal(ic_journal_commit(j), 0);
    assert_int_equal(ic_journal_commit(j), 0); /* nothing queued */
    put(j, 5, "k5");
    ic_journal_close(j); /* commits */
    j = open_journal(&second);
    assert_true(!second.fresh && !second.crashed && second.epoch == first.epoch + 1);
    assert_memory_equal(first.secret, second.secret, sizeof first.secret);
    struct loaded l = load(j);
    assert_int_equal(l.objects, 3);
    assert_int_equal(l.entries, 3);
    assert_int_equal(l.sum, 2 + 3 + 5);
    assert_int_equal(ic_journal_flush(j), 0);
    put(j, 6, "k6");
    assert_int_equal(ic_journal_commit(j), 0);
    assert_int_equal(load(j).sum, 6);
    assert_true(ic_journal_stats(j).bytes > 0);
    assert_int_equal(ic_journal_stats(j).records, 3);
    ic_journal_close(j);
}

/* Larger than the first map: it grows, within one transaction and over many. */
static void test_growth(void **state)
{
    (void)state;
    struct ic_journal *j = open_journal(NULL);
    uint64_t start_us = ic_clock_mono_us();
    char key[1501] = "k";
    memset(key + 1, 'x', sizeof key - 2);
    for (uint64_t id = 1; id <= 30000; id++) {
        put(j, id, key);
        if (id == 20000 || id % 100 == 0) {
            assert_int_equal(ic_journal_commit(j), 0);
        }
    }
    for (uint64_t id = 30001; id <= 60000; id++) {
        put(j, id, key); /* 60 MB in one transaction */
    }
    assert_int_equal(ic_journal_commit(j), 0);
    assert_true(ic_journal_stats(j).bytes > 4 * MAP_BYTES);
    ic_journal_close(j);
    uint64_t written_us = ic_clock_mono_us();
    j = open_journal(NULL);
    assert_int_equal(load(j).objects, 60000);
    print_message("60000 objects with keys of 1500 bytes: written in %d ms, loaded in %d ms\n",
                  (int)((written_us - start_us) / 1000),
                  (int)((ic_clock_mono_us() - written_us) / 1000));
    ic_journal_close(j);
}

static void test_in_use(void **state)
{
    (void)state;
    struct ic_journal *j = open_journal(NULL);
    assert_int_equal(open_error(usual()), IC_EBUSY);
    assert_non_null(strstr(why, dir));
    ic_journal_close(j);
}

static void file_name(char *out, size_t size)
{
    snprintf(out, size, "%s/journal.lmdb", dir);
}

static void write_file(const char *text, size_t len)
{
    char path[128];
    file_name(path, sizeof path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
}

static void test_foreign_file(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
    assert_int_equal(open_error(usual()), IC_ECORRUPT);
    assert_non_null(strstr(why, "journal.lmdb"));
    write_file("REDIS0011", 9);
    assert_int_equal(open_error(usual()), IC_ECORRUPT);
    struct ic_journal_setup setup = usual();
    setup.dir = "/nonexistent/dir";
    assert_int_equal(open_error(setup), IC_ENOENT);
    assert_non_null(strstr(why, "/nonexistent/dir"));
}

static void make_full(uint64_t count)
{
    struct ic_journal *j = open_journal(NULL);
    for (uint64_t id = 1; id <= count; id++) {
        put(j, id, "key");
    }
    assert_int_equal(ic_journal_commit(j), 0);
    ic_journal_close(j);
}

/* Opens and loads: whether it worked. Never a crash. */
static int open_and_load(void)
{
    struct ic_journal_setup setup = usual();
    struct ic_journal_meta meta;
    struct ic_journal *j = NULL;
    why[0] = '\0';
    int result = ic_journal_open(&setup, &j, &meta, why);
    if (result >= 0) {
        struct loaded l = {0};
        result = ic_journal_load(j, &loader, &l, why);
        ic_journal_close(j);
    }
    assert_true(result >= 0 || strstr(why, "journal.lmdb") != NULL);
    return result;
}

static void test_cut_off_file(void **state)
{
    (void)state;
    make_full(5000);
    char path[128];
    file_name(path, sizeof path);
    assert_int_equal(truncate(path, 200 << 10), 0);
    assert_int_equal(open_and_load(), IC_ECORRUPT);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(open_and_load(), IC_ECORRUPT);
}

/* A byte of a record flipped: found by the record's check. */
static void test_flipped_byte(void **state)
{
    (void)state;
    make_full(1);
    char path[128];
    file_name(path, sizeof path);
    int fd = open(path, O_RDWR);
    static uint8_t file[1 << 20];
    ssize_t len = pread(fd, file, sizeof file, 0);
    int found = 0;
    for (ssize_t i = 0; i + 16 < len; i++) {
        uint8_t instance[IC_JOURNAL_INSTANCE_LEN];
        memset(instance, 1 + 5, sizeof instance); /* of place 5 of object 1 */
        if (memcmp(&file[i], instance, sizeof instance) == 0) {
            uint8_t flipped = file[i] ^ 1;
            assert_int_equal(pwrite(fd, &flipped, 1, i), 1);
            found++;
        }
    }
    close(fd);
    assert_true(found > 0);
    assert_int_equal(open_and_load(), IC_ECORRUPT);
    assert_non_null(strstr(why, "object 1"));
}

static void test_records(void **state)
{
    (void)state;
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX] = {{.function = 15, .held = true}};
    struct ic_journal_object o = {.id = 9, .size = 5, .unit = 64, .data = 1, .place = place}, back;
    struct ic_buf record;
    ic_buf_init(&record);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_journal_encode_object(&record, &o), IC_ENOMEM);
    assert_int_equal(ic_journal_encode_object(&record, &o), 0);
    struct ic_slice all = ic_buf_slice(&record);
    assert_int_equal(ic_journal_decode_object(all, 9, &back, place), 0);
    assert_int_equal(back.size, 5);
    assert_int_equal(ic_journal_decode_object(all, 8, &back, place), IC_ECORRUPT);
    for (size_t len = 0; len < all.len; len++) {
        struct ic_slice cut = ic_slice(all.data, len);
        struct ic_journal_entry e;
        assert_int_equal(ic_journal_decode_object(cut, 9, &back, place), IC_ECORRUPT);
        assert_int_equal(ic_journal_decode_entry(cut, 9, &e), IC_ECORRUPT);
    }
    ic_buf_deinit(&record);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No write gets through (a limit on the file's size stands for a full disk), then all do again. */
static void test_full_disk(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct ic_journal *j = open_journal(NULL);
    put(j, 1, "k1");
    assert_int_equal(ic_journal_commit(j), 0);
    set_file_limit(1);
    for (int i = 0; i < 3; i++) {
        put(j, 2, "k2");
        assert_int_equal(ic_journal_commit(j), IC_EIO);
        assert_true(ic_journal_failed(j));
        assert_non_null(strstr(ic_journal_failure(j), "journal.lmdb: File too large (files of"));
        assert_int_equal(ic_journal_probe(j), IC_EIO);
    }
    assert_int_equal(ic_journal_stats(j).failures[IC_DISK_FILE_SIZE], 6);
    set_file_limit(0);
    assert_int_equal(ic_journal_probe(j), 0);
    assert_false(ic_journal_failed(j));
    assert_string_equal(ic_journal_failure(j), "");
    assert_int_equal(load(j).sum, 1);
    put(j, 3, "k3");
    assert_int_equal(ic_journal_commit(j), 0);
    ic_journal_close(j);
    j = open_journal(NULL);
    assert_int_equal(load(j).sum, 1 + 3);
    assert_int_equal(ic_journal_stats(j).failures[IC_DISK_FILE_SIZE], 0);
    ic_journal_close(j);
}

/* The file may not grow: small changes still go, a large one fails whole. */
static void test_disk_fills_up(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct ic_journal *j = open_journal(NULL);
    put(j, 1, "k1");
    assert_int_equal(ic_journal_commit(j), 0);
    set_file_limit(256 << 10);
    uint64_t last = 1;
    int result = 0;
    while (result == 0 && last < 10000) {
        put(j, last + 1, "k");
        put(j, last + 2, "k");
        result = ic_journal_commit(j);
        last += result == 0 ? 2 : 0;
    }
    assert_int_equal(result, IC_EIO);
    /* The last write ended short at the limit, which LMDB tells as EIO. */
    assert_non_null(strstr(ic_journal_failure(j), "File too large"));
    assert_int_equal(ic_journal_probe(j), IC_EIO);
    assert_int_equal(ic_journal_stats(j).failures[IC_DISK_FILE_SIZE], 2);
    set_file_limit(0);
    assert_int_equal(ic_journal_probe(j), 0);
    ic_journal_close(j);
    j = open_journal(NULL);
    struct loaded l = load(j);
    assert_int_equal(l.objects, last);
    assert_int_equal(l.entries, last);
    ic_journal_close(j);
}

/* A child commits and says so; it is killed in the middle; all it said is there. */
static void commit_for_ever(int out)
{
    struct ic_journal *j = open_journal(NULL);
    for (uint64_t id = load(j).last + 1;; id++) {
        put(j, id, "key");
        if (id > 100) {
            delete_both(j, id - 100);
        }
        if (ic_journal_commit(j) < 0 || write(out, &id, sizeof id) != sizeof id) {
            _exit(1);
        }
    }
}

static void test_kill_9(void **state)
{
    (void)state;
    uint64_t acknowledged = 0;
    struct ic_rng rng;
    ic_rng_init(&rng, 9);
    for (int round = 0; round < 20; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(fds[0]);
            commit_for_ever(fds[1]);
        }
        close(fds[1]);
        uint64_t until = acknowledged + 50 + ic_rng_below(&rng, 200);
        while (acknowledged < until) {
            assert_int_equal(read(fds[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(fds[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
        }
        close(fds[0]);
        struct ic_journal_meta meta;
        struct ic_journal *j = open_journal(&meta);
        assert_true(meta.crashed);
        struct loaded l = load(j);
        assert_true(l.last == acknowledged || l.last == acknowledged + 1);
        assert_int_equal(l.objects, l.last < 100 ? l.last : 100);
        assert_int_equal(l.entries, l.objects);
        ic_journal_close(j);
    }
}

static void wait_for_syncs(struct ic_journal *j, uint64_t more)
{
    uint64_t until = ic_journal_stats(j).syncs + more;
    uint64_t deadline = ic_clock_mono_ms() + 10000, now = 5000;
    while (ic_journal_stats(j).syncs < until) {
        assert_true(ic_clock_mono_ms() < deadline);
        put(j, now, "k");
        assert_int_equal(ic_journal_commit(j), 0);
        ic_journal_tick(j, now += 1000);
    }
}

static void test_fsync_modes(void **state)
{
    (void)state;
    struct ic_journal *j = open_journal(NULL); /* no */
    put(j, 1, "k1");
    assert_int_equal(ic_journal_commit(j), 0);
    ic_journal_tick(j, 5000);
    assert_int_equal(ic_journal_stats(j).syncs, 0);
    ic_journal_set_appendfsync(j, IC_FSYNC_EVERYSEC);
    ic_journal_tick(j, 6000);
    assert_int_equal(ic_journal_stats(j).syncs, 1);
    ic_journal_tick(j, 7000); /* nothing new */
    assert_int_equal(ic_journal_stats(j).syncs, 1);
    put(j, 2, "k2");
    assert_int_equal(ic_journal_commit(j), 0);
    ic_journal_tick(j, 6500); /* less than a second */
    assert_int_equal(ic_journal_stats(j).syncs, 1);
    wait_for_syncs(j, 3);
    ic_journal_set_appendfsync(j, IC_FSYNC_ALWAYS);
    put(j, 3, "k3");
    assert_int_equal(ic_journal_commit(j), 0);
    assert_false(ic_journal_failed(j));
    ic_journal_close(j);
}

/* ---- power failure ------------------------------------------------------------ */

enum { IMAGES = 12, PAGE = 4096, IMAGE_MAX = 24 << 20 };

struct image {
    size_t len;
    uint8_t bytes[IMAGE_MAX];
};

static void path_of(const char *name, char *out)
{
    snprintf(out, 128, "%.60s/%s", dir, name);
}

static void read_image(const char *name, struct image *image)
{
    char path[128];
    path_of(name, path);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t before = image->len;
    image->len = fread(image->bytes, 1, sizeof image->bytes, f);
    assert_true(image->len < sizeof image->bytes);
    if (before > image->len) {
        memset(image->bytes + image->len, 0, before - image->len);
    }
    fclose(f);
}

static void write_image(const char *name, const struct image *image)
{
    char path[128];
    path_of(name, path);
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        fail_msg("%s: %s", path, strerror(errno));
    }
    assert_int_equal(fwrite(image->bytes, 1, image->len, f), image->len);
    fclose(f);
}

/* Random changes, each its own commit. */
static void churn(struct ic_journal *j, struct ic_rng *rng, int commits)
{
    for (int i = 0; i < commits; i++) {
        uint64_t id = 1 + ic_rng_below(rng, 300);
        if (ic_rng_below(rng, 3) == 0) {
            delete_both(j, id);
        } else {
            put(j, id, "key");
        }
        assert_int_equal(ic_journal_commit(j), 0);
    }
}

/* The copies as if made before a reboot. */
static void pretend_reboot(struct image *safe)
{
    for (size_t at = 0; at + sizeof(struct ic_safe_copy) <= safe->len; at += 1024) {
        struct ic_safe_copy copy;
        memcpy(&copy, safe->bytes + at, sizeof copy);
        if (copy.check == XXH3_64bits(&copy, offsetof(struct ic_safe_copy, check))) {
            copy.boot_id[0] ^= 1;
            copy.check = XXH3_64bits(&copy, offsetof(struct ic_safe_copy, check));
            memcpy(safe->bytes + at, &copy, sizeof copy);
        }
    }
}

/* Of the pages written since the fsync, some are on the disk and some are not; the metas are. */
static void mix(struct image *out, const struct image *synced, const struct image *last,
                struct ic_rng *rng)
{
    out->len = last->len;
    memcpy(out->bytes, last->bytes, last->len);
    for (size_t at = 2 * PAGE; at < last->len; at += PAGE) {
        if (ic_rng_below(rng, 2) == 0) {
            memcpy(out->bytes + at, synced->bytes + at, PAGE); /* zeros behind its end */
        }
    }
}

static int sum_object(void *ctx, const struct ic_journal_object *o)
{
    ((struct loaded *)ctx)->sum += o->id;
    return 0;
}

static int sum_entry(void *ctx, const struct ic_journal_entry *e)
{
    (void)e;
    ((struct loaded *)ctx)->entries++;
    return 0;
}

/* In a child: LMDB may end the process over a file that is not whole. */
static bool whole_without_copy(struct loaded expected)
{
    pid_t child = fork();
    if (child == 0) {
        static const struct ic_journal_loader sums = {.object = sum_object, .entry = sum_entry};
        static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};
        for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
            signal(signals[i], SIG_DFL); /* not cmocka's */
        }
        struct loaded l = {0};
        struct ic_journal_setup setup = usual();
        struct ic_journal_meta meta;
        struct ic_journal *j;
        if (freopen("/dev/null", "w", stderr) == NULL ||
            ic_journal_open(&setup, &j, &meta, why) < 0 || ic_journal_load(j, &sums, &l, why) < 0) {
            _exit(1);
        }
        _exit(l.sum == expected.sum && l.entries == expected.entries ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static void test_power_failure(void **state)
{
    (void)state;
    static struct image synced, last, mixed, safe;
    struct ic_rng rng;
    int broken = 0;
    ic_rng_init(&rng, 21);
    for (int i = 0; i < IMAGES; i++) {
        struct ic_journal *j = open_journal(NULL);
        ic_journal_set_appendfsync(j, IC_FSYNC_EVERYSEC);
        churn(j, &rng, 40);
        uint64_t until = ic_journal_stats(j).synced + 1;
        uint64_t deadline = ic_clock_mono_ms() + 10000;
        do {
            assert_true(ic_clock_mono_ms() < deadline);
            ic_journal_tick(j, 5000);
        } while (ic_journal_stats(j).synced < until);
        read_image("journal.lmdb", &synced);
        struct loaded expected = load(j);
        churn(j, &rng, 100);
        read_image("journal.lmdb", &last);
        read_image("journal.safe", &safe);
        ic_journal_close(j);
        pretend_reboot(&safe);
        mix(&mixed, &synced, &last, &rng);
        write_image("journal.lmdb", &mixed);
        broken += !whole_without_copy(expected);
        write_image("journal.lmdb", &mixed);
        write_image("journal.safe", &safe);
        j = open_journal(NULL);
        struct loaded l = load(j);
        assert_int_equal(l.objects, expected.objects);
        assert_int_equal(l.entries, expected.entries);
        assert_int_equal(l.sum, expected.sum);
        churn(j, &rng, 50);
        ic_journal_close(j);
        char path[128];
        path_of("journal.safe", path);
        assert_int_equal(access(path, F_OK), -1); /* closed: all is on the disk */
    }
    assert_true(broken > IMAGES / 2); /* the images do show the danger */
}

static void test_memory_only(void **state)
{
    (void)state;
    struct ic_journal_setup setup = usual();
    setup.dir = "";
    struct ic_journal_meta meta;
    struct ic_journal *j;
    assert_int_equal(ic_journal_open(&setup, &j, &meta, why), 0);
    assert_true(meta.fresh && meta.epoch > 0);
    put(j, 1, "k1");
    assert_int_equal(ic_journal_commit(j), 0);
    assert_int_equal(ic_journal_probe(j), 0);
    ic_journal_tick(j, 1);
    assert_int_equal(load(j).objects, 0);
    ic_journal_close(j);
    ic_journal_close(NULL);
}

static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t at = 1; at <= 3; at++) {
        struct ic_journal_setup setup = usual();
        struct ic_journal_meta meta;
        struct ic_journal *j;
        ic_alloc_fail_at(at);
        int result = ic_journal_open(&setup, &j, &meta, why);
        assert_true(result == IC_ENOMEM || result == 0);
        ic_alloc_fail_at(0);
        ic_journal_close(j);
        assert_int_equal(ic_alloc_live(), 0);
    }
    struct ic_journal *j = open_journal(NULL);
    put(j, 1, "k1");
    size_t mark = ic_journal_mark(j);
    struct ic_journal_entry e = {.id = 4, .key = ic_slice_str("k")};
    ic_alloc_fail_at(1);
    assert_int_equal(ic_journal_put_entry(j, &e), IC_ENOMEM);
    assert_int_equal(ic_journal_mark(j), mark);
    ic_journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        dir_test(test_commit_and_load), dir_test(test_growth),         dir_test(test_in_use),
        dir_test(test_foreign_file),    dir_test(test_cut_off_file),   dir_test(test_flipped_byte),
        leak_test(test_records),        dir_test(test_full_disk),      dir_test(test_disk_fills_up),
        dir_test(test_kill_9),          dir_test(test_fsync_modes),    dir_test(test_memory_only),
        dir_test(test_power_failure),   dir_test(test_failing_memory),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
