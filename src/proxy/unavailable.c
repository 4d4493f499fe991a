#include "proxy/unavailable.h"

#include "base/error.h"
#include "proxy/functions.h"

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
