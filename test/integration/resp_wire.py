"""The Redis protocol on a bare socket: what the tests need to see each byte of a reply.

    c = Wire(port); c.send("SET", "k", "v"); c.read() == b"+OK\\r\\n"
"""
import socket

DEADLINE_S = 60


def encode(*words):
    """A command as an array of bulks; words are str, bytes or numbers."""
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Wire:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def close(self):
        self.sock.close()

    def raw(self, data):
        self.sock.sendall(data)

    def send(self, *words):
        self.raw(encode(*words))

    def _fill(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError
        self.buffer += data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line + b"\r\n"

    def _bytes(self, count):
        while len(self.buffer) < count:
            self._fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read(self):
        """The bytes of one whole reply; b"" when the connection has ended."""
        try:
            return self._reply()
        except (EOFError, ConnectionResetError):
            return b""

    def _reply(self):
        line = self._line()
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=" and int(rest) >= 0:
            return line + self._bytes(int(rest) + 2)
        if kind in b"*~>%|" and int(rest) >= 0:
            count = int(rest) * (2 if kind in b"%|" else 1)
            return line + b"".join(self._reply() for _ in range(count))
        return line

    def ask(self, *words):
        self.send(*words)
        return self.read()


def parse(raw):
    """A reply as a value: lists, dicts, bytes, int, None; errors and statuses keep their sign."""
    value, rest = _parse(raw)
    assert rest == b"", rest
    return value


def _parse(raw):
    line, rest = raw.split(b"\r\n", 1)
    kind, text = line[:1], line[1:]
    if kind == b":":
        return int(text), rest
    if kind in (b"$", b"="):
        if int(text) < 0:
            return None, rest
        body = rest[:int(text)]
        return body[4:] if kind == b"=" else body, rest[int(text) + 2:]
    if kind in (b"*", b"~", b">"):
        if int(text) < 0:
            return None, rest
        items = []
        for _ in range(int(text)):
            item, rest = _parse(rest)
            items.append(item)
        return items, rest
    if kind == b"%":
        pairs = []
        for _ in range(int(text)):
            name, rest = _parse(rest)
            value, rest = _parse(rest)
            pairs.append((name, value))
        return dict(pairs), rest
    if kind == b"_":
        return None, rest
    return line, rest


def pairs(value):
    """A map as a dict, also as RESP2 has it: one flat list."""
    if isinstance(value, dict):
        return value
    return dict(zip(value[::2], value[1::2]))
