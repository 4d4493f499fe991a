#include "net/virtual_time.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HEAP_MIN = 256,
    BEGIN_S = 1000, /* a machine that simulates has been up for a while: 0 is no time */
};

void ic_virtual_time_init(struct ic_virtual_time *t, uint64_t seed)
{
    *t = (struct ic_virtual_time){.now_us = BEGIN_S * UINT64_C(1000000)};
    ic_rng_init(&t->rng, seed);
}

void ic_virtual_time_deinit(struct ic_virtual_time *t)
{
    free(t->heap);
    *t = (struct ic_virtual_time){0};
}

void ic_event_init(struct ic_event *e, void (*fire)(void *ctx), void *ctx)
{
    *e = (struct ic_event){.fire = fire, .ctx = ctx};
}

static bool before(const struct ic_event *a, const struct ic_event *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->tie < b->tie;
}

static void put(struct ic_virtual_time *t, size_t place, struct ic_event *e)
{
    t->heap[place] = e;
    e->place = place;
}

static void sift_up(struct ic_virtual_time *t, struct ic_event *e)
{
    size_t at = e->place;
    while (at > 1 && before(e, t->heap[at / 2])) {
        put(t, at, t->heap[at / 2]);
        at /= 2;
    }
    put(t, at, e);
}

static void sift_down(struct ic_virtual_time *t, struct ic_event *e)
{
    size_t at = e->place;
    while (2 * at <= t->count) {
        size_t child = 2 * at;
        child += child < t->count && before(t->heap[child + 1], t->heap[child]);
        if (!before(t->heap[child], e)) {
            break;
        }
        put(t, at, t->heap[child]);
        at = child;
    }
    put(t, at, e);
}

/* Not the project's allocator: the world has memory when a process in it has none. */
static void grow(struct ic_virtual_time *t)
{
    t->capacity = t->capacity == 0 ? HEAP_MIN : 2 * t->capacity;
    t->heap = realloc(t->heap, (t->capacity + 1) * sizeof *t->heap);
    if (t->heap == NULL) {
        fputs("simulation: out of memory\n", stderr);
        abort();
    }
}

void ic_event_start(struct ic_virtual_time *t, struct ic_event *e, uint64_t delay_us)
{
    ic_event_stop(t, e);
    if (t->count == t->capacity) {
        grow(t);
    }
    e->due_us = t->now_us + delay_us;
    e->tie = ic_rng_next(&t->rng);
    put(t, ++t->count, e);
    sift_up(t, e);
}

void ic_event_stop(struct ic_virtual_time *t, struct ic_event *e)
{
    if (e->place == 0) {
        return;
    }
    struct ic_event *last = t->heap[t->count--];
    if (last != e) {
        put(t, e->place, last);
        sift_up(t, last);
        sift_down(t, last);
    }
    e->place = 0;
}

bool ic_virtual_time_step(struct ic_virtual_time *t)
{
    if (t->count == 0) {
        return false;
    }
    struct ic_event *e = t->heap[1];
    ic_event_stop(t, e);
    assert(e->due_us >= t->now_us);
    t->now_us = e->due_us;
    t->fired++;
    e->fire(e->ctx);
    return true;
}
