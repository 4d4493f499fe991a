#define _GNU_SOURCE /* ppoll */
/*
 * top.c - `infinicache top`: asks the proxy once an interval and shows what it says, on the
 * terminal or, in batch mode, as plain text. The only file that knows of ncurses.
 *
 *   fetch --top_data--> figures --top_view--> canvas --> screen | standard output
 *     ^ keys work while a reply is awaited, too        (keys, window size, signals)
 *
 * The screen is left the same way whatever ends it: signals are held back until then.
 */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/endpoint.h"
#include "cli/options.h"
#include "cli/resp_client.h"
#include "cli/signals.h"
#include "cli/top_view.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS /* its functions: the macros do not survive -Wconversion */
#include <curses.h>
#include <term.h>

enum {
    INTERVAL_DEFAULT_MS = 1000,
    INTERVAL_MIN_MS = 100,
    INTERVAL_MAX_MS = 3600 * 1000,
    STALL_MS = 5000, /* a proxy that says nothing for so long counts as not connected */
    BATCH_COLUMNS = 160,
    CLOCK_MAX = 64,
    SERVER_MAX = IC_ENDPOINT_TEXT_MAX + 16,
};

struct top {
    struct ic_endpoint endpoint;
    uint64_t interval_ms, count; /* count 0: until it is ended */
    bool batch;
    struct ic_resp_client *client; /* NULL: not connected */
    struct ic_resp_traffic before; /* over connections that are closed */
    struct ic_resp_traffic asked;  /* in all, until the last command's reply began */
    struct ic_top_data data;
    struct ic_top_view view;
    uint64_t frames;
    bool quit;
    char server[SERVER_MAX];
    char why[IC_RESP_CLIENT_WHY_MAX];
    /* ---- the screen */
    SCREEN *screen; /* NULL: batch mode */
    int signals;    /* readable when a held one came */
    bool colour;
};

static void print_help(void)
{
    puts("usage: infinicache top [OPTIONS]\n\n"
         "Shows a running InfiniCache: requests, hits and traffic, what is stored, what it costs,\n"
         "and each function with its state, memory and bill. Asks the proxy alone.\n"
         "Keys: q quits; arrows, PgUp, PgDn, Home, End move; < > or s choose the column to sort\n"
         "by, r reverses; h or ? explains.\n"
         "Exit status: 0, or 2 if the proxy did not answer in the end.\n\n"
         "  --interval TIME       between two looks, from 100ms to 1h; default: 1s\n"
         "  --count N             ends after N looks\n"
         "  --batch, -b           plain text to standard output, whole tables one after another;\n"
         "                        the default when standard output or input is no "
         "terminal\n" IC_ENDPOINT_HELP);
}

/* ---- asking the proxy ------------------------------------------------------- */

static bool keep_waiting(void *ctx);

static int connect_client(struct top *t)
{
    const struct ic_resp_wait wait = {.stall_ms = STALL_MS, .go_on = keep_waiting, .ctx = t};
    return ic_resp_client_open(t->endpoint.host, t->endpoint.port, t->endpoint.password, &wait,
                               &t->client, t->why);
}

static void disconnect(struct top *t)
{
    if (t->client != NULL) {
        struct ic_resp_traffic here = ic_resp_client_traffic(t->client);
        t->before.sent += here.sent;
        t->before.received += here.received;
        ic_resp_client_close(t->client);
        t->client = NULL;
    }
}

/* Asks for WORDS and gives the reply to READ. */
static int ask(struct top *t, const char *const *words, size_t count, struct ic_top_sample *s,
               int (*read)(struct ic_top_sample *s, struct ic_slice reply))
{
    struct ic_buf reply;
    ic_buf_init(&reply);
    int result = ic_resp_client_command(t->client, words, count, NULL, t->why);
    struct ic_resp_traffic here = ic_resp_client_traffic(t->client);
    t->asked = (struct ic_resp_traffic){.sent = t->before.sent + here.sent,
                                        .received = t->before.received + here.received};
    if (result >= 0) {
        result = ic_resp_client_reply(t->client, &reply, IC_TOP_REPLY_MAX, t->why);
    }
    if (result >= 0) {
        result = read(s, ic_buf_slice(&reply));
        if (result < 0) {
            snprintf(t->why, sizeof t->why, "the answer to %s is no such thing: %s", words[0],
                     ic_error_text(result));
        }
    }
    ic_buf_deinit(&reply);
    return result;
}

