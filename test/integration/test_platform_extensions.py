"""Internal extensions on the local platform and the shutdown phase they bring, seen by a small
runtime that plays its own extension: it makes the calls it is told to in its init, and notes the
events it gets and the SIGTERM in a file."""
import json
import os
import signal
import threading
import time

import pytest

from harness import DEADLINE_S, alive, wait_until
from platform_harness import ARN, Platform, make_zip

# Variables: CALLS, [[method, path, headers, body], ...] before the first runtime/next, ID standing
# for the identifier the last registration got; NEXT, whether to ask for events then (and how long
# to wait before, in ms); NOTES, the file; TERM, what SIGTERM does ("exit", "stay").
BOOTSTRAP = r"""#!/usr/bin/python3
import http.client, json, os, signal, sys, threading, time
address = os.environ["AWS_LAMBDA_RUNTIME_API"]
notes = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
ident = ["none"]

def note(word):
    os.write(notes, f"{word} {time.monotonic_ns() // 1000000}\n".encode())

def call(method, path, headers, body):
    api = http.client.HTTPConnection(address)
    headers = {k: v.replace("ID", ident[0]) for k, v in headers.items()}
    api.request(method, path, body, headers)
    reply = api.getresponse()
    text = reply.read().decode()
    if path.endswith("/register") and reply.status == 200:
        ident[0] = reply.headers["Lambda-Extension-Identifier"]
    return [reply.status, dict(reply.headers), text]

def terminated(number, frame):
    note("term")
    if os.environ["TERM"] == "exit":
        os._exit(0)

def listen(wait_ms):
    # Python acts on a signal in its main thread, which only a signal of its own wakes.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    time.sleep(wait_ms / 1000)
    while True:
        note("next")
        status, headers, text = call("GET", "/2020-01-01/extension/event/next",
                                     {"Lambda-Extension-Identifier": "ID"}, None)
        note(text.replace(" ", ""))
        if status != 200:
            return

signal.signal(signal.SIGTERM, terminated)
made = [call(*c) for c in json.loads(os.environ["CALLS"])]
if os.environ["NEXT"] != "no":
    threading.Thread(target=listen, args=(int(os.environ["NEXT"]),), daemon=True).start()
base = "/2018-06-01/runtime/invocation/"
while True:
    api = http.client.HTTPConnection(address)
    api.request("GET", base + "next")
    event = api.getresponse()
    request = event.headers["Lambda-Runtime-Aws-Request-Id"]
    order = json.loads(event.read())
    note("invoked")
    answer = made
    if isinstance(order, list):
        answer = [call(*c) for c in order]
    elif order == "hold":
        time.sleep(100)
    elif order == "pid":
        answer = os.getpid()
    call("POST", base + request + "/response", {}, json.dumps(answer))
"""
ZIP = make_zip({"bootstrap": (BOOTSTRAP.encode(), 0o100755)})
REGISTER = "/2020-01-01/extension/register"
NAME = {"Lambda-Extension-Name": "probe"}
IDENTIFIED = {"Lambda-Extension-Identifier": "ID"}
PHASE_MS = 500


@pytest.fixture
def make(tmp_path):
    made = []

    class World:
        def __init__(self, calls=(), listens="0", term="exit", **directives):
            self.notes = tmp_path / "notes"
            self.platform = Platform(**directives)
            made.append(self.platform)
            self.variables = {"CALLS": json.dumps(list(calls)), "NEXT": listens, "TERM": term,
                              "NOTES": str(self.notes)}
            self.platform.create("probe", ZIP, Environment={"Variables": self.variables})

        def invoke(self, order):
            answer = self.platform.invoke("probe", order)
            assert answer.status == 200, answer
            return answer

        def noted(self):
            if not self.notes.exists():
                return []
            return [line.rsplit(" ", 1) for line in self.notes.read_text().splitlines()]

        def words(self):
            return [word for word, _ in self.noted()]

        def instances(self):
            return self.platform.local("instances")["instances"]

    yield World
    for platform in made:
        platform.close()


