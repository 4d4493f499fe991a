#include "proxy/pace.h"

enum {
    STALL_MS = 50,          /* who is waited for so long, and will be again, stalls */
    RATE_WINDOW_MS = 10000, /* over which a rate is measured */
};

void ic_pace_begin(struct ic_pace *p, uint64_t now_ms)
{
    p->turn_ms = now_ms;
    p->turn_bytes = 0;
}

bool ic_pace_stalls(struct ic_pace *p, uint64_t now_ms, uint64_t bytes, uint64_t rest)
{
    uint64_t elapsed_ms = now_ms - p->turn_ms, came = bytes - p->turn_bytes;
    if (elapsed_ms < STALL_MS) {
        return false;
    }
    p->turn_ms = now_ms;
    p->turn_bytes = bytes;
    return elapsed_ms * rest >= STALL_MS * came;
}

bool ic_pace_fast_enough(struct ic_pace *p, uint64_t now_ms, bool its_turn, uint64_t received,
                         uint64_t rate)
{
    if (rate == 0 || !its_turn || p->window_ms == 0) {
        p->window_ms = its_turn ? now_ms : 0;
        p->window_mark = received;
        return true;
    }
    uint64_t elapsed_ms = now_ms - p->window_ms;
    if (elapsed_ms < RATE_WINDOW_MS) {
        return true;
    }
    bool fast = (received - p->window_mark) * 1000 >= rate * elapsed_ms;
    p->window_ms = now_ms;
    p->window_mark = received;
    return fast;
}
