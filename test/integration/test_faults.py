"""Functions die, lie and stall, clients are slow or leave: a GET returns exactly the bytes of one
committed SET, or a miss, or an error; wrong bytes never, and nothing of a SET that was not finished."""
import itertools
import os
import random
import re
import signal
import socket
import struct
import threading

import pytest
import redis

from harness import (DEADLINE_S, alive, noise, peak_rss, reset_peak_rss, rss, wait_until)

KB = 1 << 10
MB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def _no_copies(cluster):
    """What is lost is lost, and counted once, however long this file takes."""
    cluster.redis().config_set("backup-interval", 0)


# ---- helpers -----------------------------------------------------------------

def chunks_of(client, key):
    """IC.OBJECT's chunks, as dicts, in order."""
    reply = client.execute_command("IC.OBJECT", key)
    fields = dict(zip(reply[0::2], reply[1::2]))
    return [{k.decode(): v.decode() if isinstance(v, bytes) else v
             for k, v in zip(row[0::2], row[1::2])} for row in fields[b"chunks"]]


def functions_of(client, key, indexes):
    chunks = chunks_of(client, key)
    return [chunks[i]["function"] for i in indexes]


def pool_sum(client, field):
    total = 0
    for row in client.execute_command("IC.POOL"):
        total += dict(zip(row[0::2], row[1::2]))[field.encode()]
    return total


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts += [b"$%d\r\n" % len(word), word, b"\r\n"]
    return b"".join(parts)


class RawGet:
    """A GET whose reply is read piece by piece. received() until the end or a broken connection."""

    def __init__(self, cluster, key, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(("127.0.0.1", cluster.port))
        self.socket.sendall(command("GET", key))
        header = b""
        while not header.endswith(b"\r\n"):
            byte = self.socket.recv(1)
            assert byte, "closed before the header"
            header += byte
        assert header.startswith(b"$"), header
        self.size = int(header[1:])
        self.value = bytearray()
        self.broken = False

    def read(self, most):
        """Up to MOST bytes more of the value; fewer at its end or if the connection breaks."""
        left = min(most, self.size - len(self.value))
        while left > 0:
            try:
                part = self.socket.recv(min(left, MB))
            except ConnectionError:
                part = b""
            if not part:
                self.broken = True
                return
            self.value += part
            left -= len(part)

    def read_all(self):
        self.read(self.size)
        return bytes(self.value)

    def close(self):
        self.socket.close()


class Blocks:
    """A large value nobody holds whole: block i is a window into random bytes, shifted by i."""
    SHIFTS = 1021

    def __init__(self, size, seed=1):
        self.size = size
        self.base = noise(MB + self.SHIFTS, seed)

    def block(self, i):
        start = i % self.SHIFTS
        return memoryview(self.base)[start:start + min(MB, self.size - i * MB)]

    def count(self):
        return -(-self.size // MB)

    def send(self, sock, key):
        sock.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, self.size))
        for i in range(self.count()):
            sock.sendall(self.block(i))
        sock.sendall(b"\r\n")
        return sock.recv(100)

    def receive(self, sock, key):
        sock.sendall(command("GET", key))
        reader = sock.makefile("rb", buffering=MB)
        assert reader.readline() == b"$%d\r\n" % self.size
        for i in range(self.count()):
            want = self.block(i)
            assert reader.read(len(want)) == want, f"block {i}"
        assert reader.read(2) == b"\r\n"


# ---- bytes -------------------------------------------------------------------

SIZES = [0, 1, 63, 64, 65, 65535, 65536, 65537, 655359, 655360, 655361,
         MB - 1, MB, MB + 1, 10 * MB + 12345, 100 * 1000 * 1000]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_come_back_exactly(each_cluster, size):
    client = each_cluster.redis()
    value = noise(size, size)
    assert client.set("k", value)
    assert client.strlen("k") == size
    assert client.get("k") == value
    dice = random.Random(size)
    for _ in range(20):
        first = dice.randrange(size + 1)
        last = min(size, first + dice.choice([0, 1, 63, 64, 65536, 700000, size])) - 1
        if last >= first:
            assert client.getrange("k", first, last) == value[first:last + 1]
    client.delete("k")


@pytest.mark.acceptance
def test_three_gigabytes(new_cluster):
    cluster = new_cluster(functions=12, memory="512mb")
    value = Blocks(3 << 30)
    with cluster.socket() as s:
        assert value.send(s, b"k") == b"+OK\r\n"
    with cluster.socket() as s:
        value.receive(s, b"k")


# ---- functions die -----------------------------------------------------------

@pytest.mark.parametrize("lost", [(0, 1), (4, 9), (3, 10), (10, 11)])
def test_two_killed_before(cluster, lost):
    client = cluster.redis()
    value = noise(5 * MB + 17, sum(lost))
    client.set("k", value)
    cluster.kill_instances(functions_of(client, "k", lost))
    assert client.get("k") == value
    assert client.getrange("k", 65536 * lost[0], 65536 * lost[0] + 99) == \
        value[65536 * lost[0]:65536 * lost[0] + 100]


