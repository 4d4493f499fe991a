#include "simulate/workload.h"

#include "base/alloc.h"
#include "base/random.h"
#include "simulate/zipf.h"

#include <stdio.h>

struct ic_workload {
    uint64_t keys, position;
    uint64_t once; /* keys asked for once so far */
    enum ic_workload_order order;
    double get_share, one_hit_share;
    struct ic_rng rng;
    struct ic_zipf popularity;
    struct ic_sizes sizes;
};

int ic_workload_new(const struct ic_workload_settings *settings, struct ic_workload **out,
                    char *why)
{
    if (settings->keys < 1 || settings->keys > (uint64_t)IC_WORKLOAD_KEYS_MAX) {
        snprintf(why, IC_WORKLOAD_WHY_MAX, "keys must be from 1 to %lld",
                 (long long)IC_WORKLOAD_KEYS_MAX);
        return IC_EINVAL;
    }
    struct ic_workload *w = ic_calloc(1, sizeof *w);
    if (w == NULL) {
        snprintf(why, IC_WORKLOAD_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    w->keys = settings->keys;
    w->order = settings->order;
    w->get_share = settings->get_percent / 100;
    w->one_hit_share = settings->one_hit_percent / 100;
    ic_rng_init(&w->rng, settings->seed + 1);
    ic_zipf_init(&w->popularity, w->keys, settings->zipf);
    int result = ic_sizes_parse(&w->sizes, settings->sizes, why);
    if (result < 0) {
        ic_workload_free(w);
        return result;
    }
    *out = w;
    return 0;
}

void ic_workload_free(struct ic_workload *w)
{
    ic_free(w);
}

uint64_t ic_workload_keys(const struct ic_workload *w)
{
    return w->keys;
}

/*
 * Key k has the place frac((k + 1/2) * golden ratio) in the distribution: any number of keys in a
 * row then has the sizes in nearly the right proportions (a Weyl sequence), without a draw.
 */
uint64_t ic_workload_size(const struct ic_workload *w, uint64_t key)
{
    static const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15); /* frac(golden ratio) * 2^64 */
    uint64_t place = key * golden + golden / 2;
    return ic_sizes_at(&w->sizes, (double)(place >> 11) * 0x1p-53);
}

uint64_t ic_workload_next(struct ic_workload *w, bool *get)
{
    *get = true;
    if (w->one_hit_share > 0 && ic_rng_unit(&w->rng) < w->one_hit_share) {
        return w->keys + w->once++;
    }
    *get = w->get_share >= 1 || ic_rng_unit(&w->rng) < w->get_share;
    switch (w->order) {
    case IC_ORDER_UNIFORM:
        return ic_rng_below(&w->rng, w->keys);
    case IC_ORDER_ZIPF:
        return ic_zipf_next(&w->popularity, &w->rng);
    case IC_ORDER_SEQUENCE:
        break;
    }
    return w->position++ % w->keys;
}
