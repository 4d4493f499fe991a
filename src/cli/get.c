#define _GNU_SOURCE /* mkostemp */
/*
 * get.c - `infinicache get KEY [FILE]`: streams a value into a file or to standard output.
 *
 *   FILE appears whole or not at all: .infinicache-XXXXXX beside it --rename--> FILE
 *   a failure or a signal removes the temporary file; FILE is as it was
 */
#include "cli/commands.h"

#include "base/alloc.h"
#include "base/disk.h"
#include "cli/endpoint.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/resp_client.h"
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 20 };

struct get {
    const char *key;
    int fd;
    char file[PATH_MAX];           /* where it goes in the end; empty: standard output */
    char temporary[PATH_MAX + 32]; /* empty: written to directly */
    struct ic_resp_client *client;
    struct ic_progress progress;
    uint8_t *piece; /* PIECE_BYTES on their way */
    char why[IC_RESP_CLIENT_WHY_MAX];
};

static void print_help(void)
{
    puts("usage: infinicache get KEY [FILE]\n\n"
         "Writes the value of KEY to FILE, or to standard output if FILE is missing or -. FILE\n"
         "appears under its name when it is complete.\n"
         "Exit status: 0 done, 1 no such key, 2 anything else.\n\n" IC_ENDPOINT_HELP);
}

/* ---- the file --------------------------------------------------------------- */

static int file_error(struct get *g, const char *step, const char *path)
{
    char reason[IC_DISK_WHY_MAX];
    snprintf(g->why, sizeof g->why, "cannot %s %s", step, ic_disk_explain(path, errno, reason));
    return IC_EIO;
}

/* Links are followed, so that what they point to is replaced. */
static int name_file(struct get *g, const char *file)
{
    char *real = realpath(file, NULL);
    int len = snprintf(g->file, sizeof g->file, "%s", real == NULL ? file : real);
    free(real);
    if (len >= (int)sizeof g->file) {
        errno = ENAMETOOLONG;
        return file_error(g, "write", file);
    }
    return 0;
}

static int open_temporary(struct get *g, mode_t mode)
{
    const char *slash = strrchr(g->file, '/');
    int folder = slash == NULL ? 0 : (int)(slash - g->file) + 1;
    snprintf(g->temporary, sizeof g->temporary, "%.*s.infinicache-XXXXXX", folder, g->file);
    g->fd = mkostemp(g->temporary, O_CLOEXEC);
    if (g->fd < 0) {
        g->temporary[0] = '\0';
        return file_error(g, "make a file beside", g->file);
    }
    return fchmod(g->fd, mode) < 0 ? file_error(g, "write", g->temporary) : 0;
}

static int open_output(struct get *g)
{
    struct stat st;
    if (g->file[0] == '\0') {
        g->fd = STDOUT_FILENO;
        return 0;
    }
    bool exists = stat(g->file, &st) == 0;
    if (exists && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return file_error(g, "write", g->file);
    }
    if (exists && !S_ISREG(st.st_mode)) { /* a device or a pipe is no thing to replace */
        g->fd = open(g->file, O_WRONLY | O_CLOEXEC);
        return g->fd < 0 ? file_error(g, "open", g->file) : 0;
    }
    mode_t mask = umask(0);
    umask(mask);
    return open_temporary(g, exists ? st.st_mode & 0777 : 0666 & ~mask);
}

static int write_all(struct get *g, const uint8_t *bytes, size_t len)
{
    errno = ic_disk_write(g->fd, bytes, len);
    return errno == 0 ? 0 : file_error(g, "write", g->file[0] == '\0' ? "/dev/stdout" : g->file);
}

/* RESULT is the transfer's; the file is completed or removed. */
static int close_output(struct get *g, int result)
{
    if (g->fd >= 0 && close(g->fd) < 0 && result == 0) {
        result = file_error(g, "write", g->file);
    }
    g->fd = -1;
    if (g->temporary[0] == '\0') {
        return result;
    }
    if (result == 0 && ic_signals_arrived()) {
        result = IC_ECANCELED;
    }
    if (result == 0 && rename(g->temporary, g->file) < 0) {
        result = file_error(g, "write", g->file);
    }
    if (result < 0) {
        unlink(g->temporary);
    }
    return result;
}

