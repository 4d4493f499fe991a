#include "proxy/handover.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "core/catalog.h"
#include "core/handover.h"
#include "proto/link_body.h"
#include "proxy/functions.h"
#include "proxy/handover_job.h"
#include "proxy/proxy.h"
#include "proxy/store.h"
#include "proxy/window.h"

#include <assert.h>

enum {
    READING_MAX = 32, /* chunks read from one instance at once: an RTT each, and a small one */
    JOBS_MAX = 512,   /* of all instances: about 600 bytes each beside the window */
    WINDOW_SHARE = 2, /* one in so many bytes of the window: requests go on meanwhile */
};

/* A dying instance. */
struct source {
    struct ic_list node;
    struct ic_handover *all;
    uint16_t function;
    uint32_t serial;
    uint32_t count, next; /* chosen; not begun yet */
    uint32_t reading;     /* jobs that still need it */
    struct ic_handover_chunk chunk[];
};

struct move { /* of one chunk */
    struct ic_list node;
    struct ic_handover *all;
    struct source *source; /* NULL: not needed any more */
    struct ic_handover_job *job;
    size_t size;
    uint64_t bytes;
};

struct ic_handover {
    struct ic_proxy *proxy;
    struct ic_list sources; /* who offered; the next to be served first */
    struct ic_list moves;
    uint32_t count;        /* of moves */
    size_t held;           /* bytes of the window that they take */
    struct ic_timer timer; /* begins moves, not on the stack of a word from below */
    bool stopped;
    struct ic_handover_stats stats;
};

/* ---- jobs --------------------------------------------------------------------- */

static void go_on(struct ic_handover *h)
{
    if (!h->stopped) {
        ic_timer_start(&h->timer, 0);
    }
}

static void on_read(void *ctx)
{
    struct move *m = ctx;
    if (m->source != NULL) {
        m->source->reading--;
        m->source = NULL;
    }
    go_on(m->all);
}

static void drop_move(struct move *m)
{
    ic_list_remove(&m->node);
    m->all->count--;
    m->all->held -= m->size;
    ic_free(m);
}

static void on_ended(void *ctx, struct ic_handover_job *job, int result)
{
    struct move *m = ctx;
    struct ic_handover *h = m->all;
    ic_handover_job_free(job);
    if (result == 0) {
        h->stats.chunks++;
        h->stats.bytes += m->bytes;
    } else {
        h->stats.left++;
        ic_log(IC_LOG_DEBUG, "handover-failed", "result=\"%s\"", ic_error_text(result));
    }
    drop_move(m);
    go_on(h);
}

static const struct ic_handover_job_handler job_handler = {.read = on_read, .ended = on_ended};

/* One more may begin that takes SIZE bytes of the window. */
static bool has_room(const struct ic_handover *h, size_t size)
{
    size_t most = ic_window_stats(h->proxy->window).limit / WINDOW_SHARE;
    return h->count < JOBS_MAX && size <= most && h->held <= most - size;
}

/* Begins the move of C, a chunk of O. */
static int begin_move(struct source *s, const struct ic_handover_chunk *c, struct ic_object *o)
{
    struct ic_handover *h = s->all;
    size_t size = ic_handover_job_size(o);
    if (!has_room(h, size)) {
        return h->count == 0 ? IC_ETOOBIG : IC_EBUSY; /* with nothing begun: never */
    }
    struct move *m = ic_calloc(1, sizeof *m);
    struct ic_handover_source from = {
        .function = s->function, .chunk = c->chunk, .serial = s->serial};
    int result =
        m == NULL ? IC_ENOMEM : ic_handover_job_new(h->proxy, o, &from, &job_handler, m, &m->job);
    if (result < 0) {
        ic_free(m);
        return result;
    }
    m->all = h;
    m->source = s;
    m->size = size;
    m->bytes = o->chunk_length;
    ic_list_push_back(&h->moves, &m->node);
    h->count++;
    h->held += size;
    s->reading++;
    return 0;
}

static void drop_source(struct source *s)
{
    ic_list_remove(&s->node);
    ic_free(s);
}

/* False: nothing more can be begun now. */
static bool begin_next(struct source *s)
{
    struct ic_handover *h = s->all;
    if (s->next == s->count || s->reading == READING_MAX) {
        return false;
    }
    const struct ic_handover_chunk *c = &s->chunk[s->next];
    struct ic_object *o = ic_store_object(h->proxy->store, c->object_id);
    int result = o == NULL ? IC_ENOENT : begin_move(s, c, o);
    if (result == IC_EBUSY) {
        return false;
    }
    h->stats.left += result < 0;
    s->next++;
    return true;
}

