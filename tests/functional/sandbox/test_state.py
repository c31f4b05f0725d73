"""What is kept with `--state` is there again, however the server ended; and what cannot be trusted is refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from opsctl import sandbox
from opsctl.cli.root import root
from opsctl.errors import ConfigurationError, OpsError, RefusedError
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.test_endpoints import at_rest, config, model

LATER = "at(2199-01-01T00:00:00)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a sandbox's directory in it, and a state's."""
    folder = tmp_path_factory.mktemp("kept")
    yield folder
    sandbox.down(folder / "sandbox")


@pytest.fixture(scope="module")
def kept(home: Path) -> Cloud:
    """A sandbox that keeps its state, with something of every service in it."""
    cloud = Cloud(sandbox.up(home / "sandbox", state=home / "state"), home / "sandbox")
    _fill_storage(cloud)
    _fill_messages(cloud)
    _fill_access(cloud)
    _fill_compute(cloud)
    _fill_machines(cloud)
    _begin(cloud)
    return cloud


def test_everything_is_there_after_a_kill(home: Path, kept: Cloud) -> None:
    before = everything(kept)
    answers(kept)
    wait_until_written(kept)
    assert kept.server["port"] < 32_768  # or the system may give it to somebody else before the next server is there
    os.kill(kept.server["pid"], signal.SIGKILL)
    wait_for(lambda: sandbox.status(home / "sandbox") is None, "the server to be gone")
    server = sandbox.up(home / "sandbox", state=home / "state")
    assert {name: server[name] for name in ("url", "state")} == {name: kept.server[name] for name in ("url", "state")}
    assert everything(kept) == before
    answers(kept)
    goes_on(kept)
    is_done(kept)


def test_everything_is_there_after_an_orderly_end_elsewhere(home: Path, kept: Cloud) -> None:
    before = everything(kept)
    down = CliRunner().invoke(root, ["sandbox", "down", "--dir", str(home / "sandbox")])
    assert down.exit_code == 0
    assert down.stderr.endswith(f"sandbox is removed. Its state is kept: opsctl sandbox up --state {home / 'state'}\n")
    assert not (home / "sandbox").exists()
    sandbox.up(home / "sandbox", state=home / "state")
    assert everything(kept) == before
    answers(kept)


def test_one_state_has_one_server(home: Path, kept: Cloud, place: Path) -> None:
    del kept
    with pytest.raises(RefusedError, match="another sandbox keeps its state in"):
        sandbox.up(place, state=home / "state")
    assert not place.exists()
    with pytest.raises(RefusedError, match="the sandbox is up with state"):
        sandbox.up(home / "sandbox", state=home / "other")


def test_a_killed_sandbox_is_not_begun_without_its_state(home: Path, kept: Cloud) -> None:
    wait_until_written(kept)
    os.kill(sandbox.status(home / "sandbox")["pid"], signal.SIGKILL)
    wait_for(lambda: sandbox.status(home / "sandbox") is None, "the server to be gone")
    with pytest.raises(RefusedError, match="keeps its state in") as refusal:
        sandbox.up(home / "sandbox")
    assert refusal.value.hint == (
        f"go on with --state {home / 'state'}, or end it first, which leaves the state: opsctl sandbox down"
    )
    world = home / "state" / "world"
    whole = world.read_bytes()
    for content, message in unreadable(whole):
        world.write_bytes(content)
        with pytest.raises(RefusedError, match=message):
            sandbox.up(home / "sandbox", state=home / "state")
        assert world.read_bytes() == content
    world.write_bytes(whole)
    lost = next((home / "state" / "objects").iterdir())
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(RefusedError, match=f"the content {lost.name} of an object is not there as it was"):
        sandbox.up(home / "sandbox", state=home / "state")
    lost.write_bytes(content)
    with socket.create_server(("127.0.0.1", kept.server["port"])), pytest.raises(ConfigurationError, match="is in use"):
        sandbox.up(home / "sandbox", state=home / "state")
    sandbox.up(home / "sandbox", state=home / "state")
    answers(kept)


def test_what_cannot_be_written_is_said(tmp_path: Path, place: Path) -> None:
    server = sandbox.up(place, state=tmp_path / "state")
    draft = tmp_path / "state" / "world.draft"
    wait_for(lambda: made(draft), "the snapshot under way to be written")  # then it is in the way, as a full disk is
    Cloud(server, place)
    status = ["sandbox", "status", "--dir", str(place)]
    words = f"; what came later could not be written, see {place / 'server.log'}"
    wait_for(lambda: words in CliRunner().invoke(root, status).stdout, "the status to say so")
    with pytest.raises(OpsError, match="the last of its state could not be written"):
        sandbox.down(place)
    draft.rmdir()
    assert sandbox.down(place) is True


