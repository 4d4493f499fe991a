"""Announcing a length takes nothing from others: room is made for bytes that came."""
import contextlib
import threading
import urllib.request

import pytest

from harness import Cluster, measures_memory, noise, wait_until

pytestmark = measures_memory  # every function is full

MB = 1 << 20
OLD = 10 * MB  # bytes of each object that is there before
PROMISED = 1000 * MB  # of a pool that holds some 1,200
STRIPE = 655360  # bytes of a value after which something is sent to functions


def header(key, length):
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, length)


def info(client, field):
    return client.info("everything")[field]


def evicted(client):
    return info(client, "evicted_keys")


@pytest.fixture(scope="module")
def full():
    """A cluster whose functions are full of objects of 10 MB."""
    cluster = Cluster(functions=12)
    cluster.start()
    client = cluster.redis()
    value = noise(OLD)
    i = 0
    while evicted(client) == 0:
        client.set(f"old:{i}", value)
        i += 1
    client.set("small", noise(1000))
    yield cluster
    cluster.close()


@contextlib.contextmanager
def clients(cluster, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(cluster.socket()) for _ in range(count)]


def wait_for_drafts(client, count):
    wait_until(lambda: info(client, "drafts") == count, f"there are {count} drafts")


ANNOUNCEMENTS = {
    "SET": header(b"x", PROMISED),
    "SETEX": b"*4\r\n$5\r\nSETEX\r\n$1\r\nx\r\n$3\r\n100\r\n$%d\r\n" % PROMISED,
    "GETSET": b"*3\r\n$6\r\nGETSET\r\n$1\r\nx\r\n$%d\r\n" % PROMISED,
    "MSET": b"*5\r\n$4\r\nMSET\r\n$1\r\nx\r\n$1\r\na\r\n$1\r\ny\r\n$%d\r\n" % PROMISED,
    "MULTI": b"*1\r\n$5\r\nMULTI\r\n" + header(b"x", 5) + b"abcde\r\n" + header(b"y", PROMISED),
}


@pytest.mark.parametrize("name", ANNOUNCEMENTS)
def test_an_announcement_evicts_nothing(full, name):
    client = full.redis()
    keys, before = client.dbsize(), evicted(client)
    drafts = 2 if name in ("MSET", "MULTI") else 1
    with clients(full, 1) as (s,):
        s.sendall(ANNOUNCEMENTS[name])
        wait_for_drafts(client, drafts)
        # The short values that came with it may need room for themselves.
        assert evicted(client) - before <= drafts - 1
    wait_for_drafts(client, 0)
    assert client.dbsize() >= keys - (drafts - 1)
    assert client.get("small") == noise(1000)


def test_announcers_leave_room_to_others(full):
    """Forty promises of nearly all there is, half of them begun: others' SETs are stored."""
    client = full.redis()
    before = evicted(client)
    with clients(full, 40) as announcers:
        for i, s in enumerate(announcers):
            s.sendall(header(b"p%d" % i, PROMISED) + bytes(STRIPE + 1) * (i % 2))
        wait_for_drafts(client, 40)
        for i in range(5):
            assert client.set(f"honest:{i}", noise(5 * MB, i))
        for i in range(5):
            assert client.get(f"honest:{i}") == noise(5 * MB, i)
        came = 20 * 2 * STRIPE + 25 * MB
        assert evicted(client) - before <= came * 1.5 / OLD + 5
    wait_for_drafts(client, 0)


def test_what_was_evicted_in_vain_is_named(full):
    client = full.redis()
    names = ("evicted_keys", "ic_abandoned_sets", "ic_abandoned_evicted_keys",
             "ic_abandoned_evicted_bytes")
    before = [info(client, name) for name in names]
    sent = 40 * MB
    with clients(full, 1) as (s,):
        s.sendall(header(b"x", PROMISED) + bytes(sent))
    wait_for_drafts(client, 0)
    keys, sets, vain, vain_bytes = (info(client, name) - old for name, old in zip(names, before))
    assert sets == 1
    assert keys == vain > 0 and vain_bytes == vain * OLD
    assert vain_bytes <= sent + 2 * OLD
    with urllib.request.urlopen(f"http://127.0.0.1:{full.http_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    for name in names[1:]:
        assert f"infinicache_{name[3:]}_total {info(client, name)}" in lines
    assert f"came={sent // STRIPE * STRIPE} evicted_keys={vain} " in full.logs()


def test_no_room_in_the_middle(full):
    """Two that cannot both be stored, at the same time: one is told so after its last byte, goes
    on with its connection, and what it would have replaced is there."""
    client = full.redis()
    client.flushall()
    client.config_set("maxmemory", 100 * MB)
    values = [noise(70 * MB, seed) for seed in (1, 2)]
    old = [b"old 0", b"old 1"]
    for i in range(2):
        client.set(f"k{i}", old[i])
    said = [b"", b""]
    both = threading.Barrier(2)

    def upload(i):
        with full.socket() as s:
            s.sendall(header(b"k%d" % i, len(values[i])))
            s.sendall(values[i][:35 * MB])
            both.wait()
            s.sendall(values[i][35 * MB:] + b"\r\n*1\r\n$4\r\nPING\r\n")
            while not said[i].endswith(b"+PONG\r\n"):
                said[i] += s.recv(1000)

    threads = [threading.Thread(target=upload, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    stored = [reply == b"+OK\r\n+PONG\r\n" for reply in said]
    assert sum(stored) == 1, said
    for i in range(2):
        assert stored[i] or said[i].startswith(b"-OOM")
        assert client.get(f"k{i}") in ((values[i],) if stored[i] else (old[i], None))
    wait_for_drafts(client, 0)
    client.config_set("maxmemory", 0)
