/*
 * function_dying.c - an instance in the platform's shutdown phase: for half a second it offers what
 * it holds and answers READs, on the link of its serving invocation or, if it has none, on one it
 * dials for that. It is not an invocation: no lease, no state of the function.
 *
 *   HELLO(dying) -----> visit (a link of its own) --.
 *   HELLO(dying) ----->                              >--OFFER--> offered --release--> BYE_OK, gone
 *     of the active one: its link, dialled again ---'                '--link broken, or late-->
 * gone OFFER on a serving link -----------------------'
 */
#include "base/alloc.h"
#include "base/config.h"
#include "base/log.h"
#include "proxy/books.h"
#include "proxy/function_internal.h"

#include <string.h>

enum {
    /* From HELLO or OFFER to the end: platforms kill 500 ms after SIGTERM. */
    TIME_MS = 600,
    /* Dying at once; what more a platform takes back at once is left to repair. Each may have an
     * OFFER of 512 KiB in memory while it is received: 32 MiB. */
    DYING_MAX = 64,
};

struct ic_dying {
    struct ic_list node;    /* of struct ic_functions */
    struct ic_function *fn; /* the own one or the peer */
    uint32_t serial;
    struct ic_link *link; /* its own; NULL: the function's */
    struct ic_timer timer;
    struct ic_reap reap;
    bool offered;
    bool released; /* its end waits for answers that are under way */
};

struct ic_dying *ic_function_find_dying(const struct ic_function *fn, uint32_t serial)
{
    IC_LIST_EACH (node, &fn->all->dying) {
        struct ic_dying *d = IC_CONTAINER(node, struct ic_dying, node);
        if (d->fn->index == fn->index && d->serial == serial) {
            return d;
        }
    }
    return NULL;
}

/* ---- the end ------------------------------------------------------------------ */

static void reap_dying(void *ctx)
{
    struct ic_dying *d = ctx;
    ic_link_free(d->link);
    ic_free(d);
}

/* Nothing is asked of it any more; what was is refused. */
static void end(struct ic_dying *d)
{
    struct ic_functions *f = d->fn->all;
    ic_list_remove(&d->node);
    f->dying_count--;
    ic_timer_stop(&d->timer);
    if (d->link != NULL) {
        uint64_t sent = 0, received = 0;
        if (ic_link_attached(d->link) && ic_link_idle(d->link)) {
            ic_link_goodbye(d->link);
        }
        ic_link_detach(d->link);
        ic_link_fail(d->link, IC_ESTALE, true);
        ic_link_take_traffic(d->link, &sent, &received);
        if (sent + received > 0) {
            ic_books_transfer(f->books, sent, received);
        }
    }
    ic_loop_reap(f->loop, &d->reap, reap_dying, d);
}

/* The instance's memory counts as gone: ic_function_dying_gone follows. */
static void is_gone(struct ic_dying *d)
{
    ic_pool_gone(d->fn->all->pool, d->fn->index, d->serial);
}

void ic_function_dying_gone(struct ic_function *fn, uint32_t serial)
{
    struct ic_dying *d = ic_function_find_dying(fn, serial);
    if (d != NULL) {
        end(d);
    }
}

static void on_late(void *ctx)
{
    struct ic_dying *d = ctx;
    if (d->link == NULL && ic_link_attached(d->fn->link) &&
        ic_link_serial(d->fn->link) == d->serial) {
        ic_link_detach(d->fn->link);
        ic_function_link_lost(d->fn);
    }
    is_gone(d);
}

void ic_function_release(struct ic_function *fn, uint32_t serial)
{
    struct ic_dying *d = ic_function_find_dying(fn, serial);
    if (d == NULL) {
        return;
    }
    d->released = true;
    if (d->link == NULL) {
        bool served = ic_link_serial(d->fn->link) == serial;
        if (!served || ic_function_dismiss(d->fn)) {
            is_gone(d);
        }
    } else if (ic_link_idle(d->link)) {
        is_gone(d);
    } else {
        ic_link_drain(d->link);
    }
}

