/*
 * test_books.c - what was spent is known to the next process, however this one ends; what it
 * waited for is unreported then; a disk that was full loses nothing; a ledger of another
 * program is refused.
 */
#include "proxy/books.h"

#include "base/clock.h"
#include "base/config.h"
#include "proxy/journal.h"
#include "unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[64];
static char why[IC_BOOKS_WHY_MAX];
static struct ic_config *config;
static struct ic_prices prices;
static struct ic_journal *journal;
static struct ic_books *books;
static unsigned scheduled;

/* The product's clock; the wall clock is so much ahead. */
static int64_t ahead_ms;

static uint64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t ic_clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t ic_clock_mono_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t ic_clock_wall_us(void)
{
    return (int64_t)clock_us(CLOCK_REALTIME) + ahead_ms * 1000;
}

int64_t ic_clock_wall_ms(void)
{
    return ic_clock_wall_us() / 1000;
}

static void schedule(void *ctx)
{
    (void)ctx;
    scheduled++;
}

static int open_books(void)
{
    struct ic_journal_setup j = {.dir = dir,
                                 .appendfsync = IC_FSYNC_NO,
                                 .prefix = config->function_prefix,
                                 .functions = (uint32_t)config->functions,
                                 .memory = 256 << 20};
    struct ic_journal_meta meta;
    assert_int_equal(ic_journal_open(&j, &journal, &meta, why), 0);
    struct ic_books_setup setup = {.config = config,
                                   .prices = &prices,
                                   .journal = journal,
                                   .other_pool = meta.emptied == IC_JOURNAL_OTHER_NAMES,
                                   .schedule = schedule};
    return ic_books_new(&setup, &books, why);
}

static void close_books(void)
{
    ic_books_free(books);
    ic_journal_close(journal);
    books = NULL;
}

static void end_turn(void)
{
    scheduled = 0;
    ic_books_save(books);
    ic_books_saved(books);
}

