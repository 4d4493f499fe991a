#include "proto/frame.h"

#include "base/crc32c.h"
#include "proto/link_body.h"
#include "proto/wire.h"

#include <assert.h>

static const uint8_t magic[2] = {'I', 'C'};

enum { HEADER_CRC_OFFSET = 44 };
static_assert(HEADER_CRC_OFFSET + 4 == IC_FRAME_HEADER_BYTES, "the CRC ends the header");

struct type_info {
    uint8_t type;
    uint8_t flags; /* that the type may carry */
    uint32_t body_min, body_max;
    const char *text;
};

enum { DATA_BODY_MAX = 4 * IC_FRAME_UNITS_MAX + IC_FRAME_DATA_MAX };

static const struct type_info types[] = {
    {IC_FRAME_WELCOME, 0, IC_WELCOME_BYTES, IC_WELCOME_BYTES, "welcome"},
    {IC_FRAME_READ, 0, IC_READ_BYTES, IC_READ_BYTES, "read"},
    {IC_FRAME_WRITE, IC_WRITE_FIRST, 4 + 1, IC_FRAME_BODY_MAX, "write"},
    {IC_FRAME_SEAL, 0, IC_SEAL_FIXED_BYTES, IC_SEAL_BYTES_MAX, "seal"},
    {IC_FRAME_DELETE, 0, 0, 0, "delete"},
    {IC_FRAME_LIST, 0, 0, 0, "list"},
    {IC_FRAME_BYE_OK, 0, 0, 0, "bye-ok"},
    {IC_FRAME_KEEP, 0, 0, 0, "keep"},
    {IC_FRAME_MARK, 0, 0, 0, "mark"},
    {IC_FRAME_HELLO, 0, IC_HELLO_BYTES_MIN, IC_HELLO_BYTES_MAX, "hello"},
    {IC_FRAME_DATA, 0, 4 + 1, DATA_BODY_MAX, "data"},
    {IC_FRAME_DONE, 0, 0, 0, "done"},
    {IC_FRAME_ITEM, IC_ITEM_LAST, 0, IC_ITEM_BYTES_MAX, "item"},
    {IC_FRAME_BYE, IC_BYE_DEADLINE, 0, 0, "bye"},
    {IC_FRAME_ERROR, 0, 0, IC_ERROR_TEXT_MAX, "error"},
    {IC_FRAME_OFFER, 0, IC_ITEM_FIXED_BYTES, IC_OFFER_BYTES_MAX, "offer"},
};

static const struct type_info *type_info(uint8_t type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == type) {
            return &types[i];
        }
    }
    return NULL;
}

const char *ic_frame_type_text(uint8_t type)
{
    const struct type_info *info = type_info(type);
    return info == NULL ? "unknown" : info->text;
}

void ic_frame_body_bounds(uint8_t type, uint32_t *min, uint32_t *max)
{
    const struct type_info *info = type_info(type);
    *min = info == NULL ? 1 : info->body_min;
    *max = info == NULL ? 0 : info->body_max;
}

struct status_info {
    const char *text;
    int error;
};

static const struct status_info statuses[] = {
#define STATUS_INFO(value, name, text, error) [value] = {text, error},
    IC_STATUSES(STATUS_INFO)
#undef STATUS_INFO
};

enum { STATUS_COUNT = sizeof(statuses) / sizeof(statuses[0]) };

int ic_frame_status_error(uint8_t status)
{
    return status < STATUS_COUNT ? statuses[status].error : IC_EPROTO;
}

const char *ic_frame_status_text(uint8_t status)
{
    return status < STATUS_COUNT ? statuses[status].text : "unknown status";
}

void ic_frame_encode(const struct ic_frame *frame, uint8_t out[IC_FRAME_HEADER_BYTES])
{
    out[0] = magic[0];
    out[1] = magic[1];
    out[2] = IC_FRAME_VERSION;
    out[3] = frame->type;
    out[4] = frame->flags;
    out[5] = frame->status;
    ic_put_u16(out + 6, frame->chunk);
    ic_put_u32(out + 8, frame->request);
    ic_put_u32(out + 12, frame->length);
    ic_put_u64(out + 16, frame->object_id);
    ic_put_u64(out + 24, frame->op);
    ic_put_u64(out + 32, frame->offset);
    ic_put_u32(out + 40, frame->lease_ms);
    ic_put_u32(out + HEADER_CRC_OFFSET, ic_crc32c(UINT32_MAX, out, HEADER_CRC_OFFSET));
}

