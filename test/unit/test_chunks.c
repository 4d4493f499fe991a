#include "node/chunks.h"

#include "base/random.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEMORY = 32 << 20 };

static const uint8_t me[IC_INSTANCE_ID_BYTES] = "this instance!!";

/* As a WRITE does: LEN bytes of MARK at the end of what is written. */
static void write_bytes(struct ic_chunks *c, struct ic_chunk *chunk, uint64_t len, int mark)
{
    assert_int_equal(ic_chunk_check_write(chunk, chunk->written, len), IC_STATUS_OK);
    assert_int_equal(ic_chunks_grow(c, chunk, chunk->written + len), IC_STATUS_OK);
    struct iovec crcs = ic_chunk_crcs(chunk, chunk->written, len);
    memset(crcs.iov_base, mark, crcs.iov_len);
    uint64_t offset = chunk->written, covered;
    for (uint64_t done = 0; done < len; done += covered) {
        struct iovec iov[2];
        size_t count = ic_chunk_memory(c, chunk, offset + done, len - done, iov, 2, &covered);
        for (size_t i = 0; i < count; i++) {
            memset(iov[i].iov_base, mark, iov[i].iov_len);
        }
    }
    ic_chunk_written(chunk, len);
}

static void expect_bytes(struct ic_chunks *c, struct ic_chunk *chunk, int mark)
{
    uint64_t covered;
    for (uint64_t done = 0; done < chunk->length; done += covered) {
        struct iovec iov[1];
        assert_int_equal(ic_chunk_memory(c, chunk, done, chunk->length - done, iov, 1, &covered),
                         1);
        const uint8_t *bytes = iov[0].iov_base;
        assert_int_equal(bytes[0], mark);
        assert_int_equal(bytes[iov[0].iov_len - 1], mark);
        assert_int_equal(iov[0].iov_len, covered);
    }
}

static struct ic_seal seal_of(uint64_t length, const char *key)
{
    struct ic_seal seal = {.chunk_length = length,
                           .object_size = length * 10,
                           .version = 3,
                           .expires_ms = 4,
                           .unit = 65536,
                           .data = 10,
                           .parity = 2,
                           .key = ic_slice_str(key)};
    memcpy(seal.instance, me, sizeof(me));
    return seal;
}

/* A whole chunk; its status. */
static enum ic_frame_status put(struct ic_chunks *c, uint64_t id, uint64_t len, const char *key)
{
    struct ic_chunk *chunk;
    enum ic_frame_status status = ic_chunks_open(c, id, 1, len, 65536, &chunk);
    if (status == IC_STATUS_OK && (status = ic_chunks_grow(c, chunk, len)) != IC_STATUS_OK) {
        ic_chunks_drop(c, chunk);
    }
    if (status == IC_STATUS_OK) {
        write_bytes(c, chunk, len, (int)id);
        struct ic_seal seal = seal_of(len, key);
        status = ic_chunks_seal(c, id, 1, &seal);
    }
    return status;
}