/* A new sample, over a new connection if need be. On failure there is none, and `why` says so. */
static int fetch(struct top *t)
{
    static const char *const info[] = {"INFO", "everything"}, *const pool[] = {"IC.POOL"};
    struct ic_top_sample s;
    int result = t->client == NULL ? connect_client(t) : 0;
    ic_top_sample_init(&s, ic_clock_mono_ms());
    if (result >= 0) {
        result = ask(t, info, sizeof info / sizeof info[0], &s, ic_top_sample_info);
        ic_top_sample_leave_out(&s, t->asked.sent, t->asked.received);
    }
    if (result >= 0) {
        result = ask(t, pool, sizeof pool / sizeof pool[0], &s, ic_top_sample_pool);
    }
    if (result >= 0) {
        ic_top_data_take(&t->data, &s);
        t->view.trouble = NULL;
    } else {
        disconnect(t);
        t->view.trouble = t->why;
    }
    ic_top_sample_deinit(&s);
    t->frames++;
    return result;
}

/* "every 1 s  14:03:59" */
static void write_clock(const struct top *t, char out[CLOCK_MAX])
{
    time_t now = (time_t)(ic_clock_wall_ms() / 1000);
    struct tm local;
    char text[16] = "";
    if (localtime_r(&now, &local) != NULL) {
        strftime(text, sizeof text, "%H:%M:%S", &local);
    }
    snprintf(out, CLOCK_MAX, "every %g s  %s", (double)t->interval_ms / 1000, text);
}

/* ---- batch mode ------------------------------------------------------------- */

/* One frame to standard output. */
static int print_frame(struct top *t)
{
    struct ic_canvas c;
    struct ic_buf text;
    char clock[CLOCK_MAX];
    write_clock(t, clock);
    ic_buf_init(&text);
    int result = ic_canvas_init(&c, BATCH_COLUMNS, ic_top_view_height(&t->data), false);
    if (result == 0) {
        result = ic_top_view_draw(&t->view, &t->data, &c, clock);
    }
    for (int row = 0; row < c.height && result == 0; row++) {
        result = ic_canvas_line(&c, row, &text);
    }
    if (result == 0) {
        result = ic_buf_append(&text, "\n", 1);
    }
    if (result == 0 && (fwrite(text.data, 1, text.len, stdout) < text.len || fflush(stdout) != 0)) {
        snprintf(t->why, sizeof t->why, "cannot write to standard output: %s", strerror(errno));
        result = IC_EIO;
    } else if (result < 0) {
        snprintf(t->why, sizeof t->why, "%s", ic_error_text(result));
    }
    ic_canvas_deinit(&c);
    ic_buf_deinit(&text);
    return result;
}

static bool is_last(const struct top *t)
{
    return t->count > 0 && t->frames >= t->count;
}

static int run_batch(struct top *t)
{
    while (true) {
        uint64_t next_ms = ic_clock_mono_ms() + t->interval_ms;
        int result = fetch(t);
        if (result == 0) {
            result = print_frame(t);
            if (result < 0) {
                return ic_cli_fail("top: %s", t->why);
            }
        } else if (result == IC_EAUTH || is_last(t)) {
            return ic_cli_fail("top: %s", t->why);
        } else {
            ic_cli_fail("top: not connected, retrying: %s", t->why);
        }
        if (is_last(t)) {
            return IC_CLI_DONE;
        }
        for (uint64_t now_ms; (now_ms = ic_clock_mono_ms()) < next_ms;) {
            (void)poll(NULL, 0, (int)(next_ms - now_ms));
        }
    }
}

/* ---- the screen ------------------------------------------------------------- */

static attr_t attributes(const struct top *t, enum ic_style style, short *pair)
{
    static const attr_t with_colour[IC_STYLES] = {
        [IC_STYLE_PLAIN] = A_NORMAL, [IC_STYLE_DIM] = A_NORMAL,  [IC_STYLE_STRONG] = A_BOLD,
        [IC_STYLE_TITLE] = A_NORMAL, [IC_STYLE_CHOSEN] = A_BOLD, [IC_STYLE_GOOD] = A_NORMAL,
        [IC_STYLE_BUSY] = A_NORMAL,  [IC_STYLE_BAD] = A_BOLD};
    static const attr_t without[IC_STYLES] = {[IC_STYLE_PLAIN] = A_NORMAL,
                                              [IC_STYLE_DIM] = A_DIM,
                                              [IC_STYLE_STRONG] = A_BOLD,
                                              [IC_STYLE_TITLE] = A_REVERSE,
                                              [IC_STYLE_CHOSEN] = A_REVERSE | A_BOLD,
                                              [IC_STYLE_GOOD] = A_NORMAL,
                                              [IC_STYLE_BUSY] = A_BOLD,
                                              [IC_STYLE_BAD] = A_BOLD};
    *pair = t->colour ? (short)(style + 1) : 0;
    return t->colour ? with_colour[style] : without[style];
}

