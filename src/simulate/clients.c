/*
 * clients.c - what clients do: GET, and after a miss the origin and a SET; PUT; DELETE; HEAD.
 *
 *   GET --hit--> read --> answered        miss --> origin --> answered, SET
 *                  '-- too few chunks --> RESET: a miss
 */
#include "base/alloc.h"
#include "core/cost.h"
#include "simulate/world.h"

struct client {          /* one GET */
    struct ic_list node; /* sim->gets */
    struct ic_sim *sim;
    struct ic_sim_tap tap;
    struct ic_sim_event origin; /* what it was asked for is there */
    uint64_t key, bytes;
    uint64_t came_us;
    bool reset;
};

struct lost_key {
    struct ic_map_node node;
    uint64_t key;
};

/* ---- keys that were lost -------------------------------------------------------- */

static bool is_lost_key(const struct ic_map_node *node, struct ic_slice key)
{
    return memcmp(&IC_CONTAINER(node, struct lost_key, node)->key, key.data, key.len) == 0;
}

static struct ic_map_node *find_lost(const struct ic_sim *sim, uint64_t key)
{
    return ic_map_find(&sim->lost_keys, ic_slice(&key, sizeof key));
}

void ic_sim_key_lost(struct ic_sim *sim, const struct ic_object *o)
{
    IC_LIST_EACH (node, &o->entries) {
        const struct ic_entry *e = IC_CONTAINER(node, struct ic_entry, sibling);
        struct lost_key *lost = ic_calloc(1, sizeof *lost);
        if (lost == NULL) {
            sim->failed = true;
            return;
        }
        memcpy(&lost->key, e->key, sizeof lost->key);
        if (find_lost(sim, lost->key) != NULL ||
            ic_map_insert(&sim->lost_keys, &lost->node, ic_entry_key(e)) < 0) {
            ic_free(lost);
        }
    }
}

/* True: it was lost until now. */
static bool forget_lost(struct ic_sim *sim, uint64_t key)
{
    struct ic_map_node *node = sim->lost_keys.count == 0 ? NULL : find_lost(sim, key);
    if (node == NULL) {
        return false;
    }
    ic_map_remove(&sim->lost_keys, node);
    ic_free(IC_CONTAINER(node, struct lost_key, node));
    return true;
}

void ic_sim_key_stored(struct ic_sim *sim, uint64_t key)
{
    forget_lost(sim, key);
}

void ic_sim_clients_init(struct ic_sim *sim)
{
    ic_map_init(&sim->lost_keys, sim->settings.seed, is_lost_key);
    ic_list_init(&sim->gets);
}

static void free_lost(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ic_free(IC_CONTAINER(node, struct lost_key, node));
}

void ic_sim_clients_free(struct ic_sim *sim)
{
    ic_map_each(&sim->lost_keys, free_lost, NULL);
    ic_map_deinit(&sim->lost_keys);
    struct ic_list *node;
    while ((node = ic_list_pop_front(&sim->gets)) != NULL) {
        ic_free(IC_CONTAINER(node, struct client, node));
    }
}

/* ---- SET ------------------------------------------------------------------------ */

static void on_stored(void *ctx, int result)
{
    struct ic_sim *sim = ctx;
    sim->clients--;
    sim->result.refused += result < 0;
}

static bool exists(struct ic_sim *sim, uint64_t key)
{
    bool found = ic_store_find(sim->store, ic_slice(&key, sizeof key), ic_sim_wall_ms(sim)) != NULL;
    ic_sim_count_store(sim);
    return found;
}

static void set(struct ic_sim *sim, uint64_t key, uint64_t bytes)
{
    /* As proxy/value.c: when the budget is spent no new key is taken. */
    bool affordable = ic_sim_budget(sim) < IC_BUDGET_NO_NEW_KEY || exists(sim, key);
    int result = affordable ? 0 : IC_ENOSPC;
    sim->clients++;
    if (result == 0) {
        result = ic_sim_write(sim, key, bytes, on_stored, sim);
    }
    sim->failed |= result == IC_ENOMEM;
    if (result < 0) {
        sim->result.too_large += result == IC_ETOOBIG;
        on_stored(sim, result);
    }
}

/* ---- GET ------------------------------------------------------------------------ */

static void count_latency(struct ic_sim *sim, uint64_t bytes, enum ic_sim_latency kind, uint64_t us)
{
    ic_histogram_add(&sim->result.latency[kind][ic_sim_class_of(bytes)], us);
}

static void drop(struct client *c)
{
    c->sim->clients--;
    ic_list_remove(&c->node);
    ic_free(c);
}

