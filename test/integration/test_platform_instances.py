"""Function instances of the local platform, seen through its daemon: `infinicache platform`,
the Lambda API (the AWS CLI's own client library), /_local/ and /proc.

The function is a probe in C (test/probe_bootstrap.h) that does what its event says.
"""
import base64
import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.request
import zipfile

import awscli.botocore.session  # before its siblings, which import one another
import awscli.botocore.auth
import awscli.botocore.awsrequest
import awscli.botocore.config
import awscli.botocore.credentials
import pytest

from harness import DEADLINE_S, INFINICACHE, ROOT, alive, free_ports, wait_until

MAIN = '#define _GNU_SOURCE\n#include "probe_bootstrap.h"\nint main(void) { return probe_bootstrap(); }\n'

# The bootstrap of AWS's tutorial for a custom runtime, as it stands there.
SHELL_BOOTSTRAP = r"""#!/bin/sh
set -euo pipefail
# Initialization - load function handler
. "$LAMBDA_TASK_ROOT/$(echo $_HANDLER | cut -d. -f1).sh"
# Processing
while true
do
  HEADERS="$(mktemp)"
  # Get an event. The HTTP request will block until one is received
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  # Extract request ID by scraping response headers received above
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  rm "$HEADERS"
  # Run the handler function from the script
  RESPONSE=$($(echo "$_HANDLER" | cut -d. -f2) "$EVENT_DATA")
  # Send the response
  curl -sS "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response" -d "$RESPONSE"
done
""".replace("set -euo pipefail", "set -eu")
SHELL_HANDLER = 'handler() { echo "{\\"got\\": $1}"; }\n'


