#include "sim/faults.h"

static const struct {
    const char *name;
    uint32_t runs, least, most;
} kinds[] = {
#define SIM_FAULT_ROW(id, name, runs, least, most) {name, runs, least, most},
    SIM_FAULTS(SIM_FAULT_ROW)
#undef SIM_FAULT_ROW
};

enum { QUIET_RUNS = 8, CALM_RUNS = 20 }; /* of 100: without any fault, with few kinds of them */

const char *sim_fault_name(enum sim_fault fault)
{
    return kinds[fault].name;
}

void sim_faults_init(struct sim_faults *f, uint64_t seed)
{
    *f = (struct sim_faults){0};
    ic_rng_init(&f->rng, seed);
    uint64_t mood = ic_rng_below(&f->rng, 100);
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        uint64_t runs = mood < QUIET_RUNS ? 0 : mood < CALM_RUNS ? 5 : kinds[i].runs;
        bool chosen = ic_rng_below(&f->rng, 100) < runs;
        uint32_t spread = kinds[i].most - kinds[i].least;
        uint32_t chance = kinds[i].least + (uint32_t)ic_rng_below(&f->rng, spread + 1);
        f->chance[i] = chosen ? chance : 0;
    }
}

bool sim_faults_draw(struct sim_faults *f, enum sim_fault fault)
{
    if (f->paused || f->chance[fault] == 0 || ic_rng_below(&f->rng, 10000) >= f->chance[fault]) {
        return false;
    }
    f->happened[fault]++;
    return true;
}

uint64_t sim_faults_total(const struct sim_faults *f)
{
    uint64_t total = 0;
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        total += f->happened[i];
    }
    return total;
}
