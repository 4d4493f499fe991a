/*
 * fleet.c - see fleet.h. Functions by name; each has its members (instances) in the order
 * of their age, and those that may get an Invoke in the order of their last use.
 *
 *   fleet --functions--> function --members--> m1 m2 m3 m4     (oldest first)
 *                            +------idle-----> m3 m1           (least recently used first)
 */
#include "platform/local/fleet.h"

#include "base/alloc.h"
#include "base/log.h"
#include "net/net.h"
#include "platform/local/children.h"
#include "platform/local/fleet_internal.h"
#include "platform/local/function_log.h"
#include "platform/local/routing.h"
#include "platform/local/spawn.h"
#include "platform/local/warden.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

/* ---- functions ----------------------------------------------------------------- */

static bool matches(const struct ic_map_node *node, struct ic_slice key)
{
    return ic_slice_equal(ic_slice_str(IC_CONTAINER(node, const struct function, node)->name), key);
}

struct function *ic_fleet_find(const struct ic_fleet *fleet, const char *name)
{
    struct ic_map_node *node = ic_map_find(&fleet->functions, ic_slice_str(name));
    return node == NULL ? NULL : IC_CONTAINER(node, struct function, node);
}

static struct function *add_function(struct ic_fleet *fleet, const char *name)
{
    struct function *f = ic_calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    ic_list_init(&f->members);
    ic_list_init(&f->idle);
    f->name = ic_strdup(name);
    f->bill.function = f->name;
    if (f->name == NULL || ic_map_insert(&fleet->functions, &f->node, ic_slice_str(f->name)) < 0) {
        ic_free(f->name);
        ic_free(f);
        return NULL;
    }
    return f;
}

static void free_function(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    struct function *f = IC_CONTAINER(node, struct function, node);
    ic_free(f->name);
    ic_free(f);
}

static void list_function(struct ic_map_node *node, void *ctx)
{
    struct function_list *list = ctx;
    list->item[list->count++] = IC_CONTAINER(node, struct function, node);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct function *const *)a)->name, (*(struct function *const *)b)->name);
}

int ic_fleet_sorted(struct ic_fleet *fleet, struct function_list *out)
{
    *out = (struct function_list){
        .item = ic_malloc(fleet->functions.count * sizeof(struct function *))};
    if (out->item == NULL) {
        return IC_ENOMEM;
    }
    ic_map_each(&fleet->functions, list_function, out);
    if (out->count > 0) {
        qsort(out->item, out->count, sizeof out->item[0], by_name);
    }
    return 0;
}

/* ---- members ------------------------------------------------------------------- */

static void rested(void *ctx)
{
    struct member *m = ctx;
    ic_list_push_back(&m->function->idle, &m->idle_node);
}

static void on_finished(void *ctx, struct ic_invocation *v, const struct ic_invoke_result *result)
{
    struct member *m = ctx;
    struct function *f = m->function;
    if (result->status != IC_EUNAVAIL) {
        ic_bill_invocation(&f->bill, result->outcome, result->billed_ms);
    }
    f->in_flight--;
    m->fleet->unreserved_in_flight -= v->unreserved;
    m->idle_since_ms = ic_loop_now_ms(m->fleet->loop);
    if (ic_instance_state(m->instance) == IC_INSTANCE_IDLE) {
        m->used = ++m->fleet->uses;
        if (m->outdated) {
            ic_instance_end(m->instance, IC_END_RECLAIMED);
        } else if (m->fleet->options.reuse_ms > 0) {
            ic_timer_start(&m->rest, m->fleet->options.reuse_ms);
        } else {
            rested(m);
        }
    }
    if (v->done != NULL) {
        v->done(v->ctx, result); /* may invoke again: this instance is ready for it */
    }
    ic_invocation_free(v);
}

void ic_fleet_end_member(struct member *m, enum ic_end why)
{
    ic_list_remove(&m->idle_node);
    ic_list_remove(&m->launch_node);
    ic_timer_stop(&m->rest);
    ic_instance_end(m->instance, why);
}

static void on_idle_for_long(void *ctx)
{
    ic_fleet_end_member(ctx, IC_END_RECLAIMED);
}

static void report_stopped(void *ctx)
{
    struct ic_fleet *fleet = ctx;
    fleet->stopped(fleet->stopped_ctx);
}

static void on_gone(void *ctx)
{
    struct member *m = ctx;
    struct ic_fleet *fleet = m->fleet;
    ic_list_remove(&m->node);
    ic_list_remove(&m->idle_node);
    ic_timer_stop(&m->rest);
    if (m->reclaim != NULL) {
        ic_fleet_reclaimed(fleet, m->reclaim);
    }
    ic_instance_free(m->instance);
    ic_free(m);
    fleet->member_count--;
    if (fleet->stopping && fleet->member_count == 0) {
        ic_loop_reap(fleet->loop, &fleet->reap, report_stopped, fleet);
    }
}

