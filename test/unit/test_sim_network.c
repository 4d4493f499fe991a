/* test_sim_network.c - bytes that share a port, and ports that share the proxy's network. */
#include "simulate/network.h"

#include "unit.h"

#include <math.h>

enum { FLOWS = 8 };

struct record {
    struct ic_sim_flow flow;
    int *ended;
    int number;
    double at_us;
    uint64_t *now_us;
};

static void on_done(struct ic_sim_flow *flow)
{
    struct record *r = IC_CONTAINER(flow, struct record, flow);
    r->at_us = (double)*r->now_us;
    (*r->ended)++;
}

static struct record record[FLOWS];
static int ended;
static uint64_t now_us;

static void begin(struct ic_sim_network *n, struct ic_sim_port *p, int i, uint64_t bytes,
                  double wait_us)
{
    record[i] = (struct record){.flow = {.done = on_done}, .ended = &ended, .now_us = &now_us};
    ic_sim_flow_begin(n, &record[i].flow, p, bytes, wait_us, now_us);
}

static void run_until(struct ic_sim_network *n, uint64_t until_us)
{
    uint64_t next_us;
    while ((next_us = ic_sim_network_next(n)) <= until_us) {
        now_us = next_us;
        ic_sim_network_run(n, now_us);
    }
    now_us = until_us;
}

static void start(struct ic_sim_network *n, double bytes_per_s)
{
    ended = 0;
    now_us = 1000;
    ic_sim_network_init(n, bytes_per_s, now_us);
}

static void one_alone(void **state)
{
    (void)state;
    struct ic_sim_network n;
    struct ic_sim_port p;
    start(&n, 1e9);
    ic_sim_port_init(&p, 1e6); /* a byte per microsecond */
    begin(&n, &p, 0, 5000, 300);
    run_until(&n, 6299);
    assert_int_equal(ended, 0);
    run_until(&n, 6300);
    assert_int_equal(ended, 1);
    assert_int_equal(ic_sim_network_next(&n), UINT64_MAX);
    ic_sim_network_deinit(&n);
}

static void a_port_is_shared(void **state)
{
    (void)state;
    struct ic_sim_network n;
    struct ic_sim_port p;
    start(&n, 1e9);
    ic_sim_port_init(&p, 1e6);
    begin(&n, &p, 0, 1000, 0);
    run_until(&n, 1400); /* 600 left */
    begin(&n, &p, 1, 1000, 0);
    run_until(&n, 100000);
    assert_int_equal(ended, 2);
    assert_int_equal((int)record[0].at_us, 2600); /* 600 at half the speed */
    assert_int_equal((int)record[1].at_us, 3000); /* 600 of it with the other, 400 alone */
    ic_sim_network_deinit(&n);
}

static void the_proxy_is_shared(void **state)
{
    (void)state;
    struct ic_sim_network n;
    struct ic_sim_port p[4];
    start(&n, 2e6); /* two ports' worth */
    for (int i = 0; i < 4; i++) {
        ic_sim_port_init(&p[i], 1e6);
        begin(&n, &p[i], i, i == 3 ? 3000 : 1000, 0);
    }
    run_until(&n, 100000);
    assert_int_equal(ended, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal((int)record[i].at_us, 3000); /* half the speed */
    }
    assert_int_equal((int)record[3].at_us, 5000); /* and then its own */
    assert_true(fabs(n.wanted) < 1e-6);
    ic_sim_network_deinit(&n);
}

static void what_is_cancelled_makes_room(void **state)
{
    (void)state;
    struct ic_sim_network n;
    struct ic_sim_port p;
    start(&n, 1e9);
    ic_sim_port_init(&p, 1e6);
    begin(&n, &p, 0, 1000, 0);
    begin(&n, &p, 1, 1000, 0);
    run_until(&n, 2000); /* 500 left of each */
    ic_sim_flow_cancel(&n, &record[1].flow, now_us);
    run_until(&n, 100000);
    assert_int_equal(ended, 1);
    assert_int_equal((int)record[0].at_us, 2500);
    ic_sim_network_deinit(&n);
}

/* Whatever comes and goes, a port carries as many bytes a second as it can. */
static void nothing_is_lost(void **state)
{
    (void)state;
    struct ic_sim_network n;
    struct ic_sim_port p;
    start(&n, 1e9);
    ic_sim_port_init(&p, 1e6);
    uint64_t bytes = 0;
    for (int i = 0; i < FLOWS; i++) {
        begin(&n, &p, i, (uint64_t)(1000 + 137 * i), 0);
        bytes += (uint64_t)(1000 + 137 * i);
        run_until(&n, now_us + (uint64_t)(31 * i));
    }
    run_until(&n, 10000000);
    double last_us = 0;
    for (int i = 0; i < FLOWS; i++) {
        last_us = fmax(last_us, record[i].at_us);
    }
    assert_int_equal(ended, FLOWS);
    assert_true(fabs(last_us - 1000 - (double)bytes) <= FLOWS); /* never idle in between */
    ic_sim_network_deinit(&n);
}

static void no_memory(void **state)
{
    (void)state;
    struct ic_sim_network n;
    struct ic_sim_port p;
    start(&n, 1e9);
    ic_sim_port_init(&p, 1e6);
    ic_alloc_fail_at(1);
    begin(&n, &p, 0, 1, 0);
    assert_true(n.failed);
    ic_sim_network_deinit(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(one_alone),           leak_test(a_port_is_shared),
        leak_test(the_proxy_is_shared), leak_test(what_is_cancelled_makes_room),
        leak_test(nothing_is_lost),     leak_test(no_memory),
    };
    return cmocka_run_group_tests_name("sim_network", tests, NULL, NULL);
}
