"""One long script of commands goes to Debian's redis-server and to us; the replies must be the
same, byte for byte.

    SCRIPT (a command per line) --+--> redis-server 7.0 --replies--+
                                  |                                +--> equal, but for MASKS (what
                                  '--> infinicache   ---replies----'    can never be equal: times,
                                                                        ids) and DIFFERENCES (what
                                                                        we do otherwise, and why)

The whole script runs in RESP2 and in RESP3. An exception that is no longer needed fails the test.
"""
import re
import shlex
import subprocess

import pytest
import redis

from differential_script import DIFFERENCES, FIXED, MASKS, OWN, RAW, SCRIPT, SETTINGS
from harness import free_ports, wait_until
from resp_wire import Wire, encode

REDIS_OPTIONS = {
    "save": "", "appendonly": "yes", "databases": "1", "enable-debug-command": "yes",
    "bind": "127.0.0.1", "daemonize": "no", "latency-tracking": "yes", "timeout": "0",
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The port of a redis-server of our own."""
    port = free_ports(1)[0]
    words = [w for name, value in REDIS_OPTIONS.items() for w in (f"--{name}", value)]
    process = subprocess.Popen(["redis-server", "--port", str(port), *words],
                               cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: Wire(port).ask("PING") == b"+PONG\r\n", "redis-server answers")
        yield port
    finally:
        process.terminate()
        process.wait()


def words_of(line):
    """The words of a script's line; \\xNN and the like are bytes."""
    return [w.encode("latin-1").decode("unicode_escape").encode("latin-1")
            for w in shlex.split(line, posix=True)]


class Player:
    """Plays script lines to one server, over as many connections as the script names."""

    def __init__(self, port, version):
        self.port, self.version = port, version
        self.connections = {}

    def connection(self, name):
        if name not in self.connections:
            self.connections[name] = c = Wire(self.port)
            if self.version == 3:
                assert c.ask("HELLO", "3").startswith(b"%7")
        return self.connections[name]

    def play(self, line):
        """The replies to one line: [NAME:] command words | command words | ..."""
        name, line = re.fullmatch(r"(?:([a-z]):)?(.*)", line).groups()
        c = self.connection(name or "a")
        commands = line.split(" | ")
        c.raw(b"".join(encode(*words_of(command)) for command in commands))
        silent = sum(command.upper().startswith("CLIENT REPLY S") or "#silent" in command
                     for command in commands)
        return b"".join(c.read() for _ in range(len(commands) - silent))

    def close(self):
        for c in self.connections.values():
            c.close()


def script_lines(script):
    for line in script.strip().splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            yield line


def masked(line, reply):
    for pattern, mask, _why in MASKS:
        if re.fullmatch(pattern, line, re.IGNORECASE):
            return mask(reply)
    return reply


def compare(reference, port, version, script=SCRIPT):
    """Plays SCRIPT to both. Returns the lines whose replies differ without being excused, and the
    excuses that were not needed."""
    theirs, ours = Player(reference, version), Player(port, version)
    wrong, needed, met = [], set(), set()
    try:
        for line in script_lines(script):
            a, b = theirs.play(line), ours.play(line)
            excuse = next((k for k in DIFFERENCES if re.fullmatch(k, line, re.IGNORECASE)), None)
            met.add(excuse)
            if masked(line, a) == masked(line, b):
                continue
            if excuse is None:
                wrong.append(f"{line}\n   redis: {a[:400]!r}\n   ours:  {b[:400]!r}")
            else:
                needed.add(excuse)
                expected = DIFFERENCES[excuse][0]
                if expected is not None and b not in expected:
                    wrong.append(f"{line}\n   excused, but ours is {b[:400]!r}")
    finally:
        theirs.close()
        ours.close()
    return wrong, {k for k in met - needed if k is not None}


@pytest.mark.parametrize("version", [2, 3])
def test_same_replies(reference, cluster, version):
    wrong, unneeded = compare(reference, cluster.port, version)
    assert not wrong, f"{len(wrong)} replies differ:\n" + "\n".join(wrong)
    assert not unneeded, f"exceptions that are not needed any more: {unneeded}"


@pytest.fixture
def both(reference, cluster):
    """Clients of redis-server and of ours, whose settings are put back."""
    clients = [redis.Redis(port=port, decode_responses=True) for port in (reference, cluster.port)]
    before = [c.config_get("*") for c in clients]
    yield clients
    for c, old in zip(clients, before):
        for name, row in SETTINGS.items():
            if row != FIXED and row[0] != OWN:
                c.config_set(name, old[name])


def takes(client, name, value):
    try:
        return client.config_set(name, value)
    except redis.ResponseError:
        return False


def test_every_common_setting_is_compared(both):
    theirs, ours = (set(c.config_get("*")) for c in both)
    assert theirs & ours == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_have_redis_units(both, name):
    """What one takes, the other takes, and both show it in the same unit."""
    def shown():
        return [c.config_get(name)[name] for c in both]

    row = SETTINGS[name]
    if row == FIXED:
        theirs, ours = shown()
        assert theirs == ours
        assert takes(both[1], name, ours) and not takes(both[1], name, ours + "1")
        return
    if row[0] == OWN:
        assert all(re.fullmatch(row[1], value) for value in shown())
        return
    for value in row[0]:
        assert [takes(c, name, value) for c in both] == [True, True], value
        theirs, ours = shown()
        assert theirs == ours, value
    for value in row[1]:
        assert [takes(c, name, value) for c in both] == [False, False], value
        assert shown() == [theirs, ours]


def test_every_exception_says_why():
    for expected, why in DIFFERENCES.values():
        assert len(why) > 10 and (expected is None or isinstance(expected, list))
    for _pattern, _mask, why in MASKS:
        assert len(why) > 10


@pytest.mark.parametrize("data", RAW, ids=lambda d: repr(d[:24]))
def test_same_bytes_for_raw_input(reference, cluster, data):
    """Inline commands and protocol errors: what comes back until the connection ends or PING is
    answered."""
    seen = []
    for port in (reference, cluster.port):
        c = Wire(port)
        c.raw(data)
        if len(data) < 65536:  # a longer line is an error before its end is seen
            c.raw(b"*1\r\n$4\r\nPING\r\n")
        got = b""
        while reply := c.read():
            got += reply
            if reply == b"+PONG\r\n":
                break
        seen.append(got)
        c.close()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("version", [2, 3])
def test_a_command_cut_anywhere(reference, cluster, version):
    """The same requests, one byte per segment."""
    text = (encode("SET", "cut", "value") + encode("GET", "cut") + b"PING\r\n"
            + encode("MGET", "cut", "none") + encode("GET") + encode("DEL", "cut"))
    seen = []
    for port in (reference, cluster.port):
        c = Wire(port)
        if version == 3:
            c.ask("HELLO", "3")
        for i in range(len(text)):
            c.raw(text[i:i + 1])
        seen.append([c.read() for _ in range(6)])
        c.close()
    assert seen[0] == seen[1]


def test_the_comparison_can_fail(reference, cluster):
    """Two servers in different states must be told apart."""
    Wire(reference).ask("SET", "only-there", "1")
    wrong, _ = compare(reference, cluster.port, 2, "EXISTS only-there\nPING")
    Wire(reference).ask("DEL", "only-there")
    assert len(wrong) == 1 and wrong[0].startswith("EXISTS only-there")


def figures(client):
    """Of each command (calls, rejected, failed), the errors by code, whose times are told, and by
    how many calls."""
    calls = {name.removeprefix("cmdstat_"): (f["calls"], f["rejected_calls"], f["failed_calls"])
             for name, f in client.info("commandstats").items()}
    errors = client.info("errorstats")
    timed = {name.removeprefix("latency_percentiles_usec_") for name in client.info("latencystats")}
    histogram = client.execute_command("LATENCY", "HISTOGRAM")
    return calls, errors, timed, {name: row[1] for name, row in zip(histogram[::2], histogram[1::2])}


def test_same_figures(reference, cluster):
    """What INFO and LATENCY have counted at the end of the script."""
    def is_counted(line):
        return line != "CONFIG RESETSTAT" and not any(
            re.fullmatch(k, line, re.IGNORECASE) for k in DIFFERENCES)

    seen = []
    for port in (reference, cluster.port):
        client = redis.Redis(port=port, decode_responses=True)
        client.config_resetstat()
        player = Player(port, 2)
        for line in filter(is_counted, script_lines(SCRIPT)):
            player.play(line)
        player.close()
        seen.append(figures(client))
    for theirs, ours in zip(*seen):
        assert len(theirs) > 1
        assert theirs == ours


def running(reply):
    return re.findall(rb" cmd=(\S+)", reply)


def test_same_command_is_shown_as_running(reference, cluster):
    """By the client itself, and then by another."""
    lines = [["GET", "a"], ["NOSUCH"], ["GET"], ["CLIENT", "NOSUCH"], ["CLIENT", "INFO"], ["CLIENT", "LIST", "ID"],
             ["SET", "a", "v", "EX", "0"], ["MULTI"], ["GET", "a"], ["CLIENT", "LIST", "ID"], ["EXEC"],
             ["CONFIG", "GET", "x"], ["PING"]]
    seen = []
    for port in (reference, cluster.port):
        c, other, shown = Wire(port), Wire(port), []
        number = c.ask("CLIENT", "ID")[1:-2]
        for words in lines:
            reply = c.ask(*words, *([number] if words[-1] == "ID" else []))
            shown.append((words, running(reply), running(other.ask("CLIENT", "LIST", "ID", number))))
        c.close()
        other.close()
        seen.append(shown)
    assert seen[0] == seen[1]
    assert (["CLIENT", "LIST", "ID"], [b"client|list"], [b"client|list"]) in seen[1]
