/*
 * code_store.h - the code packages of the local platform, by the SHA-256 of their zip:
 *
 *   DIR/code/HEX.zip   as uploaded       DIR/code/HEX/   unpacked, where instances run
 *
 * Functions with the same zip share both, and with them the pages of their programs.
 * A package appears whole or not at all (made under another name, then renamed).
 */
#ifndef IC_PLATFORM_LOCAL_CODE_STORE_H
#define IC_PLATFORM_LOCAL_CODE_STORE_H

#include "base/buf.h"
#include "base/error.h"

struct ic_code_store;

enum {
    IC_CODE_HEX_SIZE = 65,    /* 64 digits and a zero */
    IC_CODE_BASE64_SIZE = 45, /* 44 characters and a zero: CodeSha256 as the API shows it */
};

/* Makes DIR/code if need be and clears what an earlier run left half made. IC_EIO, IC_ENOMEM, ...
 */
int ic_code_store_new(const char *dir, struct ic_code_store **out) IC_MUST_USE;
void ic_code_store_free(struct ic_code_store *s); /* the files stay; NULL is fine */

void ic_code_sha256(struct ic_slice zip, char out[IC_CODE_BASE64_SIZE]);

/* Keeps and unpacks ZIP. Errors as ic_code_unzip. Fine if it is there already. */
int ic_code_store_add(struct ic_code_store *s, struct ic_slice zip) IC_MUST_USE;
/* Sees that the package SHA256 (base64) is unpacked, from its zip if need be. IC_ENOENT: no zip;
 * IC_ECORRUPT: another zip; else as ic_code_unzip. */
int ic_code_store_ensure(struct ic_code_store *s, const char *sha256) IC_MUST_USE;
/* Removes the package, as far as possible. */
void ic_code_store_drop(struct ic_code_store *s, const char *sha256);

/* The folder of the package, absolute; valid until the next call. NULL: SHA256 is malformed. */
const char *ic_code_store_path(struct ic_code_store *s, const char *sha256);
/* Appends the zip. IC_ENOENT, IC_EIO, IC_ENOMEM. HEX names it. */
int ic_code_store_read(struct ic_code_store *s, const char *hex, struct ic_buf *out) IC_MUST_USE;
/* IC_EINVAL: not the base64 of 32 bytes. */
int ic_code_hex(const char *sha256, char out[IC_CODE_HEX_SIZE]) IC_MUST_USE;

#endif