def registration(events=(), headers=None, body=None):
    return ["POST", REGISTER, headers or NAME, body or json.dumps({"events": list(events)})]


def test_register_and_next(make):
    world = make([registration()])
    answer = world.invoke("x")
    [[status, headers, text]] = answer.json
    assert status == 200
    assert json.loads(text) == {"functionName": "probe", "functionVersion": "$LATEST",
                                "handler": "bootstrap"}
    assert len(headers["Lambda-Extension-Identifier"]) == 36
    assert world.words() == ["next", "invoked"], "its next is held: it wants to know nothing"
    world.invoke("x")
    assert world.words() == ["next", "invoked", "invoked"]


def test_init_ends_when_the_extension_is_ready(make):
    """The runtime asks for its event at once, the extension 400 ms later: only then it comes."""
    world = make([registration()], listens="400")
    world.invoke("x")
    (first, asked), (second, came) = world.noted()
    assert (first, second) == ("next", "invoked") and int(asked) <= int(came)


def test_extensions_that_never_ask_time_init_out(make):
    world = make([registration()], listens="no")
    answer = world.invoke("x")
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json["errorType"] == "Sandbox.Timedout"


def test_invoke_events(make):
    """One that registers for INVOKE gets each, and the invocation ends when it asks again."""
    world = make([registration(["INVOKE"])])
    for count in (1, 2):
        world.invoke("x")
        events = [json.loads(w) for w in world.words() if w.startswith("{")]
        assert len(events) == count
        assert events[-1]["eventType"] == "INVOKE"
        assert events[-1]["invokedFunctionArn"] == ARN + "probe"
        assert events[-1]["tracing"]["type"] == "X-Amzn-Trace-Id"
        assert len(events[-1]["requestId"]) == 36 and events[-1]["deadlineMs"] > 1 << 40
        assert world.words().count("next") == count + 1


