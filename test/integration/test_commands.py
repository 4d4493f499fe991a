"""The commands through redis-py and redis-cli, as people use them; what each replies byte for
byte is test_differential.py's."""
import re
import subprocess
import threading
import urllib.request

import pytest
import redis

from harness import alive, noise, wait_until
from resp_wire import Wire, encode

KB, MB = 1 << 10, 1 << 20


@pytest.fixture
def client(cluster):
    c = cluster.redis()
    c.flushall()
    yield c
    c.flushall()


def cli(cluster, *words, **more):
    done = subprocess.run(["redis-cli", "-p", str(cluster.port), *words], capture_output=True,
                          timeout=60, check=False, **more)
    return done.stdout


def test_strings(client):
    assert client.set("k", "v") and client.get("k") == b"v"
    assert client.set("k", "w", nx=True) is None
    assert client.set("k", "w", xx=True, get=True) == b"v"
    assert client.set("k", "x", ex=100) and 0 < client.ttl("k") <= 100
    assert client.set("k", "y", keepttl=True) and client.ttl("k") > 0
    assert client.getex("k", persist=True) == b"y" and client.ttl("k") == -1
    assert client.getdel("k") == b"y" and client.get("k") is None
    assert client.mset({"a": "1", "b": noise(200 * KB)})
    assert client.mget("a", "none", "b") == [b"1", None, noise(200 * KB)]
    assert client.msetnx({"a": "2", "c": "3"}) is False
    assert client.strlen("b") == 200 * KB
    assert client.getrange("b", 65530, 65545) == noise(200 * KB)[65530:65546]
    assert client.getset("a", "new") == b"1"


def test_keys(client):
    for i in range(500):
        client.set(f"key:{i}", i)
    assert sorted(client.scan_iter("key:*", count=7)) == sorted(client.keys("*"))
    assert client.dbsize() == 500 and client.exists("key:1", "key:2", "none") == 2
    assert client.rename("key:1", "moved") and client.get("moved") == b"1"
    assert client.copy("moved", "copied") and client.delete("moved") == 1
    assert client.get("copied") == b"1" and client.object("refcount", "copied") == 1
    assert client.expire("copied", 1000) and client.persist("copied")
    assert client.type("copied") == b"string" and client.unlink("copied") == 1
    assert client.randomkey().startswith(b"key:")


def test_scan_returns_every_key_while_others_come_and_go(client):
    stay = {f"stay:{i}".encode() for i in range(300)}
    for key in stay:
        client.set(key, "x")
    seen, cursor, n = set(), 0, 0
    while True:
        cursor, keys = client.scan(cursor, count=5)
        seen.update(keys)
        for _ in range(20):
            client.set(f"new:{n}", "x")
            n += 1
        if n % 3 == 0:
            client.delete(*[f"new:{i}" for i in range(n - 50, n)])
        if cursor == 0:
            break
    assert stay <= seen


def test_expiry(client):
    client.set("soon", noise(100 * KB), px=200)
    wait_until(lambda: client.get("soon") is None, "the key expires")
    client.set("unread", "x", px=100)
    wait_until(lambda: client.dbsize() == 0, "an expired key goes without being read")
    assert client.info("stats")["expired_keys"] >= 2


def test_transactions_with_values_of_any_size(client):
    large = noise(3 * MB)
    with client.pipeline(transaction=True) as pipe:
        pipe.set("a", large).set("b", "small").get("a").getrange("a", MB, MB + 9).delete("b")
        pipe.mset({"c": "1", "d": large}).strlen("d")
        assert pipe.execute() == [True, True, large, large[MB:MB + 10], 1, True, 3 * MB]
    assert client.mget("a", "b", "c") == [large, None, b"1"]


