/*
 * config_file.c - the settings as a file in the style of redis.conf: read with the
 * line named in every complaint, and written back in place by CONFIG REWRITE.
 */
#include "base/config.h"

#include "base/alloc.h"
#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_LINE_MAX = 4096 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Splits LINE into name and value in place. False: nothing on it but blanks and a comment. */
static bool split_line(char *line, struct ic_slice *name, struct ic_slice *value)
{
    char *at = line;
    while (is_blank(*at)) {
        at++;
    }
    if (*at == '\0' || *at == '#') {
        return false;
    }
    char *start = at;
    while (*at != '\0' && !is_blank(*at)) {
        at++;
    }
    *name = ic_slice(start, (size_t)(at - start));
    while (is_blank(*at)) {
        at++;
    }
    char *end = at + strlen(at);
    while (end > at && is_blank(end[-1])) {
        end--;
    }
    if (end - at >= 2 && *at == '"' && end[-1] == '"') {
        at++;
        end--;
    }
    *value = ic_slice(at, (size_t)(end - at));
    return true;
}

static int load_line(struct ic_config *c, const char *path, int number, char *line, char *why)
{
    struct ic_slice name, value;
    if (strchr(line, '\n') == NULL && strlen(line) == CONFIG_LINE_MAX - 1) {
        snprintf(why, IC_WHY_MAX, "%s:%d: line longer than %d bytes", path, number,
                 CONFIG_LINE_MAX - 2);
        return IC_ETOOBIG;
    }
    if (!split_line(line, &name, &value)) {
        return 0;
    }
    char reason[IC_WHY_MAX];
    int result = ic_config_set(c, name, value, reason);
    if (result < 0) {
        snprintf(why, IC_WHY_MAX, "%.200s:%d: %.280s", path, number, reason);
    }
    return result;
}

int ic_config_load(struct ic_config *c, const char *path, char *why)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        snprintf(why, IC_WHY_MAX, "cannot open %s: %s", path, strerror(errno));
        return ic_error_from_errno(errno);
    }
    char line[CONFIG_LINE_MAX];
    int number = 0;
    int result = 0;
    while (result == 0 && fgets(line, sizeof line, in) != NULL) {
        result = load_line(c, path, ++number, line, why);
    }
    if (result == 0 && ferror(in)) {
        snprintf(why, IC_WHY_MAX, "cannot read %s: %s", path, strerror(errno));
        result = IC_EIO;
    }
    fclose(in);
    if (result < 0) {
        return result;
    }
    char *file = realpath(path, NULL);
    ic_free(c->file);
    c->file = file == NULL ? NULL : ic_must(ic_strdup(file));
    free(file);
    return 0;
}

static int append_setting(struct ic_buf *out, const struct ic_config *c,
                          const struct ic_directive *d)
{
    struct ic_buf value;
    ic_buf_init(&value);
    int result = ic_config_get(c, d, &value);
    if (result == 0) {
        bool several = d->kind == IC_DIRECTIVE_OUTPUT; /* words, as in redis.conf */
        bool quote = value.len == 0 || (!several && memchr(value.data, ' ', value.len) != NULL) ||
                     memchr(value.data, '#', value.len) != NULL;
        result = ic_buf_printf(out, "%s %s%.*s%s\n", d->name, quote ? "\"" : "", (int)value.len,
                               value.len == 0 ? "" : (const char *)value.data, quote ? "\"" : "");
    }
    ic_buf_deinit(&value);
    return result;
}

static bool is_default(const struct ic_config *c, const struct ic_config *defaults,
                       const struct ic_directive *d)
{
    struct ic_buf have, want;
    ic_buf_init(&have);
    ic_buf_init(&want);
    bool same = ic_config_get(c, d, &have) == 0 && ic_config_get(defaults, d, &want) == 0 &&
                ic_slice_equal(ic_buf_slice(&have), ic_buf_slice(&want));
    ic_buf_deinit(&have);
    ic_buf_deinit(&want);
    return same;
}

