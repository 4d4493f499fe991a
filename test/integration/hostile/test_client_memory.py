"""What clients make the proxy keep is charged to them, shown, and bounded; idle ones keep next to
nothing, whatever they once did."""
import contextlib
import re
import urllib.request

import pytest

from harness import measures_memory, rss, wait_until
from resp_wire import encode

MB = 1 << 20


@pytest.fixture(autouse=True)
def unharmed(cluster):
    client = cluster.redis()
    pid = cluster.pid_of("proxy")
    before = client.config_get("*client*")
    yield
    assert cluster.pid_of("proxy") == pid
    for name in ("maxmemory-clients", "client-query-buffer-limit"):
        client.config_set(name, before[name])


def row_of(client, name):
    return next(r for r in client.client_list() if r["name"] == name)


def clients_memory(client):
    return client.info("memory")["mem_clients_normal"]


def metric(cluster, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.http_port}/metrics") as answer:
        found = re.search(rf"^infinicache_{name} (\d+)$", answer.read().decode(), re.MULTILINE)
    return int(found[1])


def test_what_is_charged_is_shown(cluster):
    """By one name in INFO and in /metrics."""
    client = cluster.redis()
    client.config_set("maxmemory-clients", "10%")
    with cluster.socket() as s:
        s.sendall(b"MULTI\r\n" + b"ECHO " + b"x" * 10_000 + b"\r\n")
        wait_until(lambda: clients_memory(client) > 10_000, "it is charged")
        assert metric(cluster, "mem_clients_normal_bytes") == clients_memory(client)
    shown = client.info("clients")
    pool = client.info("pool")["pool_functions"] * int(client.config_get("memory")["memory"])
    assert shown["ic_maxmemory_clients"] == pool // 10
    assert metric(cluster, "maxmemory_clients_bytes") == pool // 10
    assert shown["client_recent_max_input_buffer"] > 10_000
    for name in ("client_recent_max_input_buffer", "client_recent_max_output_buffer"):
        assert metric(cluster, name + "_bytes") > 0
    shown = client.info("stats")
    for name in ("evicted_clients", "client_output_buffer_limit_disconnections",
                 "ic_client_query_buffer_limit_refusals", "ic_cut_clients"):
        assert metric(cluster, name.removeprefix("ic_") + "_total") == shown[name], name


@measures_memory
def test_idle_connections_take_little(cluster):
    """Also those that once sent a command of many arguments."""
    client = cluster.redis()
    pid = cluster.pid_of("proxy")
    request = encode("MGET", *["a"] * 100_000)
    held = [cluster.socket() for _ in range(20)]
    before = rss(pid)
    for s in held:
        s.sendall(request)
        expected = len("*100000\r\n") + 100_000 * len("$-1\r\n")
        while expected > 0:
            expected -= len(s.recv(1 << 20))
    wait_until(lambda: clients_memory(client) < 22 * 4096, "all of it is given back")
    assert rss(pid) - before < 30 * MB
    for s in held:
        s.close()


def test_a_thousand_connections(cluster):
    client = cluster.redis()
    pid = cluster.pid_of("proxy")
    client.ping()
    before, charged = rss(pid), clients_memory(client)
    held = [cluster.socket() for _ in range(1000)]
    for s in held:
        s.sendall(b"PING\r\n")
        assert s.recv(7) == b"+PONG\r\n"
    grown, charged = rss(pid) - before, clients_memory(client) - charged
    print(f"\n1000 connections: {grown / 1000:.0f} bytes each, {charged / 1000:.0f} charged")
    assert 1000 * 1000 < charged < 4000 * 1000
    assert grown < 2 * charged + 2 * MB
    for s in held:
        s.close()


def test_watched_keys_are_charged_and_bounded(cluster):
    client = cluster.redis()
    client.config_set("client-query-buffer-limit", "8mb")
    watcher = cluster.redis(client_name="watcher", single_connection_client=True)
    taken = 0
    with pytest.raises(Exception, match="client-query-buffer-limit") as caught:
        for i in range(1000):
            watcher.execute_command("WATCH", b"%08d" % i + b"x" * 59_000)
            taken += 1
    assert "8388608" in str(caught.value)
    assert taken in range(135, 143)
    row = row_of(client, "watcher")
    assert taken * 59_000 < int(row["tot-mem"]) < 8.2 * MB
    assert watcher.execute_command("UNWATCH")
    assert int(row_of(client, "watcher")["tot-mem"]) < 8192
    watcher.close()


