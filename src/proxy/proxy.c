/*
 * proxy.c - builds the proxy's parts in order, takes them apart in reverse.
 *
 *   journal -> books -> functions (pool) -> store (catalog loaded) -> window -> listeners:
 *   functions, sessions, admin -> (catalog rebuilt) -> ready -> ... stop -> sessions closed ->
 *   nodes sent home -> journal closed
 */
#include "proxy/proxy.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "code/rs.h"
#include "core/code_table.h"
#include "core/epoch.h"
#include "net/http_guard.h"
#include "proxy/admin.h"
#include "proxy/backup.h"
#include "proxy/books.h"
#include "proxy/functions.h"
#include "proxy/handover.h"
#include "proxy/rebuilder.h"
#include "proxy/recovery.h"
#include "proxy/repair.h"
#include "proxy/sessions.h"
#include "proxy/store.h"
#include "proxy/window.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TICK_MS = 100,            /* expiry, reaping and fsync are looked at so often */
    GOODBYE_WITHIN_MS = 2000, /* a stopping proxy waits for its nodes to go home */
    EPOCH_PAUSE_MS = 1000,    /* between two epochs that nodes have us take */
    LOADING_SAID_MS = 10000,  /* who waits for the start is told that it takes longer */
};

/* The proxy with what only its start and stop need. */
struct process {
    struct ic_proxy proxy;
    struct ic_recovery recovery;
    uint32_t epoch;
    struct ic_epoch_claims claims;
    uint64_t epoch_raised_ms; /* 0: never */
    struct ic_admin *admin;
    struct ic_timer tick;
    struct ic_timer loading; /* runs out when whoever waits is to be told that it takes long */
    void (*told)(void *ctx, bool ready);
    void *told_ctx;
    bool failed; /* it stopped by itself: `why` */
    struct ic_reap turn_end;
    bool commit_scheduled, stopping;
    char why[IC_PROXY_WHY_MAX];
};

/* ---- the store's wishes ---- */

static void end_turn(void *ctx)
{
    struct process *p = ctx;
    p->commit_scheduled = false;
    ic_books_save(p->proxy.books);
    ic_store_turn_end(p->proxy.store);
    ic_books_saved(p->proxy.books);
}

static void schedule_commit(void *ctx)
{
    struct process *p = ctx;
    if (!p->commit_scheduled) {
        p->commit_scheduled = true;
        ic_loop_reap(p->proxy.loop, &p->turn_end, end_turn, p);
    }
}

static void on_condemned(void *ctx, uint16_t function)
{
    struct process *p = ctx;
    ic_functions_condemned(p->proxy.functions, function);
}

static void on_degraded(void *ctx, struct ic_object *o, enum ic_degraded found)
{
    struct process *p = ctx;
    if (p->proxy.repair != NULL) { /* else the store is being loaded */
        ic_repair_degraded(p->proxy.repair, o, found);
    }
}

static void on_tick(void *ctx)
{
    struct process *p = ctx;
    ic_functions_count_transfer(p->proxy.functions);
    ic_books_tick(p->proxy.books, ic_store_stats(p->proxy.store).bytes);
    bool more = ic_store_tick(p->proxy.store, ic_loop_now_ms(p->proxy.loop),
                              ic_sessions_wall_ms(p->proxy.sessions));
    ic_timer_start(&p->tick, more ? 0 : TICK_MS);
}

/* ---- what the functions say ---- */

static void on_list_begin(void *ctx, uint16_t function, uint32_t serial)
{
    ic_store_list_begin(((struct process *)ctx)->proxy.store, function, serial);
}

static uint32_t on_list_item(void *ctx, uint16_t function, uint32_t serial,
                             const struct ic_item *item)
{
    return ic_store_list_item(((struct process *)ctx)->proxy.store, function, serial, item);
}

static void on_list_end(void *ctx, uint16_t function, uint32_t serial)
{
    ic_store_list_end(((struct process *)ctx)->proxy.store, function, serial);
}

static void on_offered(void *ctx, uint16_t function, uint32_t serial, struct ic_slice items)
{
    ic_handover_offered(((struct process *)ctx)->proxy.handover, function, serial, items);
}

