/*
 * process_memory.h - reads from /proc how much memory an instance's processes hold: its leader
 * and, breadth first, what that has forked.
 *
 *   leader --/proc/PID/task/TID/children--> child, child --...--> grandchildren
 */
#ifndef IC_PLATFORM_LOCAL_PROCESS_MEMORY_H
#define IC_PLATFORM_LOCAL_PROCESS_MEMORY_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

enum { IC_PROCESSES_MAX = 256 }; /* of one instance are counted; more are not looked at */

/*
 * Resident bytes of LEADER and its descendants together, now; or, if it is more, the highest that
 * the leader alone ever had (a burst between two samples). 0: the process is gone.
 */
uint64_t ic_process_memory(pid_t leader);

#endif
