"""Waking functions, and letting them sleep: requests that meet a throttled platform, a node that is
leaving or a warm-up are served; those that cannot be say why; and what it all is billed."""
import json
import signal
import statistics
import threading

import pytest
import redis

from harness import noise, wait_until

VALUE = noise(200000)


def states(proxy):
    rows = proxy.redis.execute_command("IC.POOL")
    return [row[row.index(b"state") + 1].decode() for row in rows]


def asleep(proxy):
    return set(states(proxy)) == {"asleep"}


class Getter:
    """A GET in a thread of its own; `waits` once the proxy has it."""

    def __init__(self, proxy, key="key"):
        self.client = redis.Redis(port=proxy.port, client_name="getter", retry=None)
        self.client.ping()
        self.value = None
        self.proxy = proxy
        self.thread = threading.Thread(target=self.run, args=(key,), daemon=True)
        self.thread.start()

    def run(self, key):
        self.value = self.client.get(key)

    def waits(self):
        return any(c["name"] == "getter" and c["cmd"] == "get" and self.thread.is_alive()
                   for c in self.proxy.redis.client_list())

    def result(self):
        self.thread.join(60)
        return self.value


# ---- the platform's refusals ----------------------------------------------------

def refusal(kind, message):
    return json.dumps({"Type": "User", "__type": kind, "message": message}).encode()


def test_throttled_five_times(new_proxy):
    """The pool backs off, and what waits is served as soon as an Invoke gets through."""
    proxy = new_proxy(lease="20ms")
    assert proxy.redis.set("key", VALUE)
    wait_until(lambda: asleep(proxy), "every node sleeps")
    throttled = {}

    def throttle(lambda_, function, payload):
        throttled[function] = throttled.get(function, 0) + 1
        if throttled[function] <= 5:
            return 429, refusal("TooManyRequestsException", "Rate Exceeded.")
        return None

    proxy.lambda_.on_invoke = throttle
    assert proxy.redis.get("key") == VALUE
    assert max(throttled.values()) > 5
    assert proxy.redis.info("everything")["pool_throttles"] >= 5
    throttled.clear()
    wait_until(lambda: asleep(proxy), "every node sleeps")
    assert proxy.redis.set("key", VALUE[::-1]), "all three at once: one refusal each, not three"
    assert min(throttled.values()) > 5


@pytest.mark.parametrize("status,kind,message,advice", [
    (404, "ResourceNotFoundException", "Function not found: x", "are the functions created"),
    (403, "AccessDeniedException", "not authorized\r\nto perform", "are the credentials right"),
    (500, "ServiceException", "an internal error", "see the proxy's log"),
    (429, "TooManyRequestsException", "Rate Exceeded.", "allow more concurrent executions"),
])
def test_errors_name_reason_and_way_out(new_proxy, status, kind, message, advice):
    proxy = new_proxy(lease="20ms", invoke_timeout="500ms")
    assert proxy.redis.set("key", VALUE)
    wait_until(lambda: asleep(proxy), "every node sleeps")
    proxy.lambda_.on_invoke = lambda *_: (status, refusal(kind, message))
    for ask in (lambda: proxy.redis.get("key"), lambda: proxy.redis.set("other", VALUE)):
        with pytest.raises(redis.exceptions.ResponseError) as caught:
            ask()
        text = str(caught.value)
        assert text.startswith("UNAVAILABLE the ") and "too few of its functions" in text
        assert "infinicache-" in text and message.split("\r")[0] in text and advice in text
        assert "try again, IC.POOL shows the functions" in text
    proxy.lambda_.on_invoke = None
    wait_until(lambda: proxy.redis.get("key") == VALUE, "it is served again")


def test_nobody_at_the_endpoint(new_proxy):
    proxy = new_proxy()
    proxy.kill(signal.SIGTERM)
    proxy.lambda_.close()
    proxy.start()
    with pytest.raises(redis.exceptions.ResponseError, match="is platform-endpoint right"):
        proxy.redis.set("key", VALUE)
    wait_until(lambda: "lost" in states(proxy), "it is known to be lost")