static void start_colours(struct top *t)
{
    static const short pairs[IC_STYLES][2] = {
        [IC_STYLE_PLAIN] = {-1, -1},
        [IC_STYLE_DIM] = {COLOR_CYAN, -1},
        [IC_STYLE_STRONG] = {-1, -1},
        [IC_STYLE_TITLE] = {COLOR_BLACK, COLOR_GREEN},
        [IC_STYLE_CHOSEN] = {COLOR_BLACK, COLOR_CYAN},
        [IC_STYLE_GOOD] = {COLOR_GREEN, -1},
        [IC_STYLE_BUSY] = {COLOR_YELLOW, -1},
        [IC_STYLE_BAD] = {COLOR_RED, -1},
    };
    t->colour = has_colors() && getenv("NO_COLOR") == NULL && start_color() == OK &&
                use_default_colors() == OK && COLOR_PAIRS > IC_STYLES;
    for (short i = 0; i < IC_STYLES && t->colour; i++) {
        init_pair((short)(i + 1), pairs[i][0], pairs[i][1]);
    }
}

/* Held from here on; the window's change of size comes while we wait for keys, nowhere else. */
static void hold_signals(struct top *t, int how)
{
    sigset_t resize;
    sigemptyset(&resize);
    sigaddset(&resize, SIGWINCH);
    sigprocmask(how, &resize, NULL);
    if (how == SIG_BLOCK) {
        ic_signals_hold();
        t->signals = ic_signals_descriptor();
    } else {
        close(t->signals); /* what was held ends the process in ic_cli_top */
    }
}

/* newterm finds that out as well, but then leaves memory behind. */
static bool is_terminal_known(void)
{
    int found;
    if (setupterm(NULL, STDOUT_FILENO, &found) != OK) {
        return false;
    }
    del_curterm(cur_term);
    return true;
}

/* As newterm, which would have SIGINT and SIGTERM end the process with a status of its own. */
static SCREEN *make_screen(void)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    enum { COUNT = sizeof numbers / sizeof numbers[0] };
    struct sigaction before[COUNT];
    for (int i = 0; i < COUNT; i++) {
        sigaction(numbers[i], NULL, &before[i]);
    }
    SCREEN *screen = is_terminal_known() ? newterm(NULL, stdout, stdin) : NULL;
    for (int i = 0; i < COUNT; i++) {
        sigaction(numbers[i], &before[i], NULL);
    }
    return screen;
}

static int open_screen(struct top *t)
{
    hold_signals(t, SIG_BLOCK);
    t->screen = make_screen();
    if (t->screen == NULL) {
        hold_signals(t, SIG_UNBLOCK);
        const char *type = getenv("TERM");
        snprintf(t->why, sizeof t->why,
                 "no terminal of type '%.100s' is known here; --batch needs none",
                 type == NULL ? "" : type);
        return IC_EINVAL;
    }
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    start_colours(t);
    return 0;
}

static void close_screen(struct top *t)
{
    endwin();
    delscreen(t->screen);
    t->screen = NULL;
    hold_signals(t, SIG_UNBLOCK);
}

static void show_cell(const struct top *t, int row, int column, const struct ic_cell *cell)
{
    short pair;
    cchar_t complex;
    const wchar_t text[] = {(wchar_t)cell->glyph, L'\0'};
    attr_t attribute = attributes(t, cell->style, &pair);
    if (setcchar(&complex, text, attribute, pair, NULL) == OK) {
        mvadd_wch(row, column, &complex);
    }
}

static int draw_screen(struct top *t)
{
    struct ic_canvas c;
    char clock[CLOCK_MAX];
    int height = getmaxy(stdscr), width = getmaxx(stdscr);
    write_clock(t, clock);
    int result = ic_canvas_init(&c, width, height, strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
    if (result == 0) {
        result = ic_top_view_draw(&t->view, &t->data, &c, clock);
    }
    for (int i = 0; i < c.width * c.height; i++) {
        show_cell(t, i / c.width, i % c.width, &c.cell[i]);
    }
    ic_canvas_deinit(&c);
    refresh();
    return result;
}

/* ---- keys ------------------------------------------------------------------- */

static enum ic_top_key meaning(int key)
{
    static const struct {
        int key;
        enum ic_top_key meaning;
    } keys[] = {
        {KEY_UP, IC_TOP_KEY_UP},          {KEY_DOWN, IC_TOP_KEY_DOWN},
        {KEY_PPAGE, IC_TOP_KEY_PAGE_UP},  {KEY_NPAGE, IC_TOP_KEY_PAGE_DOWN},
        {KEY_HOME, IC_TOP_KEY_HOME},      {KEY_END, IC_TOP_KEY_END},
        {'<', IC_TOP_KEY_SORT_LEFT},      {'>', IC_TOP_KEY_SORT_RIGHT},
        {KEY_LEFT, IC_TOP_KEY_SORT_LEFT}, {KEY_RIGHT, IC_TOP_KEY_SORT_RIGHT},
        {'s', IC_TOP_KEY_SORT_RIGHT},     {'r', IC_TOP_KEY_REVERSE},
        {KEY_RESIZE, IC_TOP_KEY_NONE},    {'h', IC_TOP_KEY_HELP},
        {'?', IC_TOP_KEY_HELP},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].key == key) {
            return keys[i].meaning;
        }
    }
    return IC_TOP_KEY_OTHER;
}

