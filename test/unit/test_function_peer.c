/*
 * test_function_peer.c - two instances of one function at a time: they meet whatever state the
 * function is in, requests reach either, and it ends well whoever leaves, crashes or never comes.
 */
#include "functions_world.h"

struct meeting {
    struct ic_meeting m;
    struct world *w;
    int result, mets, ends;
    uint32_t current, beside;
};

static void on_met(struct ic_meeting *m, int result, uint32_t current, uint32_t beside)
{
    struct meeting *t = m->ctx;
    t->result = result;
    t->mets++;
    t->current = current;
    t->beside = beside;
}

static void on_ended(struct ic_meeting *m)
{
    ((struct meeting *)m->ctx)->ends++;
}

static bool has_met(void *ctx)
{
    return ((struct meeting *)ctx)->mets > 0;
}

static bool has_ended(void *ctx)
{
    return ((struct meeting *)ctx)->ends > 0;
}

static const struct ic_pool_run *peer0(struct world *w)
{
    return &ic_pool_function(w->pool, 0)->peer;
}

static bool has_no_peer(void *ctx)
{
    return peer0(ctx)->state == IC_FUNCTION_ABSENT && !peer0(ctx)->response_due;
}

static bool is_at_rest(void *ctx)
{
    struct world *w = ctx;
    return w->fake.outstanding == 0 && has_no_peer(w);
}

static void begin(struct meeting *t, struct world *w)
{
    memset(t, 0, sizeof *t);
    t->w = w;
    t->m = (struct ic_meeting){.met = on_met, .ended = on_ended, .ctx = t};
    assert_int_equal(ic_functions_meet(w->f, &t->m), 0);
    assert_int_equal(t->mets, 0); /* never on its stack */
}

static struct fake_node *node_of(struct world *w, uint32_t serial)
{
    const struct ic_pool_instance *instance = ic_pool_find(w->pool, 0, serial);
    assert_non_null(instance);
    IC_LIST_EACH (node, &w->fake.nodes) {
        struct fake_node *n = IC_CONTAINER(node, struct fake_node, node);
        if (memcmp(n->instance, instance->id, 16) == 0) {
            return n;
        }
    }
    return NULL;
}

static void meet(struct meeting *t, struct world *w)
{
    begin(t, w);
    fake_run(&w->fake, has_met, t);
    assert_int_equal(t->result, 0);
    assert_int_equal(w->fake.outstanding, 2);
    assert_true(t->current != t->beside);
}

static void part(struct meeting *t)
{
    ic_functions_part(t->w->f, &t->m);
    struct fake_node *n = node_of(t->w, t->current);
    if (n != NULL && n->call != NULL) {
        fake_bye(n, false);
    }
    fake_run(&t->w->fake, is_at_rest, t->w);
    assert_int_equal(t->ends, 0);
}

/* Copies chunk OBJECT_ID of the current instance to the peer, as a backup does. */
static void copy(struct world *w, const struct meeting *t, uint64_t object_id)
{
    struct ask write;
    struct ask seal;
    prepare_write(w, &write, object_id);
    ic_pool_unplan(w->pool, 0, chunk_cost());
    ic_pool_copy(w->pool, 0, t->beside, chunk_cost());
    write.r.instance = t->beside;
    submit(w, &write);
    assert_int_equal(wait_for(w, &write), 0);
    prepare_seal(w, &seal, object_id, t->beside);
    submit(w, &seal);
    assert_int_equal(wait_for(w, &seal), 0);
    ic_pool_sealed(w->pool, 0, t->beside, chunk_cost(), chunk_cost());
    done_with(&write);
}

