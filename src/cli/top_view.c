#include "cli/top_view.h"

#include "base/alloc.h"
#include "cli/human.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    GAP = 2,         /* between columns and between figures */
    GUTTER = 11,     /* where the head's figures begin */
    BAR_MIN = 10,    /* columns of a bar in the table */
    BAR_MAX = 30,    /* and of any bar */
    ROWS_WANTED = 4, /* the head leaves out lines before the table has fewer rows */
    PERCENT = 6,     /* columns of "100.0%" */
    NAME_MIN = 8,    /* of a function, for the column's title */
    NAME_SHARE = 3,  /* a name gets at most a third of the width, if there is as much */
    SPARKS_MIN = 8,  /* a graph narrower than this says nothing */
    MESSAGE_MAX = 1100,
};

static const double FILL_HIGH = 0.9; /* of a function's memory: eviction is near */

/* ---- the table's columns ---------------------------------------------------- */

static const struct column {
    const char *title;
    int width;
    int field; /* enum ic_top_field; -1: not a single figure */
    const char *(*write)(double value, char *out);
} columns[IC_TOP_COLUMNS] = {
    [IC_TOP_COL_FUNCTION] = {"FUNCTION", NAME_MIN, -1, NULL},
    [IC_TOP_COL_STATE] = {"STATE", 8, -1, NULL},
    [IC_TOP_COL_FILL] = {"FILL", PERCENT, -1, ic_human_percent},
    [IC_TOP_COL_LIVE] = {"LIVE", 8, IC_TOP_LIVE, ic_human_bytes},
    [IC_TOP_COL_CHUNKS] = {"CHUNKS", 6, IC_TOP_CHUNKS, ic_human_count},
    [IC_TOP_COL_AGE] = {"AGE", 6, IC_TOP_AGE_MS, ic_human_duration},
    [IC_TOP_COL_IDLE] = {"IDLE", 6, IC_TOP_IDLE_MS, ic_human_duration},
    [IC_TOP_COL_INVOCATIONS] = {"INVOKED", 7, IC_TOP_INVOCATIONS, ic_human_count},
    [IC_TOP_COL_BILLED] = {"BILLED", 6, IC_TOP_BILLED_MS, ic_human_duration},
    [IC_TOP_COL_LEASE] = {"LEASE", 6, IC_TOP_LEASE_MS, ic_human_duration},
    [IC_TOP_COL_FAILURES] = {"FAILED", 6, IC_TOP_FAILURES, ic_human_count},
};

/* Who gets room first. */
static const enum ic_top_column by_importance[IC_TOP_COLUMNS] = {
    IC_TOP_COL_FUNCTION, IC_TOP_COL_STATE,  IC_TOP_COL_FILL,     IC_TOP_COL_LIVE,
    IC_TOP_COL_IDLE,     IC_TOP_COL_BILLED, IC_TOP_COL_FAILURES, IC_TOP_COL_INVOCATIONS,
    IC_TOP_COL_CHUNKS,   IC_TOP_COL_AGE,    IC_TOP_COL_LEASE,
};

struct layout {
    int width[IC_TOP_COLUMNS]; /* 0: not shown */
    int bar;                   /* columns of the fill's bar */
};

static int name_width(const struct ic_top_data *d, int width)
{
    size_t longest = NAME_MIN;
    for (size_t i = 0; i < d->now.functions; i++) {
        size_t len = strlen(d->now.function[i].name);
        longest = len > longest ? len : longest;
    }
    int share = width / NAME_SHARE < NAME_MIN ? NAME_MIN : width / NAME_SHARE;
    return (int)longest < share ? (int)longest : share;
}

static struct layout lay_out(struct ic_top_view *v, const struct ic_top_data *d, int width)
{
    struct layout l = {.bar = 0};
    int left = width;
    v->visible = 0;
    for (size_t i = 0; i < IC_TOP_COLUMNS; i++) {
        enum ic_top_column column = by_importance[i];
        int wanted = column == IC_TOP_COL_FUNCTION ? name_width(d, width) : columns[column].width;
        int gap = i == 0 ? 0 : GAP;
        if (i > 0 && left < wanted + gap) {
            break; /* the less important do not jump in */
        }
        l.width[column] = wanted;
        v->visible |= 1u << column;
        left -= wanted + gap;
        if (column == IC_TOP_COL_BILLED && left > BAR_MIN) {
            l.bar = BAR_MIN;
            left -= BAR_MIN + 1;
        }
    }
    if (l.bar > 0 && left > 0) {
        l.bar = l.bar + left < BAR_MAX ? l.bar + left : BAR_MAX;
    }
    return l;
}