static void life_of_a_chunk(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    struct ic_chunk *chunk;
    assert_int_equal(ic_chunks_open(c, 9, 1, 200000, 65536, &chunk), IC_STATUS_OK);
    assert_ptr_equal(ic_chunks_find(c, 9, 1), chunk);
    assert_null(ic_chunks_find(c, 9, 2));
    assert_null(ic_chunks_find(c, 8, 1));
    assert_int_equal(ic_chunks_held(c), ic_chunk_cost(0, 65536, 0)); /* not for the promise */
    assert_int_equal(ic_chunk_check_write(chunk, 65536, 65536), IC_STATUS_HOLE);
    assert_int_equal(ic_chunk_check_write(chunk, 0, 65535), IC_STATUS_RANGE);
    assert_int_equal(ic_chunk_check_write(chunk, 0, 0), IC_STATUS_RANGE);
    assert_int_equal(ic_chunk_check_write(chunk, 0, 262144), IC_STATUS_RANGE);
    write_bytes(c, chunk, 131072, 7);
    struct ic_seal seal = seal_of(200000, "key");
    assert_int_equal(ic_chunks_seal(c, 9, 1, &seal), IC_STATUS_HOLE);
    assert_int_equal(ic_chunk_check_read(chunk, 0, 65536), IC_STATUS_NOENT);
    write_bytes(c, chunk, 200000 - 131072, 7);
    seal.chunk_length = 131072;
    assert_int_equal(ic_chunks_seal(c, 9, 1, &seal), IC_STATUS_HOLE);
    seal = seal_of(200000, "key");
    seal.instance[0] ^= 1;
    assert_int_equal(ic_chunks_seal(c, 9, 1, &seal), IC_STATUS_STALE);
    seal.instance[0] ^= 1;
    assert_int_equal(ic_chunks_sealed(c, 9, 1), IC_STATUS_NOENT);
    assert_int_equal(ic_chunks_seal(c, 9, 1, &seal), IC_STATUS_OK);
    assert_int_equal(ic_chunks_sealed(c, 9, 1), IC_STATUS_OK);
    assert_int_equal(ic_chunks_seal(c, 9, 1, &seal), IC_STATUS_OK);
    seal.version = 99;
    assert_int_equal(ic_chunks_seal(c, 9, 1, &seal), IC_STATUS_SEALED);
    assert_int_equal(ic_chunks_held(c), ic_chunk_cost(200000, 65536, 3));
    assert_int_equal(ic_chunks_open(c, 9, 1, 64, 64, &chunk), IC_STATUS_SEALED);
    assert_int_equal(ic_chunk_check_write(chunk, 200000, 64), IC_STATUS_SEALED);
    assert_int_equal(ic_chunk_check_read(chunk, 131072, 200000 - 131072), IC_STATUS_OK);
    assert_int_equal(ic_chunk_check_read(chunk, 131072, 65536), IC_STATUS_OK);
    assert_int_equal(ic_chunk_check_read(chunk, 131072, 65537), IC_STATUS_RANGE);
    assert_int_equal(ic_chunk_check_read(chunk, 1, 65536), IC_STATUS_RANGE);
    assert_int_equal(ic_chunk_check_read(chunk, UINT64_MAX - 65535, 65536), IC_STATUS_RANGE);
    assert_int_equal(ic_chunk_crcs(chunk, 131072, 200000 - 131072).iov_len, 8);
    expect_bytes(c, chunk, 7);
    ic_chunks_drop(c, chunk);
    assert_int_equal(ic_chunks_held(c), 0);
    assert_int_equal(ic_chunks_count(c), 0);
    assert_int_equal(ic_chunks_seal(c, 9, 1, &seal), IC_STATUS_NOENT);
    ic_chunks_free(c);
}

/* Many announce more than there is: others have the room until the bytes come. */
static void announced_is_not_held(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    struct ic_chunk *chunk;
    uint64_t most = ic_chunks_capacity(c);
    for (uint64_t id = 1000; id < 2000; id++) {
        assert_int_equal(ic_chunks_open(c, id, 1, most, 64, &chunk), IC_STATUS_OK);
    }
    assert_int_equal(ic_chunks_open(c, 1, 1, most + 1, 64, &chunk), IC_STATUS_NOSPACE);
    assert_int_equal(ic_chunks_held(c), 1000 * ic_chunk_cost(0, 64, 0));
    assert_int_equal(put(c, 1, most - ic_chunks_held(c) - 8192, "k"), IC_STATUS_OK);
    expect_bytes(c, ic_chunks_find(c, 1, 1), 1);
    chunk = ic_chunks_find(c, 1500, 1);
    assert_int_equal(ic_chunks_grow(c, chunk, 64), IC_STATUS_NOSPACE);
    assert_int_equal(ic_chunk_reserved(chunk), 0);
    ic_chunks_drop(c, ic_chunks_find(c, 1, 1));
    assert_int_equal(ic_chunks_grow(c, ic_chunks_find(c, 1500, 1), 64), IC_STATUS_OK);
    ic_chunks_free(c);
}

