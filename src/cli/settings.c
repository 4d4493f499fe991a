#include "cli/settings.h"

#include "base/alloc.h"
#include "base/disk.h"
#include "cli/options.h"
#include "cli/place.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SETTINGS_PATH_MAX = 4096 + 64 };

/* ---- command line ----------------------------------------------------------- */

struct option {
    struct ic_slice name, value;
};

/* Takes the option at ARGV[*INDEX] and moves on. */
static int next_option(int argc, char **argv, int *index, int scope, struct option *o, char *why)
{
    const char *word = argv[*index];
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0') {
        snprintf(why, IC_WHY_MAX, "unexpected argument '%.200s'; see `infinicache help %s`", word,
                 argv[0]);
        return IC_EINVAL;
    }
    o->name = ic_slice(word + 2, strcspn(word + 2, "="));
    if (!ic_slice_equal_nocase(o->name, "config") && ic_directive_find(o->name) == NULL) {
        ic_option_unknown(NULL, scope, argv[0], word, why);
        return IC_ENOENT;
    }
    const char *value = ic_option_value(NULL, argc, argv, index);
    if (value == NULL) {
        snprintf(why, IC_WHY_MAX, "%.200s needs a value", word);
        return IC_EINVAL;
    }
    o->value = ic_slice_str(value);
    *index += 1;
    return 0;
}

static int apply_option(struct ic_config *c, const struct option *o, bool files, char *why)
{
    bool is_file = ic_slice_equal_nocase(o->name, "config");
    if (is_file != files) {
        return 0; /* the other pass's */
    }
    if (!is_file) {
        return ic_config_set(c, o->name, o->value, why);
    }
    return ic_config_load(c, (const char *)o->value.data, why); /* of argv: ends with a zero */
}

int ic_settings_apply(struct ic_config *c, int argc, char **argv, int scope, char *why)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 1; i < argc;) {
            struct option o;
            int result = next_option(argc, argv, &i, scope, &o, why);
            if (result == 0) {
                result = apply_option(c, &o, pass == 0, why);
            }
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

int ic_settings_dir(const char *dir, const char *file, char *out, char *why)
{
    static_assert((int)IC_WHY_MAX >= (int)IC_PLACE_WHY_MAX, "WHY is handed on");
    if (dir != NULL || file == NULL) {
        return ic_place_dir(dir, out, why);
    }
    struct ic_config *c = ic_config_new();
    int result = ic_config_load(c, file, why);
    if (result == 0) {
        result = ic_place_dir(c->dir, out, why);
    }
    ic_config_free(c);
    return result;
}

/* ---- the file --------------------------------------------------------------- */

static int append_line(struct ic_buf *out, const struct ic_config *c, const struct ic_directive *d)
{
    int result = ic_buf_printf(out, "%s \"", d->name);
    if (result == 0) {
        result = ic_config_get(c, d, out);
    }
    return result < 0 ? result : ic_buf_append_str(out, "\"\n");
}

static int print_settings(const struct ic_config *c, struct ic_buf *out)
{
    size_t count;
    const struct ic_directive *all = ic_directives(&count);
    int result = ic_buf_printf(out,
                               "# written by `infinicache up`: what runs in this folder\n"
                               "#file %s\n",
                               c->file == NULL ? "" : c->file);
    for (size_t i = 0; i < count && result == 0; i++) {
        result = append_line(out, c, &all[i]);
    }
    return result;
}

/* An errno. */
static int write_file(const char *path, const struct ic_buf *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int error = ic_disk_write(fd, text->data, text->len);
    if (error == 0 && fsync(fd) < 0) {
        error = errno;
    }
    close(fd);
    return error;
}

static int replace_file(const char *path, const char *temporary, const struct ic_buf *text,
                        char *why)
{
    char reason[IC_DISK_WHY_MAX];
    int error = write_file(temporary, text);
    if (error == 0 && rename(temporary, path) < 0) {
        error = errno;
    }
    if (error == 0) {
        return 0;
    }
    unlink(temporary);
    snprintf(why, IC_WHY_MAX, "cannot write %s", ic_disk_explain(path, error, reason));
    return ic_error_from_errno(error);
}

int ic_settings_save(const struct ic_config *c, const char *dir, char *why)
{
    char path[SETTINGS_PATH_MAX], temporary[SETTINGS_PATH_MAX];
    snprintf(path, sizeof path, "%s/settings", dir);
    snprintf(temporary, sizeof temporary, "%s/settings.tmp", dir);
    struct ic_buf text;
    ic_buf_init(&text);
    int result = print_settings(c, &text);
    if (result == 0) {
        result = replace_file(path, temporary, &text, why);
    } else {
        snprintf(why, IC_WHY_MAX, "cannot write %.300s: %s", path, ic_error_text(result));
    }
    ic_buf_deinit(&text);
    return result;
}

/* C->file becomes what the settings' file says in its comment. */
static void restore_file(struct ic_config *c, const char *path)
{
    static const char mark[] = "#file ";
    char line[SETTINGS_PATH_MAX];
    FILE *in = fopen(path, "re");
    ic_free(c->file);
    c->file = NULL;
    while (in != NULL && c->file == NULL && fgets(line, sizeof line, in) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, mark, sizeof mark - 1) == 0 && line[sizeof mark - 1] != '\0') {
            c->file = ic_must(ic_strdup(line + sizeof mark - 1));
        }
    }
    if (in != NULL) {
        fclose(in);
    }
}

