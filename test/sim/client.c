#include "sim/client.h"

#include "sim/report.h"
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    READ_BYTES = 64 << 10,
    RETRY_MS = 500,  /* between two dials, at most */
    PAUSE_MS = 2500, /* of a slow client, at most */
    PAUSES_MAX = 6,  /* of a client that sends in parts */
};

static void dial(struct sim_client *c);
static void make_more(struct sim_client *c);

static bool draw(struct sim_client *c, enum sim_fault fault)
{
    return sim_faults_draw(&c->world->faults, fault);
}

/* What has no answer will have none. */
static void give_up(struct sim_client *c)
{
    struct ic_list *node;
    while ((node = ic_list_pop_front(&c->sent)) != NULL) {
        struct sim_operation *op = IC_CONTAINER(node, struct sim_operation, node);
        sim_operation_give_up(c->world, op);
        free(op);
    }
    c->sent_count = 0;
}

static void hang_up(struct sim_client *c)
{
    ic_stream_free(c->stream);
    c->stream = NULL;
    c->connected = c->leaving = false;
    c->pauses = 0;
    c->in.len = c->out.len = 0;
    ic_timer_stop(&c->sender);
    ic_timer_stop(&c->reader);
    give_up(c);
    ic_timer_start(&c->next, 1 + sim_below(c->world, RETRY_MS));
}

/* ---- sending ---------------------------------------------------------------------- */

static void send_part(struct sim_client *c, size_t len)
{
    if (ic_stream_write(c->stream, ic_slice(c->out.data, len), NULL) < 0) {
        abort();
    }
    ic_buf_consume(&c->out, len);
}

/* All that is left, or a part of it and a pause. */
static void send_rest(void *ctx)
{
    struct sim_client *c = ctx;
    if (c->pauses > 0) {
        c->pauses--;
        send_part(c, (size_t)sim_below(c->world, c->out.len + 1));
        ic_timer_start(&c->sender, sim_below(c->world, PAUSE_MS));
        return;
    }
    send_part(c, c->out.len);
    make_more(c);
}

/* All at once, or in parts, or only one of them. */
static void send_out(struct sim_client *c)
{
    size_t part = (size_t)sim_below(c->world, c->out.len + 1);
    if (draw(c, SIM_FAULT_CLIENT_GONE)) {
        send_part(c, part);
        c->leaving = true;
        ic_timer_start(&c->sender, sim_below(c->world, 50));
    } else if (draw(c, SIM_FAULT_CLIENT_SLOW)) {
        send_part(c, part);
        ic_timer_start(&c->sender, sim_below(c->world, PAUSE_MS));
    } else if (draw(c, SIM_FAULT_CLIENT_PAUSES)) {
        c->pauses = 1 + (uint32_t)sim_below(c->world, PAUSES_MAX);
        send_rest(c);
    } else {
        send_part(c, c->out.len);
        if (draw(c, SIM_FAULT_CLIENT_HALF_CLOSE)) {
            c->leaving = true; /* when the replies have come, see on_closed */
            ic_sim_shutdown(c->stream);
        }
    }
}

static void on_sender(void *ctx)
{
    struct sim_client *c = ctx;
    if (c->leaving) {
        sim_note("leaves in the middle");
        hang_up(c);
    } else {
        send_rest(c);
    }
}

static bool may_make(const struct sim_client *c)
{
    const struct sim_world *w = c->world;
    return c->connected && !c->leaving && !c->idle && c->out.len == 0 && !c->sender.armed &&
           c->sent_count < w->settings.pipeline && w->operations_begun < w->settings.operations;
}

static void make_more(struct sim_client *c)
{
    while (may_make(c)) {
        struct sim_operation *op = sim_operation_new(c->world, &c->out);
        c->world->operations_begun++;
        ic_list_push_back(&c->sent, &op->node);
        c->sent_count++;
        send_out(c);
        if (sim_below(c->world, 3) != 0) {
            break; /* a pause before the next */
        }
    }
    if (!c->idle && !c->next.armed) {
        ic_timer_start(&c->next, 1 + sim_below(c->world, c->world->settings.think_ms));
    }
}

static void on_next(void *ctx)
{
    struct sim_client *c = ctx;
    if (c->stream == NULL) {
        dial(c);
    } else {
        make_more(c);
    }
}

