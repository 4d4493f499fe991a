#include "net/timers.h"

#include <assert.h>

/* The heap of A and B, either of which may be NULL: the later becomes the earlier's child. */
static struct ic_timer *meld(struct ic_timer *a, struct ic_timer *b)
{
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    if (b->due_ms < a->due_ms) {
        struct ic_timer *swap = a;
        a = b;
        b = swap;
    }
    b->parent = a;
    b->sibling = a->child;
    if (a->child != NULL) {
        a->child->parent = b; /* a node's `parent` is its left neighbour, or its parent */
    }
    a->child = b;
    return a;
}

/* Melds a list of siblings in pairs from the left, then the pairs from the right. */
static struct ic_timer *meld_siblings(struct ic_timer *first)
{
    struct ic_timer *pairs = NULL;
    while (first != NULL) {
        struct ic_timer *a = first;
        struct ic_timer *b = a->sibling;
        first = b == NULL ? NULL : b->sibling;
        a->sibling = a->parent = NULL;
        if (b != NULL) {
            b->sibling = b->parent = NULL;
        }
        struct ic_timer *pair = meld(a, b);
        pair->sibling = pairs;
        pairs = pair;
    }
    struct ic_timer *root = NULL;
    while (pairs != NULL) {
        struct ic_timer *next = pairs->sibling;
        pairs->sibling = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void ic_timers_insert(struct ic_timers *timers, struct ic_timer *t)
{
    t->child = t->sibling = t->parent = NULL;
    t->armed = true;
    timers->root = meld(timers->root, t);
}

static void cut_from_siblings(struct ic_timer *t)
{
    struct ic_timer *left = t->parent;
    if (left->child == t) {
        left->child = t->sibling;
    } else {
        left->sibling = t->sibling;
    }
    if (t->sibling != NULL) {
        t->sibling->parent = left;
    }
    t->sibling = t->parent = NULL;
}

void ic_timers_remove(struct ic_timers *timers, struct ic_timer *t)
{
    assert(t->armed);
    struct ic_timer *below = meld_siblings(t->child);
    t->child = NULL;
    if (t == timers->root) {
        timers->root = below;
    } else {
        cut_from_siblings(t);
        timers->root = meld(timers->root, below);
    }
    t->armed = false;
}

void ic_timers_run(struct ic_timers *timers, uint64_t now_ms)
{
    /* Taken out first, so that a timer that restarts itself at once cannot keep us here. */
    struct ic_timers due = {.root = NULL};
    while (timers->root != NULL && timers->root->due_ms <= now_ms) {
        struct ic_timer *t = timers->root;
        ic_timers_remove(timers, t);
        ic_timers_insert(&due, t);
        t->due_list = &due;
    }
    while (due.root != NULL) {
        struct ic_timer *t = due.root;
        ic_timers_remove(&due, t);
        t->due_list = NULL;
        t->fire(t->ctx);
    }
}
