#include "base/heap.h"

#include "base/alloc.h"

#include <assert.h>

enum { HEAP_CAP_MIN = 64 };

void ic_heap_init(struct ic_heap *h,
                  bool (*before)(const struct ic_heap_node *a, const struct ic_heap_node *b))
{
    *h = (struct ic_heap){.before = before};
}

void ic_heap_deinit(struct ic_heap *h)
{
    ic_free(h->node);
    h->node = NULL;
    h->count = h->cap = 0;
}

static void set(struct ic_heap *h, size_t place, struct ic_heap_node *node)
{
    h->node[place] = node;
    node->place = place;
}

static void sift_up(struct ic_heap *h, struct ic_heap_node *node)
{
    size_t at = node->place;
    while (at > 1 && h->before(node, h->node[at / 2])) {
        set(h, at, h->node[at / 2]);
        at /= 2;
    }
    set(h, at, node);
}

static void sift_down(struct ic_heap *h, struct ic_heap_node *node)
{
    size_t at = node->place;
    for (size_t child; (child = 2 * at) <= h->count; at = child) {
        if (child < h->count && h->before(h->node[child + 1], h->node[child])) {
            child++;
        }
        if (!h->before(h->node[child], node)) {
            break;
        }
        set(h, at, h->node[child]);
    }
    set(h, at, node);
}

int ic_heap_insert(struct ic_heap *h, struct ic_heap_node *node)
{
    assert(node->place == 0);
    if (h->count + 1 >= h->cap) {
        size_t cap = h->cap == 0 ? HEAP_CAP_MIN : h->cap * 2;
        struct ic_heap_node **grown = ic_realloc(h->node, cap * sizeof *grown);
        if (grown == NULL) {
            return IC_ENOMEM;
        }
        h->node = grown;
        h->cap = cap;
    }
    set(h, ++h->count, node);
    sift_up(h, node);
    return 0;
}

void ic_heap_remove(struct ic_heap *h, struct ic_heap_node *node)
{
    if (node->place == 0) {
        return;
    }
    assert(node->place <= h->count && h->node[node->place] == node);
    struct ic_heap_node *last = h->node[h->count--];
    if (last != node) {
        set(h, node->place, last);
        ic_heap_moved(h, last);
    }
    node->place = 0;
}

void ic_heap_moved(struct ic_heap *h, struct ic_heap_node *node)
{
    sift_up(h, node);
    sift_down(h, node);
}

struct ic_heap_node *ic_heap_first(const struct ic_heap *h)
{
    return h->count == 0 ? NULL : h->node[1];
}
