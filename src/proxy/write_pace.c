#include "proxy/write_pace.h"

enum {
    SILENCE_MS = 20,        /* who is waited for so long, and sends nothing, stalls */
    STALL_MS = 50,          /* or who is waited for so long, and will be again */
    TURN_MS = 200,          /* or who has been waited for so long, however little is left */
    RATE_WINDOW_MS = 10000, /* over which a rate is measured */
};

void ic_write_pace_begin(struct ic_write_pace *p, uint64_t now_ms)
{
    p->begun_ms = p->looked_ms = now_ms;
    p->looked_bytes = 0;
}

bool ic_write_pace_stalls(struct ic_write_pace *p, uint64_t now_ms, uint64_t bytes, uint64_t rest)
{
    uint64_t elapsed_ms = now_ms - p->looked_ms, came = bytes - p->looked_bytes;
    if (elapsed_ms < SILENCE_MS || (came > 0 && elapsed_ms < STALL_MS)) {
        return false;
    }
    p->looked_ms = now_ms;
    p->looked_bytes = bytes;
    return elapsed_ms * rest >= STALL_MS * came || now_ms - p->begun_ms >= TURN_MS;
}

bool ic_write_pace_fast_enough(struct ic_write_pace *p, uint64_t now_ms, bool its_turn,
                               uint64_t received, uint64_t rate)
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
