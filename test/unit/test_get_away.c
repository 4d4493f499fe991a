/*
 * test_get_away.c - reads of objects of which too many chunks are on instances that are away: these
 * are recalled, and if they do not come it is a miss.
 */
#include "proxy/get.h"

#include "unit/get_world.h"

/* Chunks 0 to 2 of 12 are on instances in whose place others answer. */
static struct ic_object *begin_away(void)
{
    struct ic_object *o = begin(10, 2, 65536, 5 << 20);
    for (uint16_t i = 0; i < 3; i++) {
        fake.node[o->place[i].function].status = IC_STATUS_AWAY;
    }
    return o;
}

static int answer_of_the_other(struct ic_node_request *r)
{
    return fake.node[r->function].status == IC_STATUS_AWAY ? IC_EAWAY : 0;
}

/* One more than can be spared is asked back, stays as long as the read, and makes no loss of it. */
static void test_instances_that_are_away(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin_away();
    fake.script = answer_of_the_other;
    start(&c, o, 1, 0, 5 << 20);
    c.pause_every = 1 << 20;
    fake_run();
    assert_int_equal(c.at + c.ended, 0);
    assert_int_equal(fake_meet_all(0), 1);
    fake_run();
    assert_true(c.at > 0 && c.ended == 0);
    assert_int_equal(fake_meet_all(0), 0);
    take_the_rest(&c);
    fake_check_apart();
    stop(&c);
    end(o);
}

/* They are found to be away by what is answered. */
static uint16_t leaving;  /* this many of an object's chunks, when the first of them is asked, */
static uint64_t ask_from; /* at this byte of it or behind */

static int others_answer(struct ic_node_request *r)
{
    struct fake_node *node = &fake.node[r->function];
    bool is_there = node->meeting != NULL && node->meeting->stage == IC_MEETING_MET;
    if (r->chunk >= leaving || is_there || r->offset < ask_from) {
        return 0;
    }
    node->status = IC_STATUS_AWAY;
    return IC_EAWAY;
}

static void test_others_answer_in_the_middle(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin(10, 2, 65536, 20 << 20);
    leaving = 4;
    ask_from = 1;
    fake.script = others_answer;
    start(&c, o, 1, 0, 20 << 20);
    fake_run();
    for (uint32_t met = 0; c.ended == 0;) {
        met += fake_meet_all(0);
        assert_true(met <= 2); /* two can be spared */
        fake_run();
    }
    assert_int_equal(c.result, 0);
    fake_check_apart();
    stop(&c);
    end(o);
}

/* One more leaves whenever as many as were lacking have come back. */
static void test_others_answer_one_by_one(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin(10, 2, 65536, 5 << 20);
    fake.script = others_answer;
    ask_from = 0;
    start(&c, o, 1, 0, 5 << 20);
    for (leaving = 3; leaving <= 12; leaving++) {
        fake_run();
        assert_int_equal(c.at + c.ended, 0);
        assert_int_equal(fake_meet_all(0), 1);
    }
    fake_run();
    assert_true(c.ended == 1 && c.result == 0);
    stop(&c);
    fake_check_apart();
    end(o);
}

/* They come, and leave again before they are asked. */
static void test_instances_that_do_not_stay(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin_away();
    fake.script = answer_of_the_other;
    start(&c, o, 1, 0, 5 << 20);
    uint32_t rounds = 0;
    for (fake_run(); c.ended == 0; rounds++) {
        assert_true(rounds < 100);
        fake_meet_all(0);
        fake_leave_all();
        fake_run();
    }
    assert_true(rounds > 2 && c.result == IC_EUNAVAIL);
    stop(&c);
    fake_check_apart();
    end(o);
}

static void test_instances_that_stay_away(void **state)
{
    (void)state;
    static struct client c;
    for (int how = 0; how < 3; how++) {
        struct ic_object *o = begin_away();
        fake.script = answer_of_the_other;
        start(&c, o, 1, 0, 5 << 20);
        fake_run();
        for (uint16_t i = 0; how < 2 && i < 3; i++) { /* each is tried, once */
            assert_int_equal(c.ended, 0);
            uint16_t function = o->place[i].function;
            fake_meet(function, how == 0 ? IC_EUNAVAIL : 0);
            fake.node[function].status = IC_STATUS_AWAY; /* it does not come; another comes */
            fake_run();
        }
        if (how < 2) {
            assert_int_equal(c.result, IC_ENOENT);
        } else { /* the client leaves */
            assert_int_equal(c.ended, 0);
        }
        stop(&c);
        fake_check_apart();
        end(o);
    }
}

/* Two reads want the same instance: one asks it back, the other goes on when it is there. */
static void test_reads_that_recall_the_same(void **state)
{
    (void)state;
    static struct client c[2];
    struct ic_object *o = begin_away();
    for (int i = 0; i < 2; i++) {
        start(&c[i], o, 1, (uint64_t)i, (5 << 20) - (uint64_t)i); /* not together */
        c[i].pause_every = i == 0 ? 1 << 20 : 0;
    }
    fake_run();
    assert_int_equal(fake_meet_all(0), 1);
    fake_pass(100);
    assert_true(c[0].ended == 0 && c[0].at > 0);
    assert_true(c[1].ended == 1 && c[1].result == 0);
    take_the_rest(&c[0]);
    fake_check_apart();
    stop(&c[0]);
    stop(&c[1]);
    end(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instances_that_are_away),
        cmocka_unit_test(test_others_answer_in_the_middle),
        cmocka_unit_test(test_others_answer_one_by_one),
        cmocka_unit_test(test_instances_that_do_not_stay),
        cmocka_unit_test(test_instances_that_stay_away),
        cmocka_unit_test(test_reads_that_recall_the_same),
    };
    return cmocka_run_group_tests_name("get_away", tests, NULL, NULL);
}
