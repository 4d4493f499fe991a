"""The pool of another life: fewer functions, more, others. What is left is served and repaired, `up`
says in one line what became of the objects, and no file ever has to be deleted by hand."""
import json
import re
import signal
import subprocess

import pytest
import redis

from harness import BOOTSTRAP, DEADLINE_S, INFINICACHE, fields, free_ports, noise, wait_until
from platform_harness import Platform, make_zip

KB, MB = 1 << 10, 1 << 20
# Of each size class: 1+2, 4+2 and 10+2 chunks.
SIZES = (10 * KB, 900 * KB, 5 * MB)


def fill(client, rounds=8):
    """Objects of every size class, some copied, some that expire later."""
    expected = {}
    for number in range(rounds):
        for size in SIZES:
            key = f"k{number}-{size}"
            expected[key] = noise(size + number, number)
            client.set(key, expected[key], ex=10000 if number % 3 == 0 else None)
    return expected


def chunks(client, key):
    """(function, state) of each chunk of KEY."""
    reply = fields(client.execute_command("ic.object", key))
    return [(c["function"], c["state"]) for c in map(fields, reply["chunks"])]


def counts(text):
    """What `up` said: whole, degraded, lost."""
    found = re.search(r"(\d+) objects are whole, (\d+) lack chunks, (\d+) are lost", text)
    assert found is not None, text
    return [int(group) for group in found.groups()]


def restart(cluster, **changes):
    """The proxy alone, with other settings; what `up` said."""
    cluster.down("--keep-functions")
    cluster.options.update(changes)
    return cluster.up().stdout


def functions_of(cluster):
    listed = cluster.local("bill")["functions"]
    return {row["function"] for row in listed}


def check_repaired(client, expected, functions):
    def whole():
        for key in expected:
            places = chunks(client, key)
            names = [function for function, state in places if state == "held"]
            if len(names) < len(places) or len(set(names)) < len(names) \
                    or not set(names) <= functions:
                return False
        return True
    wait_until(whole, "every object has all its chunks, each on a function of the pool")


def test_fewer_functions_lose_what_they_held_and_no_more(new_cluster):
    cluster = new_cluster(functions=14, options={"repair": "eager"})
    client = cluster.redis()
    expected = fill(client)
    gone = {"infinicache-12", "infinicache-13"}
    lacking = {key for key in expected if gone & {f for f, _ in chunks(client, key)}}
    assert lacking  # 14 functions, 12 chunks: of most of the large ones
    said = restart(cluster, functions=12)
    assert "14 functions" in said and "12 functions" in said
    assert counts(said) == [len(expected) - len(lacking), len(lacking), 0]
    assert "2 functions that are not in the pool any more were deleted" in said
    wait_until(lambda: not [r for r in cluster.instances() if r["function"] in gone],
               "their instances have ended")
    client = cluster.redis()
    for key, value in expected.items():
        assert client.get(key) == value
    assert client.ttl(f"k0-{SIZES[0]}") > 9000
    check_repaired(client, expected, {f"infinicache-{i}" for i in range(12)})
    assert "pool_change" in client.info("everything")
    # Said once, and nothing is lost by going on.
    assert "lack chunks" not in restart(cluster)
    client = cluster.redis()
    assert all(client.get(key) == value for key, value in expected.items())


def test_what_has_too_few_chunks_is_a_miss(new_cluster):
    cluster = new_cluster(functions=16, options={"repair": "eager"})
    client = cluster.redis()
    expected = fill(client)
    gone = {f"infinicache-{i}" for i in range(12, 16)}
    left = {key: sum(f not in gone for f, _ in chunks(client, key)) for key in expected}
    needed = {SIZES[0]: 1, SIZES[1]: 4, SIZES[2]: 10}
    lost = {key for key in expected if left[key] < needed[int(key.split("-")[1])]}
    total = {SIZES[0]: 3, SIZES[1]: 6, SIZES[2]: 12}
    whole = {key for key in expected if left[key] == total[int(key.split("-")[1])]}
    said = restart(cluster, functions=12)
    assert counts(said) == [len(whole), len(expected) - len(whole) - len(lost), len(lost)]
    client = cluster.redis()
    for key, value in expected.items():
        assert client.get(key) == (None if key in lost else value)
    check_repaired(client, expected.keys() - lost, {f"infinicache-{i}" for i in range(12)})
    assert client.dbsize() == len(expected) - len(lost)
    # What was lost stays lost, also when functions of those names are there again.
    said = restart(cluster, functions=16)
    assert counts(said) == [len(expected) - len(lost), 0, 0]
    client = cluster.redis()
    for key, value in expected.items():
        assert client.get(key) == (None if key in lost else value)


