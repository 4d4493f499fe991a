"""The local platform as AWS's own tools see it: the AWS CLI for every call it has, Terraform's AWS
provider, and requests made by hand for what tools would never send."""
import base64
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import urllib.parse

import pytest

from harness import DEADLINE_S, INFINICACHE, wait_until
from platform_harness import (ARN, BOOTSTRAP_SOURCE, FUNCTIONS, OTHER_ZIP, ROLE, ZIP, Platform,
                              base64_text, make_zip, sign)

AWS = "/usr/bin/aws"
TERRAFORM_MIRRORS = ["/opt/tf-plugins", "/usr/share/terraform/plugins",
                     "/usr/local/share/terraform/plugins"]


@pytest.fixture(scope="module")
def platform():
    one = Platform()
    yield one
    one.close()


@pytest.fixture
def own_platform():
    made = []

    def make(**directives):
        made.append(Platform(**directives))
        return made[-1]

    yield make
    for one in made:
        one.close()


def names(answer):
    return [f["FunctionName"] for f in answer.json["Functions"]]


# -- AWS's own tools ----------------------------------------------------------
class Cli:
    def __init__(self, platform, folder):
        self.platform, self.folder = platform, folder
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "AWS_PAGER": "",
                            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                            "AWS_DEFAULT_REGION": "us-east-1"}

    def __call__(self, *words, fails=None):
        done = subprocess.run(
            [AWS, "lambda", "--endpoint-url", self.platform.url, "--cli-binary-format",
             "raw-in-base64-out", *map(str, words)],
            capture_output=True, text=True, env=self.environment, cwd=self.folder, check=False,
            timeout=DEADLINE_S)
        if fails is not None:
            assert done.returncode != 0 and f"({fails})" in done.stderr, done
            return None
        assert done.returncode == 0, done
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.mark.skipif(not os.path.exists(AWS), reason="the AWS CLI is not installed")
def test_aws_cli_does_every_call(platform, tmp_path):
    aws = Cli(platform, tmp_path)
    (tmp_path / "one.zip").write_bytes(ZIP)
    (tmp_path / "two.zip").write_bytes(OTHER_ZIP)
    named = ("--function-name", "cli")
    made = aws("create-function", *named, "--runtime", "provided.al2023", "--role", ROLE,
               "--handler", "bootstrap", "--zip-file", "fileb://one.zip", "--timeout", 20,
               "--tags", "a=b", "--environment", "Variables={GREETING=hello}")
    assert made["FunctionArn"] == ARN + "cli" and made["State"] == "Pending"
    assert made["CodeSha256"] == base64_text(hashlib.sha256(ZIP).digest())
    aws("wait", "function-active-v2", *named)
    got = aws("get-function", *named)
    assert got["Configuration"]["State"] == "Active" and got["Tags"] == {"a": "b"}
    assert platform.send("GET", urllib.parse.urlparse(got["Code"]["Location"]).path).body == ZIP
    assert aws("get-function-configuration", *named)["LastUpdateStatus"] == "Successful"
    assert [f["FunctionName"] for f in aws("list-functions")["Functions"]] == ["cli"]

    ran = aws("invoke", *named, "--payload", '{"env": "GREETING"}', "--log-type", "Tail", "out")
    assert ran["StatusCode"] == 200 and ran["ExecutedVersion"] == "$LATEST"
    assert (tmp_path / "out").read_text() == '"hello"'
    log = base64.b64decode(ran["LogResult"]).decode()
    assert log.startswith("START RequestId: ") and "REPORT RequestId: " in log
    ran = aws("invoke", *named, "--payload", '{"fail": "so"}', "out")
    assert ran["FunctionError"] == "Unhandled"
    assert json.loads((tmp_path / "out").read_text())["errorMessage"] == "so"
    assert aws("invoke", *named, "--invocation-type", "Event", "out")["StatusCode"] == 202
    assert aws("invoke", *named, "--invocation-type", "DryRun", "out")["StatusCode"] == 204

    assert aws("update-function-code", *named, "--zip-file",
               "fileb://two.zip")["LastUpdateStatus"] == "InProgress"
    aws("wait", "function-updated-v2", *named)
    changed = aws("update-function-configuration", *named, "--memory-size", 256, "--description",
                  "d", "--environment", "Variables={GREETING=bye}")
    assert changed["MemorySize"] == 256 and changed["Timeout"] == 20
    aws("invoke", *named, "--payload", '{"env": "GREETING"}', "out")
    assert (tmp_path / "out").read_text() == '"bye"'
    assert aws("publish-version", *named)["Version"] == "1"
    versions = aws("list-versions-by-function", *named)["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1"]

    assert aws("get-function-code-signing-config", *named) == {"FunctionName": "cli"}
    assert aws("get-account-settings")["AccountUsage"]["FunctionCount"] == 1
    assert aws("put-function-concurrency", *named, "--reserved-concurrent-executions", 5) == \
        {"ReservedConcurrentExecutions": 5}
    assert aws("get-function-concurrency", *named) == {"ReservedConcurrentExecutions": 5}
    aws("delete-function-concurrency", *named)
    aws("tag-resource", "--resource", ARN + "cli", "--tags", "k=v,y=z")
    aws("untag-resource", "--resource", ARN + "cli", "--tag-keys", "a", "y")
    assert aws("list-tags", "--resource", ARN + "cli") == {"Tags": {"k": "v"}}
    aws("delete-function", *named)
    aws("get-function", *named, fails="ResourceNotFoundException")