/* One chunk written unit by unit beside others: it is charged for what is there, in steps. */
static void grows_as_it_is_written(void **state)
{
    (void)state;
    enum { UNIT = 4096, LENGTH = 1 << 20 };
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    for (uint64_t id = 1; id <= 3; id++) {
        struct ic_chunk *chunk;
        assert_int_equal(ic_chunks_open(c, id, 1, LENGTH - 64, UNIT, &chunk), IC_STATUS_OK);
    }
    for (uint64_t at = 0; at < LENGTH; at += UNIT) {
        for (uint64_t id = 1; id <= 3; id++) {
            struct ic_chunk *chunk = ic_chunks_find(c, id, 1);
            uint64_t len = at + UNIT < LENGTH ? UNIT : UNIT - 64;
            write_bytes(c, chunk, len, (int)id);
            assert_int_equal(ic_chunk_reserved(chunk), ic_chunk_grown(at + len, LENGTH - 64));
            assert_true(ic_chunk_reserved(chunk) < at + len + IC_CHUNK_STEP_BYTES);
        }
    }
    assert_int_equal(ic_chunks_held(c), 3 * ic_chunk_cost(LENGTH - 64, UNIT, 0));
    for (uint64_t id = 1; id <= 3; id++) {
        struct ic_chunk *chunk = ic_chunks_find(c, id, 1);
        expect_bytes(c, chunk, (int)id);
        const uint8_t *crcs = ic_chunk_crcs(chunk, 0, LENGTH - 64).iov_base;
        for (size_t i = 0; i < 4 * LENGTH / UNIT; i++) {
            assert_int_equal(crcs[i], id);
        }
        struct ic_seal seal = seal_of(LENGTH - 64, "k");
        assert_int_equal(ic_chunks_seal(c, id, 1, &seal), IC_STATUS_OK);
        ic_chunks_drop(c, chunk);
    }
    assert_int_equal(ic_chunks_held(c), 0);
    ic_chunks_free(c);
}

static void empty_chunks(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    struct ic_seal seal = seal_of(0, "empty");
    seal.unit = 0;
    assert_int_equal(ic_chunks_seal(c, 1, 0, &seal), IC_STATUS_OK);
    assert_int_equal(ic_chunks_held(c), ic_chunk_cost(0, 0, 5));
    struct ic_chunk *chunk = ic_chunks_find(c, 1, 0);
    assert_int_equal(ic_chunk_check_read(chunk, 0, 1), IC_STATUS_RANGE);
    struct ic_item item;
    ic_chunk_item(chunk, &item);
    assert_true(item.sealed);
    assert_true(ic_slice_equal(item.seal.key, seal.key));
    ic_chunks_free(c);
}

static void operations(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    assert_int_equal(ic_chunks_op_order(c, 0), IC_OP_SETTLED);
    assert_int_equal(ic_chunks_op_order(c, 1), IC_OP_NEXT);
    assert_int_equal(ic_chunks_op_order(c, 2), IC_OP_GAP);
    ic_chunks_op_settle(c, 1);
    assert_int_equal(ic_chunks_op_order(c, 1), IC_OP_SETTLED);
    assert_int_equal(ic_chunks_op_order(c, 2), IC_OP_NEXT);
    assert_int_equal(ic_chunks_position(c), 1);
    ic_chunks_free(c);
}

static void epochs(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    struct ic_chunk *chunk;
    assert_int_equal(ic_chunks_enter_epoch(c, 3), 0);
    for (uint64_t id = 0; id < 3000; id++) {
        if (id % 3 == 0) {
            assert_int_equal(put(c, id, 64, "k"), IC_STATUS_OK);
        } else {
            assert_int_equal(ic_chunks_open(c, id, 1, 64, 64, &chunk), IC_STATUS_OK);
        }
    }
    assert_int_equal(ic_chunks_enter_epoch(c, 3), 0);
    assert_int_equal(ic_chunks_count(c), 3000);
    assert_int_equal(ic_chunks_enter_epoch(c, 2), IC_ESTALE);
    assert_int_equal(ic_chunks_enter_epoch(c, 4), 0);
    assert_int_equal(ic_chunks_epoch(c), 4);
    assert_int_equal(ic_chunks_count(c), 1000);
    assert_int_equal(ic_chunks_held(c), 1000 * ic_chunk_cost(64, 65536, 1));
    for (uint64_t id = 0; id < 3000; id++) {
        assert_int_equal(ic_chunks_find(c, id, 1) != NULL, id % 3 == 0);
    }
    ic_chunks_free(c);
}

