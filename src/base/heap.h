/*
 * heap.h - binary heap of intrusive nodes, least first. A node knows its place, so that
 * removing it and moving it after its rank changed take O(log n).
 */
#ifndef IC_BASE_HEAP_H
#define IC_BASE_HEAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct ic_heap_node {
    size_t place; /* in the array, from 1; 0: in no heap */
};

struct ic_heap {
    struct ic_heap_node **node; /* node[0] is unused */
    size_t count, cap;
    bool (*before)(const struct ic_heap_node *a, const struct ic_heap_node *b);
};

void ic_heap_init(struct ic_heap *h,
                  bool (*before)(const struct ic_heap_node *a, const struct ic_heap_node *b));
void ic_heap_deinit(struct ic_heap *h); /* the nodes stay their owner's */
/* IC_ENOMEM: not added; cannot happen while count is below an earlier maximum. */
int ic_heap_insert(struct ic_heap *h, struct ic_heap_node *node) IC_MUST_USE;
void ic_heap_remove(struct ic_heap *h, struct ic_heap_node *node); /* fine if it is in no heap */
void ic_heap_moved(struct ic_heap *h, struct ic_heap_node *node);  /* its rank has changed */
struct ic_heap_node *ic_heap_first(const struct ic_heap *h);       /* NULL: empty */

#endif
