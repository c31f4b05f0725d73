"""Clients for the sandbox see nothing of the user's own AWS set-up; errors of AWS become ours."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from opsctl.aws.errors import BY_CODE, explained, from_client_error
from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions, execution_arn
from opsctl.aws.storage import Storage
from opsctl.config import AWS, SANDBOX, Context
from opsctl.domain.objects import Place
from opsctl.errors import AwsError, ConfigurationError, OpsError, RefusedError, ThrottledError, UsageError

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:documents-training"
RUN = execution_arn(MACHINE, "nightly-7")


def sandbox(url: str) -> Aws:
    return Aws(Context(SANDBOX, url, "us-east-1", None, Path()), "us-east-1")


def aws(url: str | None = None, profile: str | None = None) -> Aws:
    return Aws(Context(AWS, url, None, profile, Path()), "eu-west-1")


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Everything in the environment leads elsewhere, or nowhere."""
    config = tmp_path / "config"
    config.write_text("[default]\nendpoint_url = http://127.0.0.1:9\nca_bundle = /garbage\nregion = eu-north-1\n")
    for name, value in {
        "AWS_PROFILE": "missing", "AWS_DEFAULT_PROFILE": "missing", "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_SFN": "http://127.0.0.1:9", "AWS_CA_BUNDLE": "/garbage", "AWS_ACCESS_KEY_ID": "real",
        "AWS_SECRET_ACCESS_KEY": "real", "AWS_SESSION_TOKEN": "real", "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "eu-north-1", "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9",
        "AWS_RETRY_MODE": "garbage", "AWS_MAX_ATTEMPTS": "garbage", "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_DATA_PATH": "/garbage", "REQUESTS_CA_BUNDLE": "/garbage",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hostile")
def test_a_sandbox_client_ignores_the_whole_environment(moto_url: str) -> None:
    connected = sandbox(moto_url)
    client = connected.client("s3")
    for answer in (client.list_buckets(), connected.client("stepfunctions").list_state_machines()):
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    for service in ("s3", "stepfunctions"):
        made = connected.client(service)
        credentials = made._request_signer._credentials
        assert (credentials.access_key, credentials.secret_key, credentials.token) == ("sandbox", "sandbox", None)
        assert (made.meta.endpoint_url, made.meta.region_name) == (moto_url, "us-east-1")
    assert connected.client("s3") is client


def test_on_aws_the_profile_counts() -> None:
    with pytest.raises(ConfigurationError, match=r"The config profile \(missing\) could not be found") as caught:
        aws(profile="missing").client("stepfunctions")
    assert caught.value.hint == "aws configure list-profiles shows those there are"


def test_no_credentials() -> None:
    with pytest.raises(ConfigurationError, match="no AWS credentials found"):
        StepFunctions(aws()).describe(RUN)


def test_nobody_at_the_endpoint() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match="Could not connect to the endpoint URL"):
            StepFunctions(sandbox(url)).describe(RUN)


def answer(connected: Aws, operation: str, code: str, message: str) -> StepFunctions:
    client = connected.client("stepfunctions")
    stubber = Stubber(client)
    stubber.add_client_error(operation, code, message)
    stubber.activate()
    return StepFunctions(connected)


def test_a_missing_permission_is_named_with_its_resource(moto_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        answer(sandbox(moto_url), "describe_execution", "AccessDeniedException", "User: x is not …").describe(RUN)
    assert caught.value.message == f"not allowed: states:DescribeExecution on {RUN}"
    assert caught.value.hint == "ask for a policy that allows it, or use another --profile"


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("ExpiredToken", ConfigurationError, "AWS does not accept these credentials: it\u2019s over"),
        ("ThrottlingException", ThrottledError, "AWS throttles states:X and went on doing so: it\u2019s over"),
        ("com.amazon#StateMachineDoesNotExist", ConfigurationError, "the state machine arn:x does not exist"),
        ("ExecutionDoesNotExist", UsageError, "the run arn:x does not exist, or its history is gone"),
        ("StateMachineTypeNotSupported", RefusedError, "arn:x is an Express machine; states:X works on Standard ones"),
        ("NoSuchBucket", ConfigurationError, "the bucket of arn:x does not exist"),
        ("SomethingNew", AwsError, "states:X failed (SomethingNew): it\u2019s over"),
    ],
)
def test_each_code_has_a_meaning(code: str, kind: type[OpsError], message: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "it\u2019s\n over"}}, "X")  # type: ignore[arg-type]
    found = from_client_error(error, "states:X", "arn:x", "terraform apply")
    assert (type(found), found.message) == (kind, message)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("ExecutionAlreadyExists", RefusedError, "a run nightly-7 exists already"),
        ("StateMachineDoesNotExist", ConfigurationError, f"the state machine {MACHINE} does not exist"),
        ("AccessDeniedException", ConfigurationError, f"not allowed: states:StartExecution on {MACHINE}"),
    ],
)
def test_what_cannot_be_started_is_named(moto_url: str, code: str, kind: type[OpsError], message: str) -> None:
    with pytest.raises(kind) as caught:
        answer(sandbox(moto_url), "start_execution", code, "x").start(MACHINE, "nightly-7", "{}")
    assert caught.value.message == message


