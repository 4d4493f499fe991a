/*
 * test_turns.c - whatever workers want to do, a turn has a bounded part of it, nobody is forgotten,
 * and who wants little is not behind those who want much.
 */
#include "proxy/turns.h"

#include "unit/unit.h"

enum { WORKERS = 50, BUDGET = 1000, SHARE = BUDGET / IC_TURNS_SHARES };

struct job {
    struct ic_worker worker;
    struct bench *bench;
    uint64_t left, done_in; /* units; the turn that did the last of them */
    void (*line_up)(struct ic_turns *t, struct ic_worker *w);
};

struct bench {
    struct ic_loop *loop;
    struct ic_turns turns;
    int64_t budget;
    struct job job[WORKERS];
    unsigned busy;
};

/* J has done all; the loop ends with the last of them. */
static void end_job(struct job *j)
{
    j->done_in = j->bench->turns.turn;
    if (--j->bench->busy == 0) {
        ic_loop_stop(j->bench->loop);
    }
}

/* One unit after the other, as commands of a pipeline. */
static void go(void *ctx)
{
    struct job *j = ctx;
    struct ic_turns *t = &j->bench->turns;
    while (j->left > 0) {
        if (!ic_turns_may_work(t, &j->worker)) {
            j->line_up(t, &j->worker);
            return;
        }
        ic_turns_worked(t, &j->worker, 1);
        j->left--;
    }
    end_job(j);
}

static void begin(struct bench *b, unsigned workers)
{
    *b = (struct bench){.loop = ic_loop_new(), .budget = BUDGET, .busy = workers};
    assert_non_null(b->loop);
    ic_turns_init(&b->turns, b->loop, &b->budget);
    for (unsigned i = 0; i < WORKERS; i++) {
        b->job[i].bench = b;
        b->job[i].line_up = ic_turns_line_up;
        ic_worker_init(&b->job[i].worker, go, &b->job[i]);
    }
}

static void end(struct bench *b)
{
    ic_turns_deinit(&b->turns);
    ic_loop_free(b->loop);
}

/* What all of them leave behind is cleared away before they go on, in each turn. */
static void test_who_is_to_be_first_is(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, WORKERS);
    b.job[WORKERS - 1].line_up = ic_turns_line_up_first;
    for (unsigned i = 0; i < WORKERS; i++) {
        b.job[i].left = i == WORKERS - 1 ? 3 * SHARE : 5000;
        b.job[i].line_up(&b.turns, &b.job[i].worker);
    }
    uint64_t begun = ic_loop_turn_number(b.loop);
    ic_loop_run(b.loop);
    assert_in_range(b.job[WORKERS - 1].done_in, begun, begun + 4);
    for (unsigned i = 0; i < WORKERS - 1; i++) {
        assert_true(b.job[i].done_in > begun + 4);
    }
    end(&b);
}

/* What others wait for has half of each turn, though they are many; and no more, so that the line
 * goes on as well. */
static void test_those_in_front_have_half_of_each_turn(void **state)
{
    (void)state;
    struct bench b;
    const unsigned front = 6;
    begin(&b, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        b.job[i].line_up = i < WORKERS - front ? ic_turns_line_up : ic_turns_line_up_in_front;
        b.job[i].left = 5000;
        b.job[i].line_up(&b.turns, &b.job[i].worker);
    }
    uint64_t begun = ic_loop_turn_number(b.loop);
    uint64_t half = BUDGET / IC_TURNS_FRONT, turns = front * 5000 / half;
    ic_loop_run(b.loop);
    for (unsigned i = WORKERS - front; i < WORKERS; i++) {
        assert_in_range(b.job[i].done_in, begun + front * 5000 / (half + SHARE) - 1,
                        begun + turns + 2);
    }
    /* The others had their part of these turns, or they would have taken as many more. */
    assert_true(b.job[0].done_in < begun + turns + (WORKERS - front) * 5000 / BUDGET - turns / 4);
    end(&b);
}

