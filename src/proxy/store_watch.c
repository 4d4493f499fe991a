#include "proxy/store_internal.h"

/*
 * Watches of one key: the first is in the map, the others hang on its `same` list.
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
    struct ic_map_node *leader = ic_map_find(&s->watches, key);
    if (leader != NULL) {
        ic_list_push_back(&watch_of(leader)->same, &w->same);
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
    int result = ic_map_insert(&s->watches, &next->group_node, next->key);
    (void)result; /* cannot fail: the map has had nodes, so it has its table */
}

/* False: its key may still change. */
static bool touch_one(struct ic_watch *w, bool present)
{
    if (w->expired_at_watch && !present) {
        w->expired_at_watch = false; /* its removal is no change; what comes later is */
    } else {
        w->dirty = true;
    }
    return w->dirty;
}

/* Those that are dirty need not be told again, however many they are and however often it changes.
 */
static void touch_group(struct ic_store *s, struct ic_watch *leader, bool present)
{
    bool all = touch_one(leader, present);
    IC_LIST_EACH (node, &leader->same) {
        all &= touch_one(IC_CONTAINER(node, struct ic_watch, same), present);
    }
    if (all) {
        ic_map_remove(&s->watches, &leader->group_node);
        leader->leader = false;
    }
}

void ic_store_touched(struct ic_store *s, struct ic_slice key)
{
    struct ic_map_node *leader = ic_map_find(&s->watches, key);
    if (leader != NULL) {
        touch_group(s, watch_of(leader), ic_catalog_find(s->catalog, key) != NULL);
    }
}

/* A watched key that was not there has changed only if it came since, and then its watch is dirty
 * already. */
void ic_store_touched_all(struct ic_store *s)
{
    s->flushes++;
}

bool ic_store_watch_dirty(struct ic_store *s, const struct ic_watch *w, int64_t wall_ms)
{
    if (w->dirty || (w->present && w->flushes != s->flushes)) {
        return true;
    }
    const struct ic_entry *e = ic_catalog_find(s->catalog, w->key);
    return e != NULL && ((!w->expired_at_watch && ic_store_expired(e, wall_ms)) ||
                         (w->present && ic_store_unreadable(s, e->object)));
}