def made(directory: Path) -> bool:
    """Whether the directory could be made."""
    try:
        directory.mkdir()
    except FileExistsError:
        return False
    return True


@pytest.mark.parametrize("wrong", ["open", "foreign", "file", "within", "impossible"])
def test_directories_that_are_no_state(tmp_path: Path, place: Path, wrong: str) -> None:
    state = tmp_path / "state"
    if wrong == "file":
        state.write_text("")
    else:
        state.mkdir(mode=0o755 if wrong == "open" else 0o700)
    if wrong == "foreign":
        (state / "thesis.txt").write_text("")
    state = {"within": place / "state", "impossible": Path("/dev/null/state")}.get(wrong, state)
    said = CliRunner().invoke(root, ["sandbox", "up", "--dir", str(place), "--state", str(state)])
    assert said.exit_code == 2
    assert {
        "open": f"others may look into or change {state}\n",
        "foreign": f"{state} is no directory of the sandbox's state: it holds thesis.txt\n",
        "file": "is a file.\n",
        "within": "overlap\n",
        "impossible": "/dev/null/state cannot be used: Not a directory\n",
    }[wrong] in said.stderr.replace("error: ", "")
    assert not place.exists()


def unreadable(whole: bytes) -> Iterator[tuple[bytes, str]]:
    """Contents of a snapshot that nothing may be made of, and what is said of them."""
    line, _, rest = whole.partition(b"\n")
    header = json.loads(line)
    yield whole[:-1], "cannot be read: it was cut off, or changed"
    yield b"", "cannot be read: it does not begin as a state does"
    yield rest, "cannot be read: it does not begin as a state does"
    yield json.dumps({**header, "opsctl": "9.9"}).encode() + b"\n" + rest, "was written by opsctl 9.9, and this is"
    yield json.dumps({**header, "moto": "1.0"}).encode() + b"\n" + rest, "was written by moto 1.0, and this is moto"


def wait_until_written(cloud: Cloud) -> None:
    """Wait until what there is now is on disk."""
    now = time.time()
    cloud.put("moment", "now")
    world = Path(cloud.server["state"]) / "world"

    def written() -> bool:
        return bool(json.loads(world.read_bytes().partition(b"\n")[0])["moment"] > now)

    wait_for(lambda: world.exists() and written(), "the state to be written")


