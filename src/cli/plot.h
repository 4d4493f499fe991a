/*
 * plot.h - draws a simulation as the FAST 2020 paper draws its evaluation, with gnuplot: for each
 * of its figures a data file (CSV), the gnuplot script, an SVG and a PNG.
 *
 *   cost      figure 13   dollars so far, and by cause hour by hour
 *   faults    figure 14   RESETs, reclaimed instances and repairs by the hour
 *   latency   figure 15   how many GETs were answered within a time, all and those above 10 MB
 *   classes   figure 16   latencies as multiples of ElastiCache's, by the objects' size
 */
#ifndef IC_CLI_PLOT_H
#define IC_CLI_PLOT_H

#include "cli/simulate_report.h"

enum { IC_PLOT_WHY_MAX = 512 };

/* Whether there is a gnuplot, and DIR can be written (it is made if need be). IC_ENOENT, IC_EIO and
 * others with WHY (IC_PLOT_WHY_MAX bytes), which says what to do. */
int ic_plot_check(const char *dir, char *why) IC_MUST_USE;
/* Errors as above, and IC_EPROTO: gnuplot complained. */
int ic_plot_draw(const struct ic_simulate_report *r, const char *dir, char *why) IC_MUST_USE;

#endif
