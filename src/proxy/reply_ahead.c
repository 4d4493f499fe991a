/*
 * reply_ahead.c - objects of few bytes that are fetched before their turn: their bytes wait as
 * copies, which the client is charged with, until what is before them has gone out.
 */
#include "base/alloc.h"
#include "proxy/get.h"
#include "proxy/proxy.h"
#include "proxy/reply_internal.h"
#include "proxy/sessions.h"
#include "proxy/store.h"
#include "proxy/window.h"

enum {
    AHEAD_PARTS = 32,            /* of a reply behind the first: their objects are */
    AHEAD_OBJECT_MAX = 16 << 10, /* fetched as well if they are no larger, */
    AHEAD_ALWAYS = 32,           /* so many for all clients together, */
    AHEAD_ALL_MAX = 4096,        /* or so many if there is plenty of memory */
    AHEAD_MEMORY = 1024,         /* what a read takes, about, beside its bytes */
};

static size_t ahead_memory(const struct ic_reply_part *p)
{
    return sizeof(*p->ahead) + AHEAD_MEMORY + (size_t)p->length;
}

void ic_reply_ahead_free(struct ic_reply *r, struct ic_reply_part *p)
{
    struct ic_reply_ahead *a = p->ahead;
    if (a == NULL) {
        return;
    }
    ic_reply_count_memory(r, -(int64_t)ahead_memory(p));
    r->ahead--;
    r->proxy->sessions->ahead -= a->get != NULL;
    ic_get_free(a->get);
    ic_buf_deinit(&a->bytes);
    ic_free(a);
    p->ahead = NULL;
}

static void on_ahead_data(void *ctx, struct ic_slice bytes, struct ic_buf *owner)
{
    struct ic_reply_ahead *a = ctx;
    (void)owner;
    if (ic_buf_append_slice(&a->bytes, bytes) < 0) {
        a->result = IC_ENOMEM;
    }
}

static void on_ahead_end(void *ctx, int result)
{
    struct ic_reply_ahead *a = ctx;
    struct ic_reply *r = a->reply;
    if (a->part->bill != NULL) {
        a->part->bill->dollars += ic_get_dollars(a->get);
    }
    a->result = result < 0 ? result : a->result;
    ic_get_free(a->get);
    a->get = NULL;
    r->proxy->sessions->ahead--;
    a->part->sending = false; /* its bytes are here */
    ic_store_sent(r->proxy->store, a->part->object);
    if (a->part == ic_reply_first(r)) {
        ic_reply_pump(r);
        r->changed(r->ctx);
    }
}

static const struct ic_get_handler ahead_handler = {.data = on_ahead_data, .end = on_ahead_end};

/* Some go on whatever others do; more is a help only, and takes nothing that others could need. */
static bool there_is_plenty(const struct ic_proxy *p)
{
    struct ic_window_stats window = ic_window_stats(p->window);
    size_t limit = ic_client_memory_limit(p->config);
    return p->sessions->ahead < AHEAD_ALWAYS ||
           (p->sessions->ahead < AHEAD_ALL_MAX && window.used < window.limit / 2 &&
            p->sessions->memory.total < limit - limit / 8);
}

/* There is room for all of it at once. */
static bool may_go_ahead(const struct ic_reply *r, const struct ic_reply_part *p)
{
    return p->bytes == NULL && p->ahead == NULL && !p->object->evicted && p->length > 0 &&
           p->object->size <= AHEAD_OBJECT_MAX && there_is_plenty(r->proxy) &&
           ic_reply_memory(r) + AHEAD_OBJECT_MAX <= r->limit / 4 &&
           ic_get_at_once(r->proxy, p->object, p->offset, p->length) == p->length;
}

/* Out of memory: its turn will come. */
static void go_ahead(struct ic_reply *r, struct ic_reply_part *p)
{
    struct ic_reply_ahead *a = ic_calloc(1, sizeof(*a));
    if (a == NULL) {
        return;
    }
    *a = (struct ic_reply_ahead){.reply = r, .part = p};
    ic_buf_init(&a->bytes);
    if (ic_buf_reserve(&a->bytes, (size_t)p->length) == 0) {
        a->get = ic_get_new(r->proxy, p->object, p->offset, p->length, &ahead_handler, a);
    }
    if (a->get == NULL) {
        ic_buf_deinit(&a->bytes);
        ic_free(a);
        return;
    }
    ic_reply_take_turn(r, p);
    p->ahead = a;
    r->ahead++;
    r->proxy->sessions->ahead++;
    ic_reply_count_memory(r, (int64_t)ahead_memory(p));
}

/* When half of what was asked for has been sent. */
void ic_reply_look_ahead(struct ic_reply *r)
{
    struct ic_turns *turns = &r->proxy->sessions->turns;
    struct ic_list *node = r->parts.next->next;
    if (r->ahead > AHEAD_PARTS / 2) {
        return;
    }
    for (int i = 0; i < AHEAD_PARTS && node != &r->parts && ic_turns_may_work(turns, r->worker);
         i++, node = node->next) {
        struct ic_reply_part *p = IC_CONTAINER(node, struct ic_reply_part, node);
        if (may_go_ahead(r, p)) {
            ic_turns_worked(turns, r->worker, 1);
            go_ahead(r, p);
        }
    }
}
