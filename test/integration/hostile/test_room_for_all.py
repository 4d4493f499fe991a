"""Many upload at once, as fast as they can, more than `maxmemory`: what is missing is in values that are
under way, which others' values wait for instead of being refused."""
import contextlib
import threading

import pytest
import redis

from harness import noise, wait_until
from resp_wire import encode

STRIPE = 4 * 64 * 1024  # of a value of 1 MB: room is taken for whole ones
VALUE = noise(1000000)


@pytest.fixture
def bounded(cluster):
    """A client of a pool whose `maxmemory` is to be set."""
    client = cluster.redis()
    client.flushall()
    yield client
    client.config_set("maxmemory", 0)


def reply(s):
    said = b""
    while not said.endswith(b"\r\n"):
        part = s.recv(1000)
        assert part, said
        said += part
    return said


def test_of_those_that_wait_for_each_other_one_gives_way(cluster, bounded):
    """All that uploads may have has come of values that lack their ends: few are refused, the last of them
    to begin, and what is small is stored."""
    count, maxmemory = 60, 64 * STRIPE  # a sixteenth is for small values
    bounded.config_set("maxmemory", maxmemory)
    assert len(VALUE) <= maxmemory / 16  # or it would not be begun beside the others
    with contextlib.ExitStack() as stack:
        small = stack.enter_context(cluster.socket())
        uploads = [stack.enter_context(cluster.socket()) for _ in range(count)]
        for i, s in enumerate(uploads):
            s.sendall(encode("SET", f"large{i}", VALUE)[:STRIPE + 1000])
            came = (i + 1) * STRIPE
            wait_until(lambda: bounded.info("everything")["pool_draft_bytes"] == came, "it came")
        small.sendall(encode("SET", "small", "x" * 100))
        for i, s in enumerate(uploads):
            s.sendall(encode("SET", f"large{i}", VALUE)[STRIPE + 1000:])
        said = [reply(s) for s in uploads]
        refused = sum(words.startswith(b"-OOM") for words in said)
        assert 1 <= refused <= 16  # the first lacks three stripes, and with its room the others go on
        # The last to begin of those that wait then: all of the rest may not have come yet.
        assert said[:count // 4] == [b"+OK\r\n"] * (count // 4)
        assert said.count(b"+OK\r\n") == count - refused
        assert reply(small) == b"+OK\r\n"


def test_small_values_are_stored_beside_many_uploads(cluster, bounded):
    bounded.config_set("maxmemory", 64 * STRIPE)
    stored, refused, enough = [0] * 40, [0] * 40, threading.Event()

    def upload(i):
        with cluster.socket() as s:
            while not enough.is_set():
                s.sendall(encode("SET", f"large{i}", VALUE))
                good = reply(s) == b"+OK\r\n"
                stored[i] += good
                refused[i] += not good

    threads = [threading.Thread(target=upload, args=(i,)) for i in range(len(stored))]
    for t in threads:
        t.start()
    sets = 0
    try:
        while sets < 200 or sum(stored) < 400:
            assert bounded.set(f"small{sets}", b"x" * 100)
            sets += 1
    except redis.RedisError as error:
        pytest.fail(f"{error}, after {sets}")
    finally:
        enough.set()
        for t in threads:
            t.join()
    assert sum(refused) <= sum(stored) / 10
    assert bounded.info("everything")["drafts"] == 0
