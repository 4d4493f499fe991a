#include "cli/canvas.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>

enum {
    EIGHTHS = 8,
    BLOCK_FULL = 0x2588,
    BLOCK_LEFT_EIGHTH = 0x258f,  /* up to seven eighths backwards: 0x2589 */
    BLOCK_LOWER_EIGHTH = 0x2581, /* up to eight eighths: 0x2588 */
    SHADE = 0x2591,
};

static int side(int wanted)
{
    return wanted < 0 ? 0 : wanted > IC_CANVAS_SIDE_MAX ? IC_CANVAS_SIDE_MAX : wanted;
}

int ic_canvas_init(struct ic_canvas *c, int width, int height, bool utf8)
{
    *c = (struct ic_canvas){.width = side(width), .height = side(height), .utf8 = utf8};
    size_t cells = (size_t)c->width * (size_t)c->height;
    c->cell = ic_calloc(cells == 0 ? 1 : cells, sizeof *c->cell);
    if (c->cell == NULL) {
        c->width = c->height = 0;
        return IC_ENOMEM;
    }
    for (int row = 0; row < c->height; row++) {
        ic_canvas_fill(c, row, IC_STYLE_PLAIN);
    }
    return 0;
}

void ic_canvas_deinit(struct ic_canvas *c)
{
    ic_free(c->cell);
    *c = (struct ic_canvas){.width = 0};
}

static void put(struct ic_canvas *c, int row, int column, enum ic_style style, uint32_t glyph)
{
    if (row >= 0 && row < c->height && column >= 0 && column < c->width) {
        c->cell[(size_t)row * (size_t)c->width + (size_t)column] =
            (struct ic_cell){.glyph = glyph, .style = style};
    }
}

void ic_canvas_fill(struct ic_canvas *c, int row, enum ic_style style)
{
    for (int column = 0; column < c->width; column++) {
        put(c, row, column, style, ' ');
    }
}

void ic_canvas_glyph(struct ic_canvas *c, int row, int column, enum ic_style style, uint32_t glyph,
                     char ascii)
{
    put(c, row, column, style, c->utf8 ? glyph : (uint32_t)ascii);
}

int ic_canvas_text(struct ic_canvas *c, int row, int column, enum ic_style style, const char *text)
{
    for (; *text != '\0' && column < c->width; text++) {
        bool printable = *text >= ' ' && *text <= '~';
        put(c, row, column++, style, printable ? (uint32_t)*text : '?');
    }
    return column;
}

int ic_canvas_right(struct ic_canvas *c, int row, int column, int width, enum ic_style style,
                    const char *text)
{
    int len = (int)strlen(text);
    ic_canvas_text(c, row, len < width ? column + width - len : column, style, text);
    return column + (len < width ? width : len);
}

static double between_0_and_1(double share)
{
    return isnan(share) || share < 0 ? 0 : share > 1 ? 1 : share;
}

int ic_canvas_bar(struct ic_canvas *c, int row, int column, int width, double share,
                  enum ic_style style)
{
    share = between_0_and_1(share);
    int filled = (int)ceil(share * width * EIGHTHS); /* a little is something */
    for (int i = 0; i < width; i++, filled -= EIGHTHS) {
        if (filled >= EIGHTHS) {
            ic_canvas_glyph(c, row, column + i, style, BLOCK_FULL, '#');
        } else if (filled > 0) {
            ic_canvas_glyph(c, row, column + i, style, (uint32_t)(BLOCK_LEFT_EIGHTH + 1 - filled),
                            '=');
        } else {
            ic_canvas_glyph(c, row, column + i, IC_STYLE_DIM, SHADE, '.');
        }
    }
    return column + width;
}

void ic_canvas_spark(struct ic_canvas *c, int row, int column, double share, enum ic_style style)
{
    static const char ascii[EIGHTHS + 1] = "_.,-=+*#";
    int level = (int)ceil(between_0_and_1(share) * EIGHTHS);
    if (level > 0) {
        ic_canvas_glyph(c, row, column, style, (uint32_t)(BLOCK_LOWER_EIGHTH + level - 1),
                        ascii[level - 1]);
    }
}

/* GLYPH in UTF-8 (at most three bytes: the glyphs here are below U+10000). */
static int append_glyph(struct ic_buf *out, uint32_t glyph)
{
    uint8_t bytes[3];
    size_t len = 0;
    assert(glyph < 0x10000);
    if (glyph < 0x80) {
        bytes[len++] = (uint8_t)glyph;
    } else if (glyph < 0x800) {
        bytes[len++] = (uint8_t)(0xc0 | glyph >> 6);
        bytes[len++] = (uint8_t)(0x80 | (glyph & 0x3f));
    } else {
        bytes[len++] = (uint8_t)(0xe0 | glyph >> 12);
        bytes[len++] = (uint8_t)(0x80 | (glyph >> 6 & 0x3f));
        bytes[len++] = (uint8_t)(0x80 | (glyph & 0x3f));
    }
    return ic_buf_append(out, bytes, len);
}

int ic_canvas_line(const struct ic_canvas *c, int row, struct ic_buf *out)
{
    assert(row >= 0 && row < c->height);
    const struct ic_cell *cell = c->cell + (size_t)row * (size_t)c->width;
    int end = c->width, result = 0;
    while (end > 0 && cell[end - 1].glyph == ' ') {
        end--;
    }
    for (int column = 0; column < end && result == 0; column++) {
        result = append_glyph(out, cell[column].glyph);
    }
    return result < 0 ? result : ic_buf_append(out, "\n", 1);
}
