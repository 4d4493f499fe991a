/*
 * platform.h - the local platform as one thing: the AWS Lambda API (api.h) over function
 * instances of this machine (fleet.h), with its state in one folder.
 *
 *   DIR/functions/NAME.json  DIR/code/HEX[.zip]  DIR/functions.log  DIR/platform.lock
 */
#ifndef IC_PLATFORM_LOCAL_PLATFORM_H
#define IC_PLATFORM_LOCAL_PLATFORM_H

#include "base/error.h"

#include <stdint.h>

struct ic_config;
struct ic_loop;
struct ic_platform;

enum { IC_PLATFORM_WHY_MAX = 512 };

/*
 * Starts the platform CONFIG describes (scope L of base/directives.h). WHY (IC_PLATFORM_WHY_MAX
 * bytes) says what went wrong. IC_EINVAL: a setting; IC_EBUSY: the port or DIR is in use by
 * another; IC_EIO, IC_ENOMEM.
 */
int ic_platform_new(struct ic_loop *loop, const struct ic_config *config, struct ic_platform **out,
                    char *why) IC_MUST_USE;
uint16_t ic_platform_port(const struct ic_platform *p);
/* Stops listening, ends every instance, then calls STOPPED. Once. */
void ic_platform_stop(struct ic_platform *p, void (*stopped)(void *ctx), void *ctx);
void ic_platform_free(struct ic_platform *p); /* after STOPPED; NULL is fine */

#endif
