/*
 * lines.h - who waits for the window's memory, in which order they came: the calls of the proxy to
 * window.h pass by here.
 */
#ifndef IC_SIM_LINES_H
#define IC_SIM_LINES_H

#include <stddef.h>

struct ic_grant;
struct ic_window;

enum { SIM_LINES_MAX = 1024 };

struct sim_lines {
    const struct ic_window *window;        /* of this life */
    struct ic_grant *grant[SIM_LINES_MAX]; /* admitted or waiting, as they came */
    size_t count;
};

#endif
