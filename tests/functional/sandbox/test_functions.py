"""Lambda functions: real code in a real process, under the runtime's contract."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, wait_for
from tests.functional.sandbox.test_stress import children


def invoke(cloud: Cloud, name: str, event: object, **options: str) -> tuple[dict, object]:
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode(), **options)
    payload = answer["Payload"].read()
    return answer, json.loads(payload) if payload else None


def test_answers_with_what_the_handler_returns(cloud: Cloud) -> None:
    body = "import os\nreturn {'got': event, 'name': context.function_name, 'key': os.environ['KEY']}"
    name = cloud.function(body, Environment={"Variables": {"KEY": "value"}})
    answer, payload = invoke(cloud, name, {"a": [1, "two"]})
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert payload == {"got": {"a": [1, "two"]}, "name": name, "key": "value"}


def test_the_key_of_an_environment_can_change(cloud: Cloud) -> None:
    """As an upgrade to a module that encrypts asks for."""
    functions, name = cloud.client("lambda"), cloud.function("return 1")
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    functions.update_function_configuration(FunctionName=name, KMSKeyArn=key)
    functions.update_function_configuration(FunctionName=name, Timeout=9)
    assert functions.get_function_configuration(FunctionName=name)["KMSKeyArn"] == key
    functions.update_function_configuration(FunctionName=name, KMSKeyArn="")
    assert "KMSKeyArn" not in functions.get_function_configuration(FunctionName=name)


def test_a_handlers_error_is_the_payload(cloud: Cloud) -> None:
    name = cloud.function("raise ValueError('no such document')")
    answer, payload = invoke(cloud, name, {})
    assert answer["FunctionError"] == "Unhandled"
    assert (payload["errorType"], payload["errorMessage"]) == ("ValueError", "no such document")
    assert len(payload["stackTrace"]) == 1


@pytest.mark.parametrize(
    ("body", "options", "kind", "message"),
    [
        ("import time; time.sleep(30)", {"Timeout": 1}, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("import os; os._exit(3)", {}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("return {1, 2}", {}, "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON"),
        ("return 1", {"Handler": "absent.handler"}, "Runtime.ImportModuleError", "Unable to import module 'absent'"),
        ("return 1", {"Handler": "main.absent"}, "Runtime.HandlerNotFound", "Handler 'absent' missing on module"),
    ],
)
def test_the_runtimes_own_errors(cloud: Cloud, body: str, options: dict, kind: str, message: str) -> None:
    answer, payload = invoke(cloud, cloud.function(body, **options), {})
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == kind
    assert message in payload["errorMessage"]


def test_the_clock_of_the_context_runs(cloud: Cloud) -> None:
    body = "before = context.get_remaining_time_in_millis()\nimport time; time.sleep(0.2)\n"
    body += "return [before, before - context.get_remaining_time_in_millis()]"
    _, (before, spent) = invoke(cloud, cloud.function(body, Timeout=600), {})
    assert 150 <= spent < before <= 600_000


def test_prints_go_to_the_functions_log_group(cloud: Cloud) -> None:
    name = cloud.function("print('reading', event['page'])\nreturn None")
    answer, payload = invoke(cloud, name, {"page": 7})
    lines = cloud.logs(f"/aws/lambda/{name}")
    assert payload is None
    assert lines[0].split()[2] == answer["ResponseMetadata"]["RequestId"]
    assert [line.split()[0] for line in lines] == ["START", "reading", "END", "REPORT"]
    assert lines[1] == "reading 7"


def test_a_function_talks_to_the_sandbox_and_to_nothing_else(cloud: Cloud) -> None:
    body = "import boto3, os\nreturn [boto3.client('sts').get_caller_identity()['Account'], "
    body += "sorted(k for k in os.environ if k.startswith('AWS_ENDPOINT')), os.environ['AWS_ENDPOINT_URL']]"
    steered = {"Variables": {"AWS_ENDPOINT_URL": "https://example.com"}}
    _, payload = invoke(cloud, cloud.function(body, Environment=steered), {})
    assert payload == ["123456789012", ["AWS_ENDPOINT_URL"], cloud.server["url"]]


def test_an_unknown_function_and_a_runtime_that_is_not_python(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        invoke(cloud, "absent", {})
    with pytest.raises(ClientError, match="the sandbox runs zipped Python functions only"):
        invoke(cloud, cloud.function("return 1", Runtime="nodejs20.x"), {})


def test_events_are_invoked_without_waiting(cloud: Cloud) -> None:
    name = cloud.function("import time; time.sleep(1)")
    answer, payload = invoke(cloud, name, {}, InvocationType="Event")
    assert (answer["StatusCode"], payload) == (202, None)


def test_an_invocation_finds_nothing_of_the_one_before(cloud: Cloud) -> None:
    body = (
        "import boto3, os\nbefore = [vars(boto3).get('mark'), os.environ.get('MARK'), os.listdir(os.environ['HOME'])]\n"
    )
    body += "boto3.mark = os.environ['MARK'] = 'here'\nopen(os.environ['HOME'] + '/mark', 'w').close()\nreturn before"
    name = cloud.function(body)
    assert [invoke(cloud, name, {})[1] for _ in range(2)] == [[None, None, []]] * 2


def test_a_function_may_bring_its_own_modules_and_steer_its_python(cloud: Cloud) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        own = "import boto3, sys, added\nhandler = lambda *_: [boto3.WHOSE, added.WHERE, sys.dont_write_bytecode]"
        packed.writestr("main.py", own)
        packed.writestr("boto3.py", "WHOSE = 'the function\\'s'")
        packed.writestr("lib/added.py", "WHERE = 'on PYTHONPATH'")
    variables = {"PYTHONPATH": "lib", "PYTHONDONTWRITEBYTECODE": ""}
    name = cloud.function("", Code={"ZipFile": archive.getvalue()}, Environment={"Variables": variables})
    assert invoke(cloud, name, {})[1] == ["the function's", "on PYTHONPATH", False]


def test_new_code_runs_from_the_next_invocation_on(cloud: Cloud) -> None:
    name, archive = cloud.function("return 'old'"), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("main.py", "handler = lambda *_: 'new'")
    before = invoke(cloud, name, {})[1]
    cloud.client("lambda").update_function_code(FunctionName=name, ZipFile=archive.getvalue())
    assert (before, invoke(cloud, name, {})[1]) == ("old", "new")


@pytest.mark.skipif(sys.platform != "linux", reason="there each invocation is a new program")
def test_a_function_that_kills_whatever_it_came_from_does_not_stop_the_others(cloud: Cloud) -> None:
    """The process above its supervisor is the one that all functions are copied from, unless it is the server."""
    body = "import os, signal\nof = lambda pid: int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])\n"
    body += "os.kill(of(os.getppid()), signal.SIGKILL)\nreturn 'killed'"
    assert invoke(cloud, cloud.function(body), {})[1] == "killed"
    assert invoke(cloud, cloud.function("return 'alive'"), {})[1] == "alive"


@pytest.mark.skipif(sys.platform != "linux", reason="there each invocation is a new program")
def test_a_call_that_its_origin_did_not_live_to_begin_is_begun_by_the_next(cloud: Cloud) -> None:
    assert invoke(cloud, cloud.function("return 'before'"), {})[1] == "before"
    (origin,) = [pid for pid in children(cloud.server["pid"]) if "zygote.py" in words_of(pid)]
    os.kill(origin, signal.SIGSTOP)  # so that it does not take what it is told
    name = cloud.function("return 'after'")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(invoke, cloud, name, {})
        wait_for(lambda: said(cloud, name), "the call to be made")
        os.kill(origin, signal.SIGKILL)
        assert answer.result()[1] == "after"


def words_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def said(cloud: Cloud, function: str) -> list[str]:
    try:
        return cloud.logs(f"/aws/lambda/{function}")
    except ClientError:  # there is no group before the first line
        return []
