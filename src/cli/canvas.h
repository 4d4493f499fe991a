/*
 * canvas.h - a rectangle of characters with styles, drawn before a terminal or a file
 * sees it. Whatever lies outside of it is cut off, so any size is safe, 0 by 0 too.
 *
 *   view --text, bar, spark--> cells --ic_canvas_line--> a line of a file
 *                                    '---- cell by cell --> a screen
 */
#ifndef IC_CLI_CANVAS_H
#define IC_CLI_CANVAS_H

#include "base/buf.h"

enum { IC_CANVAS_SIDE_MAX = 8192 };

enum ic_style {
    IC_STYLE_PLAIN,
    IC_STYLE_DIM,    /* words around the figures */
    IC_STYLE_STRONG, /* figures */
    IC_STYLE_TITLE,  /* the bars across: head of the screen, of the table, keys */
    IC_STYLE_CHOSEN, /* within a bar across: the column sorted by */
    IC_STYLE_GOOD,
    IC_STYLE_BUSY,
    IC_STYLE_BAD,
    IC_STYLES,
};

struct ic_cell {
    uint32_t glyph; /* a Unicode character one column wide */
    enum ic_style style;
};

struct ic_canvas {
    int width, height;
    bool utf8;            /* else ASCII alone is drawn */
    struct ic_cell *cell; /* height rows of width */
};

/* Blank. Sides are cut to 0 .. IC_CANVAS_SIDE_MAX. IC_ENOMEM. */
int ic_canvas_init(struct ic_canvas *c, int width, int height, bool utf8) IC_MUST_USE;
void ic_canvas_deinit(struct ic_canvas *c); /* zeroed is fine */

void ic_canvas_fill(struct ic_canvas *c, int row, enum ic_style style); /* blanks across a row */
/* GLYPH, or ASCII where UTF-8 is not to be had. */
void ic_canvas_glyph(struct ic_canvas *c, int row, int column, enum ic_style style, uint32_t glyph,
                     char ascii);
/* Bytes of TEXT that are no printable ASCII appear as '?'. Returns the column after it. */
int ic_canvas_text(struct ic_canvas *c, int row, int column, enum ic_style style, const char *text);
/* The same, right-aligned in WIDTH columns. */
int ic_canvas_right(struct ic_canvas *c, int row, int column, int width, enum ic_style style,
                    const char *text);
/* WIDTH columns of which SHARE (0 .. 1; NAN: none) is filled, to an eighth of a column. */
int ic_canvas_bar(struct ic_canvas *c, int row, int column, int width, double share,
                  enum ic_style style);
/* One of eight heights: SHARE of a column's; nothing for 0 and NAN. */
void ic_canvas_spark(struct ic_canvas *c, int row, int column, double share, enum ic_style style);

/* Appends ROW without trailing blanks and a newline to OUT, in UTF-8. IC_ENOMEM. */
int ic_canvas_line(const struct ic_canvas *c, int row, struct ic_buf *out) IC_MUST_USE;

#endif
