#include "simulate/result.h"

#include "base/alloc.h"

static const uint64_t million = 1000000;

enum ic_sim_class ic_sim_class_of(uint64_t bytes)
{
    return bytes < million         ? IC_SIM_BELOW_1MB
           : bytes < 10 * million  ? IC_SIM_BELOW_10MB
           : bytes < 100 * million ? IC_SIM_BELOW_100MB
                                   : IC_SIM_LARGER;
}

const char *ic_sim_class_name(enum ic_sim_class c)
{
    static const char *const names[] = {"<1MB", "1-10MB", "10-100MB", ">=100MB"};
    return names[c];
}

const char *ic_sim_latency_name(enum ic_sim_latency l)
{
    static const char *const names[] = {"hit", "miss", "all", "s3", "elasticache"};
    return names[l];
}

double ic_sim_availability(uint64_t hits, uint64_t resets)
{
    return hits + resets == 0 ? 1 : (double)hits / (double)(hits + resets);
}

struct ic_sim_hour *ic_sim_result_hour(struct ic_sim_result *r, int64_t at_us)
{
    const int64_t hour_us = INT64_C(3600) * 1000000;
    uint32_t index = at_us > 0 ? (uint32_t)(at_us / hour_us) : 0;
    if (index >= r->hours) {
        struct ic_sim_hour *hour = ic_realloc(r->hour, (index + 1) * sizeof *hour);
        if (hour == NULL) {
            return NULL;
        }
        for (uint32_t i = r->hours; i <= index; i++) {
            hour[i] = (struct ic_sim_hour){0};
        }
        r->hour = hour;
        r->hours = index + 1;
    }
    return &r->hour[index];
}

void ic_sim_result_deinit(struct ic_sim_result *r)
{
    ic_free(r->hour);
    r->hour = NULL;
    r->hours = 0;
}

/* ---- merging -------------------------------------------------------------------- */

/* Every count but those that are not sums. */
#define SUMS(X)                                                                                    \
    X(requests)                                                                                    \
    X(gets)                                                                                        \
    X(hits)                                                                                        \
    X(resets)                                                                                      \
    X(get_bytes)                                                                                   \
    X(hit_bytes)                                                                                   \
    X(puts)                                                                                        \
    X(put_bytes)                                                                                   \
    X(fills)                                                                                       \
    X(fill_bytes)                                                                                  \
    X(refused)                                                                                     \
    X(too_large)                                                                                   \
    X(decoded)                                                                                     \
    X(evictions)                                                                                   \
    X(lost_objects)                                                                                \
    X(lost_chunks)                                                                                 \
    X(reclaimed)                                                                                   \
    X(cold_starts)                                                                                 \
    X(repairs)                                                                                     \
    X(repaired_chunks)                                                                             \
    X(repaired_bytes)                                                                              \
    X(backups)                                                                                     \
    X(copied_chunks)                                                                               \
    X(copied_bytes)                                                                                \
    X(handed_over_chunks)                                                                          \
    X(handed_over_bytes)                                                                           \
    X(objects)                                                                                     \
    X(peak_objects)                                                                                \
    X(catalog_memory)                                                                              \
    X(events)

#define HOUR_SUMS(X)                                                                               \
    X(gets)                                                                                        \
    X(hits)                                                                                        \
    X(resets)                                                                                      \
    X(get_bytes)                                                                                   \
    X(hit_bytes)                                                                                   \
    X(evictions)                                                                                   \
    X(reclaimed)                                                                                   \
    X(lost_chunks)                                                                                 \
    X(lost_objects)                                                                                \
    X(repaired)                                                                                    \
    X(handed_over)                                                                                 \
    X(copied)                                                                                      \
    X(object_bytes)

#define ADD(field) into->field += from->field;

static void add_hour(struct ic_sim_hour *into, const struct ic_sim_hour *from)
{
    HOUR_SUMS(ADD)
    for (size_t i = 0; i < IC_COST_CAUSES; i++) {
        into->invocations[i] += from->invocations[i];
        into->billed_ms[i] += from->billed_ms[i];
        into->dollars[i] += from->dollars[i];
    }
}

static void add_cost(struct ic_cost_totals *into, const struct ic_cost_totals *from)
{
    for (size_t i = 0; i < IC_COST_CAUSES; i++) {
        into->invocations[i] += from->invocations[i];
        into->billed_ms[i] += from->billed_ms[i];
        into->dollars[i] += from->dollars[i];
    }
    ADD(unreported)
    ADD(unreported_ms_max)
    ADD(unreported_dollars)
    ADD(sent_bytes)
    ADD(received_bytes)
    ADD(gets)
    ADD(get_bytes)
    ADD(sets)
    ADD(set_bytes)
    ADD(ecpus)
    ADD(gib_hours)
    ADD(redis_gib_hours)
    ADD(valkey_gib_hours)
    ADD(peak_bytes)
    into->hours = from->hours > into->hours ? from->hours : into->hours;
}

int ic_sim_result_merge(struct ic_sim_result *into, const struct ic_sim_result *from)
{
    for (uint32_t i = 0; i < from->hours; i++) {
        struct ic_sim_hour *hour = ic_sim_result_hour(into, (int64_t)i * 3600 * 1000000);
        if (hour == NULL) {
            return IC_ENOMEM;
        }
        add_hour(hour, &from->hour[i]);
    }
    SUMS(ADD)
    add_cost(&into->cost, &from->cost);
    into->end_us = from->end_us > into->end_us ? from->end_us : into->end_us;
    for (size_t i = 0; i < IC_SIM_LATENCIES; i++) {
        for (size_t k = 0; k < IC_SIM_CLASSES; k++) {
            ic_histogram_merge(&into->latency[i][k], &from->latency[i][k]);
        }
    }
    ic_histogram_merge(&into->set_us, &from->set_us);
    return 0;
}
