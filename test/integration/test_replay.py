"""`infinicache replay`: what a trace asked for is asked for, in its order and at its pace."""
import gzip
import json

import pytest

from harness import ROOT

TRACE = """# seconds op key bytes
0.0 get a 1000
0.1 get a 1000
0.2 put b 2000000
0.3 get b 2000000
0.4 head b 2000000
0.5 del b
0.6 get b 2000000
0.7 get a 1000
0.7 get x/y/a 1000
"""
REGISTRY = ROOT.parent / "shared" / "data" / "dal09_blobs_sample.csv"


def replay(cluster, path, *options, check=True):
    done = cluster.command("replay", "--port", cluster.port, "--clients", 1, "--format", "json", *options, path,
                           check=check)
    return json.loads(done.stdout) if done.returncode != 2 else done.stderr


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace"
    path.write_text(TRACE)
    return path


def test_hits_and_misses(cluster, trace):
    report = replay(cluster, trace, "--prefix", "t1:")
    assert report["passed_over"] == 1 and report["deletes"] == 1
    assert (report["all"]["gets"], report["all"]["hits"]) == (6, 3)
    assert report["classes"]["1 - 10 MB"]["hits"] == 1
    assert report["all"]["byte_hit_ratio"] == pytest.approx(2002000 / 4004000)
    assert report["seconds"] >= 0.7  # the last is due then
    assert (report["errors"], report["wrong"]) == (0, 0)


def test_what_it_cost(cluster, trace):
    before = cluster.redis().info("cost")
    cost = replay(cluster, trace, "--prefix", "t5:", "--speed", 0)["cost"]
    after = cluster.redis().info("cost")
    assert 0 <= cost["invocations"] <= after["invocations_total"] - before["invocations_total"]
    assert 0 <= cost["dollars"] <= after["dollars_total"] - before["dollars_total"] + 1e-9
    text = cluster.command("replay", "--port", cluster.port, "--prefix", "t6:", "--speed", 0, trace).stdout
    assert "cost: $" in text


def test_packed_scaled_by_digest(cluster, tmp_path):
    path = tmp_path / "trace.gz"
    path.write_bytes(gzip.compress(TRACE.encode()))
    report = replay(cluster, path, "--prefix", "t2:", "--speed", 0, "--scale", 10, "--key-field", "digest")
    assert (report["all"]["gets"], report["all"]["hits"]) == (6, 4)  # x/y/a is a
    assert report["all"]["get_bytes"] == 400400


def test_a_limit_and_no_inserts(cluster, trace):
    report = replay(cluster, trace, "--prefix", "t3:", "--speed", 0, "--limit", "150ms", "--insert", "no")
    assert (report["all"]["gets"], report["all"]["hits"]) == (2, 0)
    report = replay(cluster, trace, "--prefix", "t3:", "--speed", 0, "--largest", "1mb", "--insert", "no")
    assert report["classes"]["1 - 10 MB"]["gets"] == 0


def test_a_bad_line_is_named(cluster, tmp_path):
    path = tmp_path / "bad"
    path.write_text("0 get a 10\nnonsense\n")
    assert "line 2 is not a request: 'nonsense'" in replay(cluster, path, check=False)
    assert "cannot read" in replay(cluster, tmp_path / "none", check=False)


@pytest.mark.skipif(not REGISTRY.exists(), reason="the real traces are not here")
def test_a_real_trace(cluster):
    options = ("--prefix", "t5:", "--speed", 0, "--scale", 1000)
    first = replay(cluster, REGISTRY, *options)
    assert first["all"]["gets"] > 900
    again = replay(cluster, REGISTRY, *options)
    assert again["all"]["hits"] == again["all"]["gets"]
