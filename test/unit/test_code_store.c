/*
 * test_code_store.c - packages and the registry on a real folder, with zips made here.
 */
#define _GNU_SOURCE /* mkdtemp */
#include "platform/local/code_store.h"

#include "platform/local/code_zip.h"
#include "platform/local/files.h"
#include "platform/local/registry.h"
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

struct folder {
    char path[64];
};

static void folder_make(struct folder *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/infinicache-unit-XXXXXX");
    assert_non_null(mkdtemp(f->path));
}

static void folder_remove(struct folder *f)
{
    assert_int_equal(0, ic_remove_tree(f->path));
    assert_int_not_equal(0, access(f->path, F_OK));
    assert_int_equal(0, ic_remove_tree(f->path));
}

static zip_t *begin_zip(zip_source_t **sink)
{
    zip_error_t error;
    *sink = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_source_keep(*sink);
    zip_t *zip = zip_open_from_source(*sink, ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    return zip;
}

static void add_file(zip_t *zip, const char *name, mode_t mode, const char *text)
{
    zip_source_t *file = zip_source_buffer(zip, text, strlen(text), 0);
    zip_int64_t index = zip_file_add(zip, name, file, 0);
    assert_true(index >= 0);
    zip_file_set_external_attributes(zip, (zip_uint64_t)index, 0, ZIP_OPSYS_UNIX,
                                     (zip_uint32_t)mode << 16);
}

/* Appended to OUT. */
static void end_zip(zip_t *zip, zip_source_t *sink, struct ic_buf *out)
{
    assert_int_equal(0, zip_close(zip));
    assert_int_equal(0, zip_source_open(sink));
    zip_source_seek(sink, 0, SEEK_END);
    size_t len = (size_t)zip_source_tell(sink);
    zip_source_seek(sink, 0, SEEK_SET);
    assert_int_equal(0, ic_buf_reserve(out, len));
    assert_int_equal(len, zip_source_read(sink, out->data + out->len, len));
    out->len += len;
    zip_source_close(sink);
    zip_source_free(sink);
}

/* A zip of one file NAME with MODE and TEXT; appended to OUT. */
static void make_zip(const char *name, mode_t mode, const char *text, struct ic_buf *out)
{
    zip_source_t *sink;
    zip_t *zip = begin_zip(&sink);
    add_file(zip, name, mode, text);
    end_zip(zip, sink, out);
}

/* COUNT files, each in DEPTH folders of its own, which no entry names. */
static void make_deep_zip(int count, int depth, struct ic_buf *out)
{
    zip_source_t *sink;
    zip_t *zip = begin_zip(&sink);
    for (int i = 0; i < count; i++) {
        char name[IC_ZIP_PATH_MAX + 1];
        int len = snprintf(name, sizeof name, "%d", i);
        for (int k = 1; k < depth; k++) {
            len += snprintf(name + len, sizeof name - (size_t)len, "/d");
        }
        snprintf(name + len, sizeof name - (size_t)len, "/f");
        add_file(zip, name, S_IFREG | 0644, "");
    }
    end_zip(zip, sink, out);
}

static void test_package(void **state)
{
    (void)state;
    struct folder f;
    struct ic_buf zip, back;
    struct ic_code_store *store;
    char sha[IC_CODE_BASE64_SIZE], hex[IC_CODE_HEX_SIZE], path[512];
    struct stat about;
    folder_make(&f);
    ic_buf_init(&zip);
    ic_buf_init(&back);
    make_zip("dir/bootstrap", S_IFREG | 0750, "#!/bin/sh\n", &zip);
    assert_int_equal(0, ic_code_store_new(f.path, &store));
    assert_int_equal(0, ic_code_store_add(store, ic_buf_slice(&zip)));
    assert_int_equal(0, ic_code_store_add(store, ic_buf_slice(&zip)));
    ic_code_sha256(ic_buf_slice(&zip), sha);
    snprintf(path, sizeof path, "%s/dir/bootstrap", ic_code_store_path(store, sha));
    assert_int_equal(0, stat(path, &about));
    assert_int_equal(about.st_mode & 0777, 0754);
    assert_int_equal(0, ic_code_hex(sha, hex));
    assert_int_equal(0, ic_code_store_read(store, hex, &back));
    assert_true(ic_slice_equal(ic_buf_slice(&zip), ic_buf_slice(&back)));
    /* The folder gone: made again from the zip, unless that was changed. */
    assert_int_equal(0, ic_remove_tree(ic_code_store_path(store, sha)));
    assert_int_equal(0, ic_code_store_ensure(store, sha));
    assert_int_equal(0, stat(path, &about));
    assert_int_equal(0, ic_remove_tree(ic_code_store_path(store, sha)));
    snprintf(path, sizeof path, "%s.zip", ic_code_store_path(store, sha));
    assert_int_equal(0, ic_file_replace(path, ic_slice_str("other"), 0644, false));
    assert_int_equal(IC_ECORRUPT, ic_code_store_ensure(store, sha));
    ic_code_store_drop(store, sha);
    assert_int_equal(IC_ENOENT, ic_code_store_ensure(store, sha));
    assert_int_equal(IC_ENOENT, ic_code_store_read(store, "../../etc/passwd", &back));
    assert_null(ic_code_store_path(store, "not base64!"));
    ic_code_store_free(store);
    ic_buf_deinit(&zip);
    ic_buf_deinit(&back);
    folder_remove(&f);
}

static void test_bad_packages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        mode_t mode;
    } cases[] = {
        {"../x", S_IFREG | 0644}, {"/x", S_IFREG | 0644},    {"a//b", S_IFREG | 0644},
        {"a/..", S_IFREG | 0644}, {"x", S_IFLNK | 0777},     {"x", S_IFIFO | 0644},
        {"a\\b", S_IFREG | 0644}, {"a\x01", S_IFREG | 0644}, {"..", S_IFREG | 0644},
    };
    struct folder f;
    struct ic_buf zip;
    folder_make(&f);
    ic_buf_init(&zip);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        zip.len = 0;
        make_zip(cases[i].name, cases[i].mode, "x", &zip);
        assert_int_equal(IC_EPROTO, ic_code_unzip(ic_buf_slice(&zip), f.path));
    }
    assert_int_equal(IC_ENOENT, ic_code_unzip(ic_slice("", 0), f.path));
    assert_int_equal(IC_EPROTO, ic_code_unzip(ic_slice_str("PK rubbish"), f.path));
    assert_int_equal(IC_ETOOBIG, ic_code_unzip(ic_slice("", IC_ZIP_PACKED_MAX_BYTES + 1), f.path));
    ic_buf_deinit(&zip);
    folder_remove(&f);
}

