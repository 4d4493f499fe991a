"""Every kind of hostile client and of fault at once, for some seconds: the driver of `make hostile`."""
import re
import subprocess
import sys

import pytest

from harness import BUILD, DEADLINE_S, ROOT


def hostile(*words):
    return subprocess.run([sys.executable, ROOT / "test" / "hostile", *words], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"BUILD": str(BUILD), "PATH": "/usr/bin:/bin"},
                          check=False)


def figure(done, name):
    return int(re.search(rf"^ *{name} +(\d+)", done.stdout, re.M).group(1))


@pytest.mark.timeout(6 * DEADLINE_S)
def test_nothing_wrong_and_nothing_broken():
    done = hostile("--minutes", "0.2")
    assert done.returncode == 0, done.stdout
    assert figure(done, "wrong bytes") == figure(done, "crashes") == 0
    for what in ("clients", "faults", "bystander's hits", "writers' hits", "tries of browse", "tries of send_garbage"):
        assert figure(done, what) > 0, done.stdout


@pytest.mark.timeout(6 * DEADLINE_S)
def test_the_driver_looks():
    done = hostile("--minutes", "0.1", "--only", "pages", "--no-faults", "--spoil")
    assert done.returncode == 1, done.stdout
    assert figure(done, "wrong bytes") > 0 and "known:small: 11 bytes" in done.stdout
