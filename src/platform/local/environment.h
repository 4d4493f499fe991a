/*
 * environment.h - the environment variables of an instance: what AWS documents for a custom
 * runtime, and the function's own. Nothing of the platform's own environment is passed on. Pure.
 *
 *   defaults (PATH, LANG, TZ ...)  <- overridden by -  the function's variables
 *   the function's variables       <- overridden by -  reserved ones (AWS_REGION, _HANDLER ...)
 */
#ifndef IC_PLATFORM_LOCAL_ENVIRONMENT_H
#define IC_PLATFORM_LOCAL_ENVIRONMENT_H

#include "base/error.h"
#include "platform/local/fleet.h"

struct ic_environment_facts {
    const struct ic_function_spec *spec;
    const char *region;
    const char *instance;    /* 32 hex digits */
    const char *runtime_api; /* "127.0.0.1:9001" */
    int64_t wall_ms;         /* for the log stream's name */
};

/* A block to be freed by ic_free: a NULL-ended array, its texts behind it. NULL: out of memory. */
char **ic_environment_new(const struct ic_environment_facts *facts);
/* Its Runtime API is at ADDRESS from now on (fewer than IC_RUNTIME_ADDRESS_MAX bytes). */
void ic_environment_set_runtime_api(char **environment, const char *address);

#endif
