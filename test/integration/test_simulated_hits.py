"""The simulation's hit ratios on the paper's trace, beside those of an independent calculation (the
table beside the trace). Without losses a pool is a cache like any other."""
import json
import pathlib
import subprocess

import pytest

from harness import INFINICACHE, ROOT

TRACE = ROOT.parent / "shared" / "data" / "dal09_10mb_50h.tar.gz"
GB = 10**9
APART = 0.003

LOSS_FREE = ("--functions", "2000", "--memory", "1gb", "--reclaim", "none", "--instance-idle", "1000h",
             "--warm-interval", "0", "--backup-interval", "0", "--max-object-size", "10gb")


def simulate(*words):
    done = subprocess.run([INFINICACHE, "simulate", *words, "--format", "json", TRACE], stdout=subprocess.PIPE,
                          check=True, timeout=300)
    return json.loads(done.stdout)


@pytest.mark.skipif(not pathlib.Path(TRACE).exists(), reason="the trace is not there")
@pytest.mark.parametrize("eviction, most, ratio", [("lru", 20 * GB, .594), ("lru", 50 * GB, .626), ("lru", 100 * GB, .638),
                                                   ("lru", 467 * GB, .661), ("lru", 0, .665),
                                                   ("gdsf", 50 * GB, .640), ("gdsf", 467 * GB, .664)])
def test_hits_without_losses(eviction, most, ratio):
    report = simulate(*LOSS_FREE, "--eviction", eviction, "--maxmemory", str(most))
    assert report["requests"] == 37474
    assert report["resets"] == 0 and report["lost_objects"] == 0
    assert report["object_hit_ratio"] == pytest.approx(ratio, abs=APART)


@pytest.mark.skipif(not pathlib.Path(TRACE).exists(), reason="the trace is not there")
def test_backups_stand_between_reclaims_and_resets():
    paper = ("--functions", "400", "--memory", "1536mb", "--code-table", "*:10+2", "--eviction", "clock", "--billing", "100ms",
             "--repair", "lazy", "--hedge", "always", "--backup-rate", "0", "--peer-interval", "5m", "--shutdown", "0", "--reclaim", "zipf:1.84",
             "--largest", "8000000000")
    without = simulate(*paper, "--backup-interval", "0")
    with_backup = simulate(*paper, "--backup-interval", "5m")
    assert without["requests"] == with_backup["requests"] == 37473
    assert with_backup["resets"] * 2 < without["resets"]
    assert with_backup["object_hit_ratio"] == pytest.approx(.636, abs=.02)
    assert without["object_hit_ratio"] == pytest.approx(.561, abs=.02)
    assert without["dollars"]["backup"] == 0 < with_backup["dollars"]["backup"]
