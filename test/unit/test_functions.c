/*
 * test_functions.c - functions, links and the door against nodes over loopback and a Lambda in
 * memory: what is written is read back, and each thing that can go wrong ends every
 * request and harms nobody.
 */
#include "proxy/functions.h"

#include "base/config.h"
#include "core/catalog.h"
#include "core/pool.h"
#include "fake_node.c.inc"

enum { UNIT = 64, CHUNK = 3 * UNIT };

struct world {
    struct fake_world fake;
    struct ic_loop *loop;
    struct ic_config *config;
    struct ic_functions *f;
    struct ic_pool *pool;
    struct ic_object *object;
    uint32_t items, lists, gone;
    bool condemn_listed;
};

/* ---- the catalog's side ---- */

static void list_begin(void *ctx, uint16_t function, uint32_t serial)
{
    (void)function;
    (void)serial;
    ((struct world *)ctx)->items = 0;
}

static void list_item(void *ctx, uint16_t function, uint32_t serial, const struct ic_item *item)
{
    struct world *w = ctx;
    w->items++;
    uint64_t cost = ic_chunk_cost(item->seal.chunk_length, item->seal.unit, item->seal.key.len);
    if (w->condemn_listed) {
        ic_pool_condemn(w->pool, function, serial, item->object_id, item->chunk, cost,
                        IC_POOL_FROM_LIST);
    } else {
        ic_pool_restore_chunk(w->pool, function, serial, cost);
    }
}

static void list_end(void *ctx, uint16_t function, uint32_t serial)
{
    (void)function;
    (void)serial;
    ((struct world *)ctx)->lists++;
}

static void gone(void *ctx, uint16_t function, uint32_t serial)
{
    struct world *w = ctx;
    assert_false(ic_pool_holds(w->pool, function, serial));
    w->gone++;
}

static const struct ic_functions_handler handler = {list_begin, list_item, list_end, gone};

/* ---- a request ---- */

struct ask {
    struct ic_node_request r;
    int result, calls;
    uint8_t bytes[CHUNK];
    uint32_t crcs[CHUNK / UNIT];
    struct ic_buf *owner;
    bool on_stack;
};

static void on_done(struct ic_node_request *r, int result)
{
    struct ask *a = r->ctx;
    assert_false(a->on_stack);
    a->result = result;
    a->calls++;
}

static void submit(struct world *w, struct ask *a)
{
    a->r.done = on_done;
    a->r.ctx = a;
    a->on_stack = true;
    ic_functions_submit(w->f, &a->r);
    a->on_stack = false;
}

static bool is_done(void *ctx)
{
    return ((struct ask *)ctx)->calls > 0;
}

static int wait_for(struct world *w, struct ask *a)
{
    fake_run(&w->fake, is_done, a);
    assert_int_equal(a->calls, 1);
    return a->result;
}

static uint64_t chunk_cost(void)
{
    return ic_chunk_cost(CHUNK, UNIT, 3);
}

/* WRITE of a whole chunk: first, of OBJECT_ID, to function 0. */
static void prepare_write(struct world *w, struct ask *a, uint64_t object_id)
{
    memset(a, 0, sizeof *a);
    a->owner = ic_buf_new(CHUNK);
    for (size_t i = 0; i < CHUNK; i++) {
        a->owner->data[i] = (uint8_t)(i * 7 + object_id);
    }
    a->owner->len = CHUNK;
    for (uint32_t i = 0; i < CHUNK / UNIT; i++) {
        a->crcs[i] = 1000 * (uint32_t)object_id + i;
    }
    a->r = (struct ic_node_request){.op = IC_NODE_WRITE,
                                    .object_id = object_id,
                                    .unit = UNIT,
                                    .first = true,
                                    .chunk_length = CHUNK,
                                    .cost = chunk_cost(),
                                    .crcs = a->crcs,
                                    .body = ic_buf_slice(a->owner),
                                    .owner = a->owner};
    ic_pool_plan(w->pool, 0, chunk_cost());
}

static void prepare_seal(struct world *w, struct ask *a, uint64_t object_id, uint32_t instance)
{
    memset(a, 0, sizeof *a);
    w->object->size = CHUNK;
    w->object->unit = UNIT;
    w->object->data = 1;
    w->object->parity = 2;
    a->r = (struct ic_node_request){.op = IC_NODE_SEAL,
                                    .object_id = object_id,
                                    .instance = instance,
                                    .chunk_length = CHUNK,
                                    .object = w->object,
                                    .key = ic_slice_str("key")};
}

