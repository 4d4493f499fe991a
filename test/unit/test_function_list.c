/*
 * test_function_list.c - what a node lists is work of the turns: a turn takes a part of it, the
 * rest waits, and the link is none the worse for it.
 */
#include "core/slow.h"
#include "functions_world.h"
#include "proxy/turns.h"

enum { CHUNKS = 5000, BUDGET = 1000, PART = BUDGET / IC_TURNS_SHARES, LEAST = 2000 };

/* The node comes back as a stranger that holds CHUNKS more, in one frame. */
static void hold_many(struct world *w)
{
    struct fake_node *n = node0(w);
    fake_bye(n, false);
    fake_run(&w->fake, is_asleep, w);
    n->position += 3;
    n->capacity = UINT64_C(1) << 30;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        struct fake_chunk *c = ic_calloc(1, sizeof *c);
        assert_non_null(c);
        *c = (struct fake_chunk){.object_id = 1000 + i, .unit = UNIT, .sealed = true};
        c->seal.key = ic_slice_str("key");
        ic_list_push_back(&n->chunks, &c->node);
    }
}

static uint32_t current0(const struct world *w)
{
    return ic_pool_function(w->pool, 0)->current;
}

static bool is_listed(void *ctx)
{
    return ((struct world *)ctx)->lists == 1;
}

static void a_turn_takes_a_part_of_a_list(void **s)
{
    (void)s;
    struct world w;
    struct ic_turns turns;
    int64_t budget = BUDGET;
    open_world(&w, 1);
    ic_turns_init(&turns, w.loop, &budget);
    ic_functions_share_turns(w.f, &turns);
    put(&w, 5);
    hold_many(&w);
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, is_listed, &w);
    assert_int_equal(w.items, CHUNKS + 1);
    /* Its share may end, and its turn in the line come, in one turn of the loop. */
    assert_in_range(w.items_of_turn_max, PART, PART + LEAST + 1);
    assert_in_range(turns.most_used, PART, PART + LEAST + 2); /* a frame is a unit, too */
    assert_true(turns.lined_up >= CHUNKS / (LEAST + 1));
    assert_int_equal(get(&w, 5, current0(&w)), 0);
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 0);
    ic_functions_share_turns(w.f, NULL);
    ic_turns_deinit(&turns);
    close_world(&w);
}

/* ---- turns of a loop that does not run: nobody's turn comes ---- */

struct standing {
    struct ic_loop *loop;
    struct ic_turns turns;
    int64_t budget;
    struct ic_timer stop;
};

static void stop(void *ctx)
{
    ic_loop_stop(((struct standing *)ctx)->loop);
}

static bool has_begun(void *ctx)
{
    return ((struct world *)ctx)->items > 0;
}

/* The list has begun, and waits. */
static void hold_back(struct world *w, struct standing *t)
{
    *t = (struct standing){.loop = ic_loop_new(), .budget = 1};
    assert_non_null(t->loop);
    ic_timer_init(&t->stop, t->loop, stop, t);
    ic_turns_init(&t->turns, t->loop, &t->budget);
    open_world(w, 1);
    put(w, 5);
    ic_functions_share_turns(w->f, &t->turns);
    hold_many(w);
    ic_functions_wake(w->f, 0);
    fake_run(&w->fake, has_begun, w);
    assert_int_equal(w->items, 1);
}

/* Its turn has come, for all of it. */
static void go_on(struct standing *t)
{
    t->budget = INT64_MAX / 2;
    ic_timer_start(&t->stop, 1);
    ic_loop_run(t->loop);
}

static void end(struct world *w, struct standing *t)
{
    ic_functions_share_turns(w->f, NULL);
    ic_turns_deinit(&t->turns);
    close_world(w);
    ic_timer_stop(&t->stop);
    ic_loop_free(t->loop);
}

static void a_link_that_waits_for_its_turn_is_not_silent(void **s)
{
    (void)s;
    struct world w;
    struct standing t;
    hold_back(&w, &t);
    set(&w, "node-timeout", "50ms");
    struct ask read;
    prepare_read(&read, 5, current0(&w));
    submit(&w, &read);
    assert_int_equal(wait_for(&w, &read), IC_ETIMEOUT); /* it was behind the list */
    assert_int_equal(w.items, 1);
    assert_true(ic_functions_listing(w.f, 0).put_off_ms >= 50);
    set(&w, "node-timeout", "10s");
    go_on(&t);
    fake_run(&w.fake, is_listed, &w);
    assert_int_equal(w.items, CHUNKS + 1);
    assert_int_equal(get(&w, 5, current0(&w)), 0);
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 0);
    assert_int_equal(ic_functions_status(w.f, 0, current0(&w)), IC_STATUS_AWAKE);
    end(&w, &t);
}

/* Who lists for long answers no later for that. */
static void what_comes_behind_a_list_is_not_slow(void **s)
{
    (void)s;
    struct world w;
    struct standing t;
    hold_back(&w, &t);
    struct ask read;
    prepare_read(&read, 5, current0(&w));
    submit(&w, &read);
    fake_run_for(&w.fake, IC_SLOW_MS + 1);
    go_on(&t);
    assert_int_equal(wait_for(&w, &read), 0);
    assert_int_equal(ic_functions_status(w.f, 0, current0(&w)), IC_STATUS_AWAKE);
    end(&w, &t);
}

static void a_list_that_waits_goes_with_its_link(void **s)
{
    (void)s;
    struct world w;
    struct standing t;
    hold_back(&w, &t);
    struct fake_node *n = node0(&w);
    fake_dial(n); /* anew: the list begins again */
    t.budget = INT64_MAX / 2;
    fake_run(&w.fake, is_listed, &w);
    assert_int_equal(w.items, CHUNKS + 1);
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 1);
    end(&w, &t);
    hold_back(&w, &t);
    end(&w, &t); /* at the end of all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(a_turn_takes_a_part_of_a_list),
        leak_test(a_link_that_waits_for_its_turn_is_not_silent),
        leak_test(what_comes_behind_a_list_is_not_slow),
        leak_test(a_list_that_waits_goes_with_its_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