/* Its process is started in one of the next turns. */
static void queue_launch(struct member *m)
{
    ic_list_push_back(&m->fleet->launches, &m->launch_node);
    ic_timer_start(&m->fleet->launch, 0);
}

static void on_again(void *ctx)
{
    queue_launch(ctx);
}

static const struct ic_instance_host host = {
    .finished = on_finished,
    .idle_for_long = on_idle_for_long,
    .again = on_again,
    .gone = on_gone,
};

bool ic_fleet_may_take(const struct member *m)
{
    switch (ic_instance_state(m->instance)) {
    case IC_INSTANCE_STARTING:
    case IC_INSTANCE_IDLE:
    case IC_INSTANCE_BUSY:
        return true;
    case IC_INSTANCE_ENDING:
    case IC_INSTANCE_STOPPING:
    case IC_INSTANCE_GONE:
        return false;
    }
    return false;
}

/* Whether F has an instance besides ONE that runs and is not on its way out. */
static bool has_another(const struct function *f, const struct member *one)
{
    IC_LIST_EACH (node, &f->members) {
        const struct member *m = IC_CONTAINER(node, struct member, node);
        if (m != one && ic_instance_pid(m->instance) != 0 && ic_fleet_may_take(m)) {
            return true;
        }
    }
    return false;
}

/*
 * Starts one process per turn of the loop: on a busy machine each takes milliseconds, and a burst
 * of Invokes must not keep the loop from instances that ask for their first event already.
 */
static void launch_next(void *ctx)
{
    struct ic_fleet *fleet = ctx;
    struct ic_list *node = ic_list_pop_front(&fleet->launches);
    if (node == NULL) {
        return;
    }
    struct member *m = IC_CONTAINER(node, struct member, launch_node);
    ic_instance_launch(m->instance);
    if (ic_instance_pid(m->instance) != 0) {
        ic_warden_watch(fleet->warden, ic_instance_pid(m->instance));
        ic_bill_start(&m->function->bill, has_another(m->function, m));
    }
    if (!ic_list_empty(&fleet->launches)) {
        ic_timer_start(&fleet->launch, 0);
    }
}

/* Takes INVOCATION over on success. */
static int start_member(struct ic_fleet *fleet, struct function *f,
                        const struct ic_function_spec *spec, struct ic_invocation *invocation)
{
    struct member *m = ic_calloc(1, sizeof *m);
    if (m == NULL) {
        return IC_ENOMEM;
    }
    m->fleet = fleet;
    m->function = f;
    ic_list_init(&m->node);
    ic_list_init(&m->idle_node);
    ic_list_init(&m->launch_node);
    ic_timer_init(&m->rest, fleet->loop, rested, m);
    m->started_ms = ic_loop_now_ms(fleet->loop);
    const struct ic_instance_setup setup = {
        .loop = fleet->loop,
        .spec = spec,
        .function = f->name,
        .region = fleet->region,
        .billing_ms = fleet->options.billing_ms,
        .idle_ms = fleet->options.idle_ms,
        .init_ms = fleet->options.init_ms == 0 ? IC_INIT_TIMEOUT_MS : fleet->options.init_ms,
        .log = fleet->log,
        .host = &host,
        .ctx = m,
    };
    int result = ic_instance_new(&setup, invocation, &m->instance);
    if (result < 0) {
        ic_free(m);
        return result;
    }
    ic_list_push_back(&f->members, &m->node);
    queue_launch(m);
    fleet->member_count++;
    return 0;
}

/* ---- who gets an Invoke -------------------------------------------------------- */

static bool has_version(const struct member *m, const char *version)
{
    return strcmp(ic_instance_version(m->instance), version) == 0;
}

/* An idle member for VERSION, taken out of the idle ones; NULL: there is none. */
static struct member *take_idle(struct ic_fleet *fleet, struct function *f, const char *version)
{
    size_t count = 0;
    IC_LIST_EACH (node, &f->idle) {
        count += has_version(IC_CONTAINER(node, struct member, idle_node), version);
    }
    if (count == 0) {
        return NULL;
    }
    size_t index = ic_routing_choose(fleet->options.routing, count, &fleet->rng);
    IC_LIST_EACH (node, &f->idle) {
        struct member *m = IC_CONTAINER(node, struct member, idle_node);
        if (has_version(m, version) && index-- == 0) {
            ic_list_remove(&m->idle_node);
            return m;
        }
    }
    return NULL;
}

