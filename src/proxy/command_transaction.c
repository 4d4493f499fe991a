/*
 * command_transaction.c - MULTI, EXEC, WATCH. Queued values are sealed drafts, so EXEC
 * has nothing to wait for: all its commands run in one turn, and what they change is one
 * record of the journal.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "proxy/command_handlers.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"

struct ic_queued_command {
    struct ic_list node; /* in session->queued */
    const struct ic_command *command;
    uint32_t argc;
    size_t bytes;         /* of this, its arguments included */
    struct ic_arg argv[]; /* their bytes lie behind */
};

enum { WATCH_UNITS = 2 }; /* of work, of a key */

struct session_watch {
    struct ic_map_node node; /* in session->watches */
    struct ic_watch watch;
    size_t key_len;
    uint8_t key[];
};

/* What a watch of a key of so many bytes takes, with its places in two maps: the session's, and the
 * store's. */
static size_t watch_size(size_t key_len)
{
    return sizeof(struct session_watch) + key_len + 4 * sizeof(void *);
}

static struct session_watch *watch_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct session_watch, node);
}

static struct ic_slice watched_key(const struct session_watch *w)
{
    return ic_slice(w->key, w->key_len);
}

static bool watch_matches(const struct ic_map_node *node, struct ic_slice key)
{
    return ic_slice_equal(watched_key(watch_of(node)), key);
}

void ic_transaction_init(struct ic_session *s)
{
    ic_list_init(&s->queued);
    ic_map_init(&s->watches, ic_rng_next(&s->proxy->rng), watch_matches);
}

/* ---- the queue ---- */

/* What C takes when it is queued. */
static size_t queued_size(const struct ic_call *c)
{
    size_t bytes = sizeof(struct ic_queued_command) + c->argc * sizeof(struct ic_arg);
    for (uint32_t i = 0; i < c->argc; i++) {
        bytes += c->argv[i].bytes.data == NULL ? 0 : c->argv[i].bytes.len;
    }
    return bytes;
}

static struct ic_queued_command *copy_call(const struct ic_call *c)
{
    size_t bytes = queued_size(c);
    struct ic_queued_command *q = ic_calloc(1, bytes);
    if (q == NULL) {
        return NULL;
    }
    q->command = c->command;
    q->argc = c->argc;
    q->bytes = bytes;
    uint8_t *to = (uint8_t *)&q->argv[c->argc];
    for (uint32_t i = 0; i < c->argc; i++) {
        struct ic_slice from = c->argv[i].bytes;
        q->argv[i] = c->argv[i];
        if (from.data != NULL && from.len > 0) {
            memcpy(to, from.data, from.len);
            q->argv[i].bytes = ic_slice(to, from.len);
            to += from.len;
        }
    }
    return q;
}

static void free_queued(struct ic_session *s, struct ic_queued_command *q)
{
    ic_list_remove(&q->node);
    s->queued_count--;
    s->queued_bytes -= q->bytes;
    for (uint32_t i = 0; i < q->argc; i++) {
        if (q->argv[i].draft != NULL) {
            ic_store_drop(s->proxy->store, q->argv[i].draft);
        }
    }
    ic_free(q);
}

uint64_t ic_transaction_pool_bytes(const struct ic_session *s)
{
    uint64_t bytes = 0;
    IC_LIST_EACH (node, &s->queued) {
        const struct ic_queued_command *q = IC_CONTAINER(node, struct ic_queued_command, node);
        for (uint32_t i = 0; i < q->argc; i++) {
            bytes += q->argv[i].draft == NULL ? 0 : q->argv[i].draft->size;
        }
    }
    return bytes;
}

void ic_transaction_drop_queue(struct ic_session *s)
{
    IC_LIST_EACH (node, &s->queued) {
        free_queued(s, IC_CONTAINER(node, struct ic_queued_command, node));
    }
}

