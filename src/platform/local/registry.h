/*
 * registry.h - the functions the local platform knows: configuration, published versions,
 * tags and reserved concurrency of each, kept in memory and in one file per function
 * (DIR/functions/NAME.json), so that a restarted platform knows them again.
 *
 *   insert / change in memory --ic_registry_save--> file, forced to the disk
 */
#ifndef IC_PLATFORM_LOCAL_REGISTRY_H
#define IC_PLATFORM_LOCAL_REGISTRY_H

#include "base/error.h"
#include "base/map.h"
#include "platform/local/function_name.h"

#include <jansson.h>

struct ic_registry;

enum {
    IC_FUNCTIONS_MAX = 65536, /* functions at a time */
    IC_UNRESERVED = -1,
};

struct ic_function {
    struct ic_map_node node;
    char name[IC_FUNCTION_NAME_MAX + 1];
    json_t *config;       /* FunctionConfiguration of $LATEST */
    json_t *versions;     /* array of the published ones, oldest first */
    json_t *tags;         /* object */
    int64_t reserved;     /* concurrency, or IC_UNRESERVED */
    int64_t last_version; /* number of the newest ever published; 0: none */
};

/*
 * Opens DIR (which exists) and loads every function in it. A file that cannot be understood is left
 * alone and told to BAD (may be NULL) by its name. IC_EIO, IC_ENOMEM.
 */
int ic_registry_new(const char *dir, void (*bad)(void *ctx, const char *file), void *ctx,
                    struct ic_registry **out) IC_MUST_USE;
void ic_registry_free(struct ic_registry *r); /* the files stay; NULL is fine */

struct ic_function *ic_registry_find(struct ic_registry *r, const char *name); /* or NULL */
size_t ic_registry_count(const struct ic_registry *r);
/* Adds a function; CONFIG's and TAGS's references are taken over on success. Not saved
 * yet. IC_ENOMEM; IC_ENOSPC: IC_FUNCTIONS_MAX. */
int ic_registry_insert(struct ic_registry *r, const char *name, json_t *config, json_t *tags,
                       struct ic_function **out) IC_MUST_USE;
/* Writes F's file. IC_ENOSPC, IC_EIO, IC_ENOMEM: the file is as it was. */
int ic_registry_save(struct ic_registry *r, const struct ic_function *f) IC_MUST_USE;
/* Forgets F and its file. F is gone. */
void ic_registry_remove(struct ic_registry *r, struct ic_function *f);

/*
 * All functions by name: an array the caller ic_frees (COUNT may be 0). NULL: out of memory.
 */
struct ic_function **ic_registry_sorted(struct ic_registry *r, size_t *count);

/* The configuration of QUALIFIER ("" and "$LATEST": the current one); NULL: no such version. */
json_t *ic_function_version(const struct ic_function *f, const char *qualifier);
/* The sum of all reservations. */
int64_t ic_registry_reserved(struct ic_registry *r);
/* Whether some function, in any version, has the code SHA256. */
bool ic_registry_uses_code(struct ic_registry *r, const char *sha256);

#endif