def test_watch_retries(cluster, client):
    client.set("counter", "0")

    def add(times):
        mine = cluster.redis()
        for _ in range(times):
            mine.transaction(lambda pipe: increment(pipe), "counter")

    def increment(pipe):
        value = int(pipe.get("counter"))
        pipe.multi()
        pipe.set("counter", value + 1)

    threads = [threading.Thread(target=add, args=(10,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert client.get("counter") == b"40"


def test_staged_values_go_with_their_client(cluster, client):
    wire = Wire(cluster.port)
    assert wire.ask("MULTI") == b"+OK\r\n"
    assert wire.ask("SET", "staged", noise(2 * MB)) == b"+QUEUED\r\n"
    assert client.info("pool")["drafts"] == 1
    wire.close()
    wait_until(lambda: client.info("pool")["drafts"] == 0, "the draft is dropped")
    assert client.get("staged") is None


def test_debug_sleep_stops_nobody_else(cluster, client):
    sleeper = Wire(cluster.port)
    sleeper.send("DEBUG", "SLEEP", "1000")
    assert client.set("k", "v") and client.get("k") == b"v"
    assert client.info("clients")["blocked_clients"] == 1
    sleeper.close()


def test_an_old_version_is_read_to_its_end(cluster, client):
    """A GET that has begun shows its version although the key is overwritten and deleted."""
    old = noise(20 * MB, 1)
    client.set("k", old)
    wire = Wire(cluster.port)
    wire.send("GET", "k")
    assert wire._line() == b"$%d\r\n" % len(old)
    client.set("k", noise(MB, 2))
    client.delete("k")
    assert wire._bytes(len(old) + 2) == old + b"\r\n"
    wire.close()
    wait_until(lambda: client.info("pool")["pool_dead_bytes"] == 0, "the old version is let go")


def test_own_commands(cluster, client):
    client.set("k", noise(MB))
    words = client.execute_command("IC.OBJECT", "k")
    fields = dict(zip(words[::2], words[1::2]))
    assert fields[b"size"] == MB and fields[b"held"] == fields[b"data"] + fields[b"parity"]
    assert len(fields[b"chunks"]) == fields[b"held"]
    assert client.execute_command("IC.OBJECT", "none") is None
    rows = client.execute_command("IC.POOL")
    assert len(rows) == cluster.functions
    assert sum(dict(zip(r[::2], r[1::2]))[b"live"] for r in rows) > MB


def test_pool_tells_age_and_idle_time(new_cluster):
    cluster = new_cluster(functions=12, options={"lease": "100ms"})
    client = cluster.redis()

    def rows():
        return [dict(zip(r[::2], r[1::2])) for r in client.execute_command("IC.POOL")]

    wait_until(lambda: all(r[b"age_ms"] >= 0 for r in rows()), "every function was heard of")
    assert all(r[b"idle_ms"] == -1 for r in rows()), "nothing was asked of any"
    client.set("small", b"x")  # 1+2: three functions are asked
    first = rows()
    assert sum(r[b"idle_ms"] >= 0 for r in first) == 3
    wait_until(lambda: all(b[b"age_ms"] > a[b"age_ms"] for a, b in zip(first, rows())), "all age")


def test_clients(cluster, client):
    client.client_setname("me")
    assert client.client_getname() == "me"
    other = cluster.redis()
    other.ping()
    listed = {c["id"]: c for c in client.client_list()}
    assert listed[str(client.client_id())]["name"] == "me"
    killed = str(other.client_id())
    assert client.client_kill_filter(_id=killed) == 1
    wait_until(lambda: killed not in [c["id"] for c in client.client_list()], "its connection is closed")
    assert other.ping(), "redis-py connects again"


def test_resp3(cluster, client):
    wire = Wire(cluster.port)
    assert wire.ask("HELLO", "3").startswith(b"%7\r\n")
    assert wire.ask("GET", "none") == b"_\r\n"
    assert wire.ask("CONFIG", "GET", "port").startswith(b"%1\r\n")
    assert wire.ask("INFO", "server").startswith(b"=")
    wire.close()


def test_command_stats(client):
    client.config_resetstat()
    client.set("k", "v")
    client.get("k")
    client.get("k")
    with pytest.raises(redis.ResponseError):
        client.execute_command("GET")
    stats = client.info("commandstats")
    assert stats["cmdstat_get"]["calls"] == 2 and stats["cmdstat_get"]["rejected_calls"] == 1
    assert client.info("errorstats")["errorstat_ERR"] == "count=1"
    assert client.info("keyspace")["db0"]["keys"] == 1
    assert client.info("stats")["keyspace_hits"] >= 2


def metrics(cluster):
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.http_port}/metrics") as answer:
        return answer.read().decode()


def newest_slow(client, name):
    return next(e for e in client.slowlog_get(-1) if e["command"].split()[0].decode().lower() == name)


def test_command_stats_have_the_time_of_streamed_values(client):
    """One clock: what the slow log says of the only GET is what all the figures say."""
    client.set("large", noise(20 * MB))
    client.config_set("slowlog-log-slower-than", 0)
    client.config_resetstat()
    client.slowlog_reset()
    client.get("large")
    get = client.info("commandstats")["cmdstat_get"]
    assert get["calls"] == 1 and get["usec"] == newest_slow(client, "get")["duration"]
    histogram = client.execute_command("LATENCY", "HISTOGRAM", "get")[1]
    assert histogram[1] == 1 and get["usec"] <= histogram[3][-2]
    percentiles = client.info("latencystats")["latency_percentiles_usec_get"]
    assert {float(value) for value in percentiles.values()} == {get["usec"]}, "of one call"
    # Within EXEC: GET's is its own, and EXEC's has it in it.
    with client.pipeline() as transaction:
        transaction.get("large").get("large").execute()
    stats = client.info("commandstats")
    inner = stats["cmdstat_get"]["usec"] - get["usec"]
    assert stats["cmdstat_get"]["calls"] == 3 and stats["cmdstat_exec"]["calls"] == 1
    assert 0 < inner <= stats["cmdstat_exec"]["usec"]
    client.config_set("slowlog-log-slower-than", 10000)


def test_commands_tried_in_vain_are_counted_by_name(cluster, client):
    client.config_resetstat()
    for words in (["HSET", "h", "f", "v"], ["hset", "h", "f", "v"], ["CLIENT", "PAUSE", "1"], ['no{x}"']):
        with pytest.raises(redis.ResponseError):
            client.execute_command(*words)
    tried = client.info("unknowncommands")
    assert tried["unknowncmd_hset"] == "calls=2" and tried["unknowncmd_client|pause"] == "calls=1"
    assert tried["unknown_commands_others"] == 1
    for i in range(100):
        with pytest.raises(redis.ResponseError):
            client.execute_command(f"made.up{i}")
    tried = client.info("unknowncommands")
    names = [name for name in tried if name.startswith("unknowncmd_")]
    assert len(names) == 64 and tried["unknown_commands_others"] == 1 + 100 - 62
    assert 'infinicache_unknown_commands_total{command="hset"} 2\n' in metrics(cluster)


def test_average_time_to_live(client):
    client.flushall()
    client.set("forever", "v")
    assert client.info("keyspace")["db0"]["avg_ttl"] == 0
    client.set("long", "v", px=3_000_000)
    client.set("short", "v", px=1_000_000)
    assert 1_900_000 < client.info("keyspace")["db0"]["avg_ttl"] <= 2_000_000
    client.persist("short")
    assert 2_900_000 < client.info("keyspace")["db0"]["avg_ttl"] <= 3_000_000
    client.delete("long")
    assert client.info("keyspace")["db0"] == {"keys": 2, "expires": 0, "avg_ttl": 0}


def test_arguments_that_are_no_keys_may_be_long(cluster, client):
    text = noise(300_000).hex()
    assert client.echo(text).decode() == text
    wire = Wire(cluster.port)
    assert wire.ask("PING", text) == f"${len(text)}\r\n{text}\r\n".encode()
    wire.close()
    assert client.keys(text) == []
    assert client.scan(0, match=text)[1] == []
    for words in (["GET", text], ["OBJECT", "ENCODING", text], ["MSET", "k", "v", text, "v"], ["WATCH", "k", text]):
        with pytest.raises(redis.ResponseError, match="a key is longer than max-key-size"):
            client.execute_command(*words)


def test_redis_cli(cluster, client, tmp_path):
    large = noise(2 * MB)
    path = tmp_path / "large"
    path.write_bytes(large)
    with open(path, "rb") as f:
        assert cli(cluster, "-x", "SET", "large", stdin=f) == b"OK\n"
    assert cli(cluster, "--raw", "GET", "large") == large + b"\n"
    assert cli(cluster, "-3", "GET", "none") == b"\n"
    assert cli(cluster, "--scan", "--pattern", "l*") == b"large\n"
    assert b"Sampled 1 keys" in cli(cluster, "--bigkeys")
    assert b"Biggest string found '\"large\"' has %d bytes" % len(large) in cli(cluster, "--bigkeys")
    assert re.search(rb"Biggest string found '\"large\"' has [2-9]\d{6} bytes",
                     cli(cluster, "--memkeys"))
    hot = subprocess.run(["redis-cli", "-p", str(cluster.port), "--hotkeys"], timeout=60, check=False,
                         stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert b"An LFU maxmemory policy is not selected" in hot.stderr, "as a Redis without LFU"
    many = b"".join(encode("SET", f"pipe:{i}", "x" * i) for i in range(500))
    assert b"errors: 0, replies: 500" in cli(cluster, "--pipe", input=many)
    assert client.dbsize() == 501
    assert cli(cluster, "SET", "k").startswith(b"ERR wrong number of arguments for 'set' command")


def test_redis_benchmark_has_nothing_to_warn_of(cluster, client):
    done = subprocess.run(["redis-benchmark", "-p", str(cluster.port), "-n", "100", "-c", "2", "-t",
                           "set,get"], capture_output=True, text=True, timeout=60, check=True)
    assert "WARNING" not in done.stdout + done.stderr
    assert 'host configuration "save": \n' in done.stdout
    assert 'host configuration "appendonly": yes\n' in done.stdout


def test_pipelines_keep_their_order(cluster):
    """Sizes mixed, so that small replies could overtake large ones."""
    wire = Wire(cluster.port)
    values = [noise(n, n) for n in (10, 2 * MB, 1, 700 * KB, 0, 64 * KB, 5)]
    wire.raw(b"".join(encode("SET", f"p{i}", v) for i, v in enumerate(values)))
    assert [wire.read() for _ in values] == [b"+OK\r\n"] * len(values)
    asked = [i % len(values) for i in range(50)]
    sender = threading.Thread(
        target=lambda: wire.raw(b"".join(encode("GET", f"p{i}") for i in asked)))
    sender.start()
    for i in asked:
        assert wire.read() == b"$%d\r\n%s\r\n" % (len(values[i]), values[i])
    sender.join()
    wire.ask("FLUSHALL")
    wire.close()


def test_shutdown(new_cluster):
    cluster = new_cluster(functions=14)
    cluster.redis().set("k", noise(MB))
    pid = cluster.pid_of("proxy")
    assert Wire(cluster.port).ask("SHUTDOWN") == b"", "as in Redis: no reply, the connection ends"
    wait_until(lambda: not alive(pid), "the proxy is gone")
    cluster.up()
    assert cluster.redis().get("k") == noise(MB)
