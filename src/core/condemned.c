#include "core/condemned.h"

#include "base/alloc.h"

enum {
    BLOCK = 62, /* a KiB with its head */
    CHUNK_BITS = 16,
};

struct item {
    uint64_t object_id;
    uint64_t cost_and_chunk;
};

struct block {
    struct ic_list node;
    uint16_t begin, end; /* of those that are there */
    struct item item[BLOCK];
};

static struct item pack(const struct ic_condemned *c)
{
    return (struct item){.object_id = c->object_id,
                         .cost_and_chunk = c->cost << CHUNK_BITS | c->chunk};
}

static struct block *block_of(struct ic_list *node)
{
    return IC_CONTAINER(node, struct block, node);
}

static struct block *new_block(uint16_t at)
{
    struct block *b = ic_malloc(sizeof *b);
    if (b != NULL) {
        b->begin = b->end = at;
    }
    return b;
}

static void free_block(struct block *b)
{
    ic_list_remove(&b->node);
    ic_free(b);
}

void ic_condemned_init(struct ic_condemned_queue *q)
{
    ic_list_init(&q->blocks);
}

void ic_condemned_clear(struct ic_condemned_queue *q)
{
    while (!ic_list_empty(&q->blocks)) {
        free_block(block_of(q->blocks.next));
    }
}

bool ic_condemned_empty(const struct ic_condemned_queue *q)
{
    return ic_list_empty(&q->blocks);
}

bool ic_condemned_push_back(struct ic_condemned_queue *q, const struct ic_condemned *c)
{
    struct block *last = ic_list_empty(&q->blocks) ? NULL : block_of(q->blocks.prev);
    if (last == NULL || last->end == BLOCK) {
        last = new_block(0);
        if (last == NULL) {
            return false;
        }
        ic_list_push_back(&q->blocks, &last->node);
    }
    last->item[last->end++] = pack(c);
    return true;
}

bool ic_condemned_push_front(struct ic_condemned_queue *q, const struct ic_condemned *c)
{
    struct block *first = ic_list_empty(&q->blocks) ? NULL : block_of(q->blocks.next);
    if (first == NULL || first->begin == 0) {
        first = new_block(BLOCK);
        if (first == NULL) {
            return false;
        }
        ic_list_push_front(&q->blocks, &first->node);
    }
    first->item[--first->begin] = pack(c);
    return true;
}

bool ic_condemned_pop(struct ic_condemned_queue *q, struct ic_condemned *out)
{
    if (ic_list_empty(&q->blocks)) {
        return false;
    }
    struct block *first = block_of(q->blocks.next);
    const struct item *item = &first->item[first->begin++];
    *out = (struct ic_condemned){.object_id = item->object_id,
                                 .cost = item->cost_and_chunk >> CHUNK_BITS,
                                 .chunk = (uint16_t)item->cost_and_chunk};
    if (first->begin == first->end) {
        free_block(first);
    }
    return true;
}
