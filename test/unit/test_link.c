/*
 * test_link.c - one link: requests survive a broken connection, cancelling leaves memory and
 * numbering alone, a goodbye waits for what is outstanding, small READs overtake large ones.
 */
#include "functions_world.h"

static void a_broken_link_is_dialled_again(void **s)
{
    (void)s;
    for (uint32_t nth = 1; nth <= 4; nth++) {
        struct world w;
        open_world(&w, 1);
        uint32_t serial = put(&w, 5);
        struct fake_node *n = node0(&w);
        n->drop_after = n->requests + nth;
        n->redials = true;
        n->drop_half = nth % 2 == 0;
        struct ask reads[3];
        struct ask write;
        prepare_write(&w, &write, 6);
        submit(&w, &write);
        for (int i = 0; i < 3; i++) {
            prepare_read(&reads[i], 5, serial);
            submit(&w, &reads[i]);
        }
        for (int i = 0; i < 3; i++) {
            assert_int_equal(wait_for(&w, &reads[i]), 0);
            assert_int_equal(reads[i].bytes[9], (uint8_t)(9 * 7 + 5));
        }
        assert_int_equal(wait_for(&w, &write), 0);
        assert_int_equal(ic_functions_figures(w.f, 0).redials, 1);
        assert_int_equal(w.lists, 0);
        done_with(&write);
        close_world(&w);
    }
}

static void a_cancelled_write_keeps_the_numbering(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    n->mute = true;
    struct ask write;
    struct ask read;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    fake_run_for(&w.fake, 20);
    ic_functions_cancel(w.f, &write.r);
    ic_functions_cancel(w.f, &read.r);
    assert_int_equal(write.r.instance, serial);
    ic_pool_condemn(w.pool, 0, serial, 6, 0, chunk_cost(), IC_POOL_FROM_IN_FLIGHT);
    n->mute = false;
    fake_dial(n); /* the WRITE was swallowed: its number is used by a DELETE */
    put(&w, 7);
    assert_int_equal(write.calls + read.calls, 0);
    assert_int_equal(get(&w, 5, serial), 0);
    check_accounts(&w);
    done_with(&write);
    close_world(&w);
}

static void cancelled_reads_do_not_touch_memory(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct ask reads[50];
    for (int i = 0; i < 50; i++) {
        prepare_read(&reads[i], 5, serial);
        submit(&w, &reads[i]);
    }
    for (int i = 0; i < 50; i += 2) {
        ic_functions_cancel(w.f, &reads[i].r);
    }
    for (int i = 1; i < 50; i += 2) {
        assert_int_equal(wait_for(&w, &reads[i]), 0);
    }
    for (int i = 0; i < 50; i += 2) {
        assert_int_equal(reads[i].calls, 0);
        assert_int_equal(reads[i].bytes[9], 0);
    }
    close_world(&w);
}

static void stat_tells_the_seal_and_mark_is_kept(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct ic_buf item;
    ic_buf_init(&item);
    struct ask stat = {
        .r = {.op = IC_NODE_STAT, .object_id = 6, .instance = serial, .item = &item}};
    submit(&w, &stat);
    assert_int_equal(wait_for(&w, &stat), IC_ENOENT);
    stat.calls = 0;
    stat.r.object_id = 5;
    submit(&w, &stat);
    assert_int_equal(wait_for(&w, &stat), 0);
    struct ic_slice rest = ic_buf_slice(&item);
    struct ic_item found;
    assert_int_equal(ic_item_decode(&rest, &found), 1);
    assert_int_equal(found.object_id, 5);
    assert_true(found.sealed && ic_slice_equal(found.seal.key, ic_slice_str("key")));
    ic_buf_deinit(&item);
    struct ask mark = {.r = {.op = IC_NODE_MARK, .instance = serial, .offset = 1234567}};
    submit(&w, &mark);
    assert_int_equal(wait_for(&w, &mark), 0);
    assert_int_equal(node0(&w)->mark, 1234567);
    check_accounts(&w);
    close_world(&w);
}

