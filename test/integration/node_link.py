"""The node link and the Runtime API as a test speaks them: the proxy's side and the platform's, in
Python, written from doc/node-link.md and not from the C code."""

import hashlib
import hmac
import json
import os
import queue
import socket
import struct
import subprocess
import threading
import time

HEADER = struct.Struct("<2sBBBBHIIQQQII")
MIB = 1 << 20

WELCOME, READ, WRITE, SEAL, DELETE, LIST, BYE_OK, KEEP, MARK = range(1, 10)
HELLO, DATA, DONE, ITEM, BYE, ERROR, OFFER = range(65, 72)
HELLO_DYING = 1
OK, NOSPACE, NOENT, GAP, STALE, HOLE, RANGE, SEALED, NOMEM = range(9)

WRITE_FIRST = ITEM_LAST = BYE_DEADLINE = 1
CHUNK_OVERHEAD = 256


def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC = _table()


def crc32c(data, crc=0xFFFFFFFF):
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 255]
    return crc


def chunk_cost(length, unit, key_len):
    units = -(-length // unit) if length else 0
    return length + 4 * units + key_len + CHUNK_OVERHEAD


class Frame:
    def __init__(self, type, body=b"", flags=0, status=0, chunk=0, request=0, object_id=0, op=0,
                 offset=0, lease_ms=0):
        self.type, self.body, self.flags, self.status = type, body, flags, status
        self.chunk, self.request, self.object_id, self.op = chunk, request, object_id, op
        self.offset, self.lease_ms = offset, lease_ms

    def __repr__(self):
        return "Frame(%s)" % ", ".join(
            "%s=%r" % (k, v if k != "body" else len(v)) for k, v in vars(self).items() if v)

    def bytes(self):
        head = HEADER.pack(b"IC", 1, self.type, self.flags, self.status, self.chunk, self.request,
                           len(self.body), self.object_id, self.op, self.offset, self.lease_ms, 0)
        return head[:44] + struct.pack("<I", crc32c(head[:44])) + self.body


def read_items(body):
    """The entries of an ITEM or OFFER body."""
    items, at = [], 0
    fixed = struct.Struct("<QQHHQQQqIHHI")
    while at < len(body):
        (object_id, written, chunk, sealed, length, size, version, expires, unit, data, parity,
         key_len) = fixed.unpack_from(body, at)
        at += fixed.size
        key = body[at:at + key_len]
        at += key_len
        items.append(dict(object_id=object_id, chunk=chunk, sealed=bool(sealed), written=written,
                          length=length, size=size, version=version, unit=unit, data=data,
                          parity=parity, key=key))
    return items


class Closed(Exception):
    """The other side has closed the connection."""


class Link:
    """The proxy's end of one connection."""

    def __init__(self, sock):
        self.sock = sock
        self.hello = None
        self.next_op = 1
        self.next_request = 1

    def receive(self, timeout=20):
        self.sock.settimeout(timeout)
        head = self._exactly(48)
        (magic, version, type, flags, status, chunk, request, length, object_id, op, offset,
         lease_ms, crc) = HEADER.unpack(head)
        assert (magic, version) == (b"IC", 1)
        assert crc == crc32c(head[:44])
        return Frame(type, self._exactly(length), flags, status, chunk, request, object_id, op,
                     offset, lease_ms)

    def _exactly(self, count):
        got = bytearray()
        while len(got) < count:
            try:
                part = self.sock.recv(count - len(got))
            except ConnectionError:
                part = b""
            if not part:
                raise Closed()
            got += part
        return bytes(got)

    def send(self, frame):
        self.sock.sendall(frame.bytes())

    def close(self):
        self.sock.close()

    def is_closed(self, timeout=20):
        """True once the node has closed the link; what it sent before is skipped."""
        try:
            while True:
                self.receive(timeout)
        except Closed:
            return True
        except socket.timeout:
            return False

    # ---- greeting

    def read_hello(self, key):
        frame = self.receive()
        assert frame.type == HELLO, frame
        signed, mac = frame.body[:-32], frame.body[-32:]
        expected = hmac.new(key, b"ic-hello-1" + signed, hashlib.sha256).digest()
        assert mac == expected
        fields = struct.unpack_from("<16s16sIIIQQQQQH", signed)
        names = ("instance", "invocation", "dial", "highest_epoch", "flags", "position", "held",
                 "capacity", "chunks", "deadline_ms", "name_len")
        self.hello = dict(zip(names, fields))
        self.hello["function"] = signed[-fields[-1]:].decode()
        self.hello["mac"] = mac
        self.next_op = self.hello["position"] + 1
        return self.hello

    def send_welcome(self, key, epoch, spoil=False):
        mac = hmac.new(key, b"ic-welcome-1" + struct.pack("<I", epoch) + self.hello["mac"],
                       hashlib.sha256).digest()
        if spoil:
            mac = mac[:-1] + bytes([mac[-1] ^ 1])
        self.send(Frame(WELCOME, struct.pack("<II", epoch, 0) + mac))

    # ---- requests

    def _request(self, frame, lease_ms=60000):
        frame.request = self.next_request
        frame.lease_ms = lease_ms
        self.next_request += 1
        return frame

    def _op(self, frame, op):
        if op is None:
            op = self.next_op
            self.next_op += 1
        frame.op = op
        return frame

    def write_frame(self, object_id, chunk, offset, data, unit, chunk_length=None, op=None,
                    lease_ms=60000):
        crcs = b"".join(struct.pack("<I", crc32c(data[i:i + unit][:16]))
                        for i in range(0, len(data), unit))
        prefix = b"" if chunk_length is None else struct.pack("<QII", chunk_length, unit, 0)
        frame = Frame(WRITE, prefix + crcs + data, WRITE_FIRST if prefix else 0, chunk=chunk,
                      object_id=object_id, offset=offset)
        return self._request(self._op(frame, op), lease_ms)

    def seal_frame(self, object_id, chunk, length, key=b"key", unit=65536, op=None, version=1,
                   size=None, instance=None, lease_ms=60000):
        body = (instance or self.hello["instance"]) + struct.pack(
            "<QQQqIHHI", length, length if size is None else size, version, 0, unit, 10, 2,
            len(key)) + key
        return self._request(
            self._op(Frame(SEAL, body, chunk=chunk, object_id=object_id), op), lease_ms)

    def delete_frame(self, object_id, chunk, op=None, lease_ms=60000):
        return self._request(self._op(Frame(DELETE, chunk=chunk, object_id=object_id), op), lease_ms)

    def mark_frame(self, mark, op=None, lease_ms=60000):
        return self._request(self._op(Frame(MARK, offset=mark), op), lease_ms)

    def read_frame(self, object_id, chunk, offset, length, lease_ms=60000):
        return self._request(Frame(READ, struct.pack("<I", length), chunk=chunk,
                                   object_id=object_id, offset=offset), lease_ms)

    def ask(self, frame):
        self.send(frame)
        reply = self.receive()
        assert reply.request == frame.request, (frame, reply)
        return reply

    def put(self, object_id, chunk, data, unit=65536, key=b"key"):
        """Writes and seals a whole chunk, 1 MiB at a time; every reply must be DONE."""
        step = max(unit, MIB // unit * unit)
        for offset in range(0, len(data), step):
            first = len(data) if offset == 0 else None
            reply = self.ask(self.write_frame(object_id, chunk, offset, data[offset:offset + step],
                                              unit, first))
            assert reply.type == DONE, reply
        reply = self.ask(self.seal_frame(object_id, chunk, len(data), key, unit))
        assert reply.type == DONE, reply

    def get(self, object_id, chunk, offset, length, unit=65536):
        """(CRCs, bytes) of one READ, or the ERROR's status."""
        reply = self.ask(self.read_frame(object_id, chunk, offset, length))
        if reply.type == ERROR:
            return reply.status
        assert reply.type == DATA, reply
        units = -(-length // unit)
        assert len(reply.body) == 4 * units + length
        return struct.unpack_from("<%dI" % units, reply.body), reply.body[4 * units:]

    def list(self, object_id=0, chunk=0):
        frame = self._request(Frame(LIST, object_id=object_id, chunk=chunk))
        self.send(frame)
        items = []
        while True:
            reply = self.receive()
            assert reply.type == ITEM and reply.request == frame.request, reply
            items += read_items(reply.body)
            if reply.flags & ITEM_LAST:
                self.mark = reply.offset  # of the instance that was listed
                return items

    def leave(self):
        """Waits for BYE and answers it."""
        while True:
            frame = self.receive()
            if frame.type == BYE:
                self.send(Frame(BYE_OK, request=frame.request))
                return frame


class FakeRuntime:
    """The Runtime API of one instance: hands out what `invoke` queues, keeps what is posted."""

    def __init__(self, extensions=None):
        """EXTENSIONS: None, there is no Extensions API; True; or what answers a registration."""
        self.extensions = extensions
        self.registered = queue.Queue()  # (fields, body) of each registration
        self.held = queue.Queue()        # the fields of each event/next, and a time
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.events = queue.Queue()
        self.posts = queue.Queue()  # (path, body)
        self.asked = queue.Queue()  # a time for every `next`
        self.drop_next = threading.Event()   # close the connection instead of answering `next`
        self.drop_post = threading.Event()   # and instead of answering a POST
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        stream = sock.makefile("rb")
        try:
            if b"/2018" in sock.recv(64, socket.MSG_PEEK):
                self.connections += 1
            while self._one(sock, stream):
                pass
        except (OSError, ValueError):
            pass
        sock.close()

    def _one(self, sock, stream):
        line = stream.readline().decode()
        if not line:
            return False
        method, path, _ = line.split()
        fields = {}
        while True:
            line = stream.readline().decode().strip()
            if not line:
                break
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()
        body = stream.read(int(fields.get("content-length", 0)))
        if path.startswith("/2020-01-01/extension/"):
            return self._extension(sock, path, fields, body)
        if method == "GET":
            return self._next(sock)
        if self.drop_post.is_set():
            self.drop_post.clear()
            return False
        self.posts.put((path, body))
        sock.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{"status":"OK"}')
        return True

    def _extension(self, sock, path, fields, body):
        if self.extensions is None:
            sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
        elif path.endswith("/register"):
            self.registered.put((fields, body))
            if self.extensions is not True:
                sock.sendall(self.extensions)
                return len(self.extensions) > 0
            sock.sendall(b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: "
                         b"01234567-89ab-cdef-0123-456789abcdef\r\nContent-Length: 2\r\n\r\n{}")
        else:
            self.held.put((fields, time.monotonic()))
        return True

    def _next(self, sock):
        self.asked.put(time.monotonic())
        if self.drop_next.is_set():
            self.drop_next.clear()
            return False
        request_id, payload, timeout_ms = self.events.get()
        deadline = int(time.time() * 1000) + timeout_ms
        sock.sendall((
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: %s\r\n"
            "Lambda-Runtime-Deadline-Ms: %d\r\nLambda-Runtime-Invoked-Function-Arn: arn:x\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (request_id, deadline, len(payload))).encode() + payload)
        return True

    def close(self):
        self.listener.close()


class Node:
    """A bootstrap process between a fake Runtime API and a fake proxy."""

    def __init__(self, memory_mb=128, name="infinicache-0", extensions=None):
        build = os.environ.get("BUILD", "build")
        root = os.path.join(os.path.dirname(__file__), "..", "..")
        self.runtime = FakeRuntime(extensions)
        self.proxy = socket.create_server(("127.0.0.1", 0))
        self.name = name
        self.key = b""
        self.epoch = 1
        environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.runtime.port,
                       "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
                       "AWS_LAMBDA_FUNCTION_NAME": name}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.started = time.monotonic()
        self.process = subprocess.Popen([os.path.join(root, build, "bootstrap")], env=environment)
        self.invocations = 0

    def payload(self, kind="serve", **changes):
        self.invocation = os.urandom(16)
        self.key = os.urandom(32)
        fields = {"infinicache": 1, "kind": kind, "function": self.name,
                  "invocation": self.invocation.hex(),
                  "proxy": "127.0.0.1:%d" % self.proxy.getsockname()[1], "key": self.key.hex(),
                  "epoch": self.epoch, "lease_ms": 60000, "keep_ms": 0}
        fields.update(changes)
        return json.dumps(fields).encode()

    def invoke(self, payload=None, timeout_ms=300000, **changes):
        self.invocations += 1
        if payload is None:
            payload = self.payload(**changes)
        self.runtime.events.put(("request-%d" % self.invocations, payload, timeout_ms))

    def accept(self, timeout=20):
        self.proxy.settimeout(timeout)
        sock, _ = self.proxy.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Link(sock)

    def welcome(self, epoch=None):
        """Accepts the next dial and greets it."""
        link = self.accept()
        link.read_hello(self.key)
        link.send_welcome(self.key, self.epoch if epoch is None else epoch)
        return link

    def serve(self, **changes):
        self.invoke(**changes)
        return self.welcome()

    def response(self, timeout=20):
        path, body = self.runtime.posts.get(timeout=timeout)
        assert path == "/2018-06-01/runtime/invocation/request-%d/response" % self.invocations, (
            path, body)
        return json.loads(body)

    def resident_bytes(self):
        with open("/proc/%d/statm" % self.process.pid) as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.runtime.close()
        self.proxy.close()
