/* test_top_view.c - the screen of `top` without a terminal: every size, sorting, keys. */
#include "cli/top_view.h"

#include "unit/top_world.h"

#include <math.h>
#include <stdlib.h>

struct world {
    struct ic_top_data data;
    struct ic_top_view view;
    struct ic_canvas canvas;
    struct ic_buf text; /* the last frame, zero-terminated */
};

static void draw(struct world *w, int width, int height, bool utf8)
{
    ic_canvas_deinit(&w->canvas);
    assert_int_equal(ic_canvas_init(&w->canvas, width, height, utf8), 0);
    assert_int_equal(ic_top_view_draw(&w->view, &w->data, &w->canvas, "12:34:56"), 0);
    w->text.len = 0;
    for (int row = 0; row < height; row++) {
        assert_int_equal(ic_canvas_line(&w->canvas, row, &w->text), 0);
    }
    assert_int_equal(ic_buf_append(&w->text, "", 1), 0);
}

static void begin(struct world *w, int functions)
{
    *w = (struct world){.view = {.server = "host:6378"}};
    ic_buf_init(&w->text);
    ic_top_data_init(&w->data);
    for (int i = 0; i < 2; i++) {
        struct ic_top_sample s;
        ic_top_sample_init(&s, 1000 * (uint64_t)(i + 1));
        char info[500];
        snprintf(info, sizeof info,
                 "uptime_in_seconds:%d\r\nconnected_clients:3\r\n# Commandstats\r\n"
                 "cmdstat_get:calls=%d,x=1\r\ntotal_net_input_bytes:%d\r\n"
                 "total_net_output_bytes:%d\r\npool_objects:12\r\npool_live_bytes:512\r\n"
                 "pool_capacity_bytes:1024\r\ndollars_total:1.50\r\nelasticache_dollars:20\r\n"
                 "dollars_outstanding:0.25\r\ncost_hours:2.5\r\ns3_dollars:0.5\r\n"
                 "dollars_unreported_max:0.02\r\nbudget_per_hour:3\r\nbudget_spent:2.5\r\n"
                 "budget_level:no-warm\r\n",
                 50 + i, 40 * i, 1024 * i, 2048 * i);
        assert_int_equal(top_info(&s, info), 0);
        top_functions(&s, functions);
        ic_top_data_take(&w->data, &s);
    }
}

static void end(struct world *w)
{
    ic_canvas_deinit(&w->canvas);
    ic_top_data_deinit(&w->data);
    ic_buf_deinit(&w->text);
}

static bool shows(const struct world *w, const char *text)
{
    return strstr((const char *)w->text.data, text) != NULL;
}

/* Where TEXT begins; it must be there. */
static size_t place(const struct world *w, const char *text)
{
    const char *found = strstr((const char *)w->text.data, text);
    assert_non_null(found);
    return (size_t)(found - (const char *)w->text.data);
}

static void test_everything_is_there(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 4);
    draw(&w, 140, 30, false);
    static const char *const wanted[] = {"InfiniCache host:6378  up 51s  clients 3",
                                         "12:34:56",
                                         "GET 40/s",
                                         "SET 0/s",
                                         "out 2.00 KiB/s",
                                         "in 1.00 KiB/s",
                                         "peak 3.00 KiB/s",
                                         "objects    12  size -",
                                         "held 512 B  of 1.00 KiB",
                                         " 50.0%",
                                         "functions  4  awake 2  asleep 2",
                                         "so far $1.50 ",
                                         "under way $0.250",
                                         "last hour -",
                                         "warm -",
                                         "elsewhere  in 2h30m   ElastiCache $20.00",
                                         "S3 $0.500",
                                         "at most $0.0200",
                                         "budget $2.50  of $3.00/h  level no-warm",
                                         "FUNCTION",
                                         "LEASE",
                                         "q quit"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!shows(&w, wanted[i])) {
            fail_msg("no '%s' in\n%s", wanted[i], w.text.data);
        }
    }
    draw(&w, 140, 30, true);
    assert_true(shows(&w, "\u2588"));
    end(&w);
}

