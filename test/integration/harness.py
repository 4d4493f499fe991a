"""What the integration tests share: a cluster brought up by `infinicache up` in a folder of
its own, on ports of its own, with ways to look at its parts from outside.

    Cluster.start() --> platform --> instances (Instance.pid, state)
                    \\-> proxy    --> redis() / put() / get()

Nothing here sleeps for time: wait_until polls a condition and has a deadline.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest
import redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
INFINICACHE = BUILD / "infinicache"
BOOTSTRAP = BUILD / "bootstrap"

POLL_S = 0.02
# Generous: the machine may be shared. A test fails on a wrong state, not on a slow one.
DEADLINE_S = 60

# What a process leaves in its log when it is ended by a mistake of ours.
CRASH_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "Assertion `")

# Sanitizers keep shadow memory and freed blocks: what is resident says nothing then, and a function
# that is full is over its limit.
measures_memory = pytest.mark.skipif("asan" in str(BUILD), reason="sanitizers")

# Directives that make every buffer, window and queue as small as it may be, so that the paths
# which wait for room are the ordinary ones.
TINY_BUFFERS = {"window-memory": "1mb", "unit-size": "4kb"}


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """Polls CONDITION until it returns something true, and returns that. An exception of the
    kinds a starting or dying peer causes counts as "not yet"; the last one is shown."""
    end = time.monotonic() + deadline_s
    last = None
    while True:
        try:
            result = condition()
            if result:
                return result
            last = result
        except (OSError, urllib.error.URLError, redis.exceptions.RedisError) as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what} (last: {last!r})")
        time.sleep(POLL_S)


# Below the range the kernel hands out itself; a part of that where others run beside us.
PORTS = [int(port) for port in os.environ.get("TEST_PORTS", "12000-31999").split("-")]


def free_ports(count):
    """COUNT of our ports of loopback nobody listens on."""
    ports, held = [], []
    while len(ports) < count:
        port = random.randint(*PORTS)
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            s.close()
            continue
        held.append(s)
        ports.append(port)
    for s in held:
        s.close()
    return ports


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def fields(reply):
    """A flat array of names and values, as RESP2 has maps, as a dict with text for bytes."""
    def text(value):
        return value.decode() if isinstance(value, bytes) else value
    return {text(name): fields(value) if isinstance(value, list) and value and isinstance(
        value[0], bytes) and len(value) % 2 == 0 else text(value)
        for name, value in zip(reply[0::2], reply[1::2])}


def pump(a, b):
    """Passes on what A sends to B until either is gone; both are ended then."""
    with contextlib.suppress(OSError):
        while data := a.recv(65536):
            b.sendall(data)
    for s in (a, b):
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def noise(size, seed=1):
    """SIZE bytes that do not compress and are the same for one seed."""
    return random.Random(seed).randbytes(size)


def alive(pid):
    """True while PID is a process that runs (a zombie does not, unless other threads of its are
    still there: they have its ports)."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = stat.rpartition(")")[2].split()  # from the third on: proc(5)
    return fields[3 - 3] not in "ZX" or int(fields[20 - 3]) > 1


