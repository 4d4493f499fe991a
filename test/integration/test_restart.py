"""kill -9 of the proxy while clients write: every change that was acknowledged is there after
`up`, the old value of what was deleted or overwritten never is, and nothing is in between.

RESTARTS=20 makes it the acceptance run; make test does a few.
"""
import os
import random
import threading

import redis

from harness import noise, wait_until

CLIENTS = 8
RESTARTS = int(os.environ.get("RESTARTS", "3"))
SIZES = (0, 10, 5000, 70000, 300000, 1500000)


class Writer(threading.Thread):
    """Sets and deletes keys of its own; remembers for each key what may be there.

    may[key] is a set of versions: one if the last change was acknowledged, two while a change is
    under way (its reply never came: it happened or it did not)."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.cluster, self.number = cluster, number
        self.may = {f"w{number}:{i}": {None} for i in range(12)}
        self.random = random.Random(number)
        self.changes = 0
        self.version = 0

    def run(self):
        client = self.cluster.redis(retry_on_timeout=False)
        try:
            while True:
                self.change(client)
        except redis.exceptions.ConnectionError:
            pass

    def change(self, client):
        key = self.random.choice(sorted(self.may))
        self.version += 1
        new = None if self.random.random() < 0.3 else self.version
        self.may[key] = self.may[key] | {new}
        if new is None:
            client.delete(key)
        else:
            client.set(key, self.value(key, new))
        self.may[key] = {new}
        self.changes += 1

    def value(self, key, version):
        size = SIZES[(version * 7 + self.number) % len(SIZES)]
        return f"{key} {version} ".encode() + noise(size, hash((self.number, version)) & 0xffff)

    def check(self, client):
        for key, may in self.may.items():
            found = client.get(key)
            allowed = [None if v is None else self.value(key, v) for v in may]
            assert found in allowed, f"{key}: {None if found is None else found[:30]!r}, " \
                                     f"may be versions {may}"
            self.may[key] = {v for v, value in zip(may, allowed) if value == found}


def test_kill_9_loses_no_acknowledged_change(new_cluster):
    cluster = new_cluster(options={"lease": "300ms"})
    old = [Writer(cluster, i) for i in range(CLIENTS)]
    for _ in range(RESTARTS):
        writers = [Writer(cluster, w.number) for w in old]
        for writer, before in zip(writers, old):
            writer.may, writer.version = before.may, before.version
            writer.random.seed(before.random.random())
            writer.start()
        wait_until(lambda: all(w.changes >= 10 for w in writers), "every client has written")
        cluster.kill("proxy")
        for writer in writers:
            writer.join()
        cluster.up()
        client = cluster.redis()
        for writer in writers:
            writer.check(client)
        old = writers


def test_everything_but_values_survives(new_cluster):
    """Expiry, renames, copies and flushes are in the journal, too."""
    cluster = new_cluster()
    client = cluster.redis()
    client.set("flushed", b"x")
    client.flushall()
    client.set("a", noise(100000), ex=1000)
    client.rename("a", "b")
    client.copy("b", "c")
    client.persist("c")
    client.set("gone", b"x", px=1)
    client.mset({"m1": b"1", "m2": b""})
    with client.pipeline(transaction=True) as pipe:
        pipe.set("t1", b"t").delete("m1").execute()
    cluster.kill("proxy")
    cluster.up()
    client = cluster.redis()
    assert sorted(client.keys("*")) == [b"b", b"c", b"m2", b"t1"]
    assert client.get("b") == client.get("c") == noise(100000)
    assert 900 < client.ttl("b") <= 1000 and client.ttl("c") == -1
    assert client.get("m2") == b"" and client.get("t1") == b"t"


def test_restart_of_everything_but_the_functions(new_cluster):
    """A planned stop of the proxy alone: sleeping functions are checked as they wake."""
    cluster = new_cluster(options={"lease": "50ms"})
    client = cluster.redis()
    values = {f"k{i}": noise(200000 * i, i) for i in range(12)}
    client.mset(values)
    pid = cluster.pid_of("proxy")
    os.kill(pid, 15)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the proxy is gone")
    cluster.up()
    client = cluster.redis()
    for key, value in values.items():
        assert client.get(key) == value
