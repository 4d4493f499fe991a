/*
 * registry.c - a map by name, and JSON files.
 */
#include "platform/local/registry.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/random.h"
#include "platform/local/files.h"
#include "platform/local/function_config.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 64 << 20 }; /* of one function: versions of about 2 KiB each */

struct ic_registry {
    struct ic_map map;
    char root[PATH_MAX]; /* DIR/functions */
};

static struct ic_function *of_node(const struct ic_map_node *node)
{
    return IC_CONTAINER((struct ic_map_node *)(uintptr_t)node, struct ic_function, node);
}

static bool match(const struct ic_map_node *node, struct ic_slice key)
{
    return ic_slice_equal(ic_slice_str(of_node(node)->name), key);
}

static void function_free(struct ic_function *f)
{
    json_decref(f->config);
    json_decref(f->versions);
    json_decref(f->tags);
    ic_free(f);
}

/* ---- lookup -------------------------------------------------------------------------- */

struct ic_function *ic_registry_find(struct ic_registry *r, const char *name)
{
    struct ic_map_node *node = ic_map_find(&r->map, ic_slice_str(name));
    return node == NULL ? NULL : of_node(node);
}

size_t ic_registry_count(const struct ic_registry *r)
{
    return r->map.count;
}

json_t *ic_function_version(const struct ic_function *f, const char *qualifier)
{
    if (qualifier[0] == '\0' || strcmp(qualifier, "$LATEST") == 0) {
        return f->config;
    }
    size_t index;
    json_t *version;
    json_array_foreach(f->versions, index, version)
    {
        const char *number = json_string_value(json_object_get(version, "Version"));
        if (number != NULL && strcmp(number, qualifier) == 0) {
            return version;
        }
    }
    return NULL;
}

struct gather {
    struct ic_function **out;
    size_t count;
};

static void gather_one(struct ic_map_node *node, void *ctx)
{
    struct gather *g = ctx;
    g->out[g->count++] = of_node(node);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(struct ic_function *const *)a)->name, (*(struct ic_function *const *)b)->name);
}

struct ic_function **ic_registry_sorted(struct ic_registry *r, size_t *count)
{
    struct gather g = {.out = ic_calloc(r->map.count + 1, sizeof(struct ic_function *))};
    if (g.out == NULL) {
        return NULL;
    }
    ic_map_each(&r->map, gather_one, &g);
    qsort(g.out, g.count, sizeof g.out[0], compare_names);
    *count = g.count;
    return g.out;
}

static void add_reserved(struct ic_map_node *node, void *ctx)
{
    int64_t *sum = ctx;
    int64_t reserved = of_node(node)->reserved;
    *sum += reserved == IC_UNRESERVED ? 0 : reserved;
}

int64_t ic_registry_reserved(struct ic_registry *r)
{
    int64_t sum = 0;
    ic_map_each(&r->map, add_reserved, &sum);
    return sum;
}

struct code_search {
    const char *sha256;
    bool found;
};

static bool has_code(const json_t *config, const char *sha256)
{
    const char *own = json_string_value(json_object_get(config, "CodeSha256"));
    return own != NULL && strcmp(own, sha256) == 0;
}

static void search_code(struct ic_map_node *node, void *ctx)
{
    struct code_search *search = ctx;
    const struct ic_function *f = of_node(node);
    size_t index;
    json_t *version;
    search->found = search->found || has_code(f->config, search->sha256);
    json_array_foreach(f->versions, index, version)
    {
        search->found = search->found || has_code(version, search->sha256);
    }
}

bool ic_registry_uses_code(struct ic_registry *r, const char *sha256)
{
    struct code_search search = {.sha256 = sha256};
    ic_map_each(&r->map, search_code, &search);
    return search.found;
}

/* ---- change ----------------------------------------------------------------------------- */

static int insert(struct ic_registry *r, struct ic_function *f)
{
    if (r->map.count >= IC_FUNCTIONS_MAX) {
        return IC_ENOSPC;
    }
    return ic_map_insert(&r->map, &f->node, ic_slice_str(f->name));
}

