#include "proxy/link_internal.h"

#include "core/catalog.h"
#include "net/net.h"

#include <string.h>

/* Only what somebody waits for renews the lease; the others leave it as it is. */
static uint32_t lease_of(const struct ic_link *l, enum ic_slot_kind kind)
{
    bool prolongs = kind != SLOT_DELETE && kind != SLOT_LIST;
    if (prolongs || l->asked > 0) {
        return l->lease_ms;
    }
    uint64_t now_ms = ic_loop_now_ms(l->loop);
    return l->stay_until_ms > now_ms ? (uint32_t)(l->stay_until_ms - now_ms) : 0;
}

int ic_link_put_frame(struct ic_link *l, const struct ic_link_slot *slot, uint8_t type,
                      uint8_t flags, uint32_t length)
{
    struct ic_frame frame = {
        .type = type,
        .flags = flags,
        .chunk = slot->chunk,
        .request = slot->request,
        .length = length,
        .object_id = slot->object_id,
        .op = slot->op,
        .offset = slot->offset,
        .lease_ms = lease_of(l, slot->kind),
    };
    uint8_t header[IC_FRAME_HEADER_BYTES];
    ic_frame_encode(&frame, header);
    l->out.len = 0;
    return ic_buf_append(&l->out, header, sizeof header);
}

static int encode_write(struct ic_link *l, const struct ic_link_slot *slot)
{
    const struct ic_node_request *r = slot->r;
    size_t prefix_bytes = r->first ? IC_WRITE_PREFIX_BYTES : 0;
    size_t crc_bytes = slot->units * sizeof(uint32_t);
    int result = ic_link_put_frame(l, slot, IC_FRAME_WRITE, r->first ? IC_WRITE_FIRST : 0,
                                   (uint32_t)(prefix_bytes + crc_bytes + r->body.len));
    if (result == 0 && r->first) {
        struct ic_write_prefix prefix = {.chunk_length = r->chunk_length, .unit = r->unit};
        uint8_t bytes[IC_WRITE_PREFIX_BYTES];
        ic_write_prefix_encode(&prefix, bytes);
        result = ic_buf_append(&l->out, bytes, sizeof bytes);
    }
    return result < 0 ? result : ic_buf_append(&l->out, r->crcs, crc_bytes);
}

static int encode_seal(struct ic_link *l, const struct ic_link_slot *slot)
{
    const struct ic_node_request *r = slot->r;
    struct ic_seal seal = {
        .chunk_length = r->chunk_length,
        .object_size = r->object->size,
        .version = r->object->version,
        .expires_ms = r->expires_ms,
        .unit = r->object->unit,
        .data = r->object->data,
        .parity = r->object->parity,
        .key = r->key,
    };
    memcpy(seal.instance, l->id, sizeof seal.instance);
    int result =
        ic_link_put_frame(l, slot, IC_FRAME_SEAL, 0, (uint32_t)(IC_SEAL_FIXED_BYTES + r->key.len));
    return result < 0 ? result : ic_seal_encode(&seal, &l->out);
}

int ic_link_encode(struct ic_link *l, const struct ic_link_slot *slot)
{
    switch (slot->kind) {
    case SLOT_READ: {
        uint8_t length[IC_READ_BYTES];
        ic_read_encode(slot->bytes, length);
        int result = ic_link_put_frame(l, slot, IC_FRAME_READ, 0, IC_READ_BYTES);
        return result < 0 ? result : ic_buf_append(&l->out, length, sizeof length);
    }
    case SLOT_WRITE:
        return encode_write(l, slot);
    case SLOT_SEAL:
        return encode_seal(l, slot);
    case SLOT_DELETE:
        return ic_link_put_frame(l, slot, IC_FRAME_DELETE, 0, 0);
    case SLOT_MARK:
        return ic_link_put_frame(l, slot, IC_FRAME_MARK, 0, 0);
    case SLOT_STAT:
    case SLOT_LIST:
        return ic_link_put_frame(l, slot, IC_FRAME_LIST, 0, 0);
    }
    return IC_EINVAL;
}
