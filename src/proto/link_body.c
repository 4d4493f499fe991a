#include "proto/link_body.h"

#include "proto/frame.h"
#include "proto/wire.h"

#include <assert.h>

/*
 * A cursor over a body whose length has been checked: puts and gets in order. What is put is
 * appended at the end, so the layout of a body is the order of the calls.
 */
struct cursor {
    uint8_t *at;
};

static void put_u16(struct cursor *c, uint16_t value)
{
    ic_put_u16(c->at, value);
    c->at += 2;
}

static void put_u32(struct cursor *c, uint32_t value)
{
    ic_put_u32(c->at, value);
    c->at += 4;
}

static void put_u64(struct cursor *c, uint64_t value)
{
    ic_put_u64(c->at, value);
    c->at += 8;
}

static void put_bytes(struct cursor *c, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(c->at, bytes, len);
    }
    c->at += len;
}

struct reader {
    const uint8_t *at;
};

static uint16_t get_u16(struct reader *r)
{
    r->at += 2;
    return ic_get_u16(r->at - 2);
}

static uint32_t get_u32(struct reader *r)
{
    r->at += 4;
    return ic_get_u32(r->at - 4);
}

static uint64_t get_u64(struct reader *r)
{
    r->at += 8;
    return ic_get_u64(r->at - 8);
}

static void get_bytes(struct reader *r, void *out, size_t len)
{
    memcpy(out, r->at, len);
    r->at += len;
}

static struct ic_slice get_slice(struct reader *r, size_t len)
{
    r->at += len;
    return ic_slice(r->at - len, len);
}

/* Makes LEN bytes of room at OUT's end and counts them as written. */
static int extend(struct ic_buf *out, size_t len, struct cursor *c)
{
    int result = ic_buf_reserve(out, len);
    if (result < 0) {
        return result;
    }
    c->at = out->data + out->len;
    out->len += len;
    return 0;
}

/* ---- HELLO, WELCOME ------------------------------------------------------------ */

int ic_hello_encode(const struct ic_hello *hello, struct ic_buf *out)
{
    if (hello->function.len == 0 || hello->function.len > IC_FUNCTION_NAME_MAX) {
        return IC_EINVAL;
    }
    struct cursor c;
    int result = extend(out, IC_HELLO_FIXED_BYTES + hello->function.len, &c);
    if (result < 0) {
        return result;
    }
    put_bytes(&c, hello->instance, IC_INSTANCE_ID_BYTES);
    put_bytes(&c, hello->invocation, IC_INVOCATION_ID_BYTES);
    put_u32(&c, hello->dial);
    put_u32(&c, hello->highest_epoch);
    put_u32(&c, hello->flags);
    put_u64(&c, hello->position);
    put_u64(&c, hello->held_bytes);
    put_u64(&c, hello->capacity_bytes);
    put_u64(&c, hello->chunk_count);
    put_u64(&c, hello->deadline_ms);
    put_u16(&c, (uint16_t)hello->function.len);
    put_bytes(&c, hello->function.data, hello->function.len);
    assert(c.at == out->data + out->len);
    return 0;
}

int ic_hello_decode(struct ic_slice body, struct ic_hello *out, struct ic_slice *signed_bytes,
                    struct ic_slice *mac)
{
    if (body.len < IC_HELLO_BYTES_MIN || body.len > IC_HELLO_BYTES_MAX) {
        return IC_EPROTO;
    }
    struct reader r = {body.data};
    get_bytes(&r, out->instance, IC_INSTANCE_ID_BYTES);
    get_bytes(&r, out->invocation, IC_INVOCATION_ID_BYTES);
    out->dial = get_u32(&r);
    out->highest_epoch = get_u32(&r);
    out->flags = get_u32(&r);
    out->position = get_u64(&r);
    out->held_bytes = get_u64(&r);
    out->capacity_bytes = get_u64(&r);
    out->chunk_count = get_u64(&r);
    out->deadline_ms = get_u64(&r);
    size_t name_len = get_u16(&r);
    if (name_len != body.len - IC_HELLO_FIXED_BYTES - IC_LINK_MAC_BYTES) {
        return IC_EPROTO;
    }
    if ((out->flags & ~(uint32_t)IC_HELLO_DYING) != 0) {
        return IC_EPROTO;
    }
    out->function = get_slice(&r, name_len);
    *signed_bytes = ic_slice(body.data, body.len - IC_LINK_MAC_BYTES);
    *mac = get_slice(&r, IC_LINK_MAC_BYTES);
    return 0;
}

