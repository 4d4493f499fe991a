#include "proxy/journal_record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    CHECK_BYTES = 4,
    NUMBER_BYTES_MAX = 10,
    PLACE_HELD = 1,
    PLACE_COPIED = 2,
    PLACE_INSTANCE = 4,
    PLACE_BACKUP = 8,
    PLACE_BYTES_MAX = 3 + 1 + 2 * IC_JOURNAL_INSTANCE_LEN,
    OBJECT_NUMBERS = 6,
    ENTRY_NUMBERS = 3,
};

/* In the seed of the check, which so tells the formats apart. */
static const uint64_t FORMAT_2 = 0, FORMAT_3 = UINT64_C(0x9e3779b97f4a7c15);

/* ---- writing ------------------------------------------------------------------ */

static uint8_t *put(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_signed(uint8_t *at, uint64_t value)
{
    return put(at, value << 1 ^ (uint64_t)((int64_t)value >> 63));
}

static uint32_t check_of(const uint8_t *data, size_t len, uint64_t id, uint64_t format)
{
    return (uint32_t)XXH3_64bits_withSeed(data, len, id ^ format);
}

/* Ends the record from START to AT, which has room for the check. */
static void finish(struct ic_buf *out, uint8_t *at, uint64_t id)
{
    uint8_t *start = out->data + out->len;
    uint32_t check = check_of(start, (size_t)(at - start), id, FORMAT_3);
    for (int i = 0; i < CHECK_BYTES; i++) {
        *at++ = (uint8_t)(check >> (8 * i));
    }
    out->len += (size_t)(at - start);
}

static bool is_set(const uint8_t instance[IC_JOURNAL_INSTANCE_LEN])
{
    static const uint8_t none[IC_JOURNAL_INSTANCE_LEN];
    return memcmp(instance, none, sizeof none) != 0;
}

static uint8_t *put_instance(uint8_t *at, const uint8_t instance[IC_JOURNAL_INSTANCE_LEN])
{
    if (!is_set(instance)) {
        return at;
    }
    memcpy(at, instance, IC_JOURNAL_INSTANCE_LEN);
    return at + IC_JOURNAL_INSTANCE_LEN;
}

static uint8_t *put_place(uint8_t *at, const struct ic_journal_place *p)
{
    at = put(at, p->function);
    *at++ = (uint8_t)((p->held ? PLACE_HELD : 0) | (p->copied ? PLACE_COPIED : 0) |
                      (is_set(p->instance) ? PLACE_INSTANCE : 0) |
                      (is_set(p->backup) ? PLACE_BACKUP : 0));
    return put_instance(put_instance(at, p->instance), p->backup);
}

int ic_journal_encode_object(struct ic_buf *out, const struct ic_journal_object *o)
{
    size_t places = (size_t)o->data + o->parity;
    int result = ic_buf_reserve(out, OBJECT_NUMBERS * NUMBER_BYTES_MAX + places * PLACE_BYTES_MAX +
                                         CHECK_BYTES);
    if (result < 0) {
        return result;
    }
    uint8_t *at = out->data + out->len;
    at = put(at, o->size);
    at = put_signed(at, o->version - o->id);
    at = put(at, o->unit);
    at = put(at, o->key_len);
    at = put(at, o->data);
    at = put(at, o->parity);
    for (size_t i = 0; i < places; i++) {
        at = put_place(at, &o->place[i]);
    }
    finish(out, at, o->id);
    return 0;
}

int ic_journal_encode_entry(struct ic_buf *out, const struct ic_journal_entry *e)
{
    int result = ic_buf_reserve(out, ENTRY_NUMBERS * NUMBER_BYTES_MAX + e->key.len + CHECK_BYTES);
    if (result < 0) {
        return result;
    }
    uint8_t *at = out->data + out->len;
    at = put_signed(at, e->object_id - e->id);
    at = put_signed(at, (uint64_t)e->expires_ms);
    at = put_signed(at, (uint64_t)e->accessed_ms);
    if (e->key.len > 0) {
        memcpy(at, e->key.data, e->key.len);
        at += e->key.len;
    }
    finish(out, at, e->id);
    return 0;
}

/* ---- reading ------------------------------------------------------------------ */

struct reader {
    const uint8_t *at, *end;
    uint64_t format;
    bool failed; /* what was asked for is not there; what was given since is 0 */
};

static uint64_t take_fixed(struct reader *r, size_t bytes)
{
    uint64_t value = 0;
    if ((size_t)(r->end - r->at) < bytes) {
        r->failed = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)*r->at++ << (8 * i);
    }
    return value;
}

