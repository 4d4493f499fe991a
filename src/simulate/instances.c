/* instances.c - the cloud's side: which instance gets an invocation, and when instances end. */
#include "base/alloc.h"
#include "simulate/world.h"

#include <assert.h>
#include <string.h>

static struct ic_sim_instance *of_node(struct ic_list *node)
{
    return IC_CONTAINER(node, struct ic_sim_instance, node);
}

/* ---- life -------------------------------------------------------------------- */

static bool reserve(struct ic_sim *sim)
{
    enum { CAP_MIN = 64 };
    if (sim->instances < sim->instances_cap) {
        return true;
    }
    size_t cap = sim->instances_cap == 0 ? CAP_MIN : 2 * sim->instances_cap;
    void *instance = ic_realloc(sim->instance, cap * sizeof(struct ic_sim_instance *));
    sim->instance = instance != NULL ? instance : sim->instance;
    void *subject = ic_realloc(sim->subject, cap * sizeof *sim->subject);
    sim->subject = subject != NULL ? subject : sim->subject;
    void *taken = ic_realloc(sim->taken, cap * sizeof *sim->taken);
    sim->taken = taken != NULL ? taken : sim->taken;
    if (instance == NULL || subject == NULL || taken == NULL) {
        return false;
    }
    sim->instances_cap = cap;
    return true;
}

static struct ic_sim_instance *give_birth(struct ic_sim *sim, uint16_t function)
{
    struct ic_sim_instance *one = reserve(sim) ? ic_calloc(1, sizeof *one) : NULL;
    if (one == NULL) {
        return NULL;
    }
    uint64_t id[2] = {++sim->born, function};
    static_assert(sizeof id == sizeof one->id, "an id's length");
    memcpy(one->id, id, sizeof id);
    ic_buf_init(&one->kept);
    one->function = function;
    one->born_us = sim->clock.now_us;
    one->place = sim->instances;
    sim->instance[sim->instances++] = one;
    ic_list_push_front(&sim->function[function].instances, &one->node);
    return one;
}

static void end(struct ic_sim *sim, struct ic_sim_instance *one)
{
    ic_list_remove(&one->node);
    struct ic_sim_instance *last = sim->instance[--sim->instances];
    last->place = one->place;
    sim->instance[one->place] = last;
    ic_buf_deinit(&one->kept);
    ic_free(one);
}

void ic_sim_instances_free(struct ic_sim *sim)
{
    while (sim->instances > 0) {
        end(sim, sim->instance[sim->instances - 1]);
    }
    ic_free(sim->instance);
    ic_free(sim->subject);
    ic_free(sim->taken);
}

void ic_sim_instance_forgotten(struct ic_sim *sim, uint16_t function, uint32_t serial)
{
    IC_LIST_EACH (node, &sim->function[function].instances) {
        struct ic_sim_instance *one = of_node(node);
        if (one->serial == serial) {
            one->serial = 0;
            ic_sim_holdings_keep(sim, function, serial, &one->kept);
        }
    }
}

/* ---- routing ----------------------------------------------------------------- */

/* The idle one of FUNCTION whose turn it is; NULL: none is idle. */
static struct ic_sim_instance *choose(struct ic_sim *sim, uint16_t function)
{
    struct ic_sim_instance *chosen = NULL;
    uint64_t idle = 0;
    IC_LIST_EACH (node, &sim->function[function].instances) {
        struct ic_sim_instance *one = of_node(node);
        if (one->busy || one->doomed) {
            continue;
        }
        idle++;
        switch (sim->config->routing) {
        case IC_ROUTING_MRU:
            chosen = chosen == NULL ? one : chosen;
            break;
        case IC_ROUTING_LRU:
            chosen = one;
            break;
        default:
            chosen = ic_rng_below(&sim->cloud_rng, idle) == 0 ? one : chosen;
            break;
        }
    }
    return chosen;
}

struct ic_sim_instance *ic_sim_instance_take(struct ic_sim *sim, uint16_t function, bool *cold)
{
    struct ic_sim_instance *one = choose(sim, function);
    *cold = one == NULL;
    if (*cold) {
        one = give_birth(sim, function);
    }
    if (one != NULL) {
        one->busy = true;
        sim->running++;
        sim->result.cold_starts += *cold;
    }
    return one;
}

/* ---- reclaims ---------------------------------------------------------------- */

static void reclaim(struct ic_sim *sim, struct ic_sim_instance *one)
{
    double lot = (double)(ic_rng_next(&sim->cloud_rng) >> 11) * 0x1p-53;
    if (lot < sim->settings.shutdown) {
        ic_sim_handover(sim, one);
    }
    sim->result.reclaimed++;
    ic_sim_hour(sim)->reclaimed++;
    end(sim, one);
}

void ic_sim_instance_release(struct ic_sim *sim, struct ic_sim_instance *one)
{
    assert(one->busy);
    one->busy = false;
    one->used_us = sim->clock.now_us;
    sim->running--;
    ic_list_remove(&one->node);
    ic_list_push_front(&sim->function[one->function].instances, &one->node);
    if (one->doomed) {
        reclaim(sim, one);
    }
}

void ic_sim_reclaim(struct ic_sim *sim)
{
    uint64_t now_us = sim->clock.now_us;
    uint64_t idle_max_ms = (uint64_t)sim->config->instance_idle;
    for (size_t i = 0; i < sim->instances; i++) {
        const struct ic_sim_instance *one = sim->instance[i];
        sim->subject[i] = (struct ic_reclaim_subject){
            .age_ms = (now_us - one->born_us) / 1000,
            .idle_ms = one->busy ? 0 : (now_us - one->used_us) / 1000,
        };
    }
    ic_reclaim_model_step(&sim->reclaim, ic_sim_ms(sim) - IC_SIM_BEGIN_MS, sim->subject,
                          sim->instances, sim->taken);
    for (size_t i = sim->instances; i-- > 0;) { /* the last one takes the place of who goes */
        struct ic_sim_instance *one = sim->instance[i];
        bool taken = sim->taken[i] || sim->subject[i].idle_ms >= idle_max_ms;
        if (taken && one->busy) {
            one->doomed = true;
        } else if (taken) {
            reclaim(sim, one);
        }
    }
}
