"""An instance that the platform ends in good order hands over what nobody else has: reclaimed one
by one, functions take nothing with them, without any repair; killed, they take all."""
import random
import signal
import threading
import urllib.request

import pytest
import redis

from harness import alive, measures_memory, noise, wait_until
from test_faults import chunks_of, flip_byte, functions_of
from test_pool_full import books_agree, pool_rows

KB = 1 << 10
MB = 1 << 20

# Nothing comes back by repair, and no warm-up finds out what is gone.
ALONE = {"repair": "off", "warm-interval": "0s", "lease": "300ms"}


def figures(client):
    info = client.info("repair")
    return {k[len("handover_"):]: v for k, v in info.items() if k.startswith("handover_")}


def states(client, key):
    return [c["state"] for c in chunks_of(client, key)]


def whole(client, key):
    chunks = chunks_of(client, key)
    functions = {c["function"] for c in chunks}
    return all(c["state"] == "held" for c in chunks) and len(functions) == len(chunks)


def instance_of(cluster, function):
    return [r["instance"] for r in cluster.instances(function)]


def reclaim(cluster, client, function):
    """The platform takes the instance of FUNCTION back; returns when the proxy has the offer, the
    instance is gone and nothing is being moved any more."""
    # A node that is saying BYE when it is ended has no time to offer: BYE_OK ends it.
    wait_until(lambda: all(r["state"] in ("asleep", "absent") for r in pool_rows(client)
                           if r["function"] == function), f"{function} sleeps")
    offers = figures(client)["offers"]
    before = instance_of(cluster, function)
    assert cluster.reclaim(function=function) == {"reclaimed": len(before)} and before
    wait_until(lambda: figures(client)["offers"] > offers, f"{function} has offered")
    wait_until(lambda: not set(before) & set(instance_of(cluster, function)), f"{function} is gone")
    wait_until(lambda: sum(r["planned"] + r["in_flight"] for r in pool_rows(client)) == 0,
               "what it handed over has arrived")


SIZES = [0, 1000, 300 * KB, 5 * MB + 17]


def store_all(client):
    values = {f"k{size}": noise(size, size) for size in SIZES}
    for key, value in values.items():
        client.set(key, value)
    return values


@pytest.mark.parametrize("asleep", [True, False], ids=["asleep", "serving"])
@pytest.mark.parametrize("options", [{}, {"window-memory": "2mb", "unit-size": "4kb"},
                                     {"functions": 12}], ids=["normal", "tiny", "exact"])
