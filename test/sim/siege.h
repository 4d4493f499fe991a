/*
 * siege.h - the faults are over, and a crowd holds as much of the window as it can get: whoever
 * comes beside it is served all the same.
 *
 *   uploads that hardly go on:  a GET costs none of them its place, reads have a part of their own;
 *                               a SET does, but succeeds
 *   readers that do not read:   the other way round
 *   values without the end of their request: hold nothing of the window, and not for ever the pool
 *   uploads that have the pool: some go when somebody finds no room there
 *   readers just above the least rate: stay
 *   both below the least rate:  are cut though nobody waits
 *   readers that stall:         what they pin is evicted when they have left
 */
#ifndef IC_SIM_SIEGE_H
#define IC_SIM_SIEGE_H

struct sim_world;

/* A run without a crowd among its faults has no siege. The proxy's settings are others afterwards.
 */
void sim_siege(struct sim_world *w);

#endif
