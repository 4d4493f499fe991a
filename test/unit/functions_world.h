/*
 * functions_world.h - a loop, a struct ic_functions and the fake Lambda of fake_node.h, for the
 * unit tests of functions, function, link and door; with requests that write, seal and read a
 * chunk.
 */
#ifndef IC_TEST_FUNCTIONS_WORLD_H
#define IC_TEST_FUNCTIONS_WORLD_H

#include "proxy/functions.h"

#include "base/config.h"
#include "core/catalog.h"
#include "core/pool.h"
#include "core/price.h"
#include "fake_node.inc"
#include "proxy/books.h"

enum { UNIT = 64, CHUNK = 3 * UNIT, KEY_LEN = 3, EPOCH_IMPOSSIBLE = 0xFFFFFE };

struct world {
    struct fake_world fake;
    struct ic_loop *loop;
    struct ic_config *config;
    struct ic_prices prices;
    struct ic_books *books;
    struct ic_functions *f;
    struct ic_pool *pool;
    struct ic_object *object;
    uint32_t items, lists, gone;
    uint64_t turn; /* in which an item came last, */
    uint32_t items_of_turn, items_of_turn_max;
    bool condemn_listed, listed_before; /* the catalog does not want it, or counts it already */
    uint32_t offers, offer_serial, offered_items;
    uint16_t offer_function;
    uint32_t epoch_seen, epoch_now; /* epoch_now: taken since */
    bool follow_epochs, strangers;
};

/* ---- the catalog's side ---- */

static inline void list_begin(void *ctx, uint16_t function, uint32_t serial)
{
    (void)function;
    (void)serial;
    ((struct world *)ctx)->items = 0;
}

static inline uint32_t list_item(void *ctx, uint16_t function, uint32_t serial,
                                 const struct ic_item *item)
{
    struct world *w = ctx;
    w->items++;
    w->items_of_turn = w->turn == ic_loop_turn_number(w->loop) ? w->items_of_turn + 1 : 1;
    w->items_of_turn_max =
        w->items_of_turn > w->items_of_turn_max ? w->items_of_turn : w->items_of_turn_max;
    w->turn = ic_loop_turn_number(w->loop);
    uint64_t cost = ic_chunk_cost(item->seal.chunk_length, item->seal.unit, item->seal.key.len);
    if (w->condemn_listed) {
        ic_pool_condemn(w->pool, function, serial, item->object_id, item->chunk, cost,
                        IC_POOL_FROM_LIST);
    } else if (!w->listed_before) {
        ic_pool_restore_chunk(w->pool, function, serial, cost);
    }
    return 0;
}

static inline void list_end(void *ctx, uint16_t function, uint32_t serial)
{
    (void)function;
    (void)serial;
    ((struct world *)ctx)->lists++;
}

static inline void gone(void *ctx, uint16_t function, uint32_t serial)
{
    struct world *w = ctx;
    assert_false(ic_pool_holds(w->pool, function, serial));
    w->gone++;
}

static inline void offered(void *ctx, uint16_t function, uint32_t serial, struct ic_slice items)
{
    struct world *w = ctx;
    struct ic_item item;
    w->offers++;
    w->offer_function = function;
    w->offer_serial = serial;
    w->offered_items = 0;
    while (ic_item_decode(&items, &item) > 0) {
        w->offered_items++;
    }
}

/* The chunk is on the instance that its first request could go to. */
static inline uint32_t begin_chunk(void *ctx, const struct ic_node_request *r, uint32_t serial)
{
    struct world *w = ctx;
    if (r->first) {
        ic_pool_begin(w->pool, r->function, serial,
                      ic_chunk_cost(r->chunk_length, r->unit, KEY_LEN));
    }
    return serial;
}

static inline bool epoch_seen(void *ctx, uint16_t function, uint32_t epoch)
{
    struct world *w = ctx;
    (void)function;
    w->epoch_seen = epoch;
    if (epoch == EPOCH_IMPOSSIBLE) {
        return false;
    }
    if (w->follow_epochs) {
        w->epoch_now = epoch + 1;
        ic_functions_set_epoch(w->f, w->epoch_now);
    }
    return true;
}

static const struct ic_functions_handler handler = {.list_begin = list_begin,
                                                    .list_item = list_item,
                                                    .list_end = list_end,
                                                    .offered = offered,
                                                    .begin = begin_chunk,
                                                    .gone = gone,
                                                    .epoch_seen = epoch_seen};

/* ---- a request ---- */

struct ask {
    struct ic_node_request r;
    int result, calls;
    uint8_t bytes[CHUNK];
    uint32_t crcs[CHUNK / UNIT];
    uint64_t cost;
    struct ic_buf *owner;
    bool on_stack;
};

static inline void on_done(struct ic_node_request *r, int result)
{
    struct ask *a = r->ctx;
    assert_false(a->on_stack);
    a->result = result;
    a->calls++;
}

static inline void submit(struct world *w, struct ask *a)
{
    a->r.done = on_done;
    a->r.ctx = a;
    a->on_stack = true;
    ic_functions_submit(w->f, &a->r);
    a->on_stack = false;
}

static inline bool is_done(void *ctx)
{
    return ((struct ask *)ctx)->calls > 0;
}

