"""Backups: after one, the death of every instance that answered loses nothing; what was deleted or
overwritten since never comes back from a copy; and it ends well whoever dies in the middle."""
import contextlib
import random
import signal
import threading

import pytest
import redis

from harness import alive, fields, noise, wait_until

KB, MB = 1 << 10, 1 << 20
FUNCTIONS = 14
SIZES = (0, 700, 270 * KB, 300 * KB, 5 * MB)
# Backups come when they are asked for; peers are not met for their own sake.
ASKED = {"backup-interval": "10h", "peer-interval": "0s"}


def backup(client):
    return fields(client.execute_command("IC.BACKUP"))


def pool(client):
    return [fields(row) for row in client.execute_command("IC.POOL")]


def chunks(client, key):
    return [fields(row) for row in dict(zip(*[iter(client.execute_command("IC.OBJECT", key))] * 2))
            [b"chunks"]]


def ask(client, *function):
    """Asks for backups; how many there will be, and how many had ended before."""
    wait_until(lambda: all(row["instance"] for row in pool(client)), "every function was heard of")
    before = backup(client)
    return client.execute_command("IC.BACKUP", "NOW", *function), before["done"] + before["failed"]


def back_up(client, *function):
    """Backs up all functions, or one; all must end well."""
    failed = backup(client)["failed"]
    count, before = ask(client, *function)
    ended = lambda: (lambda b: b["done"] + b["failed"] >= before + count and b["running"] == 0)(
        backup(client))
    wait_until(ended, "backups ended")
    assert backup(client)["failed"] == failed, backup(client)


def value_of(i, version=0):
    return noise(SIZES[i % len(SIZES)], 1000 * version + i)


def fill(client, count=20, version=0):
    for i in range(count):
        client.set(f"k{i}", value_of(i, version))


def check(client, count=20, version=0):
    for i in range(count):
        assert client.get(f"k{i}") == value_of(i, version), i


def pids(cluster):
    return [row["pid"] for row in cluster.instances()]


def quiet(client):
    """No invocation is under way: the bill is complete, and what answers next is anybody's."""
    wait_until(lambda: all(row["state"] in ("asleep", "absent") and row["peer_state"] == "absent"
                           for row in pool(client)), "all sleep")


def log_of(cluster):
    return (cluster.dir / "proxy.log").read_text()


def assert_accounts_fit(cluster):
    """Bytes and numbers of every instance were as the proxy counts them, whenever it said HELLO."""
    assert "instance-differs" not in log_of(cluster), log_of(cluster)
    assert "instance-distrusted" not in log_of(cluster), log_of(cluster)


@pytest.fixture
def asked(new_cluster):
    return new_cluster(functions=FUNCTIONS, options=ASKED)


def test_all_that_answered_die(asked):
    client = asked.redis()
    fill(client)
    first = pids(asked)
    assert len(first) == FUNCTIONS
    back_up(client)
    figures = backup(client)
    assert figures["chunks_with_a_copy"] == figures["chunks_copied"] > 100
    assert figures["bytes_to_copy"] == 0
    assert len(pids(asked)) == 2 * FUNCTIONS
    assert all(row["peer"] and row["backup_age_ms"] >= 0 for row in pool(client))
    assert all(c["copies"] == 2 for c in chunks(client, "k4"))
    quiet(client)
    assert sum(row["pid"] in first for row in asked.instances()) == FUNCTIONS
    asked.kill_pids(first)
    check(client)
    for i in range(20):
        assert all(c["state"] == "held" for c in chunks(client, f"k{i}"))
    assert client.info("pool")["pool_invocations_peer"] == FUNCTIONS
    assert client.info("stats")["keyspace_misses"] == 0
    assert_accounts_fit(asked)
    back_up(client)  # and again, to fresh ones
    second = [pid for pid in pids(asked) if pid not in first]
    assert len(second) == 2 * FUNCTIONS
    quiet(client)
    check(client)
    assert_accounts_fit(asked)


def test_no_decoding_after_a_death(asked):
    """Every chunk is there: GETs that decode nothing may lose two more of each object."""
    client = asked.redis()
    client.set("k", noise(5 * MB))
    first = pids(asked)
    back_up(client)
    quiet(client)
    asked.kill_pids(first)
    assert client.get("k") == noise(5 * MB)
    quiet(client)
    places = [c["function"] for c in chunks(client, "k")]
    asked.kill_instances(places[:2])
    assert client.get("k") == noise(5 * MB)


