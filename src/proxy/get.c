#include "proxy/get.h"

#include "base/alloc.h"
#include "core/catalog.h"
#include "proxy/proxy.h"
#include "proxy/reader.h"

#include <assert.h>

struct ic_get {
    struct ic_tap tap;
    const struct ic_get_handler *handler;
    void *ctx;
    struct ic_proxy *proxy;
    struct ic_timer at_once; /* ends a read of no bytes */
    struct ic_reap reap;
    bool freed;
};

static void on_data(struct ic_tap *tap, struct ic_slice bytes, struct ic_buf *owner)
{
    struct ic_get *g = IC_CONTAINER(tap, struct ic_get, tap);
    g->handler->data(g->ctx, bytes, owner);
}

static void on_finished(struct ic_tap *tap, int result)
{
    struct ic_get *g = IC_CONTAINER(tap, struct ic_get, tap);
    g->handler->end(g->ctx, result);
}

static void on_at_once(void *ctx)
{
    struct ic_get *g = ctx;
    g->handler->end(g->ctx, 0);
}

struct ic_get *ic_get_new(struct ic_proxy *p, struct ic_object *object, uint64_t offset,
                          uint64_t len, const struct ic_get_handler *h, void *ctx)
{
    assert(offset <= object->size && len <= object->size - offset);
    struct ic_get *g = ic_calloc(1, sizeof *g);
    if (g == NULL) {
        return NULL;
    }
    g->handler = h;
    g->ctx = ctx;
    g->proxy = p;
    g->tap = (struct ic_tap){
        .at = offset, .end = offset + len, .data = on_data, .finished = on_finished};
    ic_list_init(&g->tap.node);
    ic_timer_init(&g->at_once, p->loop, on_at_once, g);
    if (len == 0) {
        ic_timer_start(&g->at_once, 0);
    } else if (ic_reader_join(p, object, &g->tap) < 0) {
        ic_free(g);
        return NULL;
    }
    return g;
}

uint64_t ic_get_at_once(const struct ic_proxy *p, const struct ic_object *object, uint64_t offset,
                        uint64_t len)
{
    return len == 0 ? 0 : ic_reader_at_once(p, object, offset, len);
}

void ic_get_pause(struct ic_get *g)
{
    g->tap.paused = true;
}

void ic_get_resume(struct ic_get *g)
{
    if (g->tap.paused) {
        g->tap.paused = false;
        ic_reader_resume(&g->tap);
    }
}

double ic_get_dollars(const struct ic_get *g)
{
    return g->tap.dollars;
}

static void reap_get(void *ctx)
{
    ic_free(ctx);
}

void ic_get_free(struct ic_get *g)
{
    if (g == NULL || g->freed) {
        return;
    }
    g->freed = true;
    ic_timer_stop(&g->at_once);
    ic_reader_leave(&g->tap);
    ic_loop_reap(g->proxy->loop, &g->reap, reap_get, g);
}
