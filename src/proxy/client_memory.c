#include "proxy/client_memory.h"

#include <assert.h>

void ic_client_memory_init(struct ic_client_memory *m)
{
    *m = (struct ic_client_memory){0};
    for (size_t i = 0; i < IC_CLIENT_MEMORY_BUCKETS; i++) {
        for (size_t by = 0; by < IC_CLIENT_MEASURES; by++) {
            ic_list_init(&m->bucket[false][by][i]);
            ic_list_init(&m->bucket[true][by][i]);
        }
    }
}

static int bucket_of(size_t bytes)
{
    return 63 - __builtin_clzll(bytes);
}

/* C takes BYTES, 0 as well, in the totals. */
static void count(struct ic_client_memory *m, struct ic_client_charge *c, size_t bytes,
                  size_t withdrawn)
{
    m->total += bytes - c->bytes;
    m->spared += c->spared ? bytes - c->bytes : 0;
    m->withdrawn[c->spared] += withdrawn - c->withdrawn;
    c->bytes = bytes;
    c->withdrawn = withdrawn;
}

static bool same_buckets(const struct ic_client_charge *c, size_t bytes, size_t withdrawn)
{
    return bucket_of(bytes) == bucket_of(c->bytes) &&
           bucket_of(bytes - withdrawn) == bucket_of(c->bytes - c->withdrawn);
}

void ic_client_memory_charge(struct ic_client_memory *m, struct ic_client_charge *c, size_t bytes,
                             size_t withdrawn, bool spared)
{
    assert(bytes > withdrawn);
    if (c->bytes > 0 && spared == c->spared && same_buckets(c, bytes, withdrawn)) {
        count(m, c, bytes, withdrawn);
        return;
    }
    ic_client_memory_leave(m, c);
    c->spared = spared;
    count(m, c, bytes, withdrawn);
    ic_list_push_back(&m->bucket[spared][IC_CLIENT_WHOLE][bucket_of(bytes)],
                      &c->node[IC_CLIENT_WHOLE]);
    ic_list_push_back(&m->bucket[spared][IC_CLIENT_CHOSEN][bucket_of(bytes - withdrawn)],
                      &c->node[IC_CLIENT_CHOSEN]);
}

void ic_client_memory_leave(struct ic_client_memory *m, struct ic_client_charge *c)
{
    if (c->bytes > 0) {
        count(m, c, 0, 0);
        ic_list_remove(&c->node[IC_CLIENT_WHOLE]);
        ic_list_remove(&c->node[IC_CLIENT_CHOSEN]);
    }
}

struct ic_client_charge *ic_client_memory_victim(const struct ic_client_memory *m, size_t limit)
{
    if (m->total <= limit) {
        return NULL;
    }
    bool spared = m->total - m->spared <= limit / 2;
    size_t all = spared ? m->spared : m->total - m->spared;
    enum ic_client_measure by = m->withdrawn[spared] > all / 2 ? IC_CLIENT_WHOLE : IC_CLIENT_CHOSEN;
    const struct ic_list *bucket = &m->bucket[spared][by][IC_CLIENT_MEMORY_BUCKETS - 1];
    while (ic_list_empty(bucket)) { /* they take more than 0 bytes: one is not empty */
        bucket--;
    }
    return IC_CONTAINER(bucket->next - by, struct ic_client_charge, node); /* of node[0] */
}

void ic_client_memory_note(struct ic_client_memory *m, uint64_t now_ms, size_t input, size_t output)
{
    uint64_t second = now_ms / 1000;
    size_t at = second % IC_CLIENT_MEMORY_RECENT_S;
    if (m->recent[at].second != second) {
        m->recent[at].second = second;
        m->recent[at].input = m->recent[at].output = 0;
    }
    m->recent[at].input = input > m->recent[at].input ? input : m->recent[at].input;
    m->recent[at].output = output > m->recent[at].output ? output : m->recent[at].output;
}

void ic_client_memory_recent(const struct ic_client_memory *m, uint64_t now_ms, size_t *input,
                             size_t *output)
{
    *input = *output = 0;
    for (size_t i = 0; i < IC_CLIENT_MEMORY_RECENT_S; i++) {
        if (m->recent[i].second + IC_CLIENT_MEMORY_RECENT_S > now_ms / 1000) {
            *input = m->recent[i].input > *input ? m->recent[i].input : *input;
            *output = m->recent[i].output > *output ? m->recent[i].output : *output;
        }
    }
}

static size_t percentage(const struct ic_config *c, int64_t percent)
{
    int64_t whole = c->maxmemory > 0 ? c->maxmemory : c->functions * c->memory;
    return (size_t)((double)whole * (double)percent / 100);
}

size_t ic_client_memory_limit(const struct ic_config *c)
{
    if (c->maxmemory_clients == 0) {
        return SIZE_MAX;
    }
    size_t limit = c->maxmemory_clients < 0 ? percentage(c, -c->maxmemory_clients)
                                            : (size_t)c->maxmemory_clients;
    return limit < IC_CLIENT_MEMORY_LEAST ? IC_CLIENT_MEMORY_LEAST : limit;
}
