/*
 * sessions.c - accepts clients and looks after them once a second: idle ones, slow
 * readers, values that are not continued.
 */
#include "proxy/sessions.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "core/pool.h"
#include "proxy/functions.h"
#include "proxy/proxy.h"
#include "proxy/store.h"
#include "proxy/value.h"
#include "proxy/window.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 1000,
    CUTS_LEAST = 10, /* clients that one tick closes in any turn; the next comes soon then: */
    SOON_MS = 10,
    CHORES_SLICE = 2000, /* steps (ic_transaction_free_some) in a turn, at least, */
    CHORES_TURNS = 2,    /* or what is left of so many turns' work, or half of one's, */
    STEPS_A_UNIT = 8,
    PASSWORD_MAX = 4096,
    RELIEVE_MS = 20,          /* between two looks at who holds window memory, while some wait */
    WITHDRAW_SLICE = 8 << 20, /* bytes of uploads that stall which one look copies */
    WAIT_MS = 250,            /* for who has waited so long slow readers are cut */
    CUT_MS = 100,             /* between two of them; who is near its end is not */
    HOLDERS_MAX = 16,         /* clients that one tick closes for what they keep of the pool */
};

static const double MUCH = 1.0 / 16; /* of the pool is much for one client to keep, */
static const double MOST = 1.0 / 2;  /* and this for all of them */

static void set_run_id(struct ic_sessions *all)
{
    uint8_t random[20];
    ic_random_fill(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(all->run_id + 2 * i, 3, "%02x", random[i]);
    }
}

/* The first line of the password's file, or the environment's. WHY says what is wrong. */
static int load_password(struct ic_sessions *all, char *why)
{
    const char *path = all->proxy->config->requirepass_file;
    const char *password = getenv("INFINICACHE_PASSWORD");
    char line[PASSWORD_MAX + 2];
    if (path != NULL && path[0] != '\0') {
        FILE *file = fopen(path, "re");
        if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
            snprintf(why, IC_SESSIONS_WHY_MAX, "requirepass-file %s: %s", path,
                     file == NULL ? strerror(errno) : "it is empty");
            if (file != NULL) {
                fclose(file);
            }
            return IC_EIO;
        }
        fclose(file);
        line[strcspn(line, "\r\n")] = '\0';
        password = line;
    }
    if (password != NULL && strlen(password) > PASSWORD_MAX) {
        snprintf(why, IC_SESSIONS_WHY_MAX, "the password is longer than %d bytes", PASSWORD_MAX);
        return IC_EINVAL;
    }
    return password == NULL ? 0 : ic_buf_append_str(&all->password, password);
}

/* The last replies to the client wait, and it has read nothing of them for so long as it may. */
static bool leaves_last_replies(struct ic_session *s, uint64_t now_ms)
{
    if (ic_stream_queued(s->stream) == 0 || (!s->ended && s->state != IC_SESSION_CLOSING)) {
        s->tick_ms = now_ms;
        return false;
    }
    uint64_t read = ic_reply_acknowledged(&s->reply);
    if (read != s->tick_mark) {
        s->tick_mark = read;
        s->tick_ms = now_ms;
    }
    return now_ms - s->tick_ms >= IC_SESSION_STALL_MS;
}

/* The rest of a request is its client's to send, and values of it are in the pool. */
static bool leaves_request(const struct ic_session *s)
{
    bool holds = ic_session_open_value(s) != NULL || s->drafts_use.chunks > 0;
    return holds && s->state == IC_SESSION_READING && !s->starved;
}

