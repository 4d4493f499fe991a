"""The journal is lost, damaged or set aside: the catalog comes back from the functions.

    fill --> stop the proxy: kill -9, down --keep-functions --> lose the journal --> up
         --> every key shows the newest version that is complete, or is a clean miss
"""
import contextlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
import redis

from harness import INFINICACHE, alive, noise, pump, wait_until
from node_link import ITEM, ITEM_LAST, LIST, SEAL, Frame

SIZES = (0, 1, 100, 5000, 65535, 65536, 300000, 1500000, 9000000)


class Filled:
    """A cluster with keys of all sizes: kept, overwritten, deleted, expiring, expired."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.kept, self.deleted = {}, {}
        client = cluster.redis()
        for i, size in enumerate(SIZES):
            self.set(client, f"once:{i}", noise(size, i))
            for round_ in range(3):
                self.set(client, f"often:{i}", noise(size + 64 * round_, 100 + 10 * i + round_))
            self.set(client, f"to-a-smaller:{i}", noise(2 * size + 1, 300 + i))
            self.set(client, f"to-a-smaller:{i}", noise(i, 400 + i))
        self.set(client, b"bytes \xff\r\n", b"binary")
        for i, size in enumerate(SIZES):
            self.deleted[f"deleted:{i}"] = noise(size, 500 + i)
            client.set(f"deleted:{i}", self.deleted[f"deleted:{i}"])
            client.delete(f"deleted:{i}")
        client.set("later", b"has time", ex=1000)
        client.set("soon", noise(3000), px=1)
        wait_until(lambda: client.get("soon") is None, "a key has expired")

    def set(self, client, key, value):
        client.set(key, value)
        self.kept[key] = value

    def check(self, missing=()):
        client = self.cluster.redis()
        for key, value in self.kept.items():
            found = client.get(key)
            assert found == value or (found is None and key in missing), key
        for key, value in self.deleted.items():
            assert client.get(key) in (value, None), key
        assert client.get("soon") is None
        if "later" not in missing:
            assert client.get("later") == b"has time" and 900 < client.ttl("later") <= 1000

    def check_goes_on(self):
        """New values count, and a restart from the new journal is exact."""
        client = self.cluster.redis()
        for i, size in enumerate(SIZES):
            self.set(client, f"once:{i}", noise(size + 1, 700 + i))
            client.delete(f"deleted:{i}", f"to-a-smaller:{i}")
            del self.kept[f"to-a-smaller:{i}"]
        self.deleted = {}
        keys = sorted(client.keys("*"))
        self.cluster.kill("proxy")
        self.cluster.up()
        client = self.cluster.redis()
        assert persistence(client).get("ic_rebuild_functions_total") is None
        assert sorted(client.keys("*")) == keys
        assert all(client.get(f"deleted:{i}") is None for i in range(len(SIZES)))
        self.check()


def persistence(client):
    return client.info("persistence")


def journals(cluster, pattern="journal.lmdb"):
    return sorted(cluster.dir.glob(pattern))


def kill(cluster):
    cluster.kill("proxy")


def wait_until_all_sleep(cluster):
    wait_until(lambda: all(r["state"] == "idle" for r in cluster.instances()), "every node sleeps")


def kill_when_all_sleep(cluster):
    wait_until_all_sleep(cluster)
    cluster.kill("proxy")


def keep_functions(cluster):
    assert "functions stay" in cluster.down("--keep-functions").stdout
    assert cluster.pid_of("proxy") is None and alive(cluster.pid_of("platform"))


def lose(cluster):
    for path in journals(cluster, "journal.*"):
        path.unlink()


def truncate(cluster):
    os.truncate(journals(cluster)[0], 9000)


def garbage(cluster):
    journals(cluster)[0].write_bytes(noise(50000))


def flip_bytes(cluster):
    path = journals(cluster)[0]
    data = bytearray(path.read_bytes())
    for i in range(200, len(data), 50):
        data[i] ^= 0x55
    path.write_bytes(data)


# ---- nothing is lost: what a restart promises ------------------------------------

def test_keep_functions(new_cluster):
    """A planned stop: instances stay, every change is there, the deleted stays deleted."""
    filled = Filled(new_cluster())
    cluster = filled.cluster
    before = {r["instance"] for r in cluster.instances()}
    keep_functions(cluster)
    assert "No proxy was running" in cluster.down("--keep-functions").stdout
    assert "not running" in cluster.status(check=False).stdout
    cluster.up()
    assert before <= {r["instance"] for r in cluster.instances()}
    filled.check()
    assert not any(cluster.redis().exists(key) for key in filled.deleted)
    assert "loading" in persistence(cluster.redis())
    assert persistence(cluster.redis()).get("ic_rebuild_functions_total") is None
    # Settings of the proxy alone may change meanwhile; those of the functions may not.
    refused = cluster.up(check=False, lease="2s")
    assert refused.returncode != 0 and "down --keep-functions" in refused.stderr
    keep_functions(cluster)
    refused = cluster.up(check=False, memory="256mb")
    assert refused.returncode != 0 and "memory (runs with 128mb, asked for 256mb)" in refused.stderr
    assert "goes with them" in refused.stderr
    cluster.options["lease"] = "2s"
    cluster.up()
    assert cluster.redis().config_get("lease") == {"lease": "2s"}
    filled.check()
    cluster.down()
    assert not cluster.processes()
    assert "no functions to keep" in cluster.down("--keep-functions").stdout


# ---- the journal is lost --------------------------------------------------------

@pytest.mark.parametrize("stop", [kill, keep_functions])
@pytest.mark.parametrize("damage", [lose, truncate, garbage, flip_bytes])
def test_rebuilt(new_cluster, stop, damage):
    filled = Filled(new_cluster())
    cluster = filled.cluster
    stop(cluster)
    damage(cluster)
    cluster.up()
    filled.check()
    found = persistence(cluster.redis())
    assert found["loading"] == 0
    assert found["ic_rebuild_functions_done"] == found["ic_rebuild_functions_total"] == 14
    assert found["ic_rebuild_functions_given_up"] == 0
    assert found["ic_rebuild_restored_keys"] >= len(filled.kept)
    assert "may be undone" in found["ic_rebuild_note"]
    aside = journals(cluster, "journal.lmdb.aside-*Z")
    assert len(aside) == (0 if damage is lose else 1), "the damaged file is kept"
    log = (cluster.dir / "proxy.log").read_text()
    assert ("journal-set-aside" in log and "way_back=" in log) == (damage is not lose)
    filled.check_goes_on()


def test_asked_for(new_cluster):
    """--rebuild yes is for one start; the journal that was set aside can be brought back."""
    filled = Filled(new_cluster())
    cluster = filled.cluster
    refused = cluster.up(check=False, rebuild="yes")
    assert refused.returncode != 0 and "down --keep-functions" in refused.stderr
    keep_functions(cluster)
    cluster.up(rebuild="yes")
    filled.check()
    assert persistence(cluster.redis())["ic_rebuild_functions_total"] == 14
    keep_functions(cluster)
    cluster.up()
    assert persistence(cluster.redis()).get("ic_rebuild_functions_total") is None
    filled.check()
    # The way back: an older epoch than the nodes have seen, which is no obstacle.
    keep_functions(cluster)
    journals(cluster, "journal.lmdb.aside-*Z")[0].rename(journals(cluster)[0])
    cluster.up()
    filled.check()
    assert not any(cluster.redis().exists(key) for key in filled.deleted)
    filled.check_goes_on()


def test_forbidden(new_cluster):
    """rebuild no: a damaged journal ends the start, a missing one means an empty cache."""
    filled = Filled(new_cluster())
    cluster = filled.cluster
    keep_functions(cluster)
    garbage(cluster)
    refused = cluster.up(check=False, rebuild="no")
    assert refused.returncode != 0 and "journal.lmdb" in refused.stderr
    assert not journals(cluster, "journal.lmdb.aside-*Z")
    lose(cluster)
    cluster.up(rebuild="no")
    client = cluster.redis()
    assert client.dbsize() == 0
    client.set("once:1", b"new")
    assert client.get("once:1") == b"new"


def test_active_nodes_of_a_lost_secret(new_cluster):
    """Their functions are invoked when they have left, not before: no other instance answers."""
    filled = Filled(new_cluster(options={"lease": "250s"}))
    cluster = filled.cluster
    before = {r["instance"] for r in cluster.instances()}
    assert len([r for r in cluster.instances() if r["state"] == "busy"]) >= 12
    kill(cluster)
    lose(cluster)
    cluster.up()
    filled.check()
    assert before == {r["instance"] for r in cluster.instances()}


def test_lost_functions(new_cluster):
    """Two functions of each object may be gone; of small ones as of large ones."""
    filled = Filled(new_cluster())
    cluster = filled.cluster
    kill(cluster)
    lose(cluster)
    cluster.kill_instances(["infinicache-3", "infinicache-8"])
    cluster.up()
    filled.check()
    cluster.kill("proxy")
    lose(cluster)
    cluster.kill_instances([f"infinicache-{i}" for i in (0, 1, 2, 4, 5)])
    cluster.up()
    filled.check(missing={*filled.kept, "later"})
    assert persistence(cluster.redis())["ic_rebuild_unreadable_keys"] > 0


# ---- versions that are not what they seem ---------------------------------------------

NODES = [f"infinicache-{i}" for i in range(6)]
VALUES = {f"k{i}": noise((300, 30000)[i % 2], i) for i in range(40)}
SEALED = struct.Struct("<QQQqIHHI")  # chunk length, size, version, expiry, unit, d, p, key length


def filled_proxy(new_proxy, **directives):
    """A proxy before nodes that are this test's, with VALUES."""
    proxy = new_proxy(functions=6, code_table="16kb:1+2,*:3+2", **directives)
    for key, value in VALUES.items():
        proxy.redis.set(key, value)
    return proxy


