/*
 * disk.h - why a file cannot be written: the cause behind an errno, the room there is, and what
 * helps, for whoever tells a person.
 *
 *     write: short ----------> ic_disk_short_write --> errno --> IC_DISK_FULL, for counters
 *     write: -1, errno --------------------------------'   '--> "PATH: No space left on device
 *                                                                (0.0 of 8.0 MiB free); ..."
 */
#ifndef IC_BASE_DISK_H
#define IC_BASE_DISK_H

#include <stddef.h>
#include <stdint.h>

/* name, as counters call it, what helps */
#define IC_DISK_CAUSES(X)                                                                          \
    X(IC_DISK_FULL, "no_space", "free some space there")                                           \
    X(IC_DISK_QUOTA, "quota", "raise the quota, or free some of it")                               \
    X(IC_DISK_FILE_SIZE, "file_size_limit", "raise the limit (prlimit --fsize)")                   \
    X(IC_DISK_READ_ONLY, "read_only", "mount it writable, or name another folder")                 \
    X(IC_DISK_DENIED, "denied", "let this user write there, or name another folder")               \
    X(IC_DISK_MISSING, "missing", "its folder is not there")                                       \
    X(IC_DISK_DEVICE, "device", "the device fails, the kernel's log says more")                    \
    X(IC_DISK_OTHER, "other", "")

enum ic_disk_cause {
#define IC_DISK_CAUSE_ENUM(name, label, help) name,
    IC_DISK_CAUSES(IC_DISK_CAUSE_ENUM)
#undef IC_DISK_CAUSE_ENUM
        IC_DISK_CAUSE_COUNT
};

enum { IC_DISK_WHY_MAX = 512 }; /* bytes of an explanation, the terminating zero included */

enum ic_disk_cause ic_disk_cause(int errno_value);
/* Static; of a counter. */
const char *ic_disk_cause_name(enum ic_disk_cause cause);

/* Writes all LEN bytes to FD, in as many writes as it takes: 0 or an errno. */
int ic_disk_write(int fd, const void *bytes, size_t len);

/* A write to the file FD ended short, without an errno: finds it by writing beyond the file's end,
 * and takes that back. EIO if that works. */
int ic_disk_short_write(int fd);

/* Bytes free for this user on the file system of PATH, or of its folder if it is not there; 0 if
 * the system does not tell. */
uint64_t ic_disk_free(const char *path);

/* OUT (IC_DISK_WHY_MAX bytes): PATH, which could not be written, the cause, how much room there is
 * if that is it, and what helps. Returns OUT. */
const char *ic_disk_explain(const char *path, int errno_value, char *out);

#endif
