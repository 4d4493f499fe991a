/*
 * test_journal_record.c - what is encoded is decoded, in few bytes; records of format 2 are read,
 * alone and in a journal; what is damaged is told, whatever its bytes say.
 */
#include "proxy/journal_record.h"

#include "base/config.h"
#include "base/random.h"
#include "unit/unit.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void fill_place(struct ic_journal_place *p, uint16_t function, int instance, int backup)
{
    *p = (struct ic_journal_place){
        .function = function, .held = instance != 0, .copied = backup != 0};
    memset(p->instance, instance, sizeof p->instance);
    memset(p->backup, backup, sizeof p->backup);
}

static void expect_same_object(const struct ic_journal_object *a, const struct ic_journal_object *b)
{
    assert_true(a->id == b->id && a->size == b->size && a->version == b->version);
    assert_true(a->unit == b->unit && a->key_len == b->key_len);
    assert_true(a->data == b->data && a->parity == b->parity);
    for (int i = 0; i < a->data + a->parity; i++) {
        const struct ic_journal_place *x = &a->place[i], *y = &b->place[i];
        assert_true(x->function == y->function && x->held == y->held && x->copied == y->copied);
        assert_memory_equal(x->instance, y->instance, sizeof x->instance);
        assert_memory_equal(x->backup, y->backup, sizeof x->backup);
    }
}

/* Returns the bytes it took. */
static size_t round_trip(const struct ic_journal_object *o)
{
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX];
    struct ic_journal_object back;
    struct ic_buf record;
    ic_buf_init(&record);
    assert_int_equal(ic_journal_encode_object(&record, o), 0);
    struct ic_slice all = ic_buf_slice(&record);
    assert_int_equal(ic_journal_decode_object(all, o->id, &back, place), 0);
    expect_same_object(o, &back);
    assert_int_equal(ic_journal_decode_object(all, o->id + 1, &back, place), IC_ECORRUPT);
    size_t len = record.len;
    ic_buf_deinit(&record);
    return len;
}

static void test_objects(void **state)
{
    (void)state;
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX];
    for (uint16_t i = 0; i < IC_JOURNAL_PLACES_MAX; i++) {
        fill_place(&place[i], (uint16_t)(i * 1040), i % 3 == 0 ? 0 : i, i % 3 == 1 ? i : 0);
    }
    struct ic_journal_object large = {.id = UINT64_MAX,
                                      .size = UINT64_MAX,
                                      .version = 0,
                                      .unit = UINT32_MAX,
                                      .key_len = UINT32_MAX,
                                      .data = 1,
                                      .parity = 63,
                                      .place = place};
    round_trip(&large);
    large.id = 0;
    large.version = UINT64_MAX;
    round_trip(&large);
    large.version = UINT64_C(1) << 63;
    round_trip(&large);
    place[0].held = true; /* without an instance */
    place[2].copied = true;
    round_trip(&large);
    for (uint16_t i = 0; i < 3; i++) {
        fill_place(&place[i], i, 7, 0);
    }
    struct ic_journal_object small = {.id = UINT64_C(478574) << 40,
                                      .size = 100,
                                      .version = UINT64_C(478574) << 40,
                                      .unit = 128,
                                      .key_len = 25,
                                      .data = 1,
                                      .parity = 2,
                                      .place = place};
    assert_int_equal(round_trip(&small), 7 + 3 * (1 + 1 + 16) + 4);
}

static void test_entries(void **state)
{
    (void)state;
    static const int64_t times[] = {0, 1, -5, 1795939200000, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct ic_journal_entry e = {.id = UINT64_MAX - i,
                                     .object_id = i,
                                     .expires_ms = times[i],
                                     .accessed_ms = times[5 - i],
                                     .key = ic_slice("a\0key", i)};
        struct ic_journal_entry back;
        struct ic_buf record;
        ic_buf_init(&record);
        assert_int_equal(ic_journal_encode_entry(&record, &e), 0);
        struct ic_slice all = ic_buf_slice(&record);
        assert_int_equal(ic_journal_decode_entry(all, e.id, &back), 0);
        assert_true(back.id == e.id && back.object_id == e.object_id);
        assert_true(back.expires_ms == e.expires_ms && back.accessed_ms == e.accessed_ms);
        assert_true(ic_slice_equal(back.key, e.key));
        assert_int_equal(ic_journal_decode_entry(all, e.id + 1, &back), IC_ECORRUPT);
        ic_buf_deinit(&record);
    }
}

/* ---- format 2 ------------------------------------------------------------------- */

static void add(struct ic_buf *out, uint64_t value, size_t bytes)
{
    assert_int_equal(ic_buf_append(out, &value, bytes),
                     0); /* little endian, as the tests' machine */
}

static void add_check(struct ic_buf *out, uint64_t id)
{
    add(out, (uint32_t)XXH3_64bits_withSeed(out->data, out->len, id), 4);
}

static void old_object(struct ic_buf *out, const struct ic_journal_object *o)
{
    add(out, o->size, 8);
    add(out, o->version, 8);
    add(out, o->unit, 4);
    add(out, o->key_len, 4);
    add(out, o->data, 2);
    add(out, o->parity, 2);
    for (int i = 0; i < o->data + o->parity; i++) {
        const struct ic_journal_place *p = &o->place[i];
        add(out, p->function, 2);
        add(out, (p->held ? 1U : 0U) | (p->copied ? 2U : 0U), 1);
        assert_int_equal(ic_buf_append(out, p->instance, sizeof p->instance), 0);
        assert_int_equal(ic_buf_append(out, p->backup, sizeof p->backup), 0);
    }
    add_check(out, o->id);
}

