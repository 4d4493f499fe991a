/*
 * ports.h - may a daemon listen there, and if not, who does already?
 */
#ifndef IC_CLI_PORTS_H
#define IC_CLI_PORTS_H

#include "base/error.h"

#include <stdint.h>

enum { IC_PORTS_WHY_MAX = 256 };

/*
 * Tries HOST (numeric) and PORT. IC_EBUSY: taken; WHY (IC_PORTS_WHY_MAX bytes) names the process
 * that listens, if it can be seen. IC_EINVAL: HOST is no address of this machine, or not allowed.
 */
int ic_ports_check(const char *host, uint16_t port, char *why) IC_MUST_USE;

#endif
