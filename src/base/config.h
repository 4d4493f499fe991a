/*
 * config.h - the settings of a process: a struct with one typed field per row of
 * directives.h, read from a file in the style of redis.conf and from --name value.
 * Code reads the fields directly, each time it needs them, so that CONFIG SET works.
 */
#ifndef IC_BASE_CONFIG_H
#define IC_BASE_CONFIG_H

#include "base/buf.h"
#include "base/directives.h"
#include "base/nearest.h"
#include "base/output_limits.h"

#include <stdbool.h>
#include <stdio.h>

enum ic_directive_kind {
    IC_DIRECTIVE_INT,
    IC_DIRECTIVE_SIZE,
    IC_DIRECTIVE_TIME,
    IC_DIRECTIVE_REAL,
    IC_DIRECTIVE_BOOL,
    IC_DIRECTIVE_ENUM,
    IC_DIRECTIVE_STRING,
    IC_DIRECTIVE_NAME,
    IC_DIRECTIVE_SHARE,
    IC_DIRECTIVE_OUTPUT,
};

enum { IC_SCOPE_P = 1, IC_SCOPE_L = 2, IC_SCOPE_PL = 3, IC_SCOPE_U = 4 };

#define IC_FIELD_INT(field)    int64_t field;
#define IC_FIELD_SIZE(field)   int64_t field;
#define IC_FIELD_TIME(field)   int64_t field;
#define IC_FIELD_REAL(field)   double field;
#define IC_FIELD_BOOL(field)   bool field;
#define IC_FIELD_ENUM(field)   int field;
#define IC_FIELD_STRING(field) char *field;
#define IC_FIELD_NAME(field)   char *field;
#define IC_FIELD_SHARE(field)  int64_t field;
#define IC_FIELD_OUTPUT(field) struct ic_output_limits field;

struct ic_config {
#define IC_CONFIG_FIELD(kind, field, ...) IC_FIELD_##kind(field)
    IC_DIRECTIVES(IC_CONFIG_FIELD)
#undef IC_CONFIG_FIELD
    char *file; /* the file it was loaded from, or NULL */
};

/* Indexes of the ENUM directives, in the order of their choices. */
enum {
    IC_EVICTION_GDSF,
    IC_EVICTION_SIEVE,
    IC_EVICTION_S3FIFO,
    IC_EVICTION_LRU,
    IC_EVICTION_CLOCK
};
enum { IC_HEDGE_OFF, IC_HEDGE_ADAPTIVE, IC_HEDGE_ALWAYS };
enum { IC_REPAIR_MODE_EAGER, IC_REPAIR_MODE_LAZY, IC_REPAIR_MODE_OFF };
enum { IC_FSYNC_ALWAYS, IC_FSYNC_EVERYSEC, IC_FSYNC_NO };
enum { IC_REBUILD_AUTO, IC_REBUILD_YES, IC_REBUILD_NO };
enum { IC_BILLING_1MS, IC_BILLING_100MS };
enum { IC_ZONES_SAME, IC_ZONES_CROSS };
enum { IC_ARCHITECTURE_X86_64, IC_ARCHITECTURE_ARM64 };
enum { IC_ROUTING_MRU, IC_ROUTING_LRU, IC_ROUTING_RANDOM };

struct ic_directive {
    const char *name, *default_text, *choices, *help;
    int64_t least, most;
    size_t offset; /* of the field in struct ic_config */
    enum ic_directive_kind kind;
    int scope; /* IC_SCOPE_... bits */
    bool runtime;
};

/* The table; *COUNT its rows. */
const struct ic_directive *ic_directives(size_t *count);
/* The row called NAME (any case), or NULL. */
const struct ic_directive *ic_directive_find(struct ic_slice name);
/* Offers the names of SCOPE to NEAR, for a word that may have been meant to be one. */
void ic_directives_offer(struct ic_nearest *near, int scope);

/* All defaults. Aborts when out of memory: it is called at start. */
struct ic_config *ic_config_new(void);
struct ic_config *ic_config_copy(const struct ic_config *c); /* aborts as well */
void ic_config_free(struct ic_config *c);

enum { IC_WHY_MAX = 512 }; /* bytes of a reason, the terminating zero included */

/*
 * Sets one directive. On an error the config is unchanged and WHY (IC_WHY_MAX bytes) says the
 * reason in words that name the directive: IC_ENOENT no such directive, IC_EINVAL bad value,
 * IC_ERANGE outside its bounds, IC_ENOMEM.
 */
int ic_config_set(struct ic_config *c, struct ic_slice name, struct ic_slice value,
                  char *why) IC_MUST_USE;
/* Appends the value as text that ic_config_set takes back. */
int ic_config_get(const struct ic_config *c, const struct ic_directive *d,
                  struct ic_buf *out) IC_MUST_USE;
/* The same as people write it: sizes not in plain bytes, but 256mb. */
int ic_config_show(const struct ic_config *c, const struct ic_directive *d,
                   struct ic_buf *out) IC_MUST_USE;

/* Loads a file; WHY names file, line and reason. Remembers PATH in c->file. */
int ic_config_load(struct ic_config *c, const char *path, char *why) IC_MUST_USE;
/*
 * Writes the settings back to c->file: lines of directives that changed are replaced in place,
 * new ones are appended, comments stay. Written to a temporary file first, then renamed.
 * IC_EINVAL: there is no file.
 */
int ic_config_rewrite(const struct ic_config *c) IC_MUST_USE;

/* One paragraph per directive of SCOPE, for --help. */
void ic_config_help(FILE *out, int scope);
/* The documented sample file, every directive of every scope with its default. */
void ic_config_sample(FILE *out);

#endif
