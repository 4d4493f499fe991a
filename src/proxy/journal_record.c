#include "proxy/journal_record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    CHECK_BYTES = 4,
    PLACE_BYTES = 2 + 1 + 2 * IC_JOURNAL_INSTANCE_LEN,
    PLACE_HELD = 1,
    PLACE_COPIED = 2,
    OBJECT_BYTES = 8 + 8 + 4 + 4 + 2 + 2,
    ENTRY_BYTES = 8 + 8 + 8,
};

static uint8_t *put(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        *at++ = (uint8_t)(value >> (8 * i));
    }
    return at;
}

static uint64_t take(const uint8_t **at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t) * (*at)++ << (8 * i);
    }
    return value;
}

static uint32_t check_of(const uint8_t *data, size_t len, uint64_t id)
{
    return (uint32_t)XXH3_64bits_withSeed(data, len, id);
}

int ic_journal_encode_object(struct ic_buf *out, const struct ic_journal_object *o)
{
    size_t places = (size_t)o->data + o->parity;
    size_t len = OBJECT_BYTES + places * PLACE_BYTES;
    int result = ic_buf_reserve(out, len + CHECK_BYTES);
    if (result < 0) {
        return result;
    }
    uint8_t *start = out->data + out->len, *at = start;
    at = put(at, o->size, 8);
    at = put(at, o->version, 8);
    at = put(at, o->unit, 4);
    at = put(at, o->key_len, 4);
    at = put(at, o->data, 2);
    at = put(at, o->parity, 2);
    for (size_t i = 0; i < places; i++) {
        at = put(at, o->place[i].function, 2);
        at = put(
            at, (o->place[i].held ? PLACE_HELD : 0U) | (o->place[i].copied ? PLACE_COPIED : 0U), 1);
        memcpy(at, o->place[i].instance, IC_JOURNAL_INSTANCE_LEN);
        at += IC_JOURNAL_INSTANCE_LEN;
        memcpy(at, o->place[i].backup, IC_JOURNAL_INSTANCE_LEN);
        at += IC_JOURNAL_INSTANCE_LEN;
    }
    put(at, check_of(start, len, o->id), CHECK_BYTES);
    out->len += len + CHECK_BYTES;
    return 0;
}

int ic_journal_encode_entry(struct ic_buf *out, const struct ic_journal_entry *e)
{
    size_t len = ENTRY_BYTES + e->key.len;
    int result = ic_buf_reserve(out, len + CHECK_BYTES);
    if (result < 0) {
        return result;
    }
    uint8_t *start = out->data + out->len, *at = start;
    at = put(at, e->object_id, 8);
    at = put(at, (uint64_t)e->expires_ms, 8);
    at = put(at, (uint64_t)e->accessed_ms, 8);
    if (e->key.len > 0) {
        memcpy(at, e->key.data, e->key.len);
        at += e->key.len;
    }
    put(at, check_of(start, len, e->id), CHECK_BYTES);
    out->len += len + CHECK_BYTES;
    return 0;
}

/* The check is right; LEN is without it. */
static bool intact(struct ic_slice record, uint64_t id, size_t least, size_t *len)
{
    if (record.len < least + CHECK_BYTES) {
        return false;
    }
    *len = record.len - CHECK_BYTES;
    const uint8_t *check = record.data + *len;
    return take(&check, CHECK_BYTES) == check_of(record.data, *len, id);
}

int ic_journal_decode_object(struct ic_slice record, uint64_t id, struct ic_journal_object *o,
                             struct ic_journal_place *place)
{
    size_t len;
    if (!intact(record, id, OBJECT_BYTES, &len)) {
        return IC_ECORRUPT;
    }
    const uint8_t *at = record.data;
    o->id = id;
    o->size = take(&at, 8);
    o->version = take(&at, 8);
    o->unit = (uint32_t)take(&at, 4);
    o->key_len = (uint32_t)take(&at, 4);
    o->data = (uint16_t)take(&at, 2);
    o->parity = (uint16_t)take(&at, 2);
    o->place = place;
    size_t places = (size_t)o->data + o->parity;
    if (o->data == 0 || places > IC_JOURNAL_PLACES_MAX ||
        len != OBJECT_BYTES + places * PLACE_BYTES) {
        return IC_ECORRUPT;
    }
    for (size_t i = 0; i < places; i++) {
        place[i].function = (uint16_t)take(&at, 2);
        uint64_t marks = take(&at, 1);
        place[i].held = (marks & PLACE_HELD) != 0;
        place[i].copied = (marks & PLACE_COPIED) != 0;
        memcpy(place[i].instance, at, IC_JOURNAL_INSTANCE_LEN);
        at += IC_JOURNAL_INSTANCE_LEN;
        memcpy(place[i].backup, at, IC_JOURNAL_INSTANCE_LEN);
        at += IC_JOURNAL_INSTANCE_LEN;
    }
    return 0;
}

int ic_journal_decode_entry(struct ic_slice record, uint64_t id, struct ic_journal_entry *e)
{
    size_t len;
    if (!intact(record, id, ENTRY_BYTES, &len)) {
        return IC_ECORRUPT;
    }
    const uint8_t *at = record.data;
    e->id = id;
    e->object_id = take(&at, 8);
    e->expires_ms = (int64_t)take(&at, 8);
    e->accessed_ms = (int64_t)take(&at, 8);
    e->key = ic_slice(at, len - ENTRY_BYTES);
    return 0;
}