/* ---- receiving -------------------------------------------------------------------- */

static void take_reply(struct sim_client *c, const struct sim_reply *reply)
{
    if (ic_list_empty(&c->sent)) {
        sim_violation("a reply that nobody asked for: %c%.*s", reply->type, (int)reply->text.len,
                      (const char *)reply->text.data);
    }
    struct sim_operation *op = IC_CONTAINER(c->sent.next, struct sim_operation, node);
    sim_operation_answer(c->world, op, reply);
    if (op->replies == 0) {
        ic_list_remove(&op->node);
        c->sent_count--;
        free(op);
    }
}

static size_t room(void *ctx, struct iovec *iov, size_t max)
{
    struct sim_client *c = ctx;
    (void)max;
    if (c->reader.armed || draw(c, SIM_FAULT_CLIENT_SLOW)) {
        if (!c->reader.armed) {
            ic_timer_start(&c->reader, 1 + sim_below(c->world, PAUSE_MS));
        }
        return 0;
    }
    if (ic_buf_reserve(&c->in, READ_BYTES) < 0) {
        abort();
    }
    iov[0] = (struct iovec){.iov_base = c->in.data + c->in.len, .iov_len = READ_BYTES};
    return 1;
}

static void read_on(void *ctx)
{
    struct sim_client *c = ctx;
    ic_stream_resume(c->stream);
}

static void received(void *ctx, size_t len)
{
    struct sim_client *c = ctx;
    struct sim_reply reply[SIM_REPLY_NODES_MAX];
    int64_t taken;
    c->in.len += len;
    while (c->in.len > 0 && (taken = sim_reply_read(ic_buf_slice(&c->in), reply)) != 0) {
        if (taken < 0) {
            sim_violation("not a reply: %.*s", (int)(c->in.len < 80 ? c->in.len : 80),
                          (const char *)c->in.data);
        }
        take_reply(c, reply);
        ic_buf_consume(&c->in, (size_t)taken);
    }
    make_more(c);
}

static void closed(void *ctx, int error)
{
    struct sim_client *c = ctx;
    sim_note("connection closed: %s", ic_error_text(error));
    hang_up(c);
}

static void connected(void *ctx)
{
    struct sim_client *c = ctx;
    c->connected = true;
    make_more(c);
}

static void dial(struct sim_client *c)
{
    static const struct ic_stream_handler handler = {
        .room = room, .received = received, .closed = closed, .connected = connected};
    c->stream = ic_stream_connect(c->loop, "127.0.0.1", SIM_CLIENT_PORT, &handler, c);
    assert(c->stream != NULL);
}

/* ---- life ------------------------------------------------------------------------- */

void sim_client_init(struct sim_client *c, struct sim_world *w, uint32_t index)
{
    char name[32];
    *c = (struct sim_client){.world = w, .loop = ic_loop_new()};
    snprintf(name, sizeof name, "client%u", index);
    ic_sim_set_owner(c->loop, c, name);
    ic_list_init(&c->sent);
    ic_buf_init(&c->out);
    ic_buf_init(&c->in);
    ic_timer_init(&c->next, c->loop, on_next, c);
    ic_timer_init(&c->sender, c->loop, on_sender, c);
    ic_timer_init(&c->reader, c->loop, read_on, c);
    ic_timer_start(&c->next, sim_below(w, RETRY_MS));
}

void sim_client_rest(struct sim_client *c)
{
    c->idle = true;
}

bool sim_client_do(struct sim_client *c, enum sim_operation_kind kind, uint32_t key, uint64_t size)
{
    if (!c->connected || c->leaving) {
        return false;
    }
    struct sim_operation *op = sim_operation_make(c->world, kind, key, size, &c->out);
    ic_list_push_back(&c->sent, &op->node);
    c->sent_count++;
    send_part(c, c->out.len);
    return true;
}

bool sim_client_is_quiet(const struct sim_client *c)
{
    return ic_list_empty(&c->sent) && c->out.len == 0;
}

uint64_t sim_client_waits_since_us(const struct sim_client *c)
{
    return ic_list_empty(&c->sent)
               ? SIM_NEVER
               : IC_CONTAINER(c->sent.next, struct sim_operation, node)->begun_us;
}
