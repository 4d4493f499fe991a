#include "proxy/reader.h"

#include "base/alloc.h"
#include "base/config.h"
#include "code/rs.h"
#include "proxy/reader_internal.h"
#include "proxy/store.h"

#include <assert.h>

static void pump(struct ic_reader *r);
static void start_timer(struct ic_reader *r);

/* ---- life ------------------------------------------------------------------- */

static void reap_reader(void *ctx)
{
    struct ic_reader *r = ctx;
    ic_reader_free_recalls(r);
    ic_free(r);
}

static void drop_span(struct ic_reader *r, struct ic_span *span)
{
    r->span_count--;
    ic_span_free(span);
}

static void close_reader(struct ic_reader *r)
{
    assert(!r->closed && ic_list_empty(&r->taps));
    r->closed = true;
    IC_LIST_EACH (node, &r->spans) {
        drop_span(r, IC_CONTAINER(node, struct ic_span, node));
    }
    ic_reader_end_recalls(r);
    ic_window_leave(&r->grant);
    ic_timer_stop(&r->timer);
    ic_timer_stop(&r->kick);
    ic_list_remove(&r->node);
    if (r->chunks == 0) {
        ic_store_read_ended(r->proxy->store, r->object, r->decoded);
    }
    ic_store_unpin(r->proxy->store, r->object);
    ic_loop_reap(r->proxy->loop, &r->reap, reap_reader, r);
}

static void detach_tap(struct ic_tap *tap)
{
    ic_list_remove(&tap->node);
    tap->reader = NULL;
}

/* Every tap is told ERROR; the read ends. */
static void fail(struct ic_reader *r, int error)
{
    struct ic_list *node;
    ic_list_remove(&r->node); /* nobody joins any more */
    while ((node = ic_list_pop_front(&r->taps)) != NULL) {
        struct ic_tap *tap = IC_CONTAINER(node, struct ic_tap, node);
        detach_tap(tap);
        tap->finished(tap, error);
    }
    if (!r->closed && !r->pumping) {
        close_reader(r);
    }
}

/* CHUNK cannot be had, and nothing says that it ever will be. */
static bool is_lost(const struct ic_reader *r, uint16_t chunk)
{
    bool recalled = (r->failed & ~r->away & UINT64_C(1) << chunk) != 0; /* in vain */
    bool returns = r->chunks == 0 && !recalled && ic_reader_may_return(r, chunk);
    return !ic_reader_is_reachable(r, chunk) && !returns;
}

/* Fewer than d chunks can be had now: a miss if too many are lost. */
static int reason(const struct ic_reader *r)
{
    uint16_t lost = 0;
    for (uint16_t i = 0; i < r->object->data + r->object->parity; i++) {
        lost += is_lost(r, i);
    }
    if (lost > r->object->parity) {
        return IC_ENOENT;
    }
    return r->error == IC_ETIMEOUT ? IC_ETIMEOUT : IC_EUNAVAIL;
}

/* ---- spans ------------------------------------------------------------------ */

static bool take_buffer(struct ic_reader *r, struct ic_span *span, uint16_t chunk)
{
    struct ic_segment *segment = &span->segment[chunk];
    if (segment->buf == NULL) {
        segment->buf = ic_window_take(&r->grant, span->length);
    }
    return segment->buf != NULL;
}

/* Gives up the span asked last, if that is not SPAN; it will be asked again. */
static bool shed_span(struct ic_reader *r, const struct ic_span *span)
{
    struct ic_span *last = IC_CONTAINER(r->spans.prev, struct ic_span, node);
    if (last == span || ic_list_empty(&r->spans)) {
        return false;
    }
    r->next = last->from;
    drop_span(r, last);
    return true;
}

/* A buffer for each of CHUNKS, at the cost of later spans if SHED. */
static bool take_buffers(struct ic_reader *r, struct ic_span *span, uint64_t chunks, bool shed)
{
    for (; chunks != 0; chunks &= chunks - 1) {
        while (!take_buffer(r, span, (uint16_t)__builtin_ctzll(chunks))) {
            if (!shed || !shed_span(r, span)) {
                return false;
            }
        }
    }
    return true;
}

/*
 * Asks what SPAN lacks. 0: done, or it is starved and waits for a buffer; IC_EUNAVAIL: not enough
 * chunks are left; IC_EBUSY: no memory for a span of this size (a new one, or more than one
 * stripe); IC_ETOOBIG: more than one chunk, and memory for one is reserved (stand_in_line).
 */
