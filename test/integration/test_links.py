"""Nodes and a platform that misbehave, against a real proxy: nothing is lost, nothing hangs, and
whoever cannot prove who he is gets nowhere."""
import itertools
import os
import re
import signal
import socket
import threading
import urllib.request

import pytest
import redis

from fake_lambda import Dropped, FakeNode
from harness import wait_until
from node_link import BYE, ITEM, ITEM_LAST, LIST, READ, WRITE, Closed, Frame

VALUE = os.urandom(300000)


@pytest.fixture
def proxy(new_proxy):
    return new_proxy(lease="60s")


def info(proxy, field):
    return proxy.redis.info("everything")[field]


def fresh_read(proxy, key="key"):
    """Reads KEY; there is no cache in the proxy, so nodes are asked."""
    return proxy.redis.get(key)


def test_round_trip(proxy):
    assert proxy.redis.set("key", VALUE)
    assert fresh_read(proxy) == VALUE
    assert proxy.lambda_.unsigned == 0
    assert proxy.lambda_.most_running == 1
    kinds = [p["kind"] for _, p in proxy.lambda_.invokes]
    assert kinds.count("warm") <= 3


def test_every_invocation_has_its_own_id_and_key(new_proxy):
    proxy = new_proxy(lease="20ms")
    for i in range(5):
        proxy.redis.set("key", VALUE)
        wait_until(lambda: not any(proxy.lambda_.running.values()), "all nodes have left")
    payloads = [p for _, p in proxy.lambda_.invokes if p["kind"] == "serve"]
    assert len(payloads) >= 15
    assert len({p["invocation"] for p in payloads}) == len(payloads)
    assert len({p["key"] for p in payloads}) == len(payloads)


# ---- who may come in ----------------------------------------------------------

def closed_at_once(link):
    return link.is_closed(timeout=10)


def test_wrong_hmac(new_proxy):
    proxy = new_proxy(invoke_timeout="1s")
    for i in range(3):
        proxy.lambda_.node(f"infinicache-{i}").spoil_mac = True
    with pytest.raises(redis.RedisError):
        proxy.redis.set("key", VALUE)
    for i in range(3):
        proxy.lambda_.node(f"infinicache-{i}").spoil_mac = False
    wait_until(lambda: proxy.redis.set("key", VALUE), "a SET succeeds again")
    assert fresh_read(proxy) == VALUE


@pytest.mark.parametrize("where", ["hello", "response"])
def test_an_epoch_that_cannot_be(new_proxy, where):
    """A node names nearly the last epoch there is: nobody believes it, and starts go on."""
    proxy = new_proxy(lease="20ms")
    nodes = [proxy.lambda_.node(f"infinicache-{i}") for i in range(3)]
    for start in range(3):
        assert proxy.redis.set(f"key{start}", VALUE)
        wait_until(lambda: not any(proxy.lambda_.running.values()), "all nodes have left")
        asked = [n.seen.count(READ) for n in nodes]
        assert fresh_read(proxy, f"key{start}") == VALUE
        liar = next(n for n, before in zip(nodes, asked) if n.seen.count(READ) > before)
        wait_until(lambda: not any(proxy.lambda_.running.values()), "all nodes have left")
        true_response = liar.response
        if where == "hello":
            liar.epoch = 0xFFFFFE
        else:
            liar.response = lambda: {**true_response(), "epoch": 0xFFFFFE}
        assert fresh_read(proxy, f"key{start}") == VALUE
        wait_until(lambda: (proxy.dir / "proxy.log").read_text().count(
            "epoch-impossible") == start + 1, "the liar is heard")
        assert f"epoch-impossible function={liar.function} seen=16777214" in (
            proxy.dir / "proxy.log").read_text()
        liar.epoch, liar.response = 0, true_response
        proxy.kill(signal.SIGTERM)
        proxy.start()
        assert proxy.redis.dbsize() == start + 1


def test_replayed_hello(proxy):
    proxy.redis.set("key", VALUE)
    node = proxy.lambda_.node("infinicache-0")
    for _ in range(3):
        link = proxy.link()
        link.sock.sendall(node.hellos[-1])
        assert closed_at_once(link)
    assert fresh_read(proxy) == VALUE
    assert node.dial == 1 # its link was left alone
    # When the invocation is over it is worth nothing either.
    hello = node.hellos[-1]
    node.link.send(Frame(BYE))
    wait_until(lambda: not proxy.lambda_.running["infinicache-0"], "the node has left")
    link = proxy.link()
    link.sock.sendall(hello)
    assert closed_at_once(link)
    assert fresh_read(proxy) == VALUE


