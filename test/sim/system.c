/*
 * system.c - the system's time, random numbers and standard error as the simulation has them. The
 * linker puts these in the place of base/clock, base/random and base/log (--wrap, see the
 * Makefile).
 */
#include "base/log.h"
#include "sim/report.h"
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>

uint64_t __wrap_ic_clock_mono_us(void);
uint64_t __wrap_ic_clock_mono_ms(void);
int64_t __wrap_ic_clock_wall_ms(void);
int64_t __wrap_ic_clock_wall_us(void);
void __wrap_ic_random_fill(void *out, size_t len);
uint64_t __wrap_ic_random_u64(void);
void __wrap_ic_log(enum ic_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint64_t __wrap_ic_clock_mono_us(void)
{
    return sim_now_us(sim_world());
}

uint64_t __wrap_ic_clock_mono_ms(void)
{
    return sim_now_us(sim_world()) / 1000;
}

int64_t __wrap_ic_clock_wall_us(void)
{
    return sim_wall_us(sim_world());
}

int64_t __wrap_ic_clock_wall_ms(void)
{
    return sim_wall_us(sim_world()) / 1000;
}

uint64_t __wrap_ic_random_u64(void)
{
    return ic_rng_next(&sim_world()->system);
}

void __wrap_ic_random_fill(void *out, size_t len)
{
    uint8_t *at = out;
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)ic_rng_next(&sim_world()->system);
    }
}

void __wrap_ic_log(enum ic_log_level level, const char *event, const char *format, ...)
{
    (void)level;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sim_note("%s %s", event, text);
}
