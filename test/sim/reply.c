#define _GNU_SOURCE /* memmem */
#include "sim/reply.h"

#include <stdlib.h>

struct reader {
    struct ic_slice in;
    size_t at;
    struct sim_reply *out;
    uint32_t count;
};

/* 1: read; 0: not complete; -1: malformed. */
static int read_line(struct reader *r, struct ic_slice *line)
{
    const uint8_t *from = r->in.data + r->at;
    const uint8_t *end = memmem(from, r->in.len - r->at, "\r\n", 2);
    if (end == NULL) {
        return 0;
    }
    *line = ic_slice(from, (size_t)(end - from));
    r->at += line->len + 2;
    return line->len > 0 ? 1 : -1;
}

static int read_bulk(struct reader *r, struct sim_reply *reply, int64_t length)
{
    reply->null = length < 0;
    if (length < 0) {
        reply->text = ic_slice(NULL, 0);
        return 1;
    }
    if (r->in.len - r->at < (size_t)length + 2) {
        return 0;
    }
    reply->text = ic_slice(r->in.data + r->at, (size_t)length);
    r->at += (size_t)length + 2;
    return memcmp(r->in.data + r->at - 2, "\r\n", 2) == 0 ? 1 : -1;
}

static int read_one(struct reader *r)
{
    struct ic_slice line;
    int result = read_line(r, &line);
    if (result <= 0 || r->count == SIM_REPLY_NODES_MAX) {
        return result <= 0 ? result : -1;
    }
    struct sim_reply *reply = &r->out[r->count++];
    *reply = (struct sim_reply){.type = (char)line.data[0]};
    reply->text = ic_slice(line.data + 1, line.len - 1);
    if (reply->type == '+' || reply->type == '-') {
        return 1;
    }
    if (ic_slice_to_i64(reply->text, &reply->number) < 0) {
        return -1;
    }
    switch (reply->type) {
    case ':':
        return 1;
    case '$':
        return read_bulk(r, reply, reply->number);
    case '*':
        reply->null = reply->number < 0;
        reply->count = reply->null ? 0 : (uint32_t)reply->number;
        for (uint32_t i = 0; i < reply->count && result > 0; i++) {
            result = read_one(r);
        }
        return result;
    default:
        return -1;
    }
}

int64_t sim_reply_read(struct ic_slice bytes, struct sim_reply out[SIM_REPLY_NODES_MAX])
{
    struct reader r = {.in = bytes, .out = out};
    int result = read_one(&r);
    return result <= 0 ? result : (int64_t)r.at;
}
