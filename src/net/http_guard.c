#include "net/http_guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>

enum { PORT_MAX = 65535, PORT_DIGITS_MAX = 5 };

/* ---- names ---------------------------------------------------------------------- */

/* RFC 1123, 2.1, and the underscore, which names of containers have. */
static bool is_label(struct ic_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isalnum(text.data[i]) && text.data[i] != '-' && text.data[i] != '_') {
            return false;
        }
    }
    return text.len > 0 && text.data[0] != '-' && text.data[text.len - 1] != '-';
}

/* Takes what is before the next SEPARATOR off *TEXT; without one, all. */
static struct ic_slice take(struct ic_slice *text, char separator)
{
    const uint8_t *at = text->len == 0 ? NULL : memchr(text->data, separator, text->len);
    struct ic_slice part = ic_slice(text->data, at == NULL ? text->len : (size_t)(at - text->data));
    size_t skip = part.len + (at != NULL);
    *text = ic_slice(text->data + skip, text->len - skip);
    return part;
}

/* A name may end with the dot of the root, which says nothing. */
static struct ic_slice without_root(struct ic_slice name)
{
    bool dot = name.len > 0 && name.data[name.len - 1] == '.';
    return ic_slice(name.data, name.len - dot);
}

static bool is_name(struct ic_slice text)
{
    struct ic_slice rest = without_root(text);
    bool good = rest.len > 0 && rest.len <= IC_HTTP_NAME_MAX && rest.data[rest.len - 1] != '.';
    while (good && rest.len > 0) {
        good = is_label(take(&rest, '.'));
    }
    return good;
}

int ic_http_names_check(const char *names, char *why)
{
    struct ic_slice rest = ic_slice_str(names);
    bool more = rest.len > 0;
    while (more) {
        size_t before = rest.len;
        struct ic_slice name = take(&rest, ',');
        more = before > name.len; /* a comma: something must follow */
        if (!is_name(name)) {
            snprintf(why, IC_HTTP_GUARD_WHY_MAX,
                     "http-hosts: '%.*s' is not the name of a host (names with commas between "
                     "them, without "
                     "ports and patterns)",
                     (int)(name.len < IC_HTTP_NAME_MAX ? name.len : IC_HTTP_NAME_MAX),
                     (const char *)name.data);
            return IC_EINVAL;
        }
    }
    return 0;
}

static bool same_name(struct ic_slice a, struct ic_slice b)
{
    a = without_root(a);
    b = without_root(b);
    bool same = a.len == b.len;
    for (size_t i = 0; same && i < a.len; i++) {
        same = tolower(a.data[i]) == tolower(b.data[i]);
    }
    return same;
}

static bool is_ours(struct ic_slice name, const char *names)
{
    struct ic_slice rest = ic_slice_str(names == NULL ? "" : names);
    bool found = same_name(name, ic_slice_str("localhost"));
    while (!found && rest.len > 0) {
        found = same_name(name, take(&rest, ','));
    }
    return found;
}

/* ---- Host ----------------------------------------------------------------------- */

enum host { HOST_MALFORMED, HOST_ADDRESS, HOST_NAME };

static bool is_address(int family, struct ic_slice text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr ignored; /* the larger one */
    if (text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, &ignored) == 1;
}

/* TEXT: nothing, or ':' and perhaps digits (RFC 3986, 3.2.3). */
static bool is_port(struct ic_slice text)
{
    unsigned port = 0;
    bool good = text.len == 0 || (text.data[0] == ':' && text.len <= PORT_DIGITS_MAX + 1);
    for (size_t i = 1; good && i < text.len; i++) {
        good = isdigit(text.data[i]);
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return good && port <= PORT_MAX;
}

static enum host classify(struct ic_slice text, struct ic_slice *name)
{
    if (text.len > 0 && text.data[0] == '[') {
        struct ic_slice rest = ic_slice(text.data + 1, text.len - 1);
        struct ic_slice inner = take(&rest, ']');
        bool closed = inner.len + 1 < text.len;
        return closed && is_address(AF_INET6, inner) && is_port(rest) ? HOST_ADDRESS
                                                                      : HOST_MALFORMED;
    }
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.data, ':', text.len);
    size_t len = colon == NULL ? text.len : (size_t)(colon - text.data);
    *name = ic_slice(text.data, len);
    if (!is_port(ic_slice(text.data + len, text.len - len))) {
        return HOST_MALFORMED;
    }
    return is_address(AF_INET, *name) ? HOST_ADDRESS : is_name(*name) ? HOST_NAME : HOST_MALFORMED;
}

static unsigned refuse(unsigned status, char *why, const char *words)
{
    snprintf(why, IC_HTTP_GUARD_WHY_MAX, "%s", words);
    return status;
}

static unsigned check_host(const char *text, const char *names, char *why)
{
    struct ic_slice name = {0};
    switch (classify(ic_slice_str(text), &name)) {
    case HOST_ADDRESS:
        return 0;
    case HOST_NAME:
        if (is_ours(name, names)) {
            return 0;
        }
        snprintf(why, IC_HTTP_GUARD_WHY_MAX,
                 "Host is %.*s, a name that is not known here: ask by address, as localhost, or by "
                 "a name of the "
                 "directive http-hosts",
                 (int)name.len, (const char *)name.data);
        return 403;
    case HOST_MALFORMED:
        break;
    }
    return refuse(400, why, "Host is neither an address nor a name, with or without a port");
}

/* ---- the request ---------------------------------------------------------------- */

/* Do headers called NAME say anything but WANTED (NULL: are there any)? */
static bool says_other(const struct ic_http_asked *q, const char *name, const char *wanted)
{
    for (size_t i = 0; i < q->header_count; i++) {
        const struct ic_http_header *h = &q->header[i];
        if (ic_slice_equal_nocase(ic_slice_str(h->name), name) &&
            (wanted == NULL || strcmp(h->value, wanted) != 0)) {
            return true;
        }
    }
    return false;
}

unsigned ic_http_guard(const struct ic_http_asked *q, const char *names, char *why)
{
    const char *host = NULL;
    if (q->target[0] != '/') {
        return refuse(400, why, "the target of a request must be a path: this is no proxy");
    }
    for (size_t i = 0; i < q->header_count; i++) {
        if (ic_slice_equal_nocase(ic_slice_str(q->header[i].name), "Host")) {
            if (host != NULL) {
                return refuse(400, why, "there are several Host headers");
            }
            host = q->header[i].value;
        }
    }
    if (host == NULL && !q->may_lack_host) {
        return refuse(400, why, "there is no Host header");
    }
    unsigned status = host == NULL ? 0 : check_host(host, names, why);
    if (status != 0) {
        return status;
    }
    /* "none" and "navigate" is a person's own doing: an address that was typed, a bookmark. */
    if (says_other(q, "Origin", NULL) || says_other(q, "Sec-Fetch-Site", "none") ||
        says_other(q, "Sec-Fetch-Mode", "navigate")) {
        return refuse(403, why,
                      "a web page asks (Origin, Sec-Fetch-Site): only programs are answered here");
    }
    return 0;
}

bool ic_http_address_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return (ntohl(in->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}
