"""Faults on purpose: what clients and states see of them, and how they are administered."""

from __future__ import annotations

import fcntl
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from click.testing import CliRunner

from opsctl import sandbox
from opsctl.cli.root import root
from tests.functional.sandbox import command
from tests.functional.sandbox.cloud import Cloud, unique, wait_for


@pytest.fixture
def faulty(cloud: Cloud) -> Iterator[Cloud]:
    """The sandbox, with no fault left after the test."""
    yield cloud
    sandbox.clear_faults(cloud.directory)


def opsctl(cloud: Cloud, *arguments: str, code: int = 0) -> str:
    command = ["sandbox", "fault", *arguments, "--dir", str(cloud.directory)]
    result = CliRunner().invoke(root, command, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def add(cloud: Cloud, action: str, **fault: Any) -> int:
    return int(sandbox.add_fault(cloud.directory, {"action": action, **fault})["id"])


def met(cloud: Cloud) -> list[tuple[int, int]]:
    """How many requests each fault has met, of how many seen."""
    return [(fault["applied"], fault["seen"]) for fault in sandbox.list_faults(cloud.directory)]


def once(cloud: Cloud, service: str) -> Any:
    """A client that asks once, so that an error is seen and not tried again."""
    return boto3.client(
        service,
        region_name=cloud.server["region"],
        endpoint_url=cloud.server["url"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("service", "method", "action", "code", "status"),
    [
        ("sagemaker", "list_training_jobs", "sagemaker:ListTrainingJobs", "ThrottlingException", 400),
        ("batch", "describe_job_queues", "batch:DescribeJobQueues", "ServerException", 500),
        ("sns", "list_topics", "sns:ListTopics", "InternalError", 500),
        ("lambda", "list_functions", "lambda:ListFunctions", "TooManyRequestsException", 429),
        ("s3", "list_buckets", "s3:ListBuckets", "AccessDenied", 403),
        ("stepfunctions", "list_state_machines", "states:ListStateMachines", "ExpiredTokenException", 400),
        ("events", "list_rules", "events:*", "InternalException", 500),
    ],
)
def test_a_client_of_each_protocol_sees_the_error_once(
    faulty: Cloud, service: str, method: str, action: str, code: str, status: int
) -> None:
    add(faulty, action, error=code, times=1)
    ask = getattr(once(faulty, service), method)
    with pytest.raises(ClientError) as caught:
        ask()
    response: Any = caught.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
    ask()
    assert met(faulty) == [(1, 1)]


def test_s3_has_many_actions_on_one_path(faulty: Cloud) -> None:
    """Each of them alone is refused, so each is known from the others."""
    s3, place = once(faulty, "s3"), {"Bucket": faulty.bucket, "Key": "thing"}
    faulty.put("thing", "text")
    calls: dict[str, Any] = {
        "GetObject": lambda: s3.get_object(**place),
        "HeadObject": lambda: s3.head_object(**place),
        "PutObject": lambda: s3.put_object(**place, Body=b""),
        "CopyObject": lambda: s3.copy_object(Bucket=faulty.bucket, Key="copy", CopySource=place),
        "PutObjectTagging": lambda: s3.put_object_tagging(**place, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
        "ListObjectsV2": lambda: s3.list_objects_v2(Bucket=faulty.bucket),
        "ListObjects": lambda: s3.list_objects(Bucket=faulty.bucket),
        "DeleteObjects": lambda: s3.delete_objects(Bucket=faulty.bucket, Delete={"Objects": [{"Key": "other"}]}),
        "CreateMultipartUpload": lambda: s3.create_multipart_upload(**place),
    }
    refused = {}
    for action in calls:
        fault = add(faulty, f"s3:{action}", error="SlowDown")
        refused[action] = [name for name, call in calls.items() if _fails(call)]
        sandbox.clear_faults(faulty.directory, [fault])
    assert refused == {action: [action] for action in calls}


def _fails(call: Any) -> bool:
    try:
        call()
    except ClientError:
        return True
    return False


def test_a_states_retry_meets_the_fault_until_it_is_used_up(faulty: Cloud) -> None:
    topic = faulty.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    retry = [{"ErrorEquals": ["SNS.ThrottledException"], "IntervalSeconds": 1, "MaxAttempts": 1, "BackoffRate": 1}]
    publish = {"TopicArn": topic, "Message": "hello"}
    add(faulty, "sns:Publish", error="Throttled", times=1)
    assert faulty.task("sns:publish", publish, Retry=retry)["status"] == "SUCCEEDED"
    add(faulty, "sns:Publish", error="Throttled", times=2)
    failed = faulty.task("sns:publish", publish, Retry=retry)
    assert (failed["status"], failed["error"]) == ("FAILED", "SNS.ThrottledException")
    assert met(faulty) == [(1, 1), (2, 2)]


def test_only_requests_with_the_text_are_met(faulty: Cloud) -> None:
    add(faulty, "s3:GetObject", error="AccessDenied", match="/secret of mine")
    add(faulty, "sns:CreateTopic", error="AuthorizationError", match="loud")
    faulty.put("secret of mine", "x")
    faulty.put("other", "y")
    assert faulty.get("other") == b"y"
    with pytest.raises(ClientError, match="on purpose"):
        faulty.get("secret of mine")
    faulty.client("sns").create_topic(Name="quiet")
    with pytest.raises(ClientError, match="on purpose"):
        faulty.client("sns").create_topic(Name="loud")


@pytest.mark.parametrize(("lost", "stored"), [("request", []), ("answer", ["precious"])])
def test_a_dropped_connection_loses_the_request_or_the_answer(faulty: Cloud, lost: str, stored: list[str]) -> None:
    bucket = unique("bucket")
    faulty.client("s3").create_bucket(Bucket=bucket)
    add(faulty, "s3:PutObject", drop=lost, match=bucket)
    with pytest.raises(ConnectionClosedError):
        once(faulty, "s3").put_object(Bucket=bucket, Key="precious", Body=b"1")
    listed = faulty.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    assert [entry["Key"] for entry in listed] == stored


def test_a_late_answer_comes_at_once_when_the_fault_is_cleared(faulty: Cloud) -> None:
    add(faulty, "sts:GetCallerIdentity", delay=600)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(faulty.client("sts").get_caller_identity()))
    faulty.client("sts")
    asking.start()
    wait_for(lambda: met(faulty) == [(1, 1)], "the request to arrive")
    time.sleep(0.1)
    assert answers == []
    sandbox.clear_faults(faulty.directory)
    asking.join(120)
    assert [answer["Account"] for answer in answers] == [faulty.server["account"]]


def test_the_same_seed_fails_the_same_requests(faulty: Cloud) -> None:
    def pattern(seed: int) -> list[bool]:
        fault = add(faulty, "sqs:ListQueues", error="RequestThrottled", rate=0.3, seed=seed)
        client = once(faulty, "sqs")
        failed = [_fails(client.list_queues) for _ in range(30)]
        sandbox.clear_faults(faulty.directory, [fault])
        return failed

    first, again, other = pattern(7), pattern(7), pattern(8)
    assert first == again != other
    assert 3 <= sum(first) <= 15


def test_the_command_adds_lists_and_clears(faulty: Cloud) -> None:
    added = json.loads(
        opsctl(faulty, "add", "SageMaker:createtrainingjob", "--error", "Boom", "--times", "5", "-o", "json")
    )
    first = added["id"]
    assert added == {
        "id": first, "action": "sagemaker:CreateTrainingJob", "match": None, "error": "Boom", "status": None,
        "delay": 0.0, "drop": None, "duplicate": 0, "stale": 0.0, "reorder": 0, "job": None, "exit_code": None,
        "notice": None, "times": 5,
        "rate": 1.0, "seed": 0, "seen": 0, "applied": 0,
    }  # fmt: skip
    opsctl(faulty, "add", "s3:Put*", "--delay", "0.5", "--drop", "answer", "--rate", "0.3", "--match", "models/")
    shown = [line.split("  ") for line in opsctl(faulty, "list").splitlines()]
    assert [[cell.strip() for cell in line if cell.strip()] for line in shown] == [
        ["FAULT", "ACTION", "WHAT", "WHEN", "MET", "REQUESTS WITH"],
        [str(first), "sagemaker:CreateTrainingJob", "Boom", "5 times", "0 of 0"],
        [str(first + 1), "s3:Put*", "0.5 s late, answer lost", "30%, until cleared", "0 of 0", "models/"],
    ]
    assert str(first) in opsctl(faulty, "clear", str(first))
    assert opsctl(faulty, "clear", str(first), code=2).startswith(f"error: there is no fault {first}\n")
    opsctl(faulty, "clear")
    assert met(faulty) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sagemaker:CreateTrainingJbo", "--error", "X"], "did you mean sagemaker:CreateTrainingJob"),
        (["sagmaker:CreateTrainingJob", "--error", "X"], "did you mean sagemaker"),
        (["CreateTrainingJob", "--error", "X"], "name a service"),
        (["s3:GetObject"], "does nothing"),
        (["s3:GetObject", "--error", "X\r\nY: 1"], "a word such as ThrottlingException"),
        (["s3:GetObject", "--error", "<X>"], "a word such as ThrottlingException"),
        (["s3:GetObject", "--error", "X", "--drop", "answer"], "cannot be dropped"),
        (["s3:GetObject", "--delay", "1", "--status", "500"], "goes with an error"),
        (["s3:GetObject", "--error", "X", "--rate", "1.5"], "rate is a number from 0 to 1, not 1.5"),
        (["s3:GetObject", "--error", "X", "--times", "0"], "times is a number of at least 1, not 0"),
        (["s3:GetObject", "--drop", "both"], "'both' is not one of"),
        (["s3:GetObject", "--stale", "5"], "S3 is never stale"),
        (["sns:Publish", "--stale", "5"], "only what reads can be stale, and sns:Publish changes something"),
        (["sns:ListTopics", "--stale", "5", "--duplicate", "1"], "goes with no error, drop or duplicate"),
        (["sns:ListTopics", "--stale", "-1"], "stale is a number from 0 to 900, not -1"),
        (["sns:Publish", "--reorder", "2"], "only deliveries come out of order (events:delivery and sns:delivery)"),
        (["sns:delivery", "--reorder", "1"], "reorder is a number from 2 to 100, not 1"),
        (["events:delivery", "--drop", "request"], "to refuse or lose it, name the action that delivers"),
        (["sqs:delivery", "--delay", "1"], "sqs has no action 'delivery'"),
        (["s3:GetObject", "--job", "killed"], "only batch:SubmitJob and sagemaker:CreateTrainingJob start a job"),
        (["s3:GetObject", "--exit-code", "3"], "only batch:SubmitJob and sagemaker:CreateTrainingJob start a job"),
        (["batch:SubmitJob", "--job", "tired"], "'tired' is not one of"),
        (["batch:SubmitJob", "--job", "corrupt-model"], "a Batch job leaves no model"),
        (["batch:SubmitJob", "--job", "killed", "--error", "X"], "is all that its request meets"),
        (["batch:SubmitJob", "--job", "killed", "--exit-code", "3"], "give it one or the other"),
        (["batch:SubmitJob", "--job", "hangs", "--notice", "3"], "goes with the job fault spot-interruption"),
        (["batch:SubmitJob", "--exit-code", "256"], "exit_code is a number from 0 to 255, not 256"),
    ],
)
def test_what_is_no_fault_is_refused_in_one_line(faulty: Cloud, arguments: list[str], said: str) -> None:
    output = opsctl(faulty, "add", *arguments, code=2)
    assert said in output
    assert [line for line in output.splitlines() if line.startswith("error:")] == [output.splitlines()[0]]
    assert met(faulty) == []


