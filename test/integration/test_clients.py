"""Real clients, unchanged, with real bytes: what goes in comes out with the same SHA-256.

Every client is driven the same way: it is given a list of [key, path], stores all of them, then
reads them back and says the SHA-256 of what came.
"""
import os
import pathlib
import shutil
import subprocess

import pytest
import redis

from harness import BUILD, noise, sha256, sha256_file

HERE = pathlib.Path(__file__).parent
NODE_CLIENTS = pathlib.Path(os.environ.get("CLIENTS", BUILD / "clients"))
CLIENT_SECONDS = 600

SIZES = [0, 1, 63, 64, 65535, 65536, 655359, 655360, 655361, (1 << 20) - 1, 1 << 20, (1 << 20) + 1]
LARGE = 100 * 1000 * 1000


# ---- drivers: (port, [[key, path]]) -> {key: sha256} ------------------------

def by_redis_cli(port, pairs, _tools):
    found = {}
    for key, path in pairs:
        with open(path, "rb") as f:
            done = subprocess.run(["redis-cli", "-p", str(port), "-x", "SET", key], stdin=f,
                                  capture_output=True, check=True, timeout=CLIENT_SECONDS)
        assert done.stdout == b"OK\n", done.stdout[:200]
    for key, _ in pairs:
        done = subprocess.run(["redis-cli", "-p", str(port), "--raw", "GET", key],
                              capture_output=True, check=True, timeout=CLIENT_SECONDS)
        found[key] = sha256(done.stdout[:-1])  # it ends its output with a newline
    return found


def by_redis_py(port, pairs, _tools):
    client = redis.Redis(port=port, socket_timeout=CLIENT_SECONDS)
    for key, path in pairs:
        assert client.set(key, pathlib.Path(path).read_bytes())
    return {key: sha256(client.get(key)) for key, _ in pairs}


def by_program(words, port, pairs, cwd=None):
    """A program that reads "PORT" and the pairs as lines and prints lines "KEY SHA256"."""
    text = "".join(f"{key}\t{path}\n" for key, path in pairs)
    done = subprocess.run([*words, str(port)], input=text, capture_output=True, text=True,
                          timeout=CLIENT_SECONDS, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(line.split("\t") for line in done.stdout.splitlines())


def by_hiredis(port, pairs, tools):
    program = tools / "hiredis_client"
    if not program.exists():
        subprocess.run(["cc", "-O2", "-Wall", "-o", program, HERE / "clients/hiredis_client.c",
                        "-lhiredis", "-lcrypto"], check=True)
    return by_program([program], port, pairs)


def by_node(script, port, pairs):
    if not (NODE_CLIENTS / ".installed").exists() or shutil.which("node") is None:
        pytest.skip("the Node clients are not installed (make clients says why)")
    for name in (script, "pairs.js"):
        shutil.copy(HERE / "clients" / name, NODE_CLIENTS)
    return by_program(["node", NODE_CLIENTS / script], port, pairs)


def by_ioredis(port, pairs, _tools):
    return by_node("ioredis_client.js", port, pairs)


def by_node_redis(port, pairs, _tools):
    return by_node("node_redis_client.js", port, pairs)


DRIVERS = [by_redis_cli, by_redis_py, by_hiredis, by_ioredis, by_node_redis]
every_client = pytest.mark.parametrize("driver", DRIVERS, ids=lambda d: d.__name__[3:])


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    return tmp_path_factory.mktemp("tools")


@pytest.fixture(scope="module")
def sized_files(tmp_path_factory):
    """[key, path] for every size at which the layout changes shape."""
    folder = tmp_path_factory.mktemp("sizes")
    pairs = []
    for size in SIZES:
        path = folder / str(size)
        path.write_bytes(noise(size, seed=size))
        pairs.append([f"size-{size}", str(path)])
    return pairs


def same_through(driver, cluster, pairs, tools):
    expected = {key: sha256_file(path) for key, path in pairs}
    assert driver(cluster.port, pairs, tools) == expected


# ---- tests ------------------------------------------------------------------

@every_client
def test_sizes_where_the_layout_changes(each_cluster, driver, sized_files, tools):
    same_through(driver, each_cluster, sized_files, tools)


@every_client
def test_files_of_this_machine(cluster, driver, real_files, tools):
    name = driver.__name__
    cluster.redis().flushall()  # what earlier tests left may not push these out
    files = real_files[::4] if driver is by_redis_cli else real_files  # two processes per file
    pairs = [[f"{name}:{i}", str(path)] for i, path in enumerate(files)]
    same_through(driver, cluster, pairs, tools)


@every_client
@pytest.mark.slow
def test_a_hundred_megabytes(cluster, driver, tmp_path, tools):
    (tmp_path / "large").write_bytes(noise(LARGE))
    same_through(driver, cluster, [["large", str(tmp_path / "large")]], tools)


@every_client
def test_what_one_client_stores_every_other_reads(cluster, driver, sized_files, tools):
    for key, path in sized_files:
        cluster.redis().set(key, pathlib.Path(path).read_bytes())
    same_through(driver, cluster, sized_files, tools)


def benchmark(port, *words):
    done = subprocess.run(["redis-benchmark", "-p", str(port), *words], capture_output=True,
                          text=True, timeout=CLIENT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Error" not in done.stdout + done.stderr
    return done.stdout


def test_redis_benchmark_completes(cluster):
    text = benchmark(cluster.port, "-t", "set,get", "-d", "1048576", "-n", "200", "-c", "4")
    assert "SET" in text and "GET" in text


def test_redis_benchmark_pipelines(cluster):
    benchmark(cluster.port, "-t", "ping,set,get", "-d", "100", "-n", "2000", "-c", "20", "-P", "16")


# ---- the long runs ----------------------------------------------------------

@pytest.fixture(scope="module")
def large_cluster():
    from harness import Cluster
    c = Cluster(functions=16, memory="512mb")
    try:
        yield c.start()
    finally:
        c.close()


@pytest.mark.acceptance
@every_client
def test_a_gigabyte_and_a_thousand_files(large_cluster, driver, tmp_path, tools):
    with open(tmp_path / "gigabyte", "wb") as f:
        for i in range(64):
            f.write(noise(16 << 20, seed=i))
    paths = [p for p in sorted(pathlib.Path("/usr/lib").rglob("*"))
             if p.is_file() and not p.is_symlink() and p.stat().st_size < 64 << 20]
    step = max(1, len(paths) // 1000)
    pairs = [[f"{driver.__name__}:{i}", str(p)] for i, p in enumerate(paths[::step][:1000])]
    same_through(driver, large_cluster, pairs, tools)
    same_through(driver, large_cluster, [["gigabyte", str(tmp_path / "gigabyte")]], tools)


@pytest.mark.acceptance
def test_three_gigabytes_through_the_command(large_cluster, tmp_path):
    with open(tmp_path / "in", "wb") as f:
        for i in range(192):
            f.write(noise(16 << 20, seed=i))
    large_cluster.put("three", tmp_path / "in", timeout=CLIENT_SECONDS)
    large_cluster.get("three", tmp_path / "out", timeout=CLIENT_SECONDS)
    assert sha256_file(tmp_path / "in") == sha256_file(tmp_path / "out")


@pytest.mark.acceptance
def test_redis_benchmark_in_full(large_cluster):
    print(benchmark(large_cluster.port, "-t", "set,get", "-d", "1048576", "-n", "2000", "-c", "4"))
