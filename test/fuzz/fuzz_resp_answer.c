/*
 * fuzz_resp_answer.c - replies fed whole and in two parts tell the same events; every piece of a
 * value lies inside the input, and their lengths add up.
 */
#include "proto/resp_answer.h"

#include <assert.h>

struct told {
    uint64_t lines, bulks, ends, bytes;
    uint32_t hash; /* of the pieces' bytes in order */
    bool wrong;
};

static void feed(struct ic_resp_answer *a, struct ic_slice in, struct told *t)
{
    struct ic_slice piece;
    int event;
    while (!t->wrong && (event = ic_resp_answer_next(a, &in, &piece)) != IC_RESP_ANSWER_MORE) {
        t->wrong = event < 0;
        t->lines += event == IC_RESP_ANSWER_LINE;
        t->bulks += event == IC_RESP_ANSWER_BULK;
        t->ends += event == IC_RESP_ANSWER_END;
        if (event == IC_RESP_ANSWER_BODY) {
            assert(piece.len > 0 && piece.data + piece.len <= in.data + in.len);
            t->bytes += piece.len;
            for (size_t i = 0; i < piece.len; i++) {
                t->hash = t->hash * 31 + piece.data[i];
            }
        }
    }
    assert(t->wrong || in.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t cut = size == 0 ? 0 : data[0] % size;
    struct ic_resp_answer whole = {.state = 0}, parts = {.state = 0};
    struct told a = {0}, b = {0};
    feed(&whole, ic_slice(data, size), &a);
    feed(&parts, ic_slice(data, cut), &b);
    feed(&parts, ic_slice(data + cut, size - cut), &b);
    assert(a.lines == b.lines && a.bulks == b.bulks && a.ends == b.ends && a.bytes == b.bytes &&
           a.hash == b.hash && a.wrong == b.wrong);
    return 0;
}
