/*
 * rs.h - Reed-Solomon over GF(2^8) (polynomial 0x11d) by Intel ISA-L, with a systematic Cauchy
 * matrix: any d of the d + p units of a stripe give the others. Row i (>= d), column j of the
 * matrix is 1 / (i xor j), as gf_gen_cauchy1_matrix makes it. For d = 1 the parity units are
 * copies.
 *
 *   encode:   d data units ----------------> p parity units
 *   rebuild:  any d units (held) ----------> whichever others are wanted, data or parity
 *
 * Units here are any equally long ranges of chunks: several stripes' units in a row may be rebuilt
 * at once. Everything runs on the caller's thread; nothing is global.
 */
#ifndef IC_CODE_RS_H
#define IC_CODE_RS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    IC_RS_CHUNKS_MAX = 64,   /* d + p: chunk sets are bits of a uint64_t */
    IC_RS_CACHE_TABLES = 64, /* rebuild tables kept, least recently used go first */
};

struct ic_rs;

/* Requires 0 < data, data + parity <= IC_RS_CHUNKS_MAX. NULL: out of memory. */
struct ic_rs *ic_rs_new(uint16_t data, uint16_t parity);
void ic_rs_free(struct ic_rs *rs); /* NULL is fine */

/* UNIT[0..d-1] are read, UNIT[d..d+p-1] written, LEN bytes each. For d = 1 a parity pointer may
 * equal the data pointer. */
void ic_rs_encode(struct ic_rs *rs, size_t len, uint8_t *const unit[]);

/*
 * Writes UNIT[i] for each i of the set WANTED from d of the units in the set HELD (its lowest d
 * bits). UNIT has d + p pointers; those neither held nor wanted are not looked at. The sets must
 * not meet. IC_ERANGE: fewer than d are held; IC_ENOMEM: for a new table; nothing is written.
 */
int ic_rs_rebuild(struct ic_rs *rs, size_t len, uint64_t held, uint64_t wanted,
                  uint8_t *const unit[]) IC_MUST_USE;

/* One ic_rs per code in use, made at first need. */
struct ic_rs_set;
struct ic_rs_set *ic_rs_set_new(void); /* NULL: out of memory */
void ic_rs_set_free(struct ic_rs_set *set);
/* Lives as long as the set. NULL: out of memory. */
struct ic_rs *ic_rs_set_get(struct ic_rs_set *set, uint16_t data, uint16_t parity);

#endif