static bool is_valid(const struct ic_frame *frame)
{
    const struct type_info *info = type_info(frame->type);
    if (info == NULL || (frame->flags & ~info->flags) != 0) {
        return false;
    }
    bool is_error = frame->type == IC_FRAME_ERROR;
    if ((frame->status != IC_STATUS_OK) != is_error || frame->status >= STATUS_COUNT) {
        return false;
    }
    bool is_first = frame->type == IC_FRAME_WRITE && (frame->flags & IC_WRITE_FIRST) != 0;
    uint32_t prefix = is_first ? IC_WRITE_PREFIX_BYTES : 0;
    uint32_t max = frame->type == IC_FRAME_WRITE ? DATA_BODY_MAX + prefix : info->body_max;
    return frame->length >= info->body_min + prefix && frame->length <= max;
}

int ic_frame_decode(const uint8_t in[IC_FRAME_HEADER_BYTES], struct ic_frame *out)
{
    if (in[0] != magic[0] || in[1] != magic[1] || in[2] != IC_FRAME_VERSION ||
        ic_get_u32(in + HEADER_CRC_OFFSET) != ic_crc32c(UINT32_MAX, in, HEADER_CRC_OFFSET)) {
        return IC_EPROTO;
    }
    *out = (struct ic_frame){
        .type = in[3],
        .flags = in[4],
        .status = in[5],
        .chunk = ic_get_u16(in + 6),
        .request = ic_get_u32(in + 8),
        .length = ic_get_u32(in + 12),
        .object_id = ic_get_u64(in + 16),
        .op = ic_get_u64(in + 24),
        .offset = ic_get_u64(in + 32),
        .lease_ms = ic_get_u32(in + 40),
    };
    return is_valid(out) ? 0 : IC_EPROTO;
}

uint64_t ic_chunk_cost(uint64_t length, uint32_t unit, size_t key_len)
{
    uint64_t units = length == 0 ? 0 : ic_frame_units(length, unit);
    return length + 4 * units + key_len + IC_CHUNK_OVERHEAD_BYTES;
}

uint64_t ic_chunk_grown(uint64_t written, uint64_t length)
{
    uint64_t beyond = written % IC_CHUNK_STEP_BYTES;
    uint64_t rest = beyond == 0 ? 0 : IC_CHUNK_STEP_BYTES - beyond;
    return written < length && rest < length - written ? written + rest : length;
}

uint64_t ic_node_capacity(uint64_t memory)
{
    return memory - IC_NODE_RESERVE_BYTES - memory / IC_NODE_SLACK_DIVISOR;
}

/* ---- the parser --------------------------------------------------------------- */

void ic_frame_parser_init(struct ic_frame_parser *p)
{
    p->state = IC_PARSE_HEADER;
    p->frame = (struct ic_frame){0};
    p->body_left = p->placed = p->place_first = p->place_count = 0;
    p->ahead_first = p->ahead_have = 0;
    p->scratch = NULL;
    p->scratch_size = 0;
    p->announced = false;
}

bool ic_frame_parser_idle(const struct ic_frame_parser *p)
{
    return p->state != IC_PARSE_BODY && p->ahead_have == 0;
}

/* Room behind what was read ahead. */
static struct iovec ahead_place(struct ic_frame_parser *p)
{
    if (p->ahead_first > 0) {
        memmove(p->ahead, p->ahead + p->ahead_first, p->ahead_have);
        p->ahead_first = 0;
    }
    return (struct iovec){.iov_base = p->ahead + p->ahead_have,
                          .iov_len = sizeof p->ahead - p->ahead_have};
}

/* Moves up to LEN bytes that were read ahead to OUT (NULL: nowhere); returns how many. */
static size_t take_ahead(struct ic_frame_parser *p, void *out, size_t len)
{
    size_t taken = len < p->ahead_have ? len : p->ahead_have;
    if (out != NULL && taken > 0) {
        memcpy(out, p->ahead + p->ahead_first, taken);
    }
    p->ahead_have -= (uint32_t)taken;
    p->ahead_first = p->ahead_have == 0 ? 0 : p->ahead_first + (uint32_t)taken;
    return taken;
}

static size_t scratch_room(struct ic_frame_parser *p, struct iovec *iov, size_t max)
{
    size_t count = 0;
    for (size_t left = p->body_left; left > 0 && count < max; count++) {
        size_t len = left < p->scratch_size ? left : p->scratch_size;
        iov[count] = (struct iovec){.iov_base = p->scratch, .iov_len = len};
        left -= len;
    }
    return count;
}