def start_anew(proxy):
    proxy.start(loads=False)
    wait_until(lambda: persistence(proxy.redis)["loading"] == 0, "it has rebuilt its catalog")
    assert persistence(proxy.redis)["ic_rebuild_functions_done"] == 6


def check_values(proxy):
    wrong = {key for key, value in VALUES.items() if proxy.redis.get(key) != value}
    assert not wrong


@pytest.mark.parametrize("damage", ["lost", "asked-for"])
def test_half_overwritten(new_proxy, damage):
    """Killed when one or two of the five chunks of new values are sealed: the old ones are whole."""
    proxy = filled_proxy(new_proxy, node_timeout="30s", write_deadline="30s")
    sealing, mute = ([proxy.lambda_.node(name) for name in names] for names in (NODES[:2], NODES[2:]))
    for node in mute:
        node.on_request = lambda node, frame: frame.type == SEAL  # lost with the link

    def sealed():
        return {object_id for node in sealing for (object_id, _), c in list(node.chunks.items())
                if c["sealed"]}

    before = sealed()
    large = [key for key, value in VALUES.items() if len(value) == 30000][:10]

    def overwrite(key):
        with contextlib.suppress(redis.exceptions.ConnectionError):
            acknowledged.append(redis.Redis(port=proxy.port, retry=None).set(key, noise(30000, 1000)))

    acknowledged = []
    setters = [threading.Thread(target=overwrite, args=(key,)) for key in large]
    for setter in setters:
        setter.start()
    wait_until(lambda: len(sealed() - before) == len(large), "a chunk of each is sealed")
    proxy.kill()
    for setter in setters:
        setter.join()
    assert not acknowledged
    for node in mute:
        node.on_request = None
    if damage == "lost":
        lose(proxy)
    else:
        proxy.directives["rebuild"] = "yes"
    start_anew(proxy)
    check_values(proxy)


