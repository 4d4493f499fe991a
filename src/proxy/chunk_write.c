#include "proxy/chunk_write.h"

#include "code/layout.h"
#include "core/catalog.h"

static void fill_common(struct ic_node_request *r, const struct ic_chunk_target *t)
{
    const struct ic_chunk_place *place = &t->object->place[t->chunk];
    struct ic_node_request common = {
        .cause = t->cause,
        .function = place->function,
        .chunk = t->chunk,
        .instance = place->instance,
        .nodes = t->nodes,
        .object_id = t->object->id,
        .unit = t->layout->unit,
        .chunk_length = t->layout->chunk_length,
        .object = t->object,
    };
    ic_node_request_fill(r, &common);
}

void ic_chunk_write_fill(struct ic_node_request *r, const struct ic_chunk_target *t,
                         uint64_t stripe, struct ic_slice bytes, const uint32_t *crcs,
                         struct ic_buf *owner)
{
    fill_common(r, t);
    r->op = IC_NODE_WRITE;
    r->offset = ic_layout_chunk_offset(t->layout, stripe);
    r->length = (uint32_t)bytes.len;
    r->first = stripe == 0;
    r->crcs = crcs;
    r->body = bytes;
    r->owner = owner;
}

void ic_chunk_seal_fill(struct ic_node_request *r, const struct ic_chunk_target *t,
                        struct ic_slice key, int64_t expires_ms)
{
    fill_common(r, t);
    r->op = IC_NODE_SEAL;
    r->first = t->layout->stripes == 0;
    r->key = key;
    r->expires_ms = expires_ms;
}