static uint32_t on_begin(void *ctx, const struct ic_node_request *r, uint32_t serial)
{
    return ic_store_begin(((struct process *)ctx)->proxy.store, r->object, r->chunk, serial);
}

static void on_gone(void *ctx, uint16_t function, uint32_t serial)
{
    struct process *p = ctx;
    ic_store_instance_gone(p->proxy.store, function, serial);
    if (p->proxy.handover != NULL) { /* else the store is being loaded */
        ic_handover_gone(p->proxy.handover, function, serial);
    }
}

/* Each costs an fsync, and a node that is no node of ours can say what it likes. */
static bool may_raise_epoch(struct process *p)
{
    uint64_t now_ms = ic_loop_now_ms(p->proxy.loop);
    bool may = p->epoch_raised_ms == 0 || now_ms - p->epoch_raised_ms >= EPOCH_PAUSE_MS;
    p->epoch_raised_ms = may ? now_ms : p->epoch_raised_ms;
    return may;
}

static bool on_epoch_seen(void *ctx, uint16_t function, uint32_t epoch)
{
    struct process *p = ctx;
    const struct ic_journal_meta *meta = &p->recovery.meta;
    bool impossible;
    int64_t wall_ms = ic_clock_wall_ms();
    uint32_t believed = ic_epoch_believed(&p->claims, function, epoch, meta->epoch, meta->fresh,
                                          wall_ms, &impossible);
    if (believed < p->epoch || !may_raise_epoch(p)) {
        return !impossible;
    }
    uint32_t exceeded = ic_epoch_exceeded(believed, meta->epoch, meta->fresh, wall_ms);
    int result = ic_journal_raise_epoch(p->recovery.journal, exceeded, &p->epoch);
    if (result < 0) {
        ic_log(IC_LOG_ERROR, "epoch-not-raised", "seen=%u error=\"%s\"", epoch,
               ic_error_text(result));
        return true;
    }
    ic_log(IC_LOG_WARNING, "epoch-raised", "seen=%u epoch=%u", epoch, p->epoch);
    ic_functions_set_epoch(p->proxy.functions, p->epoch);
    ic_store_set_epoch(p->proxy.store, p->epoch);
    return true;
}

static const struct ic_functions_handler functions_handler = {
    .list_begin = on_list_begin,
    .list_item = on_list_item,
    .list_end = on_list_end,
    .offered = on_offered,
    .begin = on_begin,
    .gone = on_gone,
    .epoch_seen = on_epoch_seen,
};

/* ---- start ---- */

static int make_dir(struct process *p, const char *dir)
{
    if (dir[0] == '\0') {
        snprintf(p->why, sizeof p->why, "no folder for the journal: give --dir DIR");
        return IC_EINVAL;
    }
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        snprintf(p->why, sizeof p->why, "cannot make the folder %s: %s", dir, strerror(errno));
        return ic_error_from_errno(errno);
    }
    return 0;
}

static int open_books(struct process *p)
{
    struct ic_books_setup setup = {
        .config = p->proxy.config,
        .prices = &p->proxy.prices,
        .journal = p->recovery.journal,
        .other_pool = p->recovery.meta.emptied == IC_JOURNAL_OTHER_NAMES,
        .schedule = schedule_commit,
        .ctx = p,
    };
    return ic_books_new(&setup, &p->proxy.books, p->why);
}

static int open_functions(struct process *p)
{
    struct ic_functions_setup setup = {
        .loop = p->proxy.loop,
        .config = p->proxy.config,
        .prices = &p->proxy.prices,
        .books = p->proxy.books,
        .epoch = p->epoch,
        .adopt = p->recovery.meta.crashed,
        .strangers = p->recovery.meta.rebuild || p->recovery.meta.fresh,
        .rebuild = p->recovery.meta.rebuild,
        .handler = &functions_handler,
        .ctx = p,
    };
    static_assert(sizeof setup.secret == sizeof p->recovery.meta.secret, "one secret");
    memcpy(setup.secret, p->recovery.meta.secret, sizeof setup.secret);
    int result = ic_functions_new(&setup, &p->proxy.functions);
    if (result < 0) {
        snprintf(p->why, sizeof p->why, "cannot set up the functions: %s", ic_error_text(result));
    }
    return result;
}