static void prepare_read(struct ask *a, uint64_t object_id, uint32_t instance)
{
    memset(a, 0, sizeof *a);
    a->r = (struct ic_node_request){.op = IC_NODE_READ,
                                    .object_id = object_id,
                                    .instance = instance,
                                    .unit = UNIT,
                                    .length = CHUNK,
                                    .into = a->bytes,
                                    .crcs_into = a->crcs};
}

static void done_with(struct ask *a)
{
    ic_buf_unref(a->owner);
    a->owner = NULL;
}

/* Writes and seals a chunk; returns the serial that holds it. */
static uint32_t put(struct world *w, uint64_t object_id)
{
    struct ask write;
    struct ask seal;
    prepare_write(w, &write, object_id);
    submit(w, &write);
    assert_int_equal(wait_for(w, &write), 0);
    prepare_seal(w, &seal, object_id, write.r.instance);
    submit(w, &seal);
    assert_int_equal(wait_for(w, &seal), 0);
    ic_pool_sealed(w->pool, 0, write.r.instance, chunk_cost(), chunk_cost());
    done_with(&write);
    return write.r.instance;
}

static int get(struct world *w, uint64_t object_id, uint32_t serial)
{
    struct ask read;
    prepare_read(&read, object_id, serial);
    submit(w, &read);
    int result = wait_for(w, &read);
    for (size_t i = 0; result == 0 && i < CHUNK; i++) {
        assert_int_equal(read.bytes[i], (uint8_t)(i * 7 + object_id));
    }
    for (uint32_t i = 0; result == 0 && i < CHUNK / UNIT; i++) {
        assert_int_equal(read.crcs[i], 1000 * (uint32_t)object_id + i);
    }
    return result;
}

/* ---- the world ---- */

static void set(struct world *w, const char *name, const char *value)
{
    char why[IC_WHY_MAX];
    assert_int_equal(ic_config_set(w->config, ic_slice_str(name), ic_slice_str(value), why), 0);
}

static void start(struct world *w, uint32_t epoch)
{
    struct ic_functions_setup setup = {.loop = w->loop,
                                       .config = w->config,
                                       .secret = {1, 2, 3},
                                       .epoch = epoch,
                                       .adopt = epoch > 1,
                                       .handler = &handler,
                                       .ctx = w};
    assert_int_equal(ic_functions_new(&setup, &w->f), 0);
    w->pool = ic_functions_pool(w->f);
    assert_int_equal(ic_functions_start(w->f), 0);
    w->fake.port = ic_functions_node_port(w->f);
}

static void open_world(struct world *w, uint32_t epoch)
{
    memset(w, 0, sizeof *w);
    w->loop = ic_loop_new();
    w->config = ic_config_new();
    set(w, "node-port", "0");
    set(w, "functions", "2");
    set(w, "warm-interval", "0");
    set(w, "adopt-wait", "300ms");
    w->object = ic_calloc(1, sizeof *w->object);
    fake_world_init(&w->fake, w->loop);
    fake_the_world = &w->fake;
    start(w, epoch);
}

static bool is_ready(void *ctx)
{
    return ic_functions_ready(((struct world *)ctx)->f);
}

static void close_world(struct world *w)
{
    ic_functions_free(w->f);
    fake_world_deinit(&w->fake);
    ic_loop_free(w->loop);
    ic_config_free(w->config);
    ic_free(w->object);
}

static struct fake_node *node0(struct world *w)
{
    return fake_node_of(&w->fake, "infinicache-0");
}

static enum ic_function_state state0(struct world *w)
{
    return ic_pool_function(w->pool, 0)->state;
}

static bool is_asleep(void *ctx)
{
    return state0(ctx) == IC_FUNCTION_ASLEEP;
}

static void check_accounts(struct world *w)
{
    const struct ic_pool_function *p = ic_pool_function(w->pool, 0);
    const struct ic_pool_instance *i = ic_pool_find(w->pool, 0, p->current);
    assert_int_equal(i->live + i->condemned + i->in_flight, fake_held(node0(w)));
}

/* ---- tests ---- */

static void writes_seals_and_reads(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    assert_int_equal(w.fake.warm_invokes, 2); /* every function was warmed up at the start */
    uint32_t serial = put(&w, 5);
    assert_true(serial != 0);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(get(&w, 6, serial), IC_ENOENT);
    check_accounts(&w);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_AWAKE);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_ASLEEP);
    assert_int_equal(ic_functions_status(w.f, 0, serial + 9), IC_STATUS_GONE);
    assert_int_equal(get(&w, 5, serial), 0); /* wakes it again */
    assert_int_equal(w.fake.invokes, 4);
    assert_int_equal(w.fake.outstanding_max, 2);
    struct ic_function_figures figures = ic_functions_figures(w.f, -1);
    assert_int_equal(figures.invocations_serve, 2);
    assert_int_equal(figures.billed_warm_ms, 14);
    assert_int_equal(figures.billed_serve_ms, 7);
    close_world(&w);
}

