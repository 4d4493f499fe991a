/*
 * reader_memory.c - what a read takes of the window, and when it goes to the end of the line there.
 *
 *   in line --a stripe's memory, or a little read's unit--> admitted --all given--> the end
 *      ^                                                       |
 *      '-- all that was asked is given, and others have waited '
 */
#include "core/catalog.h"
#include "proxy/reader_internal.h"

enum { YIELD_MS = 250 }; /* who has waited so long for memory has it before a read that goes on */

/* What CHUNKS units of the stripe take of the window in which OFFSET lies. */
static size_t units_memory(const struct ic_layout *l, uint64_t offset, size_t chunks)
{
    uint64_t stripe = ic_layout_locate(l, offset).stripe;
    return chunks * ic_window_size(ic_layout_unit(l, stripe));
}

static size_t stripe_memory(const struct ic_layout *l, uint64_t offset)
{
    return units_memory(l, offset, (size_t)(l->data + l->parity));
}

/* Memory for a stripe is to be reserved, or, of a little read, for its unit. */
static size_t least_window(const struct ic_reader *r)
{
    return r->little ? units_memory(&r->layout, r->next, 1) : stripe_memory(&r->layout, r->next);
}

void ic_reader_stand_in_line(struct ic_reader *r, void (*ready)(void *reader))
{
    r->admitted =
        ic_window_admit(r->proxy->window, &r->grant, IC_WINDOW_READ, least_window(r), ready, r);
    r->started_ms = ic_loop_now_ms(r->proxy->loop);
    r->served = false;
}

bool ic_reader_must_yield(const struct ic_reader *r)
{
    uint64_t now_ms = ic_loop_now_ms(r->proxy->loop);
    return r->served && r->next < r->end &&
           ic_window_waited_ms(r->proxy->window, r->grant.use, now_ms) >= YIELD_MS;
}

/* Where the unit ends in which OFFSET lies. */
static uint64_t unit_end(const struct ic_layout *l, uint64_t offset)
{
    struct ic_layout_place at = ic_layout_locate(l, offset);
    uint64_t end = offset + ic_layout_unit(l, at.stripe) - at.within;
    return end < l->size ? end : l->size;
}

static bool has_room(const struct ic_proxy *p, const struct ic_layout *l, uint64_t offset)
{
    return ic_window_has_room(p->window, IC_WINDOW_READ, stripe_memory(l, offset));
}

bool ic_reader_is_little(const struct ic_reader *r)
{
    return r->chunks == 0 && r->end <= unit_end(&r->layout, r->next) &&
           !has_room(r->proxy, &r->layout, r->next);
}

uint64_t ic_reader_fits(const struct ic_proxy *p, const struct ic_object *object, uint64_t offset,
                        uint64_t len)
{
    struct ic_layout l;
    ic_layout_init(&l, object->size, object->data, object->parity, object->unit);
    uint64_t end = unit_end(&l, offset);
    return end >= offset + len || has_room(p, &l, offset) ? len : end - offset;
}