/* The columns' titles end where their figures end. */
static void test_columns_are_aligned(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 2);
    w.view.batch = true;
    draw(&w, 160, ic_top_view_height(&w.data), false);
    const char *title = strstr((const char *)w.text.data, "FUNCTION");
    const char *row = strstr((const char *)w.text.data, "f-1");
    assert_true(title != NULL && row != NULL);
    assert_int_equal(strstr(title, "LIVE") + 4 - title, strstr(row, "10 B") + 4 - row);
    assert_int_equal(strstr(title, "STATE") - title, strstr(row, "active") - row);
    assert_int_equal(strcspn(title, "\n"), strcspn(row, "\n"));
    assert_false(shows(&w, "q quit"));
    end(&w);
}

static void test_every_size(void **state)
{
    (void)state;
    static const int functions[] = {0, 1, 5, 40};
    for (size_t n = 0; n < sizeof functions / sizeof functions[0]; n++) {
        struct world w;
        begin(&w, functions[n]);
        for (int width = 0; width <= 130; width += 1 + width / 20) {
            for (int height = 0; height <= 30; height++) {
                w.view.first = 7;
                w.view.help = (width + height) % 5 == 0;
                draw(&w, width, height, height % 2 == 0);
            }
        }
        end(&w);
    }
}

static void test_small_screens_keep_what_matters(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 9);
    draw(&w, 20, 5, false);
    assert_true(shows(&w, "InfiniCache") && shows(&w, "FUNCTION") && shows(&w, "f-1"));
    assert_false(shows(&w, "requests"));
    draw(&w, 60, 10, false); /* title, three of head, titles, four rows, keys */
    assert_true(shows(&w, "requests") && shows(&w, "f-3") && !shows(&w, "f-4"));
    assert_false(shows(&w, "elsewhere"));
    assert_true(shows(&w, "1-4 of 9"));
    assert_true(shows(&w, "FILL") && !shows(&w, "LEASE"));
    end(&w);
}

static void test_sorting(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 12);
    draw(&w, 120, 40, false);
    assert_true(place(&w, "f-2 ") < place(&w, "f-10 ")); /* the pool's order, not the alphabet's */
    ic_top_view_key(&w.view, IC_TOP_KEY_SORT_RIGHT);
    assert_int_equal(w.view.sort, IC_TOP_COL_STATE);
    draw(&w, 120, 40, false);
    assert_true(place(&w, "f-11 ") < place(&w, "f-0 ")); /* active before asleep */
    ic_top_view_key(&w.view, IC_TOP_KEY_SORT_RIGHT);
    draw(&w, 120, 40, false);
    assert_true(place(&w, "f-11 ") < place(&w, "f-1 ")); /* the fullest first */
    ic_top_view_key(&w.view, IC_TOP_KEY_REVERSE);
    w.data.now.function[0].field[IC_TOP_LIVE] = NAN; /* not known: last in any order */
    draw(&w, 120, 40, false);
    assert_true(place(&w, "f-1 ") < place(&w, "f-11 ") && place(&w, "f-11 ") < place(&w, "f-0 "));
    ic_top_view_key(&w.view, IC_TOP_KEY_SORT_LEFT);
    assert_int_equal(w.view.sort, IC_TOP_COL_STATE);
    assert_false(w.view.reversed);
    draw(&w, 24, 10, false); /* two columns: the next one is the first again */
    ic_top_view_key(&w.view, IC_TOP_KEY_SORT_RIGHT);
    assert_int_equal(w.view.sort, IC_TOP_COL_FUNCTION);
    end(&w);
}

