/*
 * layout.h - how an object's bytes lie in its chunks. Pure arithmetic.
 *
 *   object  |--- stripe 0 ---|--- stripe 1 ---| ... |- last -|
 *   stripe  | unit 0 | unit 1 | ... | unit d-1 |            d data units of U bytes, in the
 *                                                           object's own order; p parity units
 *   chunk i = unit i of every stripe, in order (0..d-1 data, d..d+p-1 parity)
 *
 * The last stripe's unit is smaller: what is left, divided by d, rounded up to 64 bytes; its bytes
 * behind the object's end are zeros. An object of 0 bytes has no stripe.
 */
#ifndef IC_CODE_LAYOUT_H
#define IC_CODE_LAYOUT_H

#include <stdint.h>

enum { IC_LAYOUT_ALIGN = 64 }; /* units are multiples of this */

struct ic_layout {
    uint64_t size;         /* of the object, bytes */
    uint64_t stripes;      /* ceil(size / (data * unit)) */
    uint64_t chunk_length; /* (stripes - 1) * unit + last_unit; 0 if size is 0 */
    uint32_t unit;         /* of all stripes but the last */
    uint32_t last_unit;    /* of the last stripe; 0 if size is 0 */
    uint16_t data, parity; /* d, p */
};

/*
 * Requires 0 < data, data + parity <= 65535, unit a positive multiple of 64. Any size that leaves
 * fewer than 2^63 bytes per object works without overflow.
 */
void ic_layout_init(struct ic_layout *l, uint64_t size, uint16_t data, uint16_t parity,
                    uint32_t unit);

/* Bytes of each unit of STRIPE (< stripes). */
uint32_t ic_layout_unit(const struct ic_layout *l, uint64_t stripe);
/* Where STRIPE (<= stripes) begins: in the object, and in each chunk. */
uint64_t ic_layout_stripe_offset(const struct ic_layout *l, uint64_t stripe);
uint64_t ic_layout_chunk_offset(const struct ic_layout *l, uint64_t stripe);
/* Bytes of the object in STRIPE (< stripes): data * unit, or what is left in the last. */
uint64_t ic_layout_stripe_length(const struct ic_layout *l, uint64_t stripe);
/* Bytes of each chunk in COUNT stripes from FIRST on; FIRST + COUNT <= stripes. */
uint64_t ic_layout_span_length(const struct ic_layout *l, uint64_t first, uint64_t count);

struct ic_layout_place { /* of one byte of the object */
    uint64_t stripe;
    uint32_t within; /* in its unit */
    uint16_t chunk;  /* which data unit of the stripe */
};
/* OFFSET < size. */
struct ic_layout_place ic_layout_locate(const struct ic_layout *l, uint64_t offset);

#endif