static int begin(void **state)
{
    (void)state;
    ic_alloc_fail_at(0);
    config = ic_config_new();
    ic_prices_init(&prices);
    scheduled = 0;
    ahead_ms = 0;
    snprintf(dir, sizeof dir, "/tmp/ic-books-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int end(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ic_config_free(config);
    return system(command) != 0 ? -1 : unit_no_leak(state);
}

static const struct ic_cost_totals *totals(void)
{
    return ic_cost_totals(ic_books_cost(books));
}

static void test_kept(void **state)
{
    (void)state;
    assert_int_equal(open_books(), 0);
    ic_books_invoke(books, 3);
    ic_books_charge(books, 3, IC_COST_SERVE, 70);
    ic_books_invoke(books, 3);
    ic_books_invoke(books, 5);
    ic_books_not_run(books, 5);
    ic_books_get(books, 1000);
    ic_books_transfer(books, 1, 2);
    assert_int_equal(scheduled, 1); /* once a turn */
    end_turn();
    double hour = ic_books_hour(books).dollars;
    assert_true(hour > 0);
    close_books();
    assert_int_equal(open_books(), 0);
    assert_int_equal(totals()->billed_ms[IC_COST_SERVE], 70);
    assert_int_equal(totals()->gets, 1);
    assert_int_equal(totals()->received_bytes, 2);
    assert_int_equal(totals()->unreported, 1);
    assert_int_equal(ic_cost_account(ic_books_cost(books), 3)->unreported, 1);
    assert_int_equal(ic_cost_account(ic_books_cost(books), 5)->unreported, 0);
    assert_true(ic_books_hour(books).dollars == hour);
    assert_int_equal(scheduled, 1); /* that the unreported one is, is news */
    end_turn();
    close_books();
    assert_int_equal(open_books(), 0);
    assert_int_equal(totals()->unreported, 1); /* and counted once */
    assert_int_equal(scheduled, 0);
    close_books();
}

/* Killed in the middle of a turn: the last one saved counts. */
static void test_killed(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (open_books() == 0) {
            ic_books_invoke(books, 0);
            end_turn();
            ic_books_charge(books, 0, IC_COST_WARM, 5);
            end_turn();
            ic_books_invoke(books, 1);
            end_turn();
            ic_books_charge(books, 1, IC_COST_WARM, 7); /* not saved: unreported it is */
        }
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(open_books(), 0);
    assert_int_equal(totals()->billed_ms[IC_COST_WARM], 5);
    assert_int_equal(totals()->unreported, 1);
    close_books();
}

/* A commit that failed is made up for by the next. */
static void test_full_disk(void **state)
{
    (void)state;
    struct rlimit limit, none;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(open_books(), 0);
    ic_books_invoke(books, 2);
    ic_books_charge(books, 2, IC_COST_REPAIR, 9);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    none = limit;
    none.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    end_turn();
    assert_true(ic_journal_failed(journal));
    ic_books_tick(books, 0);
    end_turn(); /* not tried while it is failed */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(ic_journal_probe(journal), 0);
    ic_books_tick(books, 0);
    assert_int_equal(scheduled, 1);
    end_turn();
    close_books();
    assert_int_equal(open_books(), 0);
    assert_int_equal(totals()->billed_ms[IC_COST_REPAIR], 9);
    assert_true(ic_books_hour(books).billed_ms == 9);
    close_books();
}

static void set(const char *name, const char *value)
{
    assert_int_equal(ic_config_set(config, ic_slice_str(name), ic_slice_str(value), why), 0);
}

/* What was outstanding of functions that are not in the pool any more is counted once; their
 * accounts are there again when they are. */
static void test_other_pool(void **state)
{
    (void)state;
    assert_int_equal(open_books(), 0);
    for (uint16_t function = 10; function < 14; function++) {
        ic_books_invoke(books, function);
        ic_books_charge(books, function, IC_COST_SERVE, 70);
    }
    ic_books_invoke(books, 13);
    end_turn();
    close_books();
    set("functions", "12");
    for (int life = 0; life < 3; life++) {
        assert_int_equal(open_books(), 0);
        assert_int_equal(scheduled > 0, life == 0);
        if (life == 0) {
            end_turn();
        }
        assert_int_equal(totals()->unreported, 1);
        assert_int_equal(totals()->billed_ms[IC_COST_SERVE], 280);
        close_books();
    }
    set("functions", "14");
    assert_int_equal(open_books(), 0);
    assert_int_equal(totals()->unreported, 1);
    assert_int_equal(ic_cost_account(ic_books_cost(books), 13)->unreported, 1);
    assert_int_equal(ic_cost_account(ic_books_cost(books), 13)->billed_ms, 70);
    ic_books_invoke(books, 11);
    end_turn();
    close_books();
    set("function-prefix", "other");
    assert_int_equal(open_books(), 0);
    end_turn();
    assert_int_equal(totals()->unreported, 2);
    assert_int_equal(ic_cost_account(ic_books_cost(books), 11)->billed_ms, 0);
    close_books();
    assert_int_equal(open_books(), 0);
    assert_int_equal(totals()->unreported, 2);
    assert_int_equal(ic_cost_account(ic_books_cost(books), 13)->billed_ms, 0);
    close_books();
}

static void test_foreign_ledger(void **state)
{
    (void)state;
    static const struct {
        uint64_t key;
        uint32_t format;
        size_t len;
    } bad[] = {{0, 2, 400}, {0, 1, 5}, {0, 1, 3}, {1, 1, 400}, {1000, 1, 4}, {5096, 1, 56}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t record[400] = {0};
        memcpy(record, &bad[i].format, sizeof bad[i].format);
        end(state); /* a folder of its own */
        begin(state);
        assert_int_equal(open_books(), 0);
        assert_int_equal(ic_journal_put_ledger(journal, bad[i].key, ic_slice(record, bad[i].len)),
                         0);
        assert_int_equal(ic_journal_commit(journal), 0);
        close_books();
        why[0] = '\0';
        assert_int_equal(open_books(), IC_ECORRUPT);
        assert_non_null(strstr(why, "ledger"));
        ic_journal_close(journal);
    }
}

static void test_budget(void **state)
{
    (void)state;
    assert_int_equal(open_books(), 0);
    ic_books_invoke(books, 0);
    ic_books_charge(books, 0, IC_COST_SERVE, 1000);
    assert_int_equal(ic_books_budget(books), IC_BUDGET_OPEN);
    config->budget_per_hour = ic_books_spent(books);
    assert_int_equal(ic_books_budget(books), IC_BUDGET_NO_NEW_KEY);
    config->budget_per_hour = ic_books_spent(books) / 0.85;
    assert_int_equal(ic_books_budget(books), IC_BUDGET_NO_WARM);
    close_books();
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_books_setup setup = {.config = config, .prices = &prices};
    for (size_t i = 1; i <= 4; i++) {
        ic_alloc_fail_at(i);
        assert_int_equal(ic_books_new(&setup, &books, why), IC_ENOMEM);
    }
    ic_alloc_fail_at(0);
    assert_int_equal(ic_books_new(&setup, &books, why), 0);
    ic_books_invoke(books, 0);
    ic_books_unreported(books, 0, 10);
    end_turn(); /* without a journal nothing is kept */
    ic_books_free(books);
    ic_books_free(NULL);
}

static void spend(uint64_t billed_ms)
{
    ic_books_tick(books, 1 << 20);
    ic_books_invoke(books, 0);
    ic_books_charge(books, 0, IC_COST_SERVE, billed_ms);
    end_turn();
}

static void open_again(void)
{
    close_books();
    assert_int_equal(open_books(), 0);
}

/* The wall clock was ahead for a while, and is set right while the proxy runs, or while it does
 * not: the hour is that of the clock, here and after a restart, and nothing was held meanwhile. */
static void test_a_clock_that_was_ahead(void **state)
{
    (void)state;
    for (int stopped = 0; stopped < 2; stopped++) {
        uint64_t before = stopped == 0 ? 0 : 70;
        ahead_ms = 0;
        assert_int_equal(open_books(), 0);
        spend(10);
        ahead_ms = INT64_C(365 * 24 * 60 + 7) * 60000;
        spend(20);
        ahead_ms = stopped == 0 ? 0 : ahead_ms;
        if (stopped == 1) {
            close_books();
            ahead_ms = 0;
            assert_int_equal(open_books(), 0);
        }
        spend(40);
        assert_int_equal(ic_books_hour(books).billed_ms, before + 70);
        open_again();
        assert_int_equal(ic_books_hour(books).billed_ms, before + 70);
        for (int i = 0; i < IC_COST_MINUTES; i++) {
            assert_true(ic_cost_minutes(ic_books_cost(books))[i].minute <=
                        ic_clock_wall_ms() / 60000);
        }
        assert_true(totals()->hours < 0.1);
        close_books();
    }
}

#define books_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        books_test(test_kept),           books_test(test_killed),
        books_test(test_full_disk),      books_test(test_other_pool),
        books_test(test_foreign_ledger), books_test(test_budget),
        books_test(test_without_memory), books_test(test_a_clock_that_was_ahead),
    };
    return cmocka_run_group_tests_name("books", tests, NULL, NULL);
}