static void capacity(void **state)
{
    (void)state;
    assert_null(ic_chunks_new(IC_NODE_MEMORY_MIN - 1, me));
    static const uint64_t sizes[] = {128, 256, 512, 1024, 3008, 10240};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t memory = sizes[i] << 20;
        struct ic_chunks *c = ic_chunks_new(memory, me);
        assert_true(ic_chunks_capacity(c) >= memory / 100 * 95);
        ic_chunks_free(c);
    }
}

/* Up to the capacity to the byte, in chunks of any size, at least 95 % of it bytes of chunks. */
static void filled_to_the_brim(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1024, 4096, 16384, 65600, 1 << 20, 5 << 20};
    struct ic_rng rng;
    ic_rng_init(&rng, 8);
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    uint64_t bytes = 0, id = 0;
    for (size_t largest = 6; largest > 0;) { /* random ones, then smaller ones into what is left */
        uint64_t len = sizes[ic_rng_below(&rng, largest)];
        if (put(c, id, len, "key") == IC_STATUS_OK) {
            bytes += len;
            id++;
        } else {
            largest--;
        }
        assert_true(ic_chunks_held(c) <= ic_chunks_capacity(c));
    }
    assert_true(ic_chunks_capacity(c) - ic_chunks_held(c) < 2048);
    assert_true(bytes >= ic_chunks_capacity(c) / 100 * 95);
    while (id-- > 0) {
        struct ic_chunk *chunk = ic_chunks_find(c, id, 1);
        expect_bytes(c, chunk, (int)(uint8_t)id);
        ic_chunks_drop(c, chunk);
    }
    assert_int_equal(ic_chunks_held(c), 0);
    ic_chunks_free(c);
}

/* Large chunks make the arena resident; the heap of many small ones then has to fit beside it. */
static void small_after_large(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    assert_int_equal(put(c, 1, ic_chunks_capacity(c) - 4096, "k"), IC_STATUS_OK);
    ic_chunks_drop(c, ic_chunks_find(c, 1, 1));
    uint64_t id = 0;
    while (put(c, id, 64, "") == IC_STATUS_OK) {
        id++;
    }
    uint64_t each = ic_chunk_cost(64, 65536, 0);
    assert_true(id * each >= ic_chunks_capacity(c) / 100 * 95);
    ic_chunks_free(c);
}

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%*u %lu", &pages), 1);
    fclose(statm);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A node full of small chunks, of which a few stay, filled up with large ones: what was kept for
 * the small ones must not stay resident beside what the large ones take. */
static void large_after_small(void **state)
{
    (void)state;
    uint64_t before = resident_bytes(), small = 0, id;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    while (put(c, small, 64, "a key of some length") == IC_STATUS_OK) {
        small++;
    }
    struct ic_rng rng;
    ic_rng_init(&rng, 12);
    for (id = 0; id < small; id++) {
        if (ic_rng_below(&rng, 20) != 0) {
            ic_chunks_drop(c, ic_chunks_find(c, id, 1));
        }
    }
    for (id = small; put(c, id, 1 << 18, "k") == IC_STATUS_OK; id++) {
    }
    assert_true(ic_chunks_capacity(c) - ic_chunks_held(c) < (1 << 18) + 1024);
    uint64_t grown = resident_bytes() - before;
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(grown <= MEMORY - IC_NODE_RESERVE_BYTES);
#endif
    printf("large after small: %.1f of %d MiB resident\n", (double)grown / (1 << 20), MEMORY >> 20);
    for (id = 0; id < small; id++) {
        struct ic_chunk *chunk = ic_chunks_find(c, id, 1);
        if (chunk != NULL) {
            expect_bytes(c, chunk, (int)(uint8_t)id);
        }
    }
    ic_chunks_free(c);
}

/* Chunks move when others are dropped, but for those that replies point into. */
static void readers_stay_where_they_are(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    for (uint64_t id = 0; id < 100; id++) {
        assert_int_equal(put(c, id, 200000, "a key that is so long that it is on the heap, too"),
                         IC_STATUS_OK);
    }
    struct ic_chunk *read = ic_chunks_find(c, 99, 1);
    read->readers++;
    for (uint64_t id = 0; id < 99; id++) {
        if (id % 10 != 5) {
            ic_chunks_drop(c, ic_chunks_find(c, id, 1));
        }
    }
    assert_ptr_equal(ic_chunks_find(c, 99, 1), read);
    expect_bytes(c, read, 99);
    assert_int_equal(put(c, 200, 64, "into a hole"), IC_STATUS_OK);
    read->readers--;
    ic_chunks_drop(c, read);
    for (uint64_t id = 5; id < 99; id += 10) {
        expect_bytes(c, ic_chunks_find(c, id, 1), (int)id);
        struct ic_item item;
        ic_chunk_item(ic_chunks_find(c, id, 1), &item);
        assert_int_equal(item.object_id, id);
        assert_int_equal(item.seal.key.len, 49);
        ic_chunks_drop(c, ic_chunks_find(c, id, 1));
    }
    assert_int_equal(ic_chunks_count(c), 1);
    ic_chunks_free(c);
}

