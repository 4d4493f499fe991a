#include "proto/resp_answer.h"

enum { IN_LINE, IN_BODY, IN_TAIL };

/* The line that is complete: a reply of its own, or the head of a bulk. */
static int line_ended(struct ic_resp_answer *a)
{
    int64_t length;
    if (a->line_length == 0 || strchr("+-:_#,$", a->line[0]) == NULL) {
        return IC_EPROTO;
    }
    if (a->line[0] != '$' || strcmp(a->line, "$-1") == 0) {
        return IC_RESP_ANSWER_LINE;
    }
    if (ic_slice_to_i64(ic_slice_str(a->line + 1), &length) < 0 || length < 0 ||
        length > INT64_C(1) << IC_RESP_ANSWER_BULK_MAX_BITS) {
        return IC_EPROTO;
    }
    a->length = a->left = (uint64_t)length;
    a->state = length == 0 ? IN_TAIL : IN_BODY;
    return IC_RESP_ANSWER_BULK;
}

static int take_line(struct ic_resp_answer *a, struct ic_slice *in)
{
    while (in->len > 0) {
        char byte = (char)*in->data;
        in->data++;
        in->len--;
        if (byte == '\n') {
            size_t end = a->line_length < sizeof a->line ? a->line_length : sizeof a->line - 1;
            a->line[end] = '\0';
            int event = line_ended(a);
            a->line_length = 0;
            return event;
        }
        if (byte != '\r') {
            if (a->line_length < sizeof a->line - 1) {
                a->line[a->line_length] = byte;
            }
            a->line_length++;
        }
    }
    return IC_RESP_ANSWER_MORE;
}

static int take_body(struct ic_resp_answer *a, struct ic_slice *in, struct ic_slice *piece)
{
    size_t len = in->len < a->left ? in->len : (size_t)a->left;
    if (len == 0) {
        return IC_RESP_ANSWER_MORE;
    }
    *piece = ic_slice(in->data, len);
    in->data += len;
    in->len -= len;
    a->left -= len;
    a->state = a->left == 0 ? IN_TAIL : IN_BODY;
    return IC_RESP_ANSWER_BODY;
}

static int take_tail(struct ic_resp_answer *a, struct ic_slice *in)
{
    while (in->len > 0) {
        if (*in->data != (uint8_t) "\r\n"[a->tail]) {
            return IC_EPROTO;
        }
        in->data++;
        in->len--;
        if (++a->tail == 2) {
            a->tail = 0;
            a->state = IN_LINE;
            return IC_RESP_ANSWER_END;
        }
    }
    return IC_RESP_ANSWER_MORE;
}

int ic_resp_answer_next(struct ic_resp_answer *a, struct ic_slice *in, struct ic_slice *piece)
{
    switch (a->state) {
    case IN_BODY:
        return take_body(a, in, piece);
    case IN_TAIL:
        return take_tail(a, in);
    default:
        return take_line(a, in);
    }
}