static int ask_span(struct ic_reader *r, struct ic_span *span, bool is_new)
{
    uint64_t more;
    int result = ic_reader_plan(r, span, &more);
    if (result < 0) {
        return result;
    }
    uint64_t wanted = span->held | span->asked | span->need | more;
    if (r->little && __builtin_popcountll(wanted) > 1) {
        return IC_ETOOBIG;
    }
    if (is_new &&
        !ic_window_can_take(&r->grant, span->length, (uint32_t)__builtin_popcountll(wanted))) {
        return IC_EBUSY;
    }
    span->starved = !take_buffers(r, span, wanted, !is_new);
    if (span->starved) {
        return is_new || span->stripes > 1 ? IC_EBUSY : 0;
    }
    r->chosen |= more;
    for (; more != 0; more &= more - 1) {
        uint16_t chunk = (uint16_t)__builtin_ctzll(more);
        span->woken = span->woken || ic_reader_wakes(r, chunk);
        ic_span_ask(span, chunk);
    }
    return 0;
}

static void on_grant_ready(void *ctx);

static void stand_in_line(struct ic_reader *r)
{
    ic_reader_stand_in_line(r, on_grant_ready);
}

/* The little read needs other chunks: it begins again with memory for a stripe. */
static void begin_again(struct ic_reader *r)
{
    IC_LIST_EACH (node, &r->spans) {
        struct ic_span *span = IC_CONTAINER(node, struct ic_span, node);
        r->next = span->from < r->next ? span->from : r->next;
        drop_span(r, span);
    }
    ic_window_leave(&r->grant);
    r->little = false;
    stand_in_line(r);
    start_timer(r);
}

static void on_answered(struct ic_span *span, uint16_t chunk, int result);

/* The next span, of at most STRIPES stripes, is asked. 0, or IC_EBUSY, IC_EUNAVAIL, IC_ENOMEM. */
static int open_span(struct ic_reader *r, uint32_t stripes)
{
    const struct ic_layout *l = &r->layout;
    uint64_t first = ic_layout_locate(l, r->next).stripe;
    uint64_t last = ic_layout_locate(l, r->end - 1).stripe;
    if (stripes > last - first + 1) {
        stripes = (uint32_t)(last - first + 1);
    }
    uint64_t to = ic_layout_stripe_offset(l, first + stripes);
    to = to < r->end ? to : r->end;
    struct ic_span *span =
        ic_span_new(r->proxy, r->object, l, first, stripes, r->next, to, r->chunks);
    if (span == NULL) {
        return IC_ENOMEM;
    }
    span->answered = on_answered;
    span->owner = r;
    int result = ask_span(r, span, true);
    if (result < 0) {
        ic_span_free(span);
        return result;
    }
    ic_list_push_back(&r->spans, &span->node);
    r->span_count++;
    r->next = to;
    return 0;
}

/* As many stripes as memory allows. */
static int open_some_span(struct ic_reader *r)
{
    int result = IC_EBUSY;
    uint32_t stripes = r->careful ? 1 : r->stripes;
    for (; result == IC_EBUSY && stripes > 0; stripes /= 2) {
        result = open_span(r, stripes);
    }
    r->careful = r->careful && result < 0;
    return result;
}

/* ---- taps ------------------------------------------------------------------- */

static struct ic_span *span_at(const struct ic_reader *r, uint64_t at)
{
    IC_LIST_EACH (node, &r->spans) {
        struct ic_span *span = IC_CONTAINER(node, struct ic_span, node);
        if (at < span->to) {
            return at >= span->from ? span : NULL;
        }
    }
    return NULL;
}

static void give_span(const struct ic_reader *r, struct ic_tap *tap, const struct ic_span *span)
{
    if (r->chunks != 0) {
        tap->at = span->to;
        tap->rebuilt(tap, span);
        return;
    }
    struct ic_buf *owner;
    struct ic_slice bytes = ic_span_bytes(span, tap->at, tap->end, &owner);
    tap->at += bytes.len;
    r->proxy->read_bytes += bytes.len + IC_READER_TAP_BYTES;
    tap->data(tap, bytes, owner);
}

