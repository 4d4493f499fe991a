"""`infinicache top`: batch mode beside what INFO and IC.POOL say, and the screen on a terminal."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness import DEADLINE_S, INFINICACHE, free_ports, noise, wait_until
from screen import Terminal

MB = 1 << 20
RESTORED = "\x1b[?1049l"  # xterm's end of the alternate screen


def top(*args, environment=None):
    return subprocess.run([str(INFINICACHE), "top", *map(str, args)], capture_output=True,
                          text=True, timeout=DEADLINE_S, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(environment or {})})


def human_bytes(number):
    """As the command writes bytes: three digits and a unit."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= 999.5 and len(units) > 1:
        number /= 1024
        units.pop(0)
    digits = 0 if units[0] == "B" else 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f} {units[0]}"


def pool_rows(client):
    return [{k.decode(): (v.decode() if isinstance(v, bytes) else v)
             for k, v in zip(row[0::2], row[1::2])} for row in client.execute_command("IC.POOL")]


def table(frame):
    """The rows below the titles, each cut into its words (a size is one word, its unit joined)."""
    lines = frame.rstrip("\n").split("\n")
    start = next(n for n, line in enumerate(lines) if line.startswith("FUNCTION"))
    assert lines[start].split() == ["FUNCTION", "STATE", "FILL", "LIVE", "CHUNKS", "AGE", "IDLE",
                                    "INVOKED", "BILLED", "LEASE", "FAILED"]
    assert all(len(line) == len(lines[start]) for line in lines[start:]), "columns are aligned"
    return [re.split(r"\s{2,}| +(?=[0-9.]+%)", line.strip()) for line in lines[start + 1:]]


class FakeProxy:
    """Answers INFO and IC.POOL with the bytes given; None: with silence."""

    def __init__(self, info, pool):
        self.replies = {b"INFO": info, b"IC.POOL": pool}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with contextlib.suppress(OSError), peer:
            while data := peer.recv(4096):  # each command comes in one piece
                self.asked.set()
                reply = self.replies[data.split(b"\r\n")[2]]
                if reply is not None:
                    peer.sendall(reply)

    def close(self):
        self.listener.close()


@pytest.fixture
def fake():
    made = []

    def make(info="some", pool=b"*0\r\n"):
        made.append(FakeProxy(bulk(b"uptime_in_seconds:5\r\n") if info == "some" else info, pool))
        return made[-1]

    yield make
    for one in made:
        one.close()


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


def fake_pool(count):
    return f"*{count}\r\n".encode() + b"".join(
        f"*4\r\n$8\r\nfunction\r\n+f-{i}\r\n$5\r\nstate\r\n+asleep\r\n".encode()
        for i in range(count))


# ---- batch mode -------------------------------------------------------------

def test_batch_says_what_the_proxy_says(new_cluster):
    cluster = new_cluster(functions=14, options={"warm-interval": "1h", "lease": "100ms"})
    client = cluster.redis()
    for i in range(5):
        client.set(f"large:{i}", noise(3 * MB, i))
        client.set(f"small:{i}", noise(1000, i))
        assert client.get(f"large:{i}") is not None
    assert client.get("none") is None
    wait_until(lambda: all(r["state"] == "asleep" for r in pool_rows(client)), "all sleep")
    before = pool_rows(client)
    done = cluster.command("top", "--port", cluster.port, "--batch", "--count", 1)
    info = client.info("everything")
    assert pool_rows(client)[0]["invocations"] == before[0]["invocations"], "looking wakes nobody"
    frame = done.stdout
    assert done.stderr == "" and frame.startswith(f"InfiniCache 127.0.0.1:{cluster.port}  up ")
    assert f"objects    {info['pool_objects']}  size {human_bytes(info['pool_object_bytes'])}  " \
           f"held {human_bytes(info['pool_live_bytes'])}  " \
           f"of {human_bytes(info['pool_capacity_bytes'])}" in frame
    ratio = info["keyspace_hits"] / (info["keyspace_hits"] + info["keyspace_misses"])
    assert f"since start {ratio:.1%}" in frame
    assert "functions  14  awake 0  asleep 14" in frame
    rows = table(frame)
    assert [row[0] for row in rows] == [r["function"] for r in before]
    for row, r in zip(rows, before):
        assert row[1] == r["state"]
        assert row[3] == f"{r['live'] / r['capacity']:.1%}"
        assert row[4:6] == [human_bytes(r["live"]), str(r["chunks"])]
        assert row[8] == str(r["invocations"]) and row[11] == str(r["failures"])


