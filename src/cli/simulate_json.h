/*
 * simulate_json.h - a simulation's report as one JSON object; its fields are in doc/simulation.md.
 */
#ifndef IC_CLI_SIMULATE_JSON_H
#define IC_CLI_SIMULATE_JSON_H

#include "cli/simulate_report.h"

void ic_simulate_json_print(const struct ic_simulate_report *r); /* to standard output */

#endif
