"""A Lambda and its nodes in Python, for a real proxy: the platform's side of Invoke over HTTP and the
node's side of the link, both of which can be told to misbehave.

    proxy --Invoke--> FakeLambda --payload--> FakeNode --HELLO--> proxy
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading

import redis

from harness import DEADLINE_S, INFINICACHE, free_ports, wait_until
from node_link import (BYE, BYE_OK, DATA, DELETE, DONE, ERROR, HEADER, HELLO, ITEM, ITEM_LAST, KEEP,
                       LIST, NOENT, READ, SEAL, WELCOME, WRITE, WRITE_FIRST, Closed, Frame, Link,
                       chunk_cost)

FUNCTIONS = 3


class Dropped(Exception):
    """The invocation's response is never to be sent."""


def error_type(body):
    """The header in which AWS names an error; BODY has it as well, in tests."""
    try:
        return {"x-amzn-ErrorType": json.loads(body)["__type"]}
    except (ValueError, KeyError):
        return {}


class FakeNode:
    """One instance of a function, with its chunks, and a thread per invocation it serves."""

    def __init__(self, function):
        self.function = function
        self.instance = os.urandom(16)
        self.chunks = {}  # (object id, chunk) -> dict
        self.position = 0
        self.epoch = 0         # the highest seen
        self.dial = 0
        self.link = None
        self.payload = None
        self.hellos = []       # every HELLO frame, as bytes
        self.seen = []         # types of the requests answered
        self.after_bye = b""   # what came after BYE_OK
        self.on_request = None # hook(node, frame) -> True: dealt with
        self.spoil_mac = False
        self.lease_ms = None   # says BYE after so long without a request; None: the proxy's word
        self.stop = False
        self.over = 0          # invocations it has returned from

    # -- the link

    def hello(self):
        p = self.payload
        name = self.function.encode()
        body = struct.pack("<16s16sIIIQQQQQH", self.instance, bytes.fromhex(p["invocation"]), self.dial,
                           self.epoch, 0, self.position, self.held(), 100 << 20, len(self.chunks),
                           300000, len(name)) + name
        mac = hmac.new(bytes.fromhex(p["key"]), b"ic-hello-1" + body, hashlib.sha256).digest()
        if self.spoil_mac:
            mac = bytes([mac[0] ^ 1]) + mac[1:]
        self.mac = mac
        return Frame(HELLO, body + mac).bytes()

    def connect(self):
        host, port = self.payload["proxy"].rsplit(":", 1)
        return Link(socket.create_connection((host, int(port)), timeout=DEADLINE_S))

    def dial_in(self):
        """Says HELLO on a new connection; Closed if there is no WELCOME."""
        if self.link is not None:
            self.link.close()
        self.dial += 1
        self.link = self.connect()
        self.hellos.append(self.hello())
        self.link.sock.sendall(self.hellos[-1])
        welcome = self.link.receive()
        assert welcome.type == WELCOME
        epoch = struct.unpack_from("<I", welcome.body)[0]
        self.epoch = max(self.epoch, epoch)
        mac = hmac.new(bytes.fromhex(self.payload["key"]),
                       b"ic-welcome-1" + struct.pack("<I", epoch) + self.mac,
                       hashlib.sha256).digest()
        assert mac == welcome.body[8:]

    def redial(self):
        """As the real node: at once, then every 50 ms, for a second."""
        def welcomed():
            try:
                self.dial_in()
                return True
            except Closed:
                return False

        try:
            wait_until(welcomed, "the proxy welcomes", 3)
        except AssertionError as error:
            raise Closed() from error

    # -- chunks

    def held(self):
        return sum(chunk_cost(c["length"], c["unit"], c["key_len"]) for c in self.chunks.values())

    def operate(self, frame):
        key = (frame.object_id, frame.chunk)
        if frame.op <= self.position:
            return Frame(DONE)
        assert frame.op == self.position + 1, "operations come in order"
        self.position = frame.op
        if frame.type == DELETE:
            self.chunks.pop(key, None)
        elif frame.type == WRITE:
            body = frame.body
            if frame.flags & WRITE_FIRST:
                length, unit, _ = struct.unpack_from("<QII", body)
                body = body[16:]
                self.chunks[key] = {"length": length, "unit": unit, "key_len": 0, "data": bytearray(),
                                    "crcs": bytearray(), "sealed": False}
            c = self.chunks[key]
            units = next(n for n in range(1, 1 << 15)
                         if -(-(len(body) - 4 * n) // c["unit"]) == n)
            assert frame.offset == len(c["data"])
            c["crcs"] += body[:4 * units]
            c["data"] += body[4 * units:]
        else:
            fixed = struct.Struct("<16sQQQqIHHI")
            head = fixed.unpack_from(frame.body)
            c = self.chunks.setdefault(key, {"length": 0, "unit": 0, "data": b"", "crcs": b""})
            assert head[0] == self.instance and head[1] == len(c["data"]) == c["length"]
            c.update(sealed=True, key_len=head[8], seal=frame.body[16:])
        return Frame(DONE)

    def read(self, frame):
        c = self.chunks.get((frame.object_id, frame.chunk))
        length = struct.unpack("<I", frame.body)[0]
        if c is None or not c["sealed"]:
            return Frame(ERROR, status=NOENT)
        first, count = frame.offset // c["unit"], -(-length // c["unit"])
        data = bytes(c["crcs"][4 * first:4 * (first + count)])
        return Frame(DATA, data + bytes(c["data"][frame.offset:frame.offset + length]))

    def items(self):
        body = b"".join(
            struct.pack("<QQHH", oid, len(c["data"]), chunk, c["sealed"]) +
            c.get("seal", struct.pack("<QQQqIHHI", c["length"], 0, 0, 0, c["unit"], 0, 0, 0))
            for (oid, chunk), c in self.chunks.items())
        return Frame(ITEM, body, flags=ITEM_LAST)

    def answer(self, frame):
        if frame.type == KEEP:
            return
        if frame.type == READ:
            reply = self.read(frame)
        elif frame.type == LIST:
            reply = self.items()
        else:
            reply = self.operate(frame)
        reply.chunk, reply.request, reply.object_id = frame.chunk, frame.request, frame.object_id
        reply.op, reply.offset = frame.op, frame.offset
        self.last_reply = reply.bytes()
        self.link.send(reply)
        self.seen.append(frame.type)

    # -- an invocation

    def serve(self, payload):
        """Runs one serving invocation to its end; returns the response."""
        self.payload, self.dial = payload, 0
        lease_ms = self.lease_ms or payload["lease_ms"]
        try:
            self.redial()
            while not self.stop:
                try:
                    frame = self.link.receive(lease_ms / 1000)
                except socket.timeout:
                    self.link.send(Frame(BYE, request=7))
                    continue
                except Closed:
                    self.redial()
                    continue
                if frame.type == BYE_OK:
                    self.link.sock.settimeout(DEADLINE_S)
                    self.after_bye += self.link.sock.recv(1)
                    break
                if self.on_request is None or not self.on_request(self, frame):
                    self.answer(frame)
        except (Closed, OSError):
            pass
        self.link.close()
        self.over += 1
        return self.response()

    def response(self):
        return {"instance": self.instance.hex(), "position": self.position, "held": self.held(),
                "capacity": 100 << 20, "chunks": len(self.chunks), "epoch": self.epoch, "served": True}


class FakeLambda:
    """The Invoke of the Lambda API. `nodes` are the instances, one per function unless a test adds."""

    def __init__(self, port=0):
        self.nodes = {}
        self.connections = set()  # kept alive, too
        self.invokes = []   # (function, payload)
        self.running = {}   # function -> invocations under way
        self.most_running = 0
        self.on_invoke = None  # hook(lambda_, function, payload) -> (status, body) or None; Dropped
        self.unsigned = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                outer.connections.add(self.connection)

            def finish(self):
                outer.connections.discard(self.connection)
                super().finish()

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, reply, headers = outer.invoke(self.path, self.headers, body)
                except Dropped:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                for name, value in {"Content-Length": len(reply), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def node(self, function):
        with self.lock:
            return self.nodes.setdefault(function, FakeNode(function))

    def invoke(self, path, headers, body):
        function = path.split("/")[3]
        payload = json.loads(body)
        self.unsigned += not headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 ")
        with self.lock:
            self.invokes.append((function, payload))
            self.running[function] = self.running.get(function, 0) + 1
            self.most_running = max(self.most_running, self.running[function])
        try:
            special = self.on_invoke and self.on_invoke(self, function, payload)
            if special:
                return special[0], special[1], error_type(special[1])
            node = self.node(function)
            warm = payload["kind"] == "warm"
            reply = node.response() if warm else node.serve(payload)
        finally:
            with self.lock:
                self.running[function] -= 1
        log = ("REPORT RequestId: 1\tDuration: 1.00 ms\tBilled Duration: 1 ms\t"
               "Memory Size: 128 MB\tMax Memory Used: 9 MB\t\n")
        return 200, json.dumps(reply).encode(), {
            "X-Amz-Log-Result": base64.b64encode(log.encode()).decode()}

    def served(self, function=None):
        """Serving invocations so far."""
        return [p for f, p in self.invokes
                if p["kind"] == "serve" and function in (None, f)]

    def close(self):
        for node in self.nodes.values():
            node.stop = True
            if node.link is not None:
                node.link.close()
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended meanwhile
                pass


class Proxy:
    """`infinicache proxy` alone, with a FakeLambda as its platform. Serves keys, if it LOADS."""

    def __init__(self, lambda_=None, loads=True, **directives):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="infinicache-test-"))
        self.lambda_ = lambda_ or FakeLambda()
        self.port, self.node_port, self.http_port = free_ports(3)
        self.directives = {"port": self.port, "node-port": self.node_port,
                           "http-port": self.http_port, "dir": self.dir, "functions": FUNCTIONS,
                           "code-table": "*:1+2", "warm-interval": "0s",
                           "platform-endpoint": f"http://127.0.0.1:{self.lambda_.port}",
                           **{k.replace("_", "-"): v for k, v in directives.items()}}
        self.start(loads)

    def start(self, loads=True):
        words = [str(w) for name, value in self.directives.items() for w in (f"--{name}", value)]
        self.log = open(self.dir / "proxy.log", "ab")
        self.process = subprocess.Popen([INFINICACHE, "proxy", *words], stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        self.redis = redis.Redis(port=self.port, socket_timeout=DEADLINE_S, retry=None)
        wait_until(self.redis.ping if loads else self.answers, "the proxy answers")

    def answers(self):
        try:
            return self.redis.ping()
        except (redis.exceptions.BusyLoadingError, redis.exceptions.ResponseError):  # no keys yet
            return True

    def link(self):
        return Link(socket.create_connection(("127.0.0.1", self.node_port), timeout=DEADLINE_S))

    def kill(self, sig=signal.SIGKILL):
        self.redis.close()
        self.process.send_signal(sig)
        self.process.wait(DEADLINE_S)
        self.log.close()

    def alive(self):
        return self.process.poll() is None

    def close(self):
        self.kill(signal.SIGTERM)
        self.lambda_.close()
        shutil.rmtree(self.dir)