static int open_store(struct process *p)
{
    struct ic_store_setup setup = {
        .config = p->proxy.config,
        .pool = ic_functions_pool(p->proxy.functions),
        .journal = p->recovery.journal,
        .epoch = p->epoch,
        .rng = &p->proxy.rng,
        .schedule = schedule_commit,
        .condemned = on_condemned,
        .degraded = on_degraded,
        .ctx = p,
    };
    int result = ic_store_new(&setup, &p->proxy.store, p->why);
    if (result < 0) {
        return result;
    }
    return p->recovery.meta.rebuild ? ic_store_rebuild_begin(p->proxy.store)
                                    : ic_store_load(p->proxy.store, ic_clock_wall_ms(), p->why);
}

/* With the journal that recovery has: the pool and the catalog. */
static int open_catalog(struct process *p)
{
    p->epoch = p->recovery.meta.epoch;
    int result = open_books(p);
    if (result == 0) {
        result = open_functions(p);
    }
    return result < 0 ? result : open_store(p);
}

static int open_all(struct process *p)
{
    int result = make_dir(p, p->proxy.config->dir);
    if (result == 0) {
        result = ic_recovery_open(&p->recovery, p->proxy.config, p->why);
    }
    if (result == 0) {
        result = open_catalog(p);
    }
    if (result != IC_ECORRUPT || p->recovery.journal == NULL) {
        return result;
    }
    ic_store_free(p->proxy.store);
    ic_functions_free(p->proxy.functions);
    ic_books_free(p->proxy.books);
    p->proxy.store = NULL;
    p->proxy.functions = NULL;
    p->proxy.books = NULL;
    result = ic_recovery_replace(&p->recovery, p->proxy.config, p->why);
    return result < 0 ? result : open_catalog(p);
}

/* Before the journal is opened and told of the pool. */
static int check_codes(struct process *p)
{
    struct ic_code_table codes;
    const struct ic_config *c = p->proxy.config;
    int result = ic_code_table_parse(&codes, c->code_table, p->why, sizeof p->why);
    return result < 0 ? result
                      : ic_code_table_check(&codes, (uint32_t)c->functions, p->why, sizeof p->why);
}

static bool is_port(const char *text)
{
    int64_t number;
    return ic_slice_to_i64(ic_slice_str(text), &number) == 0 && number >= 1 && number <= UINT16_MAX;
}

/* "10.0.0.1:6380" or "[::1]:6380": a node resolves no names. */
static bool is_dialable(const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - text);
    char host[INET6_ADDRSTRLEN];
    struct in6_addr ignored; /* the larger one */
    bool v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';
    text += v6 ? 1 : 0;
    len -= v6 ? 2 : 0;
    if (len == 0 || len >= sizeof host || !is_port(colon + 1)) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    return inet_pton(v6 ? AF_INET6 : AF_INET, host, &ignored) == 1;
}

static int check_node_address(struct process *p)
{
    const char *text = p->proxy.config->node_address;
    if (text[0] == '\0' || is_dialable(text)) {
        return 0;
    }
    snprintf(p->why, sizeof p->why,
             "node-address '%.100s' is not ADDRESS:PORT with a numeric address (10.0.0.1:6380 or "
             "[fd00::1]:6380): functions resolve no names",
             text);
    return IC_EINVAL;
}

static int explain_listen(struct process *p, int result, const char *what, const char *host,
                          int64_t port)
{
    if (result < 0) {
        snprintf(p->why, sizeof p->why, "cannot listen for %s on %s:%d: %s", what, host, (int)port,
                 result == IC_EBUSY || result == IC_EEXIST ? "the port is in use"
                                                           : ic_error_text(result));
    }
    return result;
}

