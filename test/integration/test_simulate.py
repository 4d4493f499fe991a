"""`infinicache simulate`: what it reads, what it says, and that it says the same again."""
import csv
import gzip
import io
import json
import os
import re
import subprocess
import tarfile
import xml.etree.ElementTree

import pytest

from harness import INFINICACHE, ROOT

DATA = ROOT.parent / "shared" / "data"
DALLAS = DATA / "dal09_10mb_50h.tar.gz"
REGISTRY = DATA / "dal09_blobs_sample.csv"
STORE = DATA / "IBMObjectStoreSample.csv"
real = pytest.mark.skipif(not DALLAS.exists(), reason="the real traces are not here")

MADE = ("--keys", 200, "--sizes", "lognormal:3mb,1", "--rate", 0.5, "--duration", "2h", "--one-hit", 10)
PLAIN = "0 get v2/a/x 2000000\n1800 get v2/b/x 2000000\n3700 put k 500\n3701 get k 500\n3702 del k\n3703 get k 500\n"


def run(*words, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([INFINICACHE, "simulate", *map(str, words)], capture_output=True, timeout=120,
                          check=False, **more)


def simulate(*words, **more):
    done = run("--format", "json", *words, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace"
    path.write_text(PLAIN)
    return path


# ---- what it says -------------------------------------------------------------

def test_the_json_is_whole(trace):
    report = simulate("--functions", 16, "--memory", "256mb", trace)
    assert (report["requests"], report["gets"], report["puts"]) == (6, 4, 1)
    assert report["hits"] == 1 and report["object_hit_ratio"] == 0.25
    assert report["byte_hit_ratio"] == pytest.approx(500 / 4001000)
    assert (report["resets"], report["availability_per_hour"]) == (0, 1)
    dollars = report["dollars"]
    causes = ("serve", "warm", "backup", "repair", "transfer")
    assert dollars["functions"] == pytest.approx(sum(dollars[c] for c in causes))
    assert dollars["total"] == pytest.approx(dollars["functions"] + dollars["proxy"])
    assert dollars["serve"] > 0 and dollars["warm"] > 0
    assert dollars["proxy"] == pytest.approx(0.0432 * report["hours"])
    for name in ("elasticache", "elasticache_paper", "serverless_redis", "serverless_valkey", "s3_express", "s3"):
        assert report["alternatives"][name]["dollars"] > 0
    assert report["alternatives"]["elasticache"]["object_hit_ratio"] >= report["object_hit_ratio"]
    assert set(report["latency_ms"]) == {"<1MB", "1-10MB", "10-100MB", ">=100MB"}
    assert sum(h["gets"] for h in report["by_hour"]) == 4
    for cause in causes[:4]:
        assert sum(h[cause] for h in report["by_hour"]) == pytest.approx(dollars[cause], abs=1e-7)


def test_text_and_csv(trace):
    text = run(trace).stdout.decode()
    for word in ("hit ratio", "availability", "serve", "ElastiCache", "S3 Express"):
        assert word in text
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv", trace).stdout.decode())))
    assert [int(r["gets"]) for r in rows] == [2, 2]
    assert sum(float(r["functions_dollars"]) for r in rows) == pytest.approx(
        simulate(trace)["dollars"]["functions"], abs=1e-7)


def test_the_same_seed_says_the_same():
    words = (*MADE, "--functions", 40, "--memory", "128mb", "--reclaim", "poisson:2", "--format", "json")
    first = run(*words, "--threads", 1)
    assert first.returncode == 0
    assert run(*words, "--threads", 2).stdout == first.stdout
    assert run(*words, "--seed", 2).stdout != first.stdout


def test_several_proxies_share_the_keys():
    one = simulate(*MADE, "--functions", 48, "--memory", "512mb")
    two = simulate(*MADE, "--functions", 48, "--memory", "512mb", "--proxies", 2, "--at-once", 1)
    assert two["gets"] == one["gets"]
    assert two["object_hit_ratio"] == pytest.approx(one["object_hit_ratio"], abs=0.01)
    assert two["dollars"]["proxy"] == pytest.approx(2 * one["dollars"]["proxy"])


# ---- what it reads ------------------------------------------------------------

def test_packed_piped_by_digest(trace, tmp_path):
    wanted = simulate(trace)
    packed = tmp_path / "trace.gz"
    packed.write_bytes(gzip.compress(PLAIN.encode()))
    archive = tmp_path / "trace.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(trace, "trace")
    assert simulate(packed) == wanted == simulate(archive)
    with open(packed, "rb") as stdin:
        assert simulate("-", stdin=stdin) == wanted
    assert simulate("--key-field", "digest", trace)["hits"] == 2
    assert simulate("--largest", "1mb", trace)["passed_over"] == 2
    part = simulate("--from", "20m", "--to", "3700s", trace)
    assert part["requests"] == 1


@real
def test_the_real_formats():
    assert simulate(REGISTRY)["gets"] > 900
    store = simulate(STORE)
    assert store["puts"] > 0 and store["gets"] > 0 and store["requests"] + store["passed_over"] >= 2000
    one_hour = simulate("--key-field", "digest", "--to", "1h", DALLAS)
    assert 300 < one_hour["gets"] < 3000 and 0 < one_hour["object_hit_ratio"] < 1


def test_what_is_wrong_is_said(trace, tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("0 get a 10\nnonsense\n")
    config = tmp_path / "config"
    config.write_text("eviction best\n")
    for words, why in (((bad,), f"{bad}, line 2 is not a request: 'nonsense'"),
                       ((tmp_path / "none",), "No such file"),
                       (("--config", config, trace), f"{config}"),
                       (("--memory", "1mb", trace), "memory"),
                       (("--reclaim", "always", trace), "reclaim"),
                       (("--warm", "1s", trace), "warm"),
                       (("--functions", 2, trace), "of code-table needs 3 functions"),
                       (("--key-field", "path", trace), "uri|digest"),
                       (("--keys", 5, trace), "--keys is for made-up requests"),
                       (("--cloud", "gcp", trace), "aws or local"),
                       (("--plot", trace, trace), str(trace)),
                       ((trace, trace), "unexpected argument")):
        done = run(*words)
        assert done.returncode == 2 and done.stdout == b"", words
        assert why in done.stderr.decode(), done.stderr


# ---- plots --------------------------------------------------------------------

def test_plots(trace, tmp_path):
    folder = tmp_path / "plots"
    simulate("--plot", folder, trace)
    for name in ("cost", "faults", "latency", "classes"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.png").stat().st_size > 5000
        root = xml.etree.ElementTree.parse(folder / f"{name}.svg").getroot()
        assert len(list(root.iter())) > 50
    for name in ("hours", "cost", "latency", "classes"):
        assert len((folder / f"{name}.csv").read_text().splitlines()) > 2


def test_plots_can_be_told_apart(trace, tmp_path):
    """A colour is one thing in all figures, S3 is among what is compared, and no axis goes beyond the hours."""
    folder = tmp_path / "plots"
    report = simulate("--plot", folder, trace)
    meant = {}
    for name in ("cost", "faults", "latency", "classes"):
        script = (folder / f"{name}.gp").read_text().split("set output", 2)[1]
        for kind, title in re.findall(r" lt (\d+) title '([^']*)'", script):
            meant.setdefault(kind, set()).add(title)
        hours = len((folder / "hours.csv").read_text().splitlines()) - 1
        assert f"hours = {hours}\n" in (folder / f"{name}.gp").read_text()
        colours = re.findall(r"set linetype \d+ lc rgb '(#\w+)'", script)
        assert len(colours) == len(set(colours)) >= len(meant)
    one = {"1": {"its functions", "InfiniCache", "InfiniCache, all"}, "3": {"ElastiCache, same hit ratio", "ElastiCache"},
           "7": {"of these, hits", "InfiniCache, hits"}, "11": {"repair", "chunks repaired"}}
    assert len(meant) == 16
    for kind, titles in meant.items():
        assert len(titles) == 1 or titles == one[kind], titles
    header, *_, last = (line.split(",") for line in (folder / "cost.csv").read_text().splitlines())
    last = dict(zip(header, map(float, last)))
    assert last["s3"] == pytest.approx(report["alternatives"]["s3"]["dollars"], rel=1e-4)
    assert last["s3_express"] == pytest.approx(report["alternatives"]["s3_express"]["dollars"], rel=1e-4)


def test_without_gnuplot_its_package_is_named(trace, tmp_path):
    done = run("--plot", tmp_path / "plots", trace, env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 2 and b"gnuplot-nox" in done.stderr and done.stdout == b""
