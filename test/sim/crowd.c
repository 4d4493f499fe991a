#include "sim/crowd.h"

#include "proxy/window.h"
#include "sim/report.h"
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STEP_MS = 500,
    LEAVES_PERCENT = 3, /* of those that may, each step */
};

static void leave(struct sim_loiterer *l)
{
    ic_timer_stop(&l->step);
    ic_stream_free(l->stream);
    l->stream = NULL;
    l->what = SIM_AWAY;
}

/* ---- sending ---------------------------------------------------------------------- */

static void send_bytes(struct sim_loiterer *l, struct ic_slice bytes)
{
    if (ic_stream_write(l->stream, bytes, NULL) < 0) {
        abort();
    }
}

static void send_command(struct sim_loiterer *l, bool set)
{
    char text[128];
    int len =
        set ? snprintf(text, sizeof text, "*3\r\n$3\r\nSET\r\n$8\r\ncrowd:%02u\r\n$%llu\r\n",
                       l->index, (unsigned long long)l->left)
            : snprintf(text, sizeof text, "*2\r\n$3\r\nGET\r\n$8\r\ncrowd:%02u\r\n", l->index);
    send_bytes(l, ic_slice((const uint8_t *)text, (size_t)len));
}

/* Of the value, as far as it goes. */
static void send_value(struct sim_loiterer *l, uint64_t len)
{
    static const uint8_t bytes[4096];
    len = len < l->left ? len : l->left;
    l->left -= len;
    while (len > 0) {
        size_t part = len < sizeof bytes ? (size_t)len : sizeof bytes;
        send_bytes(l, ic_slice(bytes, part));
        len -= part;
    }
}

static void on_step(void *ctx)
{
    struct sim_loiterer *l = ctx;
    if (!l->stays && sim_below(l->world, 100) < LEAVES_PERCENT) {
        sim_note("has had enough");
        leave(l);
        return;
    }
    if (l->what == SIM_UPLOADING) {
        send_value(l, l->pace < l->left ? l->pace : l->left - 1); /* it never comes to an end */
    } else if (l->what == SIM_READING && l->pace > 0) {
        l->reads = true;
        ic_stream_resume(l->stream);
    }
    ic_timer_start(&l->step, STEP_MS);
}

static void connected(void *ctx)
{
    struct sim_loiterer *l = ctx;
    l->left = l->world->crowd.value_bytes;
    send_command(l, l->what != SIM_READING);
    switch (l->what) {
    case SIM_STORING:
        send_value(l, l->left);
        send_bytes(l, ic_slice_str("\r\n"));
        return;
    case SIM_UNENDED:
        send_value(l, l->left);
        break;
    case SIM_UPLOADING: /* who stays asks for its place at once, not when more has come */
        send_value(l, (l->stays ? (uint64_t)IC_WINDOW_SMALL_BYTES : 0) + 1 +
                          sim_below(l->world, l->left / 8));
        break;
    case SIM_READING:
    case SIM_AWAY:
        break;
    }
    ic_timer_start(&l->step, STEP_MS);
}

/* ---- receiving -------------------------------------------------------------------- */

static size_t room(void *ctx, struct iovec *iov, size_t max)
{
    struct sim_loiterer *l = ctx;
    (void)max;
    if (l->what == SIM_READING && !l->reads) {
        return 0;
    }
    bool all = l->what != SIM_READING || l->pace > SIM_CROWD_READ_BYTES;
    iov[0] = (struct iovec){.iov_base = l->bytes,
                            .iov_len = all ? SIM_CROWD_READ_BYTES : (size_t)l->pace};
    return 1;
}

/* Nothing follows: it has stored, or cannot; or the value is not there. */
static bool is_last_word(const struct sim_loiterer *l)
{
    bool nothing = l->bytes[0] == '-' || (l->bytes[0] == '$' && l->bytes[1] == '-');
    return l->what != SIM_READING || (!l->begun && nothing);
}

static void received(void *ctx, size_t len)
{
    struct sim_loiterer *l = ctx;
    (void)len;
    l->reads = false;
    if (is_last_word(l)) {
        leave(l);
    }
    l->begun = true;
}

static void closed(void *ctx, int error)
{
    sim_note("connection closed: %s", ic_error_text(error));
    leave(ctx);
}

static void come(struct sim_loiterer *l, enum sim_loiter what, uint64_t pace, bool stays)
{
    static const struct ic_stream_handler handler = {
        .room = room, .received = received, .closed = closed, .connected = connected};
    l->what = what;
    l->pace = pace;
    l->stays = stays;
    l->reads = l->begun = false;
    l->stream = ic_stream_connect(l->loop, "127.0.0.1", SIM_CLIENT_PORT, &handler, l);
    assert(l->stream != NULL);
}

/* ---- all of them ------------------------------------------------------------------ */

void sim_crowd_init(struct sim_crowd *c, struct sim_world *w)
{
    c->value_bytes = w->settings.size_max * 2;
    for (uint32_t i = 0; i < SIM_CROWD_MAX; i++) {
        struct sim_loiterer *l = &c->member[i];
        char name[32];
        *l = (struct sim_loiterer){.world = w, .loop = ic_loop_new(), .index = i};
        snprintf(name, sizeof name, "crowd%u", i);
        ic_sim_set_owner(l->loop, l, name);
        ic_timer_init(&l->step, l->loop, on_step, l);
    }
}

void sim_crowd_one(struct sim_crowd *c)
{
    static const enum sim_loiter whats[] = {SIM_STORING, SIM_UPLOADING, SIM_UNENDED, SIM_READING};
    static const uint64_t paces[] = {0, 100, 2000, 40000};
    for (uint32_t i = 0; i < SIM_CROWD_MAX; i++) {
        struct sim_loiterer *l = &c->member[i];
        if (l->what == SIM_AWAY) {
            enum sim_loiter what = whats[sim_below(l->world, 4)];
            come(l, what, paces[sim_below(l->world, 4)], false);
            return;
        }
    }
}

void sim_crowd_some(struct sim_crowd *c, uint32_t most, enum sim_loiter what, uint64_t pace)
{
    for (uint32_t i = 0; i < SIM_CROWD_MAX && most > 0; i++) {
        if (c->member[i].what == SIM_AWAY) {
            come(&c->member[i], what, pace, true);
            most--;
        }
    }
}

void sim_crowd_leave(struct sim_crowd *c)
{
    for (uint32_t i = 0; i < SIM_CROWD_MAX; i++) {
        leave(&c->member[i]);
    }
}

uint32_t sim_crowd_count(const struct sim_crowd *c)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIM_CROWD_MAX; i++) {
        count += c->member[i].what != SIM_AWAY;
    }
    return count;
}