def frames(process):
    """The frames a `top --batch` prints, one after another."""
    text = ""
    for line in process.stdout:
        if line == "\n" and "FUNCTION" in text:
            yield text
            text = ""
        else:
            text += line


def test_frames_go_on_and_show_rates(cluster):
    client = cluster.redis()
    client.set("k", noise(300000))
    end = threading.Event()

    def read_on():
        with cluster.redis() as mine:
            while not end.is_set():
                assert mine.get("k") is not None

    reader = threading.Thread(target=read_on)
    # Standard output is no terminal: batch mode without being asked for.
    with subprocess.Popen([str(INFINICACHE), "top", "--port", str(cluster.port), "--interval",
                           "100ms"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          text=True) as process:
        try:
            series = frames(process)
            first = next(series)
            assert re.search(r"GET - +SET -", first), "no rate before the second look"
            reader.start()
            for _, frame in zip(range(600), series):
                gets = re.search(r"GET ([0-9.]+)/s", frame)
                out = re.search(r"out [0-9.]+ [KMG]iB/s", frame)
                if gets and float(gets[1]) > 0 and out and "hits now 100%" in frame:
                    break
            else:
                raise AssertionError(f"no rates in the end:\n{frame}")
        finally:
            end.set()
            process.kill()
    reader.join()


def test_looking_is_no_traffic(new_cluster):
    cluster = new_cluster(options={"warm-interval": "1h"})
    done = cluster.command("top", "--port", cluster.port, "--count", 4, "--interval", "100ms")
    shown = re.findall(r"traffic    out (.*?)  +in (.*?)  +.*peak (.*)", done.stdout)
    assert shown[1:] == [("0 B/s", "0 B/s", "0 B/s")] * 3, done.stdout


def test_a_lost_connection_comes_back(new_cluster):
    cluster = new_cluster()
    with subprocess.Popen([str(INFINICACHE), "top", "-b", "--dir", str(cluster.dir), "--interval",
                           "100ms"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True) as process:
        try:
            series = frames(process)
            assert "awake" in next(series)
            cluster.kill("proxy")
            assert "not connected, retrying: " in process.stderr.readline()
            threading.Thread(target=process.stderr.read, daemon=True).start()
            cluster.down(check=False)
            cluster.up()
            assert any("functions  14" in frame for _, frame in zip(range(600), series))
        finally:
            process.kill()


def test_nobody_there():
    done = top("--port", free_ports(1)[0], "--count", 2, "--interval", "100ms")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("cannot connect") == 2 and "not connected, retrying" in done.stderr


def test_passwords(new_cluster, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    cluster = new_cluster(options={"requirepass-file": secret})
    done = top("--port", cluster.port)  # without an end: it gives up at once
    assert done.returncode == 2 and "INFINICACHE_PASSWORD" in done.stderr
    done = top("--port", cluster.port, environment={"INFINICACHE_PASSWORD": "wrong"})
    assert done.returncode == 2 and "refuses the password" in done.stderr
    done = top("--port", cluster.port, "--password-file", secret, "--count", 1)
    assert done.returncode == 0 and "functions  14" in done.stdout


@pytest.mark.parametrize("args,word", [
    (["--interval", "50ms"], "--interval"), (["--interval", "2h"], "--interval"),
    (["--interval", "soon"], "--interval"), (["--count", "0"], "--count"),
    (["--count", "x"], "--count"), (["word"], "word"), (["--frobnicate"], "--frobnicate")])
def test_wrong_options_are_named(args, word):
    done = top(*args)
    assert done.returncode == 2 and word in done.stderr and done.stdout == ""


def test_an_older_proxy(fake):
    """Few fields, unknown ones, no section that came later: "-" where nothing is known."""
    proxy = fake(bulk(b"# Server\r\nwhat_is_this:7\r\nnonsense\r\n"), fake_pool(3))
    frame = top("--port", proxy.port, "--count", 1).stdout
    rows = table(frame)
    assert [row[:2] for row in rows] == [["f-0", "asleep"], ["f-1", "asleep"], ["f-2", "asleep"]]
    assert all(set(row[3:]) == {"-"} for row in rows)
    assert "objects    -" in frame and "functions  3" in frame and "so far -" in frame


def test_the_largest_pool(fake):
    frame = top("--port", fake(pool=fake_pool(4096)).port, "--count", 1).stdout
    assert len(table(frame)) == 4096


@pytest.mark.parametrize("info,pool,says", [
    (b"-ERR unknown command 'INFO'\r\n", b"*0\r\n", "unknown command"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*0\r\n", "INFO"),
    (b"$-1\r\n", b"*0\r\n", "INFO"),
    (b"$999999999999\r\n", b"*0\r\n", "more than"),
    (b"$x\r\n", b"*0\r\n", "does not look like"),
    (bulk(b"a:b\r\n"), b"-ERR unknown command 'IC.POOL'\r\n", "IC.POOL"),
    (bulk(b"a:b\r\n"), b"*999999999\r\n", "more than"),
    (bulk(b"a:b\r\n"), b"*2\r\n:1\r\n:2\r\n", "IC.POOL"),
    (bulk(b"a:b\r\n"), b":1\r\n", "IC.POOL"),
])
def test_nonsense_is_refused(fake, info, pool, says):
    done = top("--port", fake(info, pool).port, "--count", 1)
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""


# ---- the screen -------------------------------------------------------------

def rows_shown(lines):
    start = next((n for n, line in enumerate(lines) if line.startswith("FUNCTION")), None)
    return None if start is None else [line.split()[0] for line in lines[start + 1:-1] if line]


def test_the_screen(cluster):
    cluster.redis().set("k", noise(MB))
    with Terminal("top", "--port", cluster.port, rows=30, columns=120) as t:
        lines = t.shows("infinicache-13")
        assert lines[0].startswith(f"InfiniCache 127.0.0.1:{cluster.port}  up ")
        assert lines[-1].startswith("q quit")
        assert rows_shown(lines) == [f"infinicache-{i}" for i in range(14)]
        assert t.screen.alternate and t.screen.coloured
        t.shows("GET 0/s", "a second look")
        t.press("r")
        t.shows(lambda lines: rows_shown(lines) == [f"infinicache-{i}" for i in range(13, -1, -1)],
                "the reverse order")
        t.press("?")
        t.shows("reverse the order")
        t.press("x")
        t.shows("FUNCTION")
        t.press("q")
        assert t.ends() == 0
        assert RESTORED in t.output[-60:] and not t.screen.alternate


def test_sorting_on_the_screen(fake):
    pool = b"*3\r\n" + b"".join(
        b"*4\r\n$8\r\nfunction\r\n+%s\r\n$8\r\nfailures\r\n:%d\r\n" % (name, failures)
        for name, failures in ((b"a", 1), (b"b", 3), (b"c", 2)))
    with Terminal("top", "--port", fake(pool=pool).port, columns=140) as t:
        t.shows(lambda lines: rows_shown(lines) == ["a", "b", "c"], "the pool's order")
        t.press("<")  # around the end: the last column
        t.shows(lambda lines: rows_shown(lines) == ["b", "c", "a"], "the most failures first")
        t.press("r")
        t.shows(lambda lines: rows_shown(lines) == ["a", "c", "b"], "the fewest first")
        t.press("s")
        t.shows(lambda lines: rows_shown(lines) == ["a", "b", "c"], "by function again")
        t.press("\x1bOD")  # Left
        t.shows(lambda lines: rows_shown(lines) == ["b", "c", "a"], "Left does as < does")
        t.press("q")
        assert t.ends() == 0


def test_scrolling_on_the_screen(fake):
    with Terminal("top", "--port", fake(pool=fake_pool(100)).port, rows=14) as t:
        t.shows(lambda lines: rows_shown(lines) == ["f-0", "f-1", "f-2", "f-3"], "four rows")
        for keys, first in (("\x1bOB\x1bOB", 2), ("\x1b[6~", 6), ("\x1bOA", 5), ("\x1b[5~", 1),
                            ("\x1bOF", 96), ("\x1bOH", 0)):
            t.press(keys)
            t.shows(lambda lines, f=first: rows_shown(lines) == [f"f-{f + i}" for i in range(4)],
                    f"rows from {first} on")
        assert "1-4 of 100" in t.screen.lines()[-1]
        t.press("q")
        assert t.ends() == 0


def test_every_size_on_the_screen(fake):
    with Terminal("top", "--port", fake(pool=fake_pool(30)).port) as t:
        t.shows("f-0")
        for rows, columns in ((5, 20), (50, 200), (1, 1), (2, 7), (3, 40), (24, 80)):
            t.resize(rows, columns)
            title = f"InfiniCache 127.0.0.1:{t.process.args[-1]}"[:columns]

            def drawn(lines, rows=rows, columns=columns, title=title):
                last = "q quit  h help"[:columns]
                return lines[0].startswith(title.rstrip()) and \
                    (rows < 3 or lines[-1].startswith(last.rstrip()))
            t.shows(drawn, f"a screen of {rows} x {columns}")
            if rows >= 5:
                t.shows(lambda lines: "f-0" in (rows_shown(lines) or []), "rows")
        t.press("q")
        assert t.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_restore_the_terminal(fake, number):
    with Terminal("top", "--port", fake(pool=fake_pool(3)).port) as t:
        t.shows("f-2")
        t.process.send_signal(number)
        assert t.ends() == -number
        assert RESTORED in t.output[-60:] and not t.screen.alternate


def test_control_c_ends_it(fake):
    with Terminal("top", "--port", fake(pool=fake_pool(3)).port) as t:
        t.shows("f-2")
        t.press("\x03")
        assert t.ends() == -signal.SIGINT and not t.screen.alternate


def test_count_ends_it(fake):
    with Terminal("top", "--port", fake(pool=fake_pool(3)).port, "--count", 2, "--interval",
                  "100ms") as t:
        assert t.ends() == 0 and "f-2" in t.output and not t.screen.alternate


def test_a_lost_connection_on_the_screen(new_cluster):
    cluster = new_cluster()
    with Terminal("top", "--dir", cluster.dir, "--interval", "100ms", rows=30) as t:
        t.shows("infinicache-13")
        cluster.kill("proxy")
        t.shows("not connected, retrying: cannot connect")
        assert "infinicache-13" in t.screen.text(), "what was known last stays"
        t.press("r")  # keys work on
        t.shows(lambda lines: rows_shown(lines)[0] == "infinicache-13", "the reverse order")
        cluster.down(check=False)
        cluster.up()
        t.shows(f"InfiniCache 127.0.0.1:{cluster.port}")
        t.press("q")
        assert t.ends() == 0


def test_keys_work_while_the_proxy_says_nothing(fake):
    proxy = fake(info=None)
    with Terminal("top", "--port", proxy.port) as t:
        wait_until(proxy.asked.is_set, "the proxy was asked")
        t.press("h")
        t.shows("reverse the order")
        t.press("xq")
        assert t.ends() == 0
        assert not t.screen.alternate


def test_terminals_without_colour_or_utf8(fake):
    pool = b"*1\r\n*6\r\n+function\r\n+f-0\r\n+live\r\n:5\r\n+capacity\r\n:10\r\n"
    with Terminal("top", "--port", fake(pool=pool).port, term="vt100", LC_ALL="C") as t:
        t.shows("#####")
        assert not t.screen.coloured and t.output.isascii()
        t.press("q")
        assert t.ends() == 0
    with Terminal("top", "--port", fake(pool=pool).port, NO_COLOR="1") as t:
        t.shows("█████")
        assert not t.screen.coloured
        t.press("q")
        assert t.ends() == 0


def test_an_unknown_terminal_is_named(fake):
    with Terminal("top", "--port", fake().port, term="no-such-terminal") as t:
        assert t.ends() == 2
        assert "no-such-terminal" in t.output and "--batch" in t.output