/* Why S is to be closed now, or NULL. */
static const char *fault(struct ic_session *s, uint64_t now_ms)
{
    const struct ic_config *c = s->proxy->config;
    uint64_t idle_ms = now_ms - s->active_ms;
    if (!ic_reply_fast_enough(&s->reply, now_ms, (uint64_t)c->min_read_rate, s->bytes_in,
                              s->state == IC_SESSION_CLOSING)) {
        return "it reads slower than min-read-rate";
    }
    if (leaves_last_replies(s, now_ms)) {
        return "it does not read its last replies";
    }
    if (s->streaming != NULL && !ic_value_fast_enough(s->streaming, (uint64_t)c->min_write_rate)) {
        return "it writes slower than min-write-rate";
    }
    if (leaves_request(s) && idle_ms > IC_SESSION_STALL_MS) {
        return "it does not continue a request with a value";
    }
    if (c->timeout_s > 0 && idle_ms > (uint64_t)c->timeout_s * 1000 &&
        s->state == IC_SESSION_READING && s->streaming == NULL && ic_reply_empty(&s->reply) &&
        ic_stream_queued(s->stream) == 0) {
        return "idle";
    }
    return NULL;
}

static void cut(struct ic_session *s, const char *why)
{
    s->sessions->stats.connections_cut++;
    if (ic_stream_queued(s->stream) > 0) { /* it does not read: nor what the system has for it */
        ic_stream_reset_on_free(s->stream);
    }
    ic_session_end(s, why);
}

/* Uploads that stall give their window memory back, as far as a turn may copy. False: not all. */
static bool withdraw_uploads(struct ic_sessions *all)
{
    size_t copied = 0;
    IC_LIST_EACH (node, &all->list) {
        struct ic_session *s = IC_CONTAINER(node, struct ic_session, node);
        size_t bytes = s->streaming == NULL ? 0 : ic_value_withdraw(s->streaming);
        if (bytes > 0) {
            ic_turns_line_up(&all->turns, &s->worker); /* it is charged */
        }
        copied += bytes;
        if (copied > WITHDRAW_SLICE) {
            return false;
        }
    }
    return true;
}

/* The reader that would keep its window memory the longest, at its pace, loses it. */
static void cut_slowest_reader(struct ic_sessions *all, uint64_t now_ms)
{
    uint64_t longest_ms = IC_SESSION_NEAR_MS;
    struct ic_session *slowest = NULL;
    IC_LIST_EACH (node, &all->list) {
        struct ic_session *s = IC_CONTAINER(node, struct ic_session, node);
        uint64_t ms = ic_reply_hold_ms(&s->reply, now_ms);
        slowest = ms > longest_ms ? s : slowest;
        longest_ms = ms > longest_ms ? ms : longest_ms;
    }
    if (slowest != NULL) {
        cut(slowest, "it is slow, and holds memory that others wait for");
    }
    all->reader_cut_ms = now_ms;
}

/* While somebody waits for window memory: uploads that stall lose nothing but their place, readers
 * that hardly read are cut, one at a time, until all that is left will soon be given back. */
static void on_relieve(void *ctx)
{
    struct ic_sessions *all = ctx;
    uint64_t now_ms = ic_loop_now_ms(all->proxy->loop);
    if (ic_window_stats(all->proxy->window).waiting == 0) {
        return;
    }
    bool all_withdrawn = withdraw_uploads(all);
    if (ic_window_waited_ms(all->proxy->window, IC_WINDOW_READ, now_ms) >= WAIT_MS &&
        now_ms - all->reader_cut_ms >= CUT_MS) {
        cut_slowest_reader(all, now_ms);
    }
    bool soon = !all_withdrawn || ic_window_is_crowded(all->proxy->window, IC_WINDOW_WRITE);
    ic_timer_start(&all->relieve, soon ? SOON_MS : RELIEVE_MS);
}

static void on_waiting(void *ctx)
{
    struct ic_sessions *all = ctx;
    if (!all->relieve.armed) {
        ic_timer_start(&all->relieve, RELIEVE_MS);
    }
}

/* The whole pool: no values where `maxmemory` does not bound them. */
static struct ic_pool_use whole_pool(const struct ic_sessions *all)
{
    const struct ic_pool *pool = ic_functions_pool(all->proxy->functions);
    struct ic_pool_use whole = {.values = (uint64_t)all->proxy->config->maxmemory};
    for (uint32_t i = 0; i < ic_pool_count(pool); i++) {
        whole.chunks += ic_pool_capacity(pool, (uint16_t)i);
    }
    return whole;
}

