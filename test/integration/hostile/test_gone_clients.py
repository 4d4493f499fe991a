"""A client that is gone in the midst of its transaction: that is done to its end, whatever it asks for, and nothing of
it looks for the connection that was. (Who looks for memory that was freed is seen by `make asan`.)"""
import signal

import pytest

from resp_wire import encode
from test_turns import ask

LARGE = 2 << 20
NOBODY = 1 << 40  # a client's number

# Arguments of those that make nothing of "one one ...".
WORDS = {
    "client|info": ["CLIENT", "INFO"],
    "client|kill": ["CLIENT", "KILL", "ID", NOBODY],
    "client|no-evict": ["CLIENT", "NO-EVICT", "ON"],
    "client|no-touch": ["CLIENT", "NO-TOUCH", "ON"],
    "client|reply": ["CLIENT", "REPLY", "OFF"],
    "client|setinfo": ["CLIENT", "SETINFO", "LIB-NAME", "one"],
    "command|getkeys": ["COMMAND", "GETKEYS", "GET", "one"],
    "config|set": ["CONFIG", "SET", "timeout", 0],
    "copy": ["COPY", "one", "two"],
    "debug": ["DEBUG", "SLEEP", "0.01"],
    "getrange": ["GETRANGE", "one", 0, 1],
    "hello": ["HELLO", 3, "SETNAME", "one"],
    "info": ["INFO", "everything"],
    "keys": ["KEYS", "*"],
    "rename": ["RENAME", "one", "two"],
    "renamenx": ["RENAMENX", "one", "three"],
    "scan": ["SCAN", 0, "COUNT", 1000],
    "select": ["SELECT", 0],
    "substr": ["SUBSTR", "one", 0, 1],
}
WORDS.update({name: [name, "one", 4_000_000_000_000] for name in ("expire", "pexpire", "expireat", "pexpireat")})
WORDS.update({name: [name, "one", 1000, "v"] for name in ("setex", "psetex")})
NOT_QUEUED = {"discard", "exec", "multi", "quit", "reset", "shutdown", "watch"}


def every_command(client):
    """A request of each that a transaction may have."""
    names = [name.decode() for name in client.execute_command("COMMAND LIST")]
    groups = {name.split("|")[0] for name in names if "|" in name}
    for name, arity, *_ in client.execute_command("COMMAND INFO", *names):
        name = name.decode()
        if name not in NOT_QUEUED and not (name in groups and arity == -2):
            words = name.split("|")
            yield WORDS.get(name, words + ["one"] * (abs(arity) - len(words)))


@pytest.fixture
def client(cluster):
    """Of a proxy that goes through a transaction with all of them, in many turns, and is the same afterwards."""
    client, pid = cluster.redis(), cluster.pid_of("proxy")
    before = client.config_get("turn-work", "maxmemory-clients")
    client.config_set("turn-work", 4000)
    yield client
    assert cluster.pid_of("proxy") == pid
    for name, value in before.items():
        client.config_set(name, value)


ENDS = {
    "kill": lambda number: encode("CLIENT", "KILL", "ID", number),
    "evict": lambda number: encode("CONFIG", "SET", "maxmemory-clients", LARGE // 2) + encode("ECHO", "x" * 100_000),
}


@pytest.mark.parametrize("end", ENDS)
def test_its_transaction_is_done_to_its_end(cluster, client, end):
    requests = [encode("EXISTS", *(f"none{i}" for i in range(10_000)))]  # some turns, in which it is ended
    requests += [encode(*words) for request in every_command(client) for words in (("SET", "one", "v"), request)]
    requests += [encode("ECHO", "x" * LARGE), encode("SET", "done", end)]
    with cluster.socket() as s, cluster.socket() as other:
        number = ask(s, encode("CLIENT", "ID"))[1:-2]
        s.sendall(encode("MULTI") + b"".join(requests))
        queued = b""
        while queued.count(b"\r\n") < 1 + len(requests):
            queued += s.recv(1 << 20)
        assert queued == b"+OK\r\n" + b"+QUEUED\r\n" * len(requests)
        assert ask(other) == b"" and client.ping()  # so that what comes first from now on is seen first
        cluster.kill("proxy", signal.SIGSTOP)
        s.sendall(encode("EXEC"))
        other.sendall(ENDS[end](number))
        cluster.kill("proxy", signal.SIGCONT)
        assert s.recv(1) == b"", "it was gone before the end"
        assert client.get("done") == end.encode()
