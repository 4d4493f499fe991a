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
        client.config_get(*[f"*[0123456789]{i}" for i in range(1000)])
    assert client.config_get(*[f"nothing{i}" for i in range(100)], "timeout") == {"timeout": "0"}


@pytest.mark.parametrize("words", [
    ("COMMAND", "INFO"), ("COMMAND", "DOCS"), ("CONFIG", "GET"), ("LATENCY", "HISTOGRAM"), ("INFO",),
    ("CLIENT", "LIST", "ID")], ids=" ".join)
def test_names_are_looked_up_at_once_and_are_few(cluster, words):
    few = ["1"] * (1024 - len(words))
    assert ask_once(cluster, *words, *few)[:1] in b"*$"
    said = ask_once(cluster, *words, *few, "1")
    assert said.startswith(b"-ERR too many arguments for '") and said.endswith(b"' command (at most 1024)\r\n")


def test_keys_and_values_of_one_command_are_bounded(cluster):
    """25 turns' work, at the default of turn-work."""
    client = cluster.redis()
    client.flushall()
    assert client.exists(*["key"] * 200_000) == 0
    for words in (["EXISTS", *["key"] * 250_000], ["MGET", *["key"] * 250_000], ["DEL", *["key"] * 250_000],
                  ["WATCH", *["key"] * 250_000], ["MSET", *["key", "value"] * 62_500]):
        with pytest.raises(redis.ResponseError, match="more than 250000 steps of work at once, see turn-work"):
            client.execute_command(*words)
    assert client.dbsize() == 0 and client.info("everything")["drafts"] == 0


def test_a_watch_of_many_keys_takes_many_turns(cluster, small_turns):
    request, end = encode("WATCH", *(f"watched{i}" for i in range(20_000))), b"+OK\r\n"
    turns, reply = turns_of(cluster, request)
    assert turns > 500 and reply == end
    with cluster.socket() as s:
        said = ask(s, *(encode("WATCH", *(f"{i}-{k}" for k in range(10_000))) for i in range(3)))
        assert said == end * 2 + b"-ERR more than 25000 keys are watched, see turn-work\r\n"


TOO_MUCH = b"-ERR it takes more than 25000 steps of work at once, see turn-work\r\n"


@pytest.mark.parametrize("walk", [("KEYS", "no*such*key"), ("SCAN", 0, "COUNT", 1_000_000, "MATCH", "no*such")])
def test_walks_in_a_transaction_are_bounded(cluster, small_turns, walk):
    """What changes nothing is answered with an error when that is enough; the rest is done."""
    cluster.redis().flushall()
    many_keys(cluster, "walked", 5000)
    one = len(ask_once(cluster, *walk))
    with cluster.socket() as s:
        said = ask(s, encode("MULTI"), encode("RENAME", "walked0", "first"), *[encode(*walk)] * 5000,
                   encode("RENAME", "walked1", "last"), encode("EXEC"))
    said = said[said.index(b"*5002\r\n"):]
    assert said.count(TOO_MUCH) == 4999
    assert len(said) == len(b"*5002\r\n") + 2 * len(b"+OK\r\n") + one + 4999 * len(TOO_MUCH)
    assert cluster.redis().exists("first", "last") == 2


def ask_once(cluster, *words):
    with cluster.socket() as s:
        return ask(s, encode(*words))


def test_a_transaction_of_too_many_commands_is_not_run(cluster):
    client = cluster.redis()
    client.delete("counted")
    with cluster.socket() as s:
        said = ask(s, encode("MULTI"), encode("SET", "counted", "1"), encode("GET", "counted") * 125_000, encode("EXEC"),
                   encode("EXISTS", "counted"))
        assert said.endswith(b"-EXECABORT Transaction discarded because of: it takes more than 250000 steps of work at "
                             b"once, see turn-work\r\n:0\r\n"), said[-200:]
        assert ask(s, encode("MULTI"), encode("EXISTS", "counted") * 100_000, encode("EXEC")).endswith(b":0\r\n" * 100_000)


def test_what_clients_call_themselves_is_short(cluster):
    client = cluster.redis()
    name = "n" * 1024
    for words in (["CLIENT", "SETNAME"], ["CLIENT", "SETINFO", "LIB-NAME"], ["HELLO", 2, "SETNAME"]):
        client.execute_command(*words, name)
        with pytest.raises(redis.ResponseError, match="cannot be longer than 1024 bytes"):
            client.execute_command(*words, name + "n")


def test_clients_are_listed_as_they_are_asked_for(cluster):
    a, b = cluster.redis(), cluster.redis()
    ids = [b.client_id(), 1 << 62, a.client_id(), b.client_id()]
    lines = ask_once(cluster, "CLIENT", "LIST", "ID", *ids).split(b"\n")[1:-2]
    assert [line.split()[0] for line in lines] == [b"id=%d" % i for i in (ids[0], ids[2], ids[3])]
