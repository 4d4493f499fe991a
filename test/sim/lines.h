/*
 * lines.h - who waits for the window's memory, in which order they came: the calls of the proxy to
 * window.h pass by here.
 */
#ifndef IC_SIM_LINES_H
#define IC_SIM_LINES_H

#include "proxy/window.h"

#include <stddef.h>
#include <stdint.h>

enum { SIM_LINES_MAX = 1024 };

struct sim_lines {
    const struct ic_window *window;        /* of this life */
    struct ic_grant *grant[SIM_LINES_MAX]; /* admitted or waiting, as they came */
    size_t count;
    uint64_t waited[IC_WINDOW_USES]; /* how often somebody had to, in this life, */
    uint64_t no_room;                /* or was told that he would, and made do with little */
};

#endif