/* What USE is of the WHOLE, by the measure by which it is more. */
static double part_of(struct ic_pool_use whole, struct ic_pool_use use)
{
    double chunks = (double)use.chunks / (double)(whole.chunks + 1);
    double values = whole.values > 0 ? (double)use.values / (double)whole.values : 0;
    return chunks > values ? chunks : values;
}

/* Who keeps the most of the pool to themselves, those with most first. */
struct holders {
    struct ic_session *session[HOLDERS_MAX];
    double part[HOLDERS_MAX]; /* of the pool */
    unsigned count;
    struct ic_pool_use kept; /* by all clients */
};

static void add_holder(struct holders *h, struct ic_session *s, double part)
{
    unsigned at = h->count < HOLDERS_MAX ? h->count++ : HOLDERS_MAX - 1;
    for (; at > 0 && h->part[at - 1] < part; at--) {
        h->session[at] = h->session[at - 1];
        h->part[at] = h->part[at - 1];
    }
    h->session[at] = s;
    h->part[at] = part;
}

static struct holders find_holders(const struct ic_sessions *all, struct ic_pool_use whole)
{
    struct holders h = {0};
    IC_LIST_EACH (node, &all->list) {
        struct ic_session *s = IC_CONTAINER(node, struct ic_session, node);
        struct ic_pool_use use = ic_session_pool_use(s);
        double part = part_of(whole, use);
        ic_pool_use_add(&h.kept, use);
        if (part > 0 && (h.count < HOLDERS_MAX || part > h.part[HOLDERS_MAX - 1])) {
            add_holder(&h, s, part);
        }
    }
    return h;
}

void ic_sessions_note_no_room(struct ic_sessions *all, struct ic_pool_use use)
{
    if (all->no_room.chunks == 0 || use.chunks < all->no_room.chunks) {
        all->no_room = use;
    }
}

/*
 * All together keep much: more than half of the pool, or of the tightest function that the value
 * needs. What they keep there is what nothing can evict, without what others have of a function on
 * the average: placement gives a full one less than others. (Who keeps values of as many chunks as
 * that one keeps some on a function that lacks room, wherever they are.)
 */
static bool is_crowd(const struct ic_sessions *all, struct ic_pool_use whole,
                     struct ic_pool_use kept, const struct ic_store_lack *lack)
{
    double functions = ic_pool_count(ic_functions_pool(all->proxy->functions));
    double of_all = (double)kept.chunks, much = MOST * (double)lack->capacity;
    double others = (double)lack->stuck_on_all > of_all ? (double)lack->stuck_on_all - of_all : 0;
    return part_of(whole, kept) > MOST ||
           (of_all > much && (double)lack->stuck - others / functions > much);
}

/*
 * A value found no room in the pool although everything that can be evicted were: the client that
 * keeps the most of it to itself loses it, if that is much, and not less than the value asks for.
 * When all together keep much, whoever has how little of it: for a value that does not ask for much
 * itself the largest go until there is room. A cut that gives nothing back at once was of one of
 * many that keep the same, or of one who keeps very much: they are looked at anew then, since each
 * of the many that are left keeps more. True: they are to be, soon.
 */
static bool relieve_pool(struct ic_sessions *all)
{
    struct ic_store_lack lack = ic_store_lack(all->proxy->store, all->no_room);
    struct ic_pool_use whole = whole_pool(all);
    double asked = part_of(whole, all->no_room), missing = part_of(whole, lack.missing), before;
    double least = asked > MUCH ? asked : MUCH;
    if (missing > 0 && !ic_list_empty(&all->leaving)) {
        return true; /* they have not given back all that they kept */
    }
    struct holders h = find_holders(all, whole);
    bool crowd = asked <= MUCH && is_crowd(all, whole, h.kept, &lack), frees = missing > 0;
    unsigned cuts = 0;
    for (; cuts < h.count && frees && (crowd || h.part[cuts] > least); cuts++) {
        cut(h.session[cuts],
            "it keeps values in the pool, and there is no room for those of others");
        before = missing;
        missing = part_of(whole, ic_store_lack(all->proxy->store, all->no_room).missing);
        frees = missing > 0 && missing < before;
    }
    if (cuts == 0 || missing == 0) {
        all->no_room = (struct ic_pool_use){0};
    }
    return all->no_room.chunks > 0;
}

