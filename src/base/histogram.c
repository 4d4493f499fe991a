#include "base/histogram.h"

enum { STEPS = 1 << IC_HISTOGRAM_STEP_BITS };

static unsigned shift_of(uint64_t value)
{
    unsigned top =
        value < 2 * STEPS ? IC_HISTOGRAM_STEP_BITS : 63 - (unsigned)__builtin_clzll(value);
    return top - IC_HISTOGRAM_STEP_BITS;
}

static unsigned slot_of(uint64_t value)
{
    unsigned shift = shift_of(value);
    return shift * STEPS + (unsigned)(value >> shift);
}

/* The greatest value that belongs to SLOT. */
static uint64_t end_of(unsigned slot)
{
    if (slot < 2 * STEPS) {
        return slot;
    }
    unsigned shift = slot / STEPS - 1;
    uint64_t step = slot - shift * STEPS;
    return ((step + 1) << shift) - 1; /* wraps to UINT64_MAX for the last slot */
}

void ic_histogram_add(struct ic_histogram *h, uint64_t value)
{
    ic_histogram_add_many(h, value, 1);
}

void ic_histogram_add_many(struct ic_histogram *h, uint64_t value, uint64_t times)
{
    h->slot[slot_of(value)] += times;
    h->count += times;
    h->sum += (double)value * (double)times;
    h->max = value > h->max && times > 0 ? value : h->max;
}

void ic_histogram_merge(struct ic_histogram *into, const struct ic_histogram *from)
{
    for (unsigned i = 0; i < IC_HISTOGRAM_SLOTS; i++) {
        into->slot[i] += from->slot[i];
    }
    into->count += from->count;
    into->sum += from->sum;
    into->max = from->max > into->max ? from->max : into->max;
}

uint64_t ic_histogram_quantile(const struct ic_histogram *h, double share)
{
    double wanted = share * (double)h->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < IC_HISTOGRAM_SLOTS && h->count > 0; i++) {
        seen += h->slot[i];
        if (seen > 0 && (double)seen >= wanted) {
            return end_of(i) < h->max ? end_of(i) : h->max;
        }
    }
    return h->max;
}

uint64_t ic_histogram_upto(const struct ic_histogram *h, uint64_t value)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= slot_of(value); i++) {
        count += h->slot[i];
    }
    return count;
}

void ic_histogram_powers(const struct ic_histogram *h, uint64_t *upto, unsigned powers)
{
    uint64_t count = 0;
    unsigned i = 0;
    for (unsigned power = 0; power < powers; power++) {
        unsigned last = slot_of((UINT64_C(1) << power) - 1); /* a power of two begins a slot */
        for (; i <= last; i++) {
            count += h->slot[i];
        }
        upto[power] = count;
    }
}

double ic_histogram_mean(const struct ic_histogram *h)
{
    return h->count == 0 ? 0 : h->sum / (double)h->count;
}
