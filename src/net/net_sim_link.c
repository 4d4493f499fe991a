/*
 * net_sim_link.c - a connection: two pipes of bytes and what travels through them.
 *
 *   writer --write--> [ pipe: .... on its way .... | arrived ] --read--> reader
 *                            one segment per piece ^
 *
 * A segment holds no bytes: it says that so many of the pipe's have arrived, that no more come,
 * or that the connection is broken.
 */
#include "base/alloc.h"
#include "net/net_sim_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RING_MIN = 4096,
    PIECES_MAX = 3, /* of one write */
    DELAY_MIN_US = 20,
    DELAY_MAX_US = 200,
    BYTES_PER_MS = 100000,
    BUFFER_BYTES = 128 << 10,
};

enum segment_kind { ASK, ESTABLISHED, REFUSED, BYTES, END, BREAK, WINDOW };

struct segment {
    struct ic_event event;
    struct ic_sim_link *link;
    enum segment_kind kind;
    int to; /* the side */
    size_t len;
};

static void drop_if_over(struct ic_sim_link *link)
{
    if (!link->side[0].closed || !link->side[1].closed || link->travelling > 0) {
        return;
    }
    ic_list_remove(&link->node);
    ic_list_remove(&link->backlog);
    free(link->side[0].in.ring);
    free(link->side[1].in.ring);
    free(link);
}

static uint64_t draw_delay(struct ic_sim_link *link)
{
    const struct ic_sim_quality *q = &link->quality;
    uint64_t spread_us = q->delay_max_us - q->delay_min_us;
    return q->delay_min_us + ic_rng_below(&link->sim->time.rng, spread_us + 1);
}

static void arrive(void *ctx);

static void send_segment(struct ic_sim_link *link, enum segment_kind kind, int to, size_t len,
                         uint64_t delay_us)
{
    struct segment *s = calloc(1, sizeof *s);
    assert(s != NULL);
    *s = (struct segment){.link = link, .kind = kind, .to = to, .len = len};
    link->travelling++;
    ic_event_init(&s->event, arrive, s);
    ic_event_start(&link->sim->time, &s->event, delay_us);
}

/* After what was sent before it. */
static void send_in_order(struct ic_sim_link *link, enum segment_kind kind, int to, size_t len)
{
    struct ic_sim_pipe *in = &link->side[to].in;
    uint64_t now_us = link->sim->time.now_us;
    uint64_t at_us = now_us + draw_delay(link);
    uint64_t takes_us = len * 1000 / link->quality.bytes_per_ms;
    at_us = (at_us < in->last_us ? in->last_us : at_us) + takes_us;
    in->last_us = at_us;
    send_segment(link, kind, to, len, at_us - now_us);
}

/* ---- arriving ---- */

static void signal_side(struct ic_sim_link *link, int side)
{
    if (link->side[side].stream != NULL) {
        ic_sim_signal(link->side[side].stream);
    }
}

static void ask(struct ic_sim_link *link)
{
    struct ic_listener *l = ic_sim_find_listener(link->sim, link->port);
    if (l == NULL || link->quality.refused) {
        link->side[1].closed = true;
        send_segment(link, REFUSED, 0, 0, draw_delay(link));
        return;
    }
    link->side[1].loop = l->loop;
    link->side[1].established = true;
    ic_list_push_back(&l->backlog, &link->backlog);
    ic_sim_wake(l->loop, 0);
    send_in_order(link, ESTABLISHED, 0, 0);
}

static void take_bytes(struct ic_sim_link *link, int to, size_t len)
{
    struct ic_sim_side *side = &link->side[to];
    if (side->closed) {
        if (!link->side[!to].closed) {
            send_in_order(link, BREAK, !to, 0); /* nobody is there any more */
        }
    } else if (side->error == 0) {
        side->in.arrived += len;
        assert(side->in.arrived <= side->in.len);
    }
}

static void arrive(void *ctx)
{
    struct segment *s = ctx;
    struct ic_sim_link *link = s->link;
    struct ic_sim_side *side = &link->side[s->to];
    link->travelling--;
    if (!link->silent) {
        switch (s->kind) {
        case ASK:
            ask(link);
            break;
        case ESTABLISHED:
            side->established = true;
            break;
        case REFUSED:
        case BREAK:
            side->error = side->error == 0 ? IC_ECLOSED : side->error;
            break;
        case BYTES:
            take_bytes(link, s->to, s->len);
            break;
        case END:
            side->in.ended = true;
            break;
        case WINDOW:
            break;
        }
        signal_side(link, s->to);
    }
    free(s);
    drop_if_over(link);
}

/* ---- both ends ---- */