/* Who waits for room may lack what clients keep. */
static void note_waiting(struct ic_sessions *all)
{
    const struct ic_object *draft = ic_claims_first(&all->proxy->claims);
    if (draft != NULL) {
        ic_sessions_note_no_room(all, ic_store_rest_use(draft));
    }
}

static void on_tick(void *ctx)
{
    struct ic_sessions *all = ctx;
    uint64_t now_ms = ic_loop_now_ms(all->proxy->loop);
    unsigned cuts = 0;
    bool enough = false;
    ic_stats_sample(&all->stats, now_ms);
    note_waiting(all);
    bool soon = all->no_room.chunks > 0 && relieve_pool(all);
    IC_LIST_EACH (node, &all->list) {
        struct ic_session *s = IC_CONTAINER(node, struct ic_session, node);
        enough = cuts >= CUTS_LEAST && ic_turns_used_up(&all->turns);
        const char *why = enough ? NULL : fault(s, now_ms);
        if (why != NULL) {
            cut(s, why);
        }
        cuts += why != NULL || (!enough && !ic_session_check_output(s));
    }
    ic_timer_start(&all->tick, soon || enough ? SOON_MS : TICK_MS);
}

/* What clients have left, as much as a turn takes. False: that was all. */
static bool free_some(struct ic_sessions *all)
{
    uint64_t budget = (uint64_t)*all->turns.budget;
    uint64_t units = ic_turns_left(&all->turns, CHORES_TURNS);
    units = units > budget / 2 ? units : budget / 2;
    uint64_t most = units * STEPS_A_UNIT > CHORES_SLICE ? units * STEPS_A_UNIT : CHORES_SLICE;
    most = most < UINT_MAX ? most : UINT_MAX;
    unsigned done = ic_transaction_free_some(all, (unsigned)most);
    ic_turns_worked(&all->turns, &all->chores, done / STEPS_A_UNIT);
    return done == most;
}

static void do_chores(void *ctx)
{
    struct ic_sessions *all = ctx;
    bool more = ic_sessions_evict(all);
    if (free_some(all) || more) {
        ic_turns_line_up_first(&all->turns, &all->chores);
    }
}

void ic_sessions_chores(struct ic_sessions *all)
{
    bool in_line = !ic_list_empty(&all->chores.node);
    if (!in_line && (ic_turns_used_up(&all->turns) || free_some(all))) {
        ic_turns_line_up_first(&all->turns, &all->chores);
    }
}

void ic_sessions_evict_on(struct ic_sessions *all)
{
    ic_turns_line_up_first(&all->turns, &all->chores);
}

static bool id_matches(const struct ic_map_node *node, struct ic_slice key)
{
    const struct ic_session *s = IC_CONTAINER(node, struct ic_session, id_node);
    return memcmp(&s->id, key.data, sizeof(s->id)) == 0;
}

int64_t ic_sessions_wall_ms(const struct ic_sessions *all)
{
    const struct ic_worker *alone = all->turns.alone;
    return alone == NULL ? ic_clock_wall_ms()
                         : IC_CONTAINER(alone, struct ic_session, worker)->call.wall_ms;
}

struct ic_session *ic_sessions_find(const struct ic_sessions *all, uint64_t id)
{
    struct ic_map_node *node = ic_map_find(&all->by_id, ic_slice(&id, sizeof(id)));
    return node == NULL ? NULL : IC_CONTAINER(node, struct ic_session, id_node);
}

struct ic_session *ic_sessions_after(const struct ic_sessions *all, uint64_t id)
{
    const struct ic_session *before = ic_sessions_find(all, id);
    struct ic_list *node = before != NULL ? before->node.next : all->list.next;
    for (; node != &all->list; node = node->next) {
        struct ic_session *s = IC_CONTAINER(node, struct ic_session, node);
        if (s->id > id) {
            return s;
        }
    }
    return NULL;
}