@pytest.mark.parametrize("body", [b"[" * 200_000, b"[1]", b'"x"', b"{", b"\xff", b'{"action": ["s3:*"]}'])
def test_what_is_no_fault_is_a_bad_request(faulty: Cloud, body: bytes) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(urllib.request.Request(f"{faulty.server['url']}/_sandbox/faults", body, method="POST"))


def test_without_a_sandbox_there_is_nothing_to_break(tmp_path: Any) -> None:
    result = CliRunner().invoke(root, ["sandbox", "fault", "list", "--dir", str(tmp_path / "none")])
    assert result.exit_code == 4
    assert "opsctl sandbox up" in result.output


def test_a_sandbox_that_fails_itself_is_told_of_in_a_line(tmp_path: Path) -> None:
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500)

        def log_message(self, *_: object) -> None: ...

    lock = tmp_path / "server.lock"
    with HTTPServer(("127.0.0.1", 0), Failing) as server, lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (tmp_path / "server.json").write_text(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}))
        threading.Thread(target=server.handle_request).start()
        result = CliRunner().invoke(root, ["sandbox", "fault", "list", "--dir", str(tmp_path)], standalone_mode=True)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: the sandbox failed: HTTP Error 500: Internal Server Error",
        f"hint: see {tmp_path / 'server.log'}",
    ]


