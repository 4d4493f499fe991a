/*
 * platform.c - settings and credentials checked, then lock, fleet and API in this order;
 * the end goes the other way round.
 */
#include "platform/local/platform.h"

#include "base/alloc.h"
#include "base/config.h"
#include "base/random.h"
#include "model/reclaim.h"
#include "net/http_guard.h"
#include "net/net.h"
#include "platform/local/api.h"
#include "platform/local/files.h"
#include "platform/local/fleet.h"
#include "platform/local/function_name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { KEY_MAX = 256 }; /* bytes of a key id or secret, the zero included */

struct credentials {
    char key_id[KEY_MAX], secret[KEY_MAX];
};

struct ic_platform {
    struct ic_fleet *fleet;
    struct ic_api *api;
    int lock_fd; /* -1: none */
};

/* ---- settings ---------------------------------------------------------------------------- */

/* Copies the next line of TEXT; false: empty, missing or too long. */
static bool take_line(struct ic_slice *text, char out[KEY_MAX])
{
    size_t len = 0;
    while (len < text->len && text->data[len] != '\n' && text->data[len] != '\r') {
        len++;
    }
    if (len == 0 || len >= KEY_MAX) {
        return false;
    }
    memcpy(out, text->data, len);
    out[len] = '\0';
    while (len < text->len && (text->data[len] == '\n' || text->data[len] == '\r')) {
        len++;
    }
    *text = ic_slice(text->data + len, text->len - len);
    return true;
}

static int load_credentials(const char *file, struct credentials *out, char *why)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
    if (file[0] == '\0') {
        bool given = id != NULL && secret != NULL && id[0] != '\0' && secret[0] != '\0';
        snprintf(out->key_id, KEY_MAX, "%s", given ? id : "test");
        snprintf(out->secret, KEY_MAX, "%s", given ? secret : "test");
        return 0;
    }
    struct ic_buf text;
    ic_buf_init(&text);
    int result = ic_file_read(file, 4 * KEY_MAX, &text);
    struct ic_slice rest = ic_buf_slice(&text);
    if (result == 0 && !(take_line(&rest, out->key_id) && take_line(&rest, out->secret))) {
        result = IC_EINVAL;
    }
    if (result < 0) {
        snprintf(why, IC_PLATFORM_WHY_MAX,
                 "credentials-file %.300s: no access key id and secret, a line each, can be read",
                 file);
    }
    if (text.data != NULL) {
        OPENSSL_cleanse(text.data, text.len);
    }
    ic_buf_deinit(&text);
    return result;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int check_settings(const struct ic_config *c, const struct credentials *keys, char *why)
{
    if (c->dir[0] == '\0') {
        snprintf(why, IC_PLATFORM_WHY_MAX, "dir: the platform needs a folder, say --dir DIR");
        return IC_EINVAL;
    }
    _Static_assert((int)IC_PLATFORM_WHY_MAX >= (int)IC_HTTP_GUARD_WHY_MAX, "WHY is handed on");
    if (ic_http_names_check(c->http_hosts, why) < 0) {
        return IC_EINVAL;
    }
    if (!is_loopback(c->platform_bind) && strcmp(keys->secret, "test") == 0) {
        snprintf(why, IC_PLATFORM_WHY_MAX,
                 "platform-bind %.100s: with the keys everyone knows (test) the platform listens "
                 "on loopback only; set credentials-file",
                 c->platform_bind);
        return IC_EINVAL;
    }
    if (strlen(c->account) != IC_ACCOUNT_LEN ||
        strspn(c->account, "0123456789") != IC_ACCOUNT_LEN) {
        snprintf(why, IC_PLATFORM_WHY_MAX, "account '%.100s': an account has 12 digits",
                 c->account);
        return IC_EINVAL;
    }
    size_t len = strspn(c->region, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (len == 0 || len > IC_REGION_MAX || c->region[len] != '\0') {
        snprintf(why, IC_PLATFORM_WHY_MAX, "region '%.100s' is not the name of one", c->region);
        return IC_EINVAL;
    }
    return 0;
}

/* ---- start ---------------------------------------------------------------------------------- */

/* One platform per DIR: two would overwrite each other's files. */
static int lock_dir(struct ic_platform *p, const char *dir, char *why)
{
    char path[PATH_MAX];
    int result = ic_folder_make(dir);
    int len = snprintf(path, sizeof path, "%s/platform.lock", dir);
    if (result == 0 && (len < 0 || (size_t)len >= sizeof path)) {
        result = IC_ETOOBIG;
    }
    if (result == 0) {
        p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        result = p->lock_fd < 0 ? ic_error_from_errno(errno) : 0;
    }
    if (result < 0) {
        snprintf(why, IC_PLATFORM_WHY_MAX, "dir %.300s: %s", dir, ic_error_text(result));
        return result;
    }
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        snprintf(why, IC_PLATFORM_WHY_MAX, "dir %.300s: another platform runs there", dir);
        return IC_EBUSY;
    }
    return 0;
}