static void old_entry(struct ic_buf *out, const struct ic_journal_entry *e)
{
    add(out, e->object_id, 8);
    add(out, (uint64_t)e->expires_ms, 8);
    add(out, (uint64_t)e->accessed_ms, 8);
    assert_int_equal(ic_buf_append_slice(out, e->key), 0);
    add_check(out, e->id);
}

static struct ic_journal_place old_place[3];
static const struct ic_journal_object object = {.id = 77,
                                                .size = 1000,
                                                .version = 76,
                                                .unit = 1024,
                                                .key_len = 3,
                                                .data = 1,
                                                .parity = 2,
                                                .place = old_place};

static struct ic_journal_entry entry(void)
{
    return (struct ic_journal_entry){.id = 78,
                                     .object_id = 77,
                                     .expires_ms = 5,
                                     .accessed_ms = 1795939200000,
                                     .key = ic_slice_str("key")};
}

static int expect_object(void *ctx, const struct ic_journal_object *o)
{
    ++*(int *)ctx;
    expect_same_object(o, &object);
    return 0;
}

static int expect_entry(void *ctx, const struct ic_journal_entry *e)
{
    ++*(int *)ctx;
    assert_true(e->id == 78 && e->object_id == 77 && e->expires_ms == 5);
    assert_true(e->accessed_ms == 1795939200000 && ic_slice_equal(e->key, ic_slice_str("key")));
    return 0;
}

static void put_raw(MDB_txn *txn, const char *database, MDB_val key, MDB_val value)
{
    MDB_dbi dbi;
    assert_int_equal(mdb_dbi_open(txn, database, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
}

/* The closed journal at PATH becomes one of format 2 with one object and entry. */
static void make_old(const char *path)
{
    struct ic_buf o, e;
    struct ic_journal_entry key = entry();
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    MDB_val name = {.mv_size = 4, .mv_data = "meta"}, value;
    size_t object_id = object.id, entry_id = key.id;
    uint8_t record[512];
    ic_buf_init(&o);
    ic_buf_init(&e);
    old_object(&o, &object);
    old_entry(&e, &key);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    put_raw(txn, "objects", (MDB_val){sizeof object_id, &object_id}, (MDB_val){o.len, o.data});
    put_raw(txn, "entries", (MDB_val){sizeof entry_id, &entry_id}, (MDB_val){e.len, e.data});
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(mdb_get(txn, meta, &name, &value), 0);
    assert_true(value.mv_size <= sizeof record);
    memcpy(record, value.mv_data, value.mv_size);
    assert_int_equal(record[0], 3);
    record[0] = 2;
    put_raw(txn, "meta", name, (MDB_val){value.mv_size, record});
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    ic_buf_deinit(&o);
    ic_buf_deinit(&e);
}

static void test_old_journal(void **state)
{
    (void)state;
    static const struct ic_journal_loader loader = {.object = expect_object, .entry = expect_entry};
    char dir[] = "/tmp/ic-journal-record-XXXXXX", path[64], command[64], why[IC_JOURNAL_WHY_MAX];
    struct ic_journal_meta meta;
    struct ic_journal *j;
    assert_non_null(mkdtemp(dir));
    struct ic_journal_setup setup = {.dir = dir,
                                     .appendfsync = IC_FSYNC_NO,
                                     .prefix = "infinicache",
                                     .functions = 16,
                                     .memory = 256 << 20};
    for (uint16_t i = 0; i < 3; i++) {
        fill_place(&old_place[i], i, i + 1, i == 1 ? 9 : 0);
    }
    assert_int_equal(ic_journal_open(&setup, &j, &meta, why), 0);
    ic_journal_close(j);
    snprintf(path, sizeof path, "%s/journal.lmdb", dir);
    make_old(path);
    assert_int_equal(ic_journal_verify(&setup, why), 0);
    for (int start = 0; start < 2;
         start++) { /* the second finds the new format with an old record */
        int found = 0;
        assert_int_equal(ic_journal_open(&setup, &j, &meta, why), 0);
        assert_false(meta.fresh);
        assert_int_equal(ic_journal_load(j, &loader, &found, why), 0);
        assert_int_equal(found, 2);
        ic_journal_close(j);
    }
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

/* Bytes that nobody wrote, under a check that is right. */
static void test_garbage(void **state)
{
    (void)state;
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX];
    struct ic_journal_object o;
    struct ic_journal_entry e;
    struct ic_rng rng;
    struct ic_buf record;
    int fine = 0;
    ic_rng_init(&rng, 3);
    ic_buf_init(&record);
    for (int i = 0; i < 20000; i++) {
        record.len = 0;
        uint64_t len = ic_rng_below(&rng, 120);
        for (uint64_t n = 0; n < len; n++) {
            add(&record,
                ic_rng_below(&rng, 4) == 0 ? ic_rng_below(&rng, 256) : ic_rng_below(&rng, 8), 1);
        }
        uint64_t seed = i % 2 == 0 ? 5 : 5 ^ UINT64_C(0x9e3779b97f4a7c15);
        add(&record, (uint32_t)XXH3_64bits_withSeed(record.data, record.len, seed), 4);
        int result = ic_journal_decode_object(ic_buf_slice(&record), 5, &o, place);
        assert_true(result == 0 || result == IC_ECORRUPT);
        if (result == 0) {
            round_trip(&o);
            fine++;
        }
        result = ic_journal_decode_entry(ic_buf_slice(&record), 5, &e);
        assert_true(result == 0 || result == IC_ECORRUPT);
    }
    assert_true(fine > 0);
    ic_buf_deinit(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_objects),
        leak_test(test_entries),
        leak_test(test_old_journal),
        leak_test(test_garbage),
    };
    return cmocka_run_group_tests_name("journal_record", tests, NULL, NULL);
}