/* ---- rows in their order ---------------------------------------------------- */

struct row {
    const struct ic_top_function *function;
    size_t index; /* in the pool */
    double key;   /* NAN: comes last in any order */
    enum ic_top_column sort;
    bool falling;
};

static double key_of(const struct ic_top_function *f, enum ic_top_column sort, size_t index)
{
    if (columns[sort].field >= 0) {
        return f->field[columns[sort].field];
    }
    return sort == IC_TOP_COL_FILL       ? ic_top_fill(f)
           : sort == IC_TOP_COL_FUNCTION ? (double)index
                                         : 0;
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = 0;
    if (a->sort == IC_TOP_COL_STATE) {
        order = strcmp(a->function->state, b->function->state);
    } else if (isnan(a->key) || isnan(b->key)) {
        order = isnan(a->key) - isnan(b->key);
        return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
    } else {
        order = (a->key > b->key) - (a->key < b->key);
    }
    order = a->falling ? -order : order;
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* The functions in V's order; NULL: out of memory. Words rise, figures fall, unless reversed. */
static struct row *sort_rows(const struct ic_top_view *v, const struct ic_top_data *d)
{
    bool words = v->sort == IC_TOP_COL_FUNCTION || v->sort == IC_TOP_COL_STATE;
    struct row *row = ic_calloc(d->now.functions + 1, sizeof *row);
    for (size_t i = 0; row != NULL && i < d->now.functions; i++) {
        row[i] = (struct row){.function = &d->now.function[i],
                              .index = i,
                              .key = key_of(&d->now.function[i], v->sort, i),
                              .sort = v->sort,
                              .falling = words == v->reversed};
    }
    if (row != NULL) {
        qsort(row, d->now.functions, sizeof *row, compare_rows);
    }
    return row;
}

/* ---- the table -------------------------------------------------------------- */

static enum ic_style style_of_state(const char *state)
{
    static const struct {
        const char *state;
        enum ic_style style;
    } known[] = {{"active", IC_STYLE_GOOD}, {"invoking", IC_STYLE_BUSY}, {"leaving", IC_STYLE_BUSY},
                 {"asleep", IC_STYLE_DIM},  {"absent", IC_STYLE_DIM},    {"lost", IC_STYLE_BAD},
                 {"unknown", IC_STYLE_BAD}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(state, known[i].state) == 0) {
            return known[i].style;
        }
    }
    return IC_STYLE_PLAIN;
}

static enum ic_style style_of_fill(double fill)
{
    return fill >= FILL_HIGH ? IC_STYLE_BUSY : IC_STYLE_GOOD;
}

static void draw_titles(const struct ic_top_view *v, const struct layout *l, struct ic_canvas *c,
                        int at)
{
    int column = 0;
    ic_canvas_fill(c, at, IC_STYLE_TITLE);
    for (size_t i = 0; i < IC_TOP_COLUMNS; i++) {
        enum ic_style style = i == v->sort ? IC_STYLE_CHOSEN : IC_STYLE_TITLE;
        if (l->width[i] == 0) {
            continue;
        }
        if (i <= IC_TOP_COL_FILL) {
            ic_canvas_text(c, at, column, style, columns[i].title);
            column += l->width[i] + (i == IC_TOP_COL_FILL && l->bar > 0 ? l->bar + 1 : 0);
        } else {
            column = ic_canvas_right(c, at, column, l->width[i], style, columns[i].title);
        }
        column += GAP;
    }
}

/* TEXT in WIDTH columns, its end left out if it is longer. Returns the column after them. */
static int draw_word(struct ic_canvas *c, int at, int column, int width, enum ic_style style,
                     const char *text)
{
    char cut[IC_TOP_NAME_MAX];
    snprintf(cut, sizeof cut, "%.*s", width, text[0] == '\0' ? "-" : text);
    ic_canvas_text(c, at, column, style, cut);
    return column + width;
}

