"""Lost chunks come back: at once, after a read, or never, as `repair` says; under writes that
overtake it; where there is room; and nothing is left of what it gave up."""
import random
import threading

import pytest
import redis

from harness import noise, wait_until
from test_faults import chunks_of, flip_byte, functions_of
from test_pool_full import books_agree, pool_rows

KB = 1 << 10
MB = 1 << 20

# Losses are noticed when functions are invoked: soon.
QUICK = {"warm-interval": "500ms", "lease": "300ms"}


def figures(client):
    reply = client.execute_command("IC.REPAIR")
    return {k.decode(): v for k, v in zip(reply[0::2], reply[1::2])}


def states(client, key):
    return [c["state"] for c in chunks_of(client, key)]


def whole(client, key):
    chunks = chunks_of(client, key)
    functions = {c["function"] for c in chunks}
    return all(c["state"] == "held" for c in chunks) and len(functions) == len(chunks)


def lose(cluster, client, key, chunks):
    """Kills the functions of these CHUNKS of KEY, and waits until the proxy knows they are lost."""
    lost = client.info("repair")["lost_chunks"]
    cluster.kill_instances(functions_of(client, key, chunks))
    wait_until(lambda: client.info("repair")["lost_chunks"] >= lost + len(chunks),
               "the chunks are lost")


SIZES = [0, 1000, 300 * KB, 5 * MB + 17]


@pytest.mark.parametrize("options", [{}, {"window-memory": "1mb", "unit-size": "4kb"},
                                     {"functions": 12}], ids=["normal", "tiny", "exact"])
