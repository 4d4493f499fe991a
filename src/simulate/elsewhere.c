#include "simulate/elsewhere.h"

static const double gib = 1 << 30;

static double hours_of(const struct ic_sim_result *r)
{
    return (double)r->end_us / 3.6e9;
}

static void judge(struct ic_elsewhere_node *n, const struct ic_lru_curve *curve)
{
    double bytes = ic_price(n->type)->memory_gib * gib * (double)n->nodes;
    n->object_hit_ratio = ic_lru_curve_hits(curve, (uint64_t)bytes);
    n->byte_hit_ratio = ic_lru_curve_byte_hits(curve, (uint64_t)bytes);
}

/* The ledger as it would be if the stores kept everything, and ElastiCache LRU_BYTES. */
static struct ic_cost_totals as_stores(const struct ic_sim_result *r, struct ic_lru_kept kept,
                                       uint64_t lru_bytes)
{
    struct ic_cost_totals t = r->cost;
    uint64_t objects = (uint64_t)(kept.objects + 0.5);
    t.gets = r->gets;
    t.get_bytes = r->get_bytes;
    t.sets = r->puts > objects ? r->puts : objects;
    t.set_bytes = r->put_bytes > (uint64_t)kept.bytes ? r->put_bytes : (uint64_t)kept.bytes;
    t.gib_hours = kept.byte_hours / gib;
    t.hours = hours_of(r);
    t.peak_bytes = lru_bytes;
    return t;
}

struct ic_elsewhere ic_elsewhere(const struct ic_sim_result *r, const struct ic_lru_curve *curve,
                                 const struct ic_prices *prices, double hit_ratio)
{
    struct ic_lru_kept kept = ic_lru_curve_kept(curve);
    struct ic_elsewhere e = {.lru_bytes = ic_lru_curve_bytes(curve, hit_ratio)};
    if (e.lru_bytes == UINT64_MAX) {
        e.lru_bytes = (uint64_t)kept.bytes;
    }
    struct ic_cost_totals stores = as_stores(r, kept, e.lru_bytes);
    struct ic_cost_alternatives a = ic_cost_elsewhere(&stores, prices);
    struct ic_cost_alternatives held = ic_cost_elsewhere(&r->cost, prices);
    e.same = (struct ic_elsewhere_node){.type = a.node, .nodes = a.nodes, .dollars = a.elasticache};
    e.paper =
        (struct ic_elsewhere_node){.type = IC_PRICE_R5_24XLARGE,
                                   .nodes = 1,
                                   .dollars = prices->dollars[IC_PRICE_R5_24XLARGE] * stores.hours};
    judge(&e.same, curve);
    judge(&e.paper, curve);
    e.serverless_redis = held.serverless_redis;
    e.serverless_valkey = held.serverless_valkey;
    e.s3 = a.s3;
    e.s3_express = a.s3_express;
    return e;
}

struct ic_elsewhere_stores ic_elsewhere_stores(const struct ic_sim_result *r,
                                               const struct ic_lru_curve *curve,
                                               const struct ic_prices *prices, uint32_t hour)
{
    struct ic_lru_kept then = ic_lru_curve_kept_at(curve, hour), all = ic_lru_curve_kept(curve);
    struct ic_cost_totals t = as_stores(r, all, 0);
    /* SETs come with the objects; overwrites are spread over the time in the same way. */
    double part = all.objects > 0 && then.objects < all.objects ? then.objects / all.objects : 1;
    t.sets = (uint64_t)((double)t.sets * part + 0.5);
    t.set_bytes = (uint64_t)((double)t.set_bytes * part + 0.5);
    t.gib_hours = then.byte_hours / gib;
    t.gets = t.get_bytes = 0;
    for (uint32_t i = 0; i <= hour && i < r->hours; i++) {
        t.gets += r->hour[i].gets;
        t.get_bytes += r->hour[i].get_bytes;
    }
    struct ic_cost_alternatives a = ic_cost_elsewhere(&t, prices);
    return (struct ic_elsewhere_stores){.s3 = a.s3, .s3_express = a.s3_express};
}