/* Does what the keys pressed so far say, and shows it if there were any. */
static void take_keys(struct top *t)
{
    int key;
    bool any = false;
    while ((key = getch()) != ERR) {
        any = true; /* KEY_RESIZE too: ncurses knows the new size by now */
        t->quit |= key == 'q' || key == 'Q';
        ic_top_view_key(&t->view, meaning(key));
    }
    if (any && !t->quit) {
        (void)draw_screen(t); /* without memory: as the next look will find */
    }
}

/* Between two pieces of a reply: the user is not made to wait for the proxy. */
static bool keep_waiting(void *ctx)
{
    struct top *t = ctx;
    if (t->screen != NULL) {
        take_keys(t);
    }
    return !t->quit;
}

/* Waits for a key, another window size or a signal, or until UNTIL_MS. */
static void wait_for_input(struct top *t, uint64_t until_ms)
{
    uint64_t now_ms = ic_clock_mono_ms(), left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    struct timespec left = {.tv_sec = (time_t)(left_ms / 1000),
                            .tv_nsec = (long)(left_ms % 1000) * 1000000};
    struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                         {.fd = t->signals, .events = POLLIN}};
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigdelset(&mask, SIGWINCH);
    int count = ppoll(p, sizeof p / sizeof p[0], &left, &mask);
    bool hung_up = count > 0 && (p[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    t->quit |= hung_up || ic_signals_arrived();
    if (count != 0 && !t->quit) {
        take_keys(t);
    }
}

static int run_screen(struct top *t)
{
    int result = open_screen(t), looked = 0;
    if (result < 0) {
        return ic_cli_fail("top: %s", t->why);
    }
    while (!t->quit && result == 0) {
        uint64_t next_ms = ic_clock_mono_ms() + t->interval_ms;
        looked = fetch(t);
        result = looked == IC_EAUTH ? looked : draw_screen(t);
        if (is_last(t)) {
            break;
        }
        while (!t->quit && result == 0 && ic_clock_mono_ms() < next_ms) {
            wait_for_input(t, next_ms);
        }
    }
    close_screen(t);
    if (result < 0) {
        return ic_cli_fail("top: %s", result == IC_EAUTH ? t->why : ic_error_text(result));
    }
    return t->count > 0 && looked < 0 && !t->quit ? ic_cli_fail("top: %s", t->why) : IC_CLI_DONE;
}

/* ---- the command ------------------------------------------------------------ */

static int run(struct top *t, const struct ic_endpoint_options *o)
{
    if (ic_endpoint_find(o, &t->endpoint, t->why) < 0) {
        return ic_cli_fail("top: %s", t->why);
    }
    snprintf(t->server, sizeof t->server, "%s:%s", t->endpoint.host, t->endpoint.port);
    bool terminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    t->batch |= !terminal;
    t->view = (struct ic_top_view){.server = t->server, .batch = t->batch};
    ic_top_data_init(&t->data);
    setlocale(LC_CTYPE, "");
    int status = t->batch ? run_batch(t) : run_screen(t);
    disconnect(t);
    ic_top_data_deinit(&t->data);
    return status;
}

int ic_cli_top(int argc, char **argv)
{
    struct ic_endpoint_options endpoint = {.host = NULL};
    struct top t = {.interval_ms = INTERVAL_DEFAULT_MS, .signals = -1};
    const char *interval = NULL, *count = NULL;
    const struct ic_option options[] = {{"interval", &interval},
                                        {"count", &count},
                                        {"batch", NULL},
                                        IC_ENDPOINT_OPTIONS(endpoint),
                                        {NULL, NULL}};
    t.batch = ic_options_flag(&argc, argv, "--batch", "-b");
    int words = ic_options_read(options, argc, argv, print_help);
    if (words < 0) {
        return words == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    }
    if (words > 0) {
        return ic_cli_fail("top: unexpected argument '%s'", argv[1]);
    }
    if (ic_option_time(argv[0], "interval", interval, &t.interval_ms) != 0 ||
        ic_option_number(argv[0], "count", count, 1, INT64_MAX, &t.count) != 0) {
        return IC_CLI_FAILED;
    }
    if (t.interval_ms < INTERVAL_MIN_MS || t.interval_ms > INTERVAL_MAX_MS) {
        return ic_option_complain(argv[0], "interval", interval, "a time from 100ms to 1h");
    }
    int status = run(&t, &endpoint);
    ic_signals_release();
    return status;
}
