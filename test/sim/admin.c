/*
 * admin.c - the proxy's HTTP port is outside of the simulation (libmicrohttpd has sockets of its
 * own): it opens and nobody comes.
 */
#include "proxy/admin.h"

#include <stddef.h>

int ic_admin_new(struct ic_proxy *proxy, struct ic_admin **out)
{
    (void)proxy;
    *out = NULL;
    return 0;
}

void ic_admin_free(struct ic_admin *a)
{
    (void)a;
}
