/* test_backup.c - whose turn it is to be backed up. */
#include "core/backup.h"

#include "unit.h"

enum { N = 8, INTERVAL = 8000, HOUR = 3600 * 1000 };

static struct ic_backup_view now_is[N];
static const struct ic_backup_settings every8s = {.interval_ms = INTERVAL};

static struct ic_backup_view view(void *ctx, uint16_t function)
{
    (void)ctx;
    return now_is[function];
}

static struct ic_backup_plan *make(void)
{
    struct ic_backup_plan *plan = ic_backup_plan_new(N, 100000);
    assert_non_null(plan);
    for (int i = 0; i < N; i++) {
        now_is[i] = (struct ic_backup_view){.able = true, .holds = true, .uncopied = 100};
    }
    return plan;
}

static int next(struct ic_backup_plan *plan, const struct ic_backup_settings *s, uint64_t now_ms)
{
    uint64_t next_ms;
    for (uint16_t i = 0; i < N; i++) {
        ic_backup_changed(plan, i);
    }
    int function = ic_backup_next(plan, s, view, NULL, now_ms, &next_ms);
    assert_true(function >= 0 ? next_ms == now_ms : next_ms > now_ms);
    return function;
}

static void take(struct ic_backup_plan *plan, int function, bool done, uint64_t now_ms)
{
    ic_backup_began(plan, (uint16_t)function, now_ms);
    ic_backup_ended(plan, (uint16_t)function, done, now_ms);
}

static void turns_are_staggered(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    uint64_t last[N] = {0};
    int turns = 0;
    for (uint64_t now = 100000; now < 100000 + 5 * INTERVAL; now += 10) {
        int function = next(plan, &every8s, now);
        if (function < 0) {
            continue;
        }
        assert_true(last[function] == 0 ? now - 100000 >= INTERVAL / 2
                                        : now - last[function] >= INTERVAL);
        assert_int_equal(next(plan, &every8s, now), function); /* asking changes nothing */
        take(plan, function, true, now);
        assert_int_equal(next(plan, &every8s, now), -1); /* one at a time */
        last[function] = now;
        turns++;
    }
    assert_true(turns >= 4 * N && turns <= 5 * N);
    ic_backup_plan_free(plan);
}

static void nothing_new_nothing_done(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    for (int i = 0; i < N; i++) {
        now_is[i].uncopied = 0;
    }
    assert_int_equal(next(plan, &every8s, 100000 + 10 * INTERVAL), -1);
    now_is[3].owed = 1; /* a delete is something new */
    assert_int_equal(next(plan, &every8s, 100000 + 10 * INTERVAL), 3);
    now_is[3].able = false;
    assert_int_equal(next(plan, &every8s, 100000 + 10 * INTERVAL), -1);
    ic_backup_plan_free(plan);
}

static void old_and_full_ones_first(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    uint64_t now = 100000 + 2 * INTERVAL;
    now_is[5].uncopied = 900;
    now_is[6].uncopied = 500;
    now_is[2].age_ms = HOUR;
    now_is[4].turned = true;
    static const int order[] = {4, 2, 5, 6};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(next(plan, &every8s, now), order[i]);
        ic_backup_began(plan, (uint16_t)order[i], now);
    }
    for (int i = 0; i < 4; i++) {
        ic_backup_ended(plan, (uint16_t)order[i], true, now);
    }
    for (int i = 0; i < N; i++) {
        now_is[i].uncopied = i == 2 ? 1 : 0;
        now_is[i].turned = false;
    }
    assert_int_equal(next(plan, &every8s, now + INTERVAL / 2 - 1), -1);
    assert_int_equal(next(plan, &every8s, now + INTERVAL / 2), 2); /* old: twice as often */
    ic_backup_plan_free(plan);
}

static void what_is_out_of_reach_does_not_wait(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    uint64_t now = 100000 + 2 * INTERVAL;
    for (int i = 0; i < N; i++) {
        take(plan, i, true, now);
    }
    now_is[1].turned = true;
    assert_int_equal(next(plan, &every8s, now + INTERVAL / 30 - 1), -1);
    assert_int_equal(next(plan, &every8s, now + INTERVAL / 30), 1);
    ic_backup_plan_free(plan);
}

static int views;

static struct ic_backup_view count_view(void *ctx, uint16_t function)
{
    views++;
    return view(ctx, function);
}

static int look(struct ic_backup_plan *plan, uint64_t now_ms, uint64_t *next_ms)
{
    return ic_backup_next(plan, &every8s, count_view, NULL, now_ms, next_ms);
}

