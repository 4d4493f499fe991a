#include "proxy/tally.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"

/* A command whose objects have not all gone out. */
struct tally {
    struct ic_reply_bill bill;
    struct ic_session *session;
    const struct ic_command *command;
    struct ic_slow_entry *entry; /* NULL: none is wanted */
    uint64_t us;                 /* until its handler returned */
    bool failed;
};

static bool is_logged(const struct ic_session *s, const struct ic_command *c)
{
    return s->proxy->config->slowlog_log_slower_than >= 0 &&
           (c->flags & IC_COMMAND_SKIP_SLOWLOG) == 0;
}

static bool is_slow(const struct ic_session *s, uint64_t us)
{
    int64_t limit_us = s->proxy->config->slowlog_log_slower_than;
    return limit_us >= 0 && us >= (uint64_t)limit_us;
}

static void keep_slow(struct ic_session *s, struct ic_slow_entry *e, uint64_t us, double dollars)
{
    e->microseconds = us;
    e->dollars += dollars;
    ic_stats_slow_keep(&s->sessions->stats, e, s->peer, s->name == NULL ? "" : s->name,
                       (uint64_t)s->proxy->config->slowlog_max_len);
}

static double cost_of_values(const struct ic_call *c)
{
    double sum = 0;
    for (uint32_t i = 0; i < c->argc; i++) {
        sum += c->argv[i].dollars;
    }
    return sum;
}

/* Nothing depends on the log: without memory there is no entry. */
static struct ic_slow_entry *slow_entry(const struct ic_call *c)
{
    struct ic_slow_entry *e = ic_stats_slow_new(c);
    if (e != NULL) {
        e->dollars = cost_of_values(c);
    }
    return e;
}

static void on_refused(struct ic_reply_bill *bill, const char *error)
{
    ic_stats_error(&IC_CONTAINER(bill, struct tally, bill)->session->sessions->stats, error);
}

static void on_settled(struct ic_reply_bill *bill)
{
    struct tally *t = IC_CONTAINER(bill, struct tally, bill);
    struct ic_session *s = t->session;
    uint64_t sending_us = bill->turn_us == 0 ? 0 : ic_clock_mono_us() - bill->turn_us;
    uint64_t us = t->us + sending_us;
    ic_stats_called(&s->sessions->stats, t->command, us, t->failed || bill->failed);
    if (t->entry != NULL && is_slow(s, us)) {
        keep_slow(s, t->entry, us, bill->dollars);
    } else {
        ic_stats_slow_drop(t->entry);
    }
    ic_free(t);
}

/* Waits for the objects since MARK. False: there are none, or no memory to wait with. */
static bool wait_for_objects(struct ic_session *s, const struct ic_call *c, uint64_t us,
                             struct ic_reply_mark mark)
{
    struct tally *t = ic_reply_has_objects(&s->reply, mark) ? ic_calloc(1, sizeof(*t)) : NULL;
    if (t == NULL) {
        return false;
    }
    struct ic_slow_entry *e = is_logged(s, c->command) ? slow_entry(c) : NULL;
    size_t memory = sizeof(*t) + (e == NULL ? 0 : sizeof(*e) + e->args.cap);
    *t = (struct tally){.bill = {.memory = memory, .refused = on_refused, .settled = on_settled},
                        .session = s,
                        .command = c->command,
                        .entry = e,
                        .us = us,
                        .failed = c->failed};
    ic_reply_put_on_bill(&s->reply, mark, &t->bill);
    return true;
}

void ic_tally(struct ic_session *s, const struct ic_call *c, uint64_t us, struct ic_reply_mark mark)
{
    if (wait_for_objects(s, c, us, mark)) {
        return;
    }
    ic_stats_called(&s->sessions->stats, c->command, us, c->failed);
    struct ic_slow_entry *e = is_logged(s, c->command) && is_slow(s, us) ? slow_entry(c) : NULL;
    if (e != NULL) {
        keep_slow(s, e, us, 0);
    }
}
