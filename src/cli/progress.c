#include "cli/progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    DRAW_EVERY_MS = 100,
    COLUMNS_DEFAULT = 80,
    TEXT_COLUMNS = 52, /* all but label and bar */
    LABEL_COLUMNS = 24,
    BAR_MAX = 60,
};

static int columns(void)
{
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : COLUMNS_DEFAULT;
}

static void fill_bar(char bar[BAR_MAX + 1], double share)
{
    int width = columns() - TEXT_COLUMNS - LABEL_COLUMNS;
    width = width < 0 ? 0 : width > BAR_MAX ? BAR_MAX : width;
    int filled = (int)(share * width);
    memset(bar, '=', (size_t)filled);
    memset(bar + filled, ' ', (size_t)(width - filled));
    bar[width] = '\0';
}

static void draw(struct ic_progress *p, uint64_t now_ms)
{
    char bar[BAR_MAX + 1];
    double mib = 1024.0 * 1024.0;
    double rate = (double)p->done / mib * 1000.0 / (double)(now_ms - p->begun_ms + 1);
    p->drawn_ms = now_ms;
    if (p->share >= 0) {
        fill_bar(bar, p->share);
        fprintf(stderr, "\r%-*.*s  [%s] %3d %%\033[K", LABEL_COLUMNS, LABEL_COLUMNS, p->label, bar,
                (int)(p->share * 100));
        return;
    }
    if (p->total == 0) {
        fprintf(stderr, "\r%-.*s  %.1f MiB  %.1f MiB/s\033[K", LABEL_COLUMNS, p->label,
                (double)p->done / mib, rate);
        return;
    }
    fill_bar(bar, (double)p->done / (double)p->total);
    fprintf(stderr, "\r%-.*s  [%s] %3d %%  %.1f of %.1f MiB  %.1f MiB/s\033[K", LABEL_COLUMNS,
            p->label, bar, (int)((double)p->done * 100.0 / (double)p->total), (double)p->done / mib,
            (double)p->total / mib, rate);
}

void ic_progress_init(struct ic_progress *p, const char *label, uint64_t total, bool wanted)
{
    *p = (struct ic_progress){
        .label = label,
        .total = total,
        .begun_ms = ic_clock_mono_ms(),
        .share = -1,
        .shown = wanted && isatty(STDERR_FILENO) == 1,
    };
}

static void draw_at_times(struct ic_progress *p)
{
    uint64_t now_ms = p->shown ? ic_clock_mono_ms() : 0;
    if (p->shown && now_ms - p->drawn_ms >= DRAW_EVERY_MS) {
        draw(p, now_ms);
    }
}

void ic_progress_add(struct ic_progress *p, uint64_t bytes)
{
    p->done += bytes;
    draw_at_times(p);
}

void ic_progress_share(struct ic_progress *p, const char *label, double share)
{
    p->label = label;
    p->share = share;
    draw_at_times(p);
}

void ic_progress_end(struct ic_progress *p)
{
    if (p->shown) {
        draw(p, ic_clock_mono_ms());
        fputc('\n', stderr);
        p->shown = false;
    }
}
