/*
 * session_world.h - one proxy's client side in one process: real loop, sockets, sessions,
 * commands, put, get, store and journal; only the functions are stood in for, by memory that
 * answers in the next turn, rightly or as the test's script says. Include it in one .c.
 *
 *   client socket --> session --> put, get --submit--> queue --answer()--> done
 *                                   '--> store --schedule--> turn end after each turn
 */
#ifndef IC_TEST_SESSION_WORLD_H
#define IC_TEST_SESSION_WORLD_H

#include "proxy/backup.h"
#include "proxy/session.h"

#include "base/log.h"
#include "code/rs.h"
#include "net/net_uv.h"
#include "proxy/books.h"
#include "proxy/functions.h"
#include "proxy/handover.h"
#include "proxy/proxy.h"
#include "proxy/repair.h"
#include "proxy/sessions.h"
#include "proxy/window.h"
#include "unit/store_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum { QUEUE_MAX = 4096, DEADLINE_MS = 60000, REPLY_MAX = 1 << 20 };

struct kept { /* a chunk on its node */
    struct kept *next;
    uint64_t object_id, length;
    uint32_t unit;
    uint16_t chunk;
    uint8_t *bytes;
    uint32_t *crcs;
};

static struct world world;
static struct ic_proxy proxy;
static struct ic_node_request *queue[QUEUE_MAX];
static size_t queued;
static struct kept *chunks;
static bool stopped;
/* What a request is answered: 0 rightly, < 0 that error, 1 not now. NULL: always rightly. */
static int (*script)(const struct ic_node_request *r);

/* ---- the functions ---- */

void ic_proxy_stop(struct ic_proxy *p)
{
    (void)p;
    stopped = true;
}

struct ic_pool *ic_functions_pool(struct ic_functions *f)
{
    (void)f;
    return world.pool;
}

struct ic_backup_stats ic_backups_stats(const struct ic_backups *b)
{
    (void)b;
    return (struct ic_backup_stats){0};
}

struct ic_backup_state ic_backups_state(const struct ic_backups *b, uint16_t function)
{
    (void)b;
    (void)function;
    return (struct ic_backup_state){.age_ms = -1};
}

void ic_backups_ask(struct ic_backups *b, uint16_t function)
{
    (void)b;
    (void)function;
}

const char *ic_functions_name(const struct ic_functions *f, uint16_t function)
{
    static char name[16];
    (void)f;
    snprintf(name, sizeof name, "test-%u", function);
    return name;
}

struct ic_function_figures ic_functions_figures(const struct ic_functions *f, int function)
{
    (void)f;
    (void)function;
    return (struct ic_function_figures){0};
}

uint64_t ic_functions_outstanding_ms(const struct ic_functions *f)
{
    (void)f;
    return 0;
}

struct ic_function_stay ic_functions_stay(const struct ic_functions *f, uint16_t function)
{
    (void)f;
    (void)function;
    return (struct ic_function_stay){0};
}

const char *ic_functions_trouble(const struct ic_functions *f)
{
    (void)f;
    return "";
}

struct ic_functions_outage ic_functions_outage(const struct ic_functions *f)
{
    (void)f;
    return (struct ic_functions_outage){0};
}

void ic_functions_note_silence(struct ic_functions *f, uint16_t function, uint64_t silent_ms)
{
    (void)f;
    (void)function;
    (void)silent_ms;
}

struct ic_read_price ic_functions_read_price(const struct ic_functions *f, uint16_t function,
                                             bool asleep)
{
    (void)f;
    (void)function;
    return (struct ic_read_price){.invokes = asleep, .dollars = asleep ? 2 : 1};
}

enum ic_function_status ic_functions_status(const struct ic_functions *f, uint16_t function,
                                            uint32_t serial)
{
    (void)f;
    bool there = serial == 0 || serial == world.node[function].serial;
    return there ? IC_STATUS_AWAKE : IC_STATUS_GONE;
}

size_t ic_functions_backlog(const struct ic_functions *f, uint16_t function)
{
    (void)f;
    (void)function;
    return 0;
}

void ic_functions_release(struct ic_functions *f, uint16_t function, uint32_t serial)
{
    (void)f;
    (void)function;
    (void)serial;
}

void ic_functions_wake(struct ic_functions *f, uint16_t function)
{
    (void)f;
    (void)function;
}

struct ic_listing ic_functions_listing(const struct ic_functions *f, uint16_t function)
{
    (void)f;
    (void)function;
    return (struct ic_listing){0};
}