static void test_scrolling(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 20);
    draw(&w, 80, 7, false);
    assert_int_equal(w.view.page, 4);
    static const struct {
        enum ic_top_key key;
        size_t first;
    } steps[] = {{IC_TOP_KEY_UP, 0},       {IC_TOP_KEY_DOWN, 1},    {IC_TOP_KEY_PAGE_DOWN, 5},
                 {IC_TOP_KEY_UP, 4},       {IC_TOP_KEY_PAGE_UP, 0}, {IC_TOP_KEY_PAGE_UP, 0},
                 {IC_TOP_KEY_END, 16},     {IC_TOP_KEY_DOWN, 16},   {IC_TOP_KEY_PAGE_DOWN, 16},
                 {IC_TOP_KEY_PAGE_UP, 12}, {IC_TOP_KEY_HOME, 0},    {IC_TOP_KEY_NONE, 0}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ic_top_view_key(&w.view, steps[i].key);
        draw(&w, 80, 7, false);
        assert_int_equal(w.view.first, steps[i].first);
    }
    ic_top_view_key(&w.view, IC_TOP_KEY_END);
    draw(&w, 80, 7, false);
    assert_true(shows(&w, "f-19") && shows(&w, "17-20 of 20"));
    end(&w);
}

/* The help fits on the smallest terminal that is usual: no line is cut, and none is missing. */
static void test_help_fits(void **state)
{
    (void)state;
    enum { WIDTH = 80, HEIGHT = 24 };
    struct world w;
    begin(&w, 2);
    w.view.help = w.view.batch = true;
    draw(&w, 2 * WIDTH, 2 * HEIGHT, false);
    size_t lines = 0, line = 0;
    for (char *text = strtok((char *)w.text.data, "\n"); text != NULL; text = strtok(NULL, "\n")) {
        size_t len = strlen(text);
        while (len > 0 && text[len - 1] == ' ') {
            len--;
        }
        lines = len > 0 ? line : lines;
        assert_true(line++ == 0 || len <= WIDTH);
    }
    assert_in_range(lines, 10, HEIGHT - 2);
    end(&w);
}

static void test_help_and_trouble(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 2);
    ic_top_view_key(&w.view, IC_TOP_KEY_HELP);
    draw(&w, 100, 30, false);
    assert_true(shows(&w, "reverse the order") && !shows(&w, "f-1"));
    ic_top_view_key(&w.view, IC_TOP_KEY_NONE);
    assert_true(w.view.help);
    ic_top_view_key(&w.view, IC_TOP_KEY_DOWN); /* any key leaves it, and does no more */
    assert_false(w.view.help);
    assert_int_equal(w.view.first, 0);
    ic_top_view_key(&w.view, IC_TOP_KEY_HELP);
    ic_top_view_key(&w.view, IC_TOP_KEY_OTHER);
    assert_false(w.view.help);
    w.view.trouble = "nobody is there";
    draw(&w, 100, 30, false);
    assert_true(shows(&w, "not connected, retrying: nobody is there"));
    assert_true(shows(&w, "f-1")); /* what was known last */
    end(&w);
    ic_top_data_init(&w.data);
    draw(&w, 100, 30, false); /* never connected: nothing is known */
    assert_true(shows(&w, "not connected") && !shows(&w, "FUNCTION"));
    end(&w);
}

static void test_what_a_proxy_may_say(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    strcpy(w.data.now.function[0].name, "\x1b[2Jevil\xff");
    w.data.now.function[0].state[0] = '\0';
    for (size_t i = 0; i < IC_TOP_FIELDS; i++) {
        w.data.now.function[0].field[i] = 1e300;
    }
    draw(&w, 200, 20, false);
    assert_true(shows(&w, "?[2Jevil?") && !shows(&w, "\x1b"));
    end(&w);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 3);
    assert_int_equal(ic_canvas_init(&w.canvas, 80, 24, true), 0);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_top_view_draw(&w.view, &w.data, &w.canvas, ""), IC_ENOMEM);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_everything_is_there),
                                       leak_test(test_columns_are_aligned),
                                       leak_test(test_every_size),
                                       leak_test(test_small_screens_keep_what_matters),
                                       leak_test(test_sorting),
                                       leak_test(test_scrolling),
                                       leak_test(test_help_fits),
                                       leak_test(test_help_and_trouble),
                                       leak_test(test_what_a_proxy_may_say),
                                       leak_test(test_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