static void two_meet_and_part(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5); /* it is active */
    meet(&t, &w);
    assert_int_equal(t.current, serial);
    copy(&w, &t, 5);
    assert_int_equal(get(&w, 5, t.current), 0);
    assert_int_equal(get(&w, 5, t.beside), 0); /* either may be asked */
    assert_int_equal(ic_functions_status(w.f, 0, t.beside), IC_STATUS_AWAKE);
    put(&w, 6); /* what is new goes to the current one */
    assert_int_equal(get(&w, 6, t.current), 0);
    part(&t);
    assert_int_equal(ic_functions_status(w.f, 0, t.beside), IC_STATUS_AWAY);
    assert_int_equal(get(&w, 5, t.beside), IC_EAWAY);
    assert_int_equal(get(&w, 6, t.current), 0); /* invoked again, and nothing was lost */
    assert_int_equal(w.fake.outstanding_max, 2);
    assert_int_equal(ic_functions_figures(w.f, 0).invocations_peer, 1);
    check_accounts(&w);
    close_world(&w);
}

static void a_sleeping_function_is_woken(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    meet(&t, &w);
    struct ic_meeting other = {.met = on_met, .ended = on_ended, .ctx = &t};
    assert_int_equal(ic_functions_meet(w.f, &other), IC_EBUSY);
    part(&t);
    uint32_t both = t.beside + t.current;
    meet(&t, &w); /* the same two again */
    assert_int_equal(t.beside + t.current, both);
    part(&t);
    close_world(&w);
}

static void the_current_one_stays_although_it_says_bye(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    meet(&t, &w);
    struct fake_node *a = node_of(&w, t.current), *b = node_of(&w, t.beside);
    fake_bye(a, false);
    fake_bye(b, false);
    fake_run_for(&w.fake, 30);
    assert_true(a->call != NULL && b->call != NULL);
    assert_int_equal(put(&w, 5), t.current);
    fake_bye(a, false);
    fake_run_for(&w.fake, 30);
    ic_functions_part(w.f, &t.m);
    fake_run(&w.fake, is_at_rest, &w); /* both go: the BYEs are answered */
    close_world(&w);
}

static void the_peer_dies(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    meet(&t, &w);
    copy(&w, &t, 5);
    fake_node_free(node_of(&w, t.beside));
    fake_run(&w.fake, has_ended, &t);
    assert_int_equal(w.gone, 1);
    assert_false(ic_pool_holds(w.pool, 0, t.beside));
    put(&w, 6);                   /* the function goes on */
    ic_functions_part(w.f, &t.m); /* fine although it is over */
    close_world(&w);
}

static void the_current_one_dies(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    put(&w, 5);
    meet(&t, &w);
    copy(&w, &t, 5);
    fake_node_free(node_of(&w, t.current));
    fake_run(&w.fake, has_ended, &t);
    fake_run(&w.fake, is_at_rest, &w); /* the peer is sent home before the function is invoked */
    assert_int_equal(get(&w, 5, t.beside), 0); /* and answers next */
    assert_int_equal(ic_pool_function(w.pool, 0)->current, t.beside);
    assert_true(w.fake.outstanding_max == 2);
    check_accounts(&w);
    close_world(&w);
}

static void a_deadline_ends_it(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    meet(&t, &w);
    fake_bye(node_of(&w, t.current), true);
    fake_run(&w.fake, has_ended, &t);
    fake_run(&w.fake, is_at_rest, &w);
    put(&w, 5);
    close_world(&w);
}

static void no_peer_is_given(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    put(&w, 5);
    w.fake.mode = FAKE_ERROR;
    w.fake.error = (struct ic_lambda_reply){.status = 429, .error = IC_ETHROTTLED};
    begin(&t, &w);
    fake_run(&w.fake, has_met, &t);
    assert_int_equal(t.result, IC_EUNAVAIL);
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    w.fake.error = (struct ic_lambda_reply){.status = 500, .error = IC_EIO};
    begin(&t, &w);
    fake_run(&w.fake, has_met, &t);
    assert_int_equal(t.result, IC_EUNAVAIL);
    w.fake.mode = FAKE_SERVE;
    meet(&t, &w);
    part(&t);
    close_world(&w);
}

static void a_peer_that_does_not_come_in_time(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    put(&w, 5);
    set(&w, "invoke-timeout", "100ms");
    w.fake.mode = FAKE_HOLD;
    begin(&t, &w);
    fake_run(&w.fake, has_met, &t);
    assert_int_equal(t.result, IC_ETIMEOUT);
    /* It comes after all, and is sent home. */
    struct ic_lambda_call *call = IC_CONTAINER(w.fake.calls.prev, struct ic_lambda_call, node);
    fake_take(fake_node_new(&w.fake, call->function), call);
    fake_run(&w.fake, has_no_peer, &w);
    assert_int_equal(t.mets, 1);
    close_world(&w);
}

