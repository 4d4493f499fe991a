#include "proxy/journal_safe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOT_BYTES = 1024, SLOTS = 2 };

_Static_assert(sizeof(struct ic_safe_copy) <= SLOT_BYTES, "a copy fits its slot");

static uint64_t check_of(const struct ic_safe_copy *copy)
{
    return XXH3_64bits(copy, offsetof(struct ic_safe_copy, check));
}

/* Differs after each start of the system; empty if the system does not tell. */
static void read_boot_id(char out[IC_BOOT_ID_BYTES])
{
    memset(out, 0, IC_BOOT_ID_BYTES);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        size_t len = fread(out, 1, IC_BOOT_ID_BYTES - 1, file);
        (void)len; /* none read: empty */
        fclose(file);
    }
}

void ic_journal_safe_init(struct ic_journal_safe *s, const char *journal)
{
    memset(s, 0, sizeof *s);
    s->fd = -1;
    size_t len = strlen(journal);
    size_t stem = len > 5 ? len - 5 : len; /* journal.lmdb -> journal.safe */
    if (stem + 6 <= sizeof s->path) {
        memcpy(s->path, journal, stem);
        memcpy(s->path + stem, ".safe", 6);
    }
}

static bool read_newest(int fd, struct ic_safe_copy *newest)
{
    bool found = false;
    for (int i = 0; i < SLOTS; i++) {
        struct ic_safe_copy copy;
        if (pread(fd, &copy, sizeof copy, (off_t)i * SLOT_BYTES) == (ssize_t)sizeof copy &&
            copy.check == check_of(&copy) && (!found || copy.sequence > newest->sequence)) {
            *newest = copy;
            found = true;
        }
    }
    return found;
}

/* A meta page begins with its own page number. */
static int write_metas(int fd, const struct ic_safe_copy *copy)
{
    for (uint64_t page = 0; page < 2; page++) {
        uint8_t meta[IC_SAFE_META_BYTES];
        memcpy(meta, copy->meta, sizeof meta);
        memcpy(meta, &page, sizeof page);
        if (pwrite(fd, meta, sizeof meta, (off_t)(page * copy->page_bytes)) !=
            (ssize_t)sizeof meta) {
            return errno != 0 ? errno : EIO;
        }
    }
    return fdatasync(fd) < 0 ? errno : 0;
}

int ic_journal_safe_restore(struct ic_journal_safe *s, const char *journal)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : errno;
    }
    struct ic_safe_copy copy;
    char boot_id[IC_BOOT_ID_BYTES];
    bool found = read_newest(fd, &copy);
    close(fd);
    read_boot_id(boot_id);
    if (!found) {
        return 0;
    }
    s->sequence = copy.sequence;
    if (memcmp(boot_id, copy.boot_id, sizeof boot_id) == 0) {
        return 0;
    }
    fd = open(journal, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : errno;
    }
    int result = write_metas(fd, &copy);
    close(fd);
    return result;
}

/* Commit T has written meta page T mod 2. */
static int copy_meta(MDB_txn *reader, MDB_env *env, struct ic_safe_copy *copy)
{
    MDB_stat stat;
    mdb_filehandle_t fd;
    int rc = mdb_env_stat(env, &stat);
    if (rc == 0) {
        rc = mdb_env_get_fd(env, &fd);
    }
    if (rc != 0) {
        return rc;
    }
    copy->page_bytes = stat.ms_psize;
    off_t at = (off_t)(mdb_txn_id(reader) % 2) * (off_t)stat.ms_psize;
    errno = 0;
    if (pread(fd, copy->meta, sizeof copy->meta, at) != (ssize_t)sizeof copy->meta) {
        return errno != 0 ? errno : EIO;
    }
    return 0;
}

static int open_file(struct ic_journal_safe *s)
{
    if (s->fd < 0) {
        s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    return s->fd < 0 ? errno : 0;
}

int ic_journal_safe_take(struct ic_journal_safe *s, MDB_env *env, struct ic_safe_copy *copy)
{
    memset(copy, 0, sizeof *copy);
    int rc = open_file(s);
    if (rc == 0) {
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &s->next);
    }
    if (rc != 0) {
        s->next = NULL;
        return rc;
    }
    rc = copy_meta(s->next, env, copy);
    if (rc != 0) {
        mdb_txn_abort(s->next);
        s->next = NULL;
        return rc;
    }
    copy->sequence = ++s->sequence;
    read_boot_id(copy->boot_id);
    copy->check = check_of(copy);
    return 0;
}

int ic_journal_safe_write(int fd, const struct ic_safe_copy *copy)
{
    uint8_t slot[SLOT_BYTES] = {0};
    memcpy(slot, copy, sizeof *copy);
    errno = 0;
    off_t at = (off_t)(copy->sequence % SLOTS) * SLOT_BYTES;
    if (pwrite(fd, slot, sizeof slot, at) != (ssize_t)sizeof slot) {
        return errno != 0 ? errno : EIO;
    }
    return fdatasync(fd) < 0 ? errno : 0;
}

void ic_journal_safe_settle(struct ic_journal_safe *s, int result)
{
    if (s->next == NULL) {
        return;
    }
    if (result != 0) {
        mdb_txn_abort(s->next);
    } else {
        if (s->pinned != NULL) {
            mdb_txn_abort(s->pinned);
        }
        s->pinned = s->next;
    }
    s->next = NULL;
}

void ic_journal_safe_unpin(struct ic_journal_safe *s)
{
    if (s->pinned != NULL) {
        mdb_txn_abort(s->pinned);
    }
    if (s->next != NULL) {
        mdb_txn_abort(s->next);
    }
    s->pinned = s->next = NULL;
}

void ic_journal_safe_remove(struct ic_journal_safe *s)
{
    ic_journal_safe_unpin(s);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
    unlink(s->path);
}