static void serve_tap(struct ic_reader *r, struct ic_tap *tap)
{
    struct ic_span *span;
    while (tap->reader == r && !tap->paused && tap->at < tap->end &&
           (span = span_at(r, tap->at)) != NULL && span->complete) {
        give_span(r, tap, span);
    }
    if (tap->reader == r && tap->at == tap->end) {
        detach_tap(tap);
        tap->finished(tap, 0);
    }
}

/* More may be given in this turn. */
static bool may_give(struct ic_proxy *p)
{
    uint64_t turn = ic_loop_turn_number(p->loop);
    if (p->read_turn != turn) {
        p->read_turn = turn;
        p->read_bytes = 0;
    }
    return p->read_bytes < IC_READER_TURN_BYTES;
}

/* False: those that this turn has no time for are first in the next. */
static bool serve_taps(struct ic_reader *r)
{
    struct ic_list todo, *node;
    ic_list_init(&todo);
    ic_list_move_all(&r->taps, &todo);
    while (may_give(r->proxy) && (node = ic_list_pop_front(&todo)) != NULL) {
        ic_list_push_back(&r->taps, node);
        serve_tap(r, IC_CONTAINER(node, struct ic_tap, node));
    }
    if (ic_list_empty(&todo)) {
        return true;
    }
    while ((node = ic_list_pop_front(&r->taps)) != NULL) {
        ic_list_push_back(&todo, node);
    }
    ic_list_move_all(&todo, &r->taps);
    ic_timer_start(&r->kick, 0);
    return false;
}

/* Releases the spans that every tap has passed. */
static void drop_given_spans(struct ic_reader *r)
{
    uint64_t least = UINT64_MAX;
    IC_LIST_EACH (node, &r->taps) {
        const struct ic_tap *tap = IC_CONTAINER(node, struct ic_tap, node);
        least = tap->at < least ? tap->at : least;
    }
    IC_LIST_EACH (node, &r->spans) {
        struct ic_span *span = IC_CONTAINER(node, struct ic_span, node);
        if (span->to > least) {
            break;
        }
        drop_span(r, span);
        r->served = true;
    }
}

/* Some tap takes data and has got all there is. */
static bool is_hungry(const struct ic_reader *r)
{
    IC_LIST_EACH (node, &r->taps) {
        if (!IC_CONTAINER(node, struct ic_tap, node)->paused) {
            return true;
        }
    }
    return false;
}

/* There is room and use for another span. */
static bool may_open(const struct ic_reader *r)
{
    if (r->next >= r->end || r->span_count >= IC_READER_SPANS_MAX || ic_reader_recalling(r)) {
        return false;
    }
    if (ic_list_empty(&r->spans) || is_hungry(r)) {
        return true;
    }
    /* Nobody takes data: one span in reserve is enough. */
    return !IC_CONTAINER(r->spans.prev, struct ic_span, node)->complete && r->span_count < 2;
}

/*
 * Taps that are held up by others go on with a reader of their own: they want more, but what memory
 * may be had is in spans that paused taps have not got yet, or on its way to them. This reader is
 * left to the paused ones.
 */
static bool part_from_paused(struct ic_reader *r)
{
    struct ic_list hungry, *node;
    bool paused = false;
    ic_list_init(&hungry);
    IC_LIST_EACH (n, &r->taps) {
        paused = paused || IC_CONTAINER(n, struct ic_tap, node)->paused;
    }
    if (!paused || !is_hungry(r)) {
        return false;
    }
    ic_list_remove(&r->node); /* nobody joins any more */
    IC_LIST_EACH (n, &r->taps) {
        struct ic_tap *tap = IC_CONTAINER(n, struct ic_tap, node);
        if (!tap->paused) {
            detach_tap(tap);
            ic_list_push_back(&hungry, n);
        }
    }
    while ((node = ic_list_pop_front(&hungry)) != NULL) {
        struct ic_tap *tap = IC_CONTAINER(node, struct ic_tap, node);
        if (ic_reader_join(r->proxy, r->object, tap) < 0) {
            tap->finished(tap, IC_ENOMEM);
        }
    }
    return true;
}

/* Goes to the end of the line, when all that was read is given. False: it may ask for nothing now.
 */
static bool yield_memory(struct ic_reader *r)
{
    if (!ic_list_empty(&r->spans)) {
        return false;
    }
    ic_window_leave(&r->grant);
    stand_in_line(r);
    return r->admitted;
}