static json_t *sample_config(const char *name)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i}", "FunctionName", name, "FunctionArn",
                     "arn", "Version", "$LATEST", "CodeSha256", "abc", "RevisionId", "r", "Role",
                     "arn:aws:iam::000000000000:role/r", "Runtime", "provided", "Handler", "h",
                     "MemorySize", 128);
}

/* Folders that no entry names are counted as well: a small zip could make millions. */
static void test_folders_are_counted(void **state)
{
    (void)state;
    struct folder f;
    struct ic_buf zip;
    ic_buf_init(&zip);
    folder_make(&f);
    make_deep_zip(IC_ZIP_FOLDERS_MAX / 200 + 1, 200, &zip);
    assert_int_equal(ic_code_unzip(ic_buf_slice(&zip), f.path), IC_ETOOBIG);
    folder_remove(&f);
    ic_buf_deinit(&zip);
}

static void count_bad(void *ctx, const char *file)
{
    (void)file;
    ++*(int *)ctx;
}

static void test_registry(void **state)
{
    (void)state;
    struct folder f;
    struct ic_registry *r;
    struct ic_function *one, *two;
    char path[128];
    int bad = 0;
    size_t count;
    folder_make(&f);
    assert_int_equal(0, ic_registry_new(f.path, count_bad, &bad, &r));
    assert_int_equal(0, ic_registry_insert(r, "two", sample_config("two"), json_object(), &two));
    assert_int_equal(0, ic_registry_insert(r, "one", sample_config("one"), json_object(), &one));
    one->reserved = 5;
    assert_int_equal(5, ic_registry_reserved(r));
    assert_int_equal(0, ic_registry_save(r, one));
    assert_int_equal(0, ic_registry_save(r, two));
    struct ic_function **all = ic_registry_sorted(r, &count);
    assert_int_equal(2, count);
    assert_ptr_equal(all[0], one);
    ic_free(all);
    assert_true(ic_registry_uses_code(r, "abc"));
    assert_false(ic_registry_uses_code(r, "abd"));
    ic_registry_remove(r, two);
    ic_registry_free(r);

    /* Loaded again; files that are no functions are counted and left alone. */
    snprintf(path, sizeof path, "%s/functions/odd.json", f.path);
    assert_int_equal(0, ic_file_replace(path, ic_slice_str("{}"), 0600, false));
    assert_int_equal(0, ic_registry_new(f.path, count_bad, &bad, &r));
    assert_int_equal(1, bad);
    assert_int_equal(1, ic_registry_count(r));
    one = ic_registry_find(r, "one");
    assert_non_null(one);
    assert_int_equal(one->reserved, 5);
    assert_null(ic_registry_find(r, "two"));
    assert_ptr_equal(ic_function_version(one, "$LATEST"), one->config);
    assert_ptr_equal(ic_function_version(one, ""), one->config);
    assert_null(ic_function_version(one, "1"));
    assert_int_equal(0, access(path, F_OK));
    ic_registry_free(r);
    folder_remove(&f);
}

static void test_failures_leave_the_old_file(void **state)
{
    (void)state;
    struct folder f;
    struct ic_buf text;
    char path[128];
    folder_make(&f);
    ic_buf_init(&text);
    snprintf(path, sizeof path, "%s/file", f.path);
    assert_int_equal(0, ic_file_replace(path, ic_slice_str("old"), 0600, true));
    char fresh[160];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    assert_int_equal(0, mkdir(fresh, 0700)); /* in the way */
    assert_true(ic_file_replace(path, ic_slice_str("new"), 0600, true) < 0);
    assert_int_equal(0, ic_file_read(path, 3, &text));
    assert_true(ic_slice_equal(ic_buf_slice(&text), ic_slice_str("old")));
    assert_int_equal(IC_ETOOBIG, ic_file_read(path, 2, &text));
    assert_int_equal(IC_ENOENT, ic_file_read("/nonexistent/file", 2, &text));
    ic_buf_deinit(&text);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_package),
        leak_test(test_bad_packages),
        leak_test(test_folders_are_counted),
        leak_test(test_registry),
        leak_test(test_failures_leave_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
