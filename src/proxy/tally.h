/*
 * tally.h - what is counted of a command when it is over: INFO's commandstats and latencystats,
 * LATENCY HISTOGRAM and SLOWLOG, all from one clock.
 *
 *   request complete --values sealed--> handler --> in line --> its objects' turn --> over
 *           |<----------- counted ----------->|                       |<--counted-->|
 *
 * As in Redis the time begins when the last byte of the request is there, so that a slow upload is
 * the client's time; what is left of storing the value is the command's, and the turns of the loop
 * that its work takes. A value in the reply is the command's time from when its turn came until its
 * last byte is in the stream, of which no more than IC_REPLY_QUEUE_MAX waits there: so how fast the
 * client reads is in it. Replies before it in a pipeline are not, nor is the journal's fsync. Of a
 * command within EXEC the time is its own in EXEC, and EXEC's holds them all.
 *
 *   rejected   refused before it was tried: wrong number of arguments, no room, too large
 *   failed     it ran, and an error is in its reply, or the end of an object is not; a value that
 *              the functions did not take, once its request was complete
 */
#ifndef IC_PROXY_TALLY_H
#define IC_PROXY_TALLY_H

#include "proxy/session.h"

/* S has executed C for US microseconds (c->failed: it replied with an error); the objects of its
 * reply are those added since MARK, and are waited for. Arguments may be gone afterwards. */
void ic_tally(struct ic_session *s, const struct ic_call *c, uint64_t us,
              struct ic_reply_mark mark);

#endif