static void draw_row(const struct ic_top_function *f, const struct layout *l, struct ic_canvas *c,
                     int at)
{
    char text[IC_HUMAN_MAX];
    double fill = ic_top_fill(f);
    int column = draw_word(c, at, 0, l->width[IC_TOP_COL_FUNCTION], IC_STYLE_PLAIN, f->name) + GAP;
    if (l->width[IC_TOP_COL_STATE] > 0) {
        column = draw_word(c, at, column, l->width[IC_TOP_COL_STATE], style_of_state(f->state),
                           f->state) +
                 GAP;
    }
    if (l->bar > 0) {
        column = ic_canvas_bar(c, at, column, l->bar, fill, style_of_fill(fill)) + 1;
    }
    for (size_t i = IC_TOP_COL_FILL; i < IC_TOP_COLUMNS; i++) {
        if (l->width[i] > 0) {
            double value = i == IC_TOP_COL_FILL ? fill : f->field[columns[i].field];
            bool bad = i == IC_TOP_COL_FAILURES && value > 0;
            column =
                ic_canvas_right(c, at, column, l->width[i], bad ? IC_STYLE_BAD : IC_STYLE_PLAIN,
                                columns[i].write(value, text)) +
                GAP;
        }
    }
}

static int draw_table(struct ic_top_view *v, const struct ic_top_data *d, struct ic_canvas *c,
                      int from, int rows)
{
    struct layout l = lay_out(v, d, c->width);
    struct row *row = sort_rows(v, d);
    if (row == NULL) {
        return IC_ENOMEM;
    }
    v->page = rows < 1 ? 1 : (size_t)rows;
    size_t last = d->now.functions > v->page ? d->now.functions - v->page : 0;
    v->first = v->first > last ? last : v->first;
    draw_titles(v, &l, c, from);
    for (int i = 0; i < rows && v->first + (size_t)i < d->now.functions; i++) {
        draw_row(row[v->first + (size_t)i].function, &l, c, from + 1 + i);
    }
    ic_free(row);
    return 0;
}

/* ---- the head --------------------------------------------------------------- */

/* A line of the head being written. */
struct pen {
    struct ic_canvas *canvas;
    const struct ic_top_data *data;
    int row, column;
};

static void begin_line(struct pen *p, const char *label)
{
    ic_canvas_text(p->canvas, p->row, 0, IC_STYLE_DIM, label);
    p->column = GUTTER;
}

/* "label value unit", left out if it does not fit; the unit also where there is no value. WIDTH:
 * the value's columns at least, so that what follows stands still. */
static void add(struct pen *p, const char *label, const char *value, const char *unit, int width)
{
    unit = strcmp(value, "-") == 0 ? "" : unit;
    int value_len = (int)strlen(value), unit_len = (int)strlen(unit);
    int label_len = label[0] == '\0' ? 0 : (int)strlen(label) + 1;
    if (p->column + label_len + value_len + unit_len > p->canvas->width) {
        return;
    }
    int column = ic_canvas_text(p->canvas, p->row, p->column, IC_STYLE_DIM, label);
    column += label[0] == '\0' ? 0 : 1;
    int end = ic_canvas_text(p->canvas, p->row, column, IC_STYLE_STRONG, value);
    end = ic_canvas_text(p->canvas, p->row, end, IC_STYLE_PLAIN, unit);
    p->column = (end < column + width ? column + width : end) + GAP;
}

static double figure(const struct pen *p, enum ic_top_figure which)
{
    return p->data->now.figure[which];
}

static void draw_requests(struct pen *p)
{
    enum { WIDTH = 8 };
    char text[IC_HUMAN_MAX];
    begin_line(p, "requests");
    add(p, "GET", ic_human_rate(p->data->gets_per_s, text), "/s", WIDTH);
    add(p, "SET", ic_human_rate(p->data->sets_per_s, text), "/s", WIDTH);
    add(p, "hits now", ic_human_percent(p->data->hit_ratio, text), "", PERCENT);
    add(p, "since start", ic_human_percent(p->data->hit_ratio_ever, text), "", PERCENT);
}

