/*
 * verdict.h - what must hold of the proxy itself: at every moment, and when the faults are over and
 * all is quiet.
 */
#ifndef IC_SIM_VERDICT_H
#define IC_SIM_VERDICT_H

struct sim_world;

/* Memory is within its bounds. */
void sim_verdict_now(struct sim_world *w);
/*
 * The faults are over: when the functions' deadlines have passed every key is served again, new
 * values can be written and read; nothing is left over; and what the proxy counts of each instance
 * is what the instance has.
 */
void sim_verdict_at_end(struct sim_world *w);

#endif
