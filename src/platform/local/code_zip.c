/*
 * code_zip.c - libzip reads from memory; every file is written by openat below the folder,
 * component by component, so that no name can leave it.
 */
#define _GNU_SOURCE /* O_PATH */
#include "platform/local/code_zip.h"

#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

enum {
    COPY_BYTES = 64 * 1024,
    TREE_DEPTH_MAX = 256, /* folders in each other: IC_ZIP_PATH_MAX / 2 */
};

/* ---- paths ------------------------------------------------------------------------ */

/* Relative, no "..", no empty part, no backslash or control byte. */
static bool path_is_safe(const char *path)
{
    size_t len = strlen(path);
    if (len == 0 || len > IC_ZIP_PATH_MAX || path[0] == '/') {
        return false;
    }
    for (const char *part = path; *part != '\0';) {
        size_t part_len = strcspn(part, "/");
        if (part_len == 0 || (part_len == 2 && memcmp(part, "..", 2) == 0)) {
            return false;
        }
        for (size_t i = 0; i < part_len; i++) {
            if ((unsigned char)part[i] < 0x20 || part[i] == '\\' || part[i] == 0x7f) {
                return false;
            }
        }
        part += part_len + (part[part_len] == '/');
    }
    return true;
}

/* What may still be made of a zip. */
struct budget {
    uint64_t bytes;
    uint32_t folders; /* those that no entry names included */
};

/* A folder is made, or there already. */
static int make_folder(int at, const char *name, struct budget *left)
{
    if (mkdirat(at, name, 0755) < 0) {
        return errno == EEXIST ? 0 : ic_error_from_errno(errno);
    }
    if (left->folders == 0) {
        return IC_ETOOBIG;
    }
    left->folders--;
    return 0;
}

/* Opens the folder of PATH below DIR, making what is missing. NAME gets what follows it. */
static int open_parent(int dir, const char *path, const char **name, struct budget *left)
{
    char part[IC_ZIP_PATH_MAX + 1];
    int at = dup(dir);
    const char *slash;
    while (at >= 0 && (slash = strchr(path, '/')) != NULL) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        path = slash + 1;
        int result = make_folder(at, part, left);
        if (result < 0) {
            close(at);
            return result;
        }
        int next = openat(at, part, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDONLY);
        close(at);
        at = next;
    }
    *name = path;
    /* A file where a folder should be is the zip's fault. */
    return at >= 0                              ? at
           : errno == ENOTDIR || errno == ELOOP ? IC_EPROTO
                                                : ic_error_from_errno(errno);
}

/* ---- one entry ---------------------------------------------------------------------- */

/* Copies what FILE really holds; the size its header claims may be a lie. */
static int copy_out(zip_file_t *file, int fd, uint64_t *left_bytes)
{
    char block[COPY_BYTES];
    while (true) {
        zip_int64_t got = zip_fread(file, block, sizeof block);
        if (got < 0) {
            return IC_EPROTO;
        }
        if (got == 0) {
            return 0;
        }
        if ((uint64_t)got > *left_bytes) {
            return IC_ETOOBIG;
        }
        *left_bytes -= (uint64_t)got;
        int error = ic_disk_write(fd, block, (size_t)got);
        if (error != 0) {
            return ic_error_from_errno(error);
        }
    }
}

/* The Unix mode of entry INDEX; plain files of zips made elsewhere are 0644. */
static mode_t entry_mode(zip_t *zip, zip_uint64_t index)
{
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_file_get_external_attributes(zip, index, 0, &system, &attributes) == 0 &&
        system == ZIP_OPSYS_UNIX && (attributes >> 16) != 0) {
        return (mode_t)(attributes >> 16);
    }
    return S_IFREG | 0644;
}