/* ---- the transfer ----------------------------------------------------------- */

static int copy_value(struct get *g, uint64_t length)
{
    uint8_t *piece = g->piece;
    uint64_t left = length;
    while (left > 0) {
        size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, len;
        int result = ic_resp_client_read(g->client, piece, want, &len, g->why);
        if (result < 0) {
            size_t used = strlen(g->why);
            snprintf(g->why + used, sizeof g->why - used, " after %" PRIu64 " of %" PRIu64 " bytes",
                     length - left, length);
            return result;
        }
        result = write_all(g, piece, len);
        if (result < 0) {
            return result;
        }
        ic_progress_add(&g->progress, len);
        left -= len;
    }
    return 0;
}

/* IC_ENOENT: no such key. */
static int request(struct get *g, uint64_t *length)
{
    char line[IC_RESP_REPLY_MAX];
    const char *words[] = {"GET", g->key};
    int result = ic_resp_client_command(g->client, words, 2, NULL, g->why);
    if (result >= 0) {
        result = ic_resp_client_line(g->client, line, g->why);
    }
    if (result < 0) {
        return result;
    }
    int64_t number;
    if (strcmp(line, "$-1") == 0) {
        snprintf(g->why, sizeof g->why, "no such key");
        return IC_ENOENT;
    }
    if (line[0] != '$' || ic_slice_to_i64(ic_slice_str(line + 1), &number) < 0 || number < 0) {
        return ic_resp_client_refusal(line, g->why);
    }
    *length = (uint64_t)number;
    return 0;
}

static int transfer(struct get *g)
{
    uint64_t length = 0;
    int result = request(g, &length);
    if (result < 0) {
        return result;
    }
    bool to_terminal = g->file[0] == '\0' && isatty(STDOUT_FILENO) == 1;
    ic_progress_init(&g->progress, g->key, length, !to_terminal);
    result = open_output(g);
    if (result == 0) {
        result = copy_value(g, length);
    }
    ic_progress_end(&g->progress);
    return close_output(g, result);
}

static int run(struct get *g, const struct ic_endpoint_options *o, const char *file)
{
    struct ic_endpoint e;
    int result = ic_endpoint_find(o, &e, g->why);
    if (result == 0 && file != NULL && strcmp(file, "-") != 0) {
        result = name_file(g, file);
    }
    if (result == 0) {
        result = ic_resp_client_open(e.host, e.port, e.password, NULL, &g->client, g->why);
    }
    if (result == 0) {
        if (g->file[0] != '\0') {
            ic_signals_hold();
        }
        g->piece = ic_must(ic_malloc(PIECE_BYTES));
        result = transfer(g);
        ic_free(g->piece);
        ic_resp_client_close(g->client);
    }
    return result;
}

int ic_cli_get(int argc, char **argv)
{
    struct ic_endpoint_options endpoint = {.host = NULL};
    struct get g = {.fd = -1};
    const struct ic_option options[] = {IC_ENDPOINT_OPTIONS(endpoint), {NULL, NULL}};
    int words = ic_options_read(options, argc, argv, print_help);
    if (words < 0) {
        return words == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    }
    if (words < 1 || words > 2) {
        return ic_cli_fail("get: give a key and at most one file; see `infinicache help get`");
    }
    g.key = argv[1];
    int result = run(&g, &endpoint, words == 2 ? argv[2] : NULL);
    if (result < 0) {
        ic_cli_fail("get %.200s: %s", g.key, g.why);
    }
    ic_signals_release();
    return result == 0 ? IC_CLI_DONE : result == IC_ENOENT ? IC_CLI_NOT_FOUND : IC_CLI_FAILED;
}
