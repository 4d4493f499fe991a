#define _GNU_SOURCE /* explicit_bzero */
#include "proxy/window.h"

#include "base/alloc.h"
#include "net/net.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Classes: 1 KiB, 1.5 KiB, 2 KiB, 3 KiB, ... 48 MiB, 64 MiB. Class 2k is 2^k KiB, class 2k + 1
 * is 3 * 2^(k-1) KiB.
 */
enum {
    CLASS_BASE = 1024,
    CLASS_COUNT = 33,
    PAGES_FROM = 64 << 10,     /* buffers of so many bytes are mapped, smaller ones allocated */
    GROWTH_SHARE_PERCENT = 62, /* the rest of a line is for minimums */
    CROWD_COUNT = 256,         /* more in all lines are a crowd, */
    CROWD_MS = 250,            /* or a first of a line that has waited for so long */
};

/* Sixteenths of the memory that are kept for a use. */
static const size_t kept_16ths[IC_WINDOW_USES] = {[IC_WINDOW_READ] = 3,
                                                  [IC_WINDOW_WRITE] = 3,
                                                  [IC_WINDOW_SMALL_READ] = 1,
                                                  [IC_WINDOW_SMALL_WRITE] = 1};
static_assert((CLASS_BASE << ((CLASS_COUNT - 1) / 2)) == IC_WINDOW_BUFFER_MAX, "the last class");

struct buffer {
    struct ic_buf buf;
    struct ic_list node;    /* of its grant's buffers, or of the free ones of its class */
    struct ic_grant *grant; /* NULL: its request has left */
    struct ic_window *window;
    uint32_t class;
    enum ic_window_use use;
};

struct ic_window {
    struct ic_timer tell; /* calls the grants of `told` */
    struct ic_timer trim;
    size_t limit;
    /* Sum over grants of max(reserved, held), and buffers without a grant, by use. */
    size_t used[IC_WINDOW_USES];
    size_t taken;  /* bytes of buffers that are out */
    size_t cached; /* bytes of free buffers */
    size_t peak;
    uint64_t takes, takes_at_trim; /* buffers given out, ever and when `trim` was last looked at */
    uint32_t admitted, waiting_count;
    void (*on_waiting)(void *ctx);
    void *on_waiting_ctx;
    struct ic_list waiting[IC_WINDOW_USES];         /* grants, first come first */
    struct ic_grant *last_in_front[IC_WINDOW_USES]; /* of those in it that were brought forward */
    struct ic_list told;                            /* grants to call */
    struct ic_list free[CLASS_COUNT];               /* struct buffer */
};

static uint32_t class_of(size_t size)
{
    assert(size <= IC_WINDOW_BUFFER_MAX);
    uint32_t k = 0;
    while (((size_t)CLASS_BASE << k) < size) {
        k++;
    }
    /* 2^k fits; does the class below, three quarters of it, too? */
    return k > 0 && ((size_t)CLASS_BASE << k) / 4 * 3 >= size ? 2 * k - 1 : 2 * k;
}

static size_t class_bytes(uint32_t class)
{
    size_t above = (size_t)CLASS_BASE << ((class + 1) / 2);
    return class % 2 == 0 ? above : above / 4 * 3;
}

size_t ic_window_size(size_t size)
{
    return class_bytes(class_of(size));
}

/* ---- memory ----------------------------------------------------------------- */

