"""Clients that hold memory and go on as slowly as they may: others are served all the same, and
who holds what others wait for loses it."""
import contextlib
import select
import socket
import threading

import pytest

from harness import noise, wait_until

KB, MB = 1 << 10, 1 << 20
SLOW = 60  # clients: their least would be more than all of window-memory
BIG = noise(20 * MB)


class Slow(threading.Thread):
    """Goes on with each of SOCKETS by STEP(socket), every PERIOD_S seconds, until it is ended."""

    def __init__(self, sockets, step, period_s):
        super().__init__(daemon=True)
        self.sockets, self.step, self.period_s, self.ended = sockets, step, period_s, threading.Event()

    def run(self):
        while not self.ended.wait(self.period_s):
            for s in self.sockets:
                with contextlib.suppress(OSError):
                    self.step(s)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        for s in self.sockets:
            s.close()


def uploads(cluster):
    """SETs of 20 MB that stop after 900 KB, and then send a byte every half second."""
    sockets = []
    for i in range(SLOW):
        s = cluster.socket()
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            s.send(b"*3\r\n$3\r\nSET\r\n$3\r\nu%02d\r\n$20000000\r\n" % i + b"z" * 900_000)
        sockets.append(s)
    return Slow(sockets, lambda s: s.send(b"z"), 0.5)


def readers(cluster, rate):
    """GETs of values of their own by clients with small buffers, who read RATE bytes a second."""
    sockets = []
    for i in range(SLOW):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KB)
        s.connect(("127.0.0.1", cluster.port))
        s.sendall(b"*2\r\n$3\r\nGET\r\n$4\r\nr:%02d\r\n" % i)
        s.setblocking(False)
        sockets.append(s)
    return Slow(sockets, lambda s: s.recv(rate // 5), 0.2)


def is_closed(s):
    """The peer has ended the connection (what it said before is read)."""
    with contextlib.suppress(BlockingIOError):
        while select.select([s], [], [], 0)[0]:
            try:
                if s.recv(1 << 16) == b"":
                    return True
            except ConnectionError:
                return True
    return False


@pytest.fixture
def filled(new_cluster):
    cluster = new_cluster()
    client = cluster.redis()
    client.set("big", BIG)
    client.set("small", b"s" * 100)
    return cluster


@pytest.fixture
def read(filled):
    """The same, with a value for each of the readers: more than the system's buffers take."""
    client = filled.redis()
    for i in range(SLOW):
        client.set(f"r:{i:02}", BIG[i:i + 8 * MB])
    return filled


def waits(client):
    return client.info("memory")["ic_window_waiting"]


def test_announcing_a_value_holds_no_memory(filled):
    """Nor does its beginning, as far as it is kept for the client; all of what is small."""
    client = filled.redis()
    with contextlib.ExitStack() as stack:
        for i in range(900):
            s = stack.enter_context(filled.socket())
            size, sent = ((60_000, 10), (60_000, 59_999), (20_000_000, 60_000))[i % 3]
            s.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\na%03d\r\n$%d\r\n" % (i, size) + b"z" * sent)
        wait_until(lambda: client.info("clients")["connected_clients"] > 900, "all are there")
        wait_until(lambda: client.info("memory")["mem_clients_normal"] > 300 * 100_000, "their beginnings are there")
        figures = client.info("everything")
        assert figures["ic_window_requests"] == figures["ic_window_used"] == 0
        assert client.set("small", b"v" * 100) and client.get("small") == b"v" * 100
        assert client.set("large", BIG) and client.get("large") == BIG


@pytest.mark.parametrize("option", [b"", b"$2\r\nEX\r\n"], ids=["the last line's end", "an option's number"])
@pytest.mark.parametrize("size", [64 * KB, 1_000_000])
def test_values_whose_requests_do_not_end_hold_no_memory(filled, size, option):
    """All of the value is there, and on its functions; what is missing is a few bytes behind it."""
    client, value, count = filled.redis(), BIG[:size], min(40 * MB // size, 400)
    rest = b"$4\r\n1000\r\n" if option else b"\r\n"
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(filled.socket()) for _ in range(count)]
        for i, s in enumerate(crowd):
            s.sendall(b"*%d\r\n$3\r\nSET\r\n$4\r\nw%03d\r\n$%d\r\n" % (5 if option else 3, i, size) + value +
                      (b"\r\n" + option if option else b""))
        wait_until(lambda: client.info("everything")["pool_draft_bytes"] == count * size, "all of them have come")
        wait_until(lambda: client.info("everything")["ic_window_requests"] == 0, "none holds memory")
        client.set("honest", BIG)
        assert client.get("honest") == BIG
        for s in crowd:
            s.sendall(rest)
        assert all(s.recv(100) == b"+OK\r\n" for s in crowd)
    assert client.get("w000") == client.get(f"w{count - 1:03}") == value


def test_short_values_that_are_not_read_hold_no_memory(filled):
    client = filled.redis()
    client.set("short", b"v" * 60_000)
    with contextlib.ExitStack() as stack:
        for i in range(60):
            s = stack.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KB)
            s.connect(("127.0.0.1", filled.port))
            s.sendall(b"GET short\r\n" * 200)
        wait_until(lambda: sum(int(row["omem"]) > 400_000 for row in client.client_list()) >= 60, "replies wait")
        wait_until(lambda: client.info("everything")["ic_window_used"] == 0, "as copies")
        assert client.get("short") == b"v" * 60_000


def test_uploads_that_stall_leave_reads_alone(filled):
    client = filled.redis()
    with uploads(filled):
        wait_until(lambda: waits(client) > 0, "some of the uploads wait for memory")
        assert client.get("small") == b"s" * 100
        assert client.get("big") == BIG
        client.set("little", b"x" * 1000)  # nor does what is small wait
        assert client.get("little") == b"x" * 1000


def test_uploads_that_stall_give_way_to_others(filled):
    """They lose nothing by it."""
    client = filled.redis()
    with uploads(filled) as slow:
        wait_until(lambda: waits(client) > 0, "some of the uploads wait for memory")
        for i in range(5):
            client.set(f"honest:{i}", noise(5 * MB, i))
        for i in range(5):
            assert client.get(f"honest:{i}") == noise(5 * MB, i)
        assert not any(map(is_closed, slow.sockets))
    assert client.exists(*(f"u{i:02}" for i in range(SLOW))) == 0


def test_a_crowd_of_uploads_that_stall(filled):
    """Each has sent a little more than what may come before it asks for memory. In the end all are
    stored."""
    client, value = filled.redis(), BIG[:MB]
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(filled.socket()) for _ in range(700)]
        for i, s in enumerate(crowd):
            s.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nc%03d\r\n$%d\r\n" % (i, MB) + value[:70_000])
        wait_until(lambda: client.info("memory")["mem_clients_normal"] > 700 * 60_000, "their beginnings are there")
        for i in range(5):
            client.set("honest", noise(MB, i))
        for s in crowd:
            s.sendall(value[70_000:400_000])
        client.set("honest", noise(MB, 6))
        assert client.info("stats")["ic_cut_clients"] == 0
        for s in crowd:
            s.sendall(value[400_000:] + b"\r\n")
        assert all(s.recv(100) == b"+OK\r\n" for s in crowd)
    assert client.get("honest") == noise(MB, 6)
    assert client.get("c000") == client.get("c699") == value


