"""A full disk for DIR: writes are answered with -MISCONF, which names the cause, the room there is and
what helps, and change nothing; reads go on, nothing is lost, and writes work again once there is room. A
limit on the proxy's file sizes stands for it, and a small tmpfs is it."""
import ctypes
import os
import re
import resource
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest
import redis

from harness import DEADLINE_S, INFINICACHE, free_ports, noise, wait_until

CLONE_NEWNS = 0x00020000
CHANGES = (("SET", "small", "new"), ("SET", "large", "new"), ("SET", "other", "x"),
           ("DEL", "small"), ("EXPIRE", "small", "100"), ("RENAME", "small", "other"),
           ("MSET", "small", "1", "other", "2"), ("FLUSHALL",))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB, seen by this process and its children alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        pytest.skip("needs the right to mount")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def limit_files(cluster, full):
    pid = cluster.pid_of("proxy")
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 if full else hard, hard))


def fill(disk, left=0):
    """LEFT bytes stay free."""
    path = disk / "fill"
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(65536))
        except OSError:
            f.truncate(f.tell() - left)
    return path


def is_writable(client):
    try:
        return client.set("probe", b"x")
    except redis.exceptions.ResponseError as error:
        assert str(error).startswith("MISCONF")
        return False


def ask(cluster, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{cluster.http_port}/{path}",
                                    timeout=DEADLINE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(cluster):
    _, text = ask(cluster, "metrics")
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")


def check_refusal(cluster, cause, why):
    """Nothing is changed, and everything names the cause."""
    client = cluster.redis()
    for change in CHANGES * 2:
        with pytest.raises(redis.exceptions.ResponseError, match=f"^MISCONF.*journal.lmdb: {why}"):
            client.execute_command(*change)
        assert client.get("small") == b"old"
    with pytest.raises(redis.exceptions.ResponseError):
        with client.pipeline(transaction=True) as pipe:
            pipe.set("small", b"1").delete("large").execute()
    assert client.get("large") == noise(3000000)
    assert sorted(client.keys("*")) == [b"large", b"small"] and client.ttl("small") == -1
    status, text = ask(cluster, "healthz")
    assert status == 503 and why.split(" \\(")[0] in text
    info = client.info("persistence")
    assert info["aof_last_write_status"] == "err" and "journal.lmdb" in info["ic_journal_failure"]
    assert info[f"ic_journal_failures_{cause}"] == info["ic_journal_failures"] > 0
    figures = metrics(cluster)
    assert figures["infinicache_journal_writable"] == "0"
    assert [name for name, value in figures.items() if "journal_failures" in name and value != "0"] \
        == ['infinicache_journal_failures_total{cause="%s"}' % cause]


def check_recovery(cluster, cause):
    client = cluster.redis()
    wait_until(lambda: is_writable(client), "writes work again")
    assert ask(cluster, "healthz") == (200, "ok\n")
    info = client.info("persistence")
    assert info["aof_last_write_status"] == "ok" and info["ic_journal_failure"] == ""
    assert info["ic_journal_free_bytes"] > 0
    assert metrics(cluster)["infinicache_journal_writable"] == "1"
    assert f" journal-recovered cause={cause} " in (cluster.dir / "proxy.log").read_text()
    client.delete("small")
    cluster.kill("proxy")
    cluster.up()
    client = cluster.redis()
    assert client.get("small") is None
    assert client.get("large") == noise(3000000)
    assert sorted(client.keys("*")) == [b"large", b"probe"]


def start(new_cluster, folder=None):
    cluster = new_cluster(up=False)
    if folder is not None:
        shutil.rmtree(cluster.dir)
        cluster.dir = folder
    cluster.start()
    client = cluster.redis()
    client.set("small", b"old")
    client.set("large", noise(3000000))
    return cluster


def test_limit_on_file_sizes(new_cluster):
    cluster = start(new_cluster)
    limit_files(cluster, True)
    check_refusal(cluster, "file_size_limit",
                  f"File too large \\(files of process {cluster.pid_of('proxy')} may have 0.0 MiB\\); raise")
    limit_files(cluster, False)
    check_recovery(cluster, "file_size_limit")


NO_SPACE = r"No space left on device \(0.0 of 8.0 MiB free\); free some space there"


def fail_to_store_many(cluster):
    """Some keys more would fit into pages of the journal that are free."""
    with pytest.raises(redis.exceptions.ResponseError, match=f"^MISCONF.*{NO_SPACE}"):
        cluster.redis().mset({f"key:{i:0200}": b"" for i in range(300)})


def test_full_disk(new_cluster, small_disk):
    cluster = start(new_cluster, small_disk / "d")
    path = fill(small_disk)
    fail_to_store_many(cluster)
    check_refusal(cluster, "no_space", NO_SPACE)
    done = cluster.get("large", small_disk / "copy", check=False)
    assert done.returncode == 2 and re.search(f"cannot write {small_disk}/copy: {NO_SPACE}", done.stderr)
    assert sorted(entry.name for entry in small_disk.iterdir()) == ["d", "fill"]
    path.unlink()
    check_recovery(cluster, "no_space")


def test_up_on_a_full_disk_leaves_the_settings(new_cluster, small_disk):
    cluster = start(new_cluster, small_disk / "d")
    before = (cluster.dir / "settings").read_bytes()
    cluster.kill("proxy")
    path = fill(small_disk)
    failed = cluster.up(check=False)
    assert failed.returncode != 0 and re.search(NO_SPACE, failed.stderr)
    assert "settings" not in failed.stderr and (cluster.dir / "settings").read_bytes() == before
    path.unlink()
    cluster.up()
    assert cluster.redis().get("small") == b"old"


def test_disk_that_fills_up(new_cluster, small_disk):
    """A write that ends short has no errno: it is no I/O error all the same."""
    cluster = start(new_cluster, small_disk / "d")
    path = fill(small_disk, left=16384)
    fail_to_store_many(cluster)
    path.unlink()
    check_recovery(cluster, "no_space")


def run_proxy(folder):
    """The exit status of a proxy that cannot begin, and what it says."""
    ports = zip(("--port", "--node-port", "--http-port"), map(str, free_ports(3)))
    done = subprocess.run([INFINICACHE, "proxy", "--dir", folder, *(word for pair in ports for word in pair)],
                          capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return done.returncode, done.stderr


def test_no_room_to_begin(small_disk):
    fill(small_disk)
    status, text = run_proxy(small_disk / "d")
    assert status == 1 and "journal.lmdb: No space left on device (0.0 of 8.0 MiB free); free some" in text


def test_read_only_folder(small_disk):
    os.mkdir(small_disk / "d")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    status, text = run_proxy(small_disk / "d")
    assert status == 1 and "journal.lock: Read-only file system; mount it" in text


@pytest.mark.parametrize("command", [["config"], ["--version"], ["help", "up"], ["simulate", "-"], ["plan", "--help"]])
def test_full_output(command):
    """A report that did not arrive is no success."""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([INFINICACHE, *command], input="0 put a 1000\n1 get a\n", stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2 and "cannot write /dev/stdout: No space left on device" in done.stderr


def test_full_disk_of_the_platform(small_disk):
    """The code of the functions does not fit: the platform says why, and `up` passes it on."""
    fill(small_disk, left=1200000)
    ports = zip(("--port", "--node-port", "--http-port", "--platform-port"), map(str, free_ports(4)))
    done = subprocess.run([INFINICACHE, "up", "--dir", small_disk / "d", *(word for pair in ports for word in pair)],
                          capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2 and "code cannot be stored: no space left on device" in done.stderr
