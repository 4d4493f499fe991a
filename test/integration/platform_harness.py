"""A local platform of its own for a test: the daemon, requests signed by hand, small functions.

    Platform().call("POST", "/2015-03-31/functions", body={...}) -> Answer(status, headers, json)

The signing here is written from AWS's description, independently of the C code under test.
"""
import base64
import datetime
import hashlib
import hmac
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import zipfile

from harness import DEADLINE_S, INFINICACHE, wait_until

ROLE = "arn:aws:iam::000000000000:role/r"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
FUNCTIONS = "/2015-03-31/functions"

# A function: answers what it was sent; {"touch": PATH, "after": S} leaves a file behind after a
# while; {"fail": ...} posts an error; {"env": NAME} answers a variable.
BOOTSTRAP_SOURCE = r"""#!/usr/bin/python3
import http.client, json, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation/"
while True:
    api.request("GET", base + "next")
    event = api.getresponse()
    ident = event.headers["Lambda-Runtime-Aws-Request-Id"]
    arn = event.headers["Lambda-Runtime-Invoked-Function-Arn"]
    text = event.read()
    said = json.loads(text)
    verb, answer = "response", text
    if isinstance(said, dict):
        print("event of", len(text), flush=True)
        if "touch" in said:
            time.sleep(said["after"])
            open(said["touch"], "w").close()
        if "env" in said:
            answer = json.dumps(os.environ.get(said["env"])).encode()
        if "arn" in said:
            answer = json.dumps(arn).encode()
        if "context" in said:
            answer = json.dumps(event.headers["Lambda-Runtime-Client-Context"]).encode()
        if "mode" in said:
            answer = json.dumps(oct(os.stat(said["mode"]).st_mode & 0o777)).encode()
        if "fail" in said:
            verb = "error"
            answer = json.dumps({"errorType": "Wanted", "errorMessage": said["fail"]}).encode()
    api.request("POST", base + ident + "/" + verb, answer)
    api.getresponse().read()
"""


def make_zip(files):
    """FILES: name -> (bytes, mode)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, (data, mode) in files.items():
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, data)
    return out.getvalue()


ZIP = make_zip({"bootstrap": (BOOTSTRAP_SOURCE.encode(), 0o100755)})
OTHER_ZIP = make_zip({"bootstrap": (BOOTSTRAP_SOURCE.encode(), 0o100755),
                      "data/table.txt": (b"x" * 1000, 0o100640)})


def base64_text(data):
    return base64.b64encode(data).decode()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.headers.get("x-amzn-ErrorType")

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:500]!r}"


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sign(method, path, query, body, host, key="test", secret="test", region="us-east-1",
         service="lambda", skew_s=0, extra=None):
    """Headers of a signed request. PATH as sent; QUERY a list of pairs."""
    now = datetime.datetime.utcnow() + datetime.timedelta(seconds=skew_s)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": host, "x-amz-date": stamp,
               **{k.lower(): v for k, v in (extra or {}).items()}}
    names = sorted(headers)
    quote = lambda s: urllib.parse.quote(s, safe="-_.~")
    canonical = "\n".join([
        method, urllib.parse.quote(path, safe="/-_.~"),
        "&".join(f"{quote(k)}={quote(v)}" for k, v in sorted(query)),
        *(f"{n}:{headers[n]}" for n in names), "", ";".join(names),
        hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    day_key = _hmac(_hmac(_hmac(_hmac(b"AWS4" + secret.encode(), day), region), service),
                    "aws4_request")
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={_hmac(day_key, text).hex()}")
    return headers


class Platform:
    """`infinicache platform` in a folder of its own, on a port of its own."""

    def __init__(self, **directives):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="infinicache-platform-"))
        self.directives = directives
        self.process = None
        self.start()

    def start(self):
        words = [w for k, v in self.directives.items() for w in (f"--{k.replace('_', '-')}", str(v))]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        with open(self.dir / "platform.log", "ab") as log:
            self.process = subprocess.Popen(
                [INFINICACHE, "platform", "--dir", self.dir, "--port", "0", *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                env=environment, start_new_session=True)
        line = self.process.stdout.readline()
        assert line.startswith("platform: http://"), self.log()
        self.port = int(line.rsplit(":", 1)[1])
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        return self

    def log(self):
        return (self.dir / "platform.log").read_text()

    def stop(self, sig=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(sig)
            code = self.process.wait(DEADLINE_S)
            self.process.stdout.close()
            self.process = None
            assert code == (0 if sig == signal.SIGTERM else -sig), self.log()[-4000:]

    def close(self):
        pids = [row["pid"] for row in self.local("instances")["instances"]]
        self.stop()
        for pid in pids:
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), f"instance {pid} is gone")
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- requests ------------------------------------------------------------
    def send(self, method, target, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, target, body, headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def call(self, method, path, body=None, query=(), extra=None, **signing):
        """A signed request; BODY: bytes, or an object sent as JSON."""
        data = body if isinstance(body, bytes) else \
            b"" if body is None else json.dumps(body).encode()
        headers = sign(method, path, list(query), data, self.host, extra=extra, **signing)
        target = path + ("?" + urllib.parse.urlencode(list(query), quote_via=urllib.parse.quote) if query else "")
        return self.send(method, target, data, headers)

    def create(self, name, code=ZIP, **more):
        answer = self.call("POST", FUNCTIONS, {
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": ROLE, "Timeout": 30, "Code": {"ZipFile": base64_text(code)}, **more})
        assert answer.status == 201, answer
        return answer.json

    def invoke(self, name, payload, query=(), **extra):
        extra = {"X-Amz-" + k.replace("_", "-"): v for k, v in extra.items()}
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.call("POST", f"{FUNCTIONS}/{name}/invocations", data, query, extra)

    def local(self, what, body=None):
        method = "GET" if body is None else "POST"
        answer = self.send(method, f"/_local/{what}", b"" if body is None else json.dumps(body).encode())
        assert answer.status == 200, answer
        return answer.json