/* The last samples that fit, the youngest on the right, each as high as its share of the most. */
static void draw_sparks(struct pen *p)
{
    enum { PEAK = 16 }; /* "peak 1.21 GiB/s" */
    const struct ic_top_data *d = p->data;
    char text[IC_HUMAN_MAX];
    int room = p->canvas->width - p->column - PEAK - GAP;
    size_t shown = room < 0 ? 0 : (size_t)room;
    shown = shown < IC_TOP_TRAFFIC ? shown : IC_TOP_TRAFFIC;
    if (shown < SPARKS_MIN) {
        return;
    }
    double most = 0;
    size_t count = d->traffic_count < shown ? d->traffic_count : shown;
    const double *traffic = d->traffic + d->traffic_count - count;
    for (size_t i = 0; i < count; i++) {
        most = traffic[i] > most ? traffic[i] : most; /* never true of NAN */
    }
    for (size_t i = 0; i < count; i++) {
        ic_canvas_spark(p->canvas, p->row, p->column + (int)(shown - count + i),
                        most > 0 ? traffic[i] / most : 0, IC_STYLE_GOOD);
    }
    p->column += (int)shown + GAP;
    add(p, "peak", ic_human_bytes(most, text), "/s", 0);
}

static void draw_traffic(struct pen *p)
{
    enum { WIDTH = 10 };
    char text[IC_HUMAN_MAX];
    begin_line(p, "traffic");
    add(p, "out", ic_human_bytes(p->data->out_per_s, text), "/s", WIDTH);
    add(p, "in", ic_human_bytes(p->data->in_per_s, text), "/s", WIDTH);
    draw_sparks(p);
}

static void draw_objects(struct pen *p)
{
    char text[IC_HUMAN_MAX];
    double capacity = figure(p, IC_TOP_CAPACITY_BYTES), live = figure(p, IC_TOP_LIVE_BYTES);
    double share = capacity > 0 ? live / capacity : NAN;
    begin_line(p, "objects");
    add(p, "", ic_human_count(figure(p, IC_TOP_OBJECTS), text), "", 0);
    add(p, "size", ic_human_bytes(figure(p, IC_TOP_OBJECT_BYTES), text), "", 0);
    add(p, "held", ic_human_bytes(live, text), "", 0);
    add(p, "of", ic_human_bytes(capacity, text), "", 0);
    int room = p->canvas->width - p->column - PERCENT - 1;
    if (room >= BAR_MIN) {
        room = room < BAR_MAX ? room : BAR_MAX;
        p->column = ic_canvas_bar(p->canvas, p->row, p->column, room, share, style_of_fill(share));
        p->column++;
    }
    add(p, "", ic_human_percent(share, text), "", 0);
}

/* How many functions are in each state that occurs. */
static void draw_functions(struct pen *p)
{
    static const char *const states[] = {"active", "asleep",  "invoking", "leaving",
                                         "absent", "unknown", "lost"};
    const struct ic_top_sample *s = &p->data->now;
    char text[IC_HUMAN_MAX];
    begin_line(p, "functions");
    add(p, "", ic_human_count((double)s->functions, text), "", 0);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        size_t count = 0;
        for (size_t k = 0; k < s->functions; k++) {
            count += strcmp(s->function[k].state, states[i]) == 0;
        }
        if (count > 0 || i == 0) {
            add(p, i == 0 ? "awake" : states[i], ic_human_count((double)count, text), "", 0);
        }
    }
}

static void add_dollars(struct pen *p, const char *label, enum ic_top_figure which)
{
    enum { WIDTH = 9 };
    char text[IC_HUMAN_MAX];
    add(p, label, ic_human_dollars(figure(p, which), text), "", WIDTH);
}

static void draw_cost(struct pen *p)
{
    begin_line(p, "cost");
    add_dollars(p, "so far", IC_TOP_DOLLARS);
    add_dollars(p, "under way", IC_TOP_DOLLARS_OUTSTANDING);
    add_dollars(p, "last hour", IC_TOP_DOLLARS_LAST_HOUR);
    add_dollars(p, "a GET", IC_TOP_DOLLARS_PER_GET);
    add_dollars(p, "a GB", IC_TOP_DOLLARS_PER_GB);
}

static void draw_causes(struct pen *p)
{
    begin_line(p, "of which");
    add_dollars(p, "serve", IC_TOP_DOLLARS_SERVE);
    add_dollars(p, "warm", IC_TOP_DOLLARS_WARM);
    add_dollars(p, "backup", IC_TOP_DOLLARS_BACKUP);
    add_dollars(p, "repair", IC_TOP_DOLLARS_REPAIR);
    add_dollars(p, "transfer", IC_TOP_DOLLARS_TRANSFER);
    if (figure(p, IC_TOP_DOLLARS_UNREPORTED) > 0) {
        add_dollars(p, "not reported, at most", IC_TOP_DOLLARS_UNREPORTED);
    }
}