/* NULL: replied with an error, and EXEC will fail. */
static struct ic_queued_command *take_call(struct ic_session *s, struct ic_call *c)
{
    struct ic_queued_command *q = NULL;
    if (ic_session_query_fits(s, queued_size(c) + IC_SESSION_QUERY_SPARE)) {
        q = copy_call(c);
        if (q != NULL) {
            return q;
        }
        ic_call_error(c, "out of memory");
    } else {
        s->sessions->stats.query_buffer_limit_refusals++;
        ic_call_errorf(c,
                       "the transaction takes more memory than client-query-buffer-limit (%lld "
                       "bytes)",
                       (long long)s->proxy->config->client_query_buffer_limit);
    }
    s->dirty_exec = true;
    ic_transaction_drop_queue(s);
    return NULL;
}

void ic_transaction_queue(struct ic_session *s, struct ic_call *c)
{
    if (!s->dirty_exec) {
        struct ic_queued_command *q = take_call(s, c);
        if (q == NULL) {
            return;
        }
        for (uint32_t i = 0; i < c->argc; i++) {
            c->argv[i].draft = NULL; /* the queue's now */
        }
        ic_list_push_back(&s->queued, &q->node);
        s->queued_count++;
        s->queued_bytes += q->bytes;
        s->queued_writes = s->queued_writes || (c->command->flags & IC_COMMAND_WRITE) != 0;
    }
    ic_resp_status(c->out, "QUEUED");
}

static void unwatch(struct ic_map_node *node, void *ctx)
{
    struct ic_session *s = ctx;
    struct session_watch *w = watch_of(node);
    ic_store_unwatch(s->proxy->store, &w->watch);
    s->watched_bytes -= watch_size(w->key_len);
    ic_free(w);
}

static void unwatch_all(struct ic_session *s)
{
    ic_map_each(&s->watches, unwatch, s);
    ic_map_deinit(&s->watches);
}

void ic_transaction_discard(struct ic_session *s)
{
    ic_transaction_drop_queue(s);
    unwatch_all(s);
    s->multi = s->dirty_exec = s->queued_writes = false;
}

/* ---- commands ---- */

void ic_command_multi(struct ic_call *c)
{
    if (c->session->multi) {
        ic_call_error(c, "MULTI calls can not be nested");
        return;
    }
    c->session->multi = true;
    ic_call_ok(c);
}

void ic_command_discard(struct ic_call *c)
{
    if (!c->session->multi) {
        ic_call_error(c, "DISCARD without MULTI");
        return;
    }
    ic_transaction_discard(c->session);
    ic_call_ok(c);
}

struct dirt {
    const struct ic_call *call;
    bool found;
};

static void look_for_dirt(struct ic_map_node *node, void *ctx)
{
    struct dirt *dirt = ctx;
    const struct ic_call *c = dirt->call;
    dirt->found =
        dirt->found || ic_store_watch_dirty(c->proxy->store, &watch_of(node)->watch, c->wall_ms);
}

static bool watches_dirty(struct ic_call *c)
{
    struct dirt dirt = {.call = c};
    ic_map_each(&c->session->watches, look_for_dirt, &dirt);
    return dirt.found;
}

/* Too many commands for one turn, whatever they are. Of a command's arguments half or fewer are
 * keys. */
static bool is_too_long(const struct ic_session *s)
{
    uint64_t units = 0;
    IC_LIST_EACH (node, &s->queued) {
        units += 1 + IC_CONTAINER(node, struct ic_queued_command, node)->argc / 2;
    }
    return units > ic_turns_at_once(&s->sessions->turns);
}