/* Asks ahead. */
static void open_spans(struct ic_reader *r)
{
    for (;;) {
        int result = IC_EBUSY;
        if (ic_reader_must_yield(r) && !yield_memory(r)) {
            break;
        }
        if (may_open(r)) {
            result = open_some_span(r);
        } else if (r->next >= r->end || !is_hungry(r)) {
            break;
        }
        if (result == IC_EUNAVAIL && ic_reader_recall(r)) {
            result = IC_EBUSY;
        }
        if (result == IC_ETOOBIG) {
            begin_again(r);
            result = 0;
            if (!r->admitted) {
                break; /* when it is */
            }
        }
        if (result == IC_EBUSY && (ic_reader_recalling(r) || !part_from_paused(r))) {
            break; /* a release or a tap's progress goes on */
        }
        if (result < 0 && result != IC_EBUSY) {
            fail(r, result == IC_ENOMEM ? IC_ENOMEM : reason(r));
            break;
        }
    }
}

/* Gives what is complete, drops what was given, asks ahead. The only place where taps are served.
 */
static void pump(struct ic_reader *r)
{
    if (r->pumping || r->closed || !r->admitted) {
        return;
    }
    r->pumping = true;
    bool all = serve_taps(r);
    drop_given_spans(r);
    if (all && !ic_list_empty(&r->taps)) {
        open_spans(r);
        start_timer(r);
    }
    r->pumping = false;
    if (ic_list_empty(&r->taps)) {
        close_reader(r);
    }
}

/* ---- answers ---------------------------------------------------------------- */

/* What an answer says of the chunk itself, beyond this read. */
static bool means_lost(int result)
{
    return result == IC_ECORRUPT || result == IC_ENOENT || result == IC_ESTALE || result == IC_EIO;
}

/* Completes SPAN if it can be. IC_ENOMEM. */
static int finish_span(struct ic_reader *r, struct ic_span *span)
{
    uint64_t missing = span->need & ~span->held;
    int result = ic_span_finish(span, r->rs);
    for (; result == 0 && span->complete && missing != 0; missing &= missing - 1) {
        r->decoded = r->decoded || !ic_reader_is_reachable(r, (uint16_t)__builtin_ctzll(missing));
    }
    if (span->complete) {
        ic_reader_went_on(r);
    }
    return result;
}

/* SPAN lacks chunks or buffers: asks others, in a smaller portion if memory is short. False: the
 * read failed. The caller pumps. */
static bool replace_chunks(struct ic_reader *r, struct ic_span *span)
{
    int result = ask_span(r, span, false);
    if (result == IC_EUNAVAIL && ic_reader_recall(r)) {
        while (shed_span(r, span)) {
        }
        result = IC_EBUSY;
    }
    if (result == IC_ETOOBIG) {
        begin_again(r);
        return true;
    }
    if (result == IC_EBUSY) { /* everything behind it was given up already */
        r->next = span->from;
        r->careful = true;
        drop_span(r, span);
        return true;
    }
    if (result == 0 && !span->starved && finish_span(r, span) < 0) {
        fail(r, IC_ENOMEM);
        return false;
    }
    if (result < 0) {
        fail(r, reason(r));
        return false;
    }
    return true;
}

/* Whoever reads together shares what it costs. */
static void share_cost(struct ic_reader *r, double dollars)
{
    size_t taps = 0;
    IC_LIST_EACH (node, &r->taps) {
        taps++;
        (void)node;
    }
    IC_LIST_EACH (node, &r->taps) {
        IC_CONTAINER(node, struct ic_tap, node)->dollars += dollars / (double)taps;
    }
}

/* The chunk is where READ looked; else a repair has given it another place, which READ says nothing
 * about. */
static bool is_in_place(const struct ic_reader *r, const struct ic_node_request *read)
{
    const struct ic_chunk_place *place = &r->object->place[read->chunk];
    return place->state == IC_CHUNK_HELD && place->function == read->function &&
           (place->instance == read->instance || place->backup == read->instance);
}

