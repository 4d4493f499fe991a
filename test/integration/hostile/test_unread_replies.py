"""Replies that are not read: a pipeline that is sent whole before it is read is taken, within bounds;
beyond them the client is closed with a reason; large values are never kept."""
import contextlib

import pytest
import redis

from harness import measures_memory, noise, peak_rss, reset_peak_rss, rss, wait_until

MB = 1 << 20


@pytest.fixture(autouse=True)
def unharmed(cluster):
    """After each test the same proxy serves others, with its usual limits and memory."""
    client = cluster.redis()
    pid = cluster.pid_of("proxy")
    before = client.config_get("*client*")
    yield
    assert cluster.pid_of("proxy") == pid
    client.config_set("maxmemory-clients", before["maxmemory-clients"])
    client.config_set("client-output-buffer-limit", before["client-output-buffer-limit"])
    wait_until(lambda: client.info("memory")["mem_clients_normal"] < MB, "nothing of it is left")


def read_all(s, count):
    said = bytearray()
    while len(said) < count:
        part = s.recv(1 << 20)
        assert part, f"closed after {len(said)} of {count} bytes"
        said += part
    return bytes(said)


def said_why(cluster, why):
    return why in (cluster.dir / "proxy.log").read_text()


def test_two_million_pings_before_the_first_is_read(cluster):
    with cluster.socket() as s:
        s.sendall(b"PING\r\n" * 2_000_000)
        assert read_all(s, 14_000_000) == b"+PONG\r\n" * 2_000_000


def test_a_pipeline_of_redis_py(cluster):
    """It sends all of it before it reads."""
    client = cluster.redis()
    client.set("there", b"v")
    pipe = client.pipeline(transaction=False)
    for i in range(300_000):
        pipe.exists("there" if i % 2 else "not there")
    assert pipe.execute() == [0, 1] * 150_000


def test_small_values_before_the_first_is_read(cluster):
    value = noise(100)
    cluster.redis().set("small", value)
    with cluster.socket() as s:
        s.sendall(b"GET small\r\n" * 200_000)
        reply = b"$100\r\n" + value + b"\r\n"
        assert read_all(s, 200_000 * len(reply)) == reply * 200_000


@measures_memory
def test_who_never_reads_is_closed_with_a_reason(cluster):
    """All that such clients leave unread is within maxmemory-clients."""
    client = cluster.redis()
    client.config_set("maxmemory-clients", "16mb")
    evicted = client.info("stats")["evicted_clients"]
    pid = cluster.pid_of("proxy")
    reset_peak_rss(pid)
    before = rss(pid)
    for _ in range(3):
        with cluster.socket() as s, pytest.raises(OSError):
            for _ in range(1000):
                s.sendall(b"PING\r\n" * 20_000)
                client.ping()
    assert peak_rss(pid) - before < 40 * MB
    assert client.info("stats")["evicted_clients"] == evicted + 3
    assert said_why(cluster, "evicted: it takes")


def test_hard_and_soft_limits(cluster):
    client = cluster.redis()

    def closed():
        return client.info("stats")["client_output_buffer_limit_disconnections"]

    before = closed()
    client.config_set("client-output-buffer-limit", "normal 2mb 0 0")
    with cluster.socket() as s, pytest.raises(OSError):
        for _ in range(1000):
            s.sendall(b"PING\r\n" * 20_000)
    assert closed() == before + 1 and said_why(cluster, "hard limit of 2097152 bytes")
    client.config_set("client-output-buffer-limit", "normal 0 600kb 1")
    with cluster.socket() as s:
        s.setblocking(False)
        pings, sent = b"PING\r\n" * 100_000, 0

        def is_closed():
            nonlocal sent
            with contextlib.suppress(OSError):
                sent += s.send(pings[sent % 6:])
            return closed() == before + 2

        wait_until(is_closed, "it was above the limit for a second")
    assert said_why(cluster, "soft limit of 614400 bytes")


@measures_memory
def test_a_reply_beyond_the_limit_in_pieces(cluster):
    """What one transaction may add is bounded, whatever stands between."""
    client = cluster.redis()
    client.config_set("maxmemory-clients", "16mb")
    client.set("k", b"v")
    pid = cluster.pid_of("proxy")
    reset_peak_rss(pid)
    before = rss(pid)
    with cluster.socket() as s:
        s.sendall(b"MULTI\r\n" + b"COMMAND\r\nGET k\r\n" * 20_000 + b"EXEC\r\n")
        with contextlib.suppress(ConnectionResetError):
            while s.recv(1 << 20):
                pass
    assert peak_rss(pid) - before < 64 * MB


def test_large_values_are_not_kept(cluster):
    """Who asks for a hundred large values and reads none makes the proxy keep next to nothing."""
    client = cluster.redis()
    value = noise(20 * MB)
    client.set("large", value)
    with cluster.socket() as s:
        s.sendall(b"GET large\r\n" * 100)
        row = wait_until(
            lambda: next((r for r in client.client_list() if r["cmd"] == "get"), None), "it asks")
        assert int(row["tot-mem"]) < 100_000 and int(row["oll"]) <= 100
        assert client.info("memory")["ic_window_used"] <= client.info("memory")["ic_window_limit"]
        assert read_all(s, 11 + len(value))[11:11 + len(value)] == value
    client.delete("large")


def test_who_quits_and_does_not_read_ends(cluster):
    with cluster.socket() as s:
        peer = "peer=%s:%d" % s.getsockname()
        s.sendall(b"PING\r\n" * 1_500_000 + b"QUIT\r\n")
        wait_until(lambda: said_why(cluster, f'{peer} why="it reads slower than min-read-rate"'), "it is gone")


def test_config_is_redis_s(cluster):
    client = cluster.redis()
    assert client.config_get("client-output-buffer-limit") == {
        "client-output-buffer-limit":
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"}
    client.config_set("client-output-buffer-limit", "replica 1mb 1kb 5 normal 4gb 0 0")
    assert client.config_get("client-output-buffer-limit") == {
        "client-output-buffer-limit":
            "normal 4294967296 0 0 slave 1048576 1024 5 pubsub 33554432 8388608 60"}
    for bad in ("normal 1 1", "master 1 1 1", "normal 1 1 x"):
        with pytest.raises(redis.ResponseError, match="client-output-buffer-limit"):
            client.config_set("client-output-buffer-limit", bad)
    client.config_set("client-output-buffer-limit",
                      "normal 0 0 0 slave 268435456 67108864 60")