bool ic_functions_missing(const struct ic_functions *f, uint16_t function, uint64_t since_ms)
{
    (void)f;
    (void)function;
    (void)since_ms;
    return false;
}

void ic_functions_dismiss(struct ic_functions *f, uint16_t function)
{
    (void)f;
    (void)function;
}

int ic_functions_meet(struct ic_functions *f, struct ic_meeting *m)
{
    (void)f;
    (void)m;
    return IC_EBUSY;
}

void ic_functions_part(struct ic_functions *f, struct ic_meeting *m)
{
    (void)f;
    (void)m;
}

void ic_functions_submit(struct ic_functions *f, struct ic_node_request *r)
{
    (void)f;
    assert_true(queued < QUEUE_MAX);
    if (r->owner != NULL) {
        ic_buf_ref(r->owner);
    }
    assert_true(ic_node_request_is_idle(r));
    r->stage = 1;
    queue[queued++] = r;
}

static struct ic_node_request *take(size_t at)
{
    struct ic_node_request *r = queue[at];
    memmove(&queue[at], &queue[at + 1], (--queued - at) * sizeof *queue);
    r->stage = 0;
    return r;
}

void ic_functions_cancel(struct ic_functions *f, struct ic_node_request *r)
{
    (void)f;
    for (size_t i = 0; i < queued; i++) {
        if (queue[i] == r) {
            ic_buf_unref(take(i)->owner);
            return;
        }
    }
}

static struct kept *find(const struct ic_node_request *r)
{
    struct kept *k = chunks;
    while (k != NULL && (k->object_id != r->object_id || k->chunk != r->chunk)) {
        k = k->next;
    }
    return k;
}

static void forget_chunks(void)
{
    while (chunks != NULL) {
        struct kept *k = chunks;
        chunks = k->next;
        free(k->bytes);
        free(k->crcs);
        free(k);
    }
}

static struct kept *create(struct ic_node_request *r)
{
    struct kept *k = calloc(1, sizeof *k);
    size_t unit = r->unit == 0 ? 64 : r->unit;
    k->object_id = r->object_id;
    k->chunk = r->chunk;
    k->unit = r->unit;
    k->bytes = calloc(1, r->chunk_length + 1);
    k->crcs = calloc(r->chunk_length / unit + 2, sizeof *k->crcs);
    k->next = chunks;
    chunks = k;
    return k;
}

static int perform(struct ic_node_request *r)
{
    struct kept *k = find(r);
    if (r->op != IC_NODE_READ && r->instance == 0) {
        r->instance =
            ic_store_begin(world.store, r->object, r->chunk, world.node[r->function].serial);
    }
    if (r->op != IC_NODE_READ && r->first && k == NULL) {
        k = create(r);
    }
    if (k == NULL) {
        return IC_ENOENT;
    }
    if (r->op == IC_NODE_WRITE) {
        memcpy(k->bytes + r->offset, r->body.data, r->body.len);
        memcpy(k->crcs + r->offset / k->unit, r->crcs, (r->body.len + k->unit - 1) / k->unit * 4);
    } else if (r->op == IC_NODE_READ) {
        memcpy(r->into, k->bytes + r->offset, r->length);
        memcpy(r->crcs_into, k->crcs + r->offset / k->unit,
               (r->length + k->unit - 1) / k->unit * 4);
    }
    return 0;
}

/* Answers what was submitted before. */
static void answer(void)
{
    for (size_t i = 0, count = queued; i < queued && count > 0; count--) {
        int result = script == NULL ? 0 : script(queue[i]);
        if (result > 0) {
            i++;
            continue;
        }
        struct ic_node_request *r = take(i);
        struct ic_buf *owner = r->owner;
        result = result == 0 ? perform(r) : result;
        r->dollars = 1;
        r->done(r, result);
        ic_buf_unref(owner);
    }
}

/* ---- the proxy and its clients ---- */

static void turn(void)
{
    uv_run(ic_loop_uv(proxy.loop), UV_RUN_NOWAIT);
    answer();
    world_turn_end(&world);
}

static const char *const setting[] = {"code-table",    "*:2+1", "unit-size",    "64",  "port", "0",
                                      "window-memory", "1mb",   "max-key-size", "100", NULL};