static void find_oldest_idle(struct ic_map_node *node, void *ctx)
{
    struct member **oldest = ctx;
    struct function *f = IC_CONTAINER(node, struct function, node);
    if (ic_list_empty(&f->idle)) {
        return;
    }
    struct member *m = IC_CONTAINER(f->idle.next, struct member, idle_node);
    if (*oldest == NULL || m->used < (*oldest)->used) {
        *oldest = m;
    }
}

/* True: one more instance may start; at the limit the one idle for longest goes for it. */
static bool make_room(struct ic_fleet *fleet)
{
    if (fleet->member_count < fleet->members_max) {
        return true;
    }
    struct member *oldest = NULL;
    ic_map_each(&fleet->functions, find_oldest_idle, &oldest);
    if (oldest == NULL) {
        ic_log(IC_LOG_WARNING, "fleet-full", "instances=%zu", fleet->member_count);
        return false;
    }
    ic_fleet_end_member(oldest, IC_END_KILLED);
    return true;
}

static bool throttled(const struct ic_fleet *fleet, const struct function *f,
                      const struct ic_function_spec *spec)
{
    if (spec->reserved != IC_RESERVED_NONE) {
        return f->in_flight >= (uint32_t)spec->reserved;
    }
    return fleet->unreserved_in_flight >= fleet->options.concurrency;
}

int ic_fleet_invoke(struct ic_fleet *fleet, const struct ic_function_spec *spec,
                    const struct ic_invoke_request *request, ic_invoke_done *done, void *ctx)
{
    if (fleet->stopping) {
        return IC_ECANCELED;
    }
    struct function *f = ic_fleet_find(fleet, spec->name);
    if (f == NULL && (f = add_function(fleet, spec->name)) == NULL) {
        return IC_ENOMEM;
    }
    if (throttled(fleet, f, spec)) {
        return IC_ETHROTTLED;
    }
    struct ic_invocation *v = ic_invocation_new(spec, request, done, ctx);
    if (v == NULL) {
        return IC_ENOMEM;
    }
    bool unreserved = v->unreserved;
    struct member *m = take_idle(fleet, f, spec->version);
    if (m != NULL) {
        ic_instance_assign(m->instance, v);
    } else {
        int result = make_room(fleet) ? start_member(fleet, f, spec, v) : IC_ETHROTTLED;
        if (result < 0) {
            ic_invocation_free(v);
            return result;
        }
    }
    f->in_flight++;
    fleet->unreserved_in_flight += unreserved;
    return 0;
}

/* ---- instances that shall go --------------------------------------------------- */

static void retire_all(struct function *f)
{
    IC_LIST_EACH (node, &f->members) {
        struct member *m = IC_CONTAINER(node, struct member, node);
        m->outdated = true;
        if (ic_instance_state(m->instance) == IC_INSTANCE_IDLE) {
            ic_fleet_end_member(m, IC_END_RECLAIMED);
        }
    }
}

void ic_fleet_function_changed(struct ic_fleet *fleet, const char *name)
{
    struct function *f = ic_fleet_find(fleet, name);
    if (f != NULL) {
        retire_all(f);
    }
}

void ic_fleet_function_removed(struct ic_fleet *fleet, const char *name)
{
    struct function *f = ic_fleet_find(fleet, name);
    if (f == NULL) {
        return;
    }
    retire_all(f);
    if (f->bill.invocations == 0 && f->bill.starts == 0 &&
        ic_list_empty(&f->members)) { /* nothing on its bill */
        ic_map_remove(&fleet->functions, &f->node);
        free_function(&f->node, NULL);
    }
}

/* ---- what is there and what it cost -------------------------------------------- */

int ic_fleet_each_instance(struct ic_fleet *fleet,
                           void (*visit)(void *ctx, const struct ic_instance_view *view), void *ctx)
{
    struct function_list functions;
    int result = ic_fleet_sorted(fleet, &functions);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < functions.count; i++) {
        IC_LIST_EACH (node, &functions.item[i]->members) {
            struct ic_instance_view view;
            ic_instance_view(IC_CONTAINER(node, struct member, node)->instance, &view);
            if (view.pid != 0) {
                visit(ctx, &view);
            }
        }
    }
    ic_free(functions.item);
    return 0;
}

static void add_bill(struct ic_map_node *node, void *ctx)
{
    ic_bill_add(ctx, &IC_CONTAINER(node, struct function, node)->bill);
}

void ic_fleet_bill(const struct ic_fleet *fleet, struct ic_bill *sum)
{
    *sum = (struct ic_bill){.function = NULL};
    ic_map_each((struct ic_map *)(uintptr_t)&fleet->functions, add_bill, sum);
}

int ic_fleet_each_bill(struct ic_fleet *fleet, void (*visit)(void *ctx, const struct ic_bill *bill),
                       void *ctx)
{
    struct function_list functions;
    int result = ic_fleet_sorted(fleet, &functions);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < functions.count; i++) {
        visit(ctx, &functions.item[i]->bill);
    }
    ic_free(functions.item);
    return 0;
}

