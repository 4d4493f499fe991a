/*
 * trace_line.h - codec of request traces: one line in, one request out. Three formats, told apart
 * by the first line:
 *
 *   registry  CSV with a header that names http.request.uri, http.response.written and timestamp:
 *             IBM's Docker registry traces (Anwar et al., FAST 2018)
 *   store     ms REST.GET.OBJECT key [bytes [first last]]: IBM's object store traces
 *             (Eytan et al., HotStorage 2020; SNIA IOTTA)
 *   plain     seconds op key bytes
 */
#ifndef IC_PROTO_TRACE_LINE_H
#define IC_PROTO_TRACE_LINE_H

#include "base/error.h"
#include "base/slice.h"

enum { IC_TRACE_FIELDS_MAX = 64, IC_TRACE_FIELD_MAX = 4096 };

enum ic_trace_format { IC_TRACE_UNKNOWN, IC_TRACE_REGISTRY, IC_TRACE_STORE, IC_TRACE_PLAIN };

enum ic_trace_op { IC_TRACE_GET, IC_TRACE_PUT, IC_TRACE_HEAD, IC_TRACE_COPY, IC_TRACE_DELETE };

struct ic_trace_request {
    int64_t time_ms; /* of the trace's own clock */
    enum ic_trace_op op;
    struct ic_slice key;  /* inside the line, or the reader's field buffer: until the next line */
    uint64_t bytes;       /* of the whole object; 0 if the line does not say */
    uint64_t first, last; /* of a range, inclusive; 0, 0: the whole object */
};

struct ic_trace_lines { /* zeroed: before the first line */
    enum ic_trace_format format;
    uint32_t uri, written, timestamp, method; /* registry: the columns, from 0 */
    char field[3][IC_TRACE_FIELD_MAX];        /* unquoted */
};

/*
 * LINE without its end. 1: *OUT is a request; 0: the line holds none (a header, a comment that
 * begins with #, an empty line, a method that is none of ours). IC_EPROTO: not a line of this
 * format (of the first line: of none).
 */
int ic_trace_line(struct ic_trace_lines *t, struct ic_slice line,
                  struct ic_trace_request *out) IC_MUST_USE;

#endif
