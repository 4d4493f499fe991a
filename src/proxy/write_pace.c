#include "proxy/write_pace.h"

enum {
    SILENCE_MS = 20,      /* who is waited for so long, and sends nothing, stalls */
    STALL_MS = 50,        /* or who is waited for so long, and will be again */
    TURN_MS = 200,        /* or who has been waited for so long, however little is left; */
    LATE_SILENCE_MS = 10, /* the same when others have waited for long: thousands who have a turn */
    LATE_TURN_MS = 40,    /* each, and let it pass, are soon through */
    RATE_WINDOW_MS = 10000, /* over which a rate is measured */
};

void ic_write_pace_begin(struct ic_write_pace *p, uint64_t now_ms)
{
    p->begun_ms = p->looked_ms = now_ms;
    p->looked_bytes = 0;
}

void ic_write_pace_came(struct ic_write_pace *p, uint64_t now_ms, uint64_t bytes)
{
    if (now_ms == p->begun_ms) {
        p->looked_bytes = bytes;
    }
}

bool ic_write_pace_stalls(struct ic_write_pace *p, uint64_t now_ms, uint64_t bytes, uint64_t rest,
                          bool late)
{
    uint64_t elapsed_ms = now_ms - p->looked_ms, came = bytes - p->looked_bytes;
    uint64_t silence_ms = late ? LATE_SILENCE_MS : SILENCE_MS;
    uint64_t turn_ms = late ? LATE_TURN_MS : TURN_MS;
    if (now_ms - p->begun_ms >= turn_ms) {
        return true;
    }
    if (elapsed_ms < silence_ms || (came > 0 && elapsed_ms < STALL_MS)) {
        return false;
    }
    p->looked_ms = now_ms;
    p->looked_bytes = bytes;
    return elapsed_ms * rest >= STALL_MS * came;
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