@pytest.mark.parametrize("call,kind,words", [
    (registration(headers={"X": "y"}), "Extension.InvalidExtensionName", "Empty extension name"),
    (registration(["SHUTDOWN"]), "Extension.InvalidEventType",
     "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
    (registration(["INVOKE", "SLEEP"]), "Extension.InvalidEventType",
     "SLEEP: ErrorInvalidEventType"),
    (registration(body="no json"), "InvalidRequestFormat", None),
    (registration(body='{"events": 5}'), "InvalidRequestFormat", None),
    (registration(body='{"events": [5]}'), "Extension.InvalidEventType", None),
    (["GET", "/2020-01-01/extension/event/next", {}, None],
     "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
    (["GET", "/2020-01-01/extension/event/next", {"Lambda-Extension-Identifier": "me"}, None],
     "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
    (["GET", "/2020-01-01/extension/event/next",
      {"Lambda-Extension-Identifier": "01234567-89ab-cdef-0123-456789abcdef"}, None],
     "Extension.UnknownExtensionIdentifier", None),
])
def test_refusals(make, call, kind, words):
    world = make([call], listens="no")
    [[status, _, text]] = world.invoke("x").json
    assert status == 403
    assert json.loads(text)["errorType"] == kind
    assert words is None or json.loads(text)["errorMessage"] == words


def test_registrations_end_with_init_and_are_counted(make):
    many = [registration(headers={"Lambda-Extension-Name": f"x{n}"}) for n in range(11)]
    answers = make([registration(), registration(), *many], listens="no")
    # All of them would have to ask `next` for the init to end; so look at it in the middle.
    world = answers
    waiting = threading.Thread(target=lambda: world.platform.invoke("probe", "x"), daemon=True)
    waiting.start()
    wait_until(lambda: world.instances() and world.instances()[0]["state"] == "starting", "init")
    world.platform.local("reclaim", {"function": "probe"})
    waiting.join(DEADLINE_S)
    late = make([registration()])
    [[status, _, text]] = late.invoke([registration(headers={"Lambda-Extension-Name": "late"})]).json
    assert (status, json.loads(text)["errorType"]) == (403, "Extension.RegistrationClosed")


def failure(what, headers=None):
    return ["POST", f"/2020-01-01/extension/{what}/error",
            headers or {**IDENTIFIED, "Lambda-Extension-Function-Error-Type": "Probe.Gone"}, "{}"]


def test_failing_extensions(make):
    world = make([registration(), failure("init")], listens="no")
    answer = world.invoke("x")
    assert answer.json["errorType"] == "Extension.InitError"
    wait_until(lambda: world.instances() == [], "the instance is gone")
    other = make([registration()])
    pid = other.invoke("pid").json
    [[status, _, text]] = other.invoke([failure("exit", IDENTIFIED)]).json
    assert (status, json.loads(text)["errorType"]) == (403, "Extension.MissingHeader")
    [[status, _, text]] = other.invoke([failure("init")]).json
    assert (status, json.loads(text)["errorType"]) == (403, "Extension.InvalidExtensionState")
    answer = other.invoke([failure("exit")])
    assert answer.json["errorType"] == "Extension.ExitError"
    assert not alive(pid)


# -- the shutdown phase ---------------------------------------------------------
def reclaim(world):
    assert world.platform.local("reclaim", {"function": "probe"}) == {"reclaimed": 1}


def update(world):
    answer = world.platform.call("PUT", "/2015-03-31/functions/probe/configuration", {"Timeout": 31})
    assert answer.status == 200, answer


def delete(world):
    assert world.platform.call("DELETE", "/2015-03-31/functions/probe").status == 204


def stop(world):
    world.platform.stop()
    world.platform.start()


@pytest.mark.parametrize("end", [reclaim, update, delete, stop])
def test_every_end_has_a_shutdown_phase(make, end):
    world = make([registration()])
    pid = world.invoke("pid").json
    end(world)
    wait_until(lambda: not alive(pid), "it has ended")
    assert world.words() == ["next", "invoked", "term"], "thawed, told, ended by itself"
    wait_until(lambda: world.instances() == [], "it is reaped")


def test_idle_instances_have_a_shutdown_phase(make):
    world = make([registration()], instance_idle="300ms")
    pid = world.invoke("pid").json
    wait_until(lambda: not alive(pid), "it has ended")
    assert world.words()[-1] == "term"


@pytest.mark.parametrize("end", [reclaim, stop])
def test_the_shutdown_phase_is_bounded(make, end):
    """One that stays is killed, and not before it had its time."""
    world = make([registration()], term="stay")
    pid = world.invoke("pid").json
    end(world)
    ended = time.monotonic_ns() // 1000000
    wait_until(lambda: not alive(pid), "it is killed")
    word, told = world.noted()[-1]
    assert word == "term"
    if end is reclaim:  # which answers when it is gone
        assert ended - int(told) >= PHASE_MS - 100
    wait_until(lambda: world.instances() == [], "it is reaped")


def test_without_an_extension_it_is_killed_at_once(make):
    world = make(listens="no")
    pid = world.invoke("pid").json
    reclaim(world)
    assert not alive(pid)
    assert world.words() == ["invoked"]


def test_a_busy_instance_has_a_shutdown_phase(make):
    """What it does ends with it, billed to the phase's beginning, once."""
    world = make([registration()])
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(world.invoke("hold")), daemon=True)
    waiting.start()
    wait_until(lambda: "invoked" in world.words(), "it is busy")
    reclaim(world)
    waiting.join(DEADLINE_S)
    assert answers[0].json["errorType"] == "Runtime.ExitError"
    assert world.words()[-1] == "term"
    bill = world.platform.local("bill")
    assert bill["invocations"] == 1 and bill["outcomes"]["killed"] == 1


def test_a_kill_in_the_shutdown_phase(make):
    world = make([registration()], term="stay")
    pid = world.invoke("pid").json
    waiting = threading.Thread(target=reclaim, args=(world,), daemon=True)
    waiting.start()
    wait_until(lambda: world.words()[-1] == "term", "the phase has begun")
    assert [i["state"] for i in world.instances()] in (["ending"], ["stopping"], [])
    if alive(pid):
        os.kill(pid, signal.SIGKILL)
    waiting.join(DEADLINE_S)
    assert world.instances() == []
    assert world.invoke("pid").json != pid