static void the_current_one_takes_the_second_invoke_too(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    w.fake.mode = FAKE_HOLD;
    begin(&t, &w);
    fake_run_for(&w.fake, 20);
    struct ic_lambda_call *call = IC_CONTAINER(w.fake.calls.prev, struct ic_lambda_call, node);
    struct fake_node *a = node0(&w);
    struct ic_lambda_call *first = a->call;
    fake_hang_up(a);
    a->call = NULL;
    fake_take(a, call); /* it returned from the first although nobody told it to */
    fake_run(&w.fake, has_met, &t);
    assert_int_equal(t.result, IC_EUNAVAIL);
    assert_int_equal(ic_functions_figures(w.f, 0).dismissed, 1);
    fake_answer(first, a);
    w.fake.mode = FAKE_SERVE;
    assert_int_equal(put(&w, 6), serial);
    close_world(&w);
}

static void a_lost_link_is_dialled_again(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    meet(&t, &w);
    struct fake_node *b = node_of(&w, t.beside);
    b->redials = true;
    b->drop_after = b->requests + 2;
    copy(&w, &t, 5);
    copy(&w, &t, 6);
    assert_int_equal(t.ends, 0);
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 1);
    part(&t);
    close_world(&w);
}

static void what_the_peer_holds_is_listed_first(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    open_world(&w, 1);
    meet(&t, &w);
    copy(&w, &t, 5);
    node_of(&w, t.beside)->mark = 4711;
    part(&t);
    ic_pool_set_known(ic_pool_find(w.pool, 0, t.beside), false);
    ic_pool_missing(w.pool, 0, t.beside, chunk_cost()); /* the list counts it */
    uint32_t lists = w.lists;
    meet(&t, &w);
    assert_int_equal(w.lists, lists + 1);
    assert_int_equal(ic_pool_find(w.pool, 0, t.beside)->copied_ms, 4711);
    part(&t);
    close_world(&w);
}

/* Two were together when the proxy died: A with three chunks, B with a copy of the first. */
struct orphans {
    struct fake_node *a, *b;
    uint32_t a_serial, b_serial, invokes;
};

static void orphan(struct world *w, struct orphans *o)
{
    struct meeting t;
    open_world(w, 1);
    put(w, 5);
    meet(&t, w);
    copy(w, &t, 5);
    put(w, 6);
    put(w, 7);
    o->a = node_of(w, t.current);
    o->b = node_of(w, t.beside);
    restart(w);
    o->b_serial = restore(w, o->b, 1);
    o->a_serial = restore(w, o->a, 3);
    ic_pool_restored(w->pool);
    o->invokes = w->fake.invokes - w->fake.warm_invokes;
    w->listed_before = true;
}

static bool has_two(void *ctx)
{
    struct world *w = ctx;
    return state0(w) == IC_FUNCTION_ACTIVE && has_no_peer(w);
}

static void the_one_with_the_chunks_answers(void **s)
{
    (void)s;
    for (int first = 0; first < 2; first++) {
        struct world w;
        struct meeting t;
        struct orphans o;
        orphan(&w, &o);
        struct ask read; /* waits for A */
        prepare_read(&read, 7, o.a_serial);
        submit(&w, &read);
        fake_dial(first == 0 ? o.b : o.a);
        fake_run_for(&w.fake, 20);
        fake_dial(first == 0 ? o.a : o.b);
        assert_int_equal(wait_for(&w, &read), 0);
        assert_int_equal(ic_pool_function(w.pool, 0)->current, o.a_serial);
        fake_run(&w.fake, has_two, &w); /* B was listed, and sent home */
        assert_int_equal(w.lists, 2);
        assert_false(o.b->orphan);
        assert_int_equal(ic_functions_status(w.f, 0, o.b_serial), IC_STATUS_AWAY);
        assert_int_equal(get(&w, 6, o.a_serial), 0);
        assert_int_equal(w.fake.invokes - w.fake.warm_invokes, o.invokes);
        begin(&t, &w);
        fake_run(&w.fake, has_met, &t);
        assert_int_equal(t.beside, o.b_serial); /* no third */
        close_world(&w);
    }
}