struct ic_config *ic_settings_load(const char *dir)
{
    char path[SETTINGS_PATH_MAX], why[IC_WHY_MAX];
    snprintf(path, sizeof path, "%s/settings", dir);
    struct ic_config *c = ic_config_new();
    if (access(path, R_OK) < 0 || ic_config_load(c, path, why) < 0) {
        ic_config_free(c);
        return NULL;
    }
    restore_file(c, path);
    return c;
}

/* ---- comparison ------------------------------------------------------------- */

typedef int config_printer(const struct ic_config *c, const struct ic_directive *d,
                           struct ic_buf *out);

static char *text_by(config_printer *print, const struct ic_config *c, const struct ic_directive *d)
{
    struct ic_buf text;
    ic_buf_init(&text);
    if (print(c, d, &text) < 0 || ic_buf_append(&text, "", 1) < 0) {
        abort(); /* out of memory: there is nothing to save */
    }
    char *copy = ic_must(ic_strdup((const char *)text.data));
    ic_buf_deinit(&text);
    return copy;
}

char *ic_settings_text(const struct ic_config *c, const struct ic_directive *d)
{
    return text_by(ic_config_get, c, d);
}

int ic_settings_difference(const struct ic_config *running, const struct ic_config *wanted,
                           bool (*counts)(const struct ic_directive *d), struct ic_buf *out)
{
    size_t count;
    const struct ic_directive *all = ic_directives(&count);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        char *has = text_by(ic_config_show, running, &all[i]);
        char *wants = text_by(ic_config_show, wanted, &all[i]);
        if (strcmp(has, wants) != 0 && (counts == NULL || counts(&all[i]))) {
            result = ic_buf_printf(out, "%s%s (runs with %s, asked for %s)",
                                   out->len == 0 ? "" : ", ", all[i].name, has, wants);
        }
        ic_free(has);
        ic_free(wants);
    }
    return result;
}

/* ---- arguments of a daemon -------------------------------------------------- */

/* What a daemon knows without a word on its command line. */
static struct ic_config *known_settings(const struct ic_config *c)
{
    char why[IC_WHY_MAX];
    struct ic_config *known = ic_config_new();
    if (c->file != NULL && ic_config_load(known, c->file, why) < 0) {
        ic_config_free(known); /* gone or broken since: then every setting is said */
        known = ic_config_new();
    }
    return known;
}

char **ic_settings_arguments(const struct ic_config *c, int scope, const char *program,
                             const char *subcommand)
{
    size_t count, used = 0;
    const struct ic_directive *all = ic_directives(&count);
    struct ic_config *known = known_settings(c);
    char **words = ic_must(ic_calloc(count * 2 + 5, sizeof *words)); /* head, --config FILE, NULL */
    words[used++] = ic_must(ic_strdup(program));
    words[used++] = ic_must(ic_strdup(subcommand));
    if (known->file != NULL) {
        words[used++] = ic_must(ic_strdup("--config"));
        words[used++] = ic_must(ic_strdup(known->file));
    }
    for (size_t i = 0; i < count; i++) {
        char *has = ic_settings_text(known, &all[i]);
        char *wants = ic_settings_text(c, &all[i]);
        if ((all[i].scope & scope) != 0 && strcmp(has, wants) != 0) {
            char name[128];
            snprintf(name, sizeof name, "--%s", all[i].name);
            words[used++] = ic_must(ic_strdup(name));
            words[used++] = ic_must(ic_strdup(wants));
        }
        ic_free(has);
        ic_free(wants);
    }
    ic_config_free(known);
    return words;
}

void ic_settings_free_arguments(char **arguments)
{
    for (size_t i = 0; arguments[i] != NULL; i++) {
        ic_free(arguments[i]);
    }
    ic_free(arguments);
}