/* A READ failed. Another instance that has the chunk may be asked instead. */
static void give_up(struct ic_reader *r, const struct ic_node_request *read, int result)
{
    uint16_t chunk = read->chunk;
    if (!means_lost(result)) {
        r->error = result;
    } else if (is_in_place(r, read)) {
        ic_store_lost(r->proxy->store, r->object, chunk, read->instance);
    }
    const struct ic_chunk_place *place = &r->object->place[chunk];
    bool elsewhere = place->state == IC_CHUNK_HELD && place->function == read->function &&
                     ic_store_holder(r->proxy->store, r->object, chunk) != read->instance;
    if (!elsewhere) {
        r->failed |= UINT64_C(1) << chunk;
        r->away |= result == IC_EAWAY ? UINT64_C(1) << chunk : 0;
    }
    r->chosen &= ~(UINT64_C(1) << chunk);
}

/* READ of SPAN was answered. What a slow function takes tells nothing of the others. */
static void learn(struct ic_reader *r, const struct ic_span *span,
                  const struct ic_node_request *read)
{
    bool slow =
        ic_functions_status(r->proxy->functions, read->function, read->instance) == IC_STATUS_SLOW;
    if (r->chunks == 0 && !slow) {
        ic_hedge_answered(&r->proxy->hedge, span->woken,
                          ic_loop_now_ms(r->proxy->loop) - span->asked_ms);
    }
}

static void on_answered(struct ic_span *span, uint16_t chunk, int result)
{
    struct ic_reader *r = span->owner;
    const struct ic_node_request *read = &span->segment[chunk].read;
    share_cost(r, read->dollars);
    if (result < 0) {
        give_up(r, read, result);
        if (!replace_chunks(r, span)) {
            return;
        }
    } else {
        r->late &= ~(UINT64_C(1) << chunk);
        learn(r, span, read);
        if (!span->starved && finish_span(r, span) < 0) {
            fail(r, IC_ENOMEM);
            return;
        }
    }
    pump(r);
}

/* Buffers came back, or the read is admitted. */
static void on_grant_ready(void *ctx)
{
    struct ic_reader *r = ctx;
    r->admitted = true;
    IC_LIST_EACH (node, &r->spans) {
        struct ic_span *span = IC_CONTAINER(node, struct ic_span, node);
        if (!span->starved) {
            continue;
        }
        if (!replace_chunks(r, span)) {
            return;
        }
        break; /* it may have given up those behind it */
    }
    pump(r);
}

/* ---- deadlines -------------------------------------------------------------- */

/* How long SPAN waits for its chunks before others are asked. */
static uint64_t patience_ms(const struct ic_reader *r, const struct ic_span *span)
{
    uint64_t longest_ms = (uint64_t)r->proxy->config->read_deadline;
    bool adaptive = r->proxy->config->hedge == IC_HEDGE_ADAPTIVE && r->chunks == 0;
    return adaptive ? ic_hedge_delay(&r->proxy->hedge, span->woken, longest_ms) : longest_ms;
}

static uint64_t admission_due(const struct ic_reader *r)
{
    const struct ic_config *config = r->proxy->config;
    return r->started_ms + (uint64_t)(config->invoke_timeout + config->node_timeout);
}

static bool is_waiting(const struct ic_span *span)
{
    return !span->complete && (span->asked & ~span->late) != 0;
}

/* For the first thing that can become late. */
static void start_timer(struct ic_reader *r)
{
    uint64_t due = r->admitted ? UINT64_MAX : admission_due(r);
    uint64_t now = ic_loop_now_ms(r->proxy->loop);
    IC_LIST_EACH (node, &r->spans) {
        const struct ic_span *span = IC_CONTAINER(node, struct ic_span, node);
        if (is_waiting(span) && span->asked_ms + patience_ms(r, span) < due) {
            due = span->asked_ms + patience_ms(r, span);
        }
    }
    if (due == UINT64_MAX) {
        ic_timer_stop(&r->timer);
    } else if (!r->timer.armed || r->timer.due_ms != due) {
        ic_timer_start(&r->timer, due > now ? due - now : 0);
    }
}

/* The first span that is late: those it waits for are replaced. */
static void replace_late(struct ic_reader *r, uint64_t now)
{
    IC_LIST_EACH (node, &r->spans) {
        struct ic_span *span = IC_CONTAINER(node, struct ic_span, node);
        if (is_waiting(span) && span->asked_ms + patience_ms(r, span) <= now) {
            r->late |= span->asked;
            r->chosen &= ~span->asked;
            span->late = span->asked;
            if (replace_chunks(r, span)) {
                pump(r);
            }
            return; /* the next one in the next turn: lists may have changed */
        }
    }
}