def made_up(node, lie):
    """What NODE may say of the keys it knows besides the truth."""
    body = b""
    for n, ((own, _), chunk) in enumerate(list(node.chunks.items())):
        head = SEALED.unpack_from(chunk["seal"])
        key = chunk["seal"][SEALED.size:]
        object_id = ((node.epoch - 1) << 40) | (0xFF00000000 + n)

        def item(oid, index, length, size, version, d, p, named=key):
            return (struct.pack("<QQHH", oid, length, index, 1) +
                    SEALED.pack(length, size, version, 0, 64, d, p, len(named)) + named)

        if lie == "a-code-of-one-chunk":
            body += item(object_id, 0, 64, 7, object_id, 1, 0)
        elif lie == "every-chunk-is-here":
            body += b"".join(item(object_id, i, 64, 100, object_id, 3, 2) for i in range(5))
        elif lie == "many-versions":
            body += b"".join(item(object_id + (i << 20), 0, 64, 7, object_id + (i << 20), 1, 2)
                             for i in range(20))
        elif lie == "another-key-of-the-same-object":
            body += item(own, 0, 64, 7, head[2], 1, 0, b"x" + key)
    return body


@pytest.mark.parametrize("lie", ["a-code-of-one-chunk", "every-chunk-is-here", "many-versions",
                                 "another-key-of-the-same-object"])
