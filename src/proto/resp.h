/*
 * resp.h - codec of the Redis protocol, server side: bytes of requests in, events
 * out, resumable at every byte. It does no I/O and never touches a value's body:
 * it announces a bulk, and its owner says what becomes of it.
 *
 *            feed                        feed
 *   bytes --------> IC_RESP_BULK  ----------------> kept as an argument
 *                    |      \  ic_resp_skip ------> thrown away
 *                    |       \ ic_resp_stream ----> IC_RESP_BODY: the owner moves the bytes
 *                    v                              itself and says ic_resp_body_taken
 *              IC_RESP_COMMAND (all arguments are there; then ic_resp_reset)
 *
 * It accepts what Redis 7.2 accepts (networking.c there), with the same limits and
 * error texts: arrays of bulks ("*2\r\n$4\r\nECHO\r\n...") and inline commands (a
 * line of words, quoted where need be). As there, the byte after a line's CR and the
 * two bytes after a bulk are skipped unseen, and empty requests are no commands.
 */
#ifndef IC_PROTO_RESP_H
#define IC_PROTO_RESP_H

#include "base/buf.h"

enum {
    IC_RESP_LINE_MAX = 64 * 1024,   /* an inline request, a length's line */
    IC_RESP_ARGS_MAX = 1024 * 1024, /* arguments of one command: 16 MiB of spans at most */
    IC_RESP_UNAUTH_ARGS_MAX = 10,
    IC_RESP_UNAUTH_BULK_MAX = 16384,
    IC_RESP_NUMBER_MAX = 20, /* characters of a 64-bit integer */
};

enum ic_resp_event {
    IC_RESP_MORE, /* all bytes are used up */
    IC_RESP_BULK, /* argument `argc` of `total` begins; `bulk_length` bytes */
    IC_RESP_BODY, /* a streamed argument's body: ic_resp_body_left bytes are the owner's to move */
    IC_RESP_COMMAND, /* a command is complete */
    IC_RESP_ERROR,   /* malformed: answer `error`, close; nothing is accepted any more */
};

struct ic_resp_span { /* an argument within `bytes`; of a streamed or skipped one only the length */
    uint64_t offset, length;
};

/* Fields above the line are for the owner to read, the first two to set at any time. */
struct ic_resp {
    uint64_t max_bulk;    /* longest bulk accepted (proto-max-bulk-len) */
    bool unauthenticated; /* then the small IC_RESP_UNAUTH limits hold */
    bool is_inline;       /* the command came as a line */
    bool request_skipped; /* ic_resp_skip_request */
    uint32_t argc, total; /* arguments that are complete; that the request announced */
    uint64_t bulk_length;
    const char *error; /* after IC_RESP_ERROR, without "-ERR " */
    /* ---- */
    int state;
    char line[32];
    size_t line_length; /* may exceed what `line` holds */
    uint64_t body_left;
    unsigned tail_left;
    struct ic_buf bytes;
    struct ic_resp_span *span;
    uint32_t span_cap;
    char error_text[64];
};

void ic_resp_init(struct ic_resp *r, uint64_t max_bulk); /* allocates nothing */
void ic_resp_deinit(struct ic_resp *r);

/* Takes bytes off the front of IN up to the next event. After IC_RESP_BODY the body's bytes are
 * the owner's; after IC_RESP_COMMAND call ic_resp_reset first. */
enum ic_resp_event ic_resp_feed(struct ic_resp *r, struct ic_slice *in) IC_MUST_USE;

/* Bytes that have come of a line whose end has not; the next feed may split it. */
size_t ic_resp_line_length(const struct ic_resp *r);

/* Right after IC_RESP_BULK: the body is not kept. */
void ic_resp_stream(struct ic_resp *r);
void ic_resp_skip(struct ic_resp *r);
/*
 * The same for the whole request: what was kept of it is given back, and what is still to come is
 * thrown away without a further IC_RESP_BULK. It is complete all the same, with arguments that must
 * not be asked for.
 */
void ic_resp_skip_request(struct ic_resp *r);
/* In the middle of a streamed body: what is left of it is thrown away. */
void ic_resp_skip_rest(struct ic_resp *r);
uint64_t ic_resp_body_left(const struct ic_resp *r);
void ic_resp_body_taken(struct ic_resp *r, uint64_t length); /* LENGTH <= what is left */

/* Argument INDEX < argc; valid until reset. A streamed or skipped one has data NULL. */
struct ic_slice ic_resp_arg(const struct ic_resp *r, uint32_t index);
size_t ic_resp_memory(const struct ic_resp *r); /* bytes allocated for arguments */
/* Forgets the command; memory beyond a small measure is given back. */
void ic_resp_reset(struct ic_resp *r);
/* True between two requests: not a byte of the next one has been seen. */
bool ic_resp_idle(const struct ic_resp *r);

/* A decimal integer in its one canonical form (no "+1", "01", "-0"), as Redis wants numbers.
 * IC_EINVAL otherwise, or beyond 64 bits. */
int ic_resp_integer(struct ic_slice text, int64_t *out) IC_MUST_USE;

/*
 * Replies. A writer appends to its buffer in the connection's protocol; what RESP2
 * lacks is written as Redis writes it there (a map as a flat array, a double as a bulk).
 * A failed append sets `failed` and is the owner's to see at the end: that connection
 * is out of step and must be closed.
 */
struct ic_resp_writer {
    struct ic_buf *buf;
    size_t max;  /* longest `buf` allowed: more is a failure */
    int version; /* 2 or 3 */
    bool failed;
    bool too_long; /* that was why */
};

void ic_resp_raw(struct ic_resp_writer *w, struct ic_slice bytes);
void ic_resp_status(struct ic_resp_writer *w, const char *text); /* +OK */
/* "ERR " is put before TEXT unless it brings its own code: "-WRONGTYPE ...". CR and LF become
 * spaces. */
void ic_resp_error(struct ic_resp_writer *w, const char *text);
void ic_resp_errorf(struct ic_resp_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ic_resp_int(struct ic_resp_writer *w, int64_t value);
void ic_resp_bulk(struct ic_resp_writer *w, struct ic_slice bytes);
void ic_resp_bulk_str(struct ic_resp_writer *w, const char *text);
/* Of a map: a name and its value. */
void ic_resp_pair_uint(struct ic_resp_writer *w, const char *name, uint64_t value);
void ic_resp_pair_str(struct ic_resp_writer *w, const char *name, const char *value);
void ic_resp_bulkf(struct ic_resp_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ic_resp_bulk_header(struct ic_resp_writer *w, uint64_t length); /* body and CR LF follow */
void ic_resp_null(struct ic_resp_writer *w);
void ic_resp_null_array(struct ic_resp_writer *w);
void ic_resp_array(struct ic_resp_writer *w, size_t count);
void ic_resp_map(struct ic_resp_writer *w, size_t pairs);
void ic_resp_set(struct ic_resp_writer *w, size_t count);
void ic_resp_push(struct ic_resp_writer *w, size_t count);
void ic_resp_bool(struct ic_resp_writer *w, bool value);
void ic_resp_double(struct ic_resp_writer *w, double value);
/* FORMAT: three letters, "txt" or "mkd". */
void ic_resp_verbatim(struct ic_resp_writer *w, const char *format, struct ic_slice text);
/* The same up to the text, which is LENGTH bytes; CR and LF come behind it. */
void ic_resp_verbatim_head(struct ic_resp_writer *w, const char *format, size_t length);

#endif
