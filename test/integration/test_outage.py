"""The platform cannot be reached, refuses, or its functions do not come: after a bounded time clients
are told which, and when it is over they are served."""
import json
import os
import threading
import urllib.error
import urllib.request

import pytest
import redis

from fake_lambda import FakeLambda, Proxy
from harness import DEADLINE_S, wait_until

TIMEOUT = "200ms"  # invoke-timeout: an outage counts after three of these


def answer(status, type_, message):
    body = json.dumps({"Type": "User", "message": message, "__type": type_})
    return lambda *_: (status, body.encode())


def returns_at_once(lambda_, function, _):
    """The function runs, and its node reaches nobody."""
    return 200, json.dumps(lambda_.node(function).response()).encode()


AWS_WORDS = "The request signature we calculated does not match the signature you provided. Check your AWS Secret " \
    "Access Key and signing method. Consult the service documentation for details."
OUTAGES = {  # name: (what becomes of an Invoke, INFO's cause, of the trouble, of the advice)
    "unreachable": (None, "unreachable", "Failed to connect", "is platform-endpoint right"),
    "denied": (answer(403, "InvalidSignatureException", AWS_WORDS), "denied", f"{AWS_WORDS} (",
               "are the credentials right"),
    "throttled": (answer(429, "TooManyRequestsException", "Rate Exceeded."), "throttled",
                  "Rate Exceeded", "allow more concurrent executions"),
    "failed": (answer(500, "ServiceException", "internal"), "failed", "internal", "log"),
    "missing": (answer(404, "ResourceNotFoundException", "Function not found"), "missing", "Function not found",
                "are the functions created"),
    "foreign-404": (answer(404, "NotFound", "no such page"), "failed", "no such page",
                    "the Lambda API?"),
    "foreign-200": (lambda *_: (200, b"<html>hello</html>"), "no-node", "what answers is no node",
                    "platform-endpoint"),
    "foreign-502": (lambda *_: (502, b"<html>bad gateway</html>"), "failed", "HTTP status 502", "the Lambda API?"),
    "no-node": (returns_at_once, "no-node", "its node was not heard", "node-address"),
    "silent": ("silent", "silent", "no node has dialled in", "does platform-endpoint answer"),
}


class Outage:
    """A proxy whose platform is out, from `begin` to `end`, as NAME says."""

    def __init__(self, name, **directives):
        self.hook, self.cause, self.trouble, self.advice = OUTAGES[name]
        self.over = threading.Event()
        self.directives = {"invoke_timeout": TIMEOUT, **directives}
        self.lambda_ = FakeLambda()
        self.proxy = None
        self.out = False

    def begin(self):
        self.out = True
        if self.hook is None:
            self.lambda_.close()
        elif self.hook == "silent":
            self.lambda_.on_invoke = lambda *_: self.over.wait() and None
        else:
            self.lambda_.on_invoke = self.hook

    def end(self):
        if self.hook is None:
            nodes = self.lambda_.nodes
            self.lambda_ = FakeLambda(self.lambda_.port)
            self.lambda_.nodes = nodes
            for node in nodes.values():
                node.stop = False
        self.lambda_.on_invoke = None
        self.over.set()

    def start(self):
        self.proxy = Proxy(self.lambda_, loads=not self.out, **self.directives)
        return self.proxy

    def close(self):
        self.over.set()
        self.proxy.lambda_ = self.lambda_
        self.proxy.close()


@pytest.fixture
def outage():
    made = []

    def make(*args, **directives):
        made.append(Outage(*args, **directives))
        return made[-1]

    yield make
    for o in made:
        o.close()


def error_of(proxy, *command):
    try:
        proxy.redis.execute_command(*command)
    except redis.exceptions.RedisError as error:
        return f"{type(error).__name__} {error}"
    return ""


def get(proxy, path):
    """Status and text."""
    url = f"http://127.0.0.1:{proxy.http_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def health(proxy):
    return get(proxy, "/healthz")


