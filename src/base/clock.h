/*
 * clock.h - the only place that asks the system for the time.
 */
#ifndef IC_BASE_CLOCK_H
#define IC_BASE_CLOCK_H

#include <stdint.h>

uint64_t ic_clock_mono_us(void); /* CLOCK_MONOTONIC, microseconds */
uint64_t ic_clock_mono_ms(void);
int64_t ic_clock_wall_ms(void); /* since the Unix epoch, milliseconds */
int64_t ic_clock_wall_us(void);

#endif