def zipped(**files):
    """A zip of FILES (name with _ for ., bytes), each executable."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name.replace("_", "."))
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    return data.getvalue()


@pytest.fixture(scope="session")
def probe_zip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    (folder / "main.c").write_text(MAIN)
    subprocess.run(["gcc", "-O1", "-static", f"-I{ROOT / 'test'}", "-o", folder / "bootstrap",
                    folder / "main.c"], check=True)
    return zipped(bootstrap=(folder / "bootstrap").read_bytes())


class Answer:
    """What Invoke returned."""

    def __init__(self, reply):
        self.error = reply.get("FunctionError")
        self.text = reply["Payload"].read().decode()
        self.version = reply.get("ExecutedVersion")
        self.log = base64.b64decode(reply.get("LogResult", "")).decode()

    @property
    def body(self):
        return json.loads(self.text)

    @property
    def pid(self):
        return self.body["pid"]

    @property
    def billed_ms(self):
        return int(re.search(r"\tBilled Duration: (\d+) ms\t", self.log).group(1))


class Platform:
    def __init__(self, probe, **options):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="infinicache-platform-"))
        self.port = free_ports(1)[0]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.probe = probe
        self.options = options
        self.process = None
        self.client = awscli.botocore.session.Session().create_client(
            "lambda", region_name="us-east-1", endpoint_url=self.endpoint,
            aws_access_key_id="test", aws_secret_access_key="test",
            config=awscli.botocore.config.Config(retries={"max_attempts": 1},
                                                 read_timeout=DEADLINE_S, max_pool_connections=40))

    def start(self):
        words = [w for name, value in self.options.items()
                 for w in ("--" + name.replace("_", "-"), str(value))]
        self.process = subprocess.Popen(
            [str(INFINICACHE), "platform", "--dir", str(self.dir), "--platform-port",
             str(self.port), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.dir / "platform.log", "ab"), env={"PATH": os.environ["PATH"],
                                                               "PLATFORM_ONLY": "1"})
        wait_until(lambda: self.process.poll() is not None or self.instances() is not None,
                   "the platform answers")
        assert self.process.poll() is None, (self.dir / "platform.log").read_text()
        return self

    def create(self, name, code=None, memory=128, timeout=30, variables=None, handler="x"):
        self.client.create_function(
            FunctionName=name, Runtime="provided.al2023", Handler=handler, MemorySize=memory,
            Timeout=timeout, Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": code or self.probe}, Environment={"Variables": variables or {}})
        return name

    def invoke(self, name, order="x"):
        return Answer(self.client.invoke(FunctionName=name, LogType="Tail",
                                         Payload=json.dumps(order).encode()))

    def invoke_later(self, name, order):
        """Invokes in a thread; call the result for the answer."""
        outcome = []

        def run():
            try:
                outcome.append(self.invoke(name, order))
            except Exception as error:  # told to whoever asks for the answer
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def result():
            thread.join(DEADLINE_S)
            assert outcome, "no answer"
            if isinstance(outcome[0], Exception):
                raise outcome[0]
            return outcome[0]

        return result

    def local(self, path, body=None):
        request = urllib.request.Request(f"{self.endpoint}/_local/{path}")
        if body is not None:
            request.method, request.data = "POST", json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as reply:
            return json.loads(reply.read())

    def instances(self, state=None):
        return [i for i in self.local("instances")["instances"] if state in (None, i["state"])]

    def wait_states(self, **counts):
        """Until there are so many instances in each state, and none in others."""
        def look():
            states = [i["state"] for i in self.instances()]
            return len(states) == sum(counts.values()) and \
                all(states.count(s) == n for s, n in counts.items())
        wait_until(look, f"instances {counts}")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(DEADLINE_S) == 0
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def platform(probe_zip, request):
    """A running platform; options by @pytest.mark.parametrize(..., indirect=True)."""
    one = Platform(probe_zip, **getattr(request, "param", {}))
    try:
        yield one.start()
    finally:
        one.stop()


def with_options(**options):
    return pytest.mark.parametrize("platform", [options], indirect=True,
                                   ids=["-".join(f"{k}={v}" for k, v in options.items())])


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def families(platform):
    """The process ids of all instances and of everything they have forked."""
    groups = {i["pid"] for i in platform.instances()}
    members = set()
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) in groups:
                    members.add(int(entry.name))
    assert groups <= members
    return members


def test_cold_start_reuse_and_report(platform):
    platform.create("probe", memory=256)
    cold = platform.invoke("probe", "say some words")
    assert cold.error is None and cold.version == "$LATEST"
    request = cold.body["id"]
    lines = cold.log.splitlines()
    assert lines[0] == f"START RequestId: {request} Version: $LATEST"
    assert lines[1:3] == ["some words", f"END RequestId: {request}"]
    assert re.fullmatch(rf"REPORT RequestId: {request}\tDuration: \d+\.\d\d ms\t"
                        r"Billed Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: \d+ MB\t"
                        r"Init Duration: \d+\.\d\d ms\t", lines[3])
    warm = platform.invoke("probe")
    assert warm.pid == cold.pid and warm.body["count"] == 2
    assert "Init Duration" not in warm.log and "some words" not in warm.log
    [row] = platform.instances()
    assert row["function"] == "probe" and row["pid"] == cold.pid and row["state"] == "idle"
    assert row["invocations"] == 2 and row["max_memory_bytes"] > 0
    assert re.fullmatch("[0-9a-f]{32}", row["instance"])
    log = (platform.dir / "functions.log").read_text()
    assert f"probe {row['instance'][:16]} some words\n" in log


def test_bill_is_the_sum_of_the_reports(platform):
    for name in ("one", "two"):
        platform.create(name)
    billed = {"one": [], "two": []}
    for name, order in [("one", "x"), ("two", "hold 30"), ("one", "exit 1"), ("one", "x"),
                        ("two", "error")]:
        billed[name].append(platform.invoke(name, order).billed_ms)
    platform.local("reclaim", {"share": 1.0, "seed": 1})
    assert platform.instances() == []
    platform.client.delete_function(FunctionName="one")
    bill = platform.local("bill")
    assert (bill["invocations"], bill["billed_ms"]) == (5, sum(map(sum, billed.values())))
    assert {n: (f["invocations"], f["billed_ms"]) for n, f in bill["functions"].items()} == \
        {n: (len(b), sum(b)) for n, b in billed.items()}
    assert billed["two"][0] >= 30


def totals(bill):
    """The sums over the functions, which the bill's own must be."""
    parts = list(bill["functions"].values())
    return {**{k: sum(p[k] for p in parts)
               for k in ("invocations", "billed_ms", "starts", "concurrent_starts")},
            "outcomes": {k: sum(p["outcomes"][k] for p in parts) for k in bill["outcomes"]},
            "functions": bill["functions"]}