struct ic_sim_link *ic_sim_dial(struct ic_sim_stream *s, uint16_t port)
{
    struct ic_loop *loop = s->stream.loop;
    struct ic_sim *sim = loop->sim;
    struct ic_sim_link *link = calloc(1, sizeof *link);
    assert(link != NULL);
    link->sim = sim;
    link->port = port;
    link->client_port = sim->next_port++;
    link->quality = (struct ic_sim_quality){.delay_min_us = DELAY_MIN_US,
                                            .delay_max_us = DELAY_MAX_US,
                                            .bytes_per_ms = BYTES_PER_MS,
                                            .buffer_bytes = BUFFER_BYTES};
    ic_list_init(&link->backlog);
    ic_list_push_back(&sim->links, &link->node);
    link->side[0].loop = loop;
    link->side[0].stream = s;
    struct ic_listener *l = ic_sim_find_listener(sim, port);
    if (sim->hooks.dial != NULL) {
        sim->hooks.dial(sim->hooks.ctx, loop, l == NULL ? NULL : l->loop, port, &link->quality);
    }
    link->silent = link->quality.lost;
    send_segment(link, ASK, 1, 0, draw_delay(link));
    return link;
}

bool ic_sim_readable(const struct ic_sim_link *link, int side)
{
    const struct ic_sim_side *s = &link->side[side];
    return s->in.arrived > 0 || s->in.ended || s->error < 0;
}

static void copy_out(struct ic_sim_pipe *pipe, uint8_t *to, size_t len)
{
    size_t first = pipe->capacity - pipe->head < len ? pipe->capacity - pipe->head : len;
    memcpy(to, pipe->ring + pipe->head, first);
    memcpy(to + first, pipe->ring, len - first);
    pipe->head = (pipe->head + len) & (pipe->capacity - 1);
    pipe->len -= len;
    pipe->arrived -= len;
}

int64_t ic_sim_read(struct ic_sim_link *link, int side, const struct iovec *iov, size_t count)
{
    struct ic_sim_side *s = &link->side[side];
    size_t total = 0;
    for (size_t i = 0; i < count && s->in.arrived > 0; i++) {
        size_t len = iov[i].iov_len < s->in.arrived ? iov[i].iov_len : s->in.arrived;
        copy_out(&s->in, iov[i].iov_base, len);
        total += len;
    }
    if (total == 0) {
        return s->error < 0 ? s->error : s->in.ended ? 0 : IC_EBUSY;
    }
    if (s->in.writer_waits) {
        s->in.writer_waits = false;
        send_segment(link, WINDOW, !side, 0, draw_delay(link));
    }
    return (int64_t)total;
}

static size_t room(const struct ic_sim_link *link, const struct ic_sim_pipe *pipe)
{
    size_t taken = pipe->len + pipe->vanished;
    return taken < link->quality.buffer_bytes ? link->quality.buffer_bytes - taken : 0;
}

size_t ic_sim_unacknowledged(const struct ic_sim_link *link, int side)
{
    const struct ic_sim_pipe *pipe = &link->side[!side].in;
    return pipe->len - pipe->arrived + pipe->vanished;
}

size_t ic_sim_unread(const struct ic_sim_link *link, int side)
{
    return link->side[side].in.arrived;
}

bool ic_sim_writable(const struct ic_sim_link *link, int side)
{
    return link->side[side].error < 0 || room(link, &link->side[!side].in) > 0;
}

static void copy_in(struct ic_sim_pipe *pipe, const uint8_t *from, size_t len)
{
    if (pipe->len + len > pipe->capacity) {
        size_t capacity = pipe->capacity == 0 ? RING_MIN : pipe->capacity;
        while (capacity < pipe->len + len) {
            capacity *= 2;
        }
        uint8_t *ring = malloc(capacity);
        assert(ring != NULL);
        for (size_t i = 0; i < pipe->len; i++) {
            ring[i] = pipe->ring[(pipe->head + i) & (pipe->capacity - 1)];
        }
        free(pipe->ring);
        pipe->ring = ring;
        pipe->capacity = capacity;
        pipe->head = 0;
    }
    size_t at = (pipe->head + pipe->len) & (pipe->capacity - 1);
    size_t first = pipe->capacity - at < len ? pipe->capacity - at : len;
    memcpy(pipe->ring + at, from, first);
    memcpy(pipe->ring, from + first, len - first);
    pipe->len += len;
}

/* LEN bytes of the pipe leave in a few pieces, which may arrive apart. */
static void send_pieces(struct ic_sim_link *link, int to, size_t len)
{
    struct ic_rng *rng = &link->sim->time.rng;
    for (uint64_t pieces = 1 + ic_rng_below(rng, PIECES_MAX); len > 0; pieces--) {
        size_t piece = pieces <= 1 ? len : 1 + (size_t)ic_rng_below(rng, len);
        send_in_order(link, BYTES, to, piece);
        len -= piece;
    }
}

