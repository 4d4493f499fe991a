"""Fixtures of the integration tests; the helpers are in harness.py.

    cluster         one cluster per test module, normal buffers: leave it as you found it
    tiny_cluster    the same with the smallest buffers
    each_cluster    a test that takes it runs on both
    new_cluster     a function that makes clusters for one test alone: new_cluster(functions=6,
                    options={"warm-interval": "1s"}) is up, new_cluster(up=False) is not yet
    new_proxy       the same of proxies alone, before a fake Lambda (fake_lambda.py)
    real_files      files of this machine, of mixed sizes
"""
import itertools
import os
import pathlib

import pytest

from fake_lambda import Proxy
from harness import BOOTSTRAP, INFINICACHE, TINY_BUFFERS, Cluster

_living = []  # the clusters whose logs a failed test shows


@pytest.fixture(scope="session", autouse=True)
def binaries():
    for path in (INFINICACHE, BOOTSTRAP):
        assert path.exists(), f"{path} is missing: run make first"


def _run(cluster):
    _living.append(cluster)
    try:
        yield cluster.start()
    finally:
        cluster.close()
        _living.remove(cluster)


@pytest.fixture(scope="module")
def cluster():
    yield from _run(Cluster())


@pytest.fixture(scope="module")
def tiny_cluster():
    yield from _run(Cluster(options=TINY_BUFFERS))


@pytest.fixture(scope="module", params=["normal", "tiny"])
def each_cluster(request):
    yield from _run(Cluster(options=TINY_BUFFERS if request.param == "tiny" else None))


@pytest.fixture
def new_cluster():
    made = []

    def make(up=True, **more):
        made.append(Cluster(**more))
        _living.append(made[-1])
        return made[-1].start() if up else made[-1]

    yield make
    for one in made:
        one.close()
        _living.remove(one)


@pytest.fixture
def new_proxy():
    """Makes proxies for one test alone, before a fake Lambda: new_proxy(lease="60s")."""
    made = []

    def make(**directives):
        made.append(Proxy(**directives))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def real_files():
    """Some hundred regular files of /usr/lib, 16 of every size class up to 4 MiB and two of each
    beyond, up to 32 MiB: about 200 MB."""
    by_class = {}
    found = (entry for folder, _, names in os.walk("/usr/lib")
             for entry in (pathlib.Path(folder, name) for name in sorted(names))
             if entry.is_file() and not entry.is_symlink())
    for path in itertools.islice(found, 10000):
        size = path.stat().st_size
        same = by_class.setdefault(size.bit_length(), [])
        if size <= 32 << 20 and len(same) < (16 if size < 4 << 20 else 2):
            same.append(path)
    return [path for same in by_class.values() for path in same]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for one in _living:
            report.sections.append((f"logs of {one.dir}", one.logs()))
