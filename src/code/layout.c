#include "code/layout.h"

#include <assert.h>

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

void ic_layout_init(struct ic_layout *l, uint64_t size, uint16_t data, uint16_t parity,
                    uint32_t unit)
{
    assert(data > 0 && data <= UINT16_MAX - parity);
    assert(unit > 0 && unit % IC_LAYOUT_ALIGN == 0);
    assert(size <= INT64_MAX);
    uint64_t stripe = (uint64_t)data * unit; /* < 2^48 */
    *l = (struct ic_layout){.size = size, .unit = unit, .data = data, .parity = parity};
    l->stripes = divide_up(size, stripe);
    if (l->stripes == 0) {
        return;
    }
    uint64_t rest = size - (l->stripes - 1) * stripe; /* 1 .. stripe */
    uint64_t last = divide_up(divide_up(rest, data), IC_LAYOUT_ALIGN) * IC_LAYOUT_ALIGN;
    l->last_unit = (uint32_t)last; /* <= unit, since unit is such a multiple itself */
    l->chunk_length = (l->stripes - 1) * unit + last;
}

uint32_t ic_layout_unit(const struct ic_layout *l, uint64_t stripe)
{
    assert(stripe < l->stripes);
    return stripe == l->stripes - 1 ? l->last_unit : l->unit;
}

uint64_t ic_layout_stripe_offset(const struct ic_layout *l, uint64_t stripe)
{
    assert(stripe <= l->stripes);
    return stripe == l->stripes ? l->size : stripe * l->data * l->unit;
}

uint64_t ic_layout_chunk_offset(const struct ic_layout *l, uint64_t stripe)
{
    assert(stripe <= l->stripes);
    return stripe == l->stripes ? l->chunk_length : stripe * l->unit;
}

uint64_t ic_layout_stripe_length(const struct ic_layout *l, uint64_t stripe)
{
    assert(stripe < l->stripes);
    return ic_layout_stripe_offset(l, stripe + 1) - ic_layout_stripe_offset(l, stripe);
}

uint64_t ic_layout_span_length(const struct ic_layout *l, uint64_t first, uint64_t count)
{
    assert(first <= l->stripes && count <= l->stripes - first);
    return ic_layout_chunk_offset(l, first + count) - ic_layout_chunk_offset(l, first);
}

struct ic_layout_place ic_layout_locate(const struct ic_layout *l, uint64_t offset)
{
    assert(offset < l->size);
    uint64_t stripe = offset / ((uint64_t)l->data * l->unit);
    uint64_t rest = offset - ic_layout_stripe_offset(l, stripe);
    uint32_t unit = ic_layout_unit(l, stripe);
    return (struct ic_layout_place){
        .stripe = stripe,
        .within = (uint32_t)(rest % unit),
        .chunk = (uint16_t)(rest / unit),
    };
}