@pytest.mark.parametrize("size", [1000, 300 * KB, 5 * MB])
def test_three_killed_before_is_a_miss(cluster, size):
    client = cluster.redis()
    client.set("k", noise(size))
    cluster.kill_instances(functions_of(client, "k", (0, 1, 2)))
    assert client.get("k") is None
    assert client.set("k", b"anew")
    assert client.get("k") == b"anew"


def test_functions_that_have_just_failed_are_waited_for(new_cluster):
    """Six of fourteen die again and again, which is a failing function: too few are left for a SET, but
    they may be tried again in a moment: 0.4 s at most after the third time. They are functions that
    never failed before, and that do not leave between two deaths: either would change the count."""
    cluster = new_cluster(options={"lease": "60s", "backup-interval": "0"})
    client = cluster.redis()
    values = [noise(5 * MB, seed) for seed in range(3)]
    victims = [f"infinicache-{i}" for i in range(6)]
    for value in values:
        assert client.set("k", value)
        assert client.get("k") == value
        cluster.kill_instances(victims)
        assert client.get("k") is None
    assert client.set("k", values[0])
    assert client.get("k") == values[0]


@pytest.mark.parametrize("lost", [(0, 1), (7, 11)])
def test_two_killed_in_the_middle(cluster, lost):
    client = cluster.redis()
    value = noise(100 * MB, sum(lost))
    client.set("k", value)
    functions = functions_of(client, "k", lost)
    get = RawGet(cluster, "k")
    get.read(MB)
    cluster.kill_instances(functions)
    assert get.read_all() == value
    assert not get.broken
    get.close()
    assert client.get("k") == value


def test_three_killed_in_the_middle_breaks_the_connection(cluster):
    client = cluster.redis()
    value = noise(100 * MB, 3)
    client.set("k", value)
    functions = functions_of(client, "k", (0, 5, 11))
    get = RawGet(cluster, "k", receive_buffer=64 * KB)
    get.read(MB)
    cluster.kill_instances(functions)
    got = get.read_all()
    assert get.broken and len(got) < len(value)
    assert value.startswith(got), "wrong bytes never"
    get.close()
    assert client.get("k") is None


def test_killed_in_the_middle_of_a_set(cluster):
    """One function may die: the value is stored with the other chunks."""
    client = cluster.redis()
    value = noise(60 * MB, 5)
    with cluster.socket() as s:
        s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % len(value))
        s.sendall(value[:20 * MB])
        busy = wait_until(lambda: [r for r in cluster.instances() if r["state"] == "busy"],
                          "functions take the value")
        os.kill(busy[0]["pid"], signal.SIGKILL)
        s.sendall(value[20 * MB:] + b"\r\n")
        assert s.recv(100) == b"+OK\r\n"
    assert client.get("k") == value