def is_told(proxy, o):
    info = proxy.redis.info("pool")
    assert info["pool_outage"] == o.cause
    assert o.trouble in info["pool_trouble"]
    status, text = health(proxy)
    assert status == 503 and o.trouble in text and o.advice in text

    def is_logged():
        error_of(proxy, "GET", "k")  # the next failure tells
        return f"cause={o.cause}" in (proxy.dir / "proxy.log").read_text()

    wait_until(is_logged, "it is logged")


@pytest.mark.parametrize("name", OUTAGES)
def test_the_catalog_cannot_be_rebuilt(outage, name):
    o = outage(name)
    o.begin()
    proxy = o.start()
    text = wait_until(lambda: (lambda t: "UNAVAILABLE" in t and t)(error_of(proxy, "GET", "k")),
                      "it is said")
    assert "the catalog cannot be rebuilt: no function could be had for " in text
    assert o.trouble in text and o.advice in text
    assert error_of(proxy, "SET", "k", "v").startswith("ResponseError UNAVAILABLE the catalog")
    is_told(proxy, o)
    assert "infinicache_outage_seconds " in get(proxy, "/metrics")[1]
    o.end()
    wait_until(lambda: proxy.redis.set("k", "v"), "it is over")
    assert proxy.redis.get("k") == b"v"
    assert proxy.redis.info("pool")["pool_outage"] == "none"
    assert health(proxy) == (200, "ok\n")


def test_it_is_loading_at_first(outage):
    """What may pass by itself is -LOADING, for which clients wait."""
    o = outage("denied", invoke_timeout="300s")
    o.begin()
    proxy = o.start()
    wait_until(lambda: o.lambda_.invokes, "it has asked in vain")
    assert error_of(proxy, "GET", "k").startswith("BusyLoadingError")
    assert health(proxy) == (503, "the catalog is being rebuilt\n")


@pytest.mark.parametrize("name", ["unreachable", "denied", "silent"])
def test_it_begins_later(outage, name):
    o = outage(name)
    proxy = o.start()
    value = b"v" * 100_000
    proxy.redis.set("k", value)
    assert health(proxy) == (200, "ok\n")
    wait_until(lambda: not any(o.lambda_.running.values()), "every node sleeps")
    o.begin()
    text = ""

    def failed():
        nonlocal text
        text = error_of(proxy, "GET", "k")
        return health(proxy)[0] == 503

    wait_until(failed, "it is said")
    assert "UNAVAILABLE" in text and o.trouble in text and o.advice in text
    is_told(proxy, o)
    o.end()
    wait_until(lambda: error_of(proxy, "GET", "k") == "", "it is over")
    assert proxy.redis.get("k") == value
    assert health(proxy) == (200, "ok\n")
    assert "outage-over" in (proxy.dir / "proxy.log").read_text()


def test_wrong_keys_for_the_local_platform(cluster, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("test\nwrong\n")
    proxy = Proxy(platform_endpoint=f"http://127.0.0.1:{cluster.platform_port}",
                  credentials_file=keys, invoke_timeout=TIMEOUT, loads=False)
    try:
        text = wait_until(
            lambda: (lambda t: "UNAVAILABLE" in t and t)(error_of(proxy, "GET", "k")), "it is said")
        assert "are the credentials right" in text and "credentials-file" in text
    finally:
        proxy.close()


def test_a_stranger_that_nobody_hears(new_proxy):
    """A warm-up tells of an instance with chunks that nobody knows: it is woken to be listed, once;
    that its node is not heard is no outage, and not asked for at each warm-up."""
    proxy = new_proxy(functions=3, code_table="*:1+1", invoke_timeout=TIMEOUT, warm_interval="200ms")
    odd = proxy.lambda_.node("infinicache-2")
    odd.instance = os.urandom(16)
    odd.held = lambda: 1 << 20
    odd.serve = lambda payload: odd.response()
    before = len(proxy.lambda_.invokes)

    def kinds():
        return [payload["kind"] for function, payload in list(proxy.lambda_.invokes)[before:]
                if function == "infinicache-2"]

    wait_until(lambda: kinds().count("warm") >= 10, "it is warmed again and again")
    assert kinds().count("serve") == 1
    assert health(proxy)[0] == 200
    assert "outage" not in (proxy.dir / "proxy.log").read_text()
