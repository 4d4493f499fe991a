/*
 * code_zip.h - unpacks a function's zip into a folder, as Lambda does: paths stay inside
 * the folder, sizes are bounded, mode bits are kept. Zips come from outside.
 */
#ifndef IC_PLATFORM_LOCAL_CODE_ZIP_H
#define IC_PLATFORM_LOCAL_CODE_ZIP_H

#include "base/error.h"
#include "base/slice.h"

enum {
    IC_ZIP_PACKED_MAX_BYTES = 52428800,    /* Lambda quota: 50 MB in a request */
    IC_ZIP_UNPACKED_MAX_BYTES = 262144000, /* Lambda quota: 250 MB unzipped */
    IC_ZIP_ENTRIES_MAX = 20000,
    IC_ZIP_FOLDERS_MAX = 4000, /* a few bytes of a name make hundreds */
    IC_ZIP_PATH_MAX = 512,     /* bytes of a path inside the zip */
};

/*
 * Unpacks ZIP into the empty, existing folder DIR. Regular files keep their permission bits (plus
 * read for all), folders are 0755; symbolic links, devices, absolute paths and ".." are refused.
 * IC_EPROTO: not a zip, broken or with such an entry; IC_ETOOBIG: beyond a bound above;
 * IC_ENOENT: nothing in it; IC_ENOSPC, IC_EIO, IC_ENOMEM. On an error DIR may hold some of it.
 */
int ic_code_unzip(struct ic_slice zip, const char *dir) IC_MUST_USE;

/* Deletes the folder PATH with all in it; a missing one is fine. IC_EIO: something was left,
 * which a caller that only tidies up may ignore. */
int ic_remove_tree(const char *path);

#endif