static int unpack_file(zip_t *zip, zip_uint64_t index, int parent, const char *name,
                       uint64_t *left_bytes)
{
    mode_t mode = entry_mode(zip, index);
    if ((mode & S_IFMT) != 0 && (mode & S_IFMT) != S_IFREG) {
        return IC_EPROTO;
    }
    zip_file_t *file = zip_fopen_index(zip, index, 0);
    if (file == NULL) {
        return IC_EPROTO; /* encrypted, unknown method, broken */
    }
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = fd >= 0                              ? 0
                 : errno == EEXIST || errno == EISDIR ? IC_EPROTO
                                                      : ic_error_from_errno(errno);
    if (result == 0) {
        result = copy_out(file, fd, left_bytes);
    }
    if (result == 0 && fchmod(fd, (mode & 0777) | 0444) < 0) {
        result = ic_error_from_errno(errno);
    }
    if (fd >= 0 && close(fd) < 0 && result == 0) {
        result = ic_error_from_errno(errno);
    }
    if (zip_fclose(file) != 0 && result == 0) {
        result = IC_EPROTO; /* the entry's own checksum is wrong */
    }
    return result;
}

static int unpack_entry(zip_t *zip, zip_uint64_t index, int dir, struct budget *left)
{
    const char *path = zip_get_name(zip, index, ZIP_FL_ENC_RAW);
    if (path == NULL || !path_is_safe(path)) {
        return IC_EPROTO;
    }
    const char *name;
    int parent = open_parent(dir, path, &name, left);
    if (parent < 0) {
        return parent;
    }
    /* "folder/" has an empty name: the folder itself was made on the way. */
    int result = name[0] == '\0' ? 0 : unpack_file(zip, index, parent, name, &left->bytes);
    close(parent);
    return result;
}

/* ---- the whole ------------------------------------------------------------------------ */

/* What the headers claim: an honest bomb is refused before a byte is written. */
static int check_claims(zip_t *zip, zip_int64_t count)
{
    uint64_t left_bytes = IC_ZIP_UNPACKED_MAX_BYTES;
    struct zip_stat about;
    if (count > IC_ZIP_ENTRIES_MAX) {
        return IC_ETOOBIG;
    }
    for (zip_uint64_t i = 0; i < (zip_uint64_t)count; i++) {
        if (zip_stat_index(zip, i, 0, &about) != 0 || (about.valid & ZIP_STAT_SIZE) == 0) {
            return IC_EPROTO;
        }
        if (about.size > left_bytes) {
            return IC_ETOOBIG;
        }
        left_bytes -= about.size;
    }
    return 0;
}

static int unpack_all(zip_t *zip, int dir)
{
    struct budget left = {.bytes = IC_ZIP_UNPACKED_MAX_BYTES, .folders = IC_ZIP_FOLDERS_MAX};
    zip_int64_t count = zip_get_num_entries(zip, 0);
    if (count <= 0) {
        return IC_ENOENT;
    }
    int result = check_claims(zip, count);
    for (zip_uint64_t i = 0; result == 0 && i < (zip_uint64_t)count; i++) {
        result = unpack_entry(zip, i, dir, &left);
    }
    return result;
}

int ic_code_unzip(struct ic_slice zip_bytes, const char *dir)
{
    if (zip_bytes.len == 0) {
        return IC_ENOENT;
    }
    if (zip_bytes.len > IC_ZIP_PACKED_MAX_BYTES) {
        return IC_ETOOBIG;
    }
    int fd = open(dir, O_DIRECTORY | O_CLOEXEC | O_RDONLY);
    if (fd < 0) {
        return ic_error_from_errno(errno);
    }
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(zip_bytes.data, zip_bytes.len, 0, &error);
    zip_t *zip =
        source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    int result = IC_EPROTO;
    if (zip != NULL) {
        result = unpack_all(zip, fd);
        zip_discard(zip); /* frees the source */
    } else if (source != NULL) {
        zip_source_free(source);
    } else {
        result = IC_ENOMEM;
    }
    zip_error_fini(&error);
    close(fd);
    return result;
}

/* ---- removal -------------------------------------------------------------------------- */

static int remove_below(int parent, const char *name, unsigned depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if ((errno != EISDIR && errno != EPERM) || depth == TREE_DEPTH_MAX) {
        return IC_EIO;
    }
    int fd = openat(parent, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDONLY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return IC_EIO;
    }
    int result = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            remove_below(fd, entry->d_name, depth + 1) < 0) {
            result = IC_EIO;
        }
    }
    closedir(dir);
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? IC_EIO : result;
}

int ic_remove_tree(const char *path)
{
    return remove_below(AT_FDCWD, path, 0);
}