def test_one_node_lies(new_proxy, lie):
    proxy = filled_proxy(new_proxy)
    liar = proxy.lambda_.node(NODES[0])
    truth = liar.items
    liar.items = lambda: Frame(ITEM, made_up(liar, lie) + truth().body, flags=ITEM_LAST)
    proxy.kill(signal.SIGTERM)
    lose(proxy)
    start_anew(proxy)
    check_values(proxy)


def true_item(node, frame):
    """The first of NODE's chunks, as an answer to FRAME after which others are to come."""
    (object_id, chunk), c = sorted(node.chunks.items())[0]
    body = struct.pack("<QQHH", object_id, len(c["data"]), chunk, 1) + c["seal"]
    item = Frame(ITEM, body, request=frame.request)
    item.chunk, item.object_id, item.op, item.offset = frame.chunk, frame.object_id, frame.op, 0
    return item


def test_lists_without_an_end(new_proxy):
    """One node lists an item now and then, another dials anew and begins again: both are given up
    in the end, and the other functions have enough. When they list the rest, it counts again."""
    proxy = filled_proxy(new_proxy, invoke_timeout="3s", warm_interval="1s", repair="off")
    over = threading.Event()

    def dribble(node, frame):
        while frame.type == LIST and not over.wait(0.5):
            node.link.send(true_item(node, frame))
        if frame.type == LIST:
            node.link.sock.shutdown(socket.SHUT_RDWR)
        return frame.type == LIST

    def begin_again(node, frame):
        if frame.type == LIST:
            over.wait(0.5)
            node.link.send(true_item(node, frame))
            node.link.sock.shutdown(socket.SHUT_RDWR)
        return frame.type == LIST

    liars = [n for n in map(proxy.lambda_.node, NODES) if n.chunks][:2]
    liars[0].on_request, liars[1].on_request = dribble, begin_again
    proxy.kill(signal.SIGTERM)
    lose(proxy)
    proxy.start(loads=False)
    wait_until(lambda: persistence(proxy.redis)["ic_rebuild_functions_done"] == 4, "four answer")
    asked = persistence(proxy.redis)
    assert asked["ic_rebuild_waits_for"] in {n.function for n in liars}
    wait_until(lambda: persistence(proxy.redis)["loading"] == 0, "it has rebuilt its catalog")
    assert persistence(proxy.redis)["ic_rebuild_functions_given_up"] == 2
    assert re.search(r"rebuild-progress .* waits_for=infinicache-\d waits_ms=\d+ listed=\d+",
                     (proxy.dir / "proxy.log").read_text())
    check_values(proxy)
    for liar in liars:
        liar.on_request = None
    over.set()
    wait_until(lambda: not any("lost" in str(proxy.redis.execute_command("IC.OBJECT", key))
                               for key in VALUES), "all that they hold is known")


