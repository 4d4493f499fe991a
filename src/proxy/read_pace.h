/*
 * read_pace.h - how a client goes on with what it is sent while it alone is waited for. Pure: time
 * and bytes are told. Times are the loop's, in milliseconds.
 *
 * What counts as read is what the client's system has acknowledged: ours takes megabytes at once,
 * and then nothing until a third of them has gone. Acknowledgements come in steps as well, since a
 * system whose buffer was full says so when a sixteenth of it is free: 100 KB or less of a buffer
 * that is new, 2 MB of one that has grown to the 32 MB that Linux gives at most by itself. In any
 * one window a steady reader may thus be seen to read nothing, or much. So time is a credit: every
 * byte is worth the time it may take at the least rate; nobody saves more than a step is worth.
 *
 *   zeroed --asked--> waited for, at first with a whole credit --stop--> stopped: time stands still
 *                         '<------------- asked, or to go on ---------------'
 */
#ifndef IC_PROXY_READ_PACE_H
#define IC_PROXY_READ_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IC_READ_PACE_CREDIT_MS = 5000,   /* who has read nothing yet is waited for so long, */
    IC_READ_PACE_STEP_MAX = 3 << 20, /* who reads, for as long as so many bytes may take, */
    IC_READ_PACE_UNREAD_MS = 600000, /* who reads nothing no longer than that, whatever it sends */
    IC_READ_PACE_KNOWN_MS = 1000,    /* sooner nothing is said about a pace */
};

/* Zeroed: the client is not waited for. */
struct ic_read_pace {
    uint64_t looked_ms;                /* last, or 0 */
    uint64_t read_mark, received_mark; /* bytes by then */
    uint64_t credit_ms;                /* it may go on doing nothing for so long */
    uint64_t read_ms;                  /* when it was last seen to read */
    uint64_t stopped_ms;               /* since when others are waited for; 0: it is */
    uint64_t window_ms, window_mark;   /* since when its pace will be measured, and */
    uint64_t before_ms, before_mark;   /* since when it is */
};

/* Call about every second while the client is waited for. READ and RECEIVED: bytes it has read and
 * sent, ever. False: it has done both together at less than RATE bytes per second (0: any rate will
 * do), or has read nothing for IC_READ_PACE_UNREAD_MS. */
bool ic_read_pace_fast_enough(struct ic_read_pace *p, uint64_t now_ms, uint64_t read,
                              uint64_t received, uint64_t rate);
/* From NOW on others than the client are waited for, until it goes on: this time is not the
 * client's. Again and again, or of one that was never waited for: nothing. */
void ic_read_pace_stop(struct ic_read_pace *p, uint64_t now_ms);
void ic_read_pace_go_on(struct ic_read_pace *p, uint64_t now_ms);
/* How long it will take BYTES more, of which there are some, at its pace. 0: that is not known yet,
 * or others are waited for; UINT64_MAX: for ever. */
uint64_t ic_read_pace_ms(const struct ic_read_pace *p, uint64_t now_ms, uint64_t read,
                         uint64_t bytes);

#endif
