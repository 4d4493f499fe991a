/*
 * http_guard.h - programs may ask, web pages may not. A browser of this machine can be led to any
 * port that it reaches; what it says then tells on it:
 *
 *   a page whose name was made to mean our address (DNS rebinding)     a foreign name in Host
 *   fetch, forms, WebSockets, preflights                               Origin
 *   what goes without Origin: images, scripts, frames, links           Sec-Fetch-Site,
 * Sec-Fetch-Mode
 *
 * So Host must be an address, `localhost` or a name that was configured, and the others must not be
 * there, but as a browser sends them for what a person typed into its address bar. No I/O.
 */
#ifndef IC_NET_HTTP_GUARD_H
#define IC_NET_HTTP_GUARD_H

#include "net/http_server.h"

struct sockaddr;

enum {
    IC_HTTP_GUARD_WHY_MAX = 512, /* bytes of a reason, the terminating zero included */
    IC_HTTP_NAME_MAX = 253,      /* of a name of the DNS (RFC 1035, 2.3.4) */
};

struct ic_http_asked {
    const char *target; /* of the request line; what follows '?' does not matter */
    const struct ic_http_header *header;
    size_t header_count;
    bool may_lack_host; /* HTTP/1.0, which no browser speaks (RFC 9112, 3.2) */
};

/*
 * 0: let in. Otherwise the status to refuse with, and WHY (IC_HTTP_GUARD_WHY_MAX bytes) has the
 * reason in printable ASCII without quotes: 400 it is no request for us (its target is no path;
 * Host is missing, there twice or malformed), 403 a page asks or Host is a foreign name. NAMES as
 * ic_http_names_check takes them, or NULL.
 */
unsigned ic_http_guard(const struct ic_http_asked *q, const char *names, char *why) IC_MUST_USE;

/* NAMES: names of the DNS with commas between them; "" is none. IC_EINVAL with WHY
 * (IC_HTTP_GUARD_WHY_MAX bytes), which begins with "http-hosts". */
int ic_http_names_check(const char *names, char *why) IC_MUST_USE;

bool ic_http_address_is_loopback(const struct sockaddr *address);

#endif