def test_a_long_list_takes_many_turns(new_proxy):
    """What nodes list is work of the turn, and goes on in later ones, at an ordinary start, too."""
    proxy = filled_proxy(new_proxy, turn_work=500)
    count = 8000
    unknown = b"".join(struct.pack("<QQHH", i, 0, 0, 1) + SEALED.pack(0, 0, i, 0, 0, 1, 2, 0)
                       for i in range(1, count + 1))
    for node in map(proxy.lambda_.node, NODES):
        node.items = lambda truth=node.items: Frame(ITEM, unknown + truth().body, flags=ITEM_LAST)
    proxy.kill(signal.SIGTERM)
    proxy.start()
    check_values(proxy)
    wait_until(lambda: re.search("node-listed .* condemned=[1-9]", (proxy.dir / "proxy.log").read_text()),
               "all of a list is there")
    stats = proxy.redis.info("stats")
    assert stats["ic_turns_continued"] >= count // 2001  # 2,000 of them, and their frame
    assert stats["ic_turn_work_max"] < len(NODES) * 2001 + 500


# ---- while it goes on --------------------------------------------------------------

class Relay:
    """What nodes are told to dial: passes everything on to the proxy, but for the functions in
    `held`, whose HELLO it keeps to itself. So their functions are invoked and do not answer."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.held, self.waiting = set(), set()
        self.node_port = None
        threading.Thread(target=self.accept, daemon=True).start()

    def cluster(self, new_cluster, **more):
        options = {"node-address": f"127.0.0.1:{self.listener.getsockname()[1]}",
                   **more.pop("options", {})}
        cluster = new_cluster(up=False, options=options, **more)
        self.node_port = cluster.node_port
        return cluster.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        with near, contextlib.suppress(OSError, AttributeError):  # nobody said HELLO
            header = near.recv(48, socket.MSG_WAITALL)
            body = near.recv(int.from_bytes(header[12:16], "little"), socket.MSG_WAITALL)
            name = re.search(rb"infinicache-\d+$", body[:-32]).group().decode()  # before the MAC
            if name in self.held:
                self.waiting.add(near)
                near.recv(1)  # until the node gives up, or release
                self.waiting.discard(near)
                return
            with socket.create_connection(("127.0.0.1", self.node_port)) as far:
                far.sendall(header + body)
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join()

    def release(self):
        """Nobody is held any more, and who was dials again."""
        self.held = set()
        for near in list(self.waiting):
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)



@pytest.fixture
def relay():
    r = Relay()
    yield r
    r.listener.close()


@contextlib.contextmanager
def rebuilding(cluster, relay, held=3):
    """A proxy that rebuilds, and cannot come to an end before the block has ended."""
    relay.held = {f"infinicache-{i}" for i in range(held)}
    up = threading.Thread(target=cluster.up, kwargs={"check": False})
    up.start()
    client = cluster.redis()
    wait_until(lambda: persistence(client)["ic_rebuild_functions_done"] == 14 - held,
               "all but the held functions have answered")
    try:
        yield client
    finally:
        relay.release()
        up.join()


LOADING = b"-LOADING InfiniCache is rebuilding its catalog from the functions\r\n"


def test_loading(new_cluster, relay):
    filled = Filled(relay.cluster(new_cluster))
    cluster = filled.cluster
    kill_when_all_sleep(cluster)
    lose(cluster)
    with rebuilding(cluster, relay) as client:
        found = persistence(client)
        assert found["loading"] == 1 and found["ic_rebuild_functions_total"] == 14
        assert found["ic_rebuild_objects"] > 0 and found["ic_rebuild_restored_keys"] == 0
        assert abs(found["loading_start_time"] - time.time()) < 3600
        assert 0 < found["loading_loaded_bytes"] <= found["loading_total_bytes"]
        assert 70 < found["loading_loaded_perc"] < 90 and "loading_eta_seconds" in found
        for command in (("GET", "once:1"), ("DEL", "once:1"), ("PING",), ("DBSIZE",), ("FLUSHALL",),
                        ("MGET", "a", "b"), ("EXPIRE", "a", 1), ("KEYS", "*"), ("SET", "a", "b")):
            with pytest.raises(redis.exceptions.BusyLoadingError, match="rebuilding its catalog"):
                client.execute_command(*command)
        assert client.config_get("lease") and client.client_id() and client.echo("x") == b"x"
        with cluster.socket() as s, s.makefile("rb") as replies:
            # Values are skipped as they come, in a transaction too, and the connection goes on.
            s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n" + b"v" * 100000 + b"\r\n")
            assert replies.readline() == LOADING
            s.sendall(b"SET a b\r\nMULTI\r\nSET a b\r\nEXEC\r\nECHO x\r\n")
            assert replies.readline() == LOADING
            assert replies.readline() == b"+OK\r\n"
            assert replies.readline() == LOADING
            assert replies.readline().startswith(b"-EXECABORT")
            assert replies.readline() == b"$1\r\n" and replies.readline() == b"x\r\n"
        watching = cluster.redis().pipeline()
        watching.watch("once:1")
    wait_until(lambda: persistence(cluster.redis())["loading"] == 0, "it has ended")
    # The key has come back since.
    watching.multi()
    watching.get("once:1")
    with pytest.raises(redis.exceptions.WatchError):
        watching.execute()
    filled.check()
    assert persistence(cluster.redis())["ic_rebuild_functions_given_up"] == 0
    filled.check_goes_on()


def test_silent_functions_are_given_up(new_cluster, relay):
    """Two that do not answer in time: every object is served from the others, and what the two have
    counts again as soon as they do."""
    filled = Filled(relay.cluster(new_cluster, options={"invoke-timeout": "3s", "repair": "off",
                                                        "warm-interval": "10s"}))
    cluster = filled.cluster
    kill_when_all_sleep(cluster)
    lose(cluster)
    relay.held = {"infinicache-4", "infinicache-7"}
    assert "is rebuilding its catalog" in cluster.up().stdout
    wait_until(lambda: persistence(cluster.redis())["loading"] == 0, "two are given up")
    client = cluster.redis()
    assert persistence(client)["ic_rebuild_functions_given_up"] == 2
    filled.check()

    def lacking():
        return [key for key in filled.kept if "lost" in str(client.execute_command("IC.OBJECT", key))]

    assert lacking()
    relay.release()
    filled.check()
    wait_until(lambda: not lacking(), "they are warmed, and their chunks count again")
    filled.check()


def test_full_catalog(new_cluster):
    """What fitted into `catalog-memory` before fits again."""
    cluster = new_cluster(options={"catalog-memory": "1mb"})
    client = cluster.redis()
    keys = 0
    while client.info("stats")["evicted_keys"] < 100:
        client.mset({f"key:{keys + i}": b"value" for i in range(100)})
        keys += 100
    wait_until_all_sleep(cluster)  # what is evicted is gone by now
    count = client.dbsize()
    assert count > 1000
    kill(cluster)
    lose(cluster)
    cluster.up()
    client = cluster.redis()
    wait_until(lambda: persistence(client)["loading"] == 0, "it has ended")
    assert persistence(client)["ic_rebuild_restored_keys"] == count
    assert persistence(client)["ic_rebuild_dropped_keys"] == 0
    assert 0 < client.info("memory")["ic_catalog_bytes"] <= 1 << 20


def test_platform_away(new_cluster):
    """Nobody answers at all: that is no empty cache, it waits."""
    filled = Filled(new_cluster())
    cluster = filled.cluster
    kill_when_all_sleep(cluster)
    lose(cluster)
    words = [w for name, value in cluster.options.items() for w in (f"--{name}", str(value))
             if not name.startswith("platform")]
    cluster.kill("platform", signal.SIGSTOP)
    with subprocess.Popen([INFINICACHE, "proxy", "--dir", cluster.dir, *words,
                           "--invoke-timeout", "1s", "--platform-endpoint",
                           f"http://127.0.0.1:{cluster.platform_port}"],
                          stderr=open(cluster.dir / "proxy.log", "a")) as proxy:
        try:
            wait_until(lambda: "rebuild-waits" in (cluster.dir / "proxy.log").read_text(),
                       "it has asked all in vain")
            assert persistence(cluster.redis())["loading"] == 1
            cluster.kill("platform", signal.SIGCONT)
            wait_until(lambda: persistence(cluster.redis())["loading"] == 0, "it has ended")
            filled.check()
        finally:
            cluster.kill("platform", signal.SIGCONT)
            proxy.send_signal(signal.SIGTERM)
            proxy.wait()


def test_kill_9_while_it_rebuilds(new_cluster, relay):
    filled = Filled(relay.cluster(new_cluster))
    cluster = filled.cluster
    kill_when_all_sleep(cluster)
    lose(cluster)
    for _ in range(2):
        with rebuilding(cluster, relay):
            kill(cluster)
        wait_until_all_sleep(cluster)  # else other instances would answer, and hide these
    cluster.up()
    assert persistence(cluster.redis())["ic_rebuild_functions_total"] == 14
    assert "reason=rebuild-unfinished" in (cluster.dir / "proxy.log").read_text()
    filled.check()
    filled.check_goes_on()


# ---- again and again, under load -----------------------------------------------------

class Writer(threading.Thread):
    """Overwrites its keys, never deletes; floor[key] is the last version acknowledged."""

    def __init__(self, cluster, number, floor):
        super().__init__(daemon=True)
        self.cluster, self.number, self.floor = cluster, number, floor
        self.random = random.Random(number)
        self.sets = 0
        self.writing = None

    def value(self, key, version):
        size = SIZES[(version * 5 + self.number) % (len(SIZES) - 1)]
        return b"%s %d " % (key.encode(), version) + noise(size, version)

    def run(self):
        client = self.cluster.redis(retry_on_timeout=False)
        with contextlib.suppress(redis.exceptions.ConnectionError):
            while True:
                key = self.writing = f"w{self.number}:{self.random.randrange(6)}"
                client.set(key, self.value(key, self.floor.get(key, 0) + 1))
                self.floor[key] = self.floor.get(key, 0) + 1
                self.sets += 1

    def check(self, client):
        """The last acknowledged version, or the one that was under way. Never an older one, and
        never a miss."""
        for key, version in self.floor.items():
            found = client.get(key)
            may = [self.value(key, version)]
            if key == self.writing:
                may += [self.value(key, version + 1)]
            assert found in may, f"{key}: {found and found[:20]!r}, last {version}"
            if found != may[0]:
                self.floor[key] = version + 1


def test_again_and_again_under_load(new_cluster):
    cluster = new_cluster(options={"lease": "300ms"})
    floors = [{} for _ in range(4)]
    for _ in range(int(os.environ.get("RESTARTS", "3"))):
        writers = [Writer(cluster, i, floor) for i, floor in enumerate(floors)]
        for writer in writers:
            writer.start()
        wait_until(lambda: all(w.sets >= 8 for w in writers), "every client has written")
        kill(cluster)
        for writer in writers:
            writer.join()
        lose(cluster)
        cluster.up()
        client = cluster.redis()
        for writer in writers:
            writer.check(client)
