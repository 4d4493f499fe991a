/*
 * http.h - the client's side of HTTP/1.1 (RFC 9112): responses in, events out; and requests as
 * text. What the Runtime API needs and no more: Content-Length, chunked and close-delimited bodies;
 * no trailers kept, no upgrades, no compression. No I/O.
 *
 *    HEAD --status, fields--> BODY --slices--> END --next response--> HEAD
 *      | 1xx: skipped           | chunked: SIZE -> DATA -> CRLF -> SIZE ... -> TRAILER
 *      '--> FAILED (stays so)
 */
#ifndef IC_PROTO_HTTP_H
#define IC_PROTO_HTTP_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    IC_HTTP_HEAD_MAX = 32 * 1024, /* status line and fields of one response */
    IC_HTTP_LINE_MAX = 256,       /* a chunk's size line */
    IC_HTTP_TRAILER_MAX = 8 * 1024,
    IC_HTTP_INTERIM_MAX = 8, /* 1xx responses before the one that counts */
};

enum ic_http_event {
    IC_HTTP_MORE, /* the input is used up */
    IC_HTTP_HEAD, /* status and fields may be read until the next HEAD */
    IC_HTTP_BODY, /* *BODY is the next piece of the body, inside the input */
    IC_HTTP_END,  /* the response is complete */
};

struct ic_http {
    int status;
    bool keep_alive;    /* the connection may be used again after END */
    bool has_length;    /* body_left is what the head named */
    uint64_t body_left; /* of the body or of the current chunk */
    /* private: */
    enum ic_http_state {
        IC_HTTP_IN_HEAD,
        IC_HTTP_IN_LENGTH,
        IC_HTTP_IN_CHUNK_SIZE,
        IC_HTTP_IN_CHUNK,
        IC_HTTP_IN_CHUNK_END,
        IC_HTTP_IN_TRAILER,
        IC_HTTP_UNTIL_CLOSE,
        IC_HTTP_COMPLETE,
        IC_HTTP_FAILED,
    } state;
    struct ic_buf head; /* the response's head as it came */
    size_t fields;      /* where its fields start */
    uint32_t interim;
    uint32_t line_len, trailer_len;
    char line[IC_HTTP_LINE_MAX];
};

void ic_http_init(struct ic_http *h);
void ic_http_deinit(struct ic_http *h);

/*
 * The next event; what it used is taken off the front of *IN. Errors, from then on always the same:
 * IC_EPROTO malformed, IC_ETOOBIG a bound is exceeded. IC_ENOMEM may be tried again.
 */
int ic_http_next(struct ic_http *h, struct ic_slice *in, struct ic_slice *body) IC_MUST_USE;

/* The connection has ended. IC_HTTP_END: that completes the response; 0: between responses;
 * IC_ECLOSED: in the middle of one. */
int ic_http_close(struct ic_http *h) IC_MUST_USE;

/* The first field of that NAME (any case), without blanks around it; false: there is none. Valid
 * from IC_HTTP_HEAD until the next response begins. */
bool ic_http_field(const struct ic_http *h, const char *name, struct ic_slice *value);

/* Appends a request. BODY: with Content-Length if METHOD is POST. IC_ENOMEM. */
int ic_http_request(struct ic_buf *out, const char *method, const char *host, const char *path,
                    const char *content_type, struct ic_slice body) IC_MUST_USE;

#endif