static struct buffer *buffer_new(struct ic_window *w, uint32_t class)
{
    size_t bytes = class_bytes(class);
    struct buffer *b = ic_calloc(1, sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    if (bytes >= PAGES_FROM) {
        void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        b->buf.data = pages == MAP_FAILED ? NULL : pages;
    } else {
        b->buf.data = ic_malloc(bytes);
    }
    if (b->buf.data == NULL) {
        ic_free(b);
        return NULL;
    }
    b->buf.cap = bytes;
    b->class = class;
    b->window = w;
    return b;
}

static void buffer_free(struct buffer *b)
{
    size_t bytes = class_bytes(b->class);
    if (bytes >= PAGES_FROM) {
        munmap(b->buf.data, bytes);
    } else {
        explicit_bzero(b->buf.data, bytes); /* it is somebody's value, and stays in the heap */
        ic_free(b->buf.data);
    }
    ic_free(b);
}

/* Gives free buffers back to the system until at most KEEP bytes of them are left, large ones
 * first. */
static void shrink_cache(struct ic_window *w, size_t keep)
{
    for (uint32_t class = CLASS_COUNT; class -- > 0 && w->cached > keep;) {
        while (w->cached > keep && !ic_list_empty(&w->free[class])) {
            struct ic_list *oldest = w->free[class].prev;
            ic_list_remove(oldest);
            w->cached -= class_bytes(class);
            buffer_free(IC_CONTAINER(oldest, struct buffer, node));
        }
    }
}

/* Nobody took a buffer for a while: none is kept. */
static void on_trim(void *ctx)
{
    struct ic_window *w = ctx;
    if (w->takes == w->takes_at_trim) {
        shrink_cache(w, 0);
    }
    w->takes_at_trim = w->takes;
    if (w->cached > 0) {
        ic_timer_start(&w->trim, IC_WINDOW_TRIM_MS);
    }
}

/* A buffer from the cache, or a new one if what is out and kept stays below the limit. */
static struct buffer *buffer_get(struct ic_window *w, uint32_t class)
{
    struct ic_list *node = ic_list_pop_front(&w->free[class]);
    if (node != NULL) {
        w->cached -= class_bytes(class);
        return IC_CONTAINER(node, struct buffer, node);
    }
    size_t out = w->taken + class_bytes(class);
    shrink_cache(w, out < w->limit ? w->limit - out : 0);
    return buffer_new(w, class);
}

static void buffer_put(struct ic_window *w, struct buffer *b)
{
    ic_list_push_front(&w->free[b->class], &b->node);
    w->cached += class_bytes(b->class);
    if (!w->trim.armed) {
        w->takes_at_trim = w->takes;
        ic_timer_start(&w->trim, IC_WINDOW_TRIM_MS);
    }
}

/* ---- admission -------------------------------------------------------------- */

static size_t charge(const struct ic_grant *g)
{
    return g->held > g->reserved ? g->held : g->reserved;
}

/* G's READY will be called in a later turn. */
static void tell(struct ic_window *w, struct ic_grant *g, uint64_t delay_ms)
{
    ic_list_remove(&g->node);
    ic_list_push_back(&w->told, &g->node);
    if (!w->tell.armed || w->tell.due_ms > ic_loop_now_ms(w->tell.loop) + delay_ms) {
        ic_timer_start(&w->tell, delay_ms);
    }
}

static void on_tell(void *ctx)
{
    struct ic_window *w = ctx;
    struct ic_list now, *node;
    ic_list_init(&now);
    ic_list_move_all(&w->told, &now);
    while ((node = ic_list_pop_front(&now)) != NULL) {
        struct ic_grant *g = IC_CONTAINER(node, struct ic_grant, node);
        g->ready(g->ctx);
    }
}

static size_t used_in_all(const struct ic_window *w)
{
    size_t sum = 0;
    for (int use = 0; use < IC_WINDOW_USES; use++) {
        sum += w->used[use];
    }
    return sum;
}

size_t ic_window_kept(size_t limit, enum ic_window_use use)
{
    return limit / 16 * kept_16ths[use];
}

static size_t kept_for(const struct ic_window *w, int use)
{
    return ic_window_kept(w->limit, (enum ic_window_use)use);
}

static size_t beside_small(size_t limit)
{
    size_t small = kept_16ths[IC_WINDOW_SMALL_READ] + kept_16ths[IC_WINDOW_SMALL_WRITE];
    return limit / 16 * (16 - small);
}

size_t ic_window_stripe_max(size_t limit)
{
    size_t most = beside_small(limit) / 2;
    if (most >= IC_WINDOW_BUFFER_MAX) {
        return IC_WINDOW_BUFFER_MAX;
    }
    uint32_t class = class_of(most);
    return class > 0 && class_bytes(class) > most ? class_bytes(class - 1) : class_bytes(class);
}

/* What USE may have on top of what it has: what is free, less what is kept for the others. */
static size_t room_for(const struct ic_window *w, enum ic_window_use use)
{
    size_t taken = used_in_all(w);
    for (int other = 0; other < IC_WINDOW_USES; other++) {
        size_t kept = kept_for(w, other);
        if (other != (int)use && kept > w->used[other]) {
            taken += kept - w->used[other];
        }
    }
    return taken < w->limit ? w->limit - taken : 0;
}

static bool is_small(int use)
{
    return use == IC_WINDOW_SMALL_READ || use == IC_WINDOW_SMALL_WRITE;
}

/* G is small, and what it takes is kept for its use in any case. */
static bool is_in_its_part(const struct ic_window *w, const struct ic_grant *g)
{
    return is_small((int)g->use) && w->used[g->use] + g->reserved <= kept_for(w, (int)g->use);
}

/* The first of another line came before G, and its use has nothing: its minimum is more than what
 * is kept for it, and would never come free if others went on past it. */
static bool must_let_pass(const struct ic_window *w, const struct ic_grant *g)
{
    bool must = false;
    for (int use = 0; use < IC_WINDOW_USES; use++) {
        if (use != (int)g->use && w->used[use] == 0 && !ic_list_empty(&w->waiting[use])) {
            const struct ic_grant *first =
                IC_CONTAINER(w->waiting[use].next, struct ic_grant, node);
            must = must || first->since_ms < g->since_ms;
        }
    }
    bool only = is_small((int)g->use) && w->used[g->use] == 0;
    return must && !only && !is_in_its_part(w, g);
}

/* What is kept for small uses other than USE, and they do not have. */
static size_t kept_for_small(const struct ic_window *w, int use)
{
    size_t kept = 0;
    for (int small = 0; small < IC_WINDOW_USES; small++) {
        bool lacks = is_small(small) && small != use && w->used[small] < kept_for(w, small);
        kept += lacks ? kept_for(w, small) - w->used[small] : 0;
    }
    return kept;
}

/* A minimum that the others' parts leave no room for is given when its use has nothing else; one
 * that is more than there is beside what is small, when nobody else has any. */
static bool fits_alone(const struct ic_window *w, const struct ic_grant *g)
{
    if (g->reserved > beside_small(w->limit)) {
        return w->used[IC_WINDOW_READ] == 0 && w->used[IC_WINDOW_WRITE] == 0;
    }
    size_t others = used_in_all(w) + kept_for_small(w, (int)g->use);
    return w->used[g->use] == 0 && others + g->reserved <= w->limit;
}

static bool may_admit(const struct ic_window *w, const struct ic_grant *g)
{
    bool fits = is_in_its_part(w, g) || fits_alone(w, g) || g->reserved <= room_for(w, g->use);
    return fits && !must_let_pass(w, g);
}

static void admit(struct ic_window *w, struct ic_grant *g)
{
    g->admitted = true;
    w->used[g->use] += g->reserved;
    w->admitted++;
}

/* G is in its line no more. */
static void leave_line(struct ic_window *w, struct ic_grant *g)
{
    if (w->last_in_front[g->use] == g) {
        struct ic_list *before = g->node.prev;
        w->last_in_front[g->use] =
            before == &w->waiting[g->use] ? NULL : IC_CONTAINER(before, struct ic_grant, node);
    }
    ic_list_remove(&g->node);
    w->waiting_count--;
}

/* The first of USE's line goes on, if it may; nobody overtakes in the same line. */
static bool admit_first(struct ic_window *w, int use)
{
    if (ic_list_empty(&w->waiting[use])) {
        return false;
    }
    struct ic_grant *g = IC_CONTAINER(w->waiting[use].next, struct ic_grant, node);
    if (!may_admit(w, g)) {
        return false;
    }
    leave_line(w, g);
    admit(w, g);
    tell(w, g, 0);
    return true;
}

/* Memory came free: those in line go on. One that does may be what another line waited for. */
static void admit_waiting(struct ic_window *w)
{
    bool any = true;
    while (any) {
        any = false;
        for (int use = 0; use < IC_WINDOW_USES; use++) {
            any = admit_first(w, use) || any;
        }
    }
}

static struct ic_grant asking(const struct ic_window *w, enum ic_window_use use, size_t minimum)
{
    bool is_little = use == IC_WINDOW_READ && ic_window_is_small(minimum);
    return (struct ic_grant){.reserved = minimum,
                             .use = is_little ? IC_WINDOW_SMALL_READ : use,
                             .since_ms = ic_loop_now_ms(w->tell.loop)};
}

static bool may_admit_now(const struct ic_window *w, const struct ic_grant *g)
{
    return ic_list_empty(&w->waiting[g->use]) && may_admit(w, g);
}

bool ic_window_has_room(const struct ic_window *w, enum ic_window_use use, size_t minimum)
{
    struct ic_grant g = asking(w, use, minimum);
    return may_admit_now(w, &g);
}

bool ic_window_admit(struct ic_window *w, struct ic_grant *g, enum ic_window_use use,
                     size_t minimum, void (*ready)(void *ctx), void *ctx)
{
    *g = asking(w, use, minimum);
    g->window = w;
    g->ready = ready;
    g->ctx = ctx;
    ic_list_init(&g->node);
    ic_list_init(&g->buffers);
    if (may_admit_now(w, g)) {
        admit(w, g);
        return true;
    }
    ic_list_push_back(&w->waiting[g->use], &g->node);
    w->waiting_count++;
    if (w->waiting_count == 1 && w->on_waiting != NULL) {
        w->on_waiting(w->on_waiting_ctx);
    }
    return false;
}

void ic_window_bring_forward(struct ic_grant *g)
{
    struct ic_window *w = g->window;
    struct ic_grant *last = w->last_in_front[g->use];
    if (g->admitted || g->in_front) {
        return;
    }
    ic_list_remove(&g->node);
    ic_list_insert_after(last == NULL ? &w->waiting[g->use] : &last->node, &g->node);
    w->last_in_front[g->use] = g;
    g->in_front = true;
}

void ic_window_on_waiting(struct ic_window *w, void (*waiting)(void *ctx), void *ctx)
{
    w->on_waiting = waiting;
    w->on_waiting_ctx = ctx;
}

uint64_t ic_window_waited_ms(const struct ic_window *w, enum ic_window_use giver, uint64_t now_ms)
{
    uint64_t waited_ms = 0;
    bool has_others = w->used[giver] > kept_for(w, (int)giver);
    for (int use = 0; use < IC_WINDOW_USES; use++) {
        if ((use == (int)giver || has_others) && !ic_list_empty(&w->waiting[use])) {
            uint64_t since_ms = IC_CONTAINER(w->waiting[use].next, struct ic_grant, node)->since_ms;
            waited_ms = now_ms - since_ms > waited_ms ? now_ms - since_ms : waited_ms;
        }
    }
    return waited_ms;
}

bool ic_window_is_crowded(const struct ic_window *w, enum ic_window_use use)
{
    const struct ic_list *line = &w->waiting[use];
    uint64_t now_ms = ic_loop_now_ms(w->tell.loop);
    return w->waiting_count > CROWD_COUNT ||
           (!ic_list_empty(line) &&
            now_ms - IC_CONTAINER(line->next, struct ic_grant, node)->since_ms >= CROWD_MS);
}

void ic_window_leave(struct ic_grant *g)
{
    struct ic_window *w = g->window;
    struct ic_list *node;
    if (w == NULL) {
        return;
    }
    if (g->admitted) {
        ic_list_remove(&g->node);
        w->used[g->use] -= charge(g) - g->held; /* what is held stays counted, by buffer */
        w->admitted--;
    } else {
        leave_line(w, g);
    }
    while ((node = ic_list_pop_front(&g->buffers)) != NULL) {
        IC_CONTAINER(node, struct buffer, node)->grant = NULL;
    }
    g->window = NULL;
    admit_waiting(w);
}

/* ---- buffers ---------------------------------------------------------------- */

static bool may_take(const struct ic_window *w, const struct ic_grant *g, size_t bytes)
{
    if (g->held + bytes <= g->reserved) {
        return true;
    }
    size_t more = g->held + bytes - charge(g);
    return w->waiting_count == 0 && more <= room_for(w, g->use) &&
           used_in_all(w) + more <= w->limit / 100 * GROWTH_SHARE_PERCENT;
}

static void on_release(struct ic_buf *buf, void *ctx)
{
    struct buffer *b = IC_CONTAINER(buf, struct buffer, buf);
    struct ic_window *w = ctx;
    struct ic_grant *g = b->grant;
    size_t bytes = class_bytes(b->class);
    ic_list_remove(&b->node);
    w->taken -= bytes;
    if (g == NULL) {
        w->used[b->use] -= bytes;
    } else {
        size_t before = charge(g);
        g->held -= bytes;
        w->used[g->use] -= before - charge(g);
        if (g->wanting) {
            g->wanting = false;
            tell(w, g, 0);
        }
    }
    buffer_put(w, b);
    admit_waiting(w);
}

bool ic_window_can_take(struct ic_grant *g, size_t size, uint32_t count)
{
    bool may = g->admitted && may_take(g->window, g, ic_window_size(size) * count);
    g->wanting = g->wanting || !may;
    return may;
}

struct ic_buf *ic_window_take(struct ic_grant *g, size_t size)
{
    struct ic_window *w = g->window;
    assert(g->admitted);
    uint32_t class = class_of(size);
    size_t bytes = class_bytes(class);
    if (!may_take(w, g, bytes)) {
        g->wanting = true;
        return NULL;
    }
    struct buffer *b = buffer_get(w, class);
    if (b == NULL) {
        tell(w, g, IC_WINDOW_RETRY_MS);
        return NULL;
    }
    size_t before = charge(g);
    g->held += bytes;
    w->used[g->use] += charge(g) - before;
    w->taken += bytes;
    w->takes++;
    b->grant = g;
    b->use = g->use;
    ic_list_push_back(&g->buffers, &b->node);
    ic_buf_on_release(&b->buf, on_release, w);
    ic_buf_revive(&b->buf);
    w->peak = w->taken + w->cached > w->peak ? w->taken + w->cached : w->peak;
    return &b->buf;
}

/* ---- life ------------------------------------------------------------------- */

struct ic_window *ic_window_new(struct ic_loop *loop, size_t limit)
{
    struct ic_window *w = ic_calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->limit = limit;
    ic_timer_init(&w->tell, loop, on_tell, w);
    ic_timer_init(&w->trim, loop, on_trim, w);
    for (int use = 0; use < IC_WINDOW_USES; use++) {
        ic_list_init(&w->waiting[use]);
    }
    ic_list_init(&w->told);
    for (uint32_t class = 0; class < CLASS_COUNT; class ++) {
        ic_list_init(&w->free[class]);
    }
    return w;
}

void ic_window_free(struct ic_window *w)
{
    if (w == NULL) {
        return;
    }
    assert(w->taken == 0 && w->waiting_count == 0);
    ic_timer_stop(&w->tell);
    ic_timer_stop(&w->trim);
    shrink_cache(w, 0);
    ic_free(w);
}

struct ic_window_stats ic_window_stats(const struct ic_window *w)
{
    return (struct ic_window_stats){
        .limit = w->limit,
        .used = used_in_all(w),
        .taken = w->taken,
        .cached = w->cached,
        .peak = w->peak,
        .admitted = w->admitted,
        .waiting = w->waiting_count,
    };
}
