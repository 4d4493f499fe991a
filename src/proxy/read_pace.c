#include "proxy/read_pace.h"

enum { WINDOW_MS = 5000 }; /* a pace is that of the last so many, or up to twice as many */

static void begin(struct ic_read_pace *p, uint64_t now_ms, uint64_t read, uint64_t received)
{
    *p = (struct ic_read_pace){.looked_ms = now_ms,
                               .read_mark = read,
                               .received_mark = received,
                               .credit_ms = IC_READ_PACE_CREDIT_MS,
                               .read_ms = now_ms,
                               .window_ms = now_ms,
                               .window_mark = read,
                               .before_ms = now_ms,
                               .before_mark = read};
}

/* MOVED bytes at RATE are worth their time, and ELAPSED_MS have passed. False: it had less. */
static bool spend(struct ic_read_pace *p, uint64_t elapsed_ms, uint64_t moved, uint64_t rate)
{
    uint64_t step_ms = UINT64_C(1000) * IC_READ_PACE_STEP_MAX / rate;
    uint64_t most_ms = step_ms > IC_READ_PACE_CREDIT_MS ? step_ms : IC_READ_PACE_CREDIT_MS;
    uint64_t credit_ms = p->credit_ms + 1000 * moved / rate;
    credit_ms = credit_ms < most_ms ? credit_ms : most_ms;
    p->credit_ms = credit_ms > elapsed_ms ? credit_ms - elapsed_ms : 0;
    return credit_ms >= elapsed_ms;
}

bool ic_read_pace_fast_enough(struct ic_read_pace *p, uint64_t now_ms, uint64_t read,
                              uint64_t received, uint64_t rate)
{
    if (p->looked_ms == 0) {
        begin(p, now_ms, read, received);
        return true;
    }
    ic_read_pace_go_on(p, now_ms);
    uint64_t elapsed_ms = now_ms - p->looked_ms;
    uint64_t moved = read - p->read_mark + received - p->received_mark;
    if (read != p->read_mark) {
        p->read_ms = now_ms;
    }
    if (now_ms - p->window_ms >= WINDOW_MS) {
        p->before_ms = p->window_ms;
        p->before_mark = p->window_mark;
        p->window_ms = now_ms;
        p->window_mark = read;
    }
    p->looked_ms = now_ms;
    p->read_mark = read;
    p->received_mark = received;
    return rate == 0 ||
           (spend(p, elapsed_ms, moved, rate) && now_ms - p->read_ms < IC_READ_PACE_UNREAD_MS);
}

void ic_read_pace_stop(struct ic_read_pace *p, uint64_t now_ms)
{
    if (p->looked_ms != 0 && p->stopped_ms == 0) {
        p->stopped_ms = now_ms;
    }
}

void ic_read_pace_go_on(struct ic_read_pace *p, uint64_t now_ms)
{
    if (p->stopped_ms == 0) {
        return;
    }
    uint64_t others_ms = now_ms - p->stopped_ms;
    p->looked_ms += others_ms;
    p->read_ms += others_ms;
    p->window_ms += others_ms;
    p->before_ms += others_ms;
    p->stopped_ms = 0;
}

uint64_t ic_read_pace_ms(const struct ic_read_pace *p, uint64_t now_ms, uint64_t read,
                         uint64_t bytes)
{
    uint64_t elapsed_ms = now_ms - p->before_ms;
    if (p->looked_ms == 0 || p->stopped_ms != 0 || elapsed_ms < IC_READ_PACE_KNOWN_MS) {
        return 0;
    }
    uint64_t moved = read - p->before_mark;
    return moved == 0 ? UINT64_MAX : (elapsed_ms * bytes + moved - 1) / moved;
}
