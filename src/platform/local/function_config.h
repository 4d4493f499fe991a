/*
 * function_config.h - a function's settings: what a request may say about them, checked
 * member by member against one table, and the FunctionConfiguration JSON they become.
 * Pure; no clock, no files.
 *
 *   request JSON --ic_function_config_apply--> configuration JSON --_read--> typed settings
 */
#ifndef IC_PLATFORM_LOCAL_FUNCTION_CONFIG_H
#define IC_PLATFORM_LOCAL_FUNCTION_CONFIG_H

#include "base/error.h"
#include "platform/local/api_error.h"

#include <jansson.h>

enum {
    IC_ENVIRONMENT_MAX_BYTES = 4096, /* Lambda quota: all variables together */
    IC_TAGS_MAX = 50,                /* Lambda quota: per resource */
};

/*
 * A configuration with every default of a function called NAME. NULL: out of memory.
 */
json_t *ic_function_config_new(const char *name, const char *arn);

/*
 * Sets in CONFIG what REQUEST (an object) says. CREATE: the members a new function needs must be
 * there. IC_EINVAL: refused, ERROR says why and CONFIG may be half changed (apply to a copy);
 * IC_ENOMEM.
 */
int ic_function_config_apply(json_t *config, const json_t *request, bool create,
                             struct ic_api_error *error) IC_MUST_USE;

/* What the fleet needs to know. Borrowed from CONFIG. */
struct ic_function_settings {
    uint32_t memory_mb, timeout_s;
    const char *handler;
    const json_t *variables; /* object of strings, or NULL */
    const char *code_sha256; /* base64 */
};
void ic_function_config_read(const json_t *config, struct ic_function_settings *out);

/* Checks TAGS (an object of strings), as they would be together. IC_EINVAL: ERROR says why. */
int ic_tags_check(const json_t *tags, struct ic_api_error *error) IC_MUST_USE;

/* Whether a member may be kept at all: a stored configuration is checked with it at load. */
bool ic_function_config_sane(const json_t *config);

#endif