static void what_is_asked_for_meanwhile_meets_them(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    struct orphans o;
    orphan(&w, &o);
    begin(&t, &w);
    fake_dial(o.a);
    fake_run_for(&w.fake, 50);
    assert_int_equal(t.mets, 0);
    fake_dial(o.b);
    fake_run(&w.fake, has_met, &t);
    assert_int_equal(t.result, 0);
    assert_int_equal(t.current, o.a_serial);
    assert_int_equal(t.beside, o.b_serial);
    assert_int_equal(w.fake.invokes - w.fake.warm_invokes, o.invokes);
    copy(&w, &t, 6);
    ic_functions_part(w.f, &t.m);
    fake_run(&w.fake, has_two, &w);
    close_world(&w);
}

static void the_one_with_the_chunks_never_comes(void **s)
{
    (void)s;
    struct world w;
    struct orphans o;
    orphan(&w, &o);
    fake_node_free(o.a);
    fake_dial(o.b);
    fake_run_for(&w.fake, 20);
    put(&w, 8); /* it was sent home first, then invoked */
    assert_int_equal(ic_pool_function(w.pool, 0)->current, o.b_serial);
    assert_int_equal(get(&w, 5, o.b_serial), 0);
    assert_int_equal(w.fake.invokes - w.fake.warm_invokes, o.invokes + 1);
    close_world(&w);
}

static void nor_to_a_meeting(void **s)
{
    (void)s;
    struct world w;
    struct meeting t;
    struct orphans o;
    orphan(&w, &o);
    fake_node_free(o.a);
    begin(&t, &w);
    fake_dial(o.b);
    fake_run_for(&w.fake, 20);
    fake_bye(o.b, false); /* kept, but not for long */
    fake_run(&w.fake, has_met, &t);
    assert_int_equal(t.result, 0);
    assert_int_equal(t.current, o.b_serial);
    assert_int_equal(w.fake.invokes - w.fake.warm_invokes, o.invokes + 2);
    part(&t);
    close_world(&w);
}

static void an_old_peer_comes_late(void **s)
{
    (void)s;
    struct world w;
    struct orphans o;
    orphan(&w, &o);
    fake_node_free(o.a);
    uint32_t third = put(&w, 8); /* when nobody has dialled in */
    assert_true(third != o.b_serial);
    fake_dial(o.b);
    fake_run_for(&w.fake, 20);
    assert_int_equal(peer0(&w)->state, IC_FUNCTION_LEAVING);
    fake_run(&w.fake, has_two, &w);
    assert_int_equal(ic_pool_function(w.pool, 0)->current, third);
    fake_dial(o.b); /* that invocation is over */
    fake_run_for(&w.fake, 20);
    assert_int_equal(peer0(&w)->state, IC_FUNCTION_ABSENT);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(two_meet_and_part),
        leak_test(a_sleeping_function_is_woken),
        leak_test(the_current_one_stays_although_it_says_bye),
        leak_test(the_peer_dies),
        leak_test(the_current_one_dies),
        leak_test(a_deadline_ends_it),
        leak_test(no_peer_is_given),
        leak_test(a_peer_that_does_not_come_in_time),
        leak_test(the_current_one_takes_the_second_invoke_too),
        leak_test(a_lost_link_is_dialled_again),
        leak_test(what_the_peer_holds_is_listed_first),
        leak_test(the_one_with_the_chunks_answers),
        leak_test(what_is_asked_for_meanwhile_meets_them),
        leak_test(the_one_with_the_chunks_never_comes),
        leak_test(nor_to_a_meeting),
        leak_test(an_old_peer_comes_late),
    };
    return cmocka_run_group_tests_name("function_peer", tests, NULL, NULL);
}