def test_what_is_queued_is_charged_and_bounded(cluster):
    """An error first, and the connection goes on."""
    client = cluster.redis()
    client.config_set("client-query-buffer-limit", "2mb")
    with cluster.socket() as s:
        s.sendall(b"CLIENT SETNAME queuer\r\nMULTI\r\n" + b"SET k v\r\n" * 5_000)
        expected = b"+OK\r\n+OK\r\n" + b"+QUEUED\r\n" * 5_000
        said = b""
        while len(said) < len(expected):
            said += s.recv(1 << 20)
        assert said == expected
        row = row_of(client, "queuer")
        assert int(row["multi"]) == 5_000 and 5_000 * 50 < int(row["multi-mem"]) < 2 * MB
        s.sendall(b"SET k v\r\n" * 75_000 + b"EXEC\r\nPING\r\n")
        said = b""
        while not said.endswith(b"+PONG\r\n"):
            said += s.recv(1 << 20)
        assert b"-ERR the transaction takes more memory than client-query-buffer-limit" in said
        assert b"-EXECABORT" in said
        assert int(row_of(client, "queuer")["multi-mem"]) == 0
    wait_until(lambda: client.info("everything")["drafts"] == 0, "no value is left")


def test_too_many_arguments_are_an_error(cluster):
    client = cluster.redis()
    client.config_set("client-query-buffer-limit", "2mb")
    refused = client.info("stats")["ic_client_query_buffer_limit_refusals"]
    with cluster.socket() as s:
        s.sendall(encode("MGET", *[b"%0100d" % i for i in range(100_000)]) + b"PING\r\n")
        said = b""
        while not said.endswith(b"+PONG\r\n"):
            said += s.recv(1 << 20)
        assert said == (b"-ERR the request takes more memory than client-query-buffer-limit "
                        b"(2097152 bytes)\r\n+PONG\r\n")
    assert client.info("stats")["ic_client_query_buffer_limit_refusals"] == refused + 1


@pytest.mark.parametrize("words", [[b"x" * (3 * MB)], ["nothing", b"x" * (3 * MB)], ["client", b"x" * (3 * MB)]],
                         ids=["a name", "an unknown command", "a subcommand"])
def test_what_is_no_command_may_be_too_long_as_well(cluster, words):
    client = cluster.redis()
    client.config_set("client-query-buffer-limit", "2mb")
    error = b"-ERR the request takes more memory than client-query-buffer-limit (2097152 bytes)\r\n"
    with cluster.socket() as s:
        s.sendall(encode(*words) + b"PING\r\n" + b"MULTI\r\n" + encode(*words) + b"EXEC\r\nPING\r\n")
        expected = (error + b"+PONG\r\n+OK\r\n" + error +
                    b"-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n")
        said = b""
        while len(said) < len(expected):
            more = s.recv(1 << 20)
            assert more, said
            said += more
        assert said == expected


def test_large_requests_within_the_limit(cluster):
    """MGET of 100,000 keys of 100 bytes, MULTI with 80,000 commands: as any other."""
    client = cluster.redis()
    assert client.mget([b"%0100d" % i for i in range(100_000)]) == [None] * 100_000
    pipe = client.pipeline(transaction=True)
    for i in range(80_000):
        pipe.exists(f"k{i}")
    assert pipe.execute() == [0] * 80_000


def test_the_largest_go_and_others_stay(cluster):
    """Forty clients with a megabyte each, and one that has next to nothing."""
    client = cluster.redis()
    client.config_set("maxmemory-clients", "8mb")
    evicted = client.info("stats")["evicted_clients"]
    held = [cluster.socket() for _ in range(40)]
    for i, s in enumerate(held):
        with contextlib.suppress(OSError):
            s.sendall(b"".join(encode("WATCH", b"%d-%d" % (i, j) + b"x" * 50_000)
                               for j in range(20)))
        client.ping()
    wait_until(lambda: client.info("stats")["evicted_clients"] - evicted >= 30, "they go")
    assert clients_memory(client) <= 8 * MB
    assert "evicted: it takes" in (cluster.dir / "proxy.log").read_text()
    for s in held:
        s.close()


def test_names_are_charged(cluster):
    client = cluster.redis()
    before = clients_memory(client)
    named = [cluster.redis(single_connection_client=True) for _ in range(10)]
    for one in named:
        assert one.client_setname("n" * 1024)
        assert one.execute_command("CLIENT", "SETINFO", "LIB-NAME", "l" * 1024)
    assert clients_memory(client) - before > 10 * 2048
    for one in named:
        one.close()


def test_idle_client_shows_what_it_takes(cluster):
    client = cluster.redis()
    with cluster.socket() as s:
        s.sendall(b"CLIENT SETNAME idle\r\n")
        assert s.recv(5) == b"+OK\r\n"
        row = wait_until(lambda: next((r for r in client.client_list() if r["name"] == "idle"), None),
                         "it is there")
        assert [row[f] for f in ("qbuf", "argv-mem", "multi-mem", "obl", "oll", "omem")][2:] == ["0"] * 4
        assert 1000 < int(row["tot-mem"]) < 4096