void ic_welcome_encode(const struct ic_welcome *welcome, uint8_t out[IC_WELCOME_BYTES])
{
    struct cursor c = {out};
    put_u32(&c, welcome->epoch);
    put_u32(&c, 0);
    put_bytes(&c, welcome->mac, IC_LINK_MAC_BYTES);
}

int ic_welcome_decode(struct ic_slice body, struct ic_welcome *out)
{
    if (body.len != IC_WELCOME_BYTES) {
        return IC_EPROTO;
    }
    struct reader r = {body.data};
    out->epoch = get_u32(&r);
    if (get_u32(&r) != 0) {
        return IC_EPROTO;
    }
    get_bytes(&r, out->mac, IC_LINK_MAC_BYTES);
    return 0;
}

/* ---- READ, WRITE ----------------------------------------------------------------- */

void ic_read_encode(uint32_t length, uint8_t out[IC_READ_BYTES])
{
    ic_put_u32(out, length);
}

int ic_read_decode(struct ic_slice body, uint32_t *length)
{
    if (body.len != IC_READ_BYTES) {
        return IC_EPROTO;
    }
    *length = ic_get_u32(body.data);
    return *length >= 1 && *length <= IC_FRAME_DATA_MAX ? 0 : IC_EPROTO;
}

static bool is_unit(uint32_t unit)
{
    return unit >= IC_UNIT_BYTES_MIN && unit <= IC_FRAME_DATA_MAX && unit % IC_UNIT_BYTES_MIN == 0;
}

void ic_write_prefix_encode(const struct ic_write_prefix *prefix, uint8_t *out)
{
    struct cursor c = {out};
    put_u64(&c, prefix->chunk_length);
    put_u32(&c, prefix->unit);
    put_u32(&c, 0);
}

int ic_write_prefix_decode(const uint8_t *in, struct ic_write_prefix *out)
{
    struct reader r = {in};
    out->chunk_length = get_u64(&r);
    out->unit = get_u32(&r);
    bool valid = get_u32(&r) == 0 && is_unit(out->unit) && out->chunk_length > 0 &&
                 out->chunk_length <= IC_CHUNK_BYTES_MAX;
    return valid ? 0 : IC_EPROTO;
}

int64_t ic_frame_data_length(uint32_t bytes, uint32_t unit)
{
    if (!is_unit(unit) || bytes == 0) {
        return IC_EPROTO;
    }
    uint64_t units = ic_frame_units(bytes, unit + 4);
    uint64_t last = bytes - (units - 1) * (unit + 4); /* CRC and bytes of the last unit */
    uint64_t length = bytes - 4 * units;
    return last > 4 && length <= IC_FRAME_DATA_MAX ? (int64_t)length : IC_EPROTO;
}

/* ---- SEAL, ITEM ------------------------------------------------------------------ */

/* The part of a seal that SEAL and ITEM share; the key follows it. */
static void put_seal(struct cursor *c, const struct ic_seal *seal)
{
    put_u64(c, seal->chunk_length);
    put_u64(c, seal->object_size);
    put_u64(c, seal->version);
    put_u64(c, (uint64_t)seal->expires_ms);
    put_u32(c, seal->unit);
    put_u16(c, seal->data);
    put_u16(c, seal->parity);
    put_u32(c, (uint32_t)seal->key.len);
    put_bytes(c, seal->key.data, seal->key.len);
}