def test_deleted_and_overwritten_stay_so(asked):
    client = asked.redis()
    fill(client)
    first = pids(asked)
    back_up(client)
    client.delete("k1", "k4")
    client.set("k2", b"new")
    client.set("k3", noise(300 * KB, 77))
    quiet(client)
    asked.kill_pids(first)  # with them what is new
    for key in ("k1", "k4"):
        assert client.get(key) is None
    for key, new in (("k2", b"new"), ("k3", noise(300 * KB, 77))):
        with contextlib.suppress(redis.ResponseError):
            assert client.get(key) in (None, new)
    for i in (0, *range(5, 20)):
        assert client.get(f"k{i}") == value_of(i)
    client.flushall()
    fill(client, version=1)
    check(client, version=1)
    assert_accounts_fit(asked)


def test_deletes_reach_the_second_instances(asked):
    client = asked.redis()
    fill(client)
    back_up(client)
    client.flushall()
    wait_until(lambda: client.info("pool")["pool_objects"] == 0, "taken apart")
    assert sum(row["condemned"] for row in pool(client)) == 0 or quiet(client) is None
    back_up(client)
    assert backup(client)["deletes_copied"] > 100
    assert backup(client)["chunks_with_a_copy"] == 0
    wait_until(lambda: client.info("pool")["pool_condemned_bytes"] == 0, "deleted everywhere")
    assert_accounts_fit(asked)


def slow(client, rate="100kb"):
    client.config_set("backup-rate", rate)


def test_the_first_dies_in_the_middle(asked):
    client = asked.redis()
    fill(client)
    slow(client)
    name = chunks(client, "k4")[0]["function"]
    (victim,) = [row["pid"] for row in asked.instances() if row["function"] == name]
    ask(client, name)
    wait_until(lambda: len(asked.instances(name)) == 2, "its peer is there")
    asked.kill_pids([victim])
    wait_until(lambda: backup(client)["failed"] == 1 and backup(client)["running"] == 0, "it failed")
    check(client)
    held = lambda: [c for i in range(20) for c in chunks(client, f"k{i}") if c["state"] == "held"]
    wait_until(lambda: len(held()) == sum(len(chunks(client, f"k{i}")) for i in range(20)),
               "what it alone had is repaired")
    client.config_set("backup-rate", "0")
    back_up(client)
    check(client)
    assert all(c["copies"] == 2 for c in held())
    assert_accounts_fit(asked)


def test_the_second_dies_in_the_middle(asked):
    client = asked.redis()
    fill(client)
    slow(client)
    name = chunks(client, "k4")[0]["function"]
    (first,) = [row["pid"] for row in asked.instances() if row["function"] == name]
    ask(client, name)
    wait_until(lambda: backup(client)["chunks_copied"] > 0, "something is copied")
    asked.kill_pids([row["pid"] for row in asked.instances(name) if row["pid"] != first])
    wait_until(lambda: backup(client)["failed"] == 1 and backup(client)["running"] == 0, "it failed")
    check(client)
    client.config_set("backup-rate", "0")
    back_up(client)
    for i in range(20):
        assert all(c["state"] == "held" and c["copies"] == 2 for c in chunks(client, f"k{i}"))
    assert_accounts_fit(asked)


def begin_slowly(client, rate="100kb"):
    """Backups of 20 objects that are under way, and far from done."""
    fill(client)
    slow(client, rate)
    ask(client)
    wait_until(lambda: backup(client)["chunks_copied"] > 0 and backup(client)["running"] > 0,
               "something is copied")


def test_a_rate_that_was_very_low_for_a_moment(asked):
    client = asked.redis()
    begin_slowly(client, rate="1")
    client.config_set("backup-rate", "0")
    wait_until(lambda: backup(client)["running"] == 0, "all is copied")
    assert backup(client)["failed"] == 0
    for i in range(20):
        assert all(c["state"] == "held" and c["copies"] == 2 for c in chunks(client, f"k{i}"))
    assert_accounts_fit(asked)


def test_what_waits_for_the_rate_is_deleted(asked):
    client = asked.redis()
    begin_slowly(client, rate="1")
    client.flushall()
    wait_until(lambda: client.info("pool")["pool_dead_bytes"] == 0, "nothing holds it any more")
    wait_until(lambda: backup(client)["running"] == 0, "there is nothing to copy")
    client.config_set("backup-rate", "0")
    back_up(client)
    assert_accounts_fit(asked)