def test_each_end_is_in_the_books_once(platform):
    """Answers, errors, timeouts, kill -9 and callers that leave: billed as REPORT says, once."""
    platform.create("probe", timeout=1)
    platform.create("patient", timeout=30)
    platform.create("broken", variables={"PROBE_INIT": "error"})
    reports = {"probe": [], "patient": [], "broken": []}
    for order in ("x", "error", "hang", "exit 1", "signal 9"):
        reports["probe"].append(platform.invoke("probe", order).billed_ms)
    reports["broken"].append(platform.invoke("broken").billed_ms)
    waiting = platform.invoke_later("patient", "hold 20000")
    platform.wait_states(busy=1)
    os.kill(platform.instances("busy")[0]["pid"], signal.SIGKILL)
    killed = waiting()
    assert killed.body["errorType"] == "Runtime.ExitError"
    reports["patient"].append(killed.billed_ms)
    bill = platform.local("bill")
    assert bill == totals(bill)
    assert {n: f["billed_ms"] for n, f in bill["functions"].items()} == \
        {n: sum(b) for n, b in reports.items()}
    assert bill["functions"]["probe"]["outcomes"] == \
        {"ok": 1, "function_error": 1, "timeout": 1, "killed": 2}
    assert bill["functions"]["broken"]["outcomes"]["function_error"] == 1
    assert bill["functions"]["patient"]["outcomes"]["killed"] == 1
    assert sum(bill["outcomes"].values()) == bill["invocations"] == 7
    # probe: one after hang, exit and signal each, and the first.
    assert bill["functions"]["probe"]["starts"] == 3 and bill["concurrent_starts"] == 0
    log = (platform.dir / "functions.log").read_text()
    assert sum(map(int, re.findall(r"Billed Duration: (\d+) ms", log))) == bill["billed_ms"]


def test_second_instances_are_counted(platform):
    platform.create("probe")
    waiting = [platform.invoke_later("probe", "hold 1000") for _ in range(3)]
    platform.wait_states(busy=3)
    assert len({answer().pid for answer in waiting}) == 3
    bill = platform.local("bill")
    assert bill["starts"] == 3 and bill["concurrent_starts"] == 2
    assert bill["functions"]["probe"]["concurrent_starts"] == 2


@with_options(billing="100ms")
def test_billing_by_100_ms(platform):
    platform.create("probe")
    assert [platform.invoke("probe", o).billed_ms % 100 for o in ("x", "hold 120")] == [0, 0]


@with_options(concurrency=3)
def test_concurrency_and_throttling(platform):
    platform.create("probe")
    waiting = [platform.invoke_later("probe", "hold 1000") for _ in range(3)]
    platform.wait_states(busy=3)
    with pytest.raises(platform.client.exceptions.TooManyRequestsException) as thrown:
        platform.invoke("probe")
    assert thrown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    pids = {answer().pid for answer in waiting}
    assert len(pids) == 3
    platform.wait_states(idle=3)
    assert platform.invoke("probe").pid in pids


def test_reserved_concurrency(platform):
    platform.create("probe")
    platform.client.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=1)
    waiting = platform.invoke_later("probe", "hold 1000")
    platform.wait_states(busy=1)
    with pytest.raises(platform.client.exceptions.TooManyRequestsException):
        platform.invoke("probe")
    waiting()
    platform.invoke("probe")
    platform.client.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=0)
    with pytest.raises(platform.client.exceptions.TooManyRequestsException):
        platform.invoke("probe")


def test_frozen_between_invocations(platform):
    platform.create("probe")
    platform.invoke("probe", "fork")
    family = families(platform)
    assert len(family) == 2
    wait_until(lambda: {state_of(pid) for pid in family} == {"T"}, "the group is stopped")
    waiting = platform.invoke_later("probe", "hold 500")
    wait_until(lambda: {state_of(pid) for pid in family} <= {"S", "R"}, "the group runs")
    waiting()
    wait_until(lambda: {state_of(pid) for pid in family} == {"T"}, "the group is stopped")


