/* test_canvas.c - drawing inside, across and outside of a canvas's edges; UTF-8 and ASCII. */
#include "cli/canvas.h"

#include "unit.h"

#include <math.h>

/* Row 0 of C as it would be printed, without its newline. */
static const char *line(const struct ic_canvas *c, int row)
{
    static char text[200];
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(ic_canvas_line(c, row, &out), 0);
    assert_true(out.len > 0 && out.len <= sizeof text && out.data[out.len - 1] == '\n');
    memcpy(text, out.data, out.len);
    text[out.len - 1] = '\0';
    ic_buf_deinit(&out);
    return text;
}

static void test_text_is_cut_at_the_edges(void **state)
{
    (void)state;
    struct ic_canvas c;
    assert_int_equal(ic_canvas_init(&c, 6, 2, false), 0);
    assert_int_equal(ic_canvas_text(&c, 0, 1, IC_STYLE_BAD, "ab"), 3);
    assert_string_equal(line(&c, 0), " ab");
    assert_int_equal(c.cell[1].style, IC_STYLE_BAD);
    assert_int_equal(c.cell[3].style, IC_STYLE_PLAIN);
    ic_canvas_text(&c, 0, 3, IC_STYLE_PLAIN, "cdefgh");
    assert_string_equal(line(&c, 0), " abcde");
    assert_string_equal(line(&c, 1), "");
    ic_canvas_text(&c, -1, 0, IC_STYLE_PLAIN, "x");
    ic_canvas_text(&c, 2, 0, IC_STYLE_PLAIN, "x");
    ic_canvas_text(&c, 1, -2, IC_STYLE_PLAIN, "xyz");
    assert_string_equal(line(&c, 1), "z");
    ic_canvas_text(&c, 1, 0, IC_STYLE_PLAIN, "\x1b[\n\xc3\xa9");
    assert_string_equal(line(&c, 1), "?[???");
    ic_canvas_fill(&c, 1, IC_STYLE_TITLE);
    assert_string_equal(line(&c, 1), "");
    assert_int_equal(ic_canvas_right(&c, 1, 1, 4, IC_STYLE_PLAIN, "42"), 5);
    assert_string_equal(line(&c, 1), "   42");
    assert_int_equal(ic_canvas_right(&c, 1, 0, 2, IC_STYLE_PLAIN, "1234"), 4);
    ic_canvas_deinit(&c);
}

static void test_bars_and_sparks(void **state)
{
    (void)state;
    struct ic_canvas c;
    assert_int_equal(ic_canvas_init(&c, 4, 8, true), 0);
    assert_int_equal(ic_canvas_bar(&c, 0, 0, 4, 0.5, IC_STYLE_GOOD), 4);
    assert_string_equal(line(&c, 0), "\u2588\u2588\u2591\u2591");
    ic_canvas_bar(&c, 1, 0, 4, 0.2, IC_STYLE_GOOD); /* 6.4 eighths: 7 of them */
    assert_string_equal(line(&c, 1), "\u2589\u2591\u2591\u2591");
    ic_canvas_bar(&c, 2, 0, 4, 7, IC_STYLE_GOOD);
    assert_string_equal(line(&c, 2), "\u2588\u2588\u2588\u2588");
    ic_canvas_bar(&c, 3, 0, 4, NAN, IC_STYLE_GOOD);
    assert_string_equal(line(&c, 3), "\u2591\u2591\u2591\u2591");
    ic_canvas_bar(&c, 4, 2, 40, 1, IC_STYLE_GOOD);
    assert_string_equal(line(&c, 4), "  \u2588\u2588");
    const double heights[] = {0, 0.01, 0.5, 1};
    for (int i = 0; i < 4; i++) {
        ic_canvas_spark(&c, 5, i, heights[i], IC_STYLE_GOOD);
    }
    assert_string_equal(line(&c, 5), " \u2581\u2584\u2588");
    ic_canvas_glyph(&c, 6, 0, IC_STYLE_PLAIN, 0xe9, 'e');
    assert_string_equal(line(&c, 6), "\u00e9");
    c.utf8 = false;
    ic_canvas_bar(&c, 7, 0, 4, 0.4, IC_STYLE_GOOD);
    assert_string_equal(line(&c, 7), "#=..");
    ic_canvas_fill(&c, 7, IC_STYLE_PLAIN);
    ic_canvas_spark(&c, 7, 0, 1, IC_STYLE_GOOD);
    assert_string_equal(line(&c, 7), "#");
    ic_canvas_deinit(&c);
}

static void test_sizes(void **state)
{
    (void)state;
    struct ic_canvas c;
    assert_int_equal(ic_canvas_init(&c, 0, 0, true), 0);
    ic_canvas_text(&c, 0, 0, IC_STYLE_PLAIN, "nowhere");
    ic_canvas_bar(&c, 0, 0, 10, 1, IC_STYLE_PLAIN);
    ic_canvas_deinit(&c);
    assert_int_equal(ic_canvas_init(&c, -5, 1, true), 0);
    assert_int_equal(c.width, 0);
    assert_string_equal(line(&c, 0), "");
    ic_canvas_deinit(&c);
    assert_int_equal(ic_canvas_init(&c, INT32_MAX, 1, true), 0);
    assert_int_equal(c.width, IC_CANVAS_SIDE_MAX);
    ic_canvas_deinit(&c);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_canvas c;
    struct ic_buf out;
    ic_alloc_fail_at(1);
    assert_int_equal(ic_canvas_init(&c, 3, 3, true), IC_ENOMEM);
    ic_canvas_text(&c, 0, 0, IC_STYLE_PLAIN, "nothing happens");
    ic_canvas_deinit(&c);
    assert_int_equal(ic_canvas_init(&c, 3, 3, true), 0);
    ic_canvas_text(&c, 0, 0, IC_STYLE_PLAIN, "abc");
    ic_buf_init(&out);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_canvas_line(&c, 0, &out), IC_ENOMEM);
    ic_buf_deinit(&out);
    ic_canvas_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_text_is_cut_at_the_edges),
                                       leak_test(test_bars_and_sparks), leak_test(test_sizes),
                                       leak_test(test_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