def test_the_proxy_dies_in_the_middle(asked):
    client = asked.redis()
    begin_slowly(client)
    client.delete("k9")
    asked.kill("proxy")
    asked.up()
    client = asked.redis()
    for i in range(20):
        assert client.get(f"k{i}") == (None if i == 9 else value_of(i)), i
    client.config_set("backup-rate", "0")
    back_up(client)
    for i in range(20):
        if i != 9:
            assert all(c["state"] == "held" and c["copies"] == 2 for c in chunks(client, f"k{i}"))
    assert len(pids(asked)) == 2 * FUNCTIONS
    assert_accounts_fit(asked)


def test_the_proxy_stays_away_in_the_middle(asked):
    """Nobody is left to be adopted: the second instances left first, so the others are woken."""
    client = asked.redis()
    begin_slowly(client)
    asked.kill("proxy")
    wait_until(lambda: all(row["state"] == "idle" for row in asked.instances()), "all have left")
    asked.up()
    check(asked.redis())


def test_a_restart_knows_the_copies(asked):
    client = asked.redis()
    fill(client)
    back_up(client)
    quiet(client)
    asked.kill("proxy", signal.SIGTERM)
    wait_until(lambda: asked.pid_of("proxy") is None or not alive(asked.pid_of("proxy")), "it ended")
    asked.up()
    client = asked.redis()
    for i in range(20):
        assert all(c["copies"] == 2 for c in chunks(client, f"k{i}"))
    check(client)
    wait_until(lambda: any(row["backup_age_ms"] >= 0 for row in pool(client)),
               "a node has told when it was whole")
    assert backup(client)["done"] == 0


class Load(threading.Thread):
    """Sets, gets and deletes keys of its own, until stopped; wrong bytes are an error. With MISSES a
    value may be out of reach, and one that was not stored has left the old one there: nodes that leave
    between two parts of a value may come back as others."""

    def __init__(self, cluster, number, misses):
        super().__init__(daemon=True)
        self.misses = misses
        self.client = cluster.redis(retry_on_timeout=False)
        self.number, self.random = number, random.Random(number)
        self.known, self.error, self.stop = {}, None, threading.Event()
        self.reads = 0

    def run(self):
        try:
            while not self.stop.is_set():
                try:
                    self.step()
                except redis.ResponseError as error:
                    if not self.misses or not str(error).startswith("UNAVAILABLE"):
                        raise
        except Exception as error:  # told to the test
            self.error = error

    def step(self):
        key = f"load{self.number}:{self.random.randrange(10)}"
        what = self.random.random()
        if what < 0.3:
            size = self.random.choice((0, 500, 70 * KB, 300 * KB, MB))
            value = noise(size, self.random.randrange(1000))
            self.client.set(key, value)
            self.known[key] = value
        elif what < 0.4:
            self.client.delete(key)
            self.known[key] = None
        else:
            found = self.client.get(key)
            if found is not None or not self.misses:
                assert found == self.known.get(key), f"{key}: {found and len(found)} bytes"
            self.reads += 1


def run_load(cluster, until, what, misses):
    loads = [Load(cluster, i, misses) for i in range(4)]
    for load in loads:
        load.start()
    try:
        wait_until(lambda: until() or any(load.error for load in loads), what)
    finally:
        for load in loads:
            load.stop.set()
        for load in loads:
            load.join()
    assert [load.error for load in loads] == [None] * len(loads)
    assert sum(load.reads for load in loads) > 0
    return loads


@pytest.mark.parametrize("routing", ["mru", "lru", "random"])
def test_under_load(new_cluster, routing):
    """Whatever instance the platform wakes, it is known, and what it lacks is soon there again. One
    that wakes now this one and now that may put more chunks out of reach than an object can spare."""
    cluster = new_cluster(functions=FUNCTIONS, options={
        "backup-interval": "1s", "peer-interval": "3s", "routing": routing, "lease": "50ms"})
    client = cluster.redis()
    loads = run_load(cluster, lambda: backup(client)["done"] >= 3 * FUNCTIONS, "backups under load",
                     misses=routing != "mru")
    wait_until(lambda: backup(client)["bytes_to_copy"] == 0 and backup(client)["running"] == 0,
               "all is copied in the end")
    for load in loads:
        for key, value in load.known.items():
            assert client.get(key) == value
            assert value is None or all(c["copies"] == 2 for c in chunks(client, key))
    assert_accounts_fit(cluster)


