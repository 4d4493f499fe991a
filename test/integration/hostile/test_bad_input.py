"""Bad input on every port: a clear error or a closed connection; nothing lost, no crash."""
import contextlib
import random
import socket
import subprocess
import threading

import pytest

from harness import INFINICACHE, noise, rss, wait_until

MB = 1 << 20
KEPT = noise(300000)


@pytest.fixture(autouse=True)
def unharmed(cluster):
    """After each test the same proxy serves what was there before."""
    client = cluster.redis()
    client.set("kept", KEPT)
    before = cluster.pid_of("proxy"), cluster.pid_of("platform")
    yield
    assert (cluster.pid_of("proxy"), cluster.pid_of("platform")) == before
    assert cluster.redis().get("kept") == KEPT


def talk(address, data, half_close=True):
    """Everything the peer says to DATA until it closes."""
    with socket.create_connection(address, timeout=30) as s:
        with contextlib.suppress(OSError):
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while part := s.recv(65536):
                said += part
        return said


MALFORMED = {
    "negative multibulk": b"*-5\r\n+\r\n",
    "huge multibulk": b"*999999999999\r\n",
    "not a bulk": b"*1\r\n+PING\r\n",
    "ten gigabytes": b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10737418240\r\n",
    "negative bulk": b"*2\r\n$3\r\nGET\r\n$-1\r\n",
    "bulk overflow": b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n",
    "endless inline": b"A" * 200000,
    "unbalanced quotes": b"SET \"k v\r\n",
    "binary": bytes(range(256)) * 64,
    "half a command": b"*3\r\n$3\r\nSET\r\n$4\r\nkept\r\n$100\r\nhalf",
    "tls hello": bytes.fromhex("1603010200010001fc0303") + bytes(300),
    "http": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_resp(cluster, name):
    said = talk(("127.0.0.1", cluster.port), MALFORMED[name])
    assert said == b"" or said.startswith(b"-")


def test_random_resp(cluster):
    """Mutations of good commands: whatever is said, the proxy says something or closes."""
    rng = random.Random(1)
    good = (b"*3\r\n$3\r\nSET\r\n$6\r\nrandom\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$6\r\nrandom\r\n"
            b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\nPING\r\n")
    for _ in range(200):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        talk(("127.0.0.1", cluster.port), bytes(data[:rng.randint(1, len(data))]))


@pytest.mark.parametrize("port", ["node_port", "http_port", "platform_port"])
def test_garbage_on_other_ports(cluster, port):
    rng = random.Random(2)
    address = ("127.0.0.1", getattr(cluster, port))

    def poke(data):  # half a request of HTTP would wait for its rest: do not
        with socket.create_connection(address, timeout=30) as s, contextlib.suppress(OSError):
            s.sendall(data)

    for size in (0, 1, 47, 48, 49, 1000, 100000):
        poke(rng.randbytes(size))
    poke(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100000)
    poke(b"POST /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{")


def test_link_without_hello_is_closed(cluster):
    """Silence on the node port ends within the handshake's deadline, and does not add up."""
    idle = [socket.create_connection(("127.0.0.1", cluster.node_port), timeout=60)
            for _ in range(50)]
    assert cluster.redis().get("kept") == KEPT
    for s in idle:
        with s, contextlib.suppress(ConnectionResetError):
            assert s.recv(10) == b""


def test_slow_reader_does_not_grow_the_proxy(cluster):
    client = cluster.redis()
    client.set("large", noise(40 * MB))
    before = rss(cluster.pid_of("proxy"))
    readers = [cluster.socket() for _ in range(8)]
    for s in readers:
        s.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n" * 10)
    for _ in range(20):
        assert client.get("kept") == KEPT, "others are served meanwhile"
    assert rss(cluster.pid_of("proxy")) - before < 64 * MB
    for s in readers:
        s.close()
    client.delete("large")


def test_pipelined_requests_nobody_reads(cluster):
    """A client that only sends is stopped by the window, not stored."""
    before = rss(cluster.pid_of("proxy"))
    with cluster.socket() as s:
        s.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for _ in range(2000):
                s.sendall(b"*2\r\n$3\r\nGET\r\n$4\r\nkept\r\n" * 100)
        assert rss(cluster.pid_of("proxy")) - before < 64 * MB


def test_many_connections(cluster):
    """Thousands of clients at once; one in ten leaves in the middle of a command."""
    wanted = 3000
    sockets = []
    try:
        for i in range(wanted):
            s = socket.create_connection(("127.0.0.1", cluster.port), timeout=60)
            sockets.append(s)
            s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$9\r\nha" if i % 10 == 0 else b"PING\r\n")
        for i, s in enumerate(sockets):
            if i % 10:
                assert s.recv(7) == b"+PONG\r\n"
    finally:
        for s in sockets:
            s.close()
    wait_until(lambda: cluster.redis().info("clients")["connected_clients"] < 20, "they are gone")
    assert cluster.redis().get("h") is None


def test_disconnects_in_the_middle_of_set(cluster):
    client = cluster.redis()
    client.set("old", b"old value")

    def abandon(sent):
        with cluster.socket() as s:
            s.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nold\r\n$5000000\r\n" + bytes(sent))

    threads = [threading.Thread(target=abandon, args=(n,))
               for n in (0, 1, 65536, 655360, 655361, 4000000, 4999999)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wait_until(lambda: client.info("everything")["drafts"] == 0, "no draft is left")
    assert client.get("old") == b"old value"


@pytest.mark.parametrize("words, said", [
    (["--port", "99999"], "port"),
    (["--no-such-thing", "1"], "no-such-thing"),
    (["--code-table", "*:10+9", "--functions", "12"], "10+9"),
    (["--code-table", "nonsense"], "nonsense"),
    (["--lease", "soon"], "lease"),
    (["--bind", "0.0.0.0"], "password"),
    (["--bind", "no.address"], "no.address"),
])
def test_bad_directives(tmp_path, words, said):
    done = subprocess.run([INFINICACHE, "proxy", "--dir", tmp_path, "--port", "0", "--node-port",
                           "0", "--http-port", "0", *words], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode != 0 and said in done.stderr


def test_bad_config_file_names_its_line(tmp_path):
    config = tmp_path / "bad.conf"
    config.write_text("# fine\nport 7000\nlease 5 parsecs\n")
    done = subprocess.run([INFINICACHE, "proxy", "--config", config], capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert f"{config}:3" in done.stderr and "lease" in done.stderr


def test_port_in_use(cluster, tmp_path):
    done = subprocess.run([INFINICACHE, "proxy", "--dir", tmp_path, "--port", str(cluster.port),
                           "--node-port", "0", "--http-port", "0"], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode != 0 and str(cluster.port) in done.stderr
