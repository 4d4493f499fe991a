/*
 * loss.h - the machine is lost, and its journal with it: in the middle of an overwrite, or when a
 * value was renamed and its chunks were repaired since. When the catalog has been rebuilt, the key
 * shows the old value or the new one; the renamed value is under one of its names.
 */
#ifndef IC_SIM_LOSS_H
#define IC_SIM_LOSS_H

struct sim_world;

/* The faults are over, all is quiet. Does nothing unless the journal may be lost in this run. */
void sim_loss(struct sim_world *w);

#endif
