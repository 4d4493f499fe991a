"""What one client asks for keeps nobody else waiting, however much it is. Nothing is timed: what is
compared is the processor's time that the proxy took, and what a bystander was answered meanwhile."""
import threading

import pytest

from resp_wire import encode


@pytest.fixture(autouse=True)
def unharmed(cluster):
    pid = cluster.pid_of("proxy")
    yield
    assert cluster.pid_of("proxy") == pid


def ask(s, *requests):
    """Sends all of them, reads until the last one's reply is there, and returns what came."""
    end = b"$4\r\nlast\r\n"
    sender = threading.Thread(target=s.sendall, args=(b"".join(requests) + encode("ECHO", "last"),))
    sender.start()
    came = bytearray()
    while not came.endswith(end):
        more = s.recv(1 << 20)
        assert more, bytes(came[-200:])
        came += more
    sender.join()
    return bytes(came[:-len(end)])


def cpu_seconds(client):
    """Of the proxy, so far."""
    cpu = client.info("cpu")
    return cpu["used_cpu_sys"] + cpu["used_cpu_user"]


def test_a_watch_of_many_keys_costs_what_one_of_few_does(cluster):
    client, cost = cluster.redis(), {}
    for count in (2000, 40_000):
        requests = [encode("WATCH", f"key{i}") for i in range(count)]
        with cluster.socket() as s:
            before = cpu_seconds(client)
            assert ask(s, *requests) == b"+OK\r\n" * count
            cost[count] = (cpu_seconds(client) - before) / count
    assert cost[40_000] < 5 * cost[2000], cost
