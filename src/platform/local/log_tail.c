#include "platform/local/log_tail.h"

void ic_log_tail_clear(struct ic_log_tail *tail)
{
    tail->total = 0;
}

void ic_log_tail_add(struct ic_log_tail *tail, struct ic_slice text)
{
    if (text.len > IC_LOG_TAIL_BYTES) {
        tail->total += text.len - IC_LOG_TAIL_BYTES;
        text = ic_slice(text.data + (text.len - IC_LOG_TAIL_BYTES), IC_LOG_TAIL_BYTES);
    }
    size_t at = (size_t)(tail->total % IC_LOG_TAIL_BYTES);
    size_t first = text.len < IC_LOG_TAIL_BYTES - at ? text.len : IC_LOG_TAIL_BYTES - at;
    if (text.len > 0) {
        memcpy(tail->ring + at, text.data, first);
        memcpy(tail->ring, text.data + first, text.len - first);
    }
    tail->total += text.len;
}

size_t ic_log_tail_copy(const struct ic_log_tail *tail, uint8_t *out)
{
    if (tail->total <= IC_LOG_TAIL_BYTES) {
        memcpy(out, tail->ring, (size_t)tail->total);
        return (size_t)tail->total;
    }
    size_t at = (size_t)(tail->total % IC_LOG_TAIL_BYTES);
    memcpy(out, tail->ring + at, IC_LOG_TAIL_BYTES - at);
    memcpy(out + (IC_LOG_TAIL_BYTES - at), tail->ring, at);
    return IC_LOG_TAIL_BYTES;
}
