/*
 * api.h - the AWS Lambda REST API (2015-03-31) of the local platform, and its own
 * control endpoints under /_local/.
 *
 *   HTTP request --> route --> signature --> handler of the call --> JSON or error
 *                      |                        |        |
 *                   /_local/ (loopback only)  registry  fleet (Invoke)
 */
#ifndef IC_PLATFORM_LOCAL_API_H
#define IC_PLATFORM_LOCAL_API_H

#include "base/error.h"

#include <stdint.h>

struct ic_api;
struct ic_fleet;
struct ic_loop;

struct ic_api_options {
    const char *host; /* numeric address */
    uint16_t port;
    const char *names; /* as of ic_http_options, and outlives the API */
    const char *dir;   /* exists; functions/ and code/ are made in it */
    const char *region, *account;
    const char *key_id, *secret;
    uint32_t concurrency; /* of the account */
};

enum { IC_API_WHY_MAX = 512 };

/*
 * Loads what DIR knows and serves it over FLEET, which must outlive the API. Other strings are
 * copied. WHY (IC_API_WHY_MAX bytes) says what went wrong. IC_EBUSY: the port is taken; IC_EINVAL:
 * HOST; IC_EIO: DIR; IC_ENOMEM.
 */
int ic_api_new(struct ic_loop *loop, struct ic_fleet *fleet, const struct ic_api_options *options,
               struct ic_api **out, char *why) IC_MUST_USE;
/* Stops listening and closes every connection; Invokes under way are answered into the
 * void, so the API itself is freed by ic_api_free after the fleet has stopped. */
void ic_api_stop(struct ic_api *api);
void ic_api_free(struct ic_api *api); /* NULL is fine */
uint16_t ic_api_port(const struct ic_api *api);

#endif
