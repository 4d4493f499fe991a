/*
 * files.h - whole small files: read, and replaced atomically.
 */
#ifndef IC_PLATFORM_LOCAL_FILES_H
#define IC_PLATFORM_LOCAL_FILES_H

#include "base/buf.h"
#include "base/error.h"

#include <sys/types.h>

/* Appends the file's bytes. IC_ENOENT; IC_ETOOBIG: more than MAX_BYTES; IC_EIO, IC_ENOMEM. */
int ic_file_read(const char *path, size_t max_bytes, struct ic_buf *out) IC_MUST_USE;
/*
 * Replaces PATH: written to PATH.new, with SYNC forced to the disk, then renamed. On an error PATH
 * is as it was. IC_ENOSPC, IC_EIO, ...
 */
int ic_file_replace(const char *path, struct ic_slice bytes, mode_t mode, bool sync) IC_MUST_USE;
/* Makes the folder PATH (not its parents). Fine if it is there. */
int ic_folder_make(const char *path) IC_MUST_USE;

#endif
