#include "cli/endpoint.h"

#include "cli/place.h"
#include "cli/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Host and port from what `up` wrote down. */
static int from_settings(const char *dir, struct ic_endpoint *out, char *why)
{
    char path[IC_PLACE_MAX];
    int result = ic_place_dir(dir, path, why);
    if (result < 0 && dir != NULL) {
        return result;
    }
    struct ic_config *c = result < 0 ? NULL : ic_settings_load(path);
    if (c == NULL && dir != NULL) {
        snprintf(why, IC_ENDPOINT_WHY_MAX, "%.300s is no folder of `infinicache up`", path);
        return IC_EINVAL;
    }
    if (c == NULL) {
        c = ic_config_new();
    }
    bool any = strcmp(c->bind, "0.0.0.0") == 0 || strcmp(c->bind, "::") == 0;
    snprintf(out->host, sizeof out->host, "%s", any ? "127.0.0.1" : c->bind);
    snprintf(out->port, sizeof out->port, "%" PRId64, c->port);
    ic_config_free(c);
    return 0;
}

static int read_password(const char *file, struct ic_endpoint *out, char *why)
{
    const char *variable = getenv("INFINICACHE_PASSWORD");
    if (file == NULL) {
        snprintf(out->password, sizeof out->password, "%s", variable == NULL ? "" : variable);
        return 0;
    }
    FILE *in = fopen(file, "re");
    if (in == NULL || fgets(out->password, sizeof out->password, in) == NULL) {
        snprintf(why, IC_ENDPOINT_WHY_MAX, "cannot read a password from %.300s: %s", file,
                 in == NULL ? strerror(errno) : "it is empty");
        if (in != NULL) {
            fclose(in);
        }
        return IC_EIO;
    }
    fclose(in);
    out->password[strcspn(out->password, "\r\n")] = '\0';
    return 0;
}

/* The port as given; 65,537 would be port 1 to those who look it up. */
static int named_port(const char *text, struct ic_endpoint *out, char *why)
{
    int64_t port;
    if (ic_slice_to_i64(ic_slice_str(text), &port) < 0 || port < 1 || port > UINT16_MAX) {
        snprintf(why, IC_ENDPOINT_WHY_MAX,
                 "bad value '%.100s' for --port: must be a number from 1 to 65535", text);
        return IC_EINVAL;
    }
    snprintf(out->port, sizeof out->port, "%" PRId64, port);
    return 0;
}

int ic_endpoint_find(const struct ic_endpoint_options *o, struct ic_endpoint *out, char *why)
{
    int result = 0;
    if (o->host != NULL && o->port == NULL) {
        struct ic_config *defaults = ic_config_new(); /* another machine's: the usual port */
        snprintf(out->port, sizeof out->port, "%" PRId64, defaults->port);
        ic_config_free(defaults);
    } else if (o->port == NULL) {
        result = from_settings(o->dir, out, why);
    } else {
        snprintf(out->host, sizeof out->host, "127.0.0.1");
        result = named_port(o->port, out, why);
    }
    if (o->host != NULL) {
        snprintf(out->host, sizeof out->host, "%s", o->host);
    }
    return result < 0 ? result : read_password(o->password_file, out, why);
}