static void count_chunk(void *ctx, const struct ic_chunk *chunk)
{
    uint64_t *sum = ctx;
    *sum += chunk->name.object_id;
}

static void scan(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(MEMORY, me);
    uint64_t expected = 0, sum = 0, cursor = 0;
    for (uint64_t id = 0; id < 500; id++) {
        assert_int_equal(put(c, id, 64, "k"), IC_STATUS_OK);
        expected += id;
    }
    do {
        cursor = ic_chunks_scan(c, cursor, count_chunk, &sum);
    } while (cursor != 0);
    assert_int_equal(sum, expected);
    ic_chunks_free(c);
}

static void failing_allocator(void **state)
{
    (void)state;
    struct ic_chunks *c = NULL;
    for (uint64_t n = 1; c == NULL; n++) {
        ic_alloc_fail_at(n);
        c = ic_chunks_new(MEMORY, me);
    }
    enum ic_frame_status status = IC_STATUS_NOSPACE;
    for (uint64_t n = 1; status != IC_STATUS_OK; n++) {
        struct ic_chunk *chunk = ic_chunks_find(c, 1, 1);
        if (chunk != NULL) {
            ic_chunks_drop(c, chunk);
        }
        assert_int_equal(ic_chunks_held(c), 0);
        ic_alloc_fail_at(n);
        status = put(c, 1, 100000, "key");
        assert_true(status == IC_STATUS_OK || status == IC_STATUS_NOSPACE);
    }
    struct ic_seal seal = seal_of(0, "a key that is so long that it lies on the heap, not inside");
    ic_alloc_fail_at(1); /* the chunk is there, its key cannot be */
    assert_int_equal(ic_chunks_seal(c, 2, 1, &seal), IC_STATUS_NOSPACE);
    ic_alloc_fail_at(0);
    assert_null(ic_chunks_find(c, 2, 1));
    assert_int_equal(ic_chunks_count(c), 1);
    ic_chunks_free(c);
}

/* Whatever a chunk's length is, no room that the capacity promises is lost to the ends of pages:
 * who counts what the node holds would send it more, again and again, and evict nothing. */
static void all_of_the_capacity_is_had(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {128, 1000, 33000, 40000, 65600, 98368, 100000, 250048};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct ic_chunks *c = ic_chunks_new(128 << 20, me);
        uint64_t whole = ic_chunk_cost(lengths[i], 65536, 0);
        enum ic_frame_status status = IC_STATUS_OK;
        for (uint64_t id = 1; status == IC_STATUS_OK; id++) {
            struct ic_chunk *chunk;
            status = ic_chunks_open(c, id, 0, lengths[i], 65536, &chunk);
            for (uint64_t at = 0; status == IC_STATUS_OK && at < lengths[i];) {
                at = at + 65536 < lengths[i] ? at + 65536 : lengths[i];
                status = ic_chunks_grow(c, chunk, at);
            }
        }
        assert_int_equal(status, IC_STATUS_NOSPACE);
        assert_true(ic_chunks_held(c) + whole > ic_chunks_capacity(c));
        ic_chunks_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(life_of_a_chunk),
        leak_test(all_of_the_capacity_is_had),
        leak_test(announced_is_not_held),
        leak_test(grows_as_it_is_written),
        leak_test(empty_chunks),
        leak_test(operations),
        leak_test(epochs),
        leak_test(capacity),
        leak_test(filled_to_the_brim),
        leak_test(small_after_large),
        leak_test(large_after_small),
        leak_test(scan),
        leak_test(readers_stay_where_they_are),
        leak_test(failing_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