/* Each begins one at a time in turn; who has nothing more to be read is let go. */
static void on_timer(void *ctx)
{
    struct ic_handover *h = ctx;
    bool more = true;
    while (more) {
        more = false;
        IC_LIST_EACH (node, &h->sources) {
            more |= begin_next(IC_CONTAINER(node, struct source, node));
        }
    }
    IC_LIST_EACH (node, &h->sources) {
        struct source *s = IC_CONTAINER(node, struct source, node);
        if (s->next == s->count && s->reading == 0) {
            uint16_t function = s->function;
            uint32_t serial = s->serial;
            drop_source(s);
            ic_functions_release(h->proxy->functions, function, serial);
        }
    }
}

/* ---- offers --------------------------------------------------------------------- */

/* What of ITEMS has no other copy, in no order; a malformed one ends the list. */
static uint32_t candidates(const struct ic_handover *h, struct source *s, struct ic_slice items)
{
    uint32_t count = 0;
    struct ic_item item;
    while (ic_item_decode(&items, &item) > 0) {
        const struct ic_object *o =
            ic_store_last_copy(h->proxy->store, s->function, s->serial, &item);
        if (o != NULL) {
            s->chunk[count++] =
                (struct ic_handover_chunk){.object_id = o->id,
                                           .bytes = o->chunk_length,
                                           .spare = ic_store_spare(h->proxy->store, o),
                                           .chunk = item.chunk};
        }
    }
    return count;
}

void ic_handover_offered(struct ic_handover *h, uint16_t function, uint32_t serial,
                         struct ic_slice items)
{
    size_t most = items.len / IC_ITEM_FIXED_BYTES;
    struct source *s = NULL;
    if (!h->stopped) {
        s = ic_calloc(1, sizeof *s + most * sizeof s->chunk[0]);
    }
    if (s == NULL) {
        ic_functions_release(h->proxy->functions, function, serial);
        return;
    }
    uint32_t distinct;
    s->all = h;
    s->function = function;
    s->serial = serial;
    uint32_t count = candidates(h, s, items);
    s->count = ic_handover_choose(s->chunk, count, IC_HANDOVER_BYTES_MAX, &distinct);
    h->stats.offers++;
    h->stats.left += distinct - s->count;
    ic_log(IC_LOG_INFO, "handover", "function=%s serial=%u chunks=%u chosen=%u",
           ic_functions_name(h->proxy->functions, function), serial, distinct, s->count);
    ic_list_push_back(&h->sources, &s->node);
    go_on(h);
}

void ic_handover_gone(struct ic_handover *h, uint16_t function, uint32_t serial)
{
    IC_LIST_EACH (node, &h->moves) {
        struct move *m = IC_CONTAINER(node, struct move, node);
        struct ic_handover_source from = ic_handover_job_source(m->job);
        if (from.function == function && from.serial == serial) {
            ic_handover_job_gone(m->job);
        }
    }
    IC_LIST_EACH (node, &h->sources) {
        struct source *s = IC_CONTAINER(node, struct source, node);
        if (s->function == function && s->serial == serial) {
            assert(s->reading == 0);
            h->stats.left += s->count - s->next;
            drop_source(s);
        }
    }
}

/* ---- life ----------------------------------------------------------------------- */

struct ic_handover *ic_handover_new(struct ic_proxy *p)
{
    struct ic_handover *h = ic_calloc(1, sizeof *h);
    if (h != NULL) {
        h->proxy = p;
        ic_list_init(&h->sources);
        ic_list_init(&h->moves);
        ic_timer_init(&h->timer, p->loop, on_timer, h);
    }
    return h;
}

void ic_handover_stop(struct ic_handover *h)
{
    h->stopped = true;
    ic_timer_stop(&h->timer);
    IC_LIST_EACH (node, &h->moves) {
        struct move *m = IC_CONTAINER(node, struct move, node);
        ic_handover_job_free(m->job);
        drop_move(m);
    }
    IC_LIST_EACH (node, &h->sources) {
        drop_source(IC_CONTAINER(node, struct source, node));
    }
}

void ic_handover_free(struct ic_handover *h)
{
    if (h != NULL) {
        ic_handover_stop(h);
        ic_free(h);
    }
}

/* ---- figures -------------------------------------------------------------------- */

struct ic_handover_stats ic_handover_stats(const struct ic_handover *h)
{
    return h->stats;
}

void ic_handover_stats_reset(struct ic_handover *h)
{
    h->stats = (struct ic_handover_stats){0};
}