def _fill_storage(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.put_bucket_versioning(Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"})
    for text in ("first", "second"):
        s3.put_object(Bucket=cloud.bucket, Key="page ü+%.txt", Body=text.encode(), Metadata={"a": "b"}, Tagging="x=y")
    cloud.put("gone", "soon")
    s3.delete_object(Bucket=cloud.bucket, Key="gone")
    cloud.put("empty", "")
    upload = s3.create_multipart_upload(Bucket=cloud.bucket, Key="parts")["UploadId"]
    s3.upload_part(Bucket=cloud.bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")


def _fill_messages(cloud: Cloud) -> None:
    queue, arn = cloud.message_queue("letters")
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody="unread")
    topic = cloud.client("sns").create_topic(Name="news")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    cloud.client("sns").publish(TopicArn=topic, Subject="Told", Message="before the end")
    cloud.client("events").create_event_bus(Name="own")
    cloud.client("events").put_rule(Name="rule", EventPattern='{"source": ["mine"]}', EventBusName="own")
    cloud.client("events").put_targets(Rule="rule", EventBusName="own", Targets=[{"Id": "1", "Arn": arn}])
    target = {"Arn": arn, "RoleArn": cloud.role}
    for name, expression in (("once", LATER), ("often", "rate(5 days)")):
        cloud.client("scheduler").create_schedule(
            Name=name, ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="alarm", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", AlarmActions=[topic],
    )  # fmt: skip
    cloud.client("cloudwatch").set_alarm_state(AlarmName="alarm", StateValue="OK", StateReason="tried")


def _fill_access(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    policy = iam.create_policy(PolicyName="policy", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_user(UserName="ada")
    iam.create_access_key(UserName="ada")
    iam.attach_user_policy(UserName="ada", PolicyArn=policy)
    cloud.client("kms").create_alias(
        AliasName="alias/own", TargetKeyId=cloud.client("kms").create_key()["KeyMetadata"]["KeyId"]
    )
    cloud.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    cloud.client("ssm").put_parameter(Name="/own/word", Value="kept", Type="String")
    cloud.client("acm").request_certificate(DomainName="example.com")


def _fill_compute(cloud: Cloud) -> None:
    cloud.function("return event", FunctionName="echo")
    cloud.client("lambda").publish_version(FunctionName="echo")
    cloud.client("lambda").create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    job = cloud.client("batch").submit_job(
        jobName="done", jobQueue=cloud.queue(), jobDefinition=cloud.job_definition(["echo", "well"])
    )
    cloud.batch_job(job["jobId"])
    cloud.train("print('trained')", TrainingJobName="trained")
    name, served = "serving", model(cloud, "one")
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config(cloud, served))
    assert at_rest(cloud, name)["EndpointStatus"] == "InService"
    cloud.client("sagemaker").delete_model(ModelName=served)  # which takes it from no endpoint


def _fill_machines(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    arn = cloud.machine({"Echo": task("arn:aws:states:::lambda:invoke", {"FunctionName": "echo", "Payload.$": "$"})})
    version = states.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
    states.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}]
    )
    states.create_activity(name="by-hand")
    cloud.finish(cloud.start(arn, {"page": 1}, name="before"))


def everything(cloud: Cloud) -> dict[str, Any]:
    """Whole answers, of every service."""
    s3 = {"Bucket": cloud.bucket}
    machine = cloud.client("stepfunctions").list_state_machines()["stateMachines"][0]["stateMachineArn"]
    execution = machine.replace(":stateMachine:", ":execution:") + ":before"
    queue = {"QueueUrl": cloud.client("sqs").get_queue_url(QueueName="letters")["QueueUrl"]}
    asked: list[tuple[str, str, Mapping[str, Any]]] = [
        ("s3", "list_buckets", {}), ("s3", "list_object_versions", s3), ("s3", "list_multipart_uploads", s3),
        ("s3", "get_object_tagging", {**s3, "Key": "page ü+%.txt"}), ("s3", "head_object", {**s3, "Key": "empty"}),
        ("sqs", "list_queues", {}), ("sqs", "get_queue_attributes", {**queue, "AttributeNames": ["All"]}),
        ("sns", "list_topics", {}), ("sns", "list_subscriptions", {}),
        ("events", "list_rules", {"EventBusName": "own"}),
        ("events", "list_targets_by_rule", {"EventBusName": "own", "Rule": "rule"}),
        ("scheduler", "list_schedules", {}), ("scheduler", "get_schedule", {"Name": "once"}),
        ("cloudwatch", "describe_alarms", {}),
        ("iam", "get_account_authorization_details", {}), ("iam", "list_access_keys", {"UserName": "ada"}),
        ("kms", "list_keys", {}), ("kms", "list_aliases", {}),
        ("ssm", "get_parameter", {"Name": "/own/word"}), ("acm", "list_certificates", {}),
        ("lambda", "list_functions", {}), ("lambda", "list_aliases", {"FunctionName": "echo"}),
        ("lambda", "list_versions_by_function", {"FunctionName": "echo"}),
        ("batch", "describe_job_queues", {}), ("batch", "describe_compute_environments", {}),
        ("batch", "describe_job_definitions", {}),
        ("sagemaker", "list_models", {}), ("sagemaker", "describe_endpoint", {"EndpointName": "serving"}),
        ("sagemaker", "describe_training_job", {"TrainingJobName": "trained"}),
        ("stepfunctions", "list_state_machines", {}), ("stepfunctions", "list_activities", {}),
        ("stepfunctions", "list_state_machine_versions", {"stateMachineArn": machine}),
        ("stepfunctions", "list_state_machine_aliases", {"stateMachineArn": machine}),
        ("stepfunctions", "describe_execution", {"executionArn": execution}),
        ("stepfunctions", "get_execution_history", {"executionArn": execution}),
        ("logs", "describe_log_groups", {"logGroupNamePrefix": "/aws/lambda/echo"}),
        ("ec2", "describe_vpcs", {}), ("ec2", "describe_subnets", {}),
        ("ec2", "describe_security_groups", {}), ("ecs", "list_clusters", {}),
    ]  # fmt: skip
    found = {f"{service} {action} {given}": _ask(cloud, service, action, given) for service, action, given in asked}
    versions = cloud.client("s3").list_object_versions(**s3)["Versions"]
    read = cloud.client("s3").get_object
    contents = [
        read(**s3, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
        for one in versions
        if one["Key"] != "moment"
    ]
    job = cloud.client("batch").list_jobs(
        jobQueue=found["batch describe_job_queues {}"]["jobQueues"][0]["jobQueueName"], jobStatus="SUCCEEDED"
    )["jobSummaryList"]
    logs = [cloud.logs(group) for group in ("/aws/batch/job", "/aws/lambda/echo", "/aws/sagemaker/TrainingJobs")]
    return {**found, "contents": contents, "jobs": job, "logs": logs, "mail": cloud.mail()}


def _ask(cloud: Cloud, service: str, action: str, given: Mapping[str, Any]) -> Any:
    answer = getattr(cloud.client(service), action)(**given)
    del answer["ResponseMetadata"]
    if action == "list_object_versions":  # the test's own marks of time
        answer["Versions"] = [one for one in answer["Versions"] if one["Key"] != "moment"]
    return answer


def _begin(cloud: Cloud) -> None:
    """An endpoint that takes long to come, an asynchronous call, and a schedule that is due soon."""
    late = config(cloud, model(cloud, "two", extra="time.sleep(5)"))
    cloud.client("sagemaker").create_endpoint(EndpointName="coming", EndpointConfigName=late)
    _, arn = cloud.message_queue("done")
    cloud.function("import time\ntime.sleep(5)\nreturn event", FunctionName="slow")
    destination = {"OnSuccess": {"Destination": arn}}
    cloud.client("lambda").put_function_event_invoke_config(FunctionName="slow", DestinationConfig=destination)
    cloud.client("lambda").invoke(FunctionName="slow", InvocationType="Event", Payload=b'{"page": 3}')
    cloud.client("scheduler").create_schedule(
        Name="soon", ScheduleExpression=f"at({datetime.now(UTC) + timedelta(seconds=5):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": arn, "RoleArn": cloud.role, "Input": "due"},
    )  # fmt: skip


def is_done(cloud: Cloud) -> None:
    """What was begun has come to its end."""
    assert at_rest(cloud, "coming")["EndpointStatus"] == "InService"
    queue = cloud.client("sqs").get_queue_url(QueueName="done")["QueueUrl"]
    heard: list[str] = []

    def hear() -> bool:
        messages = cloud.client("sqs").receive_message(QueueUrl=queue).get("Messages", [])
        heard.extend(message["Body"] for message in messages)
        return len(heard) == 2

    wait_for(hear, "the call's record and the schedule's word")
    record = json.loads(next(text for text in heard if text != "due"))
    assert "due" in heard
    assert (record["requestContext"]["condition"], record["requestPayload"]) == ("Success", {"page": 3})


def answers(cloud: Cloud) -> None:
    """The endpoint serves, and knows its model."""
    runtime = cloud.client("sagemaker-runtime")
    body = json.dumps({"page": 1}).encode()
    said = runtime.invoke_endpoint(EndpointName="serving", ContentType="application/json", Body=body)
    assert json.load(said["Body"]) == {"model": "one", "page": 1, "greeting": "hello"}


def goes_on(cloud: Cloud) -> None:
    """What was made before works: messages, keys, uploads, topics, machines."""
    queue = cloud.client("sqs").get_queue_url(QueueName="letters")["QueueUrl"]
    read = cloud.client("sqs").receive_message(QueueUrl=queue, VisibilityTimeout=0)  # so that it counts as it did
    assert read["Messages"][0]["Body"] == "unread"
    key = "alias/own"
    secret = cloud.client("kms").encrypt(KeyId=key, Plaintext=b"word")["CiphertextBlob"]
    assert cloud.client("kms").decrypt(CiphertextBlob=secret)["Plaintext"] == b"word"
    s3 = cloud.client("s3")
    upload = s3.list_multipart_uploads(Bucket=cloud.bucket)["Uploads"][0]["UploadId"]
    parts = s3.list_parts(Bucket=cloud.bucket, Key="parts", UploadId=upload)["Parts"]
    s3.complete_multipart_upload(
        Bucket=cloud.bucket, Key="parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": parts[0]["ETag"]}]},
    )  # fmt: skip
    assert cloud.get("parts") == b"part"
    topic = cloud.client("sns").list_topics()["Topics"][0]["TopicArn"]
    count = len(cloud.mail())
    cloud.client("sns").publish(TopicArn=topic, Subject="Told", Message="after the end")
    assert [text.rpartition("\n\n")[2] for text in cloud.mail()[count:]] == ["after the end\n"]
    machine = cloud.client("stepfunctions").list_state_machines()["stateMachines"][0]["stateMachineArn"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        cloud.start(machine, {"page": 2}, name="before")
    assert cloud.finish(cloud.start(f"{machine}:live", {"page": 2}, name=unique("after")))["status"] == "SUCCEEDED"
