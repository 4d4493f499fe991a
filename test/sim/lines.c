#include "sim/lines.h"

#include "sim/report.h"
#include "sim/world.h"

#include <assert.h>
#include <string.h>

bool __real_ic_window_admit(struct ic_window *w, struct ic_grant *g, enum ic_window_use use,
                            size_t minimum, void (*ready)(void *ctx), void *ctx);
bool __wrap_ic_window_admit(struct ic_window *w, struct ic_grant *g, enum ic_window_use use,
                            size_t minimum, void (*ready)(void *ctx), void *ctx);
bool __real_ic_window_has_room(const struct ic_window *w, enum ic_window_use use, size_t minimum);
bool __wrap_ic_window_has_room(const struct ic_window *w, enum ic_window_use use, size_t minimum);
void __real_ic_window_leave(struct ic_grant *g);
void __wrap_ic_window_leave(struct ic_grant *g);

/* Nobody goes on before one who came sooner for the same use, but who was brought forward. */
static void check(const struct sim_lines *l)
{
    bool waits[IC_WINDOW_USES][2] = {false};
    for (size_t i = 0; i < l->count; i++) {
        const struct ic_grant *g = l->grant[i];
        bool *others = waits[g->use], first = g->in_front;
        if (g->admitted && (others[true] || (others[false] && !first))) {
            sim_violation("somebody who asked for %zu bytes of the window has overtaken another",
                          g->reserved);
        }
        others[first] = others[first] || !g->admitted;
    }
}

bool __wrap_ic_window_admit(struct ic_window *w, struct ic_grant *g, enum ic_window_use use,
                            size_t minimum, void (*ready)(void *ctx), void *ctx)
{
    struct sim_lines *l = &sim_world()->lines;
    bool admitted = __real_ic_window_admit(w, g, use, minimum, ready, ctx);
    if (l->window != w) { /* the process of the old one was killed */
        *l = (struct sim_lines){.window = w};
    }
    assert(l->count < SIM_LINES_MAX);
    l->grant[l->count++] = g;
    l->waited[g->use] += !admitted;
    check(l);
    return admitted;
}

bool __wrap_ic_window_has_room(const struct ic_window *w, enum ic_window_use use, size_t minimum)
{
    bool has_room = __real_ic_window_has_room(w, use, minimum);
    sim_world()->lines.no_room += !has_room;
    return has_room;
}

void __wrap_ic_window_leave(struct ic_grant *g)
{
    struct sim_lines *l = &sim_world()->lines;
    size_t i = 0;
    while (i < l->count && l->grant[i] != g) {
        i++;
    }
    if (i < l->count) {
        l->count--;
        memmove(&l->grant[i], &l->grant[i + 1], (l->count - i) * sizeof *l->grant);
    }
    __real_ic_window_leave(g);
    check(l);
}
