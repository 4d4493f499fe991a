/*
 * resp_answer.h - codec of the Redis protocol, the client's side of GET and SET: bytes of
 * replies in, events out, resumable at every byte. A value is handed out in pieces, where it lies
 * in the input; it is never kept. Replies of other shapes (arrays, maps) are not for it.
 *
 *   "+OK\r\n" "-ERR ...\r\n" ":1\r\n" "_\r\n" "$-1\r\n"  --> LINE
 *   "$5\r\nhel" "lo\r\n"                                 --> BULK, BODY "hel", BODY "lo", END
 */
#ifndef IC_PROTO_RESP_ANSWER_H
#define IC_PROTO_RESP_ANSWER_H

#include "base/error.h"
#include "base/slice.h"

enum {
    IC_RESP_ANSWER_LINE_MAX = 512,     /* of a line that is kept; the rest is cut */
    IC_RESP_ANSWER_BULK_MAX_BITS = 40, /* a longer bulk is nonsense */
};

enum ic_resp_answer_event {
    IC_RESP_ANSWER_MORE, /* the input is used up */
    IC_RESP_ANSWER_LINE, /* a reply of one line: `line`, type byte included; nil as "$-1" or "_" */
    IC_RESP_ANSWER_BULK, /* a value of `length` bytes begins */
    IC_RESP_ANSWER_BODY, /* *PIECE is its next piece, inside the input */
    IC_RESP_ANSWER_END,  /* of the value */
};

struct ic_resp_answer { /* zeroed: at the start of a reply. Fields are for reading */
    char line[IC_RESP_ANSWER_LINE_MAX];
    uint64_t length;
    /* ---- private */
    uint64_t left;
    size_t line_length;
    uint8_t state, tail;
};

/* Takes bytes off the front of IN up to the next event. IC_EPROTO: not such a reply; do not call
 * again. */
int ic_resp_answer_next(struct ic_resp_answer *a, struct ic_slice *in,
                        struct ic_slice *piece) IC_MUST_USE;

#endif