static inline int begin(void **state)
{
    char why[IC_SESSIONS_WHY_MAX];
    (void)state;
    ic_alloc_fail_at(0);
    ic_log_set_level(IC_LOG_ERROR);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    script = NULL;
    stopped = false;
    world_init(&world, 1, 10 << 20, setting);
    world_hello_all(&world);
    proxy = (struct ic_proxy){.loop = ic_loop_new(), .config = world.config, .store = world.store};
    ic_list_init(&proxy.readers);
    ic_rng_init(&proxy.rng, 1);
    struct ic_books_setup books = {.config = world.config, .prices = &proxy.prices};
    ic_prices_init(&proxy.prices);
    assert_int_equal(ic_books_new(&books, &proxy.books, why), 0);
    proxy.codes = ic_rs_set_new();
    ic_claims_init(&proxy.claims, proxy.loop, proxy.config);
    proxy.window = ic_window_new(proxy.loop, (size_t)world.config->window_memory);
    proxy.repair = ic_repair_new(&proxy);
    proxy.handover = ic_handover_new(&proxy);
    proxy.sessions = ic_sessions_new(&proxy, why);
    assert_non_null(proxy.sessions);
    assert_int_equal(ic_sessions_listen(proxy.sessions), 0);
    return 0;
}

/* Whatever happened: nothing is pinned, drafted, queued or left allocated. */
static int end(void **state)
{
    (void)state;
    ic_alloc_fail_at(0);
    ic_sessions_close(proxy.sessions);
    for (int i = 0; i < 100; i++) {
        turn();
    }
    assert_int_equal(queued, 0);
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    assert_int_equal(ic_store_stats(world.store).dead_bytes, 0);
    assert_int_equal(proxy.sessions->count, 0);
    assert_int_equal(proxy.sessions->memory.total, 0);
    ic_sessions_free(proxy.sessions);
    ic_repair_free(proxy.repair);
    ic_handover_free(proxy.handover);
    ic_claims_deinit(&proxy.claims);
    ic_window_free(proxy.window);
    ic_books_free(proxy.books);
    ic_rs_set_free(proxy.codes);
    ic_loop_free(proxy.loop);
    forget_chunks();
    world_deinit(&world);
    assert_int_equal(ic_alloc_live(), 0);
    return 0;
}

/* The system keeps about RECEIVE_BYTES for it, if it does not read; 0: as many as it likes. Said
 * before it connects: what has been promised to the peer cannot be taken back. */
static int dial_narrow(int receive_bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(ic_sessions_port(proxy.sessions)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_bytes > 0) {
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    }
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int dial(void)
{
    return dial_narrow(0);
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void give(int fd, const char *data, size_t length)
{
    for (uint64_t until = clock_ms() + DEADLINE_MS; length > 0;) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            length -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN) {
            return; /* it closed */
        }
        assert_true(clock_ms() < until);
        turn();
    }
}

/* What comes back: LENGTH bytes, or all until the connection ends. Returns how many. */
static size_t take_reply(int fd, char *out, size_t length)
{
    size_t got = 0;
    for (uint64_t until = clock_ms() + DEADLINE_MS; got < length;) {
        ssize_t more = recv(fd, out + got, length - got, 0);
        if (more == 0 || (more < 0 && errno != EAGAIN)) {
            break;
        }
        got += more > 0 ? (size_t)more : 0;
        if (clock_ms() > until) {
            fail_msg("only %zu of %zu bytes came: %.*s", got, length, (int)got, out);
        }
        turn();
    }
    return got;
}

static void expect(int fd, const char *reply)
{
    static char out[REPLY_MAX];
    size_t length = strlen(reply), got = take_reply(fd, out, length);
    if (got != length || memcmp(out, reply, length) != 0) {
        fail_msg("expected %.200s\n     got %.*s", reply, (int)(got < 200 ? got : 200), out);
    }
}

static inline void ask(int fd, const char *request, const char *reply)
{
    give(fd, request, strlen(request));
    expect(fd, reply);
}

static inline void expect_end(int fd)
{
    static char out[REPLY_MAX];
    size_t got = take_reply(fd, out, sizeof out);
    assert_true(got < sizeof out);
    close(fd);
}

/* Turns until nothing is under way any more. */
static void settle(size_t sessions)
{
    for (uint64_t until = clock_ms() + DEADLINE_MS; proxy.sessions->count != sessions;) {
        assert_true(clock_ms() < until);
        turn();
    }
}

static inline struct ic_session *first_session(void)
{
    return IC_CONTAINER(proxy.sessions->list.next, struct ic_session, node);
}

/* "SET key value" with LENGTH bytes of value, as an array. */
static inline size_t make_set(char *out, const char *key, size_t length)
{
    size_t at =
        (size_t)sprintf(out, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, length);
    for (size_t i = 0; i < length; i++) {
        out[at++] = (char)('a' + (i * 7 + i / 64) % 26);
    }
    memcpy(out + at, "\r\n", 2);
    return at + 2;
}

#endif