static void deletes_go_before_writes_and_wake_nobody(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    uint32_t invokes = w.fake.invokes;
    ic_pool_condemn(w.pool, 0, serial, 5, 0, chunk_cost(), IC_POOL_FROM_LIVE);
    ic_functions_flush_deletes(w.f, 0);
    fake_run_for(&w.fake, 30);
    assert_int_equal(w.fake.invokes, invokes);
    check_accounts(&w);
    put(&w, 6);
    assert_int_equal(node0(&w)->seen[IC_FRAME_DELETE], 1);
    assert_int_equal(ic_pool_find(w.pool, 0, serial)->condemned, 0);
    check_accounts(&w);
    close_world(&w);
}

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

static void no_node_times_out(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    w.fake.mode = FAKE_HOLD;
    set(&w, "invoke-timeout", "100ms");
    struct ask write;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    assert_int_equal(wait_for(&w, &write), IC_EUNAVAIL);
    done_with(&write);
    close_world(&w);
}

/* Each failure of an Invoke, and what it makes of the request that caused it. */
static void invoke_failures(void **s)
{
    (void)s;
    static const struct {
        int error;
        bool function_error;
        enum ic_function_state state;
    } cases[] = {
        {IC_EUNAVAIL, false, IC_FUNCTION_LOST},    {IC_ENOENT, false, IC_FUNCTION_LOST},
        {IC_EIO, false, IC_FUNCTION_LOST},         {IC_ECLOSED, false, IC_FUNCTION_UNKNOWN},
        {IC_ETIMEOUT, false, IC_FUNCTION_UNKNOWN}, {0, true, IC_FUNCTION_LOST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        open_world(&w, 1);
        fake_run(&w.fake, is_ready, &w);
        set(&w, "invoke-timeout", "100ms");
        w.fake.mode = FAKE_ERROR;
        w.fake.error = (struct ic_lambda_reply){.error = cases[i].error,
                                                .function_error = cases[i].function_error};
        struct ask write;
        prepare_write(&w, &write, 6);
        submit(&w, &write);
        assert_int_equal(wait_for(&w, &write), IC_EUNAVAIL);
        assert_int_equal(state0(&w), cases[i].state);
        assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_DOWN);
        assert_int_equal(w.gone, cases[i].function_error ? 1 : 0);
        uint32_t invokes = w.fake.invokes;
        struct ask next; /* at once: in back-off it fails without an Invoke */
        prepare_write(&w, &next, 7);
        submit(&w, &next);
        assert_int_equal(wait_for(&w, &next), IC_EUNAVAIL);
        assert_int_equal(w.fake.invokes, invokes);
        done_with(&write);
        done_with(&next);
        close_world(&w);
    }
}

static void throttled_requests_wait(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    w.fake.mode = FAKE_ERROR;
    w.fake.error = (struct ic_lambda_reply){.error = IC_ETHROTTLED, .status = 429};
    struct ask write;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    fake_run_for(&w.fake, 20);
    assert_int_equal(ic_functions_figures(w.f, 0).throttles, 1);
    w.fake.mode = FAKE_SERVE;
    assert_int_equal(wait_for(&w, &write), 0);
    done_with(&write);
    close_world(&w);
}

static bool is_unknown(void *ctx)
{
    return state0(ctx) == IC_FUNCTION_UNKNOWN;
}

static void a_lost_response_does_not_invoke_again(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    struct ic_lambda_call *call = n->call;
    w.fake.error = (struct ic_lambda_reply){.error = IC_ECLOSED};
    n->call = NULL;
    fake_answer(call, NULL); /* the node still runs, its link is up */
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    assert_int_equal(get(&w, 5, serial), 0);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w); /* without a response: some time after BYE_OK */
    assert_int_equal(get(&w, 5, serial), 0);

    uint32_t invokes = w.fake.invokes;
    call = n->call;
    n->call = NULL;
    fake_bye(n, false);
    fake_run_for(&w.fake, 5);
    assert_int_equal(state0(&w), IC_FUNCTION_LEAVING);
    fake_answer(call, NULL);
    fake_run(&w.fake, is_unknown, &w);
    assert_int_equal(get(&w, 5, serial), IC_EUNAVAIL);
    assert_int_equal(w.fake.invokes, invokes);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(ic_functions_figures(w.f, 0).lost_responses, 2);
    close_world(&w);
}