static void on_timer(void *ctx)
{
    struct ic_reader *r = ctx;
    uint64_t now = ic_loop_now_ms(r->proxy->loop);
    if (!r->admitted) {
        fail(r, IC_EBUSY);
        return;
    }
    replace_late(r, now);
    if (!r->closed) {
        start_timer(r);
    }
}

static void on_kick(void *ctx)
{
    pump(ctx);
}

/* ---- joining ---------------------------------------------------------------- */

static struct ic_reader *new_reader(struct ic_proxy *p, struct ic_object *o,
                                    const struct ic_tap *tap)
{
    struct ic_reader *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    ic_layout_init(&r->layout, o->size, o->data, o->parity, o->unit);
    r->proxy = p;
    r->object = o;
    r->rs = ic_rs_set_get(p->codes, o->data, o->parity);
    r->next = tap->at;
    r->end = tap->end;
    r->chunks = tap->chunks;
    uint32_t segment = r->chunks == 0 ? IC_READER_SEGMENT_BYTES : IC_READER_REBUILD_BYTES;
    uint32_t stripes = segment / o->unit;
    r->stripes = stripes < 1                       ? 1
                 : stripes > IC_READER_STRIPES_MAX ? IC_READER_STRIPES_MAX
                                                   : stripes;
    r->little = ic_reader_is_little(r);
    if (r->rs == NULL) {
        ic_free(r);
        return NULL;
    }
    stand_in_line(r);
    ic_list_init(&r->spans);
    ic_list_init(&r->taps);
    ic_timer_init(&r->timer, p->loop, on_timer, r);
    ic_timer_init(&r->kick, p->loop, on_kick, r);
    ic_list_push_front(&p->readers, &r->node);
    ic_store_pin(p->store, o);
    start_timer(r);
    return r;
}

/* The first span of a new read needs no turn of its own. False: there is more to do, or to tell. */
static bool ask_at_once(struct ic_reader *r)
{
    if (!r->admitted || open_some_span(r) < 0) {
        return false;
    }
    start_timer(r);
    return r->next == r->end;
}

static bool can_join(const struct ic_reader *r, const struct ic_object *o, const struct ic_tap *tap)
{
    if (r->object != o || r->end != tap->end || r->chunks != tap->chunks) {
        return false;
    }
    uint64_t kept = ic_list_empty(&r->spans)
                        ? r->next
                        : IC_CONTAINER(r->spans.next, struct ic_span, node)->from;
    return tap->at >= kept && tap->at <= r->next;
}

/* One that TAP can join, or NULL. */
static struct ic_reader *find_reader(const struct ic_proxy *p, const struct ic_object *object,
                                     const struct ic_tap *tap)
{
    uint32_t looked_at = 0;
    IC_LIST_EACH (node, &p->readers) {
        struct ic_reader *r = IC_CONTAINER(node, struct ic_reader, node);
        if (can_join(r, object, tap)) {
            return r;
        }
        if (++looked_at == IC_READER_JOIN_SCAN_MAX) {
            break;
        }
    }
    return NULL;
}

uint64_t ic_reader_at_once(const struct ic_proxy *p, const struct ic_object *object,
                           uint64_t offset, uint64_t len)
{
    struct ic_tap tap = {.at = offset, .end = offset + len};
    uint64_t at_once = ic_reader_fits(p, object, offset, len);
    return at_once < len && find_reader(p, object, &tap) != NULL ? len : at_once;
}

int ic_reader_join(struct ic_proxy *p, struct ic_object *object, struct ic_tap *tap)
{
    struct ic_reader *r = find_reader(p, object, tap);
    bool is_new = r == NULL;
    if (is_new && (r = new_reader(p, object, tap)) == NULL) {
        return IC_ENOMEM;
    }
    tap->reader = r;
    ic_list_push_back(&r->taps, &tap->node);
    if (!is_new || !ask_at_once(r)) {
        ic_timer_start(&r->kick, 0);
    }
    return 0;
}

void ic_reader_leave(struct ic_tap *tap)
{
    struct ic_reader *r = tap->reader;
    detach_tap(tap);
    if (r == NULL) {
        return;
    }
    if (!r->pumping && ic_list_empty(&r->taps)) {
        close_reader(r);
    }
}

void ic_reader_resume(struct ic_tap *tap)
{
    if (tap->reader != NULL) {
        ic_timer_start(&tap->reader->kick, 0);
    }
}