/* LEFT: bytes after the fixed part, where the key is. */
static int get_seal(struct reader *r, size_t left, struct ic_seal *out)
{
    out->chunk_length = get_u64(r);
    out->object_size = get_u64(r);
    out->version = get_u64(r);
    out->expires_ms = (int64_t)get_u64(r);
    out->unit = get_u32(r);
    out->data = get_u16(r);
    out->parity = get_u16(r);
    size_t key_len = get_u32(r);
    if (key_len > left || key_len > IC_KEY_BYTES_MAX || out->chunk_length > IC_CHUNK_BYTES_MAX) {
        return IC_EPROTO;
    }
    if (!is_unit(out->unit) && (out->unit != 0 || out->chunk_length != 0)) {
        return IC_EPROTO;
    }
    out->key = get_slice(r, key_len);
    return 0;
}

int ic_seal_encode(const struct ic_seal *seal, struct ic_buf *out)
{
    if (seal->key.len > IC_KEY_BYTES_MAX) {
        return IC_EINVAL;
    }
    struct cursor c;
    int result = extend(out, IC_SEAL_FIXED_BYTES + seal->key.len, &c);
    if (result < 0) {
        return result;
    }
    put_bytes(&c, seal->instance, IC_INSTANCE_ID_BYTES);
    put_seal(&c, seal);
    assert(c.at == out->data + out->len);
    return 0;
}

int ic_seal_decode(struct ic_slice body, struct ic_seal *out)
{
    if (body.len < IC_SEAL_FIXED_BYTES) {
        return IC_EPROTO;
    }
    struct reader r = {body.data};
    get_bytes(&r, out->instance, IC_INSTANCE_ID_BYTES);
    int result = get_seal(&r, body.len - IC_SEAL_FIXED_BYTES, out);
    if (result < 0) {
        return result;
    }
    return r.at == body.data + body.len ? 0 : IC_EPROTO;
}

int ic_item_encode(const struct ic_item *item, struct ic_buf *out)
{
    if (item->seal.key.len > IC_KEY_BYTES_MAX) {
        return IC_EINVAL;
    }
    struct cursor c;
    int result = extend(out, ic_item_size(item), &c);
    if (result < 0) {
        return result;
    }
    put_u64(&c, item->object_id);
    put_u64(&c, item->written_bytes);
    put_u16(&c, item->chunk);
    put_u16(&c, item->sealed ? 1 : 0);
    put_seal(&c, &item->seal);
    assert(c.at == out->data + out->len);
    return 0;
}

int ic_item_decode(struct ic_slice *body, struct ic_item *out)
{
    if (body->len == 0) {
        return 0;
    }
    if (body->len < IC_ITEM_FIXED_BYTES) {
        return IC_EPROTO;
    }
    struct reader r = {body->data};
    out->object_id = get_u64(&r);
    out->written_bytes = get_u64(&r);
    out->chunk = get_u16(&r);
    uint16_t sealed = get_u16(&r);
    out->sealed = sealed == 1;
    memset(out->seal.instance, 0, sizeof(out->seal.instance));
    int result = get_seal(&r, body->len - IC_ITEM_FIXED_BYTES, &out->seal);
    if (result < 0) {
        return result;
    }
    uint64_t length = out->seal.chunk_length;
    if (sealed > 1 || out->written_bytes > length ||
        (sealed == 1 && out->written_bytes != length)) {
        return IC_EPROTO;
    }
    *body = ic_slice(r.at, body->len - (size_t)(r.at - body->data));
    return 1;
}

struct ic_slice ic_error_body(struct ic_slice text)
{
    return ic_slice(text.data, text.len < IC_ERROR_TEXT_MAX ? text.len : IC_ERROR_TEXT_MAX);
}