static void a_cancelled_mark_keeps_its_number(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    node0(&w)->mute = true;
    struct ask mark = {.r = {.op = IC_NODE_MARK, .instance = serial, .offset = 7}};
    submit(&w, &mark);
    fake_run_for(&w.fake, 20);
    ic_functions_cancel(w.f, &mark.r);
    node0(&w)->mute = false;
    fake_dial(node0(&w));
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(node0(&w)->mark, 7);
    put(&w, 6);
    close_world(&w);
}

static void a_full_node_refuses(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    node0(&w)->refuse_writes = IC_STATUS_NOSPACE;
    struct ask write;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    assert_int_equal(wait_for(&w, &write), IC_ENOSPC);
    done_with(&write);
    close_world(&w);
}

/* A node short of memory has its chunks all the same: such an answer must not lose one. */
static void a_node_without_memory_is_unavailable(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    node0(&w)->refuse_reads = IC_STATUS_NOMEM;
    assert_int_equal(get(&w, 5, serial), IC_EUNAVAIL);
    node0(&w)->refuse_reads = 0;
    assert_int_equal(get(&w, 5, serial), 0);
    close_world(&w);
}

static void a_mute_node_times_out(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    set(&w, "node-timeout", "50ms");
    node0(&w)->mute = true;
    assert_int_equal(get(&w, 5, serial), IC_ETIMEOUT);
    close_world(&w);
}

static void deadline_bye_drains_and_invokes_again(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    uint32_t invokes = w.fake.invokes;
    struct ask reads[40];
    for (int i = 0; i < 40; i++) {
        prepare_read(&reads[i], 5, serial);
        submit(&w, &reads[i]);
        if (i == 3) {
            fake_bye(node0(&w), true);
            fake_run_for(&w.fake, 2);
        }
    }
    for (int i = 0; i < 40; i++) {
        assert_int_equal(wait_for(&w, &reads[i]), 0);
    }
    assert_int_equal(w.fake.invokes, invokes + 1);
    assert_int_equal(w.fake.outstanding, 1);
    close_world(&w);
}

static void bye_with_requests_outstanding_is_not_answered(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct ask read;
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    fake_bye(node0(&w), false); /* crosses the READ */
    assert_int_equal(wait_for(&w, &read), 0);
    fake_run_for(&w.fake, 10);
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    assert_int_equal(node0(&w)->seen[IC_FRAME_BYE_OK], 0);
    close_world(&w);
}

/* ---- a chunk larger than the window ---- */

enum { BIG_UNIT = 4096, BIG_PART = 1 << 20, BIG_PARTS = 4 };

struct order {
    struct ask ask;
    int *count;
    int place; /* in the order answered */
};

static void on_ordered(struct ic_node_request *r, int result)
{
    struct order *o = r->ctx;
    o->ask.result = result;
    o->ask.calls++;
    o->place = (*o->count)++;
}

/* Writes and seals a chunk of BIG_PARTS parts as object 9; returns its instance. */
static uint32_t put_big(struct world *w)
{
    struct ic_buf *part = ic_buf_new(BIG_PART);
    static const uint32_t crcs[BIG_PART / BIG_UNIT];
    memset(part->data, 9, BIG_PART);
    part->len = BIG_PART;
    struct ask write[BIG_PARTS] = {0};
    ic_pool_plan(w->pool, 0, ic_chunk_cost(BIG_PARTS * BIG_PART, BIG_UNIT, KEY_LEN));
    for (uint32_t i = 0; i < BIG_PARTS; i++) {
        write[i].r = (struct ic_node_request){.op = IC_NODE_WRITE,
                                              .object_id = 9,
                                              .unit = BIG_UNIT,
                                              .first = i == 0,
                                              .offset = (uint64_t)i * BIG_PART,
                                              .chunk_length = BIG_PARTS * BIG_PART,
                                              .crcs = crcs,
                                              .body = ic_buf_slice(part),
                                              .owner = part};
        submit(w, &write[i]);
    }
    for (int i = 0; i < BIG_PARTS; i++) {
        assert_int_equal(wait_for(w, &write[i]), 0);
    }
    struct ask seal;
    prepare_seal(w, &seal, 9, write[0].r.instance);
    seal.r.chunk_length = BIG_PARTS * BIG_PART;
    submit(w, &seal);
    assert_int_equal(wait_for(w, &seal), 0);
    ic_buf_unref(part);
    return write[0].r.instance;
}

