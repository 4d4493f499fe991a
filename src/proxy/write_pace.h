/*
 * write_pace.h - how a client goes on with what it sends while it alone is waited for. Pure: time
 * and bytes are told. Times are the loop's, in milliseconds.
 */
#ifndef IC_PROXY_WRITE_PACE_H
#define IC_PROXY_WRITE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing is known. */
struct ic_write_pace {
    uint64_t begun_ms;                /* when it became the client's turn */
    uint64_t looked_ms, looked_bytes; /* when it was last looked at, or begun */
    uint64_t window_ms, window_mark;  /* since when its rate is measured; 0: it is not its turn */
};

/* It is the client's turn: memory is there for it to fill. */
void ic_write_pace_begin(struct ic_write_pace *p, uint64_t now_ms);
/* BYTES of the stripe have come since. What has come by the end of the moment in which it became
 * the client's turn was there before: it says nothing about a pace. */
void ic_write_pace_came(struct ic_write_pace *p, uint64_t now_ms, uint64_t bytes);
/* BYTES of the stripe have come since, and since the last look none, or so few that the REST will
 * take longer than may be; or the client has had its turn for long, which is less LATE, when others
 * have waited for long. */
bool ic_write_pace_stalls(struct ic_write_pace *p, uint64_t now_ms, uint64_t bytes, uint64_t rest,
                          bool late);
/* Call about every second. RECEIVED: bytes ever; ITS_TURN: the client is waited for. False: it was,
 * for ten seconds, and has sent less than RATE bytes per second (0: any rate will do). */
bool ic_write_pace_fast_enough(struct ic_write_pace *p, uint64_t now_ms, bool its_turn,
                               uint64_t received, uint64_t rate);

#endif