def test_eager_repair_restores_everything(new_cluster, options):
    """Twice as many functions die, one after the other, as an object survives at once."""
    options = dict(options)
    cluster = new_cluster(functions=options.pop("functions", 14), options={**QUICK, **options})
    client = cluster.redis()
    values = {f"k{size}": noise(size, size) for size in SIZES}
    for key, value in values.items():
        client.set(key, value)
    for lost in [(0, 1), (2, 3), (11, 4), (10, 5)]:
        lose(cluster, client, "k%d" % SIZES[-1], lost)
        for key in values:
            wait_until(lambda: whole(client, key), f"{key} is whole")
        for key, value in values.items():
            assert client.get(key) == value
    stats = figures(client)
    assert stats["done"] >= 4 and stats["chunks"] >= 8 and stats["mode"] == b"eager"
    assert stats["bytes"] >= 8 * (5 * MB // 10)
    wait_until(lambda: books_agree(client), "the books agree with the nodes")
    assert client.info("stats")["ic_purged_keys"] == 0


def test_a_restart_knows_the_new_places(new_cluster):
    cluster = new_cluster(options=QUICK)
    client = cluster.redis()
    value = noise(5 * MB)
    client.set("k", value)
    lose(cluster, client, "k", (3, 11))
    wait_until(lambda: whole(client, "k"), "k is whole")
    places = [c["function"] for c in chunks_of(client, "k")]
    cluster.kill("proxy")
    cluster.up()
    client = cluster.redis()
    wait_until(lambda: whole(client, "k"), "k is whole after the restart")
    assert [c["function"] for c in chunks_of(client, "k")] == places
    cluster.kill_instances(functions_of(client, "k", (0, 1)))
    assert client.get("k") == value


def test_lazy_repair_waits_for_a_read(new_cluster):
    cluster = new_cluster(options={**QUICK, "repair": "lazy"})
    client = cluster.redis()
    values = {f"k{i}": noise(5 * MB, i) for i in range(3)}
    for key, value in values.items():
        client.set(key, value)
    lose(cluster, client, "k0", (0, 5))
    assert client.get("k0") == values["k0"]
    wait_until(lambda: whole(client, "k0"), "what was read is repaired")
    assert figures(client)["done"] == 1
    assert any("lost" in states(client, key) for key in ("k1", "k2"))
    assert client.info("repair")["degraded_reads"] >= 1
    client.config_set("repair", "eager")
    for key, value in values.items():
        wait_until(lambda: whole(client, key), f"{key} is repaired, too")
        assert client.get(key) == value


def test_repair_off_and_asked_for(new_cluster):
    cluster = new_cluster(functions=12, options={**QUICK, "repair": "off"})
    client = cluster.redis()
    values = {f"k{i}": noise(5 * MB, i) for i in range(3)}
    for key, value in values.items():
        client.set(key, value)
    lose(cluster, client, "k0", (1, 7))
    for key, value in values.items():
        assert client.get(key) == value
        assert "lost" in states(client, key)
    assert figures(client)["done"] == 0 and figures(client)["waiting"] == 0
    assert client.execute_command("IC.REPAIR", "KEY", "k1") == 1
    wait_until(lambda: whole(client, "k1"), "k1 was asked for")
    assert client.execute_command("IC.REPAIR", "KEY", "k1") == 0
    assert client.execute_command("IC.REPAIR", "KEY", "none") == 0
    assert "lost" in states(client, "k0") and "lost" in states(client, "k2")
    assert client.execute_command("IC.REPAIR", "NOW") == b"OK"
    for key in values:
        wait_until(lambda: whole(client, key), f"{key} was asked for with all")
    assert figures(client)["done"] == 3


def test_repair_under_overwrites_and_deletes(new_cluster):
    """Versions die while they are repaired: nothing of them stays, and reads are right."""
    cluster = new_cluster(options={**QUICK, "repair-rate": "8mb"})
    client = cluster.redis()
    base = noise(5 * MB)
    sizes = {f"k{i}": 4 * MB + i * 1000 for i in range(12)}
    for key, size in sizes.items():
        client.set(key, base[:size])
    finished, wrong = threading.Event(), []

    def writer():
        own, dice = cluster.redis(), random.Random(1)
        while not finished.is_set():
            key = dice.choice(list(sizes))
            try:
                if dice.random() < 0.3:
                    own.delete(key)
                else:
                    own.set(key, base[:sizes[key]])
                key = dice.choice(list(sizes))
                found = own.get(key)
            except redis.exceptions.ResponseError:
                continue  # too many of its functions died meanwhile
            if found is not None and found != base[:sizes[key]]:
                wrong.append(key)

    client.set("stays", base)
    writers = [threading.Thread(target=writer) for _ in range(2)]
    for thread in writers:
        thread.start()
    try:
        for lost in [(0, 1), (4, 9)]:
            lose(cluster, client, "stays", lost)
            wait_until(lambda: whole(client, "stays"), "what stays is whole")
    finally:
        finished.set()
        for thread in writers:
            thread.join()
    assert wrong == []
    assert client.get("stays") == base
    wait_until(lambda: figures(client)["active"] + figures(client)["waiting"] == 0,
               "repair is through")
    for key in sizes:
        client.delete(key)

    def all_is_deleted():  # DELETEs go out when a function serves
        client.set("other", noise(5 * MB))
        return sum(r["condemned"] for r in pool_rows(client)) == 0

    wait_until(all_is_deleted, "what died is deleted")
    rows = pool_rows(client)
    assert sum(r["in_flight"] + r["planned"] for r in rows) == 0
    assert sum(r["chunks"] for r in rows) == 2 * 12, "the chunks of what stays, and no others"
    wait_until(lambda: books_agree(client), "the books agree with the nodes")


@pytest.mark.parametrize("size", [300 * KB, 5 * MB])
def test_wrong_bytes_are_replaced(new_cluster, size):
    """One flipped bit: its chunk is rebuilt, so that two others may die."""
    cluster = new_cluster(functions=12, options=QUICK)
    client = cluster.redis()
    value = noise(size, size)
    client.set("k", value)
    assert sum(flip_byte(r["pid"], value[300:332]) for r in cluster.instances()) >= 1
    assert client.get("k") == value
    wait_until(lambda: figures(client)["done"] >= 1 and whole(client, "k"), "it is repaired")
    lose(cluster, client, "k", (1, 2))
    assert client.get("k") == value


def test_no_room_is_waited_for_and_nothing_evicted(new_cluster):
    cluster = new_cluster(functions=4, memory="128mb",
                          options={**QUICK, "repair": "off", "code-table": "*:2+1"})
    client = cluster.redis()
    chunk = pool_rows(client)[0]["capacity"] * 52 // 100
    value, small = noise(MB) * (2 * chunk // MB), noise(8 * MB)
    client.set("k", value)
    lose(cluster, client, "k", (0,))
    # The instance that takes the lost one's place is filled with what is used later.
    fillers = 0
    while max(r["room"] for r in pool_rows(client)) >= chunk - MB:
        client.set(f"filler{fillers}", small)
        fillers += 1
    client.config_set("repair", "eager")
    wait_until(lambda: figures(client)["postponed"] >= 2, "it is tried, and tried again")
    assert states(client, "k").count("lost") == 1
    assert figures(client)["failed"] == 0
    assert client.info("stats")["evicted_keys"] == 0
    for i in range(fillers):
        assert client.get(f"filler{i}") == small
        client.delete(f"filler{i}")
    wait_until(lambda: whole(client, "k"), "there is room")
    lose(cluster, client, "k", (1,))
    assert client.get("k") == value