static void test_a_turn_has_a_bounded_part_of_it(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        b.job[i].left = 5000;
        go(&b.job[i]);
    }
    ic_loop_run(b.loop);
    /* A worker of the line may begin just below the budget. All 50 began in the first turn. */
    assert_in_range(b.turns.most_used, BUDGET,
                    BUDGET + SHARE + WORKERS * (BUDGET / IC_TURNS_LEAST + 1));
    assert_true(b.turns.lined_up >= WORKERS * 5000 / (SHARE + 1));
    end(&b);
}

/* The same of one command that must not be seen half done. */
static void go_alone(void *ctx)
{
    struct job *j = ctx;
    struct ic_turns *t = &j->bench->turns;
    if (!ic_turns_may_enter(t, &j->worker)) {
        ic_turns_wait(t, &j->worker);
        return;
    }
    if (!ic_turns_may_begin(t, &j->worker, j->left)) {
        ic_turns_line_up(t, &j->worker);
        return;
    }
    while (j->left > 0) {
        ic_turns_worked(t, &j->worker, 1);
        if (--j->left > 0 && !ic_turns_may_work_alone(t, &j->worker)) {
            ic_turns_go_alone(t, &j->worker);
            ic_turns_line_up(t, &j->worker);
            return;
        }
    }
    ic_turns_end_alone(t, &j->worker);
    end_job(j);
}

/* However many begin one at once; and whoever is in the middle of his comes first. */
static void test_who_goes_alone_has_no_turn_for_itself(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        b.job[i].worker.go = go_alone;
        b.job[i].left = 400;
        go_alone(&b.job[i]);
    }
    uint64_t turn = b.turns.turn;
    assert_in_range(b.turns.used, BUDGET, BUDGET + 2); /* three have begun, the last is alone */
    ic_loop_run(b.loop);
    assert_in_range(b.turns.most_used, BUDGET, BUDGET + BUDGET / IC_TURNS_WAITING + 2);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_true(i == 0 || b.job[i - 1].done_in <= b.job[i].done_in);
        assert_in_range(b.job[i].done_in, turn, turn + 2 * WORKERS * 400 / BUDGET);
    }
    end(&b);
}

/* Others in line, who need no keys, do not come between the turns of who is alone. */
static void test_who_is_alone_has_a_part_of_each_turn(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        b.job[i].left = 5000;
        b.job[i].worker.go = i == 0 ? go_alone : go;
        b.job[i].worker.go(&b.job[i]);
    }
    uint64_t turn = b.turns.turn;
    ic_loop_run(b.loop);
    assert_in_range(b.job[0].done_in, turn, turn + 5000 / (BUDGET / IC_TURNS_ALONE) + 1);
    assert_true(b.job[WORKERS - 1].done_in > 3 * b.job[0].done_in - 2 * turn);
    end(&b);
}

static void test_who_wants_little_is_served_at_once(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, 11);
    for (unsigned i = 0; i < 10; i++) {
        b.job[i].left = 5000;
        go(&b.job[i]);
    }
    assert_true(b.turns.used >= BUDGET);
    uint64_t turn = b.turns.turn;
    b.job[10].left = 1;
    go(&b.job[10]);
    assert_int_equal(b.job[10].done_in, turn);
    ic_loop_run(b.loop);
    for (unsigned i = 0; i < 10; i++) { /* and those who want as much end about together */
        assert_in_range(b.job[i].done_in, turn + 45, turn + 55);
    }
    end(&b);
}

/* The more a turn has had, the less of it is left for each who comes. */
static void test_who_comes_late_has_a_smaller_share(void **state)
{
    (void)state;
    struct bench b;
    struct ic_worker crowd;
    begin(&b, 3);
    b.budget = 100 * IC_TURNS_LEAST;
    ic_worker_init(&crowd, NULL, NULL);
    for (unsigned i = 0; i < 3; i++) {
        ic_turns_worked(&b.turns, &crowd, (uint64_t)b.budget);
        b.job[i].left = 5000;
        go(&b.job[i]);
        assert_int_equal(5000 - b.job[i].left, 100 / (i + 1) + 1);
    }
    ic_loop_run(b.loop);
    end(&b);
}

/* Uses each turn up before the lines are served, as many sockets do, while others are busy. */
static void go_crowd(void *ctx)
{
    struct job *j = ctx;
    if (j->bench->busy > 0) {
        ic_turns_worked(&j->bench->turns, &j->worker, 3 * BUDGET);
        ic_turns_line_up_first(&j->bench->turns, &j->worker);
    }
}

