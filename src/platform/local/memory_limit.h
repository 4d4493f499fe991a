/*
 * memory_limit.h - MemorySize without cgroups, the decisions: is an instance over its limit,
 * and when to look again. Resident memory is sampled; process_memory.h reads it.
 *
 *   used  ^            ......... limit: killed when a sample (or the peak since) is above
 *         |        .x          the faster it grows towards the limit, the sooner the next sample:
 *         |  x  .x             half the time it would take to reach it, within 10 to 100 ms
 *         +-----------> time
 */
#ifndef IC_PLATFORM_LOCAL_MEMORY_LIMIT_H
#define IC_PLATFORM_LOCAL_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IC_MEMORY_SAMPLE_MAX_MS = 100,
    IC_MEMORY_SAMPLE_MIN_MS = 10,
};

bool ic_memory_exceeded(uint32_t limit_mb, uint64_t used_bytes);

/* BEFORE_BYTES was seen ELAPSED_MS before NOW_BYTES. */
uint32_t ic_memory_next_sample_ms(uint32_t limit_mb, uint64_t before_bytes, uint64_t now_bytes,
                                  uint64_t elapsed_ms);

/*
 * The limit of private writable memory (RLIMIT_DATA) set for each process of an instance.
 * Far above MemorySize: as on Lambda, memory may be asked for and not touched, and excess ends
 * the instance instead of failing its malloc. It bounds what a burst between two samples can take.
 */
uint64_t ic_memory_data_limit(uint32_t limit_mb);

#endif