def test_who_gave_way_does_not_come_back_for_a_byte(filled):
    client = filled.redis()
    sockets = [filled.socket() for _ in range(200)]
    for i, s in enumerate(sockets):
        s.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nb%03d\r\n$%d\r\n" % (i, MB) + BIG[:70_000])
    with Slow(sockets, lambda s: s.send(b"z"), 0.02):
        wait_until(lambda: client.info("memory")["mem_clients_normal"] > 100 * 60_000, "their beginnings are there")
        client.set("honest", BIG[:MB])
        wait_until(lambda: waits(client) == 0, "those who wait have had their turn")
        for i in range(20):
            client.set("honest", BIG[i:MB])
            assert waits(client) == 0
    assert client.get("honest") == BIG[19:MB]


def window_is_full(client):
    figures = client.info("memory")
    return figures["ic_window_used"] > figures["ic_window_limit"] * 2 // 3


def test_readers_just_fast_enough_keep_nobody_waiting(read):
    """They have what readers may have of the window, and others read in pieces beside them."""
    client = read.redis()
    with readers(read, rate=70 * KB):
        wait_until(lambda: window_is_full(client), "they have the window")
        for _ in range(3):
            assert client.get("small") == b"s" * 100
            assert client.get("big") == BIG
            client.set("new", noise(5 * MB))
        assert client.get("new") == noise(5 * MB)


def read_reply(s, size):
    s.setblocking(True)
    came = bytearray()
    while len(came) < size:
        came += s.recv(1 << 20)
    return bytes(came)


def test_what_is_read_in_pieces_is_whole(read):
    client = read.redis()
    with readers(read, rate=0) as slow:
        wait_until(lambda: window_is_full(client), "they have the window")
        wait_until(lambda: sum(int(row["omem"]) > 0 for row in client.client_list()) >= SLOW, "all of them have begun")
        slow.ended.set()
        slow.join()
        for i, s in enumerate(slow.sockets):
            reply = b"$%d\r\n" % (8 * MB) + BIG[i:i + 8 * MB] + b"\r\n"
            assert read_reply(s, len(reply)) == reply