@pytest.mark.parametrize("what", ["nothing", "garbage", "half a header", "a bad CRC", "half a HELLO",
                                  "another frame", "a huge HELLO"])
def test_no_hello(proxy, what):
    proxy.redis.set("key", VALUE)
    hello = proxy.lambda_.node("infinicache-0").hellos[0]
    link = proxy.link()
    link.sock.sendall({
        "nothing": b"",
        "garbage": os.urandom(64),
        "half a header": hello[:20],
        "a bad CRC": hello[:44] + b"\0\0\0\0" + hello[48:],
        "half a HELLO": hello[:100],
        "another frame": Frame(READ, b"\0\0\1\0").bytes(),
        "a huge HELLO": Frame(65, bytes(70000)).bytes()[:4000],
    }[what])
    assert closed_at_once(link)
    assert fresh_read(proxy) == VALUE


def test_links_without_hello_are_bounded(proxy):
    links = [proxy.link() for _ in range(700)]
    proxy.redis.set("key", VALUE) # nodes get in all the same
    assert fresh_read(proxy) == VALUE
    for link in links:
        assert closed_at_once(link)


def test_second_instance_is_dismissed(proxy):
    """Lambda runs the same event twice: the second instance is welcomed and sent home."""
    second = []

    def twice(lambda_, function, payload):
        if payload["kind"] == "serve" and function == "infinicache-1" and not second:
            node = FakeNode(function)
            second.append(node)

            def later():
                wait_until(lambda: lambda_.node(function).seen, "the first has served")
                node.serve(payload)

            threading.Thread(target=later, daemon=True).start()

    proxy.lambda_.on_invoke = twice
    proxy.redis.set("key", VALUE)
    wait_until(lambda: second and second[0].over, "the second is dismissed")
    assert second[0].seen == []
    assert fresh_read(proxy) == VALUE
    assert proxy.lambda_.most_running == 1


# ---- frames -------------------------------------------------------------------

def once(type, action):
    """A hook that does ACTION at the first request of TYPE, on each node."""
    done = set()

    def hook(node, frame):
        if frame.type != type or node in done:
            return False
        done.add(node)
        action(node, frame)
        return True

    return hook


def drop(node, frame):
    node.link.close()
    raise Closed()


def hang_up_and_redial(node, frame):
    node.redial()


