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
    *w = (struct ic_watch){.key = key};
    ic_list_init(&w->same);
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
    const struct ic_entry *e = ic_catalog_find(s->catalog, key);
    w->expired_at_watch = e != NULL && ic_store_expired(e, wall_ms);
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

static void touch_one(struct ic_watch *w, bool present)
{
    if (w->expired_at_watch && !present) {
        w->expired_at_watch = false; /* its removal is no change; what comes later is */
    } else {
        w->dirty = true;
    }
}

static void touch_group(struct ic_watch *leader, bool present)
{
    touch_one(leader, present);
    IC_LIST_EACH (node, &leader->same) {
        touch_one(IC_CONTAINER(node, struct ic_watch, same), present);
    }
}

void ic_store_touched(struct ic_store *s, struct ic_slice key)
{
    struct ic_map_node *leader = ic_map_find(&s->watches, key);
    if (leader != NULL) {
        touch_group(watch_of(leader), ic_catalog_find(s->catalog, key) != NULL);
    }
}

static void touch_if_present(struct ic_map_node *node, void *ctx)
{
    struct ic_store *s = ctx;
    struct ic_watch *leader = watch_of(node);
    if (ic_catalog_find(s->catalog, leader->key) != NULL) {
        touch_group(leader, false);
    }
}

void ic_store_touched_all(struct ic_store *s)
{
    ic_map_each(&s->watches, touch_if_present, s);
}

bool ic_store_watch_dirty(struct ic_store *s, const struct ic_watch *w, int64_t wall_ms)
{
    if (w->dirty) {
        return true;
    }
    const struct ic_entry *e = ic_catalog_find(s->catalog, w->key);
    return !w->expired_at_watch && e != NULL && ic_store_expired(e, wall_ms);
}
