#include "sim/report.h"

#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINES = 400, LINE_BYTES = 240 };

/* The process's, as its standard error is. */
static struct {
    char line[LINES][LINE_BYTES];
    uint64_t count;
} ring;

static void print_line(const char *line)
{
    char text[LINE_BYTES + 1];
    int len = snprintf(text, sizeof text, "%s\n", line);
    ssize_t written = write(STDERR_FILENO, text, (size_t)len);
    (void)written;
}

void sim_note(const char *format, ...)
{
    const struct sim_world *w = sim_world();
    const struct ic_loop *loop = ic_sim_running(w->net);
    uint64_t now_us = sim_now_us(w);
    char *line = ring.line[ring.count++ % LINES];
    int at = snprintf(line, LINE_BYTES, "%6llu.%06llu %-10s ", (unsigned long long)now_us / 1000000,
                      (unsigned long long)now_us % 1000000, loop == NULL ? "-" : ic_sim_name(loop));
    va_list args;
    va_start(args, format);
    vsnprintf(line + at, (size_t)(LINE_BYTES - at), format, args);
    va_end(args);
    if (w->traced) {
        print_line(line);
    }
}

void sim_report_last(void)
{
    const struct sim_world *w = sim_world();
    uint64_t first = ring.count > LINES ? ring.count - LINES : 0;
    for (uint64_t i = w->traced ? ring.count : first; i < ring.count; i++) {
        print_line(ring.line[i % LINES]);
    }
    char text[96];
    snprintf(text, sizeof text, "seed=%llu FAILED: make sim SEED=%llu TRACE=1",
             (unsigned long long)w->seed, (unsigned long long)w->seed);
    print_line(text);
}

void sim_violation(const char *format, ...)
{
    char text[LINE_BYTES * 2] = "VIOLATION: ";
    va_list args;
    va_start(args, format);
    vsnprintf(text + 11, sizeof text - 11, format, args);
    va_end(args);
    sim_note("%s", text);
    sim_report_last();
    print_line(text);
    _exit(1);
}

void *sim_alloc(unsigned long size)
{
    void *block = calloc(1, size == 0 ? 1 : size);
    if (block == NULL) {
        fputs("simulation: out of memory\n", stderr);
        abort();
    }
    return block;
}