def test_a_value_in_parts_meets_both_instances(new_cluster):
    """All nodes leave between any two parts of a value, and the platform wakes now this instance and now
    that: the one with the first parts is asked back, by the SET and by GETs, which pay for it."""
    cluster = new_cluster(functions=FUNCTIONS, options={**ASKED, "routing": "random", "lease": "20ms",
                                                        "warm-interval": "0s"})
    client = cluster.redis()
    fill(client)
    back_up(client)
    assert len(pids(cluster)) == 2 * FUNCTIONS
    before = client.info("pool")["pool_invocations_peer"]
    quiet(client)
    spent = client.info("cost")["billed_ms_backup"]
    value = noise(5 * MB, 7)
    with cluster.socket() as s:
        s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$%d\r\n" % len(value))
        for at in range(0, len(value), 640 * KB):
            s.sendall(value[at:at + 640 * KB])
            wait_until(lambda: client.info("pool")["pool_in_flight_bytes"] > 0, "a part is written")
            quiet(client)
        s.sendall(b"\r\n")
        assert s.recv(1000) == b"+OK\r\n"
    assert client.info("pool")["pool_invocations_peer"] > before
    for _ in range(5):
        assert client.get("v") == value
        quiet(client)
    assert client.info("stats")["keyspace_misses"] == 0
    assert client.info("cost")["billed_ms_backup"] == spent
    assert_accounts_fit(cluster)


def test_new_data_is_copied_by_itself(new_cluster):
    cluster = new_cluster(functions=FUNCTIONS, options={"backup-interval": "2s"})
    client = cluster.redis()
    fill(client)
    wait_until(lambda: all(c["copies"] == 2 for i in range(20) for c in chunks(client, f"k{i}")),
               "every chunk has a copy")
    wait_until(lambda: backup(client)["running"] == 0, "nothing is under way")
    quiet(client)
    assert client.info("cost")["billed_ms_backup"] > 0
    assert client.info("pool")["pool_invocations_peer"] > 0
    assert_accounts_fit(cluster)


def test_peers_are_kept_without_new_data(new_cluster):
    cluster = new_cluster(functions=FUNCTIONS, options={
        "backup-interval": "2s", "peer-interval": "1s", "instance-idle": "4s", "warm-interval": "1s"})
    client = cluster.redis()
    fill(client)
    wait_until(lambda: backup(client)["bytes_to_copy"] == 0, "every chunk has a copy")
    copied, done = backup(client)["chunks_copied"], backup(client)["done"]
    before = set(pids(cluster))
    wait_until(lambda: backup(client)["done"] >= done + 5 * FUNCTIONS, "they meet again and again")
    assert backup(client)["chunks_copied"] == copied
    assert set(pids(cluster)) == before
    peers = [row for row in pool(client) if row["peer"]]  # of those that hold something
    assert len(before) == FUNCTIONS + len(peers) > FUNCTIONS


def test_no_second_instance_without_backups(new_cluster):
    cluster = new_cluster(functions=FUNCTIONS, options={
        "backup-interval": "0s", "peer-interval": "1s", "warm-interval": "300ms", "lease": "20ms"})
    client = cluster.redis()
    fill(client)
    warm = lambda: client.info("pool")["pool_invocations_warm"]
    begin = warm()
    wait_until(lambda: warm() >= begin + 10 * FUNCTIONS, "time has passed")
    check(client)
    assert len(pids(cluster)) == FUNCTIONS
    assert client.info("pool")["pool_invocations_peer"] == 0
    assert all(row["peer"] == "" for row in pool(client))


def test_an_instance_without_room(new_cluster):
    """What finds no room on the second instance has no copy, and nothing else suffers."""
    cluster = new_cluster(functions=FUNCTIONS, options=ASKED)
    client = cluster.redis()
    with pytest.raises(redis.ResponseError, match="no such function"):
        client.execute_command("IC.BACKUP", "NOW", "nobody")
    with pytest.raises(redis.ResponseError, match="unknown subcommand 'THEN'"):
        client.execute_command("IC.BACKUP", "THEN")
    with pytest.raises(redis.ResponseError, match="syntax"):
        client.execute_command("IC.BACKUP", "NOW", "3", "4")
    assert b"NOW [<function>]" in client.execute_command("IC.BACKUP", "HELP")
    assert client.execute_command("IC.BACKUP", "NOW", "infinicache-3") == 1
    assert client.execute_command("IC.BACKUP", "NOW", "3") == 1
    wait_until(lambda: backup(client)["done"] >= 1 and backup(client)["running"] == 0, "it is done")
    assert client.info("backup")["backups_done"] >= 1
