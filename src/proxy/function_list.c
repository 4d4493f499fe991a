/*
 * function_list.c - what the attached node lists, before anything else is asked of it. The items
 * are work of the turn (turns.h): beyond a list's share the rest waits in the link, which reads
 * nothing meanwhile, so that no more than a frame is there that was not taken.
 */
#include "base/log.h"
#include "proto/frame.h"
#include "proto/link_body.h"
#include "proxy/function_internal.h"

/* Items when it is a list's turn, whatever clients have used of it: requests wait behind it. */
enum { LEAST = 2000 };

static bool may_take(struct ic_function *fn)
{
    struct ic_turns *turns = fn->all->turns;
    if (turns == NULL) {
        return true;
    }
    if (fn->list_least == 0 && !ic_turns_may_work(turns, &fn->lister)) {
        return false;
    }
    fn->list_least -= fn->list_least > 0;
    ic_turns_worked(turns, &fn->lister, 1);
    return true;
}

/* The next of ITEMS goes to the owner of the catalog. False: the node is not believed any more. */
static bool take_one(struct ic_function *fn, struct ic_slice *items)
{
    struct ic_functions *f = fn->all;
    const struct ic_pool_instance *instance = ic_function_attached(fn);
    struct ic_item item;
    if (ic_item_decode(items, &item) <= 0) {
        ic_function_distrust(fn, "malformed-list");
        return false;
    }
    fn->listed += IC_CHUNK_OVERHEAD_BYTES + (item.sealed ? item.seal.key.len : 0);
    if (instance == NULL || fn->listed > instance->capacity) {
        ic_function_distrust(fn, "endless-list"); /* more than it can hold */
        return false;
    }
    fn->listing.bytes = fn->listed > fn->listing.bytes ? fn->listed : fn->listing.bytes;
    uint32_t units = f->handler->list_item(f->ctx, fn->index, ic_link_serial(fn->link), &item);
    if (f->turns != NULL) {
        ic_turns_worked(f->turns, &fn->lister, units);
    }
    return true;
}

bool ic_function_items(void *ctx, struct ic_slice *items)
{
    struct ic_function *fn = ctx;
    while (may_take(fn)) { /* a frame is as much as an item: it may have none */
        if (items->len == 0 || !take_one(fn, items)) {
            return true;
        }
    }
    fn->list_held_ms = ic_function_now(fn);
    ic_turns_line_up_in_front(fn->all->turns, &fn->lister);
    return false;
}

void ic_function_list_on(void *ctx)
{
    struct ic_function *fn = ctx;
    if (ic_link_holds_list(fn->link)) {
        fn->listing.put_off_ms += ic_function_now(fn) - fn->list_held_ms;
        fn->list_least = LEAST;
        ic_link_list_on(fn->link);
        fn->list_least = 0;
    }
}

void ic_function_listed(void *ctx, uint64_t mark)
{
    struct ic_function *fn = ctx;
    struct ic_functions *f = fn->all;
    struct ic_pool_instance *instance = ic_function_attached(fn);
    if (instance == NULL) {
        return;
    }
    ic_pool_set_known(instance, true);
    ic_function_event(fn, IC_POOL_BELIEVED);
    instance->copied_ms = (int64_t)(mark > INT64_MAX ? 0 : mark);
    f->handler->list_end(f->ctx, fn->index, ic_link_serial(fn->link));
    ic_function_step_meeting(fn);
    ic_log(IC_LOG_INFO, "node-listed", "function=%s live=%llu condemned=%llu", fn->name,
           (unsigned long long)instance->live, (unsigned long long)instance->condemned);
}