static int take_model(const struct ic_config *c, struct ic_reclaim_model *model, char *why)
{
    char reason[IC_RECLAIM_WHY_MAX];
    int result = ic_reclaim_model_init(model, c->reclaim, (uint64_t)c->reclaim_seed, reason);
    if (result < 0) {
        snprintf(why, IC_PLATFORM_WHY_MAX, "reclaim: %s", reason);
    }
    return result;
}

static int start_fleet(struct ic_platform *p, struct ic_loop *loop, const struct ic_config *c,
                       char *why)
{
    char log_file[PATH_MAX];
    snprintf(log_file, sizeof log_file, "%.*s/functions.log", PATH_MAX - 32, c->dir);
    struct ic_reclaim_model model;
    int result = take_model(c, &model, why);
    if (result < 0) {
        return result;
    }
    const struct ic_fleet_options options = {
        .region = c->region,
        .routing = c->routing,
        .idle_ms = c->instance_idle > UINT32_MAX ? 0 : (uint32_t)c->instance_idle,
        .reuse_ms = (uint32_t)c->reuse_delay,
        .billing_ms = c->billing == IC_BILLING_100MS ? 100 : 1,
        .concurrency = (uint32_t)c->concurrency,
        .seed = ic_random_u64(),
        .reclaim = &model,
        .reclaim_speed = (uint32_t)c->reclaim_speed,
        .log_file = log_file,
    };
    p->fleet = ic_fleet_new(loop, &options);
    if (p->fleet == NULL) {
        snprintf(why, IC_PLATFORM_WHY_MAX, "out of memory or descriptors");
        return IC_ENOMEM;
    }
    return 0;
}

static int start_api(struct ic_platform *p, struct ic_loop *loop, const struct ic_config *c,
                     const struct credentials *keys, char *why)
{
    _Static_assert((int)IC_PLATFORM_WHY_MAX >= (int)IC_API_WHY_MAX, "WHY is handed on");
    const struct ic_api_options options = {
        .host = c->platform_bind,
        .port = (uint16_t)c->platform_port,
        .names = c->http_hosts,
        .dir = c->dir,
        .region = c->region,
        .account = c->account,
        .key_id = keys->key_id,
        .secret = keys->secret,
        .concurrency = (uint32_t)c->concurrency,
    };
    return ic_api_new(loop, p->fleet, &options, &p->api, why);
}

static void abandon(struct ic_platform *p)
{
    if (p->lock_fd >= 0) {
        close(p->lock_fd);
    }
    ic_free(p);
}

static void on_given_up(void *ctx)
{
    ic_loop_stop(ctx);
}

/* Takes back what a failed start has made; the loop runs until the fleet is gone. */
static void give_up(struct ic_platform *p, struct ic_loop *loop)
{
    if (p->fleet != NULL) {
        ic_fleet_stop(p->fleet, on_given_up, loop);
        ic_loop_run(loop);
        ic_fleet_free(p->fleet);
    }
    abandon(p);
}

int ic_platform_new(struct ic_loop *loop, const struct ic_config *config, struct ic_platform **out,
                    char *why)
{
    struct credentials keys;
    int result = load_credentials(config->credentials_file, &keys, why);
    if (result == 0) {
        result = check_settings(config, &keys, why);
    }
    if (result < 0) {
        return result;
    }
    struct ic_platform *p = ic_calloc(1, sizeof *p);
    if (p == NULL) {
        snprintf(why, IC_PLATFORM_WHY_MAX, "out of memory");
        return IC_ENOMEM;
    }
    p->lock_fd = -1;
    result = lock_dir(p, config->dir, why);
    if (result == 0) {
        result = start_fleet(p, loop, config, why);
    }
    if (result == 0) {
        result = start_api(p, loop, config, &keys, why);
    }
    OPENSSL_cleanse(&keys, sizeof keys);
    if (result < 0) {
        give_up(p, loop);
        return result;
    }
    *out = p;
    return 0;
}

uint16_t ic_platform_port(const struct ic_platform *p)
{
    return ic_api_port(p->api);
}

void ic_platform_stop(struct ic_platform *p, void (*stopped)(void *ctx), void *ctx)
{
    ic_api_stop(p->api);
    ic_fleet_stop(p->fleet, stopped, ctx);
}

void ic_platform_free(struct ic_platform *p)
{
    if (p == NULL) {
        return;
    }
    ic_fleet_free(p->fleet);
    ic_api_free(p->api);
    abandon(p);
}
