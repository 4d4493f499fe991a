/*
 * get_world.h - a client that GETs from the pool of fake_pool.h: it compares what comes, holds it,
 * pauses and leaves as the test says. Include it in one .c.
 */
#ifndef IC_TEST_GET_WORLD_H
#define IC_TEST_GET_WORLD_H

#include "proxy/get.h"

#include "fake_pool.h"

enum { KEPT_MAX = 4096 };

struct client { /* what a session does with a get: takes bytes, holds their buffers for a while */
    struct ic_get *get;
    uint64_t seed, at, end;
    uint64_t pause_every; /* bytes; 0: never pauses by itself */
    uint64_t paused_at;
    uint32_t ended;
    int result;
    bool leaves; /* frees itself at the first data */
    struct ic_buf *kept[KEPT_MAX];
    size_t kept_count;
};

static struct {
    uint64_t turn, bytes, most;         /* given to all clients in one turn */
    uint64_t end_turn, ends, most_ends; /* reads that ended in one turn */
} given;

static inline void release_kept(struct client *c)
{
    while (c->kept_count > 0) {
        ic_buf_unref(c->kept[--c->kept_count]);
    }
}

static inline void on_data(void *ctx, struct ic_slice bytes, struct ic_buf *owner)
{
    struct client *c = ctx;
    assert_int_equal(c->ended, 0);
    assert_true(bytes.len > 0 && bytes.len <= c->end - c->at);
    assert_true(bytes.data >= owner->data && bytes.data + bytes.len <= owner->data + owner->cap);
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != fake_byte(c->seed, c->at + i)) {
            fail_msg("wrong byte at %llu", (unsigned long long)(c->at + i));
        }
    }
    c->at += bytes.len;
    given.bytes = given.turn == fake.turn ? given.bytes + bytes.len : bytes.len;
    given.turn = fake.turn;
    given.most = given.bytes > given.most ? given.bytes : given.most;
    if (c->leaves) {
        ic_get_free(c->get);
        c->get = NULL;
        return;
    }
    if (c->pause_every > 0) {
        assert_true(c->kept_count < KEPT_MAX);
        c->kept[c->kept_count++] = ic_buf_ref(owner);
        if (c->at - c->paused_at >= c->pause_every) {
            c->paused_at = c->at;
            ic_get_pause(c->get);
        }
    }
}

static inline void on_end(void *ctx, int result)
{
    struct client *c = ctx;
    c->ended++;
    c->result = result;
    given.ends = given.end_turn == fake.turn ? given.ends + 1 : 1;
    given.end_turn = fake.turn;
    given.most_ends = given.ends > given.most_ends ? given.ends : given.most_ends;
    assert_true(result < 0 || c->at == c->end);
}

static const struct ic_get_handler handler = {.data = on_data, .end = on_end};

static inline void start(struct client *c, struct ic_object *o, uint64_t seed, uint64_t offset,
                         uint64_t len)
{
    memset(c, 0, sizeof *c);
    c->seed = seed;
    c->at = c->paused_at = offset;
    c->end = offset + len;
    c->result = 1;
    c->get = ic_get_new(&fake.proxy, o, offset, len, &handler, c);
}

static inline void stop(struct client *c)
{
    ic_get_free(c->get);
    release_kept(c);
    fake_run();
}

/* One that pauses goes on until its end. */
static inline void take_the_rest(struct client *c)
{
    for (int i = 0; i < 100000 && c->ended == 0; i++) {
        release_kept(c);
        ic_get_resume(c->get);
        fake_run();
    }
    assert_int_equal(c->result, 0);
}

static inline void check_read(struct ic_object *o, uint64_t offset, uint64_t len)
{
    static struct client c;
    start(&c, o, 1, offset, len);
    assert_non_null(c.get);
    fake_run();
    assert_int_equal(c.ended, 1);
    assert_int_equal(c.result, 0);
    stop(&c);
}

/* Begins with one object of SIZE bytes of seed 1. */
static inline struct ic_object *begin(uint16_t data, uint16_t parity, uint32_t unit, uint64_t size)
{
    fake_begin(data, parity, unit, 8 << 20);
    return fake_stored(1, size);
}

static inline void end(struct ic_object *o)
{
    fake_run();
    fake_free_object(o);
    fake_end();
}

#endif
