#include "cli/charge.h"

#include "cli/resp_client.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY_MAX = 64 * 1024 };

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"dollars_total:", offsetof(struct ic_charge, dollars)},
    {"billed_ms_total:", offsetof(struct ic_charge, billed_ms)},
    {"invocations_total:", offsetof(struct ic_charge, invocations)},
    {"outstanding_invocations:", offsetof(struct ic_charge, outstanding)},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

/* The number behind NAME at the begin of LINE. */
static bool read_field(struct ic_slice line, const char *name, double *out)
{
    char text[64];
    size_t len = strlen(name);
    if (line.len <= len || line.len - len >= sizeof text || memcmp(line.data, name, len) != 0) {
        return false;
    }
    memcpy(text, line.data + len, line.len - len);
    text[line.len - len] = '\0';
    char *end;
    *out = strtod(text, &end);
    return end != text;
}

struct ic_charge ic_charge_parse(struct ic_slice info)
{
    struct ic_charge c = {.known = false};
    size_t found = 0;
    while (info.len > 0) {
        const uint8_t *newline = memchr(info.data, '\n', info.len);
        size_t len = newline == NULL ? info.len : (size_t)(newline - info.data);
        struct ic_slice line = ic_slice(info.data, len);
        for (size_t i = 0; i < FIELDS; i++) {
            double *out = (double *)(void *)((uint8_t *)&c + fields[i].offset);
            found += read_field(line, fields[i].name, out);
        }
        size_t step = newline == NULL ? len : len + 1;
        info = ic_slice(info.data + step, info.len - step);
    }
    c.known = found == FIELDS;
    return c;
}

struct ic_charge ic_charge_read(const struct ic_endpoint *e)
{
    static const char *const words[] = {"INFO", "cost"};
    char why[IC_RESP_CLIENT_WHY_MAX];
    struct ic_charge c = {.known = false};
    struct ic_resp_client *client;
    struct ic_buf reply;
    if (ic_resp_client_open(e->host, e->port, e->password, NULL, &client, why) < 0) {
        return c;
    }
    ic_buf_init(&reply);
    if (ic_resp_client_command(client, words, 2, NULL, why) >= 0 &&
        ic_resp_client_reply(client, &reply, REPLY_MAX, why) >= 0) {
        c = ic_charge_parse(ic_buf_slice(&reply));
    }
    ic_buf_deinit(&reply);
    ic_resp_client_close(client);
    return c;
}

struct ic_charge ic_charge_between(const struct ic_charge *before, const struct ic_charge *after)
{
    return (struct ic_charge){.known = before->known && after->known,
                              .dollars = after->dollars - before->dollars,
                              .billed_ms = after->billed_ms - before->billed_ms,
                              .invocations = after->invocations - before->invocations,
                              .outstanding = after->outstanding};
}