static void a_crash_is_told_at_once(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct ask read;
    prepare_read(&read, 5, serial);
    node0(&w)->mute = true;
    submit(&w, &read);
    fake_run_for(&w.fake, 10);
    fake_node_free(node0(&w)); /* killed while it serves */
    assert_int_equal(wait_for(&w, &read), IC_ESTALE);
    assert_int_equal(w.gone, 1);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_GONE);
    assert_int_equal(get(&w, 5, serial), IC_ESTALE);
    assert_true(put(&w, 6) > serial);
    close_world(&w);
}

static void killed_asleep_is_away_then_gone(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    fake_node_free(node0(&w));
    assert_int_equal(get(&w, 5, serial), IC_EAWAY); /* a fresh instance answered */
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_AWAY);
    assert_int_equal(get(&w, 5, serial), IC_EAWAY);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    put(&w, 6);
    assert_int_equal(w.gone, 1);
    assert_int_equal(get(&w, 5, serial), IC_ESTALE);
    close_world(&w);
}

static void an_instance_comes_back(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *a = node0(&w);
    fake_bye(a, false);
    fake_run(&w.fake, is_asleep, &w);
    ic_list_remove(&a->node); /* another is routed to */
    assert_int_equal(get(&w, 5, serial), IC_EAWAY);
    struct fake_node *b = node0(&w);
    fake_bye(b, false);
    fake_run(&w.fake, is_asleep, &w);
    ic_list_push_front(&w.fake.nodes, &a->node);
    put(&w, 6);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(w.lists, 0);
    close_world(&w);
}

static void a_second_instance_is_dismissed(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *first = node0(&w);
    struct fake_node *second = fake_node_new(&w.fake, "infinicache-0");
    memcpy(second->invocation, first->invocation, 16);
    memcpy(second->key, first->key, 32);
    fake_dial(second);
    fake_run_for(&w.fake, 20);
    assert_int_equal(second->seen[IC_FRAME_BYE_OK], 1);
    assert_int_equal(ic_functions_figures(w.f, 0).dismissed, 1);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_non_null(first->stream);
    close_world(&w);
}

static bool hung_up(void *ctx)
{
    return ((struct fake_node *)ctx)->gone_link;
}

static void refused_hellos(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 2);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    struct fake_node *evil = fake_node_new(&w.fake, "infinicache-0");
    memcpy(evil->instance, n->instance, 16);
    memcpy(evil->invocation, n->invocation, 16);
    memcpy(evil->key, n->key, 32);
    evil->dial = 0; /* dials with 1: a replay of the real one's */
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    assert_false(evil->welcomed);
    evil->wrong_mac = true;
    evil->dial = 7;
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    evil->wrong_mac = false;
    ic_random_fill(evil->invocation, 16); /* an invocation that never was */
    evil->invocation[0] = 0xFF;
    ic_link_key(ic_slice(((uint8_t[32]){1, 2, 3}), 32), ic_slice_str("infinicache-0"),
                evil->invocation, evil->key);
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    strcpy(evil->function, "infinicache-9");
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    assert_int_equal(ic_functions_figures(w.f, -1).links_refused, 4);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 0);
    /* When the invocation is over, its HELLO is worth nothing. */
    memcpy(evil->invocation, n->invocation, 16);
    memcpy(evil->key, n->key, 32);
    strcpy(evil->function, "infinicache-0");
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    evil->dial = 100;
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    assert_int_equal(state0(&w), IC_FUNCTION_ASLEEP);
    close_world(&w);
}

static void a_node_is_adopted_after_a_restart(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    struct fake_node *n = node0(&w);
    n->call = NULL; /* its response goes to nobody */
    IC_LIST_EACH (node, &w.fake.calls) {
        ic_list_remove(node);
        ic_free(IC_CONTAINER(node, struct ic_lambda_call, node));
    }
    ic_functions_free(w.f);
    w.fake.outstanding = 0;
    uint32_t invokes = w.fake.invokes;
    start(&w, 2);
    struct ic_pool_instance *i = ic_pool_restore(w.pool, 0, n->instance);
    uint32_t serial = i->serial;
    struct ask read; /* waits for the adoption, and costs no Invoke */
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    n->dial = 5;
    fake_dial(n);
    assert_int_equal(wait_for(&w, &read), 0);
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    assert_int_equal(w.fake.invokes, invokes);
    assert_int_equal(w.lists + w.items, 2);
    check_accounts(&w);
    put(&w, 6);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    fake_dial(n); /* only once */
    fake_run(&w.fake, hung_up, n);
    assert_int_equal(get(&w, 6, serial), 0);
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

static bool three_lists(void *ctx)
{
    return ((struct world *)ctx)->lists >= 1;
}

static void a_wrong_position_is_listed(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    n->position += 3; /* operations that we never sent */
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, three_lists, &w);
    assert_int_equal(w.gone, 1);
    assert_int_equal(get(&w, 5, serial), IC_ESTALE);
    assert_int_equal(get(&w, 5, ic_pool_function(w.pool, 0)->current), 0);
    put(&w, 6); /* numbered from the node's position */
    check_accounts(&w);
    close_world(&w);
}

