/*
 * command_transaction.c - MULTI, EXEC, WATCH. Queued values are sealed drafts, so EXEC
 * has nothing to wait for: its commands run in one turn, and what they change is one transaction of
 * the journal. If they are more than a turn takes EXEC goes on alone in the next (turns.h), and
 * each turn's changes are a transaction: no client sees it half done, but a crash may leave it so.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "proxy/command_handlers.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"

#include <assert.h>
#include <limits.h>

struct ic_queued_command {
    struct ic_list node; /* in session->queued */
    const struct ic_command *command;
    uint32_t argc;
    size_t bytes;        /* of this, its arguments included */
    struct ic_arg *argv; /* they lie behind, and behind them their bytes; but if */
    bool apart;          /* a block of their own, and their bytes in */
    struct ic_buf text;  /* the request's, which was taken over */
};

enum {
    WATCH_UNITS = 2,       /* of work, of a key */
    END_UNITS = 4,         /* of a transaction, whatever it did */
    DROP_STEPS = 16,       /* that a draft is which is dropped: two units, */
    FREE_STEPS = 2,        /* a queued command that is freed, */
    UNWATCH_STEPS = 8,     /* and a watch */
    AT_ONCE = 100,         /* arguments of a command whose drafts are dropped in the same turn */
    COPIED_MAX = 64 << 10, /* bytes of a command that are copied to be queued */
};

