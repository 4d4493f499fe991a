/*
 * sim_world.h - settings of a simulation whose directives are given as names and values, and
 * requests made up from a seed.
 */
#ifndef IC_TEST_SIM_WORLD_H
#define IC_TEST_SIM_WORLD_H

#include "base/config.h"
#include "base/random.h"
#include "core/price.h"
#include "model/cloud.h"
#include "simulate/simulate.h"
#include "unit/unit.h"

#include <assert.h>
#include <string.h>

struct sim_world {
    struct ic_config *config;
    struct ic_prices prices;
    struct ic_sim_settings settings;
    char why[IC_SIM_WHY_MAX];
};

/* SET: directives and values in turn, NULL-ended; may be NULL. */
static inline void sim_world_init(struct sim_world *w, uint32_t functions, const char *const *set)
{
    static_assert((int)IC_WHY_MAX <= (int)IC_SIM_WHY_MAX, "room for its reason");
    w->config = ic_config_new();
    ic_prices_init(&w->prices);
    for (; set != NULL && set[0] != NULL; set += 2) {
        if (ic_config_set(w->config, ic_slice_str(set[0]), ic_slice_str(set[1]), w->why) < 0) {
            fail_msg("%s", w->why);
        }
    }
    w->settings = (struct ic_sim_settings){.config = w->config,
                                           .prices = &w->prices,
                                           .cloud = &ic_cloud_aws,
                                           .functions = functions,
                                           .fill = true,
                                           .seed = 1};
}

static inline void sim_world_deinit(struct sim_world *w)
{
    ic_config_free(w->config);
}

static inline struct ic_sim *sim_world_new(struct sim_world *w)
{
    struct ic_sim *sim;
    if (ic_sim_new(&w->settings, 0, 1, &sim, w->why) < 0) {
        fail_msg("%s", w->why);
    }
    return sim;
}

static inline void sim_ask(struct ic_sim *sim, enum ic_sim_op op, double at_s, uint64_t key,
                           uint64_t bytes)
{
    struct ic_sim_request r = {
        .at_us = (int64_t)(at_s * 1e6), .key = key, .bytes = bytes, .op = (uint8_t)op};
    assert_int_equal(ic_sim_request(sim, &r), 0);
}

/* Request I of some that are EVERY_S apart: popular keys and rare ones, sizes by key. */
static inline struct ic_sim_request sim_made_up(struct ic_rng *rng, uint64_t i, double every_s,
                                                uint64_t most_bytes)
{
    uint64_t key = ic_rng_below(rng, 1 + ic_rng_below(rng, 400));
    struct ic_rng size;
    ic_rng_init(&size, key);
    return (struct ic_sim_request){.at_us = (int64_t)((double)i * every_s * 1e6),
                                   .key = key,
                                   .bytes = ic_rng_below(&size, most_bytes),
                                   .op = IC_SIM_GET};
}

#endif
