/*
 * contents.h - values that follow from their keys, so that what comes back can be checked byte by
 * byte without being kept: a block of noise, read round and round from an offset of the key's own.
 *
 *   key 7 --> ...[offset][ noise noise noise ... ][back to the block's begin] noise ...
 */
#ifndef IC_CLI_CONTENTS_H
#define IC_CLI_CONTENTS_H

#include "base/buf.h"

enum {
    /* Prime, so that no unit or stripe repeats in step with it; fits a core's cache. */
    IC_CONTENTS_BLOCK_BYTES = 1048573,
};

struct ic_contents {
    struct ic_buf *block; /* owns the pieces */
    uint64_t seed;
};

int ic_contents_init(struct ic_contents *c, uint64_t seed) IC_MUST_USE; /* IC_ENOMEM */
void ic_contents_deinit(struct ic_contents *c);                         /* fine on a zeroed one */
/*
 * The bytes of KEY's value from OFFSET on, as many of LEN as lie in a row (> 0 if LEN > 0); inside
 * the block.
 */
struct ic_slice ic_contents_piece(const struct ic_contents *c, uint64_t key, uint64_t offset,
                                  uint64_t len);
/* BYTES are what KEY's value has at OFFSET. */
bool ic_contents_equal(const struct ic_contents *c, uint64_t key, uint64_t offset,
                       struct ic_slice bytes);

#endif