def _status_kb(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


def rss(pid):
    """Resident bytes of PID, now."""
    return _status_kb(pid, "VmRSS") * 1024


def peak_rss(pid):
    """The most bytes PID ever had resident (since reset_peak_rss)."""
    return _status_kb(pid, "VmHWM") * 1024


def reset_peak_rss(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


class Cluster:
    """One `up` in one folder. OPTIONS are names of `up` and of directives: port_x=1 or {"port-x": 1}."""

    def __init__(self, functions=14, memory="128mb", options=None, environment=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="infinicache-test-"))
        self.port, self.node_port, self.http_port, self.platform_port = free_ports(4)
        self.functions = functions
        self.options = {
            "port": self.port,
            "node-port": self.node_port,
            "http-port": self.http_port,
            "platform-port": self.platform_port,
            "functions": functions,
            "memory": memory,
        }
        self.options.update({k.replace("_", "-"): v for k, v in (options or {}).items()})
        self.environment = environment or {}

    # -- the command ---------------------------------------------------------
    def command(self, *args, check=True, timeout=DEADLINE_S, **more):
        """Runs `infinicache ARGS`; the result has stdout and stderr as text (unless text=False)."""
        more.setdefault("text", True)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        more.setdefault("stdin", subprocess.DEVNULL if "input" not in more else None)
        if "input" in more:
            more.pop("stdin")
        done = subprocess.run([str(INFINICACHE), *map(str, args)], timeout=timeout,
                              env={**os.environ, **self.environment}, check=False, **more)
        if check and done.returncode != 0:
            raise AssertionError(f"infinicache {' '.join(map(str, args))}: exit {done.returncode}\n"
                                 f"{done.stdout!r}\n{done.stderr!r}\n{self.logs()}")
        return done

    def up(self, check=True, **changes):
        return self.command("up", *self.arguments(**changes), check=check)

    def arguments(self, **changes):
        """Those of `up`, with CHANGES of its options."""
        options = {"dir": self.dir, **self.options, **{k.replace("_", "-"): v for k, v in changes.items()}}
        return [str(w) for name, value in options.items() for w in (f"--{name}", value)]

    def down(self, *args, check=True):
        return self.command("down", "--dir", self.dir, *args, check=check)

    def status(self, check=True):
        return self.command("status", "--dir", self.dir, check=check)

    def put(self, key, *args, **more):
        return self.command("put", "--port", self.port, key, *args, **more)

    def get(self, key, *args, **more):
        return self.command("get", "--port", self.port, key, *args, **more)

    # -- clients -------------------------------------------------------------
    def redis(self, **more):
        more.setdefault("socket_timeout", DEADLINE_S)
        return redis.Redis(host="127.0.0.1", port=self.port, **more)

    def socket(self):
        """A bare connection, for what a client library would not send."""
        s = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    # -- the platform's control endpoints ------------------------------------
    def local(self, path, body=None):
        """GET /_local/PATH, or POST if there is a BODY; the answer's JSON."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.platform_port}/_local/{path}")
        if body is not None:
            request.method = "POST"
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def instances(self, function=None):
        """The living instances, as dicts (function, instance, pid, state, ...)."""
        rows = self.local("instances")["instances"]
        return [r for r in rows if function is None or r["function"] == function]

    def reclaim(self, **what):
        return self.local("reclaim", what)

    def bill(self):
        return self.local("bill")

    def kill_instances(self, functions):
        """kill -9 of every instance of FUNCTIONS (names)."""
        self.kill_pids(r["pid"] for r in self.instances() if r["function"] in set(functions))

    def kill_pids(self, pids):
        """kill -9 of instances; returns when the platform knows of it, so that nobody is invoked
        any more who is dead."""
        pids = set(pids)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pids.isdisjoint(r["pid"] for r in self.instances()),
                   f"instances {pids} are gone")

    # -- the processes -------------------------------------------------------
    def pid_of(self, part):
        """PID of "proxy" or "platform" as its pid file names it; None without one."""
        try:
            return int((self.dir / f"{part}.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def kill(self, part, sig=signal.SIGKILL):
        pid = self.pid_of(part)
        os.kill(pid, sig)
        if sig == signal.SIGKILL:
            wait_until(lambda: not alive(pid), f"{part} is gone")
        return pid

    def proxy_rss(self):
        return rss(self.pid_of("proxy"))

    def processes(self):
        """Every living process of this cluster: its command line or executable names the folder."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                executable = os.readlink(entry / "exe")
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if (str(self.dir) in executable or os.fsencode(self.dir) in words) \
                        and alive(int(entry.name)):
                    found.append(int(entry.name))
        return found

    def ports_free(self):
        return all(port_is_free(self.options[name])
                   for name in ("port", "node-port", "http-port", "platform-port"))

    # -- start and end -------------------------------------------------------
    def logs(self, limit=3000):
        """The end of each log of the folder, for a failed test's report."""
        text = ""
        for path in sorted(self.dir.rglob("*.log")):
            data = path.read_bytes()
            text += f"--- {path.name} ({len(data)} bytes)\n{data[-limit:].decode(errors='replace')}\n"
        return text

    def start(self):
        self.up()
        return self

    def close(self):
        """Ends everything, with force if `down` does not, and removes the folder."""
        try:
            self.down(check=False)
        finally:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            crashes = self.crashes()
            shutil.rmtree(self.dir, ignore_errors=True)
        assert crashes == [], "\n".join(crashes)

    def crashes(self):
        """Lines of the logs in which a sanitizer or an assertion speaks, with what follows."""
        found = []
        for path in self.dir.rglob("*.log"):
            lines = path.read_text(errors="replace").splitlines()
            for number, line in enumerate(lines):
                if any(mark in line for mark in CRASH_MARKS):
                    found.append("\n".join([str(path), *lines[number:number + 30]]))
        return found