def test_nodes_that_leave_before_they_answer(new_proxy):
    """Each says HELLO and returns at once: that is not invoked over and over, nor waited for."""
    proxy = new_proxy(lease="20ms")
    assert proxy.redis.set("key", VALUE)
    wait_until(lambda: asleep(proxy), "every node sleeps")
    before = len(proxy.lambda_.served())
    for node in proxy.lambda_.nodes.values():
        node.stop = True
    with pytest.raises(redis.exceptions.ResponseError, match="UNAVAILABLE"):
        proxy.redis.get("key")
    assert len(proxy.lambda_.served()) - before <= 20
    for node in proxy.lambda_.nodes.values():
        node.stop = False
    wait_until(lambda: proxy.redis.get("key") == VALUE, "it is served again")


# ---- a request that meets a function between two states -----------------------------

def test_get_meets_leaving(new_proxy):
    """BYE_OK is said, the response not there yet: the GET waits for it, then invokes."""
    proxy = new_proxy(lease="20ms")
    late = threading.Event()

    def answer_late(lambda_, function, payload):
        if payload["kind"] == "warm":
            return None
        reply = lambda_.node(function).serve(payload)
        assert late.wait(60)
        return 200, json.dumps(reply).encode()

    proxy.lambda_.on_invoke = answer_late
    assert proxy.redis.set("key", VALUE)
    wait_until(lambda: set(states(proxy)) == {"leaving"}, "every node is leaving")
    before = len(proxy.lambda_.served())
    get = Getter(proxy)
    wait_until(get.waits, "the GET waits")
    assert len(proxy.lambda_.served()) == before
    late.set()
    assert get.result() == VALUE
    assert proxy.lambda_.most_running == 1


def test_get_meets_a_warm_up(new_proxy):
    proxy = new_proxy(lease="20ms")
    assert proxy.redis.set("key", VALUE)
    wait_until(lambda: asleep(proxy), "every node sleeps")
    end = threading.Event()

    def hold_warm(lambda_, function, payload):
        if payload["kind"] == "warm":
            assert end.wait(60)

    proxy.lambda_.on_invoke = hold_warm
    proxy.redis.config_set("warm-interval", "200ms")
    wait_until(lambda: set(states(proxy)) == {"invoking"}, "every function is being warmed up")
    get = Getter(proxy)
    wait_until(get.waits, "the GET waits")
    end.set()
    assert get.result() == VALUE
    assert proxy.lambda_.most_running == 1


# ---- the bill -----------------------------------------------------------------------

def collect_bills(cluster, count, what):
    """Billed ms of COUNT invocations: of functions invoked once between two looks."""
    bills, last = [], cluster.bill()["functions"]

    def look():
        nonlocal last
        now = cluster.bill()["functions"]
        bills.extend(f["billed_ms"] - last[name]["billed_ms"] for name, f in now.items()
                     if f["invocations"] == last[name]["invocations"] + 1)
        last = now
        return len(bills) >= count

    wait_until(look, what)
    return bills


def test_warm_ups_cost_two_milliseconds_at_most(new_cluster):
    c = new_cluster(options={"warm-interval": "400ms"})
    assert statistics.median(collect_bills(c, 100, "a hundred warm-ups")) <= 2


def test_a_lone_get_is_not_billed_for_a_long_stay(new_cluster):
    """GETs with seconds between them: the nodes learn to leave. A fixed lease is billed in full."""
    c = new_cluster(options={"warm-interval": "0s"})
    client = c.redis()
    client.set("k", noise(2 << 20))

    def one_get():
        wait_until(lambda: all(r["state"] != "busy" for r in c.instances()), "every node sleeps")
        before = c.bill()
        assert client.get("k")
        wait_until(lambda: all(r["state"] != "busy" for r in c.instances()), "every node sleeps")
        after = c.bill()
        return ((after["billed_ms"] - before["billed_ms"]) /
                (after["invocations"] - before["invocations"]))

    learned = statistics.median(one_get() for _ in range(5))
    client.config_set("lease", "1s")
    fixed = one_get()
    assert fixed >= 1000 and learned < fixed / 2