static void only_what_may_be_due_is_looked_at(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    uint64_t now = 100000 + 2 * INTERVAL, next_ms;
    for (int i = 0; i < N; i++) {
        take(plan, i, true, now);
        now_is[i].uncopied = i >= 6;
    }
    now_is[7].age_ms = HOUR - 2000; /* grows old in two seconds: then half an interval is enough */
    views = 0;
    assert_int_equal(look(plan, now, &next_ms), -1);
    assert_int_equal(views, N);
    assert_int_equal(next_ms, now + 2000);
    assert_int_equal(look(plan, now + 1999, &next_ms), -1);
    assert_int_equal(views, N);
    now_is[7].age_ms = HOUR;
    assert_int_equal(look(plan, now + 2000, &next_ms), -1);
    assert_int_equal(views, N + 1);
    assert_int_equal(next_ms, now + INTERVAL / 2);
    assert_int_equal(look(plan, next_ms, &next_ms), 7);
    take(plan, 7, true, now + INTERVAL / 2);
    now_is[7].uncopied = 0;
    now += INTERVAL;
    now_is[2].owed = 1;
    assert_int_equal(look(plan, now, &next_ms), 6);
    take(plan, 6, true, now);
    assert_int_equal(look(plan, now, &next_ms), -1); /* nobody has said that 2 has changed */
    ic_backup_changed(plan, 2);
    assert_int_equal(look(plan, now, &next_ms), 2);
    take(plan, 2, true, now);
    now_is[4].able = false;
    ic_backup_ask(plan, 4);
    assert_int_equal(look(plan, now, &next_ms), -1);
    assert_true(next_ms > now && next_ms <= now + 1000); /* asked for, and cannot be had yet */
    ic_backup_plan_free(plan);
}

static void failures_back_off(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    for (int i = 1; i < N; i++) {
        now_is[i].able = false;
    }
    uint64_t now = 100000 + 2 * INTERVAL, wait = INTERVAL / 30;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(next(plan, &every8s, now), 0);
        take(plan, 0, false, now);
        assert_int_equal(next(plan, &every8s, now + wait - 1), -1);
        now += wait;
        wait = wait * 2 <= INTERVAL ? wait * 2 : wait;
    }
    assert_true(wait > INTERVAL / 2);
    take(plan, 0, true, now);
    assert_int_equal(next(plan, &every8s, now + INTERVAL - 1), -1);
    assert_int_equal(next(plan, &every8s, now + INTERVAL), 0);
    ic_backup_plan_free(plan);
}

static void peers_are_met_for_their_own_sake(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    struct ic_backup_settings s = {.interval_ms = INTERVAL, .peer_interval_ms = 3000};
    uint64_t now = 100000 + 2 * INTERVAL;
    for (int i = 0; i < N; i++) {
        now_is[i].uncopied = 0;
    }
    assert_int_equal(next(plan, &s, now), -1); /* there is no peer yet */
    take(plan, 4, true, now);
    assert_int_equal(next(plan, &s, now + 2999), -1);
    assert_int_equal(next(plan, &s, now + 3000), 4);
    ic_backup_seen(plan, 4, now + 1000); /* a mark says so */
    assert_int_equal(next(plan, &s, now + 3000), -1);
    assert_int_equal(next(plan, &s, now + 4000), 4);
    ic_backup_seen(plan, 4, now - 5000); /* an older one: nothing */
    now_is[4].holds = false;
    assert_int_equal(next(plan, &s, now + 4000), -1); /* nothing to keep it for */
    ic_backup_plan_free(plan);
}

static void never_but_when_asked(void **state)
{
    (void)state;
    struct ic_backup_plan *plan = make();
    struct ic_backup_settings off = {.interval_ms = 0, .peer_interval_ms = 1000};
    now_is[2].turned = true;
    assert_int_equal(next(plan, &off, 100000 + 100 * HOUR), -1);
    ic_backup_ask(plan, 6);
    assert_int_equal(next(plan, &off, 100000), 6);
    now_is[6].able = false;
    assert_int_equal(next(plan, &off, 100000), -1); /* later, then */
    now_is[6].able = true;
    take(plan, 6, false, 100000);
    assert_int_equal(next(plan, &off, 200000), -1);
    ic_backup_plan_free(plan);
}

static void no_memory(void **state)
{
    (void)state;
    ic_alloc_fail_at(1);
    assert_null(ic_backup_plan_new(N, 0));
    ic_backup_plan_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(turns_are_staggered),
        leak_test(nothing_new_nothing_done),
        leak_test(old_and_full_ones_first),
        leak_test(what_is_out_of_reach_does_not_wait),
        leak_test(only_what_may_be_due_is_looked_at),
        leak_test(failures_back_off),
        leak_test(peers_are_met_for_their_own_sake),
        leak_test(never_but_when_asked),
        leak_test(no_memory),
    };
    return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