/* `up` tells each proxy of its own: it is no setting of whoever wrote the file. */
static bool is_told_by_up(const struct ic_directive *d)
{
    return strcmp(d->name, "platform-run") == 0;
}

/* The last line of a file may lack its end, behind which more is to come. */
static int end_line(struct ic_buf *out)
{
    bool open = out->len > 0 && out->data[out->len - 1] != '\n';
    return open ? ic_buf_append_str(out, "\n") : 0;
}

/* LINE, which is changed, or its directive's present value in place of it. */
static int rewrite_line(const struct ic_config *c, char *line, size_t length, bool *seen,
                        struct ic_buf *out)
{
    size_t count, before = out->len;
    const struct ic_directive *all = ic_directives(&count);
    struct ic_slice name, value;
    int result = ic_buf_append(out, line, length);
    const struct ic_directive *d = split_line(line, &name, &value) ? ic_directive_find(name) : NULL;
    if (result < 0 || d == NULL) {
        return result;
    }
    if (!is_told_by_up(d)) {
        out->len = before;
        result = seen[d - all] ? 0 : append_setting(out, c, d);
    }
    seen[d - all] = true;
    return result;
}

/* The old file's lines, each directive's replaced by its present value. */
static int rewrite_lines(const struct ic_config *c, FILE *in, bool *seen, struct ic_buf *out)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int result = 0;
    while (result == 0 && (length = getline(&line, &size, in)) >= 0) {
        result = rewrite_line(c, line, (size_t)length, seen, out);
    }
    free(line);
    return result < 0 ? result : ferror(in) ? IC_EIO : end_line(out);
}

static int append_changed(const struct ic_config *c, const bool *seen, struct ic_buf *out)
{
    struct ic_config *defaults = ic_config_new();
    size_t count;
    const struct ic_directive *all = ic_directives(&count);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (!seen[i] && !is_told_by_up(&all[i]) && !is_default(c, defaults, &all[i])) {
            result = append_setting(out, c, &all[i]);
        }
    }
    ic_config_free(defaults);
    return result;
}

/* TEXT takes the place of the file at PATH, whose owner and mode OLD says. The owner is kept where
 * that is allowed. */
static int replace_file(const char *path, const struct stat *old, const struct ic_buf *text)
{
    char temporary[4096];
    int len = snprintf(temporary, sizeof temporary, "%s.%d.tmp", path, (int)getpid());
    if (len < 0 || (size_t)len >= sizeof temporary) {
        return IC_ETOOBIG;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ic_error_from_errno(errno);
    }
    int owned = fchown(fd, old->st_uid, old->st_gid);
    (void)owned;
    int error = ic_disk_write(fd, text->data, text->len);
    if (error == 0 && (fsync(fd) < 0 || fchmod(fd, old->st_mode & 07777) < 0)) {
        error = errno;
    }
    if (close(fd) < 0 && error == 0) {
        error = errno;
    }
    if (error == 0 && rename(temporary, path) < 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(temporary);
        return ic_error_from_errno(error);
    }
    return 0;
}

int ic_config_rewrite(const struct ic_config *c)
{
    if (c->file == NULL) {
        return IC_EINVAL;
    }
    FILE *in = fopen(c->file, "re");
    if (in == NULL) {
        return ic_error_from_errno(errno);
    }
    size_t count;
    (void)ic_directives(&count);
    bool *seen = ic_calloc(count, sizeof *seen);
    struct stat old;
    struct ic_buf text;
    ic_buf_init(&text);
    int result = seen == NULL                  ? IC_ENOMEM
                 : fstat(fileno(in), &old) < 0 ? ic_error_from_errno(errno)
                                               : rewrite_lines(c, in, seen, &text);
    if (result == 0) {
        result = append_changed(c, seen, &text);
    }
    if (result == 0) {
        result = replace_file(c->file, &old, &text);
    }
    fclose(in);
    ic_free(seen);
    ic_buf_deinit(&text);
    return result;
}