def test_more_functions_are_used(new_cluster):
    cluster = new_cluster(functions=12)
    client = cluster.redis()
    expected = fill(client, 3)
    said = restart(cluster, functions=16)
    assert counts(said) == [len(expected), 0, 0]
    client = cluster.redis()
    used = set()

    def all_used():
        key = f"new{len(expected)}"
        expected[key] = noise(200 * KB, len(expected))
        client.set(key, expected[key])
        used.update(function for function, _ in chunks(client, key))
        return used >= {f"infinicache-{i}" for i in range(16)}
    wait_until(all_used, "new objects are on new functions, too")
    assert all(client.get(key) == value for key, value in expected.items())


def test_all_anew_with_fewer(new_cluster):
    """`down` without --keep-functions: nothing is left anyway, and it must start."""
    cluster = new_cluster(functions=14)
    cluster.redis().set("key", noise(MB))
    cluster.down()
    cluster.options["functions"] = 12
    said = cluster.up().stdout
    assert STARTED_ANEW in said
    client = cluster.redis()
    assert client.set("key", "new") and client.get("key") == b"new"
    for rebuild in ("yes", "no"):
        cluster.down()
        cluster.options["functions"] = 14 if rebuild == "yes" else 13
        cluster.up(rebuild=rebuild)
        client = cluster.redis()
        assert client.set("key", rebuild) and client.get("key") == rebuild.encode()


STARTED_ANEW = "the platform was started anew, what its functions held is gone"


def check_empty(client, keys):
    """No command sees any of KEYS, and each can be had as a lock."""
    assert client.dbsize() == 0 and client.keys() == []
    assert client.exists(*keys) == 0
    for key in keys:
        assert client.strlen(key) == 0 and client.get(key) is None
    assert all(client.set(key, "mine", nx=True) for key in keys)


@pytest.mark.parametrize("after", [14, 12])
def test_a_platform_that_was_started_anew_holds_nothing(new_cluster, after):
    """What was there is gone at once, told once, and the books go on."""
    cluster = new_cluster(functions=14)
    client = cluster.redis()
    expected = fill(client, 4)
    wait_until(lambda: client.info("cost")["billed_ms_serve"] > 0, "something was paid for")
    spent = client.info("cost")["billed_ms_serve"]
    cluster.down()
    cluster.options["functions"] = after
    said = cluster.up().stdout
    assert said.lower().count(f"{STARTED_ANEW} ({len(expected)} objects)") == 1, said
    assert "are whole" not in said and said.count("12 functions '") == (after == 12)
    client = cluster.redis()
    assert STARTED_ANEW in client.info("everything")["pool_change"]
    assert client.info("cost")["billed_ms_serve"] >= spent
    check_empty(client, list(expected))
    for begin in (restart, lambda c: (c.kill("proxy"), c.up())[1].stdout):
        assert STARTED_ANEW not in begin(cluster).lower()
        assert all(cluster.redis().get(key) == b"mine" for key in expected)


def test_fewer_functions_of_a_platform_that_was_started_anew(new_cluster):
    """What is gone since is not counted as there."""
    cluster = new_cluster(functions=14)
    fill(cluster.redis(), 4)
    cluster.down()
    cluster.up()
    cluster.redis().set("new", noise(10 * KB))
    assert sum(counts(restart(cluster, functions=12))) == 1
    assert cluster.redis().dbsize() == 1


def test_a_start_that_fails_keeps_nobody_from_learning_it(new_cluster):
    cluster = new_cluster()
    keys = list(fill(cluster.redis(), 2))
    cluster.down()
    assert cluster.up(check=False, **{"prices": "no=1"}).returncode != 0
    assert STARTED_ANEW in cluster.up(prices="").stdout.lower()
    check_empty(cluster.redis(), keys)


