#include "proxy/unavailable.h"

#include "base/error.h"
#include "proxy/functions.h"

#include <inttypes.h>
#include <stdio.h>

static const char *reason(int result)
{
    switch (result) {
    case IC_EUNAVAIL:
    case IC_ESTALE:
    case IC_EAWAY:
        return "too few of its functions can be had";
    case IC_ETIMEOUT:
        return "too few of its functions answered in time";
    case IC_EBUSY:
        return "others use all of `window-memory'";
    default:
        return ic_error_text(result);
    }
}

void ic_unavailable_text(const struct ic_functions *f, const char *what, int result,
                         char out[IC_UNAVAILABLE_MAX])
{
    const char *trouble = ic_functions_trouble(f);
    snprintf(out, IC_UNAVAILABLE_MAX,
             "-UNAVAILABLE %s: %s%s%s; try again, IC.POOL shows the functions", what,
             reason(result), *trouble == '\0' ? "" : "; ", trouble);
}

bool ic_unavailable_outage(const struct ic_functions *f, char out[IC_UNAVAILABLE_MAX])
{
    uint64_t ms = ic_functions_outage(f).ms;
    snprintf(out, IC_UNAVAILABLE_MAX, "no function could be had for %" PRIu64 " s; %s", ms / 1000,
             ic_functions_trouble(f));
    return ms > 0;
}

void ic_unavailable_loading(const struct ic_functions *f, char out[IC_UNAVAILABLE_MAX])
{
    char outage[IC_UNAVAILABLE_MAX];
    if (ic_unavailable_outage(f, outage)) {
        snprintf(out, IC_UNAVAILABLE_MAX,
                 "-UNAVAILABLE the catalog cannot be rebuilt: %.500s; it is tried again all the "
                 "time",
                 outage);
    } else {
        snprintf(out, IC_UNAVAILABLE_MAX,
                 "-LOADING InfiniCache is rebuilding its catalog from the functions");
    }
}