def test_in_the_sandbox_the_remedy_is_the_sandboxes_own_terraform(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    inside, outside = Path.cwd() / ".opsctl/sandbox/terraform", Path("/somewhere/sandbox/terraform")
    for outputs, kind, command in (
        (inside, SANDBOX, ".opsctl/sandbox/bin/terraform apply"),
        (outside, SANDBOX, "/somewhere/sandbox/bin/terraform apply"),
        (inside, AWS, "terraform apply"),
    ):
        connected = Aws(Context(kind, moto, "us-east-1", None, outputs), "us-east-1")
        with pytest.raises(ConfigurationError) as no_machine:
            StepFunctions(connected).definition(MACHINE)
        assert no_machine.value.message == f"the state machine {MACHINE} does not exist"
        with pytest.raises(ConfigurationError) as no_bucket:
            list(Storage(connected).list(Place("missing", "runs/")))
        assert no_bucket.value.message == "the bucket of s3://missing/runs/ does not exist"
        assert no_machine.value.hint == no_bucket.value.hint == f"run {command}"


def test_the_table_formats() -> None:
    for code in BY_CODE:
        assert from_client_error(ClientError({"Error": {"Code": code}}, "X"), "states:X", "arn:x", "apply").message


def test_what_is_no_error_of_aws_passes() -> None:
    with pytest.raises(ZeroDivisionError), explained("x", "y", "z"):
        _ = 1 / 0


def test_a_run_that_aws_does_not_know_yet_has_no_events(moto_url: str) -> None:
    missing = ("get_execution_history", "ExecutionDoesNotExist", "Execution Does Not Exist")
    assert answer(sandbox(moto_url), *missing).events_after(RUN, 0) == []
    with pytest.raises(UsageError):
        answer(sandbox(moto_url), *missing).events_after(RUN, 7)
    assert answer(sandbox(moto_url), "describe_execution", *missing[1:]).find(MACHINE, "nightly-7") is None
    with pytest.raises(AwsError):
        answer(sandbox(moto_url), "describe_execution", "Boom", "x").find(MACHINE, "nightly-7")


def test_news_are_read_backwards_until_what_is_known(moto_url: str) -> None:
    connected = sandbox(moto_url)
    client = connected.client("stepfunctions")
    events: list[dict[str, Any]] = [
        {"id": n, "timestamp": 1.0, "type": "PassStateEntered", "previousEventId": n - 1} for n in range(9, 0, -1)
    ]
    page = {"executionArn": RUN, "reverseOrder": True, "maxResults": 100}
    with Stubber(client) as stubber:
        stubber.add_response("get_execution_history", {"events": events[:4], "nextToken": "n"}, page)
        stubber.add_response(
            "get_execution_history", {"events": events[4:8], "nextToken": "m"}, page | {"nextToken": "n"}
        )
        assert [event["id"] for event in StepFunctions(connected).events_after(RUN, 3)] == [4, 5, 6, 7, 8, 9]
        stubber.assert_no_pending_responses()


def test_runs_and_definitions_from_moto(moto: str) -> None:
    connected = sandbox(moto)
    client, states = connected.client("stepfunctions"), StepFunctions(connected)
    definition = '{"StartAt":"Done","States":{"Done":{"Type":"Succeed"}}}'
    role = "arn:aws:iam::123456789012:role/x"
    arn = client.create_state_machine(name="m", definition=definition, roleArn=role)["stateMachineArn"]
    assert states.definition(arn)["StartAt"] == "Done"
    started = states.start(arn, "first", "{}")
    assert started == execution_arn(arn, "first")
    run = states.describe(started)
    assert (run.name, run.input, run.machine_arn) == ("first", "{}", arn)
    assert isinstance(run.started, float)
    assert [listed.name for listed in states.runs(arn)] == ["first"]
    assert states.definition_of_run(started)["StartAt"] == "Done"
    assert next(states.history(started))["type"] == "ExecutionStarted"