/* What the same service would have cost in the time in which cost was counted, and the budget if
 * there is one. */
static void draw_alternatives(struct pen *p)
{
    enum { WIDTH = 6 };
    static const double hour_ms = 3600e3;
    char text[IC_HUMAN_MAX];
    begin_line(p, "elsewhere");
    add(p, "in", ic_human_duration(figure(p, IC_TOP_HOURS) * hour_ms, text), "", WIDTH);
    add_dollars(p, "ElastiCache", IC_TOP_DOLLARS_ELASTICACHE);
    add_dollars(p, "S3 Express", IC_TOP_DOLLARS_S3_EXPRESS);
    if (figure(p, IC_TOP_BUDGET) > 0) {
        add(p, "budget", ic_human_dollars(figure(p, IC_TOP_BUDGET_SPENT), text), "", 0);
        add(p, "of", ic_human_dollars(figure(p, IC_TOP_BUDGET), text), "/h", 0);
        add(p, "level", p->data->now.budget_level, "", 0);
    }
    add_dollars(p, "S3", IC_TOP_DOLLARS_S3);
    add_dollars(p, "Serverless", IC_TOP_DOLLARS_SERVERLESS);
}

static void draw_nothing(struct pen *p)
{
    (void)p; /* air between head and table */
}

/* In their order on the screen; RANK: the higher is left out first. */
static const struct head_line {
    int rank;
    void (*draw)(struct pen *p);
} head_lines[] = {
    {0, draw_requests}, {2, draw_traffic}, {1, draw_objects},      {3, draw_functions},
    {4, draw_cost},     {6, draw_causes},  {5, draw_alternatives}, {7, draw_nothing},
};

enum { HEAD_LINES = sizeof head_lines / sizeof head_lines[0] };

/* Draws the LINES most important ones from row FROM. */
static void draw_head(const struct ic_top_data *d, struct ic_canvas *c, int from, int lines)
{
    struct pen p = {.canvas = c, .data = d, .row = from};
    for (size_t i = 0; i < HEAD_LINES; i++) {
        if (head_lines[i].rank < lines) {
            head_lines[i].draw(&p);
            p.row++;
        }
    }
}

/* ---- across the screen ------------------------------------------------------ */

/* Whole seconds, as the proxy counts them, then as any duration. */
static const char *write_uptime(double s, char out[IC_HUMAN_MAX])
{
    enum { MINUTE = 60 };
    if (!(s >= 0 && s < MINUTE)) {
        return ic_human_duration(s * 1000, out);
    }
    snprintf(out, IC_HUMAN_MAX, "%.0fs", s);
    return out;
}

static void draw_title(const struct ic_top_view *v, const struct ic_top_data *d,
                       struct ic_canvas *c, const char *wall)
{
    char text[MESSAGE_MAX], uptime[IC_HUMAN_MAX], clients[IC_HUMAN_MAX];
    if (v->trouble != NULL) {
        snprintf(text, sizeof text, "not connected, retrying: %s", v->trouble);
        ic_canvas_fill(c, 0, IC_STYLE_BAD);
        ic_canvas_text(c, 0, 0, IC_STYLE_BAD, text);
        return;
    }
    snprintf(text, sizeof text, "InfiniCache %.300s  up %s  clients %s", v->server,
             write_uptime(d->now.figure[IC_TOP_UPTIME_S], uptime),
             ic_human_count(d->now.figure[IC_TOP_CLIENTS], clients));
    ic_canvas_fill(c, 0, IC_STYLE_TITLE);
    int end = ic_canvas_text(c, 0, 0, IC_STYLE_TITLE, text), len = (int)strlen(wall);
    if (end + GAP + len <= c->width) {
        ic_canvas_text(c, 0, c->width - len, IC_STYLE_TITLE, wall);
    }
}

static void draw_keys(const struct ic_top_view *v, const struct ic_top_data *d, struct ic_canvas *c,
                      int at)
{
    char text[MESSAGE_MAX];
    size_t end = v->first + v->page < d->now.functions ? v->first + v->page : d->now.functions;
    ic_canvas_fill(c, at, IC_STYLE_TITLE);
    int column = ic_canvas_text(c, at, 0, IC_STYLE_TITLE, "q quit  h help  < > sort  r reverse");
    if (d->now.functions > v->page) {
        snprintf(text, sizeof text, "%zu-%zu of %zu", v->first + 1, end, d->now.functions);
        int len = (int)strlen(text);
        if (column + GAP + len <= c->width) {
            ic_canvas_text(c, at, c->width - len, IC_STYLE_TITLE, text);
        }
    }
}