static inline int wait_for(struct world *w, struct ask *a)
{
    fake_run(&w->fake, is_done, a);
    assert_int_equal(a->calls, 1);
    return a->result;
}

static inline uint64_t chunk_cost(void)
{
    return ic_chunk_cost(CHUNK, UNIT, KEY_LEN);
}

/* WRITE of a whole chunk: first, of OBJECT_ID, to function 0. */
static inline void prepare_write(struct world *w, struct ask *a, uint64_t object_id)
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
    a->cost = chunk_cost();
    a->r = (struct ic_node_request){.op = IC_NODE_WRITE,
                                    .object_id = object_id,
                                    .unit = UNIT,
                                    .first = true,
                                    .chunk_length = CHUNK,
                                    .crcs = a->crcs,
                                    .body = ic_buf_slice(a->owner),
                                    .owner = a->owner};
    ic_pool_plan(w->pool, 0, chunk_cost());
}

static inline void prepare_seal(struct world *w, struct ask *a, uint64_t object_id,
                                uint32_t instance)
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

static inline void prepare_read(struct ask *a, uint64_t object_id, uint32_t instance)
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

static inline void done_with(struct ask *a)
{
    ic_buf_unref(a->owner);
    a->owner = NULL;
}

/* Writes and seals a chunk; returns the serial that holds it. */
static inline uint32_t put(struct world *w, uint64_t object_id)
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

static inline int get(struct world *w, uint64_t object_id, uint32_t serial)
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

static inline void set(struct world *w, const char *name, const char *value)
{
    char why[IC_WHY_MAX];
    assert_int_equal(ic_config_set(w->config, ic_slice_str(name), ic_slice_str(value), why), 0);
}

static inline void start(struct world *w, uint32_t epoch)
{
    struct ic_books_setup books = {.config = w->config, .prices = &w->prices};
    char why[IC_BOOKS_WHY_MAX];
    ic_prices_init(&w->prices);
    ic_books_free(w->books); /* of the life before */
    assert_int_equal(ic_books_new(&books, &w->books, why), 0);
    struct ic_functions_setup setup = {.loop = w->loop,
                                       .config = w->config,
                                       .prices = &w->prices,
                                       .books = w->books,
                                       .secret = {1, 2, 3},
                                       .epoch = epoch,
                                       .adopt = epoch > 1 && !w->strangers,
                                       .strangers = w->strangers,
                                       .rebuild = w->strangers,
                                       .handler = &handler,
                                       .ctx = w};
    assert_int_equal(ic_functions_new(&setup, &w->f), 0);
    w->pool = ic_functions_pool(w->f);
    assert_int_equal(ic_functions_start(w->f), 0);
    w->fake.port = ic_functions_node_port(w->f);
}

static inline void open_world(struct world *w, uint32_t epoch)
{
    memset(w, 0, sizeof *w);
    w->loop = ic_loop_new();
    w->config = ic_config_new();
    ic_prices_init(&w->prices);
    set(w, "node-port", "0");
    set(w, "functions", "2");
    set(w, "warm-interval", "0");
    set(w, "adopt-wait", "300ms");
    w->object = ic_calloc(1, sizeof *w->object);
    fake_world_init(&w->fake, w->loop);
    fake_the_world = &w->fake;
    start(w, epoch);
}

static inline bool is_ready(void *ctx)
{
    return ic_functions_ready(((struct world *)ctx)->f);
}

static inline void close_world(struct world *w)
{
    ic_functions_free(w->f);
    ic_books_free(w->books);
    fake_world_deinit(&w->fake);
    ic_loop_free(w->loop);
    ic_config_free(w->config);
    ic_free(w->object);
}

static inline struct fake_node *node0(struct world *w)
{
    return fake_node_of(&w->fake, "infinicache-0");
}

static inline enum ic_function_state state0(struct world *w)
{
    return ic_pool_function(w->pool, 0)->state;
}

static inline bool is_asleep(void *ctx)
{
    return state0(ctx) == IC_FUNCTION_ASLEEP;
}

/* The proxy dies, another starts; the nodes go on, and the responses are nobody's. */
static inline void restart(struct world *w)
{
    IC_LIST_EACH (node, &w->fake.nodes) {
        struct fake_node *n = IC_CONTAINER(node, struct fake_node, node);
        n->orphan = n->call != NULL;
        n->call = NULL;
    }
    IC_LIST_EACH (node, &w->fake.calls) {
        ic_list_remove(node);
        ic_free(IC_CONTAINER(node, struct ic_lambda_call, node));
    }
    ic_functions_free(w->f);
    w->fake.outstanding = 0;
    start(w, 2);
}

/* As the journal tells it: node N held CHUNKS chunks. */
static inline uint32_t restore(struct world *w, const struct fake_node *n, uint32_t chunks)
{
    uint32_t serial = ic_pool_restore(w->pool, 0, n->instance)->serial;
    for (uint32_t i = 0; i < chunks; i++) {
        ic_pool_restore_chunk(w->pool, 0, serial, chunk_cost());
    }
    return serial;
}

static inline void check_accounts(struct world *w)
{
    const struct ic_pool_function *p = ic_pool_function(w->pool, 0);
    const struct ic_pool_instance *i = ic_pool_find(w->pool, 0, p->current);
    assert_int_equal(i->live + i->condemned + i->in_flight, fake_held(node0(w)));
}

#endif
