"""Objects of two keys, a large one and a tiny one beside it, as caches of tensors store them: whatever the eviction
policy, the large halves do not leave the tiny ones behind. Redis's allkeys-lru leaves 7 of 60."""
import pytest

from harness import noise

LARGE, TINY, PAIRS = 100000, b"m" * 28, 60
ALONE_MAX = 7


@pytest.fixture
def client(cluster):
    client = cluster.redis()
    before = client.config_get("maxmemory", "eviction")
    client.flushall()
    client.config_set("maxmemory", 30 * LARGE)
    yield client
    client.flushall()
    client.config_set("maxmemory", before["maxmemory"])
    client.config_set("eviction", before["eviction"])


def store(client, numbers):
    for i in numbers:
        client.set(f"p{i}:large", noise(LARGE, i))
        client.set(f"p{i}:tiny", TINY)


def alone(client, count):
    there = set(client.keys())
    return sum(b"p%d:tiny" % i in there and b"p%d:large" % i not in there for i in range(count))


@pytest.mark.parametrize("policy", ["gdsf", "sieve", "s3fifo", "lru", "clock"])
def test_tiny_halves_do_not_stay(client, policy):
    client.config_set("eviction", policy)
    store(client, range(PAIRS))
    assert alone(client, PAIRS) <= ALONE_MAX
    store(client, range(PAIRS, 3 * PAIRS))
    assert alone(client, 3 * PAIRS) <= ALONE_MAX
    assert client.dbsize() >= 40, "and what fits is there"


def test_tiny_halves_that_were_read_go_in_the_end(client):
    """Each pair is read as long as it is young, stored again if half of it is gone, and never wanted later."""
    client.config_set("eviction", "gdsf")
    for i in range(3 * PAIRS):
        store(client, [i])
        for young in range(max(0, i - 5), i):
            if client.get(f"p{young}:tiny") is None or client.get(f"p{young}:large") is None:
                store(client, [young])
    assert alone(client, 3 * PAIRS) <= ALONE_MAX