static int listen_all(struct process *p)
{
    const struct ic_config *c = p->proxy.config;
    int result = explain_listen(p, ic_functions_start(p->proxy.functions), "functions",
                                c->node_bind, c->node_port);
    if (result == 0) {
        result = explain_listen(p, ic_admin_new(&p->proxy, &p->admin), "HTTP", c->http_bind,
                                c->http_port);
    }
    if (result == 0) {
        result =
            explain_listen(p, ic_sessions_listen(p->proxy.sessions), "clients", c->bind, c->port);
    }
    return result;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static_assert((int)IC_PROXY_WHY_MAX >= (int)IC_WHY_MAX &&
                  (int)IC_PROXY_WHY_MAX >= (int)IC_HTTP_GUARD_WHY_MAX,
              "whoever says why has room");

static int start(struct process *p)
{
    struct ic_proxy *proxy = &p->proxy;
    int result = ic_prices_parse(&proxy->prices, proxy->config->prices, p->why, sizeof p->why);
    if (result == 0) {
        result = check_codes(p);
    }
    if (result == 0) {
        result = check_node_address(p);
    }
    if (result == 0) {
        result = ic_http_names_check(proxy->config->http_hosts, p->why);
    }
    if (result == 0) {
        result = open_all(p);
    }
    if (result == 0) {
        ic_pool_change_tell(&p->recovery.meta, proxy->config, proxy->store, proxy->pool_change);
        proxy->backups = ic_backups_new(proxy);
        result = proxy->backups == NULL ? IC_ENOMEM : 0;
    }
    if (result == 0) {
        proxy->window = ic_window_new(proxy->loop, (size_t)proxy->config->window_memory);
        proxy->sessions = proxy->window == NULL ? NULL : ic_sessions_new(proxy, p->why);
        proxy->repair = proxy->window == NULL ? NULL : ic_repair_new(proxy);
        proxy->handover = proxy->window == NULL ? NULL : ic_handover_new(proxy);
        bool complete = proxy->repair != NULL && proxy->handover != NULL && proxy->sessions != NULL;
        result = complete ? 0 : IC_ENOMEM;
    }
    if (result == 0) {
        ic_functions_share_turns(proxy->functions, &proxy->sessions->turns);
    }
    if (result == 0 && !is_loopback(proxy->config->bind) &&
        !ic_sessions_have_password(proxy->sessions)) {
        snprintf(p->why, sizeof p->why,
                 "bind %s is not a loopback address and there is no password: set "
                 "requirepass-file or INFINICACHE_PASSWORD",
                 proxy->config->bind);
        result = IC_EINVAL;
    }
    return result < 0 ? result : listen_all(p);
}

/* ---- stop ---- */

static void on_nodes_gone(void *ctx)
{
    ic_loop_stop(((struct process *)ctx)->proxy.loop);
}

void ic_proxy_stop(struct ic_proxy *proxy)
{
    struct process *p = IC_CONTAINER(proxy, struct process, proxy);
    if (p->stopping) {
        return;
    }
    p->stopping = true;
    ic_log(IC_LOG_INFO, "stopping", "keys=%llu",
           (unsigned long long)ic_store_count(p->proxy.store));
    ic_sessions_close(p->proxy.sessions);
    ic_repair_stop(p->proxy.repair);
    ic_backups_stop(p->proxy.backups);
    ic_handover_stop(p->proxy.handover);
    ic_functions_stop(p->proxy.functions, GOODBYE_WITHIN_MS, on_nodes_gone, p);
}

void ic_proxy_free(struct ic_proxy *proxy)
{
    struct process *p = IC_CONTAINER(proxy, struct process, proxy);
    ic_timer_stop(&p->tick);
    ic_timer_stop(&p->loading);
    ic_rebuilder_free(p->proxy.rebuilder);
    p->proxy.rebuilder = NULL;
    ic_admin_free(p->admin);
    if (p->proxy.functions != NULL) {
        ic_functions_share_turns(p->proxy.functions, NULL);
    }
    ic_sessions_free(p->proxy.sessions);
    ic_repair_free(p->proxy.repair);
    p->proxy.repair = NULL;
    ic_backups_free(p->proxy.backups);
    ic_handover_free(p->proxy.handover);
    p->proxy.handover = NULL;
    if (p->proxy.store != NULL && p->proxy.books != NULL) {
        ic_books_close(p->proxy.books);
        ic_store_turn_end(p->proxy.store);
        ic_books_saved(p->proxy.books);
    }
    ic_list_remove(&p->turn_end.node);
    ic_functions_free(p->proxy.functions);
    ic_loop_settle(p->proxy.loop); /* streams let go of the window's buffers */
    ic_claims_deinit(&p->proxy.claims);
    ic_window_free(p->proxy.window);
    ic_store_free(p->proxy.store);
    ic_books_free(p->proxy.books);
    ic_rs_set_free(p->proxy.codes);
    ic_journal_close(p->recovery.journal);
    ic_free(p);
}

/* ---- ready ---- */

/* Whoever waits for the start is told; READY is the last word. */
static void tell(struct process *p, bool ready)
{
    ic_timer_stop(&p->loading);
    if (p->told != NULL) {
        p->told(p->told_ctx, ready);
    }
    p->told = ready ? NULL : p->told;
}

static void on_loading(void *ctx)
{
    tell(ctx, false);
}

void ic_proxy_tell(struct ic_proxy *proxy, void (*told)(void *ctx, bool ready), void *ctx)
{
    struct process *p = IC_CONTAINER(proxy, struct process, proxy);
    p->told = told;
    p->told_ctx = ctx;
    if (ic_rebuilder_loading(proxy->rebuilder)) {
        ic_timer_start(&p->loading, LOADING_SAID_MS);
    } else {
        tell(p, true);
    }
}

const char *ic_proxy_failure(const struct ic_proxy *proxy)
{
    const struct process *p = IC_CONTAINER(proxy, struct process, proxy);
    return p->failed ? p->why : NULL;
}

static void announce(const struct process *p)
{
    const struct ic_config *c = p->proxy.config;
    ic_log(IC_LOG_INFO, "ready", "clients=%s:%d functions=%s:%d keys=%llu epoch=%u", c->bind,
           (int)c->port, c->node_bind, (int)c->node_port,
           (unsigned long long)ic_store_count(p->proxy.store), p->epoch);
}

/* The catalog is rebuilt, or cannot be. */
static void on_rebuilt(void *ctx, int result)
{
    struct process *p = ctx;
    if (result == 0) {
        ic_functions_begin_warm_ups(p->proxy.functions);
        announce(p);
        tell(p, true);
        return;
    }
    snprintf(p->why, sizeof p->why,
             "the catalog cannot be rebuilt: %s; what the functions hold is untouched, the next "
             "start tries again",
             ic_store_writable(p->proxy.store) ? ic_error_text(result)
                                               : ic_store_failure(p->proxy.store));
    p->failed = true;
    ic_proxy_stop(&p->proxy);
}

static int begin_rebuild(struct process *p)
{
    struct ic_rebuilder_setup setup = {
        .loop = p->proxy.loop,
        .config = p->proxy.config,
        .functions = p->proxy.functions,
        .store = p->proxy.store,
        .journal = p->recovery.journal,
        .reason = p->recovery.reason,
        .fresh = p->recovery.meta.fresh && !p->recovery.replaced,
        .done = on_rebuilt,
        .ctx = p,
    };
    p->proxy.rebuilder = ic_rebuilder_new(&setup);
    return p->proxy.rebuilder == NULL ? IC_ENOMEM : 0;
}

static struct process *process_new(struct ic_loop *loop, struct ic_config *config)
{
    struct process *p = ic_must(ic_calloc(1, sizeof *p));
    p->proxy.config = config;
    p->proxy.loop = loop;
    p->proxy.started_ms = ic_loop_now_ms(loop);
    p->proxy.codes = ic_must(ic_rs_set_new());
    ic_list_init(&p->proxy.readers);
    ic_rng_init(&p->proxy.rng, ic_random_u64());
    ic_list_init(&p->turn_end.node);
    ic_claims_init(&p->proxy.claims, loop, config);
    ic_timer_init(&p->tick, loop, on_tick, p);
    ic_timer_init(&p->loading, loop, on_loading, p);
    return p;
}

int ic_proxy_new(struct ic_loop *loop, struct ic_config *config, struct ic_proxy **out, char *why)
{
    struct process *p = process_new(loop, config);
    int result = start(p);
    if (result == 0 && p->recovery.meta.rebuild) {
        result = begin_rebuild(p);
    }
    if (result < 0) {
        snprintf(why, IC_PROXY_WHY_MAX, "%s", p->why[0] == '\0' ? ic_error_text(result) : p->why);
        ic_proxy_free(&p->proxy);
        return result;
    }
    ic_timer_start(&p->tick, TICK_MS);
    if (!p->recovery.meta.rebuild) {
        announce(p);
    }
    *out = &p->proxy;
    return 0;
}