static void small_reads_overtake_large_ones(void **s)
{
    (void)s;
    enum { SMALL = BIG_PARTS, COUNT = BIG_PARTS + 1 };
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put_big(&w);
    uint8_t *into = ic_malloc(COUNT * BIG_PART);
    uint32_t *crcs = ic_malloc(BIG_PART / BIG_UNIT * sizeof *crcs);
    struct order order[COUNT] = {0};
    int count = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        order[i].count = &count;
        order[i].ask.r = (struct ic_node_request){.op = IC_NODE_READ,
                                                  .object_id = 9,
                                                  .instance = serial,
                                                  .unit = BIG_UNIT,
                                                  .offset = i == SMALL ? 0 : i * BIG_PART,
                                                  .length = i == SMALL ? BIG_UNIT : BIG_PART,
                                                  .into = into + i * BIG_PART,
                                                  .crcs_into = crcs,
                                                  .done = on_ordered,
                                                  .ctx = &order[i]};
        ic_functions_submit(w.f, &order[i].ask.r);
    }
    assert_int_equal(ic_functions_backlog(w.f, 0), BIG_PARTS * BIG_PART + BIG_UNIT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(wait_for(&w, &order[i].ask), 0);
    }
    assert_int_equal(order[SMALL].place, 1); /* behind the one that was sent already */
    for (int i = 0; i < BIG_PARTS; i++) {
        assert_int_equal(order[i].place, i == 0 ? 0 : i + 1);
        assert_int_equal(into[(size_t)i * BIG_PART + 77777], 9);
    }
    assert_int_equal(ic_functions_backlog(w.f, 0), 0);
    ic_free(into);
    ic_free(crcs);
    close_world(&w);
}

/* Cancelling the READ whose bytes are coming in: they go elsewhere, what follows is right. */
static void cancelling_in_the_middle_of_a_body(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put_big(&w);
    uint8_t *into = ic_calloc(1, BIG_PART);
    uint32_t *crcs = ic_malloc(BIG_PART / BIG_UNIT * sizeof *crcs);
    for (int round = 0; round < 20; round++) {
        struct ask big = {0};
        big.r = (struct ic_node_request){.op = IC_NODE_READ,
                                         .object_id = 9,
                                         .instance = serial,
                                         .unit = BIG_UNIT,
                                         .length = BIG_PART,
                                         .into = into,
                                         .crcs_into = crcs};
        memset(into, 0, BIG_PART);
        submit(&w, &big);
        fake_run_for(&w.fake, (uint64_t)round % 3);
        if (big.calls == 0) {
            ic_functions_cancel(w.f, &big.r);
        }
        size_t got = 0;
        while (got < BIG_PART && into[got] == 9) {
            got++;
        }
        struct ask small = big;
        small.r.length = BIG_UNIT;
        small.r.into = into + BIG_PART - BIG_UNIT;
        small.calls = 0;
        submit(&w, &small);
        assert_int_equal(wait_for(&w, &small), 0);
        assert_true(got >= BIG_PART - BIG_UNIT || into[BIG_PART - BIG_UNIT - 1] == 0);
        assert_int_equal(into[BIG_PART - 1], 9);
    }
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 0);
    ic_free(into);
    ic_free(crcs);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(a_broken_link_is_dialled_again),
        leak_test(a_cancelled_write_keeps_the_numbering),
        leak_test(cancelled_reads_do_not_touch_memory),
        leak_test(stat_tells_the_seal_and_mark_is_kept),
        leak_test(a_cancelled_mark_keeps_its_number),
        leak_test(a_full_node_refuses),
        leak_test(a_node_without_memory_is_unavailable),
        leak_test(a_mute_node_times_out),
        leak_test(deadline_bye_drains_and_invokes_again),
        leak_test(bye_with_requests_outstanding_is_not_answered),
        leak_test(small_reads_overtake_large_ones),
        leak_test(cancelling_in_the_middle_of_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
