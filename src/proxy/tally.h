/*
 * tally.h - what is counted of a command when it is over: INFO's commandstats and latencystats,
 * LATENCY HISTOGRAM and SLOWLOG, all from one clock.
 *
 *   request complete --values sealed--> handler --> [in line behind earlier replies] --> objects
 * --> over
 *   |<------------------- counted ------------->|                                     |<-counted->|
 *
 * As in Redis the time begins when the last byte of the request is there, so that a slow upload is
 * the client's time; what is left of storing the value is the command's. A value in the reply is
 * the command's time from when its turn came until its last byte is the socket's: how fast the
 * client reads is in it, replies before it in a pipeline are not, nor is the journal's fsync. Of a
 * command within EXEC the time is its own in EXEC, and EXEC's holds them all.
 */
#ifndef IC_PROXY_TALLY_H
#define IC_PROXY_TALLY_H

#include "proxy/session.h"

/* S has executed C for US microseconds (c->failed: it replied with an error); the objects of its
 * reply are those added since MARK, and are waited for. Arguments may be gone afterwards. */
void ic_tally(struct ic_session *s, const struct ic_call *c, uint64_t us,
              struct ic_reply_mark mark);

#endif