int ic_registry_insert(struct ic_registry *r, const char *name, json_t *config, json_t *tags,
                       struct ic_function **out)
{
    struct ic_function *f = ic_calloc(1, sizeof *f);
    if (f == NULL) {
        return IC_ENOMEM;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    f->versions = json_array();
    f->reserved = IC_UNRESERVED;
    int result = f->versions == NULL ? IC_ENOMEM : insert(r, f);
    if (result < 0) {
        function_free(f);
        return result;
    }
    f->config = config;
    f->tags = tags;
    *out = f;
    return 0;
}

static int file_of(const struct ic_registry *r, const char *name, char out[PATH_MAX])
{
    int len = snprintf(out, PATH_MAX, "%s/%s.json", r->root, name);
    return len < 0 || len >= PATH_MAX ? IC_ETOOBIG : 0;
}

int ic_registry_save(struct ic_registry *r, const struct ic_function *f)
{
    char path[PATH_MAX];
    int result = file_of(r, f->name, path);
    if (result < 0) {
        return result;
    }
    json_t *all = json_pack("{s:O, s:O, s:O, s:I, s:I}", "config", f->config, "versions",
                            f->versions, "tags", f->tags, "reserved", (json_int_t)f->reserved,
                            "last_version", (json_int_t)f->last_version);
    char *text = all == NULL ? NULL : json_dumps(all, JSON_INDENT(1));
    json_decref(all);
    /* Variables may hold secrets: for the owner only. */
    result = text == NULL ? IC_ENOMEM : ic_file_replace(path, ic_slice_str(text), 0600, true);
    free(text);
    return result;
}

void ic_registry_remove(struct ic_registry *r, struct ic_function *f)
{
    char path[PATH_MAX];
    if (file_of(r, f->name, path) == 0) {
        (void)unlink(path);
    }
    ic_map_remove(&r->map, &f->node);
    function_free(f);
}

/* ---- loading ------------------------------------------------------------------------------ */

/* A function from its file's JSON; NULL: not one. */
static struct ic_function *understand(const json_t *all, const char *name)
{
    json_t *config = json_object_get(all, "config");
    json_t *versions = json_object_get(all, "versions");
    json_t *tags = json_object_get(all, "tags");
    const char *own_name = json_string_value(json_object_get(config, "FunctionName"));
    if (!json_is_object(config) || !json_is_array(versions) || !json_is_object(tags) ||
        own_name == NULL || strcmp(own_name, name) != 0 || !ic_function_config_sane(config)) {
        return NULL;
    }
    size_t index;
    json_t *version;
    json_array_foreach(versions, index, version)
    {
        if (!ic_function_config_sane(version)) {
            return NULL;
        }
    }
    struct ic_function *f = ic_calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    f->config = json_incref(config);
    f->versions = json_incref(versions);
    f->tags = json_incref(tags);
    f->reserved = json_integer_value(json_object_get(all, "reserved"));
    f->last_version = json_integer_value(json_object_get(all, "last_version"));
    return f;
}

static int load_one(struct ic_registry *r, const char *name)
{
    char path[PATH_MAX];
    struct ic_buf text;
    ic_buf_init(&text);
    int result = file_of(r, name, path);
    if (result == 0) {
        result = ic_file_read(path, FILE_MAX_BYTES, &text);
    }
    json_t *all = result < 0 ? NULL : json_loadb((const char *)text.data, text.len, 0, NULL);
    struct ic_function *f = all == NULL ? NULL : understand(all, name);
    result = f == NULL ? IC_ECORRUPT : insert(r, f);
    if (result < 0 && f != NULL) {
        function_free(f);
    }
    json_decref(all);
    ic_buf_deinit(&text);
    return result;
}

static int load_all(struct ic_registry *r, void (*bad)(void *ctx, const char *file), void *ctx)
{
    char name[IC_FUNCTION_NAME_MAX + 1];
    DIR *dir = opendir(r->root);
    struct dirent *entry;
    if (dir == NULL) {
        return IC_EIO;
    }
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        bool json = len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
        if (!json || len - 5 > IC_FUNCTION_NAME_MAX) {
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)(len - 5), entry->d_name);
        if (load_one(r, name) < 0 && bad != NULL) {
            bad(ctx, entry->d_name);
        }
    }
    closedir(dir);
    return 0;
}

int ic_registry_new(const char *dir, void (*bad)(void *ctx, const char *file), void *ctx,
                    struct ic_registry **out)
{
    struct ic_registry *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return IC_ENOMEM;
    }
    ic_map_init(&r->map, ic_random_u64(), match);
    int len = snprintf(r->root, sizeof r->root, "%s/functions", dir);
    int result = len < 0 || (size_t)len >= sizeof r->root ? IC_ETOOBIG : ic_folder_make(r->root);
    if (result == 0) {
        result = load_all(r, bad, ctx);
    }
    if (result < 0) {
        ic_registry_free(r);
        return result;
    }
    *out = r;
    return 0;
}

static void free_one(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    function_free(of_node(node));
}

void ic_registry_free(struct ic_registry *r)
{
    if (r == NULL) {
        return;
    }
    ic_map_each(&r->map, free_one, NULL);
    ic_map_deinit(&r->map);
    ic_free(r);
}
