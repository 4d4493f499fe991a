/*
 * top_view.h - what `infinicache top` looks like: its data drawn on a canvas of any size,
 * and what keys do to the view. Pure: no terminal, no clock.
 *
 *   InfiniCache 127.0.0.1:6378  up 3h05m            every 1 s     one line across
 *   requests   GET 1204/s  SET 12/s  hits 98.2%                  head: as much as fits
 *   FUNCTION        STATE   FILL               LIVE  USED         one line across
 *   infinicache-0   active  #####.....  52.0%  96 MiB 1.2s        rows: sorted, scrolled
 *   q quit  s sort  r reverse  h help                             one line across
 */
#ifndef IC_CLI_TOP_VIEW_H
#define IC_CLI_TOP_VIEW_H

#include "cli/canvas.h"
#include "cli/top_data.h"

enum ic_top_column {
    IC_TOP_COL_FUNCTION,
    IC_TOP_COL_STATE,
    IC_TOP_COL_FILL,
    IC_TOP_COL_LIVE,
    IC_TOP_COL_CHUNKS,
    IC_TOP_COL_AGE,
    IC_TOP_COL_IDLE,
    IC_TOP_COL_INVOCATIONS,
    IC_TOP_COL_BILLED,
    IC_TOP_COL_LEASE,
    IC_TOP_COL_FAILURES,
    IC_TOP_COLUMNS,
};

enum ic_top_key {
    IC_TOP_KEY_NONE,
    IC_TOP_KEY_UP,
    IC_TOP_KEY_DOWN,
    IC_TOP_KEY_PAGE_UP,
    IC_TOP_KEY_PAGE_DOWN,
    IC_TOP_KEY_HOME,
    IC_TOP_KEY_END,
    IC_TOP_KEY_SORT_LEFT,
    IC_TOP_KEY_SORT_RIGHT,
    IC_TOP_KEY_REVERSE,
    IC_TOP_KEY_HELP,
    IC_TOP_KEY_OTHER, /* one that means nothing; NONE: there was none */
};

/* Zeroed but for the first three: by function, in the pool's order, from the top. */
struct ic_top_view {
    const char *server;  /* borrowed: "127.0.0.1:6378" */
    const char *trouble; /* borrowed: why there is no connection; NULL: there is one */
    bool batch;          /* for a file: no line of keys */
    enum ic_top_column sort;
    bool reversed;
    bool help;
    size_t first;     /* row shown at the top; drawing keeps it within bounds */
    size_t page;      /* rows the last drawing had room for */
    unsigned visible; /* columns it had room for, a bit each */
};

/* A view of a pool with as many functions, for which nothing is left out but columns. */
int ic_top_view_height(const struct ic_top_data *d);
/* Draws; WALL is the time of day as text. IC_ENOMEM: what was drawn so far. */
int ic_top_view_draw(struct ic_top_view *v, const struct ic_top_data *d, struct ic_canvas *c,
                     const char *wall) IC_MUST_USE;
/* KEY's effect: to be drawn next. */
void ic_top_view_key(struct ic_top_view *v, enum ic_top_key key);

#endif
