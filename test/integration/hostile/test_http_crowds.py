"""Crowds on the HTTP ports: connections that ask nothing, half of a request, or announce a long
body. Whoever asks plainly is answered meanwhile."""
import contextlib
import os
import socket
import urllib.request

import pytest

from harness import noise, wait_until

MB = 1 << 20
HALVES = {
    "nothing": b"",
    "half a head": b"GET /metrics HTTP/1.1\r\nHos",
    "half a body": b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nxx",
    "many requests": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500,  # replies not read
}


def healthy(cluster):
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.http_port}/healthz", timeout=20) as answer:
        return answer.status == 200


@pytest.mark.parametrize("ends", [False, True], ids=["stays", "half closed"])
@pytest.mark.parametrize("what", HALVES)
def test_many_connections_to_the_admin_port(cluster, what, ends):
    """Ten times as many as it keeps, and it keeps no more."""
    descriptors = f"/proc/{cluster.pid_of('proxy')}/fd"
    before = len(os.listdir(descriptors))
    with contextlib.ExitStack() as stack:
        for i in range(640):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", cluster.http_port)))
            s.setblocking(False)
            with contextlib.suppress(OSError):
                s.send(HALVES[what])
                if ends:
                    s.shutdown(socket.SHUT_WR)
            if i % 160 == 159:
                assert healthy(cluster)
        wait_until(lambda: len(os.listdir(descriptors)) < before + 70, "the others are closed")
        assert healthy(cluster)


@pytest.mark.parametrize("port", ["platform_port", "http_port"])
def test_who_is_gone_is_not_kept(cluster, port):
    """Each end of stream comes with the last bytes of half a request."""
    pid = cluster.pid_of("platform" if port == "platform_port" else "proxy")
    before = len(os.listdir(f"/proc/{pid}/fd"))
    half = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X: %s\r\n" % (b"y" * 480) * 57
    for _ in range(400):
        with socket.create_connection(("127.0.0.1", getattr(cluster, port))) as s:
            s.setblocking(False)
            with contextlib.suppress(OSError):
                s.send(half)
    wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) < before + 20, "all of them are closed")
    assert healthy(cluster)


@pytest.mark.parametrize("size", [69, 60], ids=["too long", "long"])
def test_long_bodies_on_the_platform_port(cluster, size):
    """Unsigned, and never completed: as much as the platform keeps of all bodies."""
    value = noise(300_000)
    with contextlib.ExitStack() as stack:
        for _ in range(512 // size + 1):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", cluster.platform_port)))
            s.settimeout(20)
            with contextlib.suppress(OSError):
                s.sendall(b"POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\n"
                          b"Content-Length: %d\r\n\r\n" % (size * MB))
                for _ in range(size - 1):
                    s.sendall(bytes(MB))
        cluster.reclaim(share=1)
        client = cluster.redis()
        assert client.set("long", value) and client.get("long") == value