static uint64_t take_number(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = take_fixed(r, 1);
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    r->failed = true;
    return 0;
}

/* A number of at most MAX, which format 2 has in so many BYTES. */
static uint64_t take(struct reader *r, size_t bytes, uint64_t max)
{
    uint64_t value = r->format == FORMAT_2 ? take_fixed(r, bytes) : take_number(r);
    r->failed |= value > max;
    return value;
}

/* The same of one that may be negative; format 3 has it less BASE. */
static uint64_t take_signed(struct reader *r, uint64_t base)
{
    if (r->format == FORMAT_2) {
        return take_fixed(r, 8);
    }
    uint64_t value = take_number(r);
    return base + (value >> 1 ^ (0 - (value & 1)));
}

static void take_instance(struct reader *r, bool there, uint8_t out[IC_JOURNAL_INSTANCE_LEN])
{
    memset(out, 0, IC_JOURNAL_INSTANCE_LEN);
    if (!there) {
        return;
    }
    if (r->end - r->at < IC_JOURNAL_INSTANCE_LEN) {
        r->failed = true;
        return;
    }
    memcpy(out, r->at, IC_JOURNAL_INSTANCE_LEN);
    r->at += IC_JOURNAL_INSTANCE_LEN;
}

static void take_place(struct reader *r, struct ic_journal_place *p)
{
    bool fixed = r->format == FORMAT_2;
    p->function = (uint16_t)take(r, 2, UINT16_MAX);
    uint64_t marks = take_fixed(r, 1);
    p->held = (marks & PLACE_HELD) != 0;
    p->copied = (marks & PLACE_COPIED) != 0;
    take_instance(r, fixed || (marks & PLACE_INSTANCE) != 0, p->instance);
    take_instance(r, fixed || (marks & PLACE_BACKUP) != 0, p->backup);
}

/* False: the check fits no format. */
static bool open_record(struct reader *r, struct ic_slice record, uint64_t id)
{
    if (record.len < CHECK_BYTES) {
        return false;
    }
    size_t len = record.len - CHECK_BYTES;
    *r = (struct reader){.at = record.data + len, .end = record.data + record.len};
    uint64_t check = take_fixed(r, CHECK_BYTES);
    r->at = record.data;
    r->end = record.data + len;
    r->format = check == check_of(record.data, len, id, FORMAT_3) ? FORMAT_3 : FORMAT_2;
    return check == check_of(record.data, len, id, r->format);
}

int ic_journal_decode_object(struct ic_slice record, uint64_t id, struct ic_journal_object *o,
                             struct ic_journal_place *place)
{
    struct reader r;
    if (!open_record(&r, record, id)) {
        return IC_ECORRUPT;
    }
    o->id = id;
    o->size = take(&r, 8, UINT64_MAX);
    o->version = take_signed(&r, id);
    o->unit = (uint32_t)take(&r, 4, UINT32_MAX);
    o->key_len = (uint32_t)take(&r, 4, UINT32_MAX);
    o->data = (uint16_t)take(&r, 2, UINT16_MAX);
    o->parity = (uint16_t)take(&r, 2, UINT16_MAX);
    o->place = place;
    size_t places = (size_t)o->data + o->parity;
    if (r.failed || o->data == 0 || places > IC_JOURNAL_PLACES_MAX) {
        return IC_ECORRUPT;
    }
    for (size_t i = 0; i < places; i++) {
        take_place(&r, &place[i]);
    }
    return r.failed || r.at != r.end ? IC_ECORRUPT : 0;
}

int ic_journal_decode_entry(struct ic_slice record, uint64_t id, struct ic_journal_entry *e)
{
    struct reader r;
    if (!open_record(&r, record, id)) {
        return IC_ECORRUPT;
    }
    e->id = id;
    e->object_id = take_signed(&r, id);
    e->expires_ms = (int64_t)take_signed(&r, 0);
    e->accessed_ms = (int64_t)take_signed(&r, 0);
    e->key = ic_slice(r.at, (size_t)(r.end - r.at));
    return r.failed ? IC_ECORRUPT : 0;
}