def terraform_mirror():
    for mirror in TERRAFORM_MIRRORS:
        if list(pathlib.Path(mirror).glob("registry.terraform.io/hashicorp/aws/*")):
            return mirror
    return None


TERRAFORM = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    lambda = "%(url)s"
  }
}
resource "aws_lambda_function" "f" {
  function_name                  = "terraformed"
  role                           = "%(role)s"
  handler                        = "bootstrap"
  runtime                        = "provided.al2023"
  filename                       = "code.zip"
  source_code_hash               = filebase64sha256("code.zip")
  memory_size                    = %(memory)d
  timeout                        = 30
  reserved_concurrent_executions = 7
  publish                        = true
  environment {
    variables = { GREETING = "hello" }
  }
  tags = { team = "%(team)s" }
}
"""


@pytest.mark.acceptance  # its provider takes minutes to start five times
@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
@pytest.mark.skipif(terraform_mirror() is None, reason="terraform's AWS provider is not installed")
def test_terraform_applies_plans_and_destroys(platform, tmp_path):
    (tmp_path / "code.zip").write_bytes(ZIP)
    (tmp_path / "rc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{terraform_mirror()}"\n'
        "  }\n}\n")
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(tmp_path / "rc"), "CHECKPOINT_DISABLE": "1"}

    def terraform(*words, memory=256, team="cache"):
        (tmp_path / "main.tf").write_text(
            TERRAFORM % {"url": platform.url, "role": ROLE, "memory": memory, "team": team})
        done = subprocess.run(["terraform", *words, "-no-color"], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, check=False, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def must(*words, **more):
        code, text = terraform(*words, **more)
        assert code == 0, text

    def function():
        return platform.call("GET", f"{FUNCTIONS}/terraformed")

    must("init")
    must("apply", "-auto-approve")
    assert function().json["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    assert platform.invoke("terraformed", {"env": "GREETING"}).json == "hello"
    must("plan", "-detailed-exitcode")  # 0: no changes
    must("apply", "-auto-approve", memory=512, team="other")
    assert function().json["Configuration"]["MemorySize"] == 512
    assert function().json["Tags"] == {"team": "other"}
    must("destroy", "-auto-approve", memory=512, team="other")
    assert function().status == 404


# -- what is stored -----------------------------------------------------------
def test_functions_survive_the_platform(own_platform):
    platform = own_platform()
    platform.create("kept", Environment={"Variables": {"GREETING": "hello"}}, Tags={"a": "b"})
    platform.call("PUT", "/2017-10-31/functions/kept/concurrency",
                  {"ReservedConcurrentExecutions": 3})
    platform.call("POST", f"{FUNCTIONS}/kept/versions", {})
    before = platform.call("GET", f"{FUNCTIONS}/kept").json
    for sig in (signal.SIGTERM, signal.SIGKILL):
        platform.stop(sig)
        if sig == signal.SIGKILL:  # only the zip is left of the code
            hexes = [p for p in (platform.dir / "code").iterdir() if p.is_dir()]
            assert len(hexes) == 1
            shutil.rmtree(hexes[0])
            (platform.dir / "code" / ".new-leftover").mkdir()
        platform.start()
        after = platform.call("GET", f"{FUNCTIONS}/kept").json
        assert after["Configuration"] == before["Configuration"]
        assert after["Tags"] == before["Tags"] and after["Concurrency"] == before["Concurrency"]
        versions = platform.call("GET", f"{FUNCTIONS}/kept/versions").json["Versions"]
        assert [v["Version"] for v in versions] == ["$LATEST", "1"]
        assert platform.invoke("kept", {"env": "GREETING"}).json == "hello"
    assert not (platform.dir / "code" / ".new-leftover").exists()


def test_a_broken_file_is_left_alone(own_platform):
    platform = own_platform()
    platform.create("good")
    platform.stop()
    (platform.dir / "functions" / "bad.json").write_text('{"config": {"FunctionName": "bad"}}')
    platform.start()
    assert names(platform.call("GET", FUNCTIONS)) == ["good"]
    assert "function-unreadable" in platform.log()
    assert (platform.dir / "functions" / "bad.json").exists()


def test_same_code_is_kept_once_and_goes_with_its_last_user(platform):
    folders = lambda: sorted(p.name for p in (platform.dir / "code").iterdir())
    platform.create("twin-a")
    platform.create("twin-b")
    hexed = hashlib.sha256(ZIP).hexdigest()
    assert folders() == [hexed, hexed + ".zip"]
    assert platform.call("DELETE", f"{FUNCTIONS}/twin-a").status == 204
    assert folders() == [hexed, hexed + ".zip"]
    assert platform.call("PUT", f"{FUNCTIONS}/twin-b/code",
                         {"ZipFile": base64_text(OTHER_ZIP)}).status == 200
    other = hashlib.sha256(OTHER_ZIP).hexdigest()
    assert folders() == [other, other + ".zip"]
    assert platform.invoke("twin-b", {"mode": "data/table.txt"}).json == "0o644"
    assert platform.invoke("twin-b", {"mode": "bootstrap"}).json == "0o755"
    platform.call("DELETE", f"{FUNCTIONS}/twin-b")
    assert folders() == []


def test_versions_are_frozen(platform):
    platform.create("v", Environment={"Variables": {"GREETING": "one"}}, Publish=True)
    again = platform.call("POST", f"{FUNCTIONS}/v/versions", {})
    assert again.json["Version"] == "1"  # nothing changed
    platform.call("PUT", f"{FUNCTIONS}/v/configuration",
                  {"Environment": {"Variables": {"GREETING": "two"}}})
    assert platform.call("POST", f"{FUNCTIONS}/v/versions", {}).json["Version"] == "2"
    say = {"env": "GREETING"}
    assert platform.invoke("v", say, [("Qualifier", "1")]).json == "one"
    assert platform.invoke("v:2", say).json == "two"
    ran = platform.invoke(urllib.parse.quote(ARN + "v:1", safe=""), {"arn": 1})
    assert ran.json == ARN + "v:1" and ran.headers["X-Amz-Executed-Version"] == "1"
    assert platform.call("GET", f"{FUNCTIONS}/v", query=[("Qualifier", "1")]) \
        .json["Configuration"]["FunctionArn"] == ARN + "v:1"
    every = platform.call("GET", FUNCTIONS, query=[("FunctionVersion", "ALL")])
    assert [f["FunctionArn"] for f in every.json["Functions"]] == \
        [ARN + "v:$LATEST", ARN + "v:1", ARN + "v:2"]
    assert platform.call("DELETE", f"{FUNCTIONS}/v", query=[("Qualifier", "$LATEST")]).status == 400
    assert platform.call("DELETE", f"{FUNCTIONS}/v", query=[("Qualifier", "1")]).status == 204
    assert platform.invoke("v:1", say).error == "ResourceNotFoundException"
    platform.call("DELETE", f"{FUNCTIONS}/v")


def test_lists_come_by_pages(platform):
    made = sorted(f"page-{i}" for i in range(53))
    for name in made:
        platform.create(name)
    first = platform.call("GET", FUNCTIONS, query=[("MaxItems", "10000")])
    assert names(first) == made[:50]
    rest = platform.call("GET", FUNCTIONS, query=[("Marker", first.json["NextMarker"])])
    assert names(rest) == made[50:] and "NextMarker" not in rest.json
    seen, marker = [], None
    while marker is not None or not seen:
        query = [("MaxItems", "7")] + ([("Marker", marker)] if marker else [])
        page = platform.call("GET", FUNCTIONS + "/", query=query)
        seen += names(page)
        platform.call("DELETE", f"{FUNCTIONS}/{names(page)[-1]}")  # the marker's own function goes
        marker = page.json.get("NextMarker")
    assert seen == made
    for name in names(platform.call("GET", FUNCTIONS)):
        platform.call("DELETE", f"{FUNCTIONS}/{name}")
    assert names(platform.call("GET", FUNCTIONS)) == []


# -- Invoke -------------------------------------------------------------------
def test_an_invoke_goes_on_without_its_caller(platform, tmp_path):
    platform.create("alone")
    left = tmp_path / "left"
    path = f"{FUNCTIONS}/alone/invocations"
    body = json.dumps({"touch": str(left), "after": 0.3}).encode()
    head = "".join(f"{k}: {v}\r\n" for k, v in sign("POST", path, [], body, platform.host).items())
    with socket.create_connection(("127.0.0.1", platform.port)) as s:
        s.sendall(f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: any(i["function"] == "alone" and i["state"] == "busy"
                               for i in platform.local("instances")["instances"]), "it runs")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    wait_until(left.exists, "the function has done its work")
    wait_until(lambda: platform.local("bill")["functions"]["alone"]["invocations"] == 1, "the bill")
    assert platform.invoke("alone", [1, 2]).json == [1, 2]
    platform.call("DELETE", f"{FUNCTIONS}/alone")


def test_payload_limits_and_kinds(platform):
    platform.create("p")
    for payload in (b'"x"', b"[]", b"null", b"0", b'{"a":[1.5e3,true]}'):
        assert platform.invoke("p", payload).body == payload
    assert platform.invoke("p", b"").body == b"{}"
    big = b'"' + b"x" * (6291456 - 2) + b'"'
    assert platform.invoke("p", big).body == big
    assert platform.invoke("p", b" " + big).error == "RequestTooLargeException"
    assert platform.invoke("p", big, Invocation_Type="Event").error == "RequestTooLargeException"
    assert platform.invoke("p", b"{").error == "InvalidRequestContentException"
    assert platform.invoke("p", b"[" * 1000000).error == "InvalidRequestContentException"
    assert platform.invoke("p", b"1", Invocation_Type="Later").error == "ValidationException"
    assert platform.invoke("p", b"1", Log_Type="All").error == "ValidationException"
    context = base64_text(b'{"client": "me"}')
    assert platform.invoke("p", {"context": 1}, Client_Context=context).json == '{"client": "me"}'
    assert platform.invoke("p", b"1", Client_Context="%%").error == "InvalidRequestContentException"
    assert "X-Amz-Log-Result" not in platform.invoke("p", b"1").headers
    platform.call("DELETE", f"{FUNCTIONS}/p")


def test_concurrency_is_reserved_and_throttled(own_platform):
    platform = own_platform(concurrency=100)
    platform.create("c")
    put = lambda n: platform.call("PUT", "/2017-10-31/functions/c/concurrency",
                                  {"ReservedConcurrentExecutions": n})
    assert put(91).error == "InvalidParameterValueException"
    assert put(-1).error == "ValidationException"
    assert put(90).status == 200
    settings = platform.call("GET", "/2016-08-19/account-settings/").json["AccountLimit"]
    assert settings["ConcurrentExecutions"] == 100
    assert settings["UnreservedConcurrentExecutions"] == 10
    assert put(0).status == 200
    refused = platform.invoke("c", {})
    assert refused.status == 429 and refused.error == "TooManyRequestsException"
    assert refused.json["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert platform.call("DELETE", "/2017-10-31/functions/c/concurrency").status == 204
    assert platform.call("GET", "/2019-09-30/functions/c/concurrency").json == {}
    assert platform.invoke("c", {}).status == 200


# -- refusals -----------------------------------------------------------------
CREATE = {"FunctionName": "n", "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": ROLE,
          "Code": {"ZipFile": base64_text(ZIP)}}
INVALID, VALIDATION, CONTENT = ("InvalidParameterValueException", "ValidationException",
                                "InvalidRequestContentException")


@pytest.mark.parametrize("change, error", [
    ({"FunctionName": "a b"}, VALIDATION), ({"FunctionName": "x" * 65}, VALIDATION),
    ({"FunctionName": "n:1"}, VALIDATION), ({"FunctionName": None}, VALIDATION),
    ({"FunctionName": "../x"}, VALIDATION), ({"FunctionName": 7}, VALIDATION),
    ({"Role": "me"}, VALIDATION), ({"Role": None}, VALIDATION),
    ({"Runtime": "python3.12"}, INVALID), ({"Runtime": None}, INVALID),
    ({"Handler": None}, INVALID), ({"Handler": "a b"}, VALIDATION),
    ({"Handler": "x" * 129}, VALIDATION), ({"Description": "x" * 257}, VALIDATION),
    ({"MemorySize": 127}, VALIDATION), ({"MemorySize": 10241}, VALIDATION),
    ({"MemorySize": "128"}, CONTENT), ({"Timeout": 0}, VALIDATION), ({"Timeout": 901}, VALIDATION),
    ({"Timeout": 1.5}, CONTENT), ({"PackageType": "Image"}, INVALID),
    ({"Architectures": ["mips"]}, INVALID), ({"Architectures": []}, VALIDATION),
    ({"EphemeralStorage": {"Size": 1}}, VALIDATION), ({"EphemeralStorage": 7}, CONTENT),
    ({"TracingConfig": {"Mode": "Loud"}}, VALIDATION), ({"Layers": ["arn:x"]}, INVALID),
    ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, INVALID),
    ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, INVALID),
    ({"LoggingConfig": {"LogFormat": "JSON"}}, INVALID),
    ({"Environment": {"Variables": {"1": "a"}}}, VALIDATION),
    ({"Environment": {"Variables": {"AWS_REGION": "a"}}}, INVALID),
    ({"Environment": {"Variables": {"GOOD": "a" * 4096}}}, INVALID),
    ({"Environment": {"Variables": {"GOOD": 1}}}, CONTENT), ({"Environment": []}, CONTENT),
    ({"Tags": {"aws:x": "y"}}, INVALID), ({"Tags": {"a": 1}}, INVALID), ({"Tags": []}, CONTENT),
    ({"Tags": {str(i): "" for i in range(51)}}, INVALID),
    ({"Code": None}, INVALID), ({"Code": {"ZipFile": "%%"}}, CONTENT),
    ({"Code": {"S3Bucket": "b", "S3Key": "k"}}, INVALID),
    ({"Code": {"ZipFile": base64_text(b"no zip")}}, INVALID),
])
def test_create_refuses(platform, change, error):
    answer = platform.call("POST", FUNCTIONS, {**CREATE, **change})
    assert (answer.status, answer.error) == (400, error), answer
    assert names(platform.call("GET", FUNCTIONS)) == []
    assert list((platform.dir / "code").iterdir()) == []


def symlink_zip():
    return make_zip({"bootstrap": (b"#!/bin/sh\n", 0o100755), "link": (b"/etc/passwd", 0o120777)})


def lying_zip():
    """A bomb: 300 MB of zeros in 300 KB."""
    return make_zip({"bootstrap": (bytes(300 << 20), 0o100755)})


@pytest.mark.parametrize("make", [
    lambda: make_zip({"../out": (b"x", 0o100644)}), lambda: make_zip({"/abs": (b"x", 0o100644)}),
    lambda: make_zip({"a/../../b": (b"x", 0o100644)}), lambda: make_zip({"a\\b": (b"x", 0o100644)}),
    lambda: make_zip({"a": (b"x", 0o100644), "a/b": (b"x", 0o100644)}),
    lambda: make_zip({}), symlink_zip, lying_zip, lambda: ZIP[:-30], lambda: ZIP[:60] + b"!" + ZIP[61:],
    lambda: b"PK\5\6" + bytes(18),
], ids=["up", "absolute", "through", "backslash", "file-as-folder", "empty", "symlink", "bomb",
        "cut", "flipped", "header-only"])
def test_bad_zips_leave_nothing(platform, make):
    code = {"Code": {"ZipFile": base64_text(make())}}
    answer = platform.call("POST", FUNCTIONS, {**CREATE, **code})
    assert (answer.status, answer.error) == (400, INVALID), answer
    assert list((platform.dir / "code").iterdir()) == []


def test_calls_refuse(platform):
    platform.create("r")
    one = f"{FUNCTIONS}/r"
    table = [
        ("POST", FUNCTIONS, {**CREATE, "FunctionName": "r"}, (), 409, "ResourceConflictException"),
        ("GET", f"{FUNCTIONS}/none", None, (), 404, "ResourceNotFoundException"),
        ("GET", one, None, [("Qualifier", "9")], 404, "ResourceNotFoundException"),
        ("GET", one + ":1", None, [("Qualifier", "2")], 400, INVALID),
        ("GET", one, None, [("Qualifier", "a b")], 400, VALIDATION),
        ("GET", f"{FUNCTIONS}/a%2Fb", None, (), 400, VALIDATION),
        ("GET", f"{FUNCTIONS}/{'x' * 200}", None, (), 400, VALIDATION),
        ("GET", f"{FUNCTIONS}/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Ar", None,
         (), 404, "ResourceNotFoundException"),
        ("GET", FUNCTIONS, None, [("MaxItems", "0")], 400, VALIDATION),
        ("GET", FUNCTIONS, None, [("Marker", "rubbish")], 400, INVALID),
        ("GET", FUNCTIONS, None, [("FunctionVersion", "SOME")], 400, VALIDATION),
        ("PUT", one + "/configuration", {"RevisionId": "old"}, (), 412, "PreconditionFailedException"),
        ("PUT", one + "/code", {"RevisionId": "old", "ZipFile": "AA=="}, (), 412,
         "PreconditionFailedException"),
        ("PUT", one + "/code", {}, (), 400, INVALID),
        ("PUT", one + "/configuration", {"MemorySize": 1}, (), 400, VALIDATION),
        ("PUT", one + "/configuration", b"[1]", (), 400, CONTENT),
        ("PUT", one + "/configuration", b"{", (), 400, CONTENT),
        ("PUT", one + "/configuration", b"[" * 100000, (), 400, CONTENT),
        ("PUT", one + "/configuration", b"[" + b"1," * 300000 + b"1]", (), 400, CONTENT),
        ("POST", one + "/versions", {"CodeSha256": "other"}, (), 400, INVALID),
        ("PUT", "/2017-10-31/functions/r/concurrency", {}, (), 400, VALIDATION),
        ("POST", "/2017-03-31/tags/r", {"Tags": {"": "x"}}, (), 400, INVALID),
        ("POST", "/2017-03-31/tags/r", {}, (), 400, CONTENT),
        ("DELETE", "/2017-03-31/tags/r", None, (), 400, VALIDATION),
        ("DELETE", "/2017-03-31/tags/r%3A1", None, [("tagKeys", "a")], 400, INVALID),
        ("PATCH", one, None, (), 404, "UnknownOperationException"),
        ("GET", "/", None, (), 404, "UnknownOperationException"),
        ("GET", "/2015-03-31/functions/r/unknown", None, (), 404, "UnknownOperationException"),
    ]
    before = platform.call("GET", one).json
    for method, path, body, query, status, error in table:
        answer = platform.call(method, path, body, query)
        assert (answer.status, answer.error) == (status, error), (method, path, body, answer)
        assert answer.json.get("message") or answer.json.get("Message")
        assert len(answer.headers["x-amzn-RequestId"]) == 36
    assert platform.call("GET", one).json == before
    dry = platform.call("PUT", one + "/code", {"ZipFile": base64_text(OTHER_ZIP), "DryRun": True})
    assert dry.json["CodeSha256"] == base64_text(hashlib.sha256(OTHER_ZIP).digest())
    assert platform.call("GET", one).json == before
    platform.call("DELETE", one)


def test_signatures(platform):
    def answer(**how):
        got = platform.call("GET", FUNCTIONS, **how)
        return got.status, got.error

    assert answer() == (200, None)
    assert answer(skew_s=-290) == (200, None)
    assert answer(skew_s=-400) == (403, "InvalidSignatureException")
    assert answer(skew_s=+400) == (403, "InvalidSignatureException")
    assert answer(secret="wrong") == (403, "InvalidSignatureException")
    assert answer(key="nobody") == (403, "UnrecognizedClientException")
    assert answer(region="eu-west-1") == (403, "InvalidSignatureException")
    assert answer(service="s3") == (403, "InvalidSignatureException")
    none = platform.send("GET", FUNCTIONS)
    assert (none.status, none.error) == (403, "MissingAuthenticationTokenException")
    part = platform.send("GET", FUNCTIONS, headers={"Authorization": "AWS4-HMAC-SHA256 x"})
    assert (part.status, part.error) == (403, "IncompleteSignatureException")
    # A good signature over another body, query or method.
    headers = sign("POST", FUNCTIONS, [], b"{}", platform.host)
    for method, target, body in (("POST", FUNCTIONS, b"[]"), ("POST", FUNCTIONS + "?a=b", b"{}"),
                                 ("GET", FUNCTIONS, b"{}")):
        got = platform.send(method, target, body, headers)
        assert (got.status, got.error) == (403, "InvalidSignatureException"), got


# -- hostile HTTP -------------------------------------------------------------
def test_hostile_http(platform):
    head = f"Host: {platform.host}\r\n".encode()
    post = b"POST /2015-03-31/functions HTTP/1.1\r\n" + head
    refused = [
        b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + head + b"X: " + b"y" * 100000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + head + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + head + b"\r\n",
        b"GET /%ZZ%00%2e%2e/?%=%&&&= HTTP/1.1\r\n" + head + b"Connection: close\r\n\r\n",
        post + b"Content-Length: x\r\n\r\n{}",
        post + b"Content-Length: 99999999999\r\n\r\n{}",
        post + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        post + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nConnection: close\r\n" + head + b"\r\n",
    ]
    for data in refused:
        reply = exchange(platform, data)
        assert not reply or reply.startswith(b"HTTP/1.1 4"), (data[:80], reply[:200])
    for data in (b"", b"\r\n" * 1000, b"\0" * 100, b"GE", post + b"Content-Length: 100\r\n\r\n{}"):
        with socket.create_connection(("127.0.0.1", platform.port)) as s:
            s.sendall(data)  # and gone, in the middle
    assert platform.call("GET", FUNCTIONS).status == 200


def exchange(platform, data):
    """What comes back for DATA until the platform closes; b"" if only a closed connection."""
    with socket.create_connection(("127.0.0.1", platform.port), timeout=DEADLINE_S) as s:
        reply = b""
        try:
            s.sendall(data)
            while block := s.recv(65536):
                reply += block
        except ConnectionError:
            pass
        return reply


def test_local_is_for_programs_of_this_machine(platform):
    assert platform.local("instances") == {"instances": []}
    assert set(platform.local("bill")) == {"invocations", "billed_ms", "outcomes", "starts",
                                           "concurrent_starts", "functions"}
    for headers, body, status in (({"Origin": "http://evil"}, b'{"share": 1}', 403),
                                  ({}, b"{}", 400), ({}, b'{"share": 2}', 400), ({}, b"!", 400),
                                  ({}, b'{"share": "x"}', 400),
                                  ({}, b'{"function": "none"}', 200)):
        assert platform.send("POST", "/_local/reclaim", body, headers).status == status
    for path in ("/_local/code/..%2f..%2fetc%2fpasswd", "/_local/code/" + "0" * 64, "/_local/x"):
        assert platform.send("GET", path).status == 404


def test_reclaim(platform):
    platform.create("gone")
    platform.invoke("gone", {})
    (row,) = platform.local("instances")["instances"]
    assert row["function"] == "gone" and row["state"] == "idle" and row["invocations"] == 1
    assert len(row["instance"]) == 32 and row["billed_ms"] >= 1 and row["max_memory_bytes"] > 0
    assert os.path.exists(f"/proc/{row['pid']}")
    assert platform.local("reclaim", {"share": 1.0, "seed": 7}) == {"reclaimed": 1}
    assert platform.local("instances") == {"instances": []}
    assert not os.path.exists(f"/proc/{row['pid']}")
    assert platform.local("bill")["functions"]["gone"]["invocations"] == 1
    platform.call("DELETE", f"{FUNCTIONS}/gone")


def test_ten_thousand_half_requests(platform):
    wanted = 10000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 500:
        pytest.skip(f"this machine allows {hard} descriptors")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    held = []
    try:
        for i in range(wanted):
            s = socket.create_connection(("127.0.0.1", platform.port), timeout=DEADLINE_S)
            s.sendall(b"POST /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nhalf"
                      if i % 2 else b"GET /half")
            held.append(s)
        assert platform.call("GET", FUNCTIONS).status == 200
        assert platform.local("instances") == {"instances": []}
    finally:
        for s in held:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert platform.call("GET", FUNCTIONS).status == 200


# -- the daemon ---------------------------------------------------------------
def refuses(*words, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run([INFINICACHE, "platform", *map(str, words)], capture_output=True,
                          text=True, env={**clean, **environment}, timeout=DEADLINE_S, check=False)
    assert done.returncode not in (0, None) and done.returncode > 0, done
    return done.stderr


def test_the_daemon_refuses_bad_settings(platform, tmp_path):
    directory = ("--dir", tmp_path / "d")
    assert "loopback" in refuses(*directory, "--port", 0, "--bind", "0.0.0.0")
    assert "in use" in refuses(*directory, "--port", platform.port)
    assert "another platform" in refuses("--dir", platform.dir, "--port", 0)
    assert "--dir" in refuses("--port", 0)
    assert "12 digits" in refuses(*directory, "--port", 0, "--account", "1")
    assert "region" in refuses(*directory, "--port", 0, "--region", "a/b")
    assert "reclaim: 'monthly'" in refuses(*directory, "--port", 0, "--reclaim", "monthly")
    assert "colour" in refuses(*directory, "--colour", "red")
    assert "port" in refuses(*directory, "--port", "x")
    assert "credentials-file" in refuses(*directory, "--port", 0, "--credentials-file", "/none")
    assert "dir" in refuses("--dir", "/proc/none", "--port", 0)


def test_own_keys_region_and_account(own_platform, tmp_path):
    (tmp_path / "keys").write_text("AKIAOWN\nsecret/of+mine\n")
    platform = own_platform(credentials_file=tmp_path / "keys", region="eu-north-1",
                            account="123456789012")
    mine = {"key": "AKIAOWN", "secret": "secret/of+mine", "region": "eu-north-1"}
    assert platform.call("GET", FUNCTIONS, **mine).status == 200
    assert platform.call("GET", FUNCTIONS).error == "UnrecognizedClientException"
    made = platform.call("POST", FUNCTIONS, CREATE, **mine)
    assert made.json["FunctionArn"] == "arn:aws:lambda:eu-north-1:123456789012:function:n"
    assert "secret/of+mine" not in platform.log()
    cmdline = pathlib.Path(f"/proc/{platform.process.pid}/cmdline").read_bytes()
    assert b"secret/of+mine" not in cmdline


def test_without_loopback_local_is_closed(own_platform, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # nothing is sent: the kernel only picks an address
            address = s.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    (tmp_path / "keys").write_text("AKIAOWN\nsecret\n")
    platform = own_platform(credentials_file=tmp_path / "keys", platform_bind="0.0.0.0")
    assert platform.local("instances") == {"instances": []}
    with socket.create_connection((address, platform.port), timeout=DEADLINE_S) as s:
        s.sendall(b"GET /_local/instances HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 403")


# -- failures of Invoke to order ----------------------------------------------
@pytest.mark.parametrize("status,kind", [
    (429, "TooManyRequestsException"), (500, "ServiceException"),
    (502, "EC2UnexpectedException"), (503, "ServiceUnavailable")])
def test_ordered_failures(own_platform, status, kind):
    platform = own_platform()
    for name in ("one", "two"):
        platform.create(name)
    assert platform.local("fail", {"function": "one", "status": status, "count": 2}) == {"left": 2}
    for _ in range(2):
        answer = platform.invoke("one", 1)
        assert (answer.status, answer.error) == (status, kind)
        assert platform.invoke("two", 1).status == 200
    assert platform.invoke("one", 1).status == 200
    assert platform.local("fail", {"status": status, "count": 1}) == {"left": 1}
    assert platform.invoke("two", 1).status == status
    assert platform.local("fail") == {"left": 0}
    assert platform.local("bill")["invocations"] == 3  # what failed so was not run


def test_aws_cli_understands_ordered_failures(platform, tmp_path):
    platform.create("refused")
    platform.local("fail", {"function": "refused", "status": 429, "count": 100})
    Cli(platform, tmp_path)("invoke", "--function-name", "refused", "out",
                            fails="TooManyRequestsException")
    platform.local("fail", {"function": "refused", "status": 429, "count": 0})
    Cli(platform, tmp_path)("invoke", "--function-name", "refused", "out")


@pytest.mark.parametrize("order", [
    {}, {"status": 429}, {"status": 404, "count": 1}, {"status": 429, "count": -1},
    {"status": 429, "count": 1, "function": 5}, {"status": "429", "count": 1},
    {"status": 429, "count": 10 ** 9}])
def test_impossible_orders(platform, order):
    answer = platform.send("POST", "/_local/fail", json.dumps(order).encode())
    assert (answer.status, answer.error) == (400, "ValidationException")
    assert platform.local("fail") == {"left": 0}