static void answered(struct client *c, enum ic_sim_latency kind)
{
    struct ic_sim *sim = c->sim;
    uint64_t us = sim->clock.now_us - c->came_us + (uint64_t)sim->cloud->client_us;
    count_latency(sim, c->bytes, kind, us);
    count_latency(sim, c->bytes, IC_SIM_ALL, us);
    drop(c);
}

static void on_origin(void *ctx)
{
    struct client *c = ctx;
    struct ic_sim *sim = c->sim;
    uint64_t key = c->key, bytes = c->bytes;
    answered(c, IC_SIM_MISS);
    if (sim->settings.fill) {
        sim->result.fills++;
        sim->result.fill_bytes += bytes;
        set(sim, key, bytes);
    }
}

/* It is not there: the origin is asked. */
static void missed(struct client *c, bool reset)
{
    struct ic_sim *sim = c->sim;
    sim->result.resets += reset;
    ic_sim_hour(sim)->resets += reset;
    ic_sim_event_set(&sim->clock, &c->origin,
                     sim->clock.now_us + ic_cloud_s3_us(sim->cloud, c->bytes, &sim->cloud_rng));
}

static void on_read(struct ic_sim_tap *tap, int result, bool decoded)
{
    struct client *c = IC_CONTAINER(tap, struct client, tap);
    struct ic_sim *sim = c->sim;
    if (result < 0) {
        missed(c, true);
        return;
    }
    struct ic_sim_hour *hour = ic_sim_hour(sim);
    sim->result.hits++;
    sim->result.hit_bytes += c->bytes;
    sim->result.decoded += decoded;
    hour->hits++;
    hour->hit_bytes += c->bytes;
    ic_cost_get(sim->cost, c->bytes);
    answered(c, IC_SIM_HIT);
}

/* The same GET, asked elsewhere. */
static void compare(struct ic_sim *sim, uint64_t bytes)
{
    count_latency(sim, bytes, IC_SIM_S3, ic_cloud_s3_us(sim->cloud, bytes, &sim->elsewhere));
    count_latency(sim, bytes, IC_SIM_ELASTICACHE,
                  ic_cloud_elasticache_us(sim->cloud, bytes, &sim->elsewhere));
}

static int get(struct ic_sim *sim, uint64_t key, uint64_t bytes)
{
    struct client *c = ic_calloc(1, sizeof *c);
    if (c == NULL) {
        return IC_ENOMEM;
    }
    c->sim = sim;
    c->key = key;
    c->bytes = bytes;
    c->came_us = sim->clock.now_us;
    c->tap.done = on_read;
    ic_list_init(&c->tap.node);
    ic_list_push_back(&sim->gets, &c->node);
    ic_sim_event_init(&c->origin, on_origin, c);
    sim->clients++;
    sim->result.gets++;
    sim->result.get_bytes += bytes;
    ic_sim_hour(sim)->gets++;
    ic_sim_hour(sim)->get_bytes += bytes;
    compare(sim, bytes);
    struct ic_entry *e = ic_store_read(sim->store, ic_slice(&key, sizeof key), ic_sim_wall_ms(sim));
    if (e == NULL) {
        uint64_t purged = sim->purged;
        ic_sim_count_store(sim);
        missed(c, sim->purged != purged || forget_lost(sim, key));
        return 0;
    }
    if (e->object->size == 0) {
        on_read(&c->tap, 0, false);
        return 0;
    }
    int result = ic_sim_reader_join(sim, e->object, IC_COST_SERVE, &c->tap);
    if (result < 0) {
        drop(c);
    }
    return result;
}

/* ---- all of them ---------------------------------------------------------------- */

static int del(struct ic_sim *sim, uint64_t key)
{
    struct ic_change change = {.kind = IC_CHANGE_DELETE, .key = ic_slice(&key, sizeof key)};
    forget_lost(sim, key);
    return ic_store_commit(sim->store, &change, 1, ic_sim_wall_ms(sim), NULL, NULL);
}

int ic_sim_client(struct ic_sim *sim, const struct ic_sim_request *request)
{
    sim->result.requests++;
    switch ((enum ic_sim_op)request->op) {
    case IC_SIM_GET:
        return get(sim, request->key, request->bytes);
    case IC_SIM_PUT:
        sim->result.puts++;
        sim->result.put_bytes += request->bytes;
        set(sim, request->key, request->bytes);
        return 0;
    case IC_SIM_DELETE:
        return del(sim, request->key);
    case IC_SIM_HEAD:
        (void)exists(sim, request->key); /* which may find it unreadable */
        return 0;
    }
    return IC_EINVAL;
}