@pytest.mark.parametrize("order,kind,words", [
    ("exit 7", "Runtime.ExitError", "Runtime exited with error: exit status 7"),
    ("exit 0", "Runtime.ExitError", "Runtime exited without providing a reason"),
    ("signal 15", "Runtime.ExitError", "Runtime exited with error: signal: terminated"),
    ("grow 400", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
    ("large 6291557", "Function.ResponseSizeTooLarge", "Response payload size exceeded"),
])
def test_failing_invocations(platform, order, kind, words):
    platform.create("probe")
    answer = platform.invoke("probe", order)
    assert answer.error == "Unhandled"
    assert answer.body["errorType"] == kind and words in answer.body["errorMessage"]
    assert answer.billed_ms >= 1 and kind in answer.log
    after = platform.invoke("probe")
    assert after.error is None
    platform.wait_states(idle=1)


def test_function_error_keeps_the_instance(platform):
    platform.create("probe")
    pid = platform.invoke("probe").pid
    answer = platform.invoke("probe", "error")
    assert answer.error == "Unhandled"
    assert answer.body == {"errorMessage": "as told", "errorType": "Probe.Error"}
    assert platform.invoke("probe").pid == pid


def test_timeout_ends_the_instance(platform):
    platform.create("probe", timeout=1)
    pid = platform.invoke("probe").pid
    answer = platform.invoke("probe", "hang")
    assert answer.error == "Unhandled"
    assert answer.body["errorType"] == "Sandbox.Timedout"
    assert answer.body["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in answer.log and "Status: timeout" in answer.log
    assert answer.billed_ms >= 1000
    assert not alive(pid) and platform.instances() == []
    assert platform.invoke("probe").pid != pid


def test_memory_is_counted_over_the_group(platform):
    """The children's memory is the instance's."""
    script = b"#!/bin/sh\nhead -c 300m /dev/zero | tail -c 300m > /dev/null\n"
    platform.create("probe", code=zipped(bootstrap=script), memory=128)
    answer = platform.invoke("probe")
    assert "signal: killed" in answer.body["errorMessage"]
    assert platform.instances() == []


@pytest.mark.parametrize("how,words", [
    ("exit 4", "exit status 4"), ("error", "no"), ("hang", "Task timed out after 2.00 seconds")])
def test_failing_init(platform, how, words):
    """As on AWS: once in the init phase, once in the invocation's time, which is billed."""
    platform.create("probe", variables={"PROBE_INIT": how}, timeout=2)
    answer = platform.invoke("probe")
    assert answer.error == "Unhandled" and words in answer.body["errorMessage"]
    assert re.findall(r"^INIT_REPORT Init Duration: .* ms\tPhase: (\w+)\t", answer.log, re.M) == \
        ["init", "invoke"]
    assert answer.billed_ms > 0 and (how != "hang" or answer.billed_ms >= 2000)
    assert platform.instances() == []
    assert platform.local("bill")["starts"] == 2


def test_an_init_of_more_than_ten_seconds(platform):
    """Lambda gives it the function's timeout, of which the event has what is left."""
    script = SHELL_BOOTSTRAP.replace("# Processing", "sleep 11")
    platform.create("probe", code=zipped(bootstrap=script.encode(), x_sh=SHELL_HANDLER.encode()),
                    handler="x.handler", timeout=25)
    answer = platform.invoke("probe", 7)
    assert answer.body == {"got": 7}, answer.log
    assert re.search(r"^INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: timeout$",
                     answer.log, re.M), answer.log
    report = answer.log[answer.log.index("REPORT RequestId"):]
    assert 11000 <= answer.billed_ms and "Init Duration" not in report
    assert "Phase: invoke" not in answer.log
    assert platform.invoke("probe", 8).billed_ms < 11000


@pytest.mark.parametrize("code,words", [
    ({"readme_txt": b"nothing to run"},
     "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    ({"bootstrap/main": b"#!/bin/sh\n"},
     "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    ({"bootstrap": b"#!/no/such/shell\n"},
     "fork/exec /var/task/bootstrap: no such file or directory"),
    ({"bootstrap": b"\x7fELF of another machine"},
     "fork/exec /var/task/bootstrap: exec format error")])
def test_no_bootstrap(platform, code, words):
    """Lambda's words: they tell a file that is not there from one that cannot be run."""
    platform.create("probe", code=zipped(**code))
    answer = platform.invoke("probe")
    assert answer.error == "Unhandled"
    assert answer.body["errorType"] == "Runtime.InvalidEntrypoint"
    assert answer.body["errorMessage"].endswith(f" Error: {words}")


def test_environment(platform):
    platform.create("probe", memory=192, handler="a.b", variables={"OWN": "mine", "TZ": "CET"})

    def value(name):
        return platform.invoke("probe", f"env {name}").body["text"]

    root = value("LAMBDA_TASK_ROOT")
    assert (pathlib.Path(root) / "bootstrap").exists()
    assert platform.invoke("probe", "cwd").body["text"] == root
    instance = platform.instances()[0]["instance"]
    for name, expected in {
            "AWS_LAMBDA_FUNCTION_NAME": "probe", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192", "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1", "_HANDLER": "a.b", "OWN": "mine", "TZ": "CET",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/probe", "PLATFORM_ONLY": "(unset)",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}.items():
        assert value(name) == expected, name
    assert value("AWS_LAMBDA_LOG_STREAM_NAME").endswith(f"/[$LATEST]{instance}")


def test_headers_of_an_event(platform):
    platform.create("probe")
    header = "header Lambda-Runtime-"
    arn = platform.invoke("probe", header + "Invoked-Function-Arn").body["text"]
    assert arn == "arn:aws:lambda:us-east-1:000000000000:function:probe"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0",
                        platform.invoke("probe", header + "Trace-Id").body["text"])
    reply = platform.client.invoke(
        FunctionName="probe", Payload=json.dumps(header + "Client-Context").encode(),
        ClientContext=base64.b64encode(b"[1,\n2]").decode())
    assert Answer(reply).body["text"] == "[1, 2]"


def test_runtime_api_refuses_wrong_answers(platform):
    platform.create("probe")
    answer = platform.invoke("probe", "steal")
    assert answer.body["text"] == "400 403 403 405 404"


def test_the_tutorials_shell_bootstrap(platform):
    platform.create("shell", code=zipped(bootstrap=SHELL_BOOTSTRAP.encode(),
                                         function_sh=SHELL_HANDLER.encode()),
                    handler="function.handler")
    for event in ("a", {"b": [1, 2]}, "c"):
        answer = platform.invoke("shell", event)
        assert answer.error is None, answer.log
        assert answer.body == {"got": event}
    assert len(platform.instances()) == 1


def test_caller_that_disconnects(platform):
    platform.create("probe")
    request = awscli.botocore.awsrequest.AWSRequest(
        "POST", f"{platform.endpoint}/2015-03-31/functions/probe/invocations",
        data=b'"hold 700"', headers={"Host": f"127.0.0.1:{platform.port}"})
    awscli.botocore.auth.SigV4Auth(awscli.botocore.credentials.Credentials("test", "test"),
                                   "lambda", "us-east-1").add_auth(request)
    head = "".join(f"{k}: {v}\r\n" for k, v in request.headers.items())
    with socket.create_connection(("127.0.0.1", platform.port)) as s:
        s.sendall(f"POST /2015-03-31/functions/probe/invocations HTTP/1.1\r\n{head}"
                  "Content-Length: 10\r\n\r\n\"hold 700\"".encode())
        platform.wait_states(busy=1)
    platform.wait_states(idle=1)
    bill = platform.local("bill")
    assert bill["invocations"] == 1 and bill["billed_ms"] >= 700
    assert platform.invoke("probe").body["count"] == 2


def three_idle(platform):
    """Three instances; their pids in the order of their last use."""
    platform.create("probe")
    waiting = []
    for ms in (700, 1100, 1500):
        waiting.append(platform.invoke_later("probe", f"hold {ms}"))
        platform.wait_states(busy=len(waiting))
    pids = [answer().pid for answer in waiting]
    assert len(set(pids)) == 3
    return pids


@with_options(routing="mru")
def test_routing_mru(platform):
    pids = three_idle(platform)
    assert [platform.invoke("probe").pid for _ in range(3)] == [pids[2]] * 3


@with_options(routing="lru")
def test_routing_lru(platform):
    pids = three_idle(platform)
    assert [platform.invoke("probe").pid for _ in range(4)] == [*pids, pids[0]]


@with_options(routing="random")
def test_routing_random(platform):
    pids = three_idle(platform)
    # One of three is missed by 60 calls with a chance of 3 * (2/3)^60, about 1e-10.
    assert {platform.invoke("probe").pid for _ in range(60)} == set(pids)


def test_reclaim_of_a_function(platform):
    for name in ("one", "two"):
        platform.create(name)
        platform.invoke(name)
    waiting = platform.invoke_later("one", "hold 20000")
    platform.wait_states(busy=1, idle=1)
    pid = next(i["pid"] for i in platform.instances() if i["function"] == "one")
    assert platform.local("reclaim", {"function": "one"}) == {"reclaimed": 1}
    assert not alive(pid)
    assert [i["function"] for i in platform.instances()] == ["two"]
    assert waiting().body["errorType"] == "Runtime.ExitError"


def test_reclaim_of_a_share_follows_its_seed(platform):
    names = [platform.create(f"f{n}") for n in range(8)]
    left = []
    for seed in (7, 7, 8):
        for name in names:
            platform.invoke(name)
        assert platform.local("reclaim", {"share": 0.25, "seed": seed}) == {"reclaimed": 2}
        left.append([i["function"] for i in platform.instances()])
    assert left[0] == left[1] != left[2]
    assert all(len(l) == 6 for l in left)


@with_options(instance_idle="300ms")
def test_idle_instances_are_reclaimed(platform):
    platform.create("probe")
    pid = platform.invoke("probe").pid
    wait_until(lambda: platform.instances() == [], "the idle instance is gone")
    assert not alive(pid)


def test_changed_and_deleted_functions(platform):
    platform.create("probe")
    first = platform.invoke("probe").pid
    platform.client.update_function_configuration(FunctionName="probe", MemorySize=192)
    second = platform.invoke("probe", "env AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    assert second.pid != first and second.body["text"] == "192"
    wait_until(lambda: not alive(first), "the old instance is gone")
    waiting = platform.invoke_later("probe", "hold 500")
    platform.wait_states(busy=1)
    platform.client.delete_function(FunctionName="probe")
    assert waiting().error is None
    wait_until(lambda: platform.instances() == [], "the deleted function's instance is gone")
    assert not alive(second.pid)


def test_deaths_from_outside_are_seen(platform):
    platform.create("probe")
    pid = platform.invoke("probe").pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: platform.instances() == [], "the dead instance is noticed")
    assert platform.invoke("probe").pid != pid


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_instances_end_with_the_platform(platform, sig):
    """Frozen, busy and forked processes; nothing is left, and the next platform starts clean."""
    for name in ("idle", "busy"):
        platform.create(name)
        platform.invoke(name, "fork")
    platform.create("starting", variables={"PROBE_INIT": "hang"})
    platform.invoke_later("busy", "hold 20000")
    platform.invoke_later("starting", "x")
    platform.wait_states(idle=1, busy=1, starting=1)
    family = families(platform)
    assert len(family) == 5
    children = pathlib.Path(f"/proc/{platform.process.pid}/task/{platform.process.pid}/children")
    family |= {int(pid) for pid in children.read_text().split()}
    platform.process.send_signal(sig)
    platform.process.wait(DEADLINE_S)
    wait_until(lambda: not any(alive(pid) for pid in family), "every process is gone")
    platform.start()
    assert platform.instances() == []
    assert platform.invoke("idle").body["count"] == 1


def test_no_zombies(platform):
    platform.create("probe")
    for order in ("exit 1", "fork", "signal 9", "fork"):
        platform.invoke("probe", order)
    platform.local("reclaim", {"share": 1, "seed": 1})
    pid = platform.process.pid
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    # What is left is the warden.
    wait_until(lambda: len(children.read_text().split()) == 1, "all children are reaped")


def test_many_instances(platform):
    """Descriptors and processes come back: 60 at once, all reclaimed, 60 again."""
    platform.create("probe")
    fds = pathlib.Path(f"/proc/{platform.process.pid}/fd")
    before = None
    for _ in range(2):
        waiting = [platform.invoke_later("probe", "hold 1500") for _ in range(30)]
        assert len({answer().pid for answer in waiting}) == 30
        assert platform.local("reclaim", {"function": "probe"}) == {"reclaimed": 30}
        platform.client.close() if hasattr(platform.client, "close") else None
        own = wait_until(lambda: sum(1 for fd in fds.iterdir()
                                     if not os.readlink(fd).startswith("socket")), "descriptors")
        before = before or own
        assert own <= before