/* What arrives of the write that the link breaks in. */
static size_t cut_short(struct ic_sim_link *link, int to, size_t len)
{
    if (!link->cut_short || len == 0) {
        return len;
    }
    size_t kept = (size_t)ic_rng_below(&link->sim->time.rng, len);
    if (kept > 0) {
        send_in_order(link, BYTES, to, kept);
    }
    send_in_order(link, BREAK, to, 0);
    send_in_order(link, BREAK, !to, 0);
    link->cut_short = false;
    return 0;
}

int64_t ic_sim_write(struct ic_sim_link *link, int side, const struct iovec *iov, size_t count)
{
    struct ic_sim_side *s = &link->side[side];
    struct ic_sim_pipe *pipe = &link->side[!side].in;
    if (s->error < 0) {
        return s->error;
    }
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = room(link, pipe) < iov[i].iov_len ? room(link, pipe) : iov[i].iov_len;
        if (link->silent || link->side[!side].closed) {
            pipe->vanished += link->silent ? len : 0;
        } else {
            copy_in(pipe, iov[i].iov_base, len);
        }
        total += len;
        pipe->writer_waits = pipe->writer_waits || len < iov[i].iov_len;
    }
    if (!link->silent && total > 0) {
        if (link->side[!side].closed) {
            send_in_order(link, BREAK, side, 0);
        } else {
            send_pieces(link, !side, cut_short(link, !side, total));
        }
    }
    return (int64_t)total;
}

void ic_sim_end_writing(struct ic_sim_link *link, int side)
{
    if (!link->side[!side].closed) {
        send_in_order(link, END, !side, 0);
    }
}

/* Bytes that were not read make the other end see an error instead of an end, as in Linux. */
void ic_sim_close(struct ic_sim_link *link, int side)
{
    struct ic_sim_side *s = &link->side[side];
    assert(!s->closed);
    s->closed = true;
    s->loop = NULL;
    if (s->stream != NULL) {
        s->stream->link = NULL;
        s->stream = NULL;
    }
    ic_list_remove(&link->backlog);
    if (!link->side[!side].closed && s->error == 0) {
        send_in_order(link, s->in.len > 0 ? BREAK : END, !side, 0);
    }
    drop_if_over(link);
}

void ic_sim_abandon(struct ic_sim_link *link, int side)
{
    link->silent = true;
    link->side[side].error = IC_ECLOSED;
    ic_sim_close(link, side);
}

/* ---- faults ---- */

struct ic_sim_link *ic_sim_pick_link(struct ic_sim *sim, const struct ic_loop *loop, uint16_t port)
{
    struct ic_sim_link *picked = NULL;
    uint64_t seen = 0;
    IC_LIST_EACH (node, &sim->links) {
        struct ic_sim_link *link = IC_CONTAINER(node, struct ic_sim_link, node);
        bool fits = link->side[0].established && !link->side[0].closed && !link->side[1].closed &&
                    !link->silent && (port == 0 || link->port == port) &&
                    (loop == NULL || link->side[0].loop == loop || link->side[1].loop == loop);
        if (fits && ic_rng_below(&sim->time.rng, ++seen) == 0) {
            picked = link;
        }
    }
    return picked;
}

void ic_sim_break_link(struct ic_sim_link *link, enum ic_sim_break how)
{
    switch (how) {
    case IC_SIM_RESET:
        send_segment(link, BREAK, 0, 0, draw_delay(link));
        send_segment(link, BREAK, 1, 0, draw_delay(link));
        return;
    case IC_SIM_RESET_ONE:
    case IC_SIM_HALF_OPEN: {
        int side = how == IC_SIM_HALF_OPEN;
        link->silent = true;
        link->side[side].error = IC_ECLOSED;
        signal_side(link, side);
        return;
    }
    case IC_SIM_MUTE:
        link->silent = true;
        return;
    case IC_SIM_CUT_SHORT:
        link->cut_short = true;
        return;
    }
}

size_t ic_sim_mute_links(struct ic_loop *loop, uint16_t port)
{
    size_t count = 0;
    IC_LIST_EACH (node, &loop->sim->links) {
        struct ic_sim_link *link = IC_CONTAINER(node, struct ic_sim_link, node);
        bool there = (link->side[0].loop == loop && !link->side[0].closed) ||
                     (link->side[1].loop == loop && !link->side[1].closed);
        if (there && !link->silent && link->port == port) {
            link->silent = true;
            count++;
        }
    }
    return count;
}
