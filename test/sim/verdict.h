/*
 * verdict.h - what must hold of the proxy itself: at every moment, and when the faults are over and
 * all is quiet.
 */
#ifndef IC_SIM_VERDICT_H
#define IC_SIM_VERDICT_H

#include "sim/operation.h"

struct sim_world;

/* Memory is within its bounds. */
void sim_verdict_now(struct sim_world *w);
/*
 * The faults are over: when the functions' deadlines have passed every key is served again, new
 * values can be written and read; nothing is left over; and what the proxy counts of each instance
 * is what the instance has.
 */
void sim_verdict_at_end(struct sim_world *w);
/* One operation, when the faults are over: it must be answered. False: with an error. */
bool sim_verdict_ask(struct sim_world *w, enum sim_operation_kind kind, uint32_t key,
                     uint64_t size);
/*
 * One operation, when the faults are over: it must be answered, and not with an error. If the
 * journal was lost an instance may come back that has seen a higher epoch: what is being written
 * then fails, once.
 */
void sim_verdict_serve(struct sim_world *w, enum sim_operation_kind kind, uint32_t key,
                       uint64_t size);
/* A repair plans and writes as well: what is lost late is repaired late. */
bool sim_verdict_is_repairing(const struct sim_world *w);

#endif
