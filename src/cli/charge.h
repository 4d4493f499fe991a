/*
 * charge.h - what a server says it has been charged so far (INFO cost): taken before and after a
 * load, the difference is what the load cost. Other Redis servers say nothing, and cost nothing.
 */
#ifndef IC_CLI_CHARGE_H
#define IC_CLI_CHARGE_H

#include "base/slice.h"
#include "cli/endpoint.h"

#include <stdbool.h>

struct ic_charge {
    bool known;
    double dollars, billed_ms, invocations; /* reported by the platform */
    double outstanding;                     /* invocations that are not, yet */
};

/* Of an INFO reply's body; nothing of ours in it: not known. */
struct ic_charge ic_charge_parse(struct ic_slice info);
/* Asks the server; not known if that fails. */
struct ic_charge ic_charge_read(const struct ic_endpoint *e);
/* AFTER - BEFORE; not known if either is not. */
struct ic_charge ic_charge_between(const struct ic_charge *before, const struct ic_charge *after);

#endif
