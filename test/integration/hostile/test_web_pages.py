"""Web pages: whatever a browser of this machine can be made to send, by DNS rebinding (a foreign name in
Host), a form, fetch, an image or a frame, is refused on every HTTP port; programs are served."""
import base64
import contextlib
import json
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

from harness import DEADLINE_S, wait_until
from platform_harness import FUNCTIONS, ROLE, ZIP, sign

EVIL = "rebound.example"


def exchange(address, data):
    """Everything the peer says to DATA until it closes."""
    with socket.create_connection(address, timeout=DEADLINE_S) as s:
        said = b""
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
            while part := s.recv(65536):
                said += part
        return said


def ask(address, *headers, line="GET / HTTP/1.1", body=b""):
    """(status, text) of a request with HEADERS ("Name: value") and nothing else."""
    head = [line, *headers, "Connection: close"]
    if body:
        head.append(f"Content-Length: {len(body)}")
    said = exchange(address, "\r\n".join(head).encode() + b"\r\n\r\n" + body)
    assert said.startswith(b"HTTP/1."), said
    head, _, text = said.partition(b"\r\n\r\n")
    assert b"access-control-" not in head.lower(), "no page is ever given leave"
    return int(head.split()[1]), text.decode(errors="replace")


def runtime_api(cluster):
    """Where the platform serves the Runtime and Extensions API of some instance."""
    pid = cluster.instances()[0]["pid"]
    with open(f"/proc/{pid}/environ", "rb") as f:
        variables = dict(v.split(b"=", 1) for v in f.read().split(b"\0") if b"=" in v)
    host, port = variables[b"AWS_LAMBDA_RUNTIME_API"].decode().split(":")
    return host, int(port)


PORTS = {  # each HTTP server, and something on it a page would like to reach
    "admin": (lambda c: ("127.0.0.1", c.http_port), "/metrics"),
    "platform": (lambda c: ("127.0.0.1", c.platform_port), "/_local/instances"),
    "runtime": (runtime_api, "/2018-06-01/runtime/invocation/next"),
    "extensions": (runtime_api, "/2020-01-01/extension/event/next"),
}


@pytest.fixture(params=PORTS)
def port(request, cluster):
    where, path = PORTS[request.param]
    return where(cluster), path


# A page's requests: what the refusal speaks of, and the headers. {port} is the port that is asked.
FOREIGN, MALFORMED, SEVERAL, PAGE = (403, "http-hosts"), (400, "neither an address nor a name"), \
    (400, "several Host"), (403, "web page")
