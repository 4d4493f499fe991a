/*
 * put.c - `infinicache put KEY [FILE]`: streams a file to the proxy as the value of a SET.
 *
 *   file, or --size given:  announced, then sent piece by piece
 *   pipe of unknown length: the protocol wants the length first, so it is read into this
 *                           process's memory, and refused above what the proxy takes
 */
#include "cli/commands.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/endpoint.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/resp_client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 20 };

struct put {
    const char *key, *file; /* file "-": standard input */
    const char *size;       /* of --size, or NULL */
    int fd;
    bool known; /* SIZE is; else SPOOL gets the bytes */
    uint64_t length;
    struct ic_buf spool;
    struct ic_resp_client *client;
    struct ic_progress progress;
    uint8_t *piece; /* PIECE_BYTES on their way */
    char why[IC_RESP_CLIENT_WHY_MAX];
};

static void print_help(void)
{
    puts("usage: infinicache put KEY [FILE]\n\n"
         "Stores FILE, or standard input if FILE is missing or -, under KEY. A pipe is read into\n"
         "memory first, unless --size tells how many bytes it will give.\n"
         "Exit status: 0 stored, 2 not.\n\n"
         "  --size BYTES          the length of what standard input gives\n" IC_ENDPOINT_HELP);
}

/* Opens the input and finds its length, if it has one. */
static int open_input(struct put *p)
{
    struct stat st;
    p->fd = strcmp(p->file, "-") == 0 ? STDIN_FILENO : open(p->file, O_RDONLY | O_CLOEXEC);
    if (p->fd < 0 || fstat(p->fd, &st) < 0) {
        snprintf(p->why, sizeof p->why, "cannot read %.300s: %s", p->file, strerror(errno));
        return IC_EIO;
    }
    if (S_ISDIR(st.st_mode)) {
        snprintf(p->why, sizeof p->why, "%.300s is a folder; put its files one by one", p->file);
        return IC_EINVAL;
    }
    int64_t given = 0;
    if (p->size != NULL && (ic_slice_to_i64(ic_slice_str(p->size), &given) < 0 || given < 0)) {
        snprintf(p->why, sizeof p->why, "--size %.100s: must be a number of bytes", p->size);
        return IC_EINVAL;
    }
    off_t at = S_ISREG(st.st_mode) ? lseek(p->fd, 0, SEEK_CUR) : -1;
    p->known = p->size != NULL || at >= 0;
    p->length = p->size != NULL              ? (uint64_t)given
                : at >= 0 && at < st.st_size ? (uint64_t)(st.st_size - at)
                                             : 0;
    return 0;
}

static int too_long(struct put *p, uint64_t limit)
{
    snprintf(p->why, sizeof p->why,
             "%.300s is longer than the proxy's max-object-size, %" PRIu64
             " bytes; `redis-cli config set max-object-size SIZE` raises it",
             p->file, limit);
    return IC_ETOOBIG;
}

/* Reads up to SIZE bytes, fewer only at the end. */
static ssize_t read_piece(int fd, uint8_t *out, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t len = read(fd, out + have, size - have);
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len < 0) {
            return -1;
        }
        if (len == 0) {
            break;
        }
        have += (size_t)len;
    }
    return (ssize_t)have;
}

static int read_error(struct put *p)
{
    snprintf(p->why, sizeof p->why, "cannot read %.300s: %s", p->file, strerror(errno));
    return IC_EIO;
}

/* The whole of a pipe into memory. */
static int fill_spool(struct put *p, uint64_t limit)
{
    while (true) {
        size_t more =
            p->spool.cap - p->spool.len < PIECE_BYTES ? p->spool.len + PIECE_BYTES : PIECE_BYTES;
        if (ic_buf_reserve(&p->spool, more) < 0) {
            snprintf(p->why, sizeof p->why,
                     "no memory for what the pipe gives; write it to a file, or say its --size");
            return IC_ENOMEM;
        }
        ssize_t len = read_piece(p->fd, p->spool.data + p->spool.len, PIECE_BYTES);
        if (len < 0) {
            return read_error(p);
        }
        p->spool.len += (size_t)len;
        if (p->spool.len > limit) {
            return too_long(p, limit);
        }
        if (len < PIECE_BYTES) {
            p->length = p->spool.len;
            return 0;
        }
    }
}

