#include "proxy/store_internal.h"

/*
 * Watches of one key: the first is in the map, the others hang on its `same` list. It counts what
 * changes the key, and the others remember how far it had counted, so that a change costs the same
 * however many watch.
 *
 *     map --> leader --same--> watch --same--> watch
 */

static struct ic_watch *watch_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct ic_watch, group_node);
}

static bool watch_matches(const struct ic_map_node *node, struct ic_slice key)
{
    return ic_slice_equal(watch_of(node)->key, key);
}

void ic_store_watch_init(struct ic_store *s, uint64_t seed)
{
    ic_map_init(&s->watches, seed, watch_matches);
}

static struct ic_watch *find_leader(const struct ic_store *s, struct ic_slice key)
{
    struct ic_map_node *node = ic_map_find(&s->watches, key);
    return node == NULL ? NULL : watch_of(node);
}

int ic_store_watch(struct ic_store *s, struct ic_watch *w, struct ic_slice key, int64_t wall_ms)
{
    struct ic_entry *e = ic_catalog_find(s->catalog, key);
    bool expired = e != NULL && ic_store_expired(e, wall_ms);
    bool unreadable = e != NULL && !expired && ic_store_unreadable(s, e->object);
    *w = (struct ic_watch){.key = key,
                           .expired_at_watch = expired,
                           .present = e != NULL && !expired && !unreadable,
                           .flushes = s->flushes};
    ic_list_init(&w->same);
    if (unreadable) {
        ic_store_remove_unreadable(s, e); /* now, so that it is no change later */
    }
    struct ic_watch *leader = find_leader(s, key);
    if (leader != NULL) {
        w->seen = leader->changes;
        ic_list_push_back(&leader->same, &w->same);
    } else {
        int result = ic_map_insert(&s->watches, &w->group_node, key);
        if (result < 0) {
            return result;
        }
        w->leader = true;
    }
    return 0;
}

void ic_store_unwatch(struct ic_store *s, struct ic_watch *w)
{
    if (!w->leader) {
        ic_list_remove(&w->same);
        return;
    }
    ic_map_remove(&s->watches, &w->group_node);
    w->leader = false;
    if (ic_list_empty(&w->same)) {
        return;
    }
    struct ic_watch *next = IC_CONTAINER(w->same.next, struct ic_watch, same);
    ic_list_remove(&w->same);
    next->leader = true;
    next->changes = w->changes;
    next->removed = w->removed;
    int result = ic_map_insert(&s->watches, &next->group_node, next->key);
    (void)result; /* cannot fail: the map has had nodes, so it has its table */
}

void ic_store_touched(struct ic_store *s, struct ic_slice key)
{
    struct ic_watch *leader = find_leader(s, key);
    if (leader != NULL) {
        leader->changes++;
        leader->removed = ic_catalog_find(s->catalog, key) == NULL;
    }
}

/* A watched key that was not there has changed only if it came since, and that was counted. */
void ic_store_touched_all(struct ic_store *s)
{
    s->flushes++;
}

/* Its key was written, deleted, expired or evicted. */
static bool has_changed(const struct ic_store *s, const struct ic_watch *w)
{
    const struct ic_watch *leader = find_leader(s, w->key);
    bool only_removed = leader->changes == w->seen + 1 && leader->removed;
    return leader->changes != w->seen && !(w->expired_at_watch && only_removed);
}

bool ic_store_watch_dirty(struct ic_store *s, const struct ic_watch *w, int64_t wall_ms)
{
    if (has_changed(s, w) || (w->present && w->flushes != s->flushes)) {
        return true;
    }
    const struct ic_entry *e = ic_catalog_find(s->catalog, w->key);
    return e != NULL && ((!w->expired_at_watch && ic_store_expired(e, wall_ms)) ||
                         (w->present && ic_store_unreadable(s, e->object)));
}
