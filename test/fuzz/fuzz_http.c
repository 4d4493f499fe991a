/*
 * fuzz_http.c - arbitrary bytes as the Runtime API's responses, in one piece and cut in small ones:
 * both must give the same events and the same body, within the bounds.
 */
#include "base/alloc.h"
#include "base/crc32c.h"
#include "proto/http.h"

#include <stdlib.h>

struct outcome {
    int last;
    int closed;
    unsigned heads, ends;
    uint64_t body_len;
    uint32_t sums; /* of statuses, fields and bodies */
};

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void add(struct outcome *o, struct ic_slice bytes)
{
    o->sums = ic_crc32c(o->sums, bytes.data, bytes.len);
}

static void take_head(const struct ic_http *h, struct outcome *o)
{
    static const char *const names[] = {"content-type", "lambda-runtime-aws-request-id", "x"};
    check(h->status >= 200 && h->status <= 999 && h->head.len <= IC_HTTP_HEAD_MAX);
    o->heads++;
    add(o, ic_slice(&h->status, sizeof(h->status)));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct ic_slice value;
        if (ic_http_field(h, names[i], &value)) {
            check(value.data >= h->head.data &&
                  value.data + value.len <= h->head.data + h->head.len);
            add(o, value);
        }
    }
}

static struct outcome run(const uint8_t *data, size_t size, size_t piece)
{
    struct ic_http h;
    struct outcome o = {0};
    ic_http_init(&h);
    for (size_t at = 0; at < size && o.last >= 0;) {
        size_t len = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(len); /* its own block: reading beyond it shows */
        memcpy(copy, data + at, len);
        struct ic_slice in = ic_slice(copy, len), body;
        do {
            o.last = ic_http_next(&h, &in, &body);
            if (o.last == IC_HTTP_HEAD) {
                take_head(&h, &o);
            } else if (o.last == IC_HTTP_BODY) {
                check(body.len > 0);
                o.body_len += body.len;
                add(&o, body);
            } else if (o.last == IC_HTTP_END) {
                o.ends++;
            }
        } while (o.last > 0);
        check(o.last < 0 || in.len == 0);
        free(copy);
        at += len;
    }
    check(h.head.cap <= 2 * IC_HTTP_HEAD_MAX);
    check(o.ends <= o.heads && o.heads <= o.ends + 1);
    o.closed = ic_http_close(&h);
    ic_http_deinit(&h);
    return o;
}

/* Every allocation fails once: the buffer stays as it was. */
static void make_requests(void)
{
    struct ic_buf out;
    ic_buf_init(&out);
    int result;
    uint64_t n = 1;
    do {
        ic_alloc_fail_at(n++);
        result = ic_http_request(&out, "POST", "h", "/p", "a/b", ic_slice_str("body"));
        check(result == 0 || (result == IC_ENOMEM && out.len == 0));
    } while (result != 0);
    ic_buf_deinit(&out);
    struct ic_http h;
    struct ic_slice in = ic_slice_str("HTTP/1.1 204 None\r\n\r\n"), body;
    ic_http_init(&h);
    ic_alloc_fail_at(1);
    check(ic_http_next(&h, &in, &body) == IC_ENOMEM);
    check(ic_http_next(&h, &in, &body) == IC_HTTP_HEAD);
    ic_http_deinit(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        make_requests();
        return 0;
    }
    struct outcome whole = run(data + 1, size - 1, SIZE_MAX);
    struct outcome cut = run(data + 1, size - 1, 1 + data[0] % 40);
    check(whole.last == cut.last && whole.closed == cut.closed);
    check(whole.heads == cut.heads && whole.ends == cut.ends);
    check(whole.body_len == cut.body_len && whole.sums == cut.sums);
    return 0;
}