void ic_functions_end_dying(struct ic_functions *f)
{
    while (!ic_list_empty(&f->dying)) {
        end(IC_CONTAINER(f->dying.next, struct ic_dying, node));
    }
}

/* ---- its words ------------------------------------------------------------------ */

static void take_offer(struct ic_dying *d, struct ic_slice items, uint64_t left_ms)
{
    struct ic_functions *f = d->fn->all;
    if (d->offered) {
        return;
    }
    d->offered = true;
    ic_log(IC_LOG_DEBUG, "node-offer", "function=%s serial=%u bytes=%zu left_ms=%llu", d->fn->name,
           d->serial, items.len, (unsigned long long)left_ms);
    f->handler->offered(f->ctx, d->fn->index, d->serial, items);
}

/* A new one, in its list; NULL: out of memory, or too many. */
static struct ic_dying *begin(struct ic_function *fn, uint32_t serial)
{
    struct ic_functions *f = fn->all;
    struct ic_pool_instance *instance = ic_pool_find(f->pool, fn->index, serial);
    struct ic_dying *d = f->dying_count < DYING_MAX ? ic_calloc(1, sizeof *d) : NULL;
    if (instance == NULL || d == NULL) {
        ic_free(d);
        return NULL;
    }
    d->fn = fn;
    d->serial = serial;
    instance->dying = true;
    ic_timer_init(&d->timer, f->loop, on_late, d);
    ic_timer_start(&d->timer, TIME_MS);
    ic_list_push_back(&f->dying, &d->node);
    f->dying_count++;
    return d;
}

void ic_function_offered(struct ic_function *fn, struct ic_slice items, uint64_t left_ms)
{
    struct ic_dying *d = ic_function_find_dying(fn, ic_link_serial(fn->link));
    if (d == NULL) {
        d = begin(fn, ic_link_serial(fn->link));
    }
    if (d != NULL) { /* else what was asked is served until it ends */
        ic_link_read_only(fn->link);
        take_offer(d, items, left_ms);
    }
}

/* ---- a link of its own ----------------------------------------------------------- */

static void on_answered(void *ctx, struct ic_node_request *r, int result)
{
    (void)ctx;
    r->done(r, result);
}

static void on_refused(void *ctx, struct ic_node_request *r, int result)
{
    struct ic_dying *d = ctx;
    ic_function_refuse(d->fn, r, result == 0 ? IC_ESTALE : result);
}

static uint32_t on_bind(void *ctx, const struct ic_node_request *r, uint32_t serial)
{
    (void)ctx; /* it is only asked for chunks of its own, by its serial */
    (void)serial;
    return r->instance;
}

static bool next_delete(void *ctx, struct ic_condemned *out)
{
    (void)ctx;
    (void)out;
    return false;
}

static void on_deleted(void *ctx, uint32_t serial, const struct ic_condemned *condemned)
{
    (void)ctx; /* nothing is deleted */
    (void)serial;
    (void)condemned;
}

static bool on_items(void *ctx, struct ic_slice *items)
{
    (void)ctx; /* nothing is listed */
    (void)items;
    return true;
}

static void on_listed(void *ctx, uint64_t mark)
{
    (void)ctx;
    (void)mark;
}

static void on_bye(void *ctx, bool deadline_near, uint64_t left_ms)
{
    (void)deadline_near;
    (void)left_ms;
    is_gone(ctx);
}

static void on_offered(void *ctx, struct ic_slice items, uint64_t left_ms)
{
    take_offer(ctx, items, left_ms);
}

static void on_idle(void *ctx)
{
    is_gone(ctx);
}

static void on_broken(void *ctx, int error)
{
    struct ic_dying *d = ctx;
    ic_log(IC_LOG_DEBUG, "dying-link-broken", "function=%s error=\"%s\"", d->fn->name,
           ic_error_text(error));
    is_gone(d);
}