def test_a_request_can_be_carried_out_more_than_once(faulty: Cloud) -> None:
    machine = faulty.machine({"Done": {"Type": "Pass", "End": True}})
    told = opsctl(faulty, "add", "states:StartExecution", "--duplicate", "2", "--match", machine)
    assert "2 times more" in told
    answer = once(faulty, "stepfunctions").start_execution(stateMachineArn=machine)
    found = faulty.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert len(found) == 3
    assert answer["executionArn"] in {entry["executionArn"] for entry in found}
    assert met(faulty) == [(1, 1)]
    refused = opsctl(faulty, "add", "states:StartExecution", "--duplicate", "1", "--drop", "request", code=2)
    assert "a request that is not carried out cannot be carried out twice" in refused


def test_a_stale_answer_is_what_was_so_before(faulty: Cloud) -> None:
    client = once(faulty, "stepfunctions")
    machine = faulty.machine({"Done": {"Type": "Pass", "End": True}})

    def runs() -> list[str]:
        return [entry["name"] for entry in client.list_executions(stateMachineArn=machine)["executions"]]

    added = opsctl(faulty, "add", "states:*", "--stale", "600", "--match", machine)
    assert "up to 600 s stale" in added
    assert runs() == []
    faulty.start(machine, name="first")  # what changes something is never stale
    assert runs() == []
    assert met(faulty) == [(2, 2)]
    opsctl(faulty, "clear")
    assert runs() == ["first"]