static int send_spool(struct put *p)
{
    int result = 0;
    for (size_t at = 0; at < p->spool.len && result == 0;) {
        size_t len = p->spool.len - at < PIECE_BYTES ? p->spool.len - at : PIECE_BYTES;
        result = ic_resp_client_send(p->client, ic_slice(p->spool.data + at, len), p->why);
        ic_progress_add(&p->progress, len);
        at += len;
    }
    return result;
}

static int send_input(struct put *p)
{
    uint8_t *piece = p->piece;
    int result = 0;
    for (uint64_t left = p->length; left > 0 && result == 0;) {
        size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        ssize_t len = read_piece(p->fd, piece, want);
        if (len < 0) {
            return read_error(p);
        }
        if ((size_t)len < want) {
            snprintf(p->why, sizeof p->why,
                     "%.300s ended %" PRIu64 " bytes early; the old value stays", p->file,
                     left - (uint64_t)len);
            return IC_EIO;
        }
        result = ic_resp_client_send(p->client, ic_slice(piece, want), p->why);
        ic_progress_add(&p->progress, want);
        left -= want;
    }
    return result;
}

static int read_answer(struct put *p)
{
    char line[IC_RESP_REPLY_MAX];
    int result = ic_resp_client_line(p->client, line, p->why);
    if (result < 0 || strcmp(line, "+OK") == 0) {
        return result;
    }
    return ic_resp_client_refusal(line, p->why);
}

static int transfer(struct put *p)
{
    uint64_t limit;
    const char *words[] = {"SET", p->key};
    int result = ic_resp_client_limit(p->client, &limit, p->why);
    if (result < 0) {
        return result;
    }
    if (p->known && p->length > limit) {
        return too_long(p, limit);
    }
    result = p->known ? 0 : fill_spool(p, limit);
    if (result < 0) {
        return result;
    }
    ic_progress_init(&p->progress, p->key, p->length, true);
    result = ic_resp_client_command(p->client, words, 2, &p->length, p->why);
    if (result == 0) {
        result = p->known ? send_input(p) : send_spool(p);
    }
    if (result == 0) {
        result = ic_resp_client_send(p->client, ic_slice_str("\r\n"), p->why);
    }
    result = result < 0 && result != IC_ECLOSED ? result : read_answer(p);
    ic_progress_end(&p->progress);
    return result;
}

static int run(struct put *p, const struct ic_endpoint_options *o)
{
    struct ic_endpoint e;
    int result = ic_endpoint_find(o, &e, p->why);
    if (result == 0) {
        result = open_input(p);
    }
    if (result == 0) {
        result = ic_resp_client_open(e.host, e.port, e.password, NULL, &p->client, p->why);
    }
    if (result == 0) {
        ic_buf_init(&p->spool);
        p->piece = ic_must(ic_malloc(PIECE_BYTES));
        result = transfer(p);
        ic_free(p->piece);
        ic_buf_deinit(&p->spool);
        ic_resp_client_close(p->client);
    }
    return result;
}

int ic_cli_put(int argc, char **argv)
{
    struct ic_endpoint_options endpoint = {.host = NULL};
    struct put p = {.file = "-"};
    const struct ic_option options[] = {
        {"size", &p.size}, IC_ENDPOINT_OPTIONS(endpoint), {NULL, NULL}};
    int words = ic_options_read(options, argc, argv, print_help);
    if (words < 0) {
        return words == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    }
    if (words < 1 || words > 2) {
        return ic_cli_fail("put: give a key and at most one file; see `infinicache help put`");
    }
    p.key = argv[1];
    p.file = words == 2 ? argv[2] : "-";
    return run(&p, &endpoint) < 0 ? ic_cli_fail("put %.200s: %s", p.key, p.why) : IC_CLI_DONE;
}
