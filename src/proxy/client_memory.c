#include "proxy/client_memory.h"

#include <assert.h>

void ic_client_memory_init(struct ic_client_memory *m)
{
    *m = (struct ic_client_memory){0};
    for (size_t i = 0; i < IC_CLIENT_MEMORY_BUCKETS; i++) {
        ic_list_init(&m->bucket[false][i]);
        ic_list_init(&m->bucket[true][i]);
    }
}

static int bucket_of(size_t bytes)
{
    return 63 - __builtin_clzll(bytes);
}

void ic_client_memory_charge(struct ic_client_memory *m, struct ic_client_charge *c, size_t bytes,
                             bool spared)
{
    assert(bytes > 0);
    bool joined = c->bytes > 0;
    bool moves = !joined || spared != c->spared || bucket_of(bytes) != bucket_of(c->bytes);
    m->total += bytes - c->bytes;
    c->bytes = bytes;
    c->spared = spared;
    if (moves) {
        if (joined) {
            ic_list_remove(&c->node);
        }
        ic_list_push_back(&m->bucket[spared][bucket_of(bytes)], &c->node);
    }
}

void ic_client_memory_leave(struct ic_client_memory *m, struct ic_client_charge *c)
{
    if (c->bytes > 0) {
        m->total -= c->bytes;
        c->bytes = 0;
        ic_list_remove(&c->node);
    }
}

struct ic_client_charge *ic_client_memory_largest(const struct ic_client_memory *m)
{
    for (int spared = 0; spared < 2; spared++) {
        for (int i = IC_CLIENT_MEMORY_BUCKETS; i-- > 0;) {
            const struct ic_list *bucket = &m->bucket[spared][i];
            if (!ic_list_empty(bucket)) {
                return IC_CONTAINER(bucket->next, struct ic_client_charge, node);
            }
        }
    }
    return NULL;
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
