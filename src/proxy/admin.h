/*
 * admin.h - the proxy's HTTP port: GET /healthz says whether clients are served, GET
 * /metrics gives every figure of the table in admin.c in Prometheus's text format.
 */
#ifndef IC_PROXY_ADMIN_H
#define IC_PROXY_ADMIN_H

#include "base/error.h"

struct ic_admin;
struct ic_proxy;

/* Listens on `http-bind`:`http-port`. IC_EBUSY: the port is taken; IC_EINVAL: no such address. */
int ic_admin_new(struct ic_proxy *proxy, struct ic_admin **out) IC_MUST_USE;
void ic_admin_free(struct ic_admin *a); /* NULL is fine */

#endif
