"""The function that deletes old versions of a machine, with real boto3 against a Step Functions of a few dictionaries:
pages of two, runs that ended long ago, and a role that does not work yet. On the sandbox: test_versions.py."""

import importlib.util
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

HANDLER = Path(__file__).resolve().parents[2] / "functions/prune_versions/handler.py"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"
DAY = 86_400.0


class StepFunctions:
    """Versions by number, which of them an alias leads to, and what ran on them: (status, name, days since its end)."""

    def __init__(self, versions):
        self.versions = list(versions)
        self.routed, self.runs = set(), {}
        self.denied = 0  # so many requests are refused first
        self.conflicting = set()

    def answer(self, action, request):
        if self.denied:
            self.denied -= 1
            return 400, {"__type": "AccessDeniedException", "message": "not authorized yet"}
        return getattr(self, action)(request)

    def ListStateMachineVersions(self, request):  # noqa: N802
        first = int(request.get("nextToken", 0))
        page = [{"stateMachineVersionArn": f"{MACHINE}:{number}", "creationDate": 0} for number in self.versions]
        more = {"nextToken": str(first + 2)} if first + 2 < len(page) else {}
        return 200, {"stateMachineVersions": page[first : first + 2], **more}

    def ListStateMachineAliases(self, request):  # noqa: N802
        found = number_of(request["stateMachineArn"]) in self.routed
        aliases = [{"stateMachineAliasArn": f"{MACHINE}:live", "creationDate": 0}] if found else []
        return 200, {"stateMachineAliases": aliases}

    def ListExecutions(self, request):  # noqa: N802
        runs = self.runs.get(number_of(request["stateMachineArn"]), ())
        now = time.time()
        found = [
            {
                "executionArn": f"{MACHINE}:{name}", "stateMachineArn": MACHINE, "name": name, "status": status,
                "startDate": 0, **({} if days is None else {"stopDate": now - days * DAY}),
            }
            for status, name, days in runs
            if status == request["statusFilter"]
        ]  # fmt: skip
        return 200, {"executions": found[: request["maxResults"]]}

    def DeleteStateMachineVersion(self, request):  # noqa: N802
        number = number_of(request["stateMachineVersionArn"])
        if number in self.conflicting:
            return 409, {"__type": "ConflictException", "message": "another apply is at work"}
        self.versions.remove(number)
        return 200, {}


def number_of(arn):
    return int(arn.rpartition(":")[2])


class Context:
    """Lambda's, with this much time left."""

    def __init__(self, milliseconds=300_000):
        self.left = milliseconds

    def get_remaining_time_in_millis(self):
        return self.left


@pytest.fixture
def machine(monkeypatch):
    """Six versions, listed in no order, and the server that knows them."""
    states = StepFunctions([4, 6, 1, 3, 2, 5])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = states.answer(self.headers["X-Amz-Target"].partition(".")[2], request)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    for key in [key for key in os.environ if key.startswith("AWS_")]:
        monkeypatch.delenv(key)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for key, value in {
        "AWS_ENDPOINT_URL_SFN": f"http://127.0.0.1:{server.server_port}", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    yield states
    server.shutdown()
    server.server_close()


def prune(keep, context=None):
    spec = importlib.util.spec_from_file_location("prune_versions_handler", HANDLER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler({"machine": MACHINE, "keep": keep}, context or Context())


def test_the_newest_stay(machine):
    assert prune(4) == {"deleted": [f"{MACHINE}:2", f"{MACHINE}:1"], "kept": {}}
    assert machine.versions == [4, 6, 3, 5]
    assert prune(4) == {"deleted": [], "kept": {}}


def test_so_does_what_is_in_use(machine):
    machine.routed = {4}
    machine.runs = {
        1: [("RUNNING", "long", None)],
        2: [("FAILED", "nightly-2", 13.9), ("FAILED", "nightly-1", 40)],
        3: [("SUCCEEDED", "fine", 1), ("FAILED", "old", 14.1), ("TIMED_OUT", "older", 20), ("ABORTED", "oldest", 80)],
    }
    assert prune(1) == {
        "deleted": [f"{MACHINE}:5", f"{MACHINE}:3"],
        "kept": {
            f"{MACHINE}:4": "the alias live leads to it",
            f"{MACHINE}:2": "nightly-2 ended FAILED on it and can be redriven until 14 days after its end",
            f"{MACHINE}:1": "long is running on it",
        },
    }
    assert machine.versions == [4, 6, 1, 2]


def test_what_another_apply_is_about_stays_too(machine):
    machine.conflicting = {2}
    assert prune(4) == {"deleted": [f"{MACHINE}:1"], "kept": {f"{MACHINE}:2": "another apply is at work"}}


def test_a_role_that_does_not_work_yet_is_waited_for(machine):
    machine.denied = 1
    assert prune(6) == {"deleted": [], "kept": {}}


def test_a_role_that_never_works_is_an_error(machine):
    machine.denied = 1000
    with pytest.raises(ClientError, match="not authorized yet"):
        prune(6, Context(20_000))


@pytest.mark.parametrize("keep", [0, -1, "2", None])
def test_at_least_one_version_is_kept(machine, keep):
    with pytest.raises(Exception, match="N of at least 1"):
        prune(keep)
    assert len(machine.versions) == 6