/* A command of many steps, which is a report's work at once before it. */
static void go_command(void *ctx)
{
    struct job *j = ctx;
    struct ic_turns *t = &j->bench->turns;
    const bool begun = j->left < 5000;
    if (!begun && !ic_turns_may_begin(t, &j->worker, 300)) {
        ic_turns_line_up(t, &j->worker);
        return;
    }
    while (j->left > 0) {
        ic_turns_worked(t, &j->worker, begun ? 1 : 300);
        j->left -= begun ? 1 : 300;
        if (!ic_turns_may_go_on(t, &j->worker)) {
            ic_turns_line_up_under_way(t, &j->worker);
            return;
        }
    }
    end_job(j);
}

/* However many use all of each turn, a little each: what is much begins when its place in the line
 * has come, and goes on in each turn from then on. */
static void test_a_crowd_keeps_nobody_from_long_commands(void **state)
{
    (void)state;
    struct bench b;
    const unsigned crowd = WORKERS - 1, command = WORKERS - 2;
    begin(&b, WORKERS - 1);
    b.job[crowd].worker.go = go_crowd;
    b.job[command].worker.go = go_command;
    ic_turns_line_up_first(&b.turns, &b.job[crowd].worker);
    for (unsigned i = 0; i < crowd; i++) {
        b.job[i].left = 5000;
        ic_turns_line_up(&b.turns, &b.job[i].worker);
    }
    uint64_t begun = ic_loop_turn_number(b.loop);
    ic_loop_run(b.loop);
    assert_in_range(b.job[command].done_in, begun, begun + 5000 / SHARE + 3);
    ic_worker_leave(&b.job[crowd].worker);
    end(&b);
}

/* In each turn one more comes into the line, that goes alone if it can. */
static void go_newcomers(void *ctx)
{
    struct job *j = ctx;
    struct bench *b = j->bench;
    unsigned next = WORKERS - 1 - (unsigned)j->left;
    if (next > 1) {
        j->left++;
        ic_turns_line_up(&b->turns, &b->job[next].worker);
        ic_turns_line_up_first(&b->turns, &j->worker);
    }
}

/* Who waits for the keys has them before whoever comes later and would go alone. */
static void test_newcomers_do_not_go_before_those_that_wait(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, WORKERS - 1);
    for (unsigned i = 0; i < WORKERS; i++) {
        b.job[i].worker.go = go_alone;
        b.job[i].left = i == 1 ? 1 : 2000;
    }
    struct job *newcomers = &b.job[WORKERS - 1];
    newcomers->worker.go = go_newcomers;
    newcomers->left = 1;
    go_alone(&b.job[0]); /* is alone */
    go_alone(&b.job[1]); /* waits */
    ic_turns_line_up_first(&b.turns, &newcomers->worker);
    ic_loop_run(b.loop);
    for (unsigned i = 2; i < WORKERS - 1; i++) {
        assert_true(b.job[1].done_in < b.job[i].done_in);
    }
    end(&b);
}

static void test_one_that_leaves_is_not_called(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, 1);
    for (unsigned i = 0; i < 2; i++) {
        b.job[i].left = 5000;
        go(&b.job[i]);
    }
    ic_worker_leave(&b.job[0].worker);
    uint64_t left = b.job[0].left;
    ic_loop_run(b.loop);
    assert_int_equal(b.job[0].left, left);
    assert_int_equal(b.job[1].left, 0);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_a_turn_has_a_bounded_part_of_it),
        leak_test(test_who_is_to_be_first_is),
        leak_test(test_those_in_front_have_half_of_each_turn),
        leak_test(test_who_goes_alone_has_no_turn_for_itself),
        leak_test(test_who_is_alone_has_a_part_of_each_turn),
        leak_test(test_who_wants_little_is_served_at_once),
        leak_test(test_who_comes_late_has_a_smaller_share),
        leak_test(test_a_crowd_keeps_nobody_from_long_commands),
        leak_test(test_newcomers_do_not_go_before_those_that_wait),
        leak_test(test_one_that_leaves_is_not_called),
    };
    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
