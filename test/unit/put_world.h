/*
 * put_world.h - a client that PUTs a value to the pool of fake_pool.h: it sends what there is room
 * for, and what was stored is compared with it. Include it in one .c.
 */
#ifndef IC_TEST_PUT_WORLD_H
#define IC_TEST_PUT_WORLD_H

#include "proxy/put.h"

#include "fake_pool.h"
#include "reference_code.h"

struct client { /* what a session does with a put */
    struct ic_put *put;
    struct ic_object *object;
    uint64_t size, sent;
    uint32_t resumed, ready;
    int result;
    bool take; /* takes the object at once */
};

static void on_resume(void *ctx)
{
    ((struct client *)ctx)->resumed++;
}

static void on_ready(void *ctx, int result)
{
    struct client *c = ctx;
    c->ready++;
    c->result = result;
    if (c->take && result == 0) {
        c->object = ic_put_take(c->put);
        ic_put_free(c->put);
        c->put = NULL;
    }
}

static const struct ic_put_handler handler = {.resume = on_resume, .ready = on_ready};

static int begin_put(struct client *c, uint64_t size)
{
    int error = 0;
    *c = (struct client){.size = size, .take = true, .result = 1};
    c->put = ic_put_new(&fake.proxy, ic_slice_str("key"), size, &handler, c, &error);
    return error;
}

static bool ask_for_room(struct client *c)
{
    return ic_put_room(c->put, &(struct iovec){0}, 1) > 0;
}

/* Sends as much as there is room for, at most MOST bytes, in pieces of at most PIECE. */
static uint64_t feed(struct client *c, uint64_t most, size_t piece)
{
    struct iovec iov;
    uint64_t fed = 0;
    while (fed < most && c->put != NULL && ic_put_room(c->put, &iov, 1) > 0) {
        uint8_t *to = iov.iov_base;
        size_t len = iov.iov_len < piece ? iov.iov_len : piece;
        len = len < most - fed ? len : (size_t)(most - fed);
        for (size_t i = 0; i < len; i++) {
            to[i] = fake_byte(1, c->sent + i);
        }
        ic_put_received(c->put, len);
        c->sent += len;
        fed += len;
    }
    return fed;
}

/* Every chunk in STATE HELD is on its node as the layout, the code and the CRCs say. */
static void check_chunks(const struct ic_object *o)
{
    struct ic_layout l;
    ic_layout_init(&l, o->size, o->data, o->parity, o->unit);
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        if (o->place[i].state != IC_CHUNK_HELD) {
            continue;
        }
        const struct fake_chunk *c = *fake_find(o->place[i].function, o->id, i);
        assert_non_null(c);
        assert_true(c->sealed && c->written == l.chunk_length);
        for (uint64_t s = 0; s < l.stripes; s++) {
            uint32_t unit = ic_layout_unit(&l, s);
            const uint8_t *bytes = c->bytes + ic_layout_chunk_offset(&l, s);
            assert_int_equal(c->crcs[s], ic_unit_crc(o->id, i, (uint32_t)s, bytes, unit));
            for (uint32_t at = 0; at < unit; at += i < o->data ? 1 : 61) {
                uint8_t data[32];
                uint8_t *column[32];
                for (uint16_t j = 0; j < o->data; j++) {
                    uint64_t byte = ic_layout_stripe_offset(&l, s) + (uint64_t)j * unit + at;
                    data[j] = byte < o->size ? fake_byte(1, byte) : 0;
                    column[j] = &data[j];
                }
                uint8_t right = i < o->data ? data[i] : ref_parity_byte(o->data, i, column, 0);
                assert_int_equal(bytes[at], right);
            }
        }
    }
}

/* What C has stored is there no more. */
static void give_back(struct client *c)
{
    if (c->object != NULL) {
        fake.drafts--;
        fake_free_object(c->object);
    }
    ic_put_free(c->put);
}

static void finish(struct client *c)
{
    give_back(c);
    fake_run();
    assert_int_equal(fake.drafts, 0);
    assert_int_equal(fake_chunks(), 0);
    fake_end();
}

#endif
