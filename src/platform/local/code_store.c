/*
 * code_store.c - names by hash, so that a package never changes once it is there.
 */
#include "platform/local/code_store.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/random.h"
#include "platform/local/code_zip.h"
#include "platform/local/files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH_PREFIX ".new-"

struct ic_code_store {
    char root[PATH_MAX]; /* DIR/code, absolute */
    char path[PATH_MAX]; /* of ic_code_store_path */
};

/* ---- names ----------------------------------------------------------------------------- */

static void to_hex(const uint8_t *bytes, char out[IC_CODE_HEX_SIZE])
{
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

int ic_code_hex(const char *sha256, char out[IC_CODE_HEX_SIZE])
{
    struct ic_buf bytes;
    ic_buf_init(&bytes);
    int result = ic_base64_decode(ic_slice_str(sha256), &bytes);
    if (result == 0 && bytes.len != SHA256_DIGEST_LENGTH) {
        result = IC_EINVAL;
    }
    if (result == 0) {
        to_hex(bytes.data, out);
    }
    ic_buf_deinit(&bytes);
    return result;
}

void ic_code_sha256(struct ic_slice zip, char out[IC_CODE_BASE64_SIZE])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t digest[SHA256_DIGEST_LENGTH + 1] = {0}; /* one zero byte fills the last group */
    SHA256(zip.data, zip.len, digest);
    for (size_t i = 0; i < 11; i++) { /* 33 bytes: 11 groups of three */
        const uint8_t *p = digest + 3 * i;
        uint32_t group = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (size_t k = 0; k < 4; k++) {
            out[4 * i + k] = alphabet[group >> (18 - 6 * k) & 63];
        }
    }
    out[43] = '=';
    out[44] = '\0';
}

static bool is_hex_name(const char *hex)
{
    return strlen(hex) == IC_CODE_HEX_SIZE - 1 &&
           strspn(hex, "0123456789abcdef") == IC_CODE_HEX_SIZE - 1;
}

/* IC_ETOOBIG: DIR's name is too long. */
static int join(char out[PATH_MAX], const char *root, const char *name, const char *suffix)
{
    int len = snprintf(out, PATH_MAX, "%s/%s%s", root, name, suffix);
    return len < 0 || len >= PATH_MAX ? IC_ETOOBIG : 0;
}

const char *ic_code_store_path(struct ic_code_store *s, const char *sha256)
{
    char hex[IC_CODE_HEX_SIZE];
    if (ic_code_hex(sha256, hex) < 0 || join(s->path, s->root, hex, "") < 0) {
        return NULL;
    }
    return s->path;
}

/* ---- packages ----------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Unpacks under another name, then gives it its own. */
static int unpack(struct ic_code_store *s, struct ic_slice zip, const char *hex)
{
    char fresh[PATH_MAX], path[PATH_MAX], name[64];
    snprintf(name, sizeof name, FRESH_PREFIX "%016" PRIx64, ic_random_u64());
    if (join(fresh, s->root, name, "") < 0 || join(path, s->root, hex, "") < 0) {
        return IC_ETOOBIG;
    }
    int result = ic_folder_make(fresh);
    if (result == 0) {
        result = ic_code_unzip(zip, fresh);
    }
    if (result == 0 && rename(fresh, path) < 0 && !is_folder(path)) {
        result = ic_error_from_errno(errno);
    }
    if (result < 0) {
        (void)ic_remove_tree(fresh);
    }
    return result;
}

int ic_code_store_add(struct ic_code_store *s, struct ic_slice zip)
{
    char sha256[IC_CODE_BASE64_SIZE], hex[IC_CODE_HEX_SIZE], path[PATH_MAX], file[PATH_MAX];
    ic_code_sha256(zip, sha256);
    int result = ic_code_hex(sha256, hex);
    if (result == 0) {
        result = join(path, s->root, hex, "");
    }
    if (result == 0) {
        result = join(file, s->root, hex, ".zip");
    }
    if (result < 0) {
        return result;
    }
    if (is_folder(path) && access(file, R_OK) == 0) {
        return 0;
    }
    if (!is_folder(path)) {
        result = unpack(s, zip, hex);
    }
    return result < 0 ? result : ic_file_replace(file, zip, 0644, false);
}

int ic_code_store_read(struct ic_code_store *s, const char *hex, struct ic_buf *out)
{
    char file[PATH_MAX];
    if (!is_hex_name(hex)) {
        return IC_ENOENT;
    }
    int result = join(file, s->root, hex, ".zip");
    return result < 0 ? result : ic_file_read(file, IC_ZIP_PACKED_MAX_BYTES, out);
}

int ic_code_store_ensure(struct ic_code_store *s, const char *sha256)
{
    char hex[IC_CODE_HEX_SIZE], path[PATH_MAX], found[IC_CODE_BASE64_SIZE];
    int result = ic_code_hex(sha256, hex);
    if (result == 0) {
        result = join(path, s->root, hex, "");
    }
    if (result < 0 || is_folder(path)) {
        return result;
    }
    struct ic_buf zip;
    ic_buf_init(&zip);
    result = ic_code_store_read(s, hex, &zip);
    if (result == 0) {
        ic_code_sha256(ic_buf_slice(&zip), found);
        result = strcmp(found, sha256) == 0 ? unpack(s, ic_buf_slice(&zip), hex) : IC_ECORRUPT;
    }
    ic_buf_deinit(&zip);
    return result;
}

void ic_code_store_drop(struct ic_code_store *s, const char *sha256)
{
    char hex[IC_CODE_HEX_SIZE], path[PATH_MAX];
    if (ic_code_hex(sha256, hex) < 0) {
        return;
    }
    if (join(path, s->root, hex, ".zip") == 0) {
        (void)unlink(path);
    }
    if (join(path, s->root, hex, "") == 0) {
        (void)ic_remove_tree(path);
    }
}

/* ---- start ------------------------------------------------------------------------------------
 */

static void clear_leftovers(struct ic_code_store *s)
{
    char path[PATH_MAX];
    DIR *dir = opendir(s->root);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, FRESH_PREFIX, strlen(FRESH_PREFIX)) == 0 &&
            join(path, s->root, entry->d_name, "") == 0) {
            (void)ic_remove_tree(path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

int ic_code_store_new(const char *dir, struct ic_code_store **out)
{
    char absolute[PATH_MAX];
    struct ic_code_store *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        return IC_ENOMEM;
    }
    int result = realpath(dir, absolute) == NULL ? IC_EIO : join(s->root, absolute, "code", "");
    if (result == 0) {
        result = ic_folder_make(s->root);
    }
    if (result < 0) {
        ic_free(s);
        return result;
    }
    clear_leftovers(s);
    *out = s;
    return 0;
}

void ic_code_store_free(struct ic_code_store *s)
{
    ic_free(s);
}