def test_refusals_are_remembered_too_and_forgotten_in_time(faulty: Cloud) -> None:
    client, name = once(faulty, "sqs"), unique("queue")
    add(faulty, "sqs:GetQueueUrl", stale=0.2, match=name)
    assert _fails(lambda: client.get_queue_url(QueueName=name))
    client.create_queue(QueueName=name)
    wait_for(lambda: not _fails(lambda: client.get_queue_url(QueueName=name)), "the queue to be seen")


@pytest.mark.parametrize(
    ("code", "said", "remedy"),
    [
        (
            "ExpiredTokenException",
            "AWS does not accept these credentials: ExpiredTokenException on purpose: fault {id} of this sandbox",
            "log in again (aws sso login), or choose other credentials with --profile",
        ),
        (
            "AccessDeniedException", "not allowed: states:StartExecution on {machine}",
            "ask for a policy that allows it, or use another --profile",
        ),
    ],
)  # fmt: skip
def test_a_command_without_leave_says_what_it_needs_and_starts_nothing(
    faulty: Cloud, code: str, said: str, remedy: str
) -> None:
    machine = faulty.machine({"Done": {"Type": "Pass", "End": True}})
    fault = add(faulty, "states:StartExecution", error=code, match=machine)
    result = command.opsctl(faulty, machine, "start", "--name", "one")
    assert (result.exit_code, result.stderr.splitlines()) == (4, [
        f"error: {said.format(id=fault, machine=machine)}", f"hint: {remedy}",
    ])  # fmt: skip
    sandbox.clear_faults(faulty.directory)
    assert command.opsctl(faulty, machine, "start", "--name", "one").exit_code == 0