PAGES = {
    "foreign name": (FOREIGN, ["Host: rebound.example:{port}"]),
    "foreign name without port": (FOREIGN, ["Host: rebound.example"]),
    "address as part of a name": (FOREIGN, ["Host: 127.0.0.1.rebound.example"]),
    "localhost as part of a name": (FOREIGN, ["Host: localhost.rebound.example:{port}"]),
    "a name that ends in localhost": (FOREIGN, ["Host: rebound.localhost"]),
    "a number in octal": (FOREIGN, ["Host: 0177.0.0.1"]),
    "a whole number": (FOREIGN, ["Host: 2130706433"]),
    "two dots": (MALFORMED, ["Host: localhost.."]),
    "user and name": (MALFORMED, ["Host: 127.0.0.1@rebound.example"]),
    "user, password and name": (MALFORMED, ["Host: localhost:80@rebound.example"]),
    "name and user": (MALFORMED, ["Host: rebound.example@127.0.0.1"]),
    "path": (MALFORMED, ["Host: localhost/rebound.example"]),
    "comma": (MALFORMED, ["Host: localhost, rebound.example"]),
    "blank": (MALFORMED, ["Host: localhost rebound.example"]),
    "quotes": (MALFORMED, ['Host: "localhost"']),
    "empty": (MALFORMED, ["Host:"]),
    "port alone": (MALFORMED, ["Host: :{port}"]),
    "bad port": (MALFORMED, ["Host: 127.0.0.1:80x"]),
    "port too large": (MALFORMED, ["Host: 127.0.0.1:65536"]),
    "open bracket": (MALFORMED, ["Host: [::1"]),
    "name in brackets": (MALFORMED, ["Host: [localhost]"]),
    "address 6 without brackets": (MALFORMED, ["Host: ::1"]),
    "two hosts": (SEVERAL, ["Host: 127.0.0.1", "Host: rebound.example"]),
    "two hosts the other way round": (SEVERAL, ["Host: rebound.example", "Host: 127.0.0.1"]),
    "the same twice": (SEVERAL, ["Host: 127.0.0.1", "host: 127.0.0.1"]),
    "origin": (PAGE, ["Host: 127.0.0.1:{port}", "Origin: http://rebound.example"]),
    "its own origin": (PAGE, ["Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:{port}"]),
    "null origin": (PAGE, ["Host: localhost:{port}", "Origin: null"]),
    "empty origin": (PAGE, ["Host: localhost:{port}", "oRIGIN:"]),
    "image": (PAGE, ["Host: 127.0.0.1:{port}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"]),
    "fetch of its own": (PAGE, ["Host: 127.0.0.1:{port}", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"]),
    "another port of localhost": (PAGE, ["Host: localhost:{port}", "Sec-Fetch-Site: same-site"]),
    "link": (PAGE, ["Host: localhost:{port}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
                    "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1"]),
    "extension": (PAGE, ["Host: localhost:{port}", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: cors"]),
    "mode alone": (PAGE, ["Host: localhost:{port}", "sec-fetch-mode: no-cors"]),
    "a second site": (PAGE, ["Host: localhost:{port}", "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"]),
    "web socket": (PAGE, ["Host: localhost:{port}", "Origin: http://localhost:{port}", "Upgrade: websocket",
                          "Connection: Upgrade", "Sec-WebSocket-Version: 13"]),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_refused(port, name):
    address, path = port
    (status, words), headers = PAGES[name]
    headers = [h.format(port=address[1]) for h in headers]
    said, text = ask(address, *headers, line=f"GET {path} HTTP/1.1")
    assert said == status and words in json.loads(text)["message"], text


def test_a_folded_host(port):
    """Two lines that are one value, as HTTP/1.1 once allowed."""
    address, path = port
    said = exchange(address, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n rebound.example\r\n"
                             "Connection: close\r\n\r\n".encode())
    assert said == b"" or said.split()[1] == b"400"


@pytest.mark.parametrize("version", ["1.1", "1.2", "2.0", "0.9", ""])
def test_a_request_without_host(port, version):
    address, path = port
    said = exchange(address, f"GET {path} {version and 'HTTP/' + version}\r\nConnection: close\r\n\r\n".encode())
    assert said == b"" or said.split(b"\r\n")[0].split()[1] in (b"400", b"505")


# A program's requests.
PROGRAMS = {
    "address and port": ["Host: 127.0.0.1:{port}"],
    "address": ["Host: 127.0.0.1"],
    "another address": ["Host: 192.0.2.7:9000"],  # before a relay or a port that is forwarded
    "address 6": ["Host: [::1]:{port}"],
    "address 6 alone": ["HOST: [2001:db8::7]"],
    "localhost": ["Host: localhost:{port}"],
    "localhost in capitals": ["Host: LocalHost"],
    "trailing dot": ["Host: localhost.:{port}"],
    "no number": ["Host: localhost:"],
    "blanks": ["Host:   127.0.0.1:{port}  "],
    "address bar": ["Host: localhost:{port}", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate",
                    "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1"],
    "prometheus": ["Host: 127.0.0.1:{port}", "User-Agent: Prometheus/2.42.0", "Accept: text/plain;version=0.0.4;q=0.5",
                   "Accept-Encoding: gzip", "X-Prometheus-Scrape-Timeout-Seconds: 10"],
    "http 1.0 without host": [],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_served(cluster, port, name):
    address, path = port
    where, _ = PORTS["runtime"]
    if address == where(cluster):
        path = "/nothing"  # the instance's own event is not ours to take
    headers = [h.format(port=address[1]) for h in PROGRAMS[name]]
    version = "1.0" if not headers else "1.1"
    status, text = ask(address, *headers, line=f"GET {path} HTTP/{version}")
    assert status == (404 if path == "/nothing" else 200), text


def test_absolute_targets_are_refused(port):
    """Whoever sends one takes us for a proxy, and Host would not be what counts."""
    address, path = port
    for target in (f"http://{EVIL}{path}", f"http://127.0.0.1:{address[1]}{path}", "*", EVIL + ":80"):
        status, text = ask(address, "Host: 127.0.0.1", line=f"GET {target} HTTP/1.1")
        assert status == 400 and "path" in json.loads(text)["message"]


def test_no_preflight_succeeds(port):
    address, path = port
    status, text = ask(address, f"Host: 127.0.0.1:{address[1]}", f"Origin: http://{EVIL}",
                       "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization",
                       "Access-Control-Request-Private-Network: true", line=f"OPTIONS {path} HTTP/1.1")
    assert status == 403 and "page" in json.loads(text)["message"]


def test_simple_posts_do_nothing(cluster):
    """What needs no preflight: a form, or fetch with text/plain."""
    address = ("127.0.0.1", cluster.platform_port)
    before = {i["pid"] for i in cluster.instances()}
    body = b'{"share": 1.0, "x": "="}'
    for headers in (["Content-Type: text/plain", "Origin: null", "Sec-Fetch-Site: cross-site"],
                    ["Content-Type: application/x-www-form-urlencoded", f"Origin: http://{EVIL}"],
                    ["Content-Type: text/plain", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate"]):
        status, _ = ask(address, f"Host: 127.0.0.1:{address[1]}", *headers,
                        line="POST /_local/reclaim HTTP/1.1", body=body)
        assert status == 403
    status, _ = ask(address, f"Host: {EVIL}", line="POST /_local/reclaim HTTP/1.1", body=body)
    assert status == 403
    assert {i["pid"] for i in cluster.instances()} == before


def signed(cluster, method, path, body, host, extra=()):
    """A request with a good signature over HOST: the default keys are no secret."""
    headers = sign(method, path, [], body, host)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return ask(("127.0.0.1", cluster.platform_port), *lines, *extra, line=f"{method} {path} HTTP/1.1", body=body)


def test_a_page_cannot_run_code(cluster):
    """Create and invoke with the keys that everyone knows."""
    body = json.dumps({"FunctionName": "page", "Runtime": "provided.al2023", "Handler": "h", "Role": ROLE,
                       "Code": {"ZipFile": base64.b64encode(ZIP).decode()}}).encode()
    here = f"127.0.0.1:{cluster.platform_port}"
    for host, extra in ((f"{EVIL}:{cluster.platform_port}", []), (here, [f"Origin: http://{here}"]),
                        (here, ["Sec-Fetch-Site: same-origin"])):
        status, text = signed(cluster, "POST", FUNCTIONS, body, host, extra)
        assert status == 403, text
        status, text = signed(cluster, "POST", f"{FUNCTIONS}/infinicache-0/invocations", b"{}", host, extra)
        assert status == 403, text
    status, text = signed(cluster, "GET", FUNCTIONS, b"", here)
    assert status == 200
    assert "page" not in [f["FunctionName"] for f in json.loads(text)["Functions"]]


def test_a_large_body_hears_why(cluster):
    """The refusal is read by whoever sends a zip first, not lost in a connection that is reset."""
    address = ("127.0.0.1", cluster.platform_port)
    status, text = ask(address, f"Host: {EVIL}", line=f"POST {FUNCTIONS} HTTP/1.1", body=bytes(20 << 20))
    assert status == 403 and EVIL in json.loads(text)["message"]


def test_names_that_are_configured(new_cluster):
    c = new_cluster(options={"http-hosts": "cache.internal,Metrics.Example."})
    for port in (c.http_port, c.platform_port):
        address = ("127.0.0.1", port)
        path = "/metrics" if port == c.http_port else "/_local/bill"
        for name in ("cache.internal", "CACHE.internal.:80", "metrics.example", "localhost", "127.0.0.1"):
            assert ask(address, f"Host: {name}", line=f"GET {path} HTTP/1.1")[0] == 200
        for name in ("internal", "x.cache.internal", "cache.internal.example", "metrics", "cache"):
            status, text = ask(address, f"Host: {name}", line=f"GET {path} HTTP/1.1")
            assert status == 403 and "http-hosts" in text
        assert ask(address, "Host: cache.internal", "Origin: http://cache.internal")[0] == 403
    assert ask(runtime_api(c), "Host: cache.internal")[0] == 403, "functions are told an address"


@pytest.mark.parametrize("names", ["*", "*.example", "a,,b", ",", "a b", "http://a", "a:80", "[::1]", "a/b",
                                   "-a", "a..b", "x" * 254])
@pytest.mark.parametrize("part", ["proxy", "platform"])
def test_names_that_are_none(cluster, tmp_path, part, names):
    ports = ["--port", "0", "--node-port", "0", "--http-port", "0"] if part == "proxy" else ["--port", "0"]
    done = cluster.command(part, "--dir", tmp_path, *ports, "--http-hosts", names, check=False)
    assert done.returncode > 0 and "http-hosts" in done.stderr


def test_curl_and_the_aws_cli(cluster):
    """Beside the tests that use them throughout: by name, as people type it."""
    for host in ("localhost", "127.0.0.1"):
        said = subprocess.run(["curl", "-sf", f"http://{host}:{cluster.http_port}/healthz"], capture_output=True,
                              check=True, timeout=DEADLINE_S).stdout
        assert said == b"ok\n"
        said = subprocess.run(["aws", "--endpoint-url", f"http://{host}:{cluster.platform_port}", "lambda",
                               "list-functions", "--query", "length(Functions)"], capture_output=True, check=True,
                              timeout=DEADLINE_S, text=True, env={
                                  "PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": "test",
                                  "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}).stdout
        assert int(said) == cluster.functions


def test_the_aws_cli_says_why(cluster, tmp_path):
    """A name that is not configured: a person finds out what to do."""
    failed = subprocess.run(
        ["curl", "-s", "--resolve", f"{EVIL}:{cluster.platform_port}:127.0.0.1",
         f"http://{EVIL}:{cluster.platform_port}{FUNCTIONS}"], capture_output=True, check=True, text=True,
        timeout=DEADLINE_S)
    assert EVIL in failed.stdout and "http-hosts" in failed.stdout


# -- the ports that do not speak HTTP ------------------------------------------
HTTP = [
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n",
    b"POST /\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"PUT / HTTP/1.1\r\nhOST: 127.0.0.1\r\n\r\n",
    b"OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"MULTI\r\npost / HTTP/1.1\r\n",
    b"*1\r\n$4\r\npost\r\n",
    b"*2\r\n$5\r\nHost:\r\n$1\r\nx\r\n",
]


@pytest.mark.parametrize("head", HTTP)
def test_the_redis_port_is_no_target(cluster, head):
    """As Redis: the connection ends at POST or Host:, and nothing that follows is done."""
    client = cluster.redis()
    client.delete("page")
    said = exchange(("127.0.0.1", cluster.port), head + b"*3\r\n$3\r\nSET\r\n$4\r\npage\r\n$2\r\nin\r\n" + b"EXEC\r\n")
    assert b"+OK" not in said.replace(b"+OK\r\n", b"", 1) if head.startswith(b"MULTI") else b"+OK" not in said
    assert client.get("page") is None


def test_the_attack_is_logged_once(cluster):
    """And not so often that the log fills up: as in Redis, once a minute."""
    log = cluster.dir / "proxy.log"
    exchange(("127.0.0.1", cluster.port), HTTP[0])
    wait_until(lambda: "cross-protocol" in log.read_text(), "it is logged")
    before = len(log.read_bytes())
    for _ in range(20):
        exchange(("127.0.0.1", cluster.port), HTTP[0])
    assert log.read_bytes()[before:].count(b"peer=") <= 1


@pytest.mark.parametrize("head", HTTP[:1] + HTTP[2:5])
def test_the_node_port_is_no_target(cluster, head):
    assert exchange(("127.0.0.1", cluster.node_port), head + bytes(100)) == b""