def test_readers_below_the_least_rate_are_cut(read):
    """The bytes that the system keeps for them do not count as read at once."""
    with readers(read, rate=20 * KB) as slow:
        client = read.redis()
        wait_until(lambda: client.info("stats")["ic_cut_clients"] == SLOW, "all of them are cut")
        assert all(map(is_closed, slow.sockets))
    assert "slower than min-read-rate" in read.logs()


class Steady(threading.Thread):
    """Asks with REQUEST for LENGTH bytes, reads QUICK of them as fast as it can, then STEADY of them at
    RATE bytes a second, and then the rest, whatever there is, at once."""

    def __init__(self, cluster, request, length, steady, quick=0, rate=83 * KB, receive_buffer=None):
        super().__init__(daemon=True)
        self.socket, self.said = socket.socket(), bytearray()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", cluster.port))
        self.socket.settimeout(60)
        self.socket.sendall(request)
        self.length, self.quick, self.steady, self.rate = length, quick, quick + steady, rate
        self.start()

    def read_up_to(self, length, part):
        more = self.socket.recv(min(part, length - len(self.said))) if len(self.said) < length else b""
        self.said += more
        return more != b""

    def run(self):
        pause = threading.Event()
        with self.socket, contextlib.suppress(ConnectionError):
            while self.read_up_to(self.quick, MB):
                pass
            while self.read_up_to(self.steady, self.rate // 20):
                pause.wait(0.05)
            while self.read_up_to(self.length, MB):
                pass

    def end(self):
        self.join()
        return bytes(self.said)


def test_many_are_cut_in_many_turns(read):
    """What the system keeps for a connection is a part of what its end costs."""
    client = read.redis()
    client.config_set("turn-work", 100)
    client.config_set("min-read-rate", 0)
    with readers(read, rate=0) as slow, readers(read, rate=0) as more:
        wait_until(lambda: sum(int(row["omem"]) > 0 for row in client.client_list()) >= 2 * SLOW, "all of them have begun")
        slow.ended.set()
        more.ended.set()
        client.config_resetstat()
        client.config_set("min-read-rate", "64kb")
        wait_until(lambda: client.info("stats")["ic_cut_clients"] == 2 * SLOW, "all of them are cut")
        assert client.info("stats")["ic_turn_work_max"] < 3000


def test_readers_just_above_the_least_rate_are_not_cut(filled):
    """What their system takes for them goes in steps, of a sixteenth of its buffer: all at once, and
    for seconds nothing; the proxy's takes megabytes at once, and more when a third of it has gone."""
    want = b"$%d\r\n" % len(BIG) + BIG + b"\r\n"
    steady = [Steady(filled, b"GET big\r\n", len(want), MB, quick, receive_buffer=buffer)
              for buffer in (None, 16 * KB) for quick in (0, 10 * MB)]
    assert [reader.end() == want for reader in steady] == [True] * 4
    assert filled.redis().info("stats")["ic_cut_clients"] == 0


def test_readers_of_many_objects_are_cut_as_those_of_one(filled):
    """Each object is soon through, and the next is no reason to wait for its reader anew."""
    client, value, count = filled.redis(), BIG[:100 * KB], 400
    client.set("short", value)
    client.config_set("min-read-rate", "1mb")
    want = (b"$%d\r\n" % len(value) + value + b"\r\n") * count
    steady = [Steady(filled, b"GET short\r\n" * count, len(want), len(want), rate=400 * KB,
                     receive_buffer=64 * KB) for _ in range(4)]
    wait_until(lambda: client.info("stats")["ic_cut_clients"] == len(steady), "all of them are cut")
    assert all(want.startswith(reader.end()) for reader in steady)
    assert "slower than min-read-rate" in filled.logs()


def test_last_replies_reach_a_steady_reader(filled):
    """Of so many lengths some end where the proxy's system takes no more for seconds."""
    client, steady = filled.redis(), {}
    for length in range(2 * MB, 6 * MB, 400 * KB):
        client.set(f"l:{length}", BIG[:length])
        want = b"$%d\r\n" % length + BIG[:length] + b"\r\n+OK\r\n"
        steady[want] = Steady(filled, f"GET l:{length}\r\nQUIT\r\n".encode(), len(want), 300 * KB,
                              receive_buffer=16 * KB)
    assert [reader.end() == want for want, reader in steady.items()] == [True] * len(steady)