struct ic_sessions *ic_sessions_new(struct ic_proxy *proxy, char *why)
{
    struct ic_sessions *all = ic_calloc(1, sizeof(*all));
    if (all == NULL || ic_stats_init(&all->stats) != 0) {
        ic_free(all);
        snprintf(why, IC_SESSIONS_WHY_MAX, "out of memory");
        return NULL;
    }
    all->proxy = proxy;
    ic_list_init(&all->list);
    ic_map_init(&all->by_id, 0, id_matches); /* ids are ours */
    ic_client_memory_init(&all->memory);
    ic_buf_init(&all->password);
    ic_list_init(&all->shutdown.node);
    ic_timer_init(&all->tick, proxy->loop, on_tick, all);
    ic_timer_init(&all->relieve, proxy->loop, on_relieve, all);
    ic_list_init(&all->leaving);
    ic_list_init(&all->old_queued);
    ic_list_init(&all->old_watches);
    ic_turns_init(&all->turns, proxy->loop, &proxy->config->turn_work);
    ic_worker_init(&all->chores, do_chores, all);
    all->stats.sampled_ms = ic_loop_now_ms(proxy->loop);
    set_run_id(all);
    ic_window_on_waiting(proxy->window, on_waiting, all);
    if (load_password(all, why) < 0) {
        ic_sessions_free(all);
        return NULL;
    }
    return all;
}

bool ic_sessions_have_password(const struct ic_sessions *all)
{
    return all->password.len > 0;
}

/* Takes as long for every password of one length. */
bool ic_session_password_is(const struct ic_sessions *all, struct ic_slice password)
{
    if (password.len != all->password.len) {
        return false;
    }
    unsigned difference = 0;
    for (size_t i = 0; i < password.len; i++) {
        difference |= (unsigned)(password.data[i] ^ all->password.data[i]);
    }
    return difference == 0;
}

static void on_accepted(void *ctx, struct ic_stream *stream)
{
    struct ic_sessions *all = ctx;
    all->stats.connections_received++;
    if (all->count >= (size_t)all->proxy->config->maxclients) {
        static const char text[] = "-ERR max number of clients reached\r\n";
        all->stats.connections_rejected++;
        if (ic_stream_write(stream, ic_slice_str(text), NULL) == 0) {
            ic_stream_free_after_write(stream, IC_SESSION_LINGER_MS);
        } else {
            ic_stream_free(stream);
        }
        return;
    }
    ic_stream_keepalive(stream, IC_SESSIONS_KEEPALIVE_S);
    if (ic_session_new(all, stream) == NULL) {
        ic_stream_free(stream);
    }
}

int ic_sessions_listen(struct ic_sessions *all)
{
    const struct ic_config *c = all->proxy->config;
    int result = ic_listener_new(all->proxy->loop, c->bind, (uint16_t)c->port, on_accepted, all,
                                 &all->listener);
    if (result == 0) {
        ic_timer_start(&all->tick, TICK_MS);
    }
    return result;
}

uint16_t ic_sessions_port(const struct ic_sessions *all)
{
    return ic_listener_port(all->listener);
}

void ic_sessions_close(struct ic_sessions *all)
{
    ic_listener_free(all->listener);
    all->listener = NULL;
    ic_window_on_waiting(all->proxy->window, NULL, NULL);
    ic_timer_stop(&all->tick);
    ic_timer_stop(&all->relieve);
    while (!ic_list_empty(&all->list)) {
        ic_session_end(IC_CONTAINER(all->list.next, struct ic_session, node), "the proxy stops");
    }
    while (!ic_list_empty(&all->leaving)) { /* what one does alone comes to its end */
        ic_session_leave(IC_CONTAINER(all->leaving.next, struct ic_session, node));
    }
    while (ic_transaction_free_some(all, CHORES_SLICE) > 0) {
    }
    ic_worker_leave(&all->chores);
}

void ic_sessions_free(struct ic_sessions *all)
{
    if (all == NULL) {
        return;
    }
    ic_sessions_close(all);
    ic_list_remove(&all->shutdown.node);
    ic_turns_deinit(&all->turns);
    ic_map_deinit(&all->by_id);
    ic_stats_deinit(&all->stats);
    ic_buf_deinit(&all->password);
    ic_free(all);
}
