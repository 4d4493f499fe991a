#include "proxy/call_units.h"

#include "proxy/command_handlers.h"
#include "proxy/proxy.h"
#include "proxy/session.h"

enum {
    REPORT_UNITS = 300, /* of work: what tells about the server, */
    FUNCTION_UNITS = 4, /* and of its functions about each; */
    WALK_UNITS = 300,   /* keys looked at, each with a pattern, or empty buckets: it may be less */
};

bool ic_call_tells_of_keys(const struct ic_call *c)
{
    return (c->command->flags & (IC_COMMAND_READONLY | IC_COMMAND_WRITE)) != 0 ||
           c->command->handler == ic_command_exec;
}

bool ic_call_needs_keys(const struct ic_call *c)
{
    return ic_call_tells_of_keys(c) || c->command->handler == ic_command_watch;
}

uint64_t ic_call_report_units(const struct ic_call *c)
{
    if (c->command->group == IC_GROUP_INFINICACHE) {
        return REPORT_UNITS + FUNCTION_UNITS * (uint64_t)c->proxy->config->functions;
    }
    return ic_call_needs_keys(c) || (c->command->flags & IC_COMMAND_FAST) != 0 ? 0 : REPORT_UNITS;
}

/* Of a command that changes as many keys as it is told, in one go. */
static uint64_t change_units(const struct ic_call *c)
{
    const struct ic_command_key *k = &c->command->key[0];
    bool many = k->last < 0 && (c->command->flags & IC_COMMAND_WRITE) != 0;
    return many ? IC_CALL_CHANGE_UNITS * ((c->argc - 1) / (uint64_t)k->step) : 0;
}

uint64_t ic_call_expected_units(const struct ic_call *c)
{
    if (!ic_call_needs_keys(c)) {
        return ic_call_report_units(c);
    }
    return ic_call_report_units(c) + c->argc + change_units(c) +
           ((c->command->flags & IC_COMMAND_WALKS) != 0 ? WALK_UNITS : 0) +
           (c->command->handler == ic_command_exec ? c->session->queued_count : 0);
}
