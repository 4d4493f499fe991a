"""Each directive has an effect that can be seen from outside, and a test here that sees it.

    @observes("lease")  registers the test; test_every_directive_is_observed compares the
                        registrations with the table behind doc/infinicache.conf.
"""
import contextlib
import gc
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import pytest
import redis

from harness import DEADLINE_S, INFINICACHE, ROOT, free_ports, noise, pump, wait_until

MB = 1 << 20
EPOCH_MAX = (1 << 24) - 1  # no node has seen a higher one
OBSERVED = set()


def observes(*names):
    OBSERVED.update(names)
    return lambda test: test


def directives():
    """Names in the sample file, which a unit test holds to the table."""
    lines = (ROOT / "doc" / "infinicache.conf").read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


def test_every_directive_is_observed():
    assert directives() == OBSERVED


def answers(host, port):
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False


def object_fields(client, key):
    """IC.OBJECT's reply as a dict."""
    reply = client.execute_command("IC.OBJECT", key)
    names = [n.decode() if isinstance(n, bytes) else n for n in reply[0::2]]
    return dict(zip(names, reply[1::2]))


def info(client, field):
    return client.info("everything")[field]


def aws(cluster, *words):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                   "AWS_DEFAULT_REGION": cluster.options.get("region", "us-east-1"),
                   "AWS_PAGER": "", **cluster.environment}
    host = cluster.options.get("platform-bind", "127.0.0.1")
    return subprocess.run(["/usr/bin/aws", "lambda", *words, "--output", "text", "--endpoint-url",
                           f"http://{host}:{cluster.platform_port}"],
                          env=environment, capture_output=True, text=True, check=True).stdout


# ---- addresses ----------------------------------------------------------------

@observes("bind", "port", "node-bind", "node-port", "http-bind", "http-port", "dir")
def test_addresses(new_cluster):
    c = new_cluster(options={"bind": "127.0.0.2", "node-bind": "127.0.0.3",
                             "http-bind": "127.0.0.4"})
    client = redis.Redis(host="127.0.0.2", port=c.port)
    assert client.set("k", b"v" * 100000)
    assert not answers("127.0.0.1", c.port)
    assert answers("127.0.0.3", c.node_port) and not answers("127.0.0.1", c.node_port)
    with urllib.request.urlopen(f"http://127.0.0.4:{c.http_port}/healthz") as answer:
        assert answer.read() == b"ok\n"
    assert not answers("127.0.0.1", c.http_port)
    assert list(c.dir.glob("journal.*")), "the journal is in dir"


@observes("http-hosts")
def test_http_hosts(new_cluster):
    """More of what is refused is in hostile/test_web_pages.py."""
    c = new_cluster(options={"http-hosts": "cache.internal"})
    for port, path in ((c.http_port, "healthz"), (c.platform_port, "_local/bill")):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", headers={"Host": "cache.internal"})
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            assert answer.status == 200
        request.add_header("Host", "other.internal")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=DEADLINE_S)
        assert refused.value.code == 403


@observes("node-address")
def test_node_address(new_cluster):
    """Functions dial the address they are told: a relay in front of the node port."""
    with socket.create_server(("127.0.0.1", 0)) as relay:
        c = new_cluster(up=False)
        c.options["node-address"] = f"127.0.0.1:{relay.getsockname()[1]}"
        passed = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    near, _ = relay.accept()
                    far = socket.create_connection(("127.0.0.1", c.node_port))
                    passed.append(near)
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        c.start()
        assert c.redis().set("k", noise(MB))
        assert c.redis().get("k") == noise(MB)
        assert len(passed) >= 6


@pytest.mark.parametrize("address", ["localhost:6380", "127.0.0.1", "127.0.0.1:0", "::1:6380", "127.0.0.1:6380" + "0" * 99])
def test_a_node_address_that_cannot_be_dialled(new_cluster, address):
    """Functions resolve no names: said at once, and not by commands that find no function."""
    c = new_cluster(up=False)
    c.options["node-address"] = address
    refused = c.up(check=False)
    assert refused.returncode != 0
    assert "is not ADDRESS:PORT with a numeric address" in refused.stderr


@observes("window-memory", "unit-size")
def test_a_stripe_fits_into_the_window(new_cluster):
    """Units of 1 MB make stripes of 12: they are smaller then; and what was stored with more window is read
    although chunks of it are lost."""
    c = new_cluster(functions=12, options={"unit-size": "1mb", "code-table": "*:10+2"})
    value = noise(30 * MB)
    assert c.redis().set("before", value)
    c.down("--keep-functions")
    c.options["window-memory"] = "1mb"
    c.up()
    client = c.redis()
    assert client.set("k", value) and client.get("k") == value
    c.kill_instances(c.instances()[i]["function"] for i in range(2))
    assert client.get("before") == value and client.get("k") == value