static void draw_help(struct ic_canvas *c, int from)
{
    static const char *const lines[] = {
        "",
        "  Up Down PgUp PgDn Home End   move through the functions",
        "  < >  or  s                   sort by another column",
        "  r                            reverse the order",
        "  h ?                          this help; any key leaves it",
        "  q                            quit",
        "",
        "  GET and SET count every command that reads or writes values; traffic is that",
        "  of all clients but this one. Cost so far is what the platform has reported,",
        "  which it does when an invocation ends; under way is what the others would cost",
        "  if they ended now. - is what the proxy does not say.",
        "",
        "  FILL    live bytes of what the instance can hold",
        "  AGE     since it was first heard of",
        "  IDLE    since it was last asked for a chunk",
        "  BILLED  by the platform's report",
        "  FAILED  crashes, and invocations that never ran",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ic_canvas_text(c, from + (int)i, 0, IC_STYLE_PLAIN, lines[i]);
    }
}

/* ---- all of it -------------------------------------------------------------- */

int ic_top_view_height(const struct ic_top_data *d)
{
    return 1 + HEAD_LINES + 1 + (int)d->now.functions;
}

/* Lines of head that leave the table ROWS_WANTED rows, or as many as there are functions. */
static int head_room(const struct ic_top_data *d, int body)
{
    int wanted = d->now.functions < ROWS_WANTED ? (int)d->now.functions : ROWS_WANTED;
    int room = body - 1 - wanted;
    return room < 0 ? 0 : room > HEAD_LINES ? HEAD_LINES : room;
}

int ic_top_view_draw(struct ic_top_view *v, const struct ic_top_data *d, struct ic_canvas *c,
                     const char *wall)
{
    int keys = v->batch || c->height < 3 ? 0 : 1;
    int body = c->height - 1 - keys; /* below the title */
    int result = 0;
    draw_title(v, d, c, wall);
    if (v->help) {
        draw_help(c, 1);
    } else if (d->known) {
        int head = head_room(d, body);
        draw_head(d, c, 1, head);
        result = draw_table(v, d, c, 1 + head, body - head - 1);
    }
    if (keys > 0) {
        draw_keys(v, d, c, c->height - 1);
    }
    return result;
}

/* The next visible column, STEP (1 or -1) from the one sorted by, around the ends. */
static void sort_by_neighbour(struct ic_top_view *v, int step)
{
    int column = (int)v->sort;
    for (int i = 0; i < IC_TOP_COLUMNS; i++) {
        column = (column + step + IC_TOP_COLUMNS) % IC_TOP_COLUMNS;
        if ((v->visible >> column & 1) != 0) {
            break;
        }
    }
    v->sort = (enum ic_top_column)column;
    v->reversed = false;
    v->first = 0;
}

void ic_top_view_key(struct ic_top_view *v, enum ic_top_key key)
{
    if (v->help && key != IC_TOP_KEY_NONE) {
        v->help = false;
        return;
    }
    switch (key) {
    case IC_TOP_KEY_NONE:
    case IC_TOP_KEY_OTHER:
        break;
    case IC_TOP_KEY_UP:
        v->first -= v->first > 0;
        break;
    case IC_TOP_KEY_DOWN:
        v->first++; /* drawing keeps it within bounds */
        break;
    case IC_TOP_KEY_PAGE_UP:
        v->first -= v->first < v->page ? v->first : v->page;
        break;
    case IC_TOP_KEY_PAGE_DOWN:
        v->first += v->page;
        break;
    case IC_TOP_KEY_HOME:
        v->first = 0;
        break;
    case IC_TOP_KEY_END:
        v->first = IC_TOP_FUNCTIONS_MAX;
        break;
    case IC_TOP_KEY_SORT_LEFT:
        sort_by_neighbour(v, -1);
        break;
    case IC_TOP_KEY_SORT_RIGHT:
        sort_by_neighbour(v, 1);
        break;
    case IC_TOP_KEY_REVERSE:
        v->reversed = !v->reversed;
        break;
    case IC_TOP_KEY_HELP:
        v->help = true;
        break;
    }
}
