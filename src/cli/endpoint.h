/*
 * endpoint.h - which proxy `put`, `get` and `top` speak to, and with which password.
 */
#ifndef IC_CLI_ENDPOINT_H
#define IC_CLI_ENDPOINT_H

#include "base/error.h"

enum { IC_ENDPOINT_TEXT_MAX = 512, IC_ENDPOINT_WHY_MAX = 512 };

/* The options as given; NULL: not. */
struct ic_endpoint_options {
    const char *host, *port, *dir, *password_file;
};

/* Their rows in a command's table of options (cli/options.h), and in its help. */
#define IC_ENDPOINT_OPTIONS(o)                                                                     \
    {"host", &(o).host}, {"port", &(o).port}, {"dir", &(o).dir},                                   \
    {                                                                                              \
        "password-file", &(o).password_file                                                        \
    }
#define IC_ENDPOINT_HELP                                                                           \
    "  --host HOST           the proxy's address; default: where `up` listens in DIR\n"            \
    "  --port PORT           its port; the same, or 6378\n"                                        \
    "  --dir DIR             the folder of `up`\n"                                                 \
    "  --password-file FILE  its first line is the password; default: the environment's\n"         \
    "                        INFINICACHE_PASSWORD"

struct ic_endpoint {
    char host[IC_ENDPOINT_TEXT_MAX], port[16], password[IC_ENDPOINT_TEXT_MAX];
};

/* IC_EINVAL, IC_EIO with WHY (IC_ENDPOINT_WHY_MAX bytes). */
int ic_endpoint_find(const struct ic_endpoint_options *o, struct ic_endpoint *out,
                     char *why) IC_MUST_USE;

#endif
