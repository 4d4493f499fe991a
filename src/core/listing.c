#include "core/listing.h"

bool ic_listing_is_late(const struct ic_listing *l, uint64_t patience_ms, uint64_t waited_ms)
{
    uint64_t least_ms = waited_ms / IC_LISTING_OWN_PART;
    uint64_t put_off_ms = l->put_off_ms < waited_ms ? l->put_off_ms : waited_ms;
    uint64_t own_ms = waited_ms - put_off_ms;
    return (own_ms > least_ms ? own_ms : least_ms) >=
           patience_ms + l->bytes / IC_LISTING_BYTES_A_MS;
}
