"""`infinicache bench` against InfiniCache and against Redis: the load it says is the load there was."""
import json
import shutil
import subprocess

import pytest
import redis

from harness import free_ports, wait_until


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    port = free_ports(1)[0]
    process = subprocess.Popen([shutil.which("redis-server"), "--port", str(port), "--save", "", "--dir",
                                tmp_path_factory.mktemp("redis")], stdout=subprocess.DEVNULL)
    wait_until(lambda: redis.Redis(port=port).ping(), "redis-server answers")
    yield port
    process.terminate()
    process.wait()


def bench(cluster, *options, port=None, check=True):
    done = cluster.command("bench", "--port", port or cluster.port, "--warm-up", "0", "--format", "json",
                           *options, check=check)
    return json.loads(done.stdout)


def test_every_request_is_made_and_verified(cluster):
    before = cluster.redis().info("commandstats")
    report = bench(cluster, "--sizes", "1kb:3,1mb", "--keys", 8, "--requests", 200, "--gets", 80, "--clients", 4)
    after = cluster.redis().info("commandstats")
    gets = after["cmdstat_get"]["calls"] - before.get("cmdstat_get", {"calls": 0})["calls"]
    sets = after["cmdstat_set"]["calls"] - before.get("cmdstat_set", {"calls": 0})["calls"]
    assert report["get"]["answered"] == gets
    assert report["set"]["answered"] + 8 == sets  # the 8 keys were stored first
    assert gets + sets == 208
    assert (report["get"]["wrong"], report["get"]["misses"], report["get"]["errors"]) == (0, 0, 0)
    latency = report["get"]["latency_ms"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99.9"] <= latency["max"]
    assert report["get"]["bytes"] % 1024 == 0


def test_the_same_program_drives_redis(cluster, redis_server):
    report = bench(cluster, "--sizes", "10mb", "--range", "1mb", "--requests", 20, port=redis_server)
    assert report["get"]["bytes"] == 20 << 20
    assert report["get"]["wrong"] == 0
    assert redis.Redis(port=redis_server).strlen("bench:7") == 10 << 20


def test_a_wrong_value_is_found(cluster):
    bench(cluster, "--sizes", "100kb", "--requests", 8, "--prefix", "spoilt:")
    value = bytearray(cluster.redis().get("spoilt:3"))
    value[70000] ^= 1
    cluster.redis().set("spoilt:3", bytes(value))
    report = bench(cluster, "--sizes", "100kb", "--requests", 16, "--prefix", "spoilt:", "--prepare", "no",
                   check=False)
    assert report["get"]["wrong"] == 2
    missing = bench(cluster, "--sizes", "100kb", "--requests", 8, "--prefix", "none:", "--prepare", "no")
    assert missing["get"]["misses"] == 8


def test_open_loop_asks_at_its_rate(cluster):
    report = bench(cluster, "--sizes", "1kb", "--rate", 500, "--requests", 250, "--clients", 8)
    assert report["get"]["answered"] == 250
    # The 250th is due after 0.498 s and no earlier.
    assert report["seconds"] >= 0.498


def test_errors_are_told(cluster):
    report = bench(cluster, "--sizes", "1kb", "--requests", 4, "--gets", 0, "--pids", cluster.pid_of("proxy"))
    assert report["processes"][0]["peak_bytes"] > 1 << 20
    for words, why in ((("--sizes", "1zb"), "bad sizes"), (("--clients", "0"), "--clients"),
                       (("--order", "x"), "--order"), (("--pids", "999999999"), "pids"),
                       (("--format", "xml"), "text|json|csv"), (("word",), "unexpected argument")):
        done = cluster.command("bench", "--port", cluster.port, *words, check=False)
        assert done.returncode == 2 and why in done.stderr, done.stderr
    done = cluster.command("bench", "--port", free_ports(1)[0], check=False)
    assert done.returncode == 2 and "is a server there?" in done.stderr