static const struct ic_link_handler dying_handler = {
    .answered = on_answered,
    .bind = on_bind,
    .refused = on_refused,
    .next_delete = next_delete,
    .deleted = on_deleted,
    .not_deleted = on_deleted,
    .items = on_items,
    .listed = on_listed,
    .bye = on_bye,
    .offered = on_offered,
    .idle = on_idle,
    .broken = on_broken,
};

static bool is_active_one(const struct ic_function *fn, const struct ic_hello *hello)
{
    return ic_function_state(fn)->state == IC_FUNCTION_ACTIVE && fn->greeted &&
           memcmp(fn->instance, hello->instance, sizeof fn->instance) == 0;
}

enum ic_door_verdict ic_function_judge_dying(const struct ic_function *fn,
                                             const struct ic_hello *hello)
{
    const struct ic_functions *f = fn->all;
    const struct ic_pool_instance *i = ic_pool_find_id(f->pool, fn->index, hello->instance);
    if (ic_function_epoch_of(hello->invocation) != f->epoch) {
        return IC_DOOR_REFUSE; /* of another life, or of none */
    }
    bool greeted = fn->greeted &&
                   memcmp(fn->invocation, hello->invocation, sizeof fn->invocation) == 0 &&
                   memcmp(fn->instance, hello->instance, sizeof fn->instance) == 0;
    if (greeted && hello->dial <= fn->dial) {
        return IC_DOOR_REFUSE; /* a replay */
    }
    /* Nothing of it is known, or it is known to be gone: a replay of its last word ends here, too.
     */
    bool unknown = i == NULL || ic_function_find_dying(fn, i->serial) != NULL;
    return unknown || f->stopping || f->dying_count == DYING_MAX ? IC_DOOR_DISMISS : IC_DOOR_ENTER;
}

/* It dials again because its link broke: that one's requests go on, READs alone. */
static void attach_again(struct ic_function *fn, struct ic_link_attach *a)
{
    ic_function_save_numbers(fn);
    ic_function_forget_link_loss(fn);
    fn->figures.redials++;
    a->lease_ms = fn->lease_ms;
    ic_link_attach(fn->link, a);
    ic_function_schedule(fn);
}

void ic_function_enter_dying(struct ic_function *fn, const struct ic_hello *hello,
                             struct ic_stream *stream)
{
    struct ic_functions *f = fn->all;
    struct ic_pool_instance *i = ic_pool_find_id(f->pool, fn->index, hello->instance);
    bool again = is_active_one(fn, hello);
    struct ic_dying *d = begin(fn, i->serial);
    if (d != NULL && !again) {
        d->link = ic_link_new(f->loop, f->scratch, &dying_handler, d);
    }
    struct ic_link_attach a = {
        .stream = stream, .serial = i->serial, .position = hello->position, .read_only = true};
    memcpy(a.id, hello->instance, sizeof a.id);
    if (again && d != NULL) {
        fn->dial = hello->dial;
        attach_again(fn, &a);
    } else if (d != NULL && d->link != NULL) {
        ic_link_attach(d->link, &a);
    } else {
        ic_stream_free(stream); /* out of memory: it ends by itself */
        if (d != NULL) {
            is_gone(d);
        }
    }
}

/* ---- requests --------------------------------------------------------------------- */

static struct ic_link *link_of(const struct ic_function *fn, uint32_t serial)
{
    const struct ic_dying *d = ic_function_find_dying(fn, serial);
    return d == NULL || d->released ? NULL : d->link;
}

bool ic_function_visits(const struct ic_function *fn, uint32_t serial)
{
    return link_of(fn, serial) != NULL;
}

struct ic_link *ic_function_dying_link(const struct ic_function *fn,
                                       const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ ? link_of(fn, r->instance) : NULL;
}