@observes("requirepass-file")
def test_password(new_cluster, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("hunter2\nnot this line\n")
    c = new_cluster(options={"requirepass-file": str(secret)})
    with pytest.raises(redis.exceptions.AuthenticationError):
        c.redis().ping()
    assert c.redis(password="hunter2").ping()
    shown = c.redis(password="hunter2").config_get("*")
    assert "hunter2" not in str(shown)


# ---- money --------------------------------------------------------------------

@observes("prices")
def test_prices(new_cluster):
    for text in ("gold=1", "r7g.large=cheap", "r7g.large"):
        c = new_cluster(up=False, options={"prices": text})
        done = c.up(check=False)
        assert done.returncode != 0
        log = (c.dir / "proxy.log").read_text()
        assert "prices:" in log and text.split("=")[0] in log, log
    c = new_cluster(up=False, options={"prices": "gold=1"})
    c.up(check=False)
    assert "lambda-million-requests" in (c.dir / "proxy.log").read_text()


@observes("architecture", "transfer-zones")
def test_architecture_and_zones(new_cluster):
    """The price of a billed millisecond, and of a byte between zones."""
    c = new_cluster(options={"architecture": "arm64", "transfer-zones": "cross",
                             "prices": "lambda-million-requests=0", "lease": "100ms"})
    client = c.redis()
    assert client.set("k", noise(MB)) and client.get("k") == noise(MB)
    wait_until(lambda: info(client, "dollars_transfer") > 0, "transfer was counted")
    client.config_set("warm-interval", 0)
    wait_until(lambda: info(client, "outstanding_invocations") == 0, "all are billed")
    now = client.info("cost")
    each = 0.0000133334 * 128 / 1024 / 1000
    assert now["dollars_serve"] == pytest.approx(now["billed_ms_serve"] * each, rel=1e-6)
    moved = now["transfer_sent_bytes"] + now["transfer_received_bytes"]
    assert now["dollars_transfer"] == pytest.approx(moved / (1 << 30) * 0.02, rel=1e-6)


@observes("budget-per-hour")
def test_budget_per_hour(cluster):
    """test_books.py has what follows from each level."""
    client = cluster.redis()
    client.config_set("budget-per-hour", "0.000000001")
    try:
        with pytest.raises(redis.exceptions.ResponseError, match="budget-per-hour"):
            client.set("a key that is not there", b"v")
    finally:
        client.config_set("budget-per-hour", "0")
    assert client.set("k", b"v")


# ---- clients ------------------------------------------------------------------

def settled(figure):
    """FIGURE, if it is the same ten times in a row; else None."""
    values = {figure() for _ in range(10)}
    return values.pop() if len(values) == 1 else None


@observes("turn-work")
def test_turn_work(cluster):
    """A walk takes as many turns as its work is more than a turn's."""
    client, turns = cluster.redis(), {}
    pipe = client.pipeline(transaction=False).set("turn", "")
    for i in range(20_000):
        pipe.copy("turn", f"turn{i}")
    pipe.execute()
    for turn_work in ("100", "1000000000"):
        client.config_set("turn-work", turn_work)
        before = info(client, "eventloop_cycles")
        client.keys("*no*")
        turns[turn_work] = info(client, "eventloop_cycles") - before
    client.config_set("turn-work", 10_000)
    client.flushall()
    assert turns["100"] > 500 > turns["1000000000"], turns


@observes("maxclients")
def test_maxclients(cluster):
    client = cluster.redis()
    gc.collect()  # closes what earlier tests let go of
    count = wait_until(lambda: settled(lambda: info(client, "connected_clients")), "the others are gone")
    client.config_set("maxclients", count + 1)
    try:
        held = [cluster.redis(), client]
        held[0].ping()
        with cluster.socket() as third:
            assert b"max number of clients" in third.recv(200)
    finally:
        client.config_set("maxclients", 10000)


@observes("maxmemory-clients", "client-query-buffer-limit", "client-output-buffer-limit")
def test_client_memory_limits(cluster):
    """Each is met by what the one before it lets pass."""
    client = cluster.redis()
    limits = client.config_get("*client*")
    keys = [b"%d" % i + b"k" * 10_000 for i in range(150)]
    counters = ("ic_client_query_buffer_limit_refusals", "evicted_clients",
                "client_output_buffer_limit_disconnections")
    before = [info(client, name) for name in counters]
    try:
        client.config_set("client-query-buffer-limit", "1mb")
        with pytest.raises(redis.ResponseError, match="client-query-buffer-limit"):
            client.mget(keys)
        client.config_set("client-query-buffer-limit", "8mb")
        assert client.mget(keys) == [None] * 150
        client.config_set("maxmemory-clients", "1mb")
        with pytest.raises((redis.ConnectionError, ConnectionResetError)):
            client.mget(keys)
        client.config_set("maxmemory-clients", "16mb")
        client.config_set("client-output-buffer-limit", "normal 10000 0 0")
        with pytest.raises((redis.ConnectionError, ConnectionResetError)):
            client.execute_command("COMMAND")
        client.config_set("client-output-buffer-limit", "normal 0 0 0")
        assert client.execute_command("COMMAND")
        assert [info(client, name) for name in counters] == [n + 1 for n in before]
    finally:
        for name in ("maxmemory-clients", "client-query-buffer-limit", "client-output-buffer-limit"):
            client.config_set(name, limits[name])


@observes("timeout")
def test_timeout(cluster):
    client = cluster.redis()
    with cluster.socket() as idle:
        idle.sendall(b"PING\r\n")
        assert idle.recv(100) == b"+PONG\r\n"
        client.config_set("timeout", 1)  # seconds, as in Redis
        try:
            assert idle.recv(100) == b""
        finally:
            cluster.redis().config_set("timeout", 0)


@observes("max-object-size", "proto-max-bulk-len", "max-key-size")
def test_size_limits(cluster):
    client = cluster.redis()
    client.config_set("max-object-size", "1mb")
    try:
        assert client.set("k", b"x" * MB)
        before = client.client_id()
        with pytest.raises(redis.exceptions.ResponseError, match="max-object-size"):
            client.set("k", b"x" * (MB + 1))
        assert client.client_id() == before, "the connection goes on"
    finally:
        client.config_set("max-object-size", "4gb")
    with cluster.socket() as s:  # told at once, although nothing of the value was sent
        s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4400000000\r\n")
        assert s.recv(200) == (b"-ERR object of 4400000000 bytes is larger than max-object-size "
                               b"(4294967296 bytes)\r\n")
    client.config_set("proto-max-bulk-len", "1mb")
    try:
        with cluster.socket() as s:
            s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n")
            assert b"invalid bulk length" in s.recv(200)
    finally:
        cluster.redis().config_set("proto-max-bulk-len", "1024gb")
    client = cluster.redis()
    client.config_set("max-key-size", 100)
    try:
        assert client.set("k" * 100, b"v")
        with pytest.raises(redis.exceptions.RedisError):
            cluster.redis().set("k" * 101, b"v")
    finally:
        cluster.redis().config_set("max-key-size", "64kb")
    client = cluster.redis()
    assert client.set("k" * 101, b"v")
    longest = "k" * 64 * 1024  # a node takes no longer one
    assert client.set(longest, b"v") and client.get(longest) == b"v"
    with pytest.raises(redis.exceptions.ResponseError, match="max-key-size"):
        client.config_set("max-key-size", len(longest) + 1)


@observes("min-write-rate")
def test_min_write_rate(cluster):
    client = cluster.redis()
    client.config_set("min-write-rate", "1gb")
    try:
        with cluster.socket() as s:
            s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nsome")
            with contextlib.suppress(ConnectionResetError):
                assert s.recv(1) == b""
        assert "it writes slower than min-write-rate" in cluster.logs()
    finally:
        client.config_set("min-write-rate", "1kb")


@observes("min-read-rate")
def test_min_read_rate(cluster):
    client = cluster.redis()
    client.set("slow", noise(20 * MB))
    client.config_set("min-read-rate", "1gb")
    try:
        with cluster.socket() as s:
            s.sendall(b"PING\r\n")
            assert s.recv(7) == b"+PONG\r\n"
            s.sendall(b"*2\r\n$3\r\nGET\r\n$4\r\nslow\r\n")
            # Reads nothing until it has been cut: what the kernel buffered comes, then the end.
            name = "%s:%d" % s.getsockname()
            wait_until(lambda: name not in [c["addr"] for c in client.client_list()],
                       "the slow reader is cut")
            got = 0
            with contextlib.suppress(ConnectionResetError):
                while data := s.recv(1 << 20):
                    got += len(data)
            assert got < 20 * MB
    finally:
        cluster.redis().config_set("min-read-rate", "64kb")


@observes("slowlog-log-slower-than", "slowlog-max-len")
def test_slowlog(cluster):
    client = cluster.redis()
    client.slowlog_reset()
    client.config_set("slowlog-log-slower-than", 0)
    client.config_set("slowlog-max-len", 3)
    try:
        for _ in range(10):
            client.ping()
        assert client.slowlog_len() == 3
        client.config_set("slowlog-log-slower-than", -1)
        client.slowlog_reset()
        client.ping()
        assert client.slowlog_len() == 0
    finally:
        client.config_set("slowlog-log-slower-than", 10000)
        client.config_set("slowlog-max-len", 128)


@observes("loglevel")
def test_loglevel(cluster):
    def debug_lines():
        return cluster.logs(1 << 20).count(" debug ")

    client = cluster.redis()
    before = debug_lines()
    client.config_set("loglevel", "debug")
    try:
        client.set("k", noise(2 * MB))
        cluster.redis().ping()
        wait_until(lambda: debug_lines() > before, "a debug line")
    finally:
        client.config_set("loglevel", "info")


# ---- objects ------------------------------------------------------------------

@observes("unit-size", "code-table")
def test_code(new_cluster):
    c = new_cluster(functions=6, options={"unit-size": "4kb", "code-table": "1kb:1+1,*:3+2"})
    client = c.redis()
    client.set("small", b"x" * 1023)
    client.set("large", noise(100000))
    small, large = object_fields(client, "small"), object_fields(client, "large")
    assert (small["data"], small["parity"]) == (1, 1)
    assert (large["data"], large["parity"], large["unit"]) == (3, 2, 4096)
    assert client.get("large") == noise(100000)
    client.config_set("unit-size", "8kb")
    client.set("large", noise(100000))
    assert object_fields(client, "large")["unit"] == 8192


@observes("window-memory")
def test_window_memory(new_cluster):
    """Sixteen readers that read nothing: what they all may hold is the window, not the objects."""
    c = new_cluster(options={"window-memory": "4mb", "min-read-rate": "0"})
    client = c.redis()
    client.set("k", noise(30 * MB))
    sockets = [c.socket() for _ in range(16)]
    for s in sockets:
        s.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
    assert client.ping()
    for s in sockets:
        with s, s.makefile("rb") as stream:
            assert stream.readline() == b"$%d\r\n" % (30 * MB)
            assert stream.read(30 * MB) == noise(30 * MB)
    assert info(client, "ic_window_peak") <= 4 * MB


@observes("eviction")
@pytest.mark.parametrize("policy", ["gdsf", "sieve", "s3fifo", "lru", "clock"])
def test_eviction(new_cluster, policy):
    c = new_cluster(options={"eviction": policy, "maxmemory": "20mb"})
    client = c.redis()
    for i in range(18):
        client.set(f"old:{i}", noise(MB, i))
    hot = noise(100000, 99)
    client.set("hot", hot)
    for i in range(40):
        assert client.get("hot") == hot
        client.set(f"new:{i}", noise(MB, i))
    assert client.get("hot") == hot, "what is read all the time stays"
    assert client.get("old:0") is None
    assert info(client, "evicted_keys") >= 30
    if policy == "lru":
        assert client.get("new:39") is not None


def test_eviction_changes_at_run_time(new_cluster):
    """What is there is carried over, oldest first; what is read stays, under each policy in its turn, while
    clients write and read."""
    c = new_cluster(options={"maxmemory": "3mb"})
    client = c.redis()
    hot, number = noise(50000, 99), 0
    client.set("hot", hot)
    for policy in ["lru", "sieve", "s3fifo", "clock", "gdsf", "lru"]:
        for _ in range(2):
            assert client.get("hot") == hot
        before = set(client.keys())
        assert client.config_set("eviction", policy)
        assert client.config_get("eviction") == {"eviction": policy}
        assert set(client.keys()) == before, "nothing is lost by the change"
        for _ in range(45):
            number += 1
            client.set(f"k:{number}", noise(100000, number))
            assert client.get("hot") == hot
        assert client.get(f"k:{number}") == noise(100000, number)
        assert client.get(f"k:{number - 40}") is None, "the old ones went"
        assert info(client, "evicted_keys") >= number - 30


@observes("maxmemory")
def test_maxmemory(cluster):
    client = cluster.redis()
    client.flushall()
    for i in range(10):
        client.set(f"m:{i}", noise(MB, i))
    assert client.dbsize() == 10
    client.config_set("maxmemory", "5mb")
    try:
        client.set("one-more", noise(MB))
        wait_until(lambda: cluster.redis().dbsize() <= 5, "eviction down to maxmemory")
    finally:
        client.config_set("maxmemory", 0)


@observes("catalog-memory")
def test_catalog_memory(cluster):
    client = cluster.redis()
    client.flushall()
    client.config_set("catalog-memory", "1mb")
    try:
        with client.pipeline(transaction=False) as pipe:
            for i in range(3000):
                pipe.set(f"{i:05d}" + "k" * 1000, b"")
            pipe.execute()
        assert 0 < client.dbsize() < 1000
    finally:
        client.config_set("catalog-memory", "1gb")
        client.flushall()


@observes("appendfsync")
def test_appendfsync(new_cluster):
    c = new_cluster(functions=6, options={"code-table": "*:1+1", "appendfsync": "always"})
    client = c.redis()
    before = info(client, "ic_journal_syncs")
    for i in range(20):
        client.set(f"k:{i}", b"v")
    assert info(client, "ic_journal_syncs") >= before + 20
    client.config_set("appendfsync", "no")
    before = info(client, "ic_journal_syncs")
    for i in range(20):
        client.set(f"k:{i}", b"w")
    assert info(client, "ic_journal_syncs") <= before + 1


# ---- repair -------------------------------------------------------------------

def lost_chunks(client, key):
    return [c[b"state"] for c in (dict(zip(row[0::2], row[1::2]))
                                  for row in object_fields(client, key)["chunks"])].count(b"lost")


@observes("repair", "repair-rate")
def test_repair(new_cluster):
    """Off: what is lost stays lost. Eager: it comes back, no faster than the rate allows."""
    c = new_cluster(functions=12, options={"repair": "off", "warm-interval": "300ms",
                                           "lease": "100ms"})
    client = c.redis()
    client.set("k", noise(8 * MB))
    c.kill_instances(["infinicache-3"])
    wait_until(lambda: lost_chunks(client, "k") == 1, "the loss is noticed")
    assert client.get("k") == noise(8 * MB)
    assert client.info("repair")["repair_done"] == 0 and lost_chunks(client, "k") == 1
    client.config_set("repair-rate", "1kb")
    client.config_set("repair", "eager")
    wait_until(lambda: client.info("repair")["repair_active"] == 1, "it is being repaired")
    # 11 units of 64 KiB are moved at once; then 11 minutes are owed.
    wait_until(lambda: client.info("pool")["pool_in_flight_bytes"] > 0, "a first stripe")
    assert client.info("repair")["repair_done"] == 0
    assert lost_chunks(client, "k") == 0, "it is being written"
    client.config_set("repair", "off")
    client.config_set("repair-rate", "0")
    client.delete("k")
    client.set("k2", noise(8 * MB))
    c.kill_instances(["infinicache-4"])
    wait_until(lambda: lost_chunks(client, "k2") == 1, "the loss is noticed")
    client.config_set("repair", "eager")
    wait_until(lambda: lost_chunks(client, "k2") == 0 and client.info("repair")["repair_done"] == 1,
               "it is repaired")
    assert client.get("k2") == noise(8 * MB)


def test_repair_is_off_for_a_moment(new_cluster):
    """What is lost meanwhile is repaired afterwards, however short that was."""
    c = new_cluster(functions=12, options={"warm-interval": "300ms", "lease": "100ms"})
    client = c.redis()
    client.set("k", noise(5 * MB))
    for i in range(6):
        client.config_set("repair", "off")
        c.kill_instances([f"infinicache-{i}"])
        wait_until(lambda: lost_chunks(client, "k") == 1, "the loss is noticed")
        client.config_set("repair", "eager")
        wait_until(lambda: lost_chunks(client, "k") == 0, "it is repaired")
    assert client.get("k") == noise(5 * MB)


# ---- functions ----------------------------------------------------------------

@observes("functions", "memory", "function-prefix", "function-timeout", "region", "account",
          "platform-port", "platform-bind")
def test_functions(new_cluster):
    c = new_cluster(functions=13, memory="144mb", options={
        "function-prefix": "shelf", "function-timeout": "100s", "region": "eu-west-3",
        "account": "123456789012", "platform-bind": "127.0.0.6"})
    listed = aws(c, "list-functions", "--query",
                 "Functions[].[FunctionName,MemorySize,Timeout,FunctionArn]").splitlines()
    rows = sorted((line.split("\t") for line in listed), key=lambda r: int(r[0].split("-")[1]))
    assert rows == [[f"shelf-{i}", "144", "100",
                     f"arn:aws:lambda:eu-west-3:123456789012:function:shelf-{i}"]
                    for i in range(13)]
    assert not answers("127.0.0.1", c.platform_port)
    assert c.redis().set("k", noise(MB)) and c.redis().get("k") == noise(MB)


@observes("credentials-file")
def test_credentials(new_cluster, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("AKIDOURS\nour secret\n")
    keys.chmod(0o600)
    c = new_cluster(options={"credentials-file": str(keys)})
    assert c.redis().set("k", noise(MB))
    with pytest.raises(subprocess.CalledProcessError) as refused:
        aws(c, "list-functions")
    assert "security token" in refused.value.stderr or "signature" in refused.value.stderr
    c.environment.update({"AWS_ACCESS_KEY_ID": "AKIDOURS", "AWS_SECRET_ACCESS_KEY": "our secret"})
    assert "infinicache-0" in aws(c, "list-functions")


@observes("platform-endpoint")
def test_platform_endpoint(cluster, tmp_path):
    """A proxy of its own, told of a platform that is not there: what its functions hold is not known."""
    port, node_port, http_port, nothing = free_ports(4)
    with subprocess.Popen([INFINICACHE, "proxy", "--dir", tmp_path, "--port", str(port),
                           "--node-port", str(node_port), "--http-port", str(http_port),
                           "--platform-endpoint", f"http://127.0.0.1:{nothing}",
                           "--functions", "12", "--invoke-timeout", "500ms"],
                          stderr=subprocess.DEVNULL) as proxy:
        client = redis.Redis(port=port)
        wait_until(lambda: client.info("persistence")["loading"] == 1, "the proxy answers")
        with pytest.raises(redis.exceptions.BusyLoadingError):
            client.set("k", b"v")
        proxy.send_signal(signal.SIGTERM)
        assert proxy.wait() == 0


@observes("platform-run")
def test_platform_run(new_cluster):
    """A proxy of its own on what `up` has left: of the same run, and of another one."""
    c = new_cluster()
    c.redis().set("k", b"v")
    run = c.redis().config_get("platform-run")["platform-run"]
    c.down("--keep-functions")
    for name, expected in ((run, b"v"), ("", b"v"), (run, b"v"), ("another", None)):
        with subprocess.Popen([INFINICACHE, "proxy", "--config", c.dir / "settings", "--platform-run", name],
                              stderr=subprocess.DEVNULL) as proxy:
            wait_until(lambda: c.redis().ping(), "the proxy answers")
            assert c.redis().get("k") == expected
            assert c.redis().dbsize() == (expected is not None)
            proxy.send_signal(signal.SIGTERM)
            assert proxy.wait() == 0


def serving(cluster):
    return [r for r in cluster.instances() if r["state"] == "busy"]


@observes("lease")
def test_lease(cluster):
    client = cluster.redis()
    client.config_set("lease", "60s")
    client.set("k", noise(5 * MB))
    assert len(serving(cluster)) >= 12
    client.config_set("lease", "10ms")
    try:
        client.get("k")
        wait_until(lambda: len(serving(cluster)) <= 4, "the nodes that served go home")
    finally:
        client.config_set("lease", 0)


def leases(client):
    rows = client.execute_command("IC.POOL")
    return [row[row.index(b"lease_ms") + 1] for row in rows]


@observes("architecture")
def test_architecture(new_cluster):
    """What staying costs is the architecture's: for nothing nodes stay."""
    free = {"prices": "lambda-arm64-gb-second=0", "latency-value": "0"}
    for architecture, stays in (("arm64", True), ("x86_64", False)):
        c = new_cluster(options={**free, "architecture": architecture})
        c.redis().set("k", noise(2 * MB))
        assert (max(leases(c.redis())) > 60000) == stays


@observes("latency-value")
def test_latency_value(cluster):
    """Whose time is dear keeps the nodes that serve; whose time is free lets them go."""
    client = cluster.redis()
    assert client.config_get("latency-value") == {"latency-value": "3e-05"}
    client.set("k", noise(5 * MB))
    client.config_set("latency-value", 1000)
    try:
        client.get("k")
        assert sum(ms > 60000 for ms in leases(client)) >= 10
        assert len(serving(cluster)) >= 10
        client.config_set("latency-value", 0)
        client.get("k")
        assert sum(0 < ms < 1000 for ms in leases(client)) >= 10
        wait_until(lambda: len(serving(cluster)) <= 4, "the nodes that served go home")
    finally:
        client.config_set("latency-value", 0.00003)


@observes("backup-interval", "backup-rate", "peer-interval")
def test_backups(new_cluster):
    c = new_cluster(options={"backup-interval": "0s", "peer-interval": "0s", "backup-rate": "1mb"})
    client = c.redis()
    client.set("k", noise(3 * MB))
    copies = lambda: [dict(zip(r[::2], r[1::2]))[b"copies"] for r in object_fields(client, "k")["chunks"]]
    assert set(copies()) == {1} and info(client, "backups_done") == 0
    client.config_set("backup-interval", "1s")
    wait_until(lambda: set(copies()) == {2}, "every chunk has a copy")
    # 4.5 MB at 1 MB a second: a second's worth went at once at most, so some backup took its time
    assert info(client, "backup_last_ms") > 0
    wait_until(lambda: info(client, "backups_running") == 0, "nothing is under way")
    assert info(client, "backup_bytes_copied") >= 3 * MB
    done = info(client, "backups_done")
    client.config_set("peer-interval", "500ms")
    wait_until(lambda: info(client, "backups_done") > done + 20, "peers meet without new data")
    client.config_set("backup-interval", "0s")
    wait_until(lambda: info(client, "backups_running") == 0, "nothing is under way")
    client.config_set("backup-rate", "10kb")
    copied = info(client, "backup_bytes_copied")
    client.set("slow", noise(5 * MB))
    client.execute_command("IC.BACKUP", "NOW")
    wait_until(lambda: info(client, "backups_running") > 0, "it has begun")
    assert info(client, "backup_bytes_copied") < copied + 5 * MB
    client.config_set("backup-rate", "0")
    wait_until(lambda: info(client, "backup_bytes_copied") >= copied + 5 * MB, "it is done")


@observes("warm-interval")
def test_warm_interval(new_cluster):
    c = new_cluster(options={"warm-interval": "0s"})
    client = c.redis()
    before = c.bill()["invocations"]
    client.config_set("warm-interval", "300ms")
    wait_until(lambda: c.bill()["invocations"] >= before + 3 * c.functions, "three rounds")
    assert len(c.instances()) == c.functions


@observes("invoke-timeout")
def test_invoke_timeout(new_cluster):
    c = new_cluster(options={"invoke-timeout": "300ms", "lease": "1ms", "warm-interval": "0s"})
    client = c.redis()
    client.set("k", noise(MB))
    wait_until(lambda: not serving(c), "every node sleeps")
    c.kill("platform", signal.SIGSTOP)
    try:
        with pytest.raises(redis.exceptions.ResponseError):
            client.get("k")
    finally:
        c.kill("platform", signal.SIGCONT)
    wait_until(lambda: client.get("k") == noise(MB), "it is served again")


def stop_nodes(cluster, count, sig=signal.SIGSTOP):
    for row in sorted(serving(cluster), key=lambda r: r["function"])[:count]:
        os.kill(row["pid"], sig)


@observes("read-deadline", "node-timeout")
def test_late_nodes(new_cluster):
    c = new_cluster(options={"lease": "250s", "read-deadline": "200ms", "node-timeout": "250s"})
    client = c.redis()
    data = noise(20 * MB)
    client.set("k", data)
    assert client.get("k") == data
    stop_nodes(c, 2)
    assert client.get("k") == data, "two late chunks are replaced by parity"
    client.config_set("node-timeout", "300ms")
    stop_nodes(c, c.functions)
    with pytest.raises(redis.exceptions.RedisError):
        c.redis().get("k")
    stop_nodes(c, c.functions, signal.SIGCONT)


@observes("hedge")
def test_hedge(new_cluster):
    c = new_cluster(functions=12, options={"lease": "250s", "hedge": "off", "read-deadline": "250s",
                                           "node-timeout": "250s"})
    client = c.redis()
    data = noise(20 * MB)
    client.set("k", data)
    for _ in range(3):
        assert client.get("k") == data
    stop_nodes(c, 2)
    client.config_set("hedge", "always")
    assert client.get("k") == data, "all twelve are asked, ten answer"
    client.config_set("hedge", "adaptive")
    assert client.get("k") == data, "what is usual was learnt, and the two are late"
    stop_nodes(c, 2, signal.SIGCONT)


@observes("write-deadline")
def test_write_deadline(new_cluster):
    c = new_cluster(functions=12, options={"lease": "250s", "write-deadline": "300ms",
                                           "node-timeout": "250s"})
    client = c.redis()
    client.set("warm-up", noise(2 * MB))
    stop_nodes(c, 1)
    data = noise(3 * MB, 2)
    assert client.set("k", data), "answered although one chunk is not sealed"
    assert client.get("k") == data
    stop_nodes(c, 12, signal.SIGCONT)


@observes("adopt-wait")
def test_adopt_wait(new_cluster):
    """Nodes that are active when the proxy dies dial its successor: no function is invoked anew."""
    c = new_cluster(options={"lease": "250s", "adopt-wait": "5s", "warm-interval": "0s"})
    client = c.redis()
    data = noise(4 * MB)
    client.set("k", data)
    busy = {r["instance"] for r in serving(c)}
    assert len(busy) >= 12
    c.kill("proxy")
    c.up()
    assert c.redis().get("k") == data
    assert busy <= {r["instance"] for r in c.instances()}


@observes("rebuild")
@pytest.mark.parametrize("rebuild", ["auto", "yes", "no"])
def test_rebuild(new_cluster, rebuild):
    """Whether a proxy without a journal, or with one it is not to believe, asks the functions."""
    c = new_cluster(functions=6, options={"code-table": "*:1+1"})
    c.redis().set("k", b"v")
    c.down("--keep-functions")
    if rebuild != "yes":
        (c.dir / "journal.lmdb").unlink()
    c.up(rebuild=rebuild)
    assert c.redis().get("k") == (None if rebuild == "no" else b"v")
    assert len(list(c.dir.glob("journal.lmdb.aside-*Z"))) == (rebuild == "yes")


# ---- platform -----------------------------------------------------------------

@observes("billing")
def test_billing(new_cluster):
    """The platform rounds up to it, and the proxy's nodes stay to its end, twice at most."""
    c = new_cluster(options={"billing": "100ms"})
    c.redis().set("k", noise(MB))
    assert max(leases(c.redis())) in range(1, 191)
    wait_until(lambda: not serving(c), "every node sleeps")
    bill = c.bill()
    assert bill["billed_ms"] > 0
    assert all(f["billed_ms"] % 100 == 0 for f in bill["functions"].values())


@observes("concurrency")
def test_concurrency(new_cluster):
    """Fewer invocations at a time than an object has chunks: a long lease starves the others."""
    c = new_cluster(options={"concurrency": 5, "lease": "250s", "invoke-timeout": "500ms",
                             "warm-interval": "0s"})
    with pytest.raises(redis.exceptions.ResponseError):
        c.redis().set("k", noise(5 * MB))
    assert len(serving(c)) <= 5


def invoke(cluster, name, event):
    return subprocess.Popen(
        ["curl", "-sf", "--aws-sigv4", "aws:amz:us-east-1:lambda", "--user", "test:test", "--data",
         json.dumps(event), "--output", os.devnull,
         f"http://127.0.0.1:{cluster.platform_port}/2015-03-31/functions/{name}/invocations"])


def second_instance(cluster, name):
    """Two invocations at once, of nodes that dial a port of ours and wait there for a WELCOME."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(DEADLINE_S)
        event = {"infinicache": 1, "kind": "serve", "function": name, "key": "0" * 64, "epoch": EPOCH_MAX,
                 "proxy": f"127.0.0.1:{door.getsockname()[1]}", "lease_ms": 1000}
        callers = [invoke(cluster, name, {**event, "invocation": f"{i:032x}"}) for i in (1, 2)]
        links = [door.accept()[0] for _ in callers]
        assert len(cluster.instances(name)) == 2
    for link in links:
        link.close()
    for caller in callers:
        assert caller.wait() == 0


def chunk_states(client, key, function):
    """Of KEY's chunks on FUNCTION."""
    states = []
    for row in object_fields(client, key)["chunks"]:
        chunk = dict(zip(row[0::2], row[1::2]))
        if chunk[b"function"] == function:
            states.append(chunk[b"state"].decode())
    return states


@observes("peer-age")
def test_peer_age(new_cluster):
    """A chunk whose instance gave way to a sibling is unreachable, and lost after a while."""
    # Every read asks every function, whichever of them have the parity; and none leaves during
    # the SET, or it may come back as the other.
    c = new_cluster(functions=12, options={"routing": "lru", "warm-interval": "0s", "hedge": "always",
                                           "lease": "1ms", "backup-interval": "0s"})
    wait_until(lambda: not serving(c), "every node sleeps")
    second_instance(c, "infinicache-0")
    wait_until(lambda: not serving(c), "every node sleeps")
    client = c.redis()
    client.config_set("lease", "250s")
    client.set("k", noise(5 * MB))
    client.config_set("lease", "1ms")

    def unreachable():
        assert client.get("k") == noise(5 * MB)
        wait_until(lambda: not serving(c), "every node sleeps")
        return chunk_states(client, "k", b"infinicache-0") == ["unreachable"]

    wait_until(unreachable, "the other instance answers")
    client.config_set("peer-age", "1s")
    wait_until(lambda: chunk_states(client, "k", b"infinicache-0") == ["lost"], "it is given up")
    assert client.get("k") == noise(5 * MB)


@observes("routing")
@pytest.mark.parametrize("routing", ["mru", "lru", "random"])
def test_routing(new_cluster, routing):
    """Of two idle instances: always the same, each in turn, or now this and now that."""
    c = new_cluster(options={"routing": routing, "warm-interval": "0s", "lease": "1ms"})
    wait_until(lambda: not serving(c), "every node sleeps")
    name = "infinicache-0"
    second_instance(c, name)
    wait_until(lambda: not serving(c), "both sleep")

    def counts():
        return {r["instance"]: r["invocations"] for r in c.instances(name)}

    chosen = []
    for _ in range(12):
        before = counts()
        assert invoke(c, name, {}).wait() == 0
        after = counts()
        chosen += [i for i in after if after[i] > before[i]]
    assert len(chosen) == 12
    changes = sum(a != b for a, b in zip(chosen, chosen[1:]))
    if routing == "mru":
        assert changes == 0
    elif routing == "lru":
        assert changes == 11
    else:
        assert len(set(chosen)) == 2, "2 in 4,096 runs see one instance only"


@observes("reuse-delay")
def test_reuse_delay(new_cluster):
    """Two invocations, one after the other: the second meets an instance that rests."""
    c = new_cluster(options={"reuse-delay": "60s", "warm-interval": "0s", "lease": "1ms"})
    wait_until(lambda: not serving(c), "every node sleeps")
    name = "infinicache-0"
    starts = c.bill()["functions"][name]["concurrent_starts"]
    for _ in range(2):
        before = len(c.instances(name))
        assert invoke(c, name, {}).wait() == 0
        assert len(c.instances(name)) == before + 1
    assert c.bill()["functions"][name]["concurrent_starts"] == starts + 2


@observes("reclaim", "reclaim-speed")
def test_reclaim_model(new_cluster):
    """All go at the end of a minute, of which there are thirty in ours."""
    c = new_cluster(options={"reclaim": "mass:1m", "reclaim-speed": 30, "warm-interval": "0s"})
    wait_until(lambda: not c.instances(), "the model took every instance")
    assert "instance-reclaimed" in c.logs(1 << 20)


@observes("reclaim-seed")
def test_reclaim_seed(new_cluster):
    """What is taken in the first minute, ten seconds long, follows from the seed."""
    taken = {}
    clusters = {(seed, turn): new_cluster(functions=12, options={
        "reclaim": "poisson:4", "reclaim-speed": 6, "reclaim-seed": seed, "warm-interval": "0s"})
        for seed, turn in ((1, 1), (1, 2), (7, 1))}
    for which, c in clusters.items():
        def first_minute():
            return sorted(set(re.findall(r"instance-reclaimed function=(\S+) .* minute=1\n",
                                         c.logs(1 << 20))))
        wait_until(first_minute, "the first minute's reclaims")
        c.instances()  # answered once the platform is through with that minute
        taken[which] = first_minute()
    assert taken[1, 1] == taken[1, 2] != taken[7, 1]


@observes("instance-idle")
def test_instance_idle(new_cluster):
    c = new_cluster(options={"instance-idle": "1s", "warm-interval": "0s"})
    wait_until(lambda: not c.instances(), "idle instances are reclaimed")
