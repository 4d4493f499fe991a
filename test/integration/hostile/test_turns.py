"""What one client asks for keeps nobody else waiting, however much it is. Nothing is timed: what is
compared is the processor's time that the proxy took, and what a bystander was answered meanwhile."""
import select
import threading

import pytest
import redis

from harness import wait_until
from resp_wire import encode


@pytest.fixture(autouse=True)
def unharmed(cluster):
    pid = cluster.pid_of("proxy")
    yield
    assert cluster.pid_of("proxy") == pid


def ask(s, *requests):
    """Sends all of them, reads until the last one's reply is there, and returns what came."""
    end = b"$4\r\nlast\r\n"
    sender = threading.Thread(target=s.sendall, args=(b"".join(requests) + encode("ECHO", "last"),))
    sender.start()
    came = bytearray()
    while not came.endswith(end):
        more = s.recv(1 << 20)
        assert more, bytes(came[-200:])
        came += more
    sender.join()
    return bytes(came[:-len(end)])


def cpu_seconds(client):
    """Of the proxy, so far."""
    cpu = client.info("cpu")
    return cpu["used_cpu_sys"] + cpu["used_cpu_user"]


def test_a_watch_of_many_keys_costs_what_one_of_few_does(cluster):
    client, cost = cluster.redis(), {}
    for count in (2000, 40_000):
        requests = [encode("WATCH", f"key{i}") for i in range(count)]
        with cluster.socket() as s:
            before = cpu_seconds(client)
            assert ask(s, *requests) == b"+OK\r\n" * count
            cost[count] = (cpu_seconds(client) - before) / count
    assert cost[40_000] < 5 * cost[2000], cost


@pytest.fixture
def small_turns(cluster):
    """Turns of little work, so that what is long for a turn is short for a test."""
    client = cluster.redis()
    before = client.config_get("turn-work")["turn-work"]
    client.config_set("turn-work", 100)
    yield
    client.config_set("turn-work", before)


def turns_of(cluster, *requests):
    """Turns of the loop that the last of REQUESTS takes, and its reply."""
    client = cluster.redis()
    with cluster.socket() as s:
        ask(s, *requests[:-1])
        before = client.info("stats")["eventloop_cycles"]
        reply = ask(s, requests[-1])
        return client.info("stats")["eventloop_cycles"] - before, reply


def pings_meanwhile(cluster, request, reply_end):
    """PINGs of a bystander that are answered between REQUEST and the end of its reply."""
    count, came = 0, bytearray()
    with cluster.socket() as heavy, cluster.socket() as bystander:
        for s in (heavy, bystander):
            assert ask(s) == b""
        heavy.sendall(request)
        while not came.endswith(reply_end):
            bystander.sendall(b"PING\r\n")
            assert bystander.recv(7) == b"+PONG\r\n"
            count += 1
            if select.select([heavy], [], [], 0)[0]:
                came += heavy.recv(1 << 20)
    return count


def many_keys(cluster, prefix, count):
    client = cluster.redis()
    client.set("one", "")
    with cluster.socket() as s:
        ask(s, *(encode("COPY", "one", f"{prefix}{i}") for i in range(count)))
    return {f"{prefix}{i}".encode() for i in range(count)}


@pytest.mark.parametrize("request_args", [("KEYS", "no*such*key"), ("SCAN", 0, "COUNT", 1_000_000, "MATCH", "no*such")])
def test_a_walk_over_all_keys_lets_others_go_on(cluster, small_turns, request_args):
    many_keys(cluster, "walked", 20_000)
    request, end = encode(*request_args), b"*0\r\n"
    turns, reply = turns_of(cluster, request)
    assert turns > 500 and reply.endswith(end)
    assert max(pings_meanwhile(cluster, request, end) for _ in range(5)) > 10


def test_keys_shows_once_what_is_there_throughout(cluster, small_turns):
    """While others add and remove keys, and the table grows."""
    there = many_keys(cluster, "stays", 5000)
    with cluster.socket() as walker, cluster.socket() as other:
        for i in range(5):
            walker.sendall(encode("KEYS", "stays*"))
            ask(other, *(encode("COPY", "one", f"new{i}-{k}") for k in range(5000)))
            ask(other, *(encode("DEL", f"new{i - 1}-{k}") for k in range(5000)))
            lines = ask(walker).split(b"\r\n")
            found = lines[2::2]
            assert lines[0] == b"*5000" and len(found) == 5000 and set(found) == there


def test_a_walk_ends_with_its_client_and_with_the_keys(cluster, small_turns):
    client = cluster.redis()
    many_keys(cluster, "gone", 20_000)
    with cluster.socket() as s:
        s.sendall(encode("CLIENT", "SETNAME", "walker") + encode("KEYS", "*"))
        wait_until(lambda: any(c["name"] == "walker" for c in client.client_list()), "it walks")
        client.execute_command("CLIENT", "KILL", "ID", next(c["id"] for c in client.client_list() if c["name"] == "walker"))
    with cluster.socket() as s:
        s.sendall(encode("KEYS", "x*x"))
        client.flushall()
        assert ask(s) == b"*0\r\n"
    assert client.keys("*") == []


PATTERN_ERROR = "matching the pattern takes more than 1048576 steps"


@pytest.mark.parametrize("pattern", [
    "*[" + "b" * 60_000 + "]",  # each of the key's bytes is compared with each of the class's
    "*[" + "b" * 3_000_000,
    "*" + ("a" * 9_999 + "[^a]"),  # nearly a match at each of the key's bytes
    "*" * 3_000_000,
], ids=["class", "open", "near misses", "stars"])
def test_a_pattern_that_is_hard_to_match_is_refused(cluster, pattern):
    client = cluster.redis()
    client.set("a" * 60_000, b"v")
    for words in (["KEYS", pattern], ["SCAN", 0, "MATCH", pattern, "COUNT", 100_000],
                  ["CONFIG", "GET", *[pattern] * 20],
                  ["COMMAND", "LIST", "FILTERBY", "PATTERN", pattern[:2] + pattern]):
        if words[0] in ("CONFIG", "COMMAND") and len(pattern) < 100_000:
            continue  # names are short: such a pattern takes few steps with them
        with pytest.raises(redis.ResponseError, match=PATTERN_ERROR):
            client.execute_command(*words)
    assert client.keys("aa*[a-b]" + "?" * 5) == [b"a" * 60_000]


def test_config_get_of_many_patterns_is_refused(cluster):
    client = cluster.redis()
    with pytest.raises(redis.ResponseError, match=PATTERN_ERROR):
        client.config_get(*[f"nothing{i}" for i in range(100_000)])
    assert client.config_get(*[f"nothing{i}" for i in range(100)], "timeout") == {"timeout": "0"}