static void a_difference_in_bytes_is_listed(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    struct fake_node *n = node0(&w);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    fake_drop_chunk(IC_CONTAINER(n->chunks.next, struct fake_chunk, node));
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, three_lists, &w);
    assert_int_equal(w.items, 0);
    close_world(&w);
}

static void stopped(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_set(void *ctx)
{
    return *(bool *)ctx;
}

static void stop_sends_nodes_home(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    bool done = false;
    ic_functions_stop(w.f, 2000, stopped, &done);
    fake_run(&w.fake, is_set, &done);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(node0(&w)->seen[IC_FRAME_BYE_OK], 1);
    close_world(&w);
}

/* Many requests of all kinds while nodes are killed, links break and Invokes fail: each is answered
 * once. */
static void nothing_waits_for_ever(void **s)
{
    (void)s;
    enum { ASKS = 400 };
    struct world w;
    open_world(&w, 1);
    set(&w, "invoke-timeout", "400ms");
    set(&w, "node-timeout", "200ms");
    struct ic_rng rng;
    ic_rng_init(&rng, 42);
    static struct ask asks[ASKS];
    uint32_t serial = put(&w, 5);
    int last = 0;
    for (int i = 0; i < ASKS; i++) {
        uint64_t dice = ic_rng_below(&rng, 100);
        if (dice < 50) {
            prepare_read(&asks[i], 5, serial);
        } else {
            prepare_write(&w, &asks[i], (uint64_t)i + 100);
        }
        submit(&w, &asks[i]);
        struct fake_node *n = node0(&w);
        if (dice % 10 == 0 && n->stream != NULL) {
            fake_hang_up(n);
        } else if (dice % 10 == 1 && n->call != NULL) {
            fake_dial(n);
        } else if (dice % 10 == 2 && n->welcomed && n->stream != NULL) {
            fake_bye(n, dice < 50);
        } else if (dice == 93 && n->call != NULL) {
            fake_node_free(n);
        } else if (dice == 73 && n->call != NULL) {
            n->mute = true;
        }
        w.fake.mode = ic_rng_below(&rng, 10) == 0 ? FAKE_ERROR : FAKE_SERVE;
        w.fake.error = (struct ic_lambda_reply){.error = IC_EUNAVAIL};
        fake_run_for(&w.fake, ic_rng_below(&rng, 4));
        assert_true(w.fake.outstanding <= 2);
        last = i;
    }
    w.fake.mode = FAKE_SERVE;
    for (int i = 0; i <= last; i++) {
        fake_run(&w.fake, is_done, &asks[i]);
        assert_int_equal(asks[i].calls, 1);
        done_with(&asks[i]);
    }
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(writes_seals_and_reads),
        leak_test(deletes_go_before_writes_and_wake_nobody),
        leak_test(a_broken_link_is_dialled_again),
        leak_test(a_cancelled_write_keeps_the_numbering),
        leak_test(cancelled_reads_do_not_touch_memory),
        leak_test(a_full_node_refuses),
        leak_test(a_mute_node_times_out),
        leak_test(no_node_times_out),
        leak_test(invoke_failures),
        leak_test(throttled_requests_wait),
        leak_test(a_lost_response_does_not_invoke_again),
        leak_test(a_crash_is_told_at_once),
        leak_test(killed_asleep_is_away_then_gone),
        leak_test(an_instance_comes_back),
        leak_test(a_second_instance_is_dismissed),
        leak_test(refused_hellos),
        leak_test(a_node_is_adopted_after_a_restart),
        leak_test(deadline_bye_drains_and_invokes_again),
        leak_test(bye_with_requests_outstanding_is_not_answered),
        leak_test(a_wrong_position_is_listed),
        leak_test(a_difference_in_bytes_is_listed),
        leak_test(stop_sends_nodes_home),
        leak_test(nothing_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