struct session_watch {
    struct ic_map_node node; /* in session->watches */
    struct ic_list link;     /* in session->watch_list */
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
    ic_list_init(&s->watch_list);
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

static struct ic_queued_command *copy_call(struct ic_call *c, size_t bytes)
{
    struct ic_queued_command *q = ic_calloc(1, bytes);
    if (q == NULL) {
        return NULL;
    }
    q->command = c->command;
    q->argc = c->argc;
    q->bytes = bytes;
    q->argv = (struct ic_arg *)(q + 1);
    uint8_t *to = (uint8_t *)&q->argv[c->argc];
    for (uint32_t i = 0; i < c->argc; i++) {
        struct ic_slice from = c->argv[i].bytes;
        q->argv[i] = c->argv[i];
        c->argv[i].draft = NULL; /* the queue's now */
        if (from.data != NULL && from.len > 0) {
            memcpy(to, from.data, from.len);
            q->argv[i].bytes = ic_slice(to, from.len);
            to += from.len;
        }
    }
    return q;
}

/* The same without a copy: the request is the queue's. */
static struct ic_queued_command *take_over(struct ic_session *s, struct ic_call *c)
{
    struct ic_queued_command *q = ic_malloc(sizeof(*q));
    if (q == NULL) {
        return NULL;
    }
    assert(c->argv == s->argv);
    *q = (struct ic_queued_command){
        .command = c->command,
        .bytes = sizeof(*q) + s->argv_cap * sizeof(*s->argv) + s->parser.bytes.cap,
        .argc = c->argc,
        .argv = s->argv,
        .apart = true,
        .text = s->parser.bytes,
    };
    s->argv = c->argv = NULL;
    s->argv_cap = c->argc = 0;
    s->argv_drafts = false;
    ic_buf_init(&s->parser.bytes);
    return q;
}

/* Drops drafts of ARGV from its end on, as many as are MOST steps' work. Returns how many that
 * was, and makes ARGC what is left. */
static unsigned drop_drafts(struct ic_store *store, const struct ic_arg *argv, uint32_t *argc,
                            unsigned most)
{
    unsigned dropped = 0, looked = 0;
    while (*argc > 0 && dropped + looked / IC_TURNS_ARGUMENTS < most) {
        struct ic_object *draft = argv[--*argc].draft;
        looked++;
        if (draft != NULL) {
            ic_store_drop(store, draft);
            dropped += DROP_STEPS;
        }
    }
    return dropped + looked / IC_TURNS_ARGUMENTS;
}

/* Drops drafts of Q, and frees it when it has no more, within about MOST steps; returns how many.
 */
static unsigned free_queued(struct ic_store *store, struct ic_queued_command *q, unsigned most)
{
    unsigned steps = drop_drafts(store, q->argv, &q->argc, most);
    if (q->argc == 0) {
        ic_list_remove(&q->node);
        ic_free(q->apart ? q->argv : NULL);
        ic_buf_deinit(&q->text);
        ic_free(q);
        steps += FREE_STEPS;
    }
    return steps < most ? steps : most;
}

static void free_watch(struct ic_store *store, struct session_watch *w)
{
    ic_list_remove(&w->link);
    ic_store_unwatch(store, &w->watch);
    ic_free(w);
}

unsigned ic_transaction_free_some(struct ic_sessions *all, unsigned most)
{
    struct ic_store *store = all->proxy->store;
    unsigned done = 0;
    while (done < most) {
        if (!ic_list_empty(&all->old_queued)) {
            done += free_queued(store,
                                IC_CONTAINER(all->old_queued.next, struct ic_queued_command, node),
                                most - done);
        } else if (!ic_list_empty(&all->old_watches)) {
            free_watch(store, IC_CONTAINER(all->old_watches.next, struct session_watch, link));
            done += UNWATCH_STEPS;
        } else {
            break;
        }
    }
    return done < most ? done : most;
}

/* What is left for later, which may be much, has nothing to do with the session any more. */
static void free_later(struct ic_session *s, struct ic_list *from, struct ic_list *old)
{
    ic_list_move_all(from, old);
    ic_sessions_chores(s->sessions);
}

static void free_one_later(struct ic_session *s, struct ic_queued_command *q)
{
    ic_list_push_back(&s->sessions->old_queued, &q->node);
    ic_sessions_chores(s->sessions);
}

void ic_transaction_drop_arguments(struct ic_session *s)
{
    uint32_t argc = s->argv_drafts ? s->argv_cap : 0;
    struct ic_queued_command *q = argc > AT_ONCE ? ic_calloc(1, sizeof(*q)) : NULL;
    s->argv_drafts = false;
    if (q != NULL) {
        *q = (struct ic_queued_command){.argv = s->argv, .argc = argc, .apart = true};
        free_one_later(s, q);
    } else {
        drop_drafts(s->proxy->store, s->argv, &argc, UINT_MAX);
        if (s->argv_cap > 0 && s->argv_cap <= IC_SESSION_ARGV_KEPT) {
            memset(s->argv, 0, s->argv_cap * sizeof(*s->argv));
            return;
        }
        ic_free(s->argv);
    }
    s->argv = NULL;
    s->argv_cap = 0;
}

void ic_transaction_drop_queue(struct ic_session *s)
{
    s->queued_count = 0;
    s->queued_bytes = 0;
    s->queued_use = (struct ic_pool_use){0};
    free_later(s, &s->queued, &s->sessions->old_queued);
}

/* NULL: replied with an error, and EXEC will fail. */
static struct ic_queued_command *take_call(struct ic_session *s, struct ic_call *c)
{
    struct ic_queued_command *q = NULL;
    size_t bytes = queued_size(c), more = bytes > COPIED_MAX ? 0 : bytes;
    if (ic_session_query_fits(s, more + IC_SESSION_QUERY_SPARE)) {
        q = more == 0 ? take_over(s, c) : copy_call(c, bytes);
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
    ic_turns_worked(&s->sessions->turns, &s->worker, 1);
    if (!s->dirty_exec) {
        struct ic_queued_command *q = take_call(s, c);
        if (q == NULL) {
            return;
        }
        for (uint32_t i = 0; i < q->argc; i++) {
            if (q->argv[i].draft != NULL) {
                ic_pool_use_add(&s->queued_use, ic_object_use(q->argv[i].draft));
            }
        }
        ic_list_push_back(&s->queued, &q->node);
        s->queued_count++;
        s->queued_bytes += q->bytes;
        s->queued_writes = s->queued_writes || (c->command->flags & IC_COMMAND_WRITE) != 0;
    }
    ic_resp_status(c->out, "QUEUED");
}

static void unwatch_all(struct ic_session *s)
{
    ic_map_deinit(&s->watches);
    s->watched_bytes = 0;
    free_later(s, &s->watch_list, &s->sessions->old_watches);
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
    ic_call_worked(c, END_UNITS);
    ic_transaction_discard(c->session);
    ic_call_ok(c);
}

/* Where EXEC is: the call's job. */
struct exec {
    struct ic_session *session;
    struct ic_list *watch; /* the next to be looked at; the list's head: all are clean */
    bool begun;            /* the array */
    struct ic_call inner;  /* the first of the queue, if it is begun */
};

static void exec_free(void *job)
{
    struct exec *e = job;
    struct ic_session *s = e->session;
    if (e->inner.job != NULL) {
        e->inner.job_free(e->inner.job);
    }
    s->in_exec = false;
    ic_transaction_discard(s);
    ic_free(e);
}

/* NULL: replied with an error. */
static struct exec *exec_new(struct ic_call *c)
{
    struct exec *e = ic_calloc(1, sizeof(*e));
    if (e == NULL) {
        ic_call_error(c, "-EXECABORT Transaction discarded because of: out of memory");
        ic_transaction_discard(c->session);
        return NULL;
    }
    ic_call_worked(c, END_UNITS);
    e->session = c->session;
    e->watch = c->session->watch_list.next;
    c->job = e;
    c->job_free = exec_free;
    c->job_memory = sizeof(*e);
    return e;
}

/* Looks at the watches that are left. False: one is dirty, or there are more than this turn takes.
 */
static bool watches_clean(struct ic_call *c, struct exec *e)
{
    struct ic_session *s = c->session;
    while (e->watch != &s->watch_list) {
        const struct session_watch *w = IC_CONTAINER(e->watch, struct session_watch, link);
        if (ic_store_watch_dirty(c->proxy->store, &w->watch, c->wall_ms)) {
            ic_resp_null_array(c->out);
            return false;
        }
        e->watch = e->watch->next;
        if (!ic_call_goes_on_alone(c, 1)) {
            return false;
        }
    }
    return true;
}

static void begin_inner(struct ic_call *c, struct exec *e, struct ic_queued_command *q)
{
    if (e->inner.command == NULL) {
        e->inner = (struct ic_call){.proxy = c->proxy,
                                    .session = c->session,
                                    .command = q->command,
                                    .argv = q->argv,
                                    .argc = q->argc,
                                    .wall_ms = c->wall_ms,
                                    .out = c->out};
    }
}

/* Others wait for the keys: what looks at them gets no more than two walks over all of them, or
 * some turns' work. What changes them is done in any case. */
static bool has_seen_enough(const struct ic_session *s, const struct ic_command *command)
{
    uint64_t most = ic_turns_exec_units(&s->sessions->turns) + 2 * ic_store_count(s->proxy->store);
    return s->exec_units > most && (command->flags & IC_COMMAND_WRITE) == 0;
}

/* Runs the queue, as much of it as this turn takes. A failed command does not stop the ones after
 * it, as in Redis. */
static void run_queue(struct ic_call *c, struct exec *e)
{
    struct ic_session *s = c->session;
    if (!e->begun) {
        ic_resp_array(c->out, s->queued_count);
    }
    s->exec_units = e->begun ? s->exec_units : 0;
    e->begun = true;
    s->multi = false;
    s->in_exec = true;
    s->queued_use = (struct ic_pool_use){0};
    bool more = true;
    while (more && !ic_list_empty(&s->queued)) {
        struct ic_queued_command *q = IC_CONTAINER(s->queued.next, struct ic_queued_command, node);
        begin_inner(c, e, q);
        if (has_seen_enough(s, q->command)) {
            ic_session_refuse(s, &e->inner,
                              "the transaction has taken too much work, see turn-work");
        } else {
            c->unfinished = !ic_session_execute(s, &e->inner);
        }
        if (c->unfinished) {
            return;
        }
        e->inner.command = NULL;
        ic_list_remove(&q->node);
        if (q->argc > AT_ONCE) {
            free_one_later(s, q);
        } else {
            free_queued(c->proxy->store, q, UINT_MAX);
        }
        more = ic_call_goes_on_alone(c, 0);
    }
}

void ic_command_exec(struct ic_call *c)
{
    struct ic_session *s = c->session;
    if (c->job == NULL && !s->multi) {
        ic_call_error(c, "EXEC without MULTI");
        return;
    }
    if (c->job == NULL && s->dirty_exec) {
        ic_call_error(c, "-EXECABORT Transaction discarded because of previous errors.");
        ic_transaction_discard(s);
        return;
    }
    struct exec *e = c->job != NULL ? c->job : exec_new(c);
    if (e != NULL && watches_clean(c, e)) {
        run_queue(c, e);
    }
}

static struct session_watch *watch_new(struct ic_slice key)
{
    struct session_watch *w = ic_calloc(1, sizeof(*w) + key.len);
    if (w != NULL && key.len > 0) {
        memcpy(w->key, key.data, key.len);
    }
    if (w != NULL) {
        w->key_len = key.len;
        ic_list_init(&w->link);
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
    ic_list_push_back(&s->watch_list, &w->link);
    s->watched_bytes += watch_size(key.len);
    return 0;
}

static void say_not_watched(struct ic_call *c, int result)
{
    if (result != IC_ETOOBIG) {
        ic_call_error(c, "out of memory");
        return;
    }
    c->session->sessions->stats.query_buffer_limit_refusals++;
    ic_call_errorf(c,
                   "the watched keys take more memory than client-query-buffer-limit (%lld bytes)",
                   (long long)c->proxy->config->client_query_buffer_limit);
}

static void watch_key(struct ic_call *c, uint32_t index)
{
    int result = c->failed ? 0 : watch(c, c->argv[index].bytes);
    if (result < 0) {
        say_not_watched(c, result);
    }
}

/* Each key is watched from its moment on; all of them are when the reply comes. */
void ic_command_watch(struct ic_call *c)
{
    if (c->session->multi) {
        ic_call_error(c, "WATCH inside MULTI is not allowed");
    } else if (ic_call_each(c, 1, WATCH_UNITS, watch_key) && !c->failed) {
        ic_call_ok(c);
    }
}

void ic_command_unwatch(struct ic_call *c)
{
    unwatch_all(c->session);
    ic_call_ok(c);
}
