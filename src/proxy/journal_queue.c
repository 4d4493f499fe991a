#include "proxy/journal_queue.h"

#include "proxy/journal_record.h"

#include <assert.h>

enum { KEPT_MAX = 1 << 20 }; /* bytes of memory that wait for the next turn's changes */

struct header { /* followed by LEN bytes of record */
    uint64_t id;
    uint32_t len;
    uint32_t op;
};

void ic_journal_queue_init(struct ic_journal_queue *q)
{
    ic_buf_init(&q->bytes);
}

void ic_journal_queue_deinit(struct ic_journal_queue *q)
{
    ic_buf_deinit(&q->bytes);
}

bool ic_journal_queue_empty(const struct ic_journal_queue *q)
{
    return q->bytes.len == 0;
}

bool ic_journal_queue_next(const struct ic_journal_queue *q, size_t *at,
                           struct ic_journal_change *change)
{
    if (*at >= q->bytes.len) {
        return false;
    }
    struct header header;
    memcpy(&header, q->bytes.data + *at, sizeof header);
    *at += sizeof header;
    *change = (struct ic_journal_change){.op = (enum ic_journal_op)header.op,
                                         .id = header.id,
                                         .record = ic_slice(q->bytes.data + *at, header.len)};
    *at += header.len;
    return true;
}

void ic_journal_queue_clear(struct ic_journal_queue *q)
{
    if (q->bytes.cap > KEPT_MAX) {
        ic_buf_deinit(&q->bytes);
    }
    q->bytes.len = 0;
}

/* ---- journal.h -------------------------------------------------------------- */

static int push(struct ic_journal *j, enum ic_journal_op op, uint64_t id, struct ic_slice record)
{
    struct ic_journal_queue *q = ic_journal_queue_of(j);
    if (q == NULL) {
        return 0;
    }
    assert(record.len <= UINT32_MAX);
    struct header header = {.id = id, .len = (uint32_t)record.len, .op = op};
    int result = ic_buf_reserve(&q->bytes, sizeof header + record.len);
    if (result < 0) {
        return result;
    }
    result = ic_buf_append(&q->bytes, &header, sizeof header);
    assert(result >= 0);
    result = ic_buf_append_slice(&q->bytes, record);
    assert(result >= 0);
    return 0;
}

int ic_journal_put_object(struct ic_journal *j, const struct ic_journal_object *o)
{
    struct ic_buf record;
    ic_buf_init(&record);
    int result = ic_journal_encode_object(&record, o);
    if (result >= 0) {
        result = push(j, IC_JOURNAL_PUT_OBJECT, o->id, ic_buf_slice(&record));
    }
    ic_buf_deinit(&record);
    return result;
}

int ic_journal_delete_object(struct ic_journal *j, uint64_t id)
{
    return push(j, IC_JOURNAL_DELETE_OBJECT, id, ic_slice(NULL, 0));
}

int ic_journal_put_entry(struct ic_journal *j, const struct ic_journal_entry *e)
{
    struct ic_buf record;
    ic_buf_init(&record);
    int result = ic_journal_encode_entry(&record, e);
    if (result >= 0) {
        result = push(j, IC_JOURNAL_PUT_ENTRY, e->id, ic_buf_slice(&record));
    }
    ic_buf_deinit(&record);
    return result;
}

int ic_journal_delete_entry(struct ic_journal *j, uint64_t id)
{
    return push(j, IC_JOURNAL_DELETE_ENTRY, id, ic_slice(NULL, 0));
}

int ic_journal_flush(struct ic_journal *j)
{
    return push(j, IC_JOURNAL_FLUSH, 0, ic_slice(NULL, 0));
}

int ic_journal_put_ledger(struct ic_journal *j, uint64_t key, struct ic_slice record)
{
    return push(j, IC_JOURNAL_PUT_LEDGER, key, record);
}

size_t ic_journal_mark(struct ic_journal *j)
{
    const struct ic_journal_queue *q = ic_journal_queue_of(j);
    return q == NULL ? 0 : q->bytes.len;
}

void ic_journal_rewind(struct ic_journal *j, size_t mark)
{
    struct ic_journal_queue *q = ic_journal_queue_of(j);
    if (q != NULL) {
        assert(mark <= q->bytes.len);
        q->bytes.len = mark;
    }
}