/* Runs the queue. A failed command does not stop the ones after it, as in Redis. */
static void run_queue(struct ic_call *c)
{
    struct ic_session *s = c->session;
    s->multi = false;
    s->in_exec = true;
    s->exec_units = 0;
    ic_resp_array(c->out, s->queued_count);
    IC_LIST_EACH (node, &s->queued) {
        struct ic_queued_command *q = IC_CONTAINER(node, struct ic_queued_command, node);
        struct ic_call inner = {.proxy = c->proxy,
                                .session = s,
                                .command = q->command,
                                .argv = q->argv,
                                .argc = q->argc,
                                .wall_ms = c->wall_ms,
                                .out = c->out};
        ic_session_execute_at_once(s, &inner);
    }
    s->in_exec = false;
}

void ic_command_exec(struct ic_call *c)
{
    struct ic_session *s = c->session;
    if (!s->multi) {
        ic_call_error(c, "EXEC without MULTI");
        return;
    }
    if (s->dirty_exec) {
        ic_call_error(c, "-EXECABORT Transaction discarded because of previous errors.");
    } else if (is_too_long(s)) {
        ic_call_errorf(c,
                       "-EXECABORT Transaction discarded because of: it takes more than %llu steps "
                       "of work at once, see turn-work",
                       (unsigned long long)ic_turns_at_once(&s->sessions->turns));
    } else if (watches_dirty(c)) {
        ic_resp_null_array(c->out);
    } else {
        run_queue(c);
    }
    ic_transaction_discard(s);
}

static struct session_watch *watch_new(struct ic_slice key)
{
    struct session_watch *w = ic_calloc(1, sizeof(*w) + key.len);
    if (w != NULL && key.len > 0) {
        memcpy(w->key, key.data, key.len);
    }
    if (w != NULL) {
        w->key_len = key.len;
    }
    return w;
}

static int watch(struct ic_call *c, struct ic_slice key)
{
    struct ic_session *s = c->session;
    if (ic_map_find(&s->watches, key) != NULL) {
        return 0;
    }
    if (!ic_session_query_fits(s, watch_size(key.len) + IC_SESSION_QUERY_SPARE)) {
        return IC_ETOOBIG;
    }
    if (s->watches.count >= ic_turns_at_once(&s->sessions->turns)) {
        return IC_EBUSY; /* EXEC looks at all of them at once */
    }
    struct session_watch *w = watch_new(key);
    if (w == NULL || ic_map_insert(&s->watches, &w->node, watched_key(w)) < 0) {
        ic_free(w);
        return IC_ENOMEM;
    }
    int result = ic_store_watch(s->proxy->store, &w->watch, watched_key(w), c->wall_ms);
    if (result < 0) {
        ic_map_remove(&s->watches, &w->node);
        ic_free(w);
        return result;
    }
    s->watched_bytes += watch_size(key.len);
    return 0;
}

static void say_not_watched(struct ic_call *c, int result)
{
    if (result == IC_EBUSY) {
        ic_call_errorf(c, "more than %llu keys are watched, see turn-work",
                       (unsigned long long)ic_turns_at_once(&c->session->sessions->turns));
        return;
    }
    if (result != IC_ETOOBIG) {
        ic_call_error(c, "out of memory");
        return;
    }
    c->session->sessions->stats.query_buffer_limit_refusals++;
    ic_call_errorf(c,
                   "the watched keys take more memory than client-query-buffer-limit (%lld bytes)",
                   (long long)c->proxy->config->client_query_buffer_limit);
}

void ic_command_watch(struct ic_call *c)
{
    if (c->session->multi) {
        ic_call_error(c, "WATCH inside MULTI is not allowed");
        return;
    }
    int result = 0;
    for (uint32_t i = c->next + 1; i < c->argc && result == 0; i++) {
        result = watch(c, c->argv[i].bytes);
        c->next = i;
        if (result == 0 && i + 1 < c->argc && !ic_call_goes_on(c, WATCH_UNITS)) {
            return;
        }
    }
    if (result == 0) {
        ic_call_ok(c);
    } else {
        say_not_watched(c, result);
    }
}

void ic_command_unwatch(struct ic_call *c)
{
    unwatch_all(c->session);
    ic_call_ok(c);
}