def half_a_frame(node, frame):
    link, node.link = node.link, Recorder()
    position = node.position
    node.answer(frame)
    node.position = position # it was not settled: the answer never arrived whole
    node.link = link
    link.sock.sendall(node.last_reply[:len(node.last_reply) // 2])
    node.redial()


class Recorder:
    def send(self, frame):
        pass

    def close(self):
        pass


def malformed(node, frame):
    reply = bytearray(Frame(67, request=frame.request).bytes())
    reply[44] ^= 1
    node.link.sock.sendall(reply)


def wrong_request(node, frame):
    node.link.send(Frame(67, request=frame.request + 5))


def wrong_type(node, frame):
    node.link.send(Frame(67 if frame.type == READ else 66, b"" if frame.type == READ else bytes(9),
                         request=frame.request))


def wrong_length(node, frame):
    node.link.send(Frame(66, bytes(40), request=frame.request, object_id=frame.object_id,
                         chunk=frame.chunk, offset=frame.offset))


@pytest.mark.parametrize("action", [hang_up_and_redial, half_a_frame, malformed, wrong_request,
                                    wrong_type, wrong_length])
@pytest.mark.parametrize("type", [WRITE, READ])
def test_bad_answers_are_asked_again(proxy, type, action):
    for i in range(3):
        proxy.lambda_.node(f"infinicache-{i}").on_request = once(type, action)
    assert proxy.redis.set("key", VALUE)
    for _ in range(3):
        assert fresh_read(proxy) == VALUE
    assert proxy.alive()


def test_unasked_answers_close_the_link(proxy):
    proxy.redis.set("key", VALUE)
    for i in range(3):
        node = proxy.lambda_.node(f"infinicache-{i}")
        dial = node.dial
        node.link.send(Frame(67, request=99))
        wait_until(lambda: node.dial > dial, "the node had to dial again")
    assert fresh_read(proxy) == VALUE


# ---- goodbye ------------------------------------------------------------------

def test_nothing_is_asked_after_bye_ok(new_proxy):
    """Leases so short that BYEs cross requests all the time."""
    proxy = new_proxy(lease="3ms")
    for i in range(60):
        value = VALUE[:1 + i * 1000]
        assert proxy.redis.set(f"key{i % 5}", value)
        assert proxy.redis.get(f"key{i % 5}") == value
    wait_until(lambda: not any(proxy.lambda_.running.values()), "all nodes have left")
    assert [n.after_bye for n in proxy.lambda_.nodes.values()] == [b""] * 3
    assert len(proxy.lambda_.served()) > 10
    assert proxy.lambda_.most_running == 1


def test_bye_deadline_with_requests_waiting(proxy):
    proxy.redis.set("key", VALUE)
    before = len(proxy.lambda_.served())

    def deadline(node, frame):
        node.answer(frame)
        node.link.send(Frame(BYE, flags=1, offset=20000))

    for i in range(3):
        proxy.lambda_.node(f"infinicache-{i}").on_request = once(READ, deadline)
    for _ in range(5):
        assert fresh_read(proxy) == VALUE
    assert len(proxy.lambda_.served()) > before
    assert proxy.lambda_.most_running == 1


# ---- the platform -------------------------------------------------------------

def test_lost_response(new_proxy):
    """The connection breaks while the node serves: it is used on, and not invoked again before it left."""
    proxy = new_proxy(lease="60s")
    served = []

    def lose(lambda_, function, payload):
        if payload["kind"] == "warm":
            return None
        node = lambda_.node(function)
        if payload["invocation"] not in served: # libcurl may send a POST twice
            served.append(payload["invocation"])
            threading.Thread(target=node.serve, args=(payload,), daemon=True).start()
        wait_until(lambda: node.seen, "the node has served")
        raise Dropped()

    proxy.lambda_.on_invoke = lose
    assert proxy.redis.set("key", VALUE)
    for _ in range(3):
        assert fresh_read(proxy) == VALUE
    assert len(served) == 3
    for i in range(3):
        proxy.lambda_.node(f"infinicache-{i}").link.send(Frame(BYE))
    wait_until(lambda: all(n.over for n in proxy.lambda_.nodes.values()), "the nodes have left")
    proxy.lambda_.on_invoke = None
    wait_until(lambda: fresh_read(proxy) == VALUE, "they are invoked again")


def test_lost_response_without_a_node(new_proxy):
    """Nothing is known of the invocation: requests fail soon, and no second Invoke is sent."""
    proxy = new_proxy(invoke_timeout="300ms")

    def lose(lambda_, function, payload):
        if payload["kind"] == "serve":
            raise Dropped()

    wait_until(lambda: len(proxy.lambda_.invokes) >= 3, "the warm-ups")
    before = {p["invocation"] for p in proxy.lambda_.served()}
    proxy.lambda_.on_invoke = lose
    for _ in range(3):
        with pytest.raises(redis.RedisError):
            proxy.redis.set("key", VALUE)
    assert len({p["invocation"] for p in proxy.lambda_.served()} - before) == 3


def test_throttled(new_proxy):
    proxy = new_proxy()
    refused = []

    def throttle(lambda_, function, payload):
        if payload["kind"] == "serve" and len(refused) < 5:
            refused.append(function)
            return 429, b'{"Type":"User","message":"Rate Exceeded."}'

    proxy.lambda_.on_invoke = throttle
    assert proxy.redis.set("key", VALUE)
    assert fresh_read(proxy) == VALUE
    assert len(refused) == 5


def test_no_platform(new_proxy):
    """Writes fail at once while the platform refuses; the proxy goes on, and recovers."""
    proxy = new_proxy()
    proxy.redis.set("key", VALUE)

    def refuse(lambda_, function, payload):
        return 503, b"{}"

    for node in proxy.lambda_.nodes.values():
        wait_until(lambda: node.link, "dialled")
        node.link.send(Frame(BYE))
    wait_until(lambda: not any(proxy.lambda_.running.values()), "all nodes have left")
    proxy.lambda_.on_invoke = refuse
    for _ in range(3):
        with pytest.raises(redis.RedisError):
            proxy.redis.set("key2", VALUE)
    assert proxy.redis.ping()
    proxy.lambda_.on_invoke = None
    wait_until(lambda: fresh_read(proxy) == VALUE, "reads work again")
    wait_until(lambda: proxy.redis.set("key2", VALUE), "writes work again")


def test_a_slow_function_is_asked_last(new_proxy):
    """Each answer of one of six takes more than a second, as no other's does: after the first of
    them reads go to others, and values are put there."""
    proxy = new_proxy(lease="60s", functions=6)
    asked = []

    def late(_, frame):
        asked.append(frame.type)
        threading.Event().wait(1.5)

    before = [f"before{i}" for i in range(12)]
    for key in before:
        proxy.redis.set(key, VALUE)
    slow = max(proxy.lambda_.nodes.values(), key=lambda node: len(node.chunks))
    slow.on_request = late

    more = itertools.count()

    def is_found():
        proxy.redis.set(f"more{next(more)}", VALUE)
        return f"function-slow function={slow.function}" in (proxy.dir / "proxy.log").read_text()

    wait_until(is_found, "it is found slow")
    asked.clear()
    for key in before:
        assert proxy.redis.set(f"{key} again", VALUE)
        assert fresh_read(proxy, f"{key} again") == VALUE
        assert fresh_read(proxy, key) == VALUE
    assert asked == []


def test_function_error_loses_the_memory(proxy):
    """More chunks than the code can do without, all at once: a miss, not wrong bytes."""
    proxy.redis.set("key", VALUE)
    for i in range(3):
        name = f"infinicache-{i}"
        node = proxy.lambda_.nodes.pop(name)
        node.stop = True
        node.link.sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: fresh_read(proxy) is None, "a miss")
    assert proxy.redis.set("key", VALUE)
    assert fresh_read(proxy) == VALUE


# ---- restart ------------------------------------------------------------------

def test_active_nodes_are_adopted(proxy):
    proxy.redis.set("key", VALUE)
    served = len(proxy.lambda_.served())
    proxy.kill()
    proxy.start()
    assert fresh_read(proxy) == VALUE
    assert len(proxy.lambda_.served()) == served # no node was invoked for it
    assert proxy.redis.set("key", VALUE[::-1])
    assert fresh_read(proxy) == VALUE[::-1]


def test_a_stopping_proxy_sends_its_nodes_home(proxy):
    proxy.redis.set("key", VALUE)
    proxy.kill(signal.SIGTERM)
    wait_until(lambda: not any(proxy.lambda_.running.values()), "all nodes have left")
    assert [n.after_bye for n in proxy.lambda_.nodes.values()] == [b""] * 3
    proxy.start()
    assert fresh_read(proxy) == VALUE


def test_a_node_that_is_not_believed_is_heard_less_and_less(new_proxy):
    """Its lists are malformed, and it dials again at once: others are served, and the log is not
    filled."""
    proxy = new_proxy(functions=6, code_table="*:1+2", warm_interval="1s", invoke_timeout="1s")
    for i in range(20):
        proxy.redis.set(f"k{i}", b"value")
    odd = proxy.lambda_.node("infinicache-5")
    odd.instance = os.urandom(16)  # one that is to be listed
    odd.held = lambda: 1 << 20
    lists = []

    def malformed_list(node, frame):
        if frame.type != LIST:
            return False
        lists.append(frame)
        node.link.send(Frame(ITEM, b"\1\2", flags=ITEM_LAST, chunk=frame.chunk, request=frame.request,
                             object_id=frame.object_id, op=frame.op, offset=frame.offset))
        return True

    odd.on_request = malformed_list
    log = proxy.dir / "proxy.log"
    wait_until(lambda: "reason=malformed-list" in log.read_text(), "it is not believed")

    def refused():
        with urllib.request.urlopen(f"http://127.0.0.1:{proxy.http_port}/metrics") as reply:
            return float(re.search(r"\ninfinicache_hellos_refused_total (\d+)",
                                   reply.read().decode()).group(1))

    before = refused(), len(lists)
    wait_until(lambda: refused() > before[0] + 100, "it dials on and on")
    assert len(lists) < before[1] + 10
    assert all(proxy.redis.get(f"k{i}") == b"value" for i in range(20))