def resident(pid, start, end):
    """The runs of pages of START..END that are in memory. Reading another page would bring it
    there: a function that fills its memory so is ended by the platform."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        pagemap.seek(start // page * 8)
        entries = struct.iter_unpack("<Q", pagemap.read((end - start) // page * 8))
        runs = [list(run) for present, run in itertools.groupby(
            range(start, end, page), key=lambda _: next(entries)[0] >> 62 != 0) if present]
    return [(run[0], run[-1] + page) for run in runs]


def flip_byte(pid, pattern):
    """Flips one bit of the byte behind PATTERN wherever it is in the memory of PID; how often."""
    flipped = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "r+b", 0) as mem:
        for line in maps:
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span is None or "[v" in line:
                continue
            start, end = int(span[1], 16), int(span[2], 16)
            if end - start > 1 << 30:
                continue  # a sanitizer's shadow: no function here has so much memory
            for start, end in resident(pid, start, end):
                mem.seek(start)
                data = mem.read(end - start)
                at = data.find(pattern)
                while 0 <= at < len(data) - len(pattern):
                    mem.seek(start + at + len(pattern))
                    mem.write(bytes([data[at + len(pattern)] ^ 0x20]))
                    flipped += 1
                    at = data.find(pattern, at + 1)
    return flipped


@pytest.mark.parametrize("size", [1000, 300 * KB, 5 * MB])
def test_flipped_byte_in_a_nodes_memory(cluster, size):
    client = cluster.redis()
    value = noise(size, size)
    client.set("k", value)
    pattern = value[300:332]
    flipped = sum(flip_byte(r["pid"], pattern) for r in cluster.instances())
    assert flipped >= 1
    if size < 64 * KB:  # 1+2: every chunk is a copy, and every one of them is wrong
        assert flipped >= 3
        try:
            assert client.get("k") is None
        except redis.exceptions.ResponseError:
            pass
        return
    assert client.get("k") == value
    assert client.get("k") == value
    assert [c["state"] for c in chunks_of(client, "k")].count("held") >= 5


# ---- versions ----------------------------------------------------------------

def test_overwrites_under_readers(each_cluster):
    """Each read equals one committed value, whole."""
    cluster, size = each_cluster, 3 * MB + 100
    versions = [noise(size - i, i) for i in range(6)]
    known = set(versions)
    writer = cluster.redis()
    writer.set("k", versions[0])
    done, reads, wrong = threading.Event(), [], []

    def reader():
        client = cluster.redis()
        while not done.is_set():
            value = client.get("k")
            reads.append(len(value or b""))
            if value not in known:
                wrong.append(value)
                return

    threads = [threading.Thread(target=reader) for _ in range(8)]
    for t in threads:
        t.start()
    for i in range(30):
        assert writer.set("k", versions[i % len(versions)])
    done.set()
    for t in threads:
        t.join()
    assert not wrong and len(reads) >= 8
    assert len(set(reads)) > 1, "the readers saw several versions"


@pytest.mark.parametrize("sent", [0, 1, 100 * KB, 9 * MB])
def test_disconnect_in_the_middle_of_a_set(cluster, sent):
    client = cluster.redis()
    client.set("k", b"the old value")
    live = pool_sum(client, "live")
    for _ in range(3):
        with cluster.socket() as s:
            s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000000\r\n" + noise(sent))
            wait_until(lambda: client.info("pool")["drafts"] == 1, "the SET has begun")
    wait_until(lambda: pool_sum(client, "planned") + pool_sum(client, "in_flight") == 0,
               "nothing is planned or in flight")
    assert client.get("k") == b"the old value"
    assert pool_sum(client, "live") == live
    # What was written is deleted when its functions are invoked next.
    def nothing_is_left():
        client.set("other", noise(2 * MB))
        client.delete("other")
        client.set("other", b"")
        client.delete("other")
        return pool_sum(client, "condemned") < 4 * MB and pool_sum(client, "live") == live

    wait_until(nothing_is_left, "the chunks are deleted")
    assert pool_sum(client, "planned") + pool_sum(client, "in_flight") == 0


# ---- memory ------------------------------------------------------------------

def slow_get(cluster, key, finished):
    """Reads a little now and then until FINISHED; returns when the reply is broken or it is told."""
    get = RawGet(cluster, key, receive_buffer=32 * KB)
    while not finished.is_set() and not get.broken:
        get.read(64 * KB)
        get.value.clear()
        finished.wait(0.1)
    get.close()


def slow_set(cluster, key, size, finished):
    with cluster.socket() as s:
        s.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, size))
        while not finished.is_set():
            s.sendall(bytes(64 * KB))
            finished.wait(0.1)


@pytest.mark.parametrize("clients", [1, 8])
def test_memory_of_the_proxy_is_bounded(new_cluster, clients):
    cluster = new_cluster(functions=16, memory="256mb")
    proxy = cluster.pid_of("proxy")
    idle = rss(proxy)
    value = Blocks(1 << 30)
    reset_peak_rss(proxy)

    def check(what):
        peak = peak_rss(proxy)
        print(f"\n{what}, {clients} slow: idle {idle / MB:.1f} MB, peak {peak / MB:.1f} MB")
        assert peak - idle < 64 * MB and peak < 128 * MB, what

    finished = threading.Event()
    threads = [threading.Thread(target=slow_set, args=(cluster, b"slow%d" % i, 100 * MB, finished))
               for i in range(clients)]
    for t in threads:
        t.start()
    with cluster.socket() as s:
        assert value.send(s, b"k") == b"+OK\r\n"
    finished.set()
    for t in threads:
        t.join()
    check("PUT")
    finished = threading.Event()
    threads = [threading.Thread(target=slow_get, args=(cluster, "k", finished))
               for _ in range(clients)]
    for t in threads:
        t.start()
    with cluster.socket() as s:
        value.receive(s, b"k")
    finished.set()
    for t in threads:
        t.join()
    check("GET")
    assert alive(proxy)


def test_cold_reads_of_one_object_share_one_read(new_cluster):
    """Eight clients ask a sleeping pool for the same object: the nodes send it about once."""
    cluster = new_cluster(functions=12, options={"lease": "200ms"})
    client = cluster.redis()
    value = noise(20 * MB)
    client.set("k", value)
    wait_until(lambda: all(c["node"] == "asleep" for c in chunks_of(client, "k")), "all sleep")
    gate, results = threading.Barrier(8), []

    def reader():
        own = cluster.redis()
        own.ping()
        gate.wait()
        results.append(own.get("k") == value)

    threads = [threading.Thread(target=reader) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True] * 8
