#include "cli/charge.h"

#include "cli/info.h"
#include "cli/resp_client.h"

#include <stddef.h>

enum { REPLY_MAX = 64 * 1024 };

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"dollars_total", offsetof(struct ic_charge, dollars)},
    {"billed_ms_total", offsetof(struct ic_charge, billed_ms)},
    {"invocations_total", offsetof(struct ic_charge, invocations)},
    {"outstanding_invocations", offsetof(struct ic_charge, outstanding)},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

struct ic_charge ic_charge_parse(struct ic_slice info)
{
    struct ic_charge c = {.known = false};
    struct ic_slice name, value;
    size_t found = 0;
    while (ic_info_next(&info, &name, &value)) {
        for (size_t i = 0; i < FIELDS; i++) {
            double *out = (double *)(void *)((uint8_t *)&c + fields[i].offset);
            found += ic_slice_equal(name, ic_slice_str(fields[i].name)) &&
                     ic_slice_to_real(value, out) == 0;
        }
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
