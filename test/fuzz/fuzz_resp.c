/*
 * fuzz_resp.c - arbitrary bytes as a client's requests. The first byte chooses how the
 * input is cut and what the owner does with bulks; the codec must never accept more
 * than was announced, and the same bytes fed one by one must end the same way.
 */
#include "proto/resp.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { MAX_BULK = 1 << 20 };

struct outcome {
    unsigned commands;
    uint64_t arguments, bytes;
    bool failed;
};

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* What the owner does with an announced bulk depends on its length alone, so that two runs agree.
 */
static void decide(struct ic_resp *r, unsigned mode)
{
    check(r->argc < r->total && r->bulk_length <= MAX_BULK);
    if (mode % 3 == 1 && r->bulk_length % 2 == 1) {
        ic_resp_stream(r);
    } else if (mode % 3 == 2 && r->bulk_length % 3 == 0) {
        ic_resp_skip(r);
    }
}

static void take_command(struct ic_resp *r, struct outcome *o)
{
    check(r->argc > 0 && r->argc == r->total);
    o->commands++;
    for (uint32_t i = 0; i < r->argc; i++) {
        struct ic_slice arg = ic_resp_arg(r, i);
        o->arguments++;
        o->bytes += arg.len;
        for (size_t j = 0; arg.data != NULL && j < arg.len; j++) {
            o->bytes += arg.data[j]; /* the sanitizer sees a bad span */
        }
        int64_t number;
        o->bytes += arg.data != NULL && ic_resp_integer(arg, &number) == 0;
    }
    ic_resp_reset(r);
}

static void take_body(struct ic_resp *r, struct ic_slice *in, unsigned mode)
{
    size_t left = (size_t)ic_resp_body_left(r);
    check(left > 0);
    if (mode & 8 && left == r->bulk_length / 2 + 1) {
        ic_resp_skip_rest(r);
        return;
    }
    ic_resp_body_taken(r, 1);
    *in = ic_slice(in->data + 1, in->len - 1);
}

static struct outcome run(const uint8_t *data, size_t size, size_t step, unsigned mode)
{
    struct outcome o = {0};
    struct ic_resp r;
    ic_resp_init(&r, MAX_BULK);
    r.unauthenticated = (mode & 4) != 0;
    for (size_t at = 0; at < size && !o.failed; at += step) {
        struct ic_slice in = ic_slice(data + at, size - at < step ? size - at : step);
        enum ic_resp_event event;
        while (!o.failed && (event = ic_resp_feed(&r, &in)) != IC_RESP_MORE) {
            switch (event) {
            case IC_RESP_BULK:
                decide(&r, mode);
                break;
            case IC_RESP_BODY:
                take_body(&r, &in, mode);
                break;
            case IC_RESP_COMMAND:
                take_command(&r, &o);
                break;
            default:
                check(r.error != NULL && strlen(r.error) < 100);
                check(ic_resp_feed(&r, &in) == IC_RESP_ERROR || in.len == 0);
                o.failed = true;
            }
        }
        check(ic_resp_memory(&r) <= 20 * size + 4096); /* "a a a": 2 bytes, a span of 16, doubled */
    }
    ic_resp_deinit(&r);
    return o;
}

/* Every reply writer with the input as text, in both protocols. */
static void write_replies(const uint8_t *data, size_t size, unsigned mode)
{
    char text[512] = {0};
    double number = 0;
    memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
    memcpy(&number, data, size < sizeof(number) ? size : sizeof(number));
    struct ic_buf buf;
    ic_buf_init(&buf);
    struct ic_resp_writer w = {
        .buf = &buf, .max = mode & 16 ? 4096 : 64, .version = mode & 32 ? 3 : 2};
    ic_resp_double(&w, number);
    ic_resp_bool(&w, mode & 1);
    ic_resp_error(&w, text);
    ic_resp_errorf(&w, "%s", text);
    ic_resp_status(&w, "OK");
    ic_resp_int(&w, (int64_t)size);
    ic_resp_bulkf(&w, "%s", text);
    ic_resp_null(&w);
    ic_resp_null_array(&w);
    ic_resp_array(&w, size);
    ic_resp_map(&w, size);
    ic_resp_set(&w, size);
    ic_resp_push(&w, size);
    ic_resp_verbatim(&w, "txt", ic_slice_str(text));
    ic_resp_raw(&w, ic_slice(data, size));
    check(buf.len <= w.max);
    ic_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    unsigned mode = data[0];
    struct outcome whole = run(data + 1, size - 1, size, mode);
    struct outcome bytes = run(data + 1, size - 1, 1, mode);
    check(whole.commands == bytes.commands && whole.arguments == bytes.arguments);
    check(whole.bytes == bytes.bytes && whole.failed == bytes.failed);
    if (mode & 64) { /* the codec without memory fails, and leaks nothing */
        ic_alloc_fail_at(1 + mode / 128 + data[1] % 4);
        run(data + 1, size - 1, size, mode);
        ic_alloc_fail_at(0);
        check(ic_alloc_live() == 0);
    }
    write_replies(data + 1, size - 1, mode);
    return 0;
}