def test_rebuilt_with_fewer(new_cluster):
    """Without a journal, or with `rebuild yes`: what twelve of fourteen functions hold."""
    cluster = new_cluster(functions=14)
    client = cluster.redis()
    expected = fill(client, 4)
    cluster.down("--keep-functions")
    cluster.options["functions"] = 13
    said = cluster.up(rebuild="yes").stdout
    assert "the catalog is rebuilt" in said
    client = cluster.redis()
    assert all(client.get(key) == value for key, value in expected.items())
    check_repaired(client, expected, {f"infinicache-{i}" for i in range(13)})
    cluster.down("--keep-functions")
    (cluster.dir / "journal.lmdb").unlink()
    cluster.options["functions"] = 12
    cluster.up()
    client = cluster.redis()
    assert all(client.get(key) == value for key, value in expected.items())


class Pools:
    """One platform with functions of two names, and a proxy for either, with one folder."""

    def __init__(self):
        self.platform = Platform()
        self.process = None
        self.port, self.node_port, self.http_port = free_ports(3)
        code = make_zip({"bootstrap": (BOOTSTRAP.read_bytes(), 0o100755)})
        for name in ("first", "second"):
            for number in range(4):
                self.platform.create(f"{name}-{number}", code=code, MemorySize=128)

    def start(self, prefix, rebuild="auto"):
        directives = {"dir": self.platform.dir, "port": self.port, "node-port": self.node_port,
                      "http-port": self.http_port, "functions": 4, "memory": "128mb",
                      "function-timeout": "30s", "code-table": "*:2+1", "rebuild": rebuild,
                      "function-prefix": prefix, "platform-endpoint": self.platform.url}
        words = [str(w) for name, value in directives.items() for w in (f"--{name}", value)]
        with open(self.platform.dir / "proxy.log", "ab") as log:
            self.process = subprocess.Popen([INFINICACHE, "proxy", *words], stderr=log,
                                            stdin=subprocess.DEVNULL)
        client = redis.Redis(port=self.port, socket_timeout=DEADLINE_S)
        wait_until(lambda: client.dbsize() >= 0, f"the proxy of {prefix} serves keys")
        return client

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE_S)
            self.process = None

    def log(self):
        return (self.platform.dir / "proxy.log").read_text()


@pytest.fixture
def pools():
    made = Pools()
    try:
        yield made
    finally:
        made.stop()
        made.platform.close()


def test_other_names_begin_empty_and_come_back_empty(pools):
    """Two pools on one platform, one journal: what the first held is older than what the second was
    given, and must not be shown again."""
    client = pools.start("first")
    client.set("kept", b"of the first")
    client.set("changed", b"old")
    pools.stop()
    client = pools.start("second")
    assert client.dbsize() == 0 and client.get("kept") is None
    client.set("changed", b"new")
    client.set("second", b"2")
    pools.stop()
    note = pools.log()
    assert "none of the 2 objects of before" in note and "journal-set-aside" in note
    for rebuild in ("auto", "no"):
        client = pools.start("first", rebuild=rebuild)
        assert client.get("kept") is None and client.get("changed") is None
        assert client.set("third", b"3") and client.get("third") == b"3"
        pools.stop()
    client = pools.start("first")
    assert client.get("third") == b"3" and client.dbsize() == 1


def test_too_small_for_its_codes_changes_nothing(new_cluster):
    cluster = new_cluster(functions=14)
    client = cluster.redis()
    expected = fill(client, 2)
    cluster.down("--keep-functions")
    refused = cluster.up(check=False, functions=8)
    assert refused.returncode != 0 and "10+2" in refused.stderr
    assert len({r["function"] for r in cluster.instances()}) == 14
    cluster.up()
    client = cluster.redis()
    assert all(client.get(key) == value for key, value in expected.items())


def test_killed_while_it_becomes_smaller(new_cluster):
    cluster = new_cluster(functions=14, options={"repair": "eager"})
    client = cluster.redis()
    expected = fill(client, 4)
    cluster.options["functions"] = 12
    for _ in range(3):
        cluster.down("--keep-functions")
        cluster.up()
        cluster.kill("proxy")  # at its first start with twelve, in the middle of the repairs
    cluster.up()
    client = cluster.redis()
    assert all(client.get(key) == value for key, value in expected.items())
    check_repaired(client, expected, {f"infinicache-{i}" for i in range(12)})
    bill = json.dumps(cluster.local("bill"))
    assert "infinicache-11" in bill
