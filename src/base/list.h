/*
 * list.h - doubly linked intrusive list. A node is in at most one list; an
 * initialised node that is in none points to itself, so removal is idempotent.
 */
#ifndef IC_BASE_LIST_H
#define IC_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ic_list { /* a head or a node */
    struct ic_list *prev, *next;
};

/* The struct of TYPE whose MEMBER is at POINTER. */
#define IC_CONTAINER(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void ic_list_init(struct ic_list *l)
{
    l->prev = l->next = l;
}

static inline bool ic_list_empty(const struct ic_list *l)
{
    return l->next == l;
}

static inline void ic_list_insert_after(struct ic_list *at, struct ic_list *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}

static inline void ic_list_push_back(struct ic_list *head, struct ic_list *node)
{
    ic_list_insert_after(head->prev, node);
}

static inline void ic_list_push_front(struct ic_list *head, struct ic_list *node)
{
    ic_list_insert_after(head, node);
}

static inline void ic_list_remove(struct ic_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    ic_list_init(node);
}

/* The first node, taken out; NULL when empty. */
static inline struct ic_list *ic_list_pop_front(struct ic_list *head)
{
    if (ic_list_empty(head)) {
        return NULL;
    }
    struct ic_list *node = head->next;
    ic_list_remove(node);
    return node;
}

/* All nodes of FROM come behind those of TO. */
static inline void ic_list_move_all(struct ic_list *from, struct ic_list *to)
{
    if (ic_list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    ic_list_init(from);
}

/* Visits each node; NODE itself may be removed meanwhile, no other. */
#define IC_LIST_EACH(node, head)                                                                   \
    for (struct ic_list *node = (head)->next, *node##_next = node->next; node != (head);           \
         node = node##_next, node##_next = node->next)

#endif