def test_reclaimed_one_by_one(new_cluster, options, asleep):
    """Many more functions than any object survives at once, with nothing lost."""
    options = dict(options)
    lease = "5ms" if asleep else "3s"
    cluster = new_cluster(functions=options.pop("functions", 14),
                          options={**ALONE, "lease": lease, **options})
    client = cluster.redis()
    values = store_all(client)
    order = [c["function"] for c in chunks_of(client, "k%d" % SIZES[-1])]
    for function in order[:8]:
        if asleep:
            wait_until(lambda: all(r["state"] == "idle" for r in cluster.instances(function)),
                       f"{function} sleeps")
        reclaim(cluster, client, function)
        for key in values:
            wait_until(lambda: whole(client, key), f"{key} is whole")
    client.config_set("lease", "5ms")  # a node tells what it holds when it leaves
    for key, value in values.items():
        assert client.get(key) == value
    now = figures(client)
    assert now["offers"] == 8 and now["chunks"] >= 8 and now["left"] == 0
    assert now["bytes"] >= 8 * (5 * MB // 10)
    stats = client.info("stats")
    assert stats["ic_purged_keys"] == 0 and client.info("repair")["repair_done"] == 0
    wait_until(lambda: books_agree(client), "the books agree with the nodes")


def test_a_restart_knows_the_new_places(new_cluster):
    cluster = new_cluster(functions=14, options=ALONE)
    client = cluster.redis()
    value = noise(5 * MB)
    client.set("k", value)
    for function in [c["function"] for c in chunks_of(client, "k")][:4]:
        reclaim(cluster, client, function)
        wait_until(lambda: whole(client, "k"), "k is whole")
    places = [c["function"] for c in chunks_of(client, "k")]
    cluster.kill("proxy")
    cluster.up()
    client = cluster.redis()
    assert client.get("k") == value
    assert [c["function"] for c in chunks_of(client, "k")] == places
    wait_until(lambda: whole(client, "k"), "k is whole after the restart")


def test_killed_they_hand_nothing_over(new_cluster):
    cluster = new_cluster(functions=14, options={**ALONE, "warm-interval": "500ms"})
    client = cluster.redis()
    value = noise(5 * MB)
    client.set("k", value)
    lost = client.info("repair")["lost_chunks"]
    cluster.kill_instances(functions_of(client, "k", (0, 1)))
    wait_until(lambda: client.info("repair")["lost_chunks"] >= lost + 2, "two chunks are lost")
    assert client.get("k") == value
    assert states(client, "k").count("lost") == 2
    assert figures(client) == {"offers": 0, "chunks": 0, "bytes": 0, "left": 0}


def test_the_last_chunks_come_first(new_cluster):
    """With p chunks lost the next reclaim would end the object: its chunk is taken over."""
    cluster = new_cluster(functions=14, options={**ALONE, "warm-interval": "500ms"})
    client = cluster.redis()
    value = noise(5 * MB)
    client.set("k", value)
    functions = [c["function"] for c in chunks_of(client, "k")]
    cluster.kill_instances(functions[:2])
    wait_until(lambda: states(client, "k").count("lost") == 2, "two chunks are lost")
    for function in functions[2:6]:
        reclaim(cluster, client, function)
        wait_until(lambda: states(client, "k").count("held") == 10, "ten chunks are held")
        assert client.get("k") == value
    assert figures(client)["left"] == 0 and client.info("stats")["ic_purged_keys"] == 0


def test_wrong_bytes_are_not_taken(new_cluster):
    cluster = new_cluster(functions=14, options={**ALONE, "lease": "5ms"})
    client = cluster.redis()
    value = noise(5 * MB)
    client.set("k", value)
    [function] = functions_of(client, "k", (0,))
    [row] = cluster.instances(function)
    wait_until(lambda: all(r["state"] == "idle" for r in cluster.instances(function)), "it sleeps")
    assert flip_byte(row["pid"], value[300:332]) == 1
    reclaim(cluster, client, function)
    wait_until(lambda: states(client, "k").count("lost") == 1, "its chunk is lost")
    assert figures(client) == {"offers": 1, "chunks": 0, "bytes": 0, "left": 1}
    assert client.get("k") == value
    # Read back, what others handed over is right.
    for chunk in (1, 2):
        reclaim(cluster, client, functions_of(client, "k", (chunk,))[0])
    assert client.get("k") == value and figures(client)["chunks"] == 2


@measures_memory
def test_a_pool_nearly_full(new_cluster):
    """What finds room is taken over, nothing is evicted for it, the books stay even."""
    cluster = new_cluster(functions=4, memory="128mb",
                          options={**ALONE, "code-table": "*:2+1", "lease": "5ms"})
    client = cluster.redis()
    value, keys = noise(6 * MB), []
    while min(r["room"] for r in pool_rows(client)) > 8 * MB:
        keys.append(f"k{len(keys)}")
        client.set(keys[-1], value)
    before = figures(client)
    reclaim(cluster, client, pool_rows(client)[0]["function"])
    taken = figures(client)
    assert taken["chunks"] + taken["left"] > before["chunks"] + before["left"]
    assert taken["left"] > 0, "it did not find room for all"
    assert client.info("stats")["evicted_keys"] == 0
    for key in keys:
        assert client.get(key) == value
        assert states(client, key).count("lost") <= 1
    wait_until(lambda: books_agree(client), "the books agree with the nodes")


def test_everything_at_once(new_cluster):
    """Nothing can be handed over to anybody who stays; but nothing hangs, and it goes on."""
    cluster = new_cluster(functions=14, options={**ALONE, "lease": "5ms"})
    client = cluster.redis()
    values = store_all(client)
    before = {r["instance"] for r in cluster.instances()}
    assert cluster.reclaim(share=1.0, seed=1) == {"reclaimed": len(before)}
    wait_until(lambda: not before & {r["instance"] for r in cluster.instances()}, "all are gone")
    wait_until(lambda: sum(r["planned"] + r["in_flight"] for r in pool_rows(client)) == 0,
               "nothing is being moved")
    for key, value in values.items():
        assert client.get(key) in (None, value)
        client.set(key, value)
        assert client.get(key) == value
    wait_until(lambda: books_agree(client), "the books agree with the nodes")


def test_under_traffic(new_cluster):
    """Reclaims amid reads, overwrites and deletes: what is read is right, and nothing stays that
    nobody wants."""
    cluster = new_cluster(functions=16, options={**ALONE, "lease": "20ms"})
    client = cluster.redis()
    base = noise(3 * MB)
    sizes = {f"k{i}": 200 * KB + i * 100 * KB for i in range(12)}
    for key, size in sizes.items():
        client.set(key, base[:size])
    client.set("stays", base)
    finished, wrong = threading.Event(), []

    def worker(seed):
        own, dice = cluster.redis(), random.Random(seed)
        while not finished.is_set():
            key = dice.choice(list(sizes))
            try:
                if dice.random() < 0.2:
                    own.delete(key)
                else:
                    own.set(key, base[:sizes[key]])
                key = dice.choice(list(sizes))
                found = own.get(key)
                if own.get("stays") != base:
                    wrong.append("stays")
            except redis.exceptions.ResponseError:
                continue
            if found is not None and found != base[:sizes[key]]:
                wrong.append(key)

    threads = [threading.Thread(target=worker, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    try:
        for function in [c["function"] for c in chunks_of(client, "stays")][:6]:
            if instance_of(cluster, function):
                reclaim_amid_traffic(cluster, client, function)
    finally:
        finished.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert client.get("stays") == base
    assert figures(client)["chunks"] > 0
    client.delete(*sizes)

    def all_is_deleted():  # DELETEs go out when a function serves; new keys go to all of them
        client.set(f"other{client.dbsize()}", base[:MB])
        return sum(r["condemned"] for r in pool_rows(client)) == 0

    wait_until(all_is_deleted, "what died is deleted")
    wait_until(lambda: books_agree(client), "the books agree with the nodes")


def reclaim_amid_traffic(cluster, client, function):
    before = set(instance_of(cluster, function))
    cluster.reclaim(function=function)
    wait_until(lambda: not before & set(instance_of(cluster, function)), f"{function} is gone")
    wait_until(lambda: states(client, "stays").count("writing") == 0, "it has arrived")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_the_proxy_ends_meanwhile(new_cluster, sig):
    cluster = new_cluster(functions=14, options={**ALONE, "lease": "5ms"})
    client = cluster.redis()
    value = noise(5 * MB)
    client.set("k", value)
    [function] = functions_of(client, "k", (3,))
    reclaiming = threading.Thread(target=lambda: cluster.reclaim(function=function))
    reclaiming.start()
    pid = cluster.kill("proxy", sig)
    reclaiming.join()
    wait_until(lambda: not alive(pid), "the proxy is gone")
    cluster.up()
    client = cluster.redis()
    assert client.get("k") == value
    assert states(client, "k").count("held") >= 11
    wait_until(lambda: sum(r["planned"] + r["in_flight"] for r in pool_rows(client)) == 0,
               "nothing is being moved")


def test_metrics(new_cluster):
    cluster = new_cluster(functions=13, options=ALONE)
    client = cluster.redis()
    client.set("k", noise(MB))
    reclaim(cluster, client, functions_of(client, "k", (0,))[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.http_port}/metrics") as answer:
        rows = dict(line.split(" ", 1) for line in answer.read().decode().splitlines()
                    if not line.startswith("#"))
    now = figures(client)
    for name in ("offers", "chunks", "bytes", "left"):
        assert int(rows[f"infinicache_handover_{name}_total"]) == now[name]
    assert now["chunks"] == 1
    client.config_resetstat()
    assert figures(client) == {"offers": 0, "chunks": 0, "bytes": 0, "left": 0}