size_t ic_frame_parser_room(struct ic_frame_parser *p, struct iovec *iov, size_t max)
{
    assert(max >= 2);
    if (p->state == IC_PARSE_HEADER) {
        iov[0] = ahead_place(p);
        return iov[0].iov_len > 0 ? 1 : 0;
    }
    if (p->state == IC_PARSE_FAILED) {
        return 0;
    }
    if (p->scratch != NULL) {
        return scratch_room(p, iov, max);
    }
    size_t count = p->place_count < max ? p->place_count : max;
    memcpy(iov, p->place + p->place_first, count * sizeof(*iov));
    if (p->placed == p->body_left && count == p->place_count && count > 0 && count < max) {
        iov[count++] = ahead_place(p); /* the next frames */
    }
    return count;
}

/* Takes up to LEN received bytes into the places of the body; returns how many. */
static size_t fill_places(struct ic_frame_parser *p, size_t len)
{
    size_t taken = 0;
    while (p->place_count > 0 && taken < len) {
        struct iovec *place = &p->place[p->place_first];
        size_t part = len - taken < place->iov_len ? len - taken : place->iov_len;
        place->iov_base = (uint8_t *)place->iov_base + part;
        place->iov_len -= part;
        taken += part;
        if (place->iov_len == 0) {
            p->place_first++;
            p->place_count--;
        }
    }
    p->placed -= (uint32_t)taken;
    return taken;
}

void ic_frame_parser_received(struct ic_frame_parser *p, size_t len)
{
    size_t body = 0;
    if (p->state == IC_PARSE_BODY) {
        body = p->scratch != NULL ? len : fill_places(p, len);
        assert(body <= p->body_left);
        p->body_left -= (uint32_t)body;
    }
    p->ahead_have += (uint32_t)(len - body);
    assert(p->ahead_first + p->ahead_have <= sizeof p->ahead);
}

static int next_header(struct ic_frame_parser *p)
{
    if (p->ahead_have < IC_FRAME_HEADER_BYTES) {
        return IC_FRAME_MORE;
    }
    if (ic_frame_decode(p->ahead + p->ahead_first, &p->frame) < 0) {
        p->state = IC_PARSE_FAILED;
        return IC_EPROTO;
    }
    (void)take_ahead(p, NULL, IC_FRAME_HEADER_BYTES);
    p->state = IC_PARSE_BODY;
    p->body_left = p->frame.length;
    p->placed = p->place_first = p->place_count = 0;
    p->scratch = NULL;
    p->announced = false;
    return IC_FRAME_HEADER_READY;
}

int ic_frame_parser_next(struct ic_frame_parser *p)
{
    switch (p->state) {
    case IC_PARSE_HEADER:
        return next_header(p);
    case IC_PARSE_BODY:
        if (p->body_left == 0) {
            p->state = IC_PARSE_HEADER;
            return IC_FRAME_END;
        }
        if (p->placed == 0 && p->scratch == NULL && !p->announced) {
            p->announced = true;
            return IC_FRAME_WANT;
        }
        return IC_FRAME_MORE;
    case IC_PARSE_FAILED:
        break;
    }
    return IC_EPROTO;
}

int ic_frame_parser_place(struct ic_frame_parser *p, void *data, size_t len)
{
    if (p->state != IC_PARSE_BODY || p->scratch != NULL || len > p->body_left - p->placed) {
        return IC_ERANGE;
    }
    size_t here = p->placed == 0 ? take_ahead(p, data, len) : 0;
    p->body_left -= (uint32_t)here;
    len -= here;
    if (here > 0) {
        p->announced = false;
    }
    if (len == 0) {
        return 0;
    }
    if (p->place_count == IC_FRAME_PLACES_MAX) {
        return IC_ENOSPC;
    }
    if (p->place_first + p->place_count == IC_FRAME_PLACES_MAX) {
        memmove(p->place, p->place + p->place_first, p->place_count * sizeof(p->place[0]));
        p->place_first = 0;
    }
    p->place[p->place_first + p->place_count++] =
        (struct iovec){.iov_base = (uint8_t *)data + here, .iov_len = len};
    p->placed += (uint32_t)len;
    p->announced = false;
    return 0;
}

void ic_frame_parser_skip(struct ic_frame_parser *p, void *scratch, size_t size)
{
    assert(scratch != NULL && size > 0);
    if (p->state != IC_PARSE_BODY) {
        return;
    }
    p->place_first = p->place_count = 0;
    p->placed = 0;
    p->scratch = scratch;
    p->scratch_size = size;
    p->body_left -= (uint32_t)take_ahead(p, NULL, p->body_left);
}