/* ---- children ------------------------------------------------------------------ */

static struct member *find_pid(struct function *f, pid_t pid)
{
    IC_LIST_EACH (node, &f->members) {
        struct member *m = IC_CONTAINER(node, struct member, node);
        if (ic_instance_pid(m->instance) == pid) {
            return m;
        }
    }
    return NULL;
}

struct pid_search {
    pid_t pid;
    struct member *found;
};

static void search_pid(struct ic_map_node *node, void *ctx)
{
    struct pid_search *search = ctx;
    if (search->found == NULL) {
        search->found = find_pid(IC_CONTAINER(node, struct function, node), search->pid);
    }
}

static struct member *find_member(struct ic_fleet *fleet, pid_t pid)
{
    struct pid_search search = {.pid = pid};
    ic_map_each(&fleet->functions, search_pid, &search);
    return search.found;
}

/* The whole group goes with its leader; until that is reaped its number cannot mean another. */
static void on_ending(void *ctx, pid_t pid)
{
    struct ic_fleet *fleet = ctx;
    if (find_member(fleet, pid) != NULL) {
        ic_group_kill(pid);
        ic_warden_forget(fleet->warden, pid);
    }
}

static void on_reaped(void *ctx, pid_t pid, int wait_status)
{
    struct member *m = find_member(ctx, pid);
    if (m != NULL) {
        ic_instance_reaped(m->instance, wait_status);
    }
}

static const struct ic_children_handler children_handler = {
    .ending = on_ending,
    .reaped = on_reaped,
};

/* ---- life ---------------------------------------------------------------------- */

/* As many instances as there are descriptors for. */
static size_t instances_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1;
    }
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    size_t room =
        (size_t)(files.rlim_cur / 2 / IC_INSTANCE_DESCRIPTORS); /* half is the REST API's */
    return room < IC_INSTANCES_MAX ? room : IC_INSTANCES_MAX;
}

struct ic_fleet *ic_fleet_new(struct ic_loop *loop, const struct ic_fleet_options *options)
{
    struct ic_fleet *fleet = ic_calloc(1, sizeof *fleet);
    if (fleet == NULL) {
        return NULL;
    }
    fleet->loop = loop;
    fleet->options = *options;
    fleet->members_max = instances_max();
    ic_map_init(&fleet->functions, ic_random_u64(), matches);
    ic_list_init(&fleet->launches);
    ic_timer_init(&fleet->launch, loop, launch_next, fleet);
    ic_rng_init(&fleet->rng, options->seed);
    ic_fleet_begin_reclaiming(fleet);
    fleet->region = ic_strdup(options->region);
    if (fleet->region == NULL || ic_warden_new(&fleet->warden) < 0 ||
        ic_children_new(loop, &children_handler, fleet, &fleet->children) < 0) {
        ic_fleet_free(fleet);
        return NULL;
    }
    if (options->log_file != NULL && ic_function_log_new(options->log_file, &fleet->log) < 0) {
        ic_log(IC_LOG_ERROR, "function-log", "path=%s cannot be opened", options->log_file);
        ic_fleet_free(fleet);
        return NULL;
    }
    return fleet;
}

static void end_all(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    IC_LIST_EACH (member_node, &IC_CONTAINER(node, struct function, node)->members) {
        ic_fleet_end_member(IC_CONTAINER(member_node, struct member, node), IC_END_SHUTDOWN);
    }
}

void ic_fleet_stop(struct ic_fleet *fleet, void (*stopped)(void *ctx), void *ctx)
{
    assert(!fleet->stopping);
    fleet->stopping = true;
    ic_timer_stop(&fleet->reclaim_timer);
    fleet->stopped = stopped;
    fleet->stopped_ctx = ctx;
    ic_map_each(&fleet->functions, end_all, NULL);
    if (fleet->member_count == 0) {
        ic_loop_reap(fleet->loop, &fleet->reap, report_stopped, fleet);
    }
}

void ic_fleet_free(struct ic_fleet *fleet)
{
    if (fleet == NULL) {
        return;
    }
    assert(fleet->member_count == 0);
    ic_timer_stop(&fleet->launch);
    ic_timer_stop(&fleet->reclaim_timer);
    ic_children_free(fleet->children);
    ic_map_each(&fleet->functions, free_function, NULL);
    ic_map_deinit(&fleet->functions);
    ic_function_log_free(fleet->log);
    ic_warden_free(fleet->warden);
    ic_free(fleet->region);
    ic_free(fleet);
}

void ic_fleet_set_concurrency(struct ic_fleet *fleet, uint32_t concurrency)
{
    fleet->options.concurrency = concurrency;
}
