"""What a platform does at its whim and the proxy must live with: second instances of a function,
Invokes that are refused."""
import contextlib
import threading

import pytest
import redis

from harness import noise, wait_until

MB = 1 << 20


def asleep(cluster):
    wait_until(lambda: not any(r["state"] == "busy" for r in cluster.instances()),
               "every node sleeps")


def test_second_instances_are_harmless(new_cluster):
    """Instances that may not be used at once again, and any of several: what is read is right."""
    c = new_cluster(functions=13, options={
        "routing": "random", "reuse-delay": "200ms", "lease": "20ms", "warm-interval": "500ms",
        "code-table": "*:2+4"})
    values = {f"k:{i}": noise(100000 + i, i) for i in range(20)}
    wrong, read, stored = [], [], []

    def load(seed):
        client = c.redis()
        for turn in range(60):
            key = f"k:{(seed * 7 + turn * 3) % len(values)}"
            value = client.get(key)
            if value is None:
                client.set(key, values[key])
                stored.append(key)
            elif value != values[key]:
                wrong.append(key)
            else:
                read.append(key)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    bill = c.bill()
    assert bill["concurrent_starts"] > 0
    assert bill["outcomes"]["ok"] == bill["invocations"], bill["outcomes"]
    assert len(read) > 0
    assert len(read) + len(stored) == 4 * 60, "no request failed"


def needs_all(new_cluster):
    """A cluster whose objects cannot be read without every function: no parity helps out."""
    c = new_cluster(functions=4, options={"lease": "1ms", "warm-interval": "0s",
                                          "code-table": "*:4+0"})
    value = noise(2 * MB)
    assert c.redis().set("k", value)
    return c, c.redis(), value


@pytest.mark.parametrize("order", [{"function": "infinicache-3"}, {}])
def test_a_throttled_function_is_woken_all_the_same(new_cluster, order):
    """Its Invoke is refused five times in a row: the GET that needs it waits, and is served."""
    c, client, value = needs_all(new_cluster)
    asleep(c)
    assert c.local("fail", {**order, "status": 429, "count": 5}) == {"left": 5}
    assert client.get("k") == value
    assert c.local("fail") == {"left": 0}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_other_failures_of_invoke(new_cluster, status):
    c, client, value = needs_all(new_cluster)
    asleep(c)
    assert c.local("fail", {"function": "infinicache-3", "status": status, "count": 1}) == \
        {"left": 1}

    def served():
        with contextlib.suppress(redis.exceptions.ResponseError):
            return client.get("k") == value

    wait_until(served, "it is served again")
    assert c.local("fail") == {"left": 0}


def test_dying_nodes_are_let_go(new_cluster):
    """Reclaimed nodes offer what they hold, on the link they have or on a new one; when the proxy has
    it they end at once, and the proxy knows that they are gone."""
    c = new_cluster(functions=13, options={"lease": "250s", "warm-interval": "0s"})
    client = c.redis()
    value = noise(4 * MB)
    assert client.set("k", value)
    busy = sorted(r["function"] for r in c.instances() if r["state"] == "busy")
    assert len(busy) >= 12
    assert c.reclaim(function=busy[0]) == {"reclaimed": 1}  # offers on the link it has
    wait_until(lambda: client.info("repair")["handover_offers"] == 1, "it has offered")
    assert client.get("k") == value
    client.config_set("lease", "1ms")
    assert client.get("k") == value
    wait_until(lambda: client.get("k") == value and
               sum(r["state"] == "idle" for r in c.instances(busy[1])) == 1, "one sleeps")
    assert c.reclaim(function=busy[1]) == {"reclaimed": 1}  # dials
    wait_until(lambda: client.info("repair")["handover_offers"] == 2, "it has offered, too")
    assert c.logs(1 << 20).count("instance-gone") >= 2
    assert c.logs(1 << 20).count("node-dismissed") == 0
    assert client.get("k") == value
