#include "cli/trace.h"

#include "base/alloc.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 256 * 1024 };

struct ic_trace {
    struct archive *archive;
    const char *path; /* the caller's */
    uint64_t file_bytes;
    uint64_t line_number;
    bool in_file; /* of the archive */
    bool last;    /* nothing comes after `end` */
    struct ic_trace_lines lines;
    size_t at, end; /* of text: read and not taken */
    uint8_t text[BLOCK_BYTES];
};

static int archive_failed(struct ic_trace *t, char *why)
{
    const char *text = t->archive == NULL ? NULL : archive_error_string(t->archive);
    snprintf(why, IC_TRACE_WHY_MAX, "cannot read %.300s: %.100s", t->path,
             text == NULL ? ic_error_text(IC_ENOMEM) : text);
    return t->archive == NULL ? IC_ENOMEM : IC_EIO;
}

int ic_trace_open(const char *path, struct ic_trace **out, char *why)
{
    bool standard = strcmp(path, "-") == 0;
    struct stat st = {0};
    if (!standard && stat(path, &st) < 0) {
        snprintf(why, IC_TRACE_WHY_MAX, "cannot read %.300s: %s", path, strerror(errno));
        return errno == ENOENT ? IC_ENOENT : IC_EIO;
    }
    struct ic_trace *t = ic_calloc(1, sizeof *t);
    if (t == NULL) {
        snprintf(why, IC_TRACE_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    t->path = path;
    t->file_bytes = (uint64_t)st.st_size;
    t->archive = archive_read_new();
    if (t->archive == NULL || archive_read_support_filter_all(t->archive) < ARCHIVE_WARN ||
        archive_read_support_format_tar(t->archive) != ARCHIVE_OK ||
        archive_read_support_format_zip(t->archive) != ARCHIVE_OK ||
        archive_read_support_format_raw(t->archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(t->archive) != ARCHIVE_OK ||
        archive_read_open_filename(t->archive, standard ? NULL : path, BLOCK_BYTES) != ARCHIVE_OK) {
        int result = archive_failed(t, why);
        ic_trace_close(t);
        return result;
    }
    *out = t;
    return 0;
}

void ic_trace_close(struct ic_trace *t)
{
    if (t != NULL) {
        archive_read_free(t->archive);
        ic_free(t);
    }
}

/* The next file of the archive; 0: there is none. */
static int next_file(struct ic_trace *t, char *why)
{
    struct archive_entry *entry;
    while (true) {
        int result = archive_read_next_header(t->archive, &entry);
        if (result == ARCHIVE_EOF) {
            return 0;
        }
        if (result < ARCHIVE_WARN) {
            return archive_failed(t, why);
        }
        /* Of a raw stream the type is not set. */
        if (archive_entry_filetype(entry) == AE_IFREG || archive_entry_filetype(entry) == 0) {
            t->in_file = true;
            t->line_number = 0;
            memset(&t->lines, 0, sizeof t->lines);
            return 1;
        }
    }
}

/* Fills the room behind `end`; sets `last` at the end of a file. */
static int fill(struct ic_trace *t, char *why)
{
    memmove(t->text, t->text + t->at, t->end - t->at);
    t->end -= t->at;
    t->at = 0;
    if (t->end >= IC_TRACE_LINE_MAX) {
        snprintf(why, IC_TRACE_WHY_MAX, "%.300s, line %" PRIu64 " is longer than %d bytes", t->path,
                 t->line_number + 1, IC_TRACE_LINE_MAX);
        return IC_ETOOBIG;
    }
    ssize_t len = archive_read_data(t->archive, t->text + t->end, sizeof t->text - t->end);
    if (len < 0) {
        return archive_failed(t, why);
    }
    t->end += (size_t)len;
    t->last = len == 0;
    return 0;
}

/* 1: *LINE is the next one; 0: the end of the last file. */
static int next_line(struct ic_trace *t, struct ic_slice *line, char *why)
{
    while (true) {
        if (!t->in_file) {
            int result = next_file(t, why);
            if (result <= 0) {
                return result;
            }
        }
        const uint8_t *end = t->at == t->end ? NULL : memchr(t->text + t->at, '\n', t->end - t->at);
        if (end != NULL || (t->last && t->at < t->end)) {
            size_t len = end == NULL ? t->end - t->at : (size_t)(end - t->text) - t->at;
            *line = ic_slice(t->text + t->at, len);
            t->at += len + (end != NULL);
            t->line_number++;
            return 1;
        }
        if (t->last) {
            t->in_file = t->last = false;
            continue;
        }
        int result = fill(t, why);
        if (result < 0) {
            return result;
        }
    }
}

int ic_trace_next(struct ic_trace *t, struct ic_trace_request *out, char *why)
{
    struct ic_slice line;
    int result;
    while ((result = next_line(t, &line, why)) > 0) {
        result = ic_trace_line(&t->lines, line, out);
        if (result < 0) {
            snprintf(why, IC_TRACE_WHY_MAX,
                     "%.300s, line %" PRIu64
                     " is not a request: '%.*s'; the formats are in doc/traces.md",
                     t->path, t->line_number, (int)(line.len < 60 ? line.len : 60),
                     (const char *)line.data);
            return result;
        }
        if (result > 0) {
            return result;
        }
    }
    return result;
}

struct ic_slice ic_trace_key(struct ic_slice key, bool by_digest)
{
    for (size_t i = key.len; by_digest && i > 0; i--) {
        if (key.data[i - 1] == '/') {
            return ic_slice(key.data + i, key.len - i);
        }
    }
    return key;
}

double ic_trace_share(const struct ic_trace *t)
{
    double share = t->file_bytes == 0
                       ? 0
                       : (double)archive_filter_bytes(t->archive, -1) / (double)t->file_bytes;
    return share < 1 ? share : 1;
}
