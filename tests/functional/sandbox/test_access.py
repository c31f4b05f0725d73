"""A sandbox that enforces IAM: users, functions, jobs and machines do what their policies allow, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, ended, task, unique, wait_for

ACCOUNT = "arn:aws:iam::123456789012"
HERE = "us-east-1:123456789012"
Statements = list[dict[str, Any]]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A sandbox of its own, since the shared one enforces nothing."""
    directory = tmp_path_factory.mktemp("guarded") / "sandbox"
    server = sandbox.up(directory, enforce_iam=True)
    assert server["enforce_iam"] is True
    yield Cloud(server, directory)
    sandbox.down(directory)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def role(cloud: Cloud, service: str, *statements: dict[str, Any], **options: str) -> str:
    """A role that a service may assume, with these statements as its one inline policy; returns its ARN."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}
    iam, name = cloud.client("iam"), unique(service)
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust), **options)["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=document(*statements))
    return arn


class User:
    """A user with an access key and an inline policy."""

    def __init__(self, cloud: Cloud, *statements: dict[str, Any], **options: str) -> None:
        iam = cloud.client("iam")
        self.cloud = cloud
        self.name = unique("user")
        iam.create_user(UserName=self.name, **options)
        if statements:
            iam.put_user_policy(UserName=self.name, PolicyName="own", PolicyDocument=document(*statements))
        key = iam.create_access_key(UserName=self.name)["AccessKey"]
        self.keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def client(self, service: str) -> Any:
        server = self.cloud.server
        return boto3.session.Session().client(
            service, region_name=server["region"], endpoint_url=server["url"], **self.keys
        )


def refused(call: Any, **parameters: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


MACHINE = f"arn:aws:states:{HERE}:stateMachine:m"
TOPIC = f"arn:aws:sns:{HERE}:t"


@pytest.mark.parametrize(
    ("service", "call", "parameters", "answer", "what"),
    [
        ("stepfunctions", "start_execution", {"stateMachineArn": MACHINE}, (400, "AccessDeniedException"),
         f"states:StartExecution on resource: {MACHINE}"),
        ("s3", "get_object", {"Bucket": "b", "Key": "a/ü"}, (403, "AccessDenied"),
         "s3:GetObject on resource: arn:aws:s3:::b/a/ü"),
        ("s3", "list_buckets", {}, (403, "AccessDenied"), "s3:ListAllMyBuckets on resource: *"),
        ("sns", "publish", {"TopicArn": TOPIC, "Message": "m"}, (403, "AuthorizationError"),
         f"SNS:Publish on resource: {TOPIC}"),
        ("lambda", "invoke", {"FunctionName": f"arn:aws:lambda:{HERE}:function:f"}, (403, "AccessDeniedException"),
         f"lambda:InvokeFunction on resource: arn:aws:lambda:{HERE}:function:f"),
        ("logs", "filter_log_events", {"logGroupName": "/g"}, (400, "AccessDeniedException"),
         f"logs:FilterLogEvents on resource: arn:aws:logs:{HERE}:log-group:/g:log-stream:"),
        ("batch", "submit_job", {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}, (403, "AccessDeniedException"),
         f"batch:SubmitJob on resource: arn:aws:batch:{HERE}:job-definition/d"),
        ("iam", "get_role", {"RoleName": "r"}, (403, "AccessDenied"), f"iam:GetRole on resource: {ACCOUNT}:role/r"),
        ("events", "put_rule", {"Name": "r", "EventPattern": "{}"}, (400, "AccessDeniedException"),
         f"events:PutRule on resource: arn:aws:events:{HERE}:rule/r"),
    ],
)  # fmt: skip
def test_what_no_policy_allows_is_denied_in_the_services_own_words(
    cloud: Cloud, service: str, call: str, parameters: dict, answer: tuple[int, str], what: str
) -> None:
    user = User(cloud)
    status, code, message = refused(getattr(user.client(service), call), **parameters)
    assert (status, code) == answer
    wanted = f"User: {ACCOUNT}:user/{user.name} is not authorized to perform: {what}"
    assert message.lower() == wanted.lower()


def test_a_key_that_nobody_has(cloud: Cloud) -> None:
    user = User(cloud)
    user.keys["aws_access_key_id"] = "AKIAIOSFODNN7EXAMPLE"
    assert refused(user.client("s3").list_buckets)[:2] == (403, "InvalidAccessKeyId")
    assert refused(user.client("stepfunctions").list_activities)[:2] == (403, "UnrecognizedClientException")
    assert refused(user.client("sts").get_caller_identity)[:2] == (403, "InvalidClientTokenId")


def test_a_policy_allows_what_it_names(cloud: Cloud) -> None:
    key = cloud.put("mine/x", "text").removeprefix("s3://")
    user = User(
        cloud,
        allow("s3:GetObject", f"arn:aws:s3:::{cloud.bucket}/mine/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{cloud.bucket}", Condition={"StringLike": {"s3:prefix": "mine/*"}}),
    )
    s3 = user.client("s3")
    assert s3.get_object(Bucket=cloud.bucket, Key="mine/x")["Body"].read() == b"text"
    assert s3.list_objects_v2(Bucket=cloud.bucket, Prefix="mine/")["KeyCount"] == 1
    assert refused(s3.list_objects_v2, Bucket=cloud.bucket)[1] == "AccessDenied"
    assert refused(s3.put_object, Bucket=cloud.bucket, Key="mine/y")[1] == "AccessDenied"
    copy = {"Bucket": cloud.bucket, "Key": "mine/y", "CopySource": key}
    assert "s3:PutObject" in refused(s3.copy_object, **copy)[2]
    # Whoever may not list is not told that an object is missing.
    assert refused(s3.get_object, Bucket=cloud.bucket, Key="mine/none")[:2] == (403, "AccessDenied")


def test_a_start_on_an_alias_is_about_the_machine(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    made = role(cloud, "states")
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}})
    made = states.create_state_machine(name=unique("machine"), definition=definition, roleArn=made, publish=True)
    machine, version = made["stateMachineArn"], made["stateMachineVersionArn"]
    routes = [{"stateMachineVersionArn": version, "weight": 100}]
    live, other = (
        states.create_state_machine_alias(name=name, routingConfiguration=routes)["stateMachineAliasArn"]
        for name in ("live", "other")
    )
    whole = User(cloud, allow("states:StartExecution", machine)).client("stepfunctions")
    assert all(whole.start_execution(stateMachineArn=arn)["executionArn"] for arn in (machine, version, live))
    named = User(cloud, allow("states:StartExecution", live)).client("stepfunctions")
    assert f"on resource: {machine}" in refused(named.start_execution, stateMachineArn=live)[2]
    only = {"StringEquals": {"states:StateMachineQualifier": "live"}}
    scoped = User(cloud, allow("states:StartExecution", machine, Condition=only)).client("stepfunctions")
    assert scoped.start_execution(stateMachineArn=live)["executionArn"]
    assert refused(scoped.start_execution, stateMachineArn=other)[1] == "AccessDeniedException"
    assert refused(scoped.start_execution, stateMachineArn=machine)[1] == "AccessDeniedException"


def test_a_deny_and_a_boundary_win(cloud: Cloud) -> None:
    boundary = cloud.client("iam").create_policy(
        PolicyName=unique("boundary"), PolicyDocument=document(allow("s3:*"), allow("states:ListActivities"))
    )["Policy"]["Arn"]
    denied = {"Effect": "Deny", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    user = User(cloud, allow("*"), denied)
    assert refused(user.client("s3").list_buckets)[1] == "AccessDenied"
    assert user.client("stepfunctions").list_activities()["activities"] == []
    bounded = role(cloud, "lambda", allow("*"), PermissionsBoundary=boundary)
    body = "import boto3\nboto3.client('stepfunctions').list_activities()\nboto3.client('sqs').list_queues()"
    name = cloud.function(body, Role=bounded)
    error = json.loads(cloud.client("lambda").invoke(FunctionName=name)["Payload"].read())
    assert "ListQueues" in error["errorMessage"]
    assert "not authorized to perform: sqs:ListQueues" in error["errorMessage"]


def test_a_buckets_policy_binds_and_admits(cloud: Cloud) -> None:
    admitted, bound = User(cloud), User(cloud, allow("s3:*"))
    bucket = unique("bucket")
    cloud.client("s3").create_bucket(Bucket=bucket)
    read = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": f"{ACCOUNT}:user/{admitted.name}"})
    keep = {
        **allow("s3:DeleteObject", f"arn:aws:s3:::{bucket}/runs/*", Principal="*", Sid="KeepRuns"),
        "Effect": "Deny",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": f"{ACCOUNT}:user/{admitted.name}"}},
    }
    tls = {
        **allow("s3:*", f"arn:aws:s3:::{bucket}/*", Principal="*"),
        "Effect": "Deny",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    cloud.client("s3").put_bucket_policy(Bucket=bucket, Policy=document(read, keep, tls))
    cloud.client("s3").put_object(Bucket=bucket, Key="runs/x", Body=b"x")
    assert admitted.client("s3").get_object(Bucket=bucket, Key="runs/x")["Body"].read() == b"x"
    assert refused(bound.client("s3").delete_object, Bucket=bucket, Key="runs/x")[1] == "AccessDenied"
    bound.client("s3").delete_object(Bucket=bucket, Key="else")
    used = {entry["sid"]: entry for entry in sandbox.statements_used(cloud.directory)}
    assert used["KeepRuns"]["alone"] == {"s3:DeleteObject": 1}


def test_a_function_works_as_its_role(cloud: Cloud) -> None:
    write = allow("s3:PutObject", f"arn:aws:s3:::{cloud.bucket}/out/*", Sid="Write")
    worker = role(cloud, "lambda", write)
    body = "import boto3\ns3 = boto3.client('s3')\ns3.put_object(Bucket=event['bucket'], Key=event['key'])\n"
    name = cloud.function(f"{body}return boto3.client('sts').get_caller_identity()['Arn']", Role=worker)

    def invoke(key: str) -> Any:
        event = json.dumps({"bucket": cloud.bucket, "key": key}).encode()
        return json.loads(cloud.client("lambda").invoke(FunctionName=name, Payload=event)["Payload"].read())

    session = f"arn:aws:sts::123456789012:assumed-role/{worker.rpartition('/')[2]}/{name}"
    assert invoke("out/x") == session
    assert f"User: {session} is not authorized to perform: s3:PutObject" in invoke("else/x")["errorMessage"]
    used = {(entry["owner"], entry["sid"]): entry for entry in sandbox.statements_used(cloud.directory)}
    assert used[worker, "Write"]["alone"] == {"s3:PutObject": 1}
    # Its role may not write logs: the function works, and nobody reads what it prints.
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    assert groups == []


def test_a_function_whose_role_trusts_somebody_else(cloud: Cloud) -> None:
    name = cloud.function("return 1", Role=role(cloud, "states"))
    answer = refused(cloud.client("lambda").invoke, FunctionName=name)
    assert answer[1:] == ("AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.")


def machine(cloud: Cloud, machine_role: str, states: dict[str, Any]) -> str:
    definition = {"StartAt": next(iter(states)), "States": states}
    made = cloud.client("stepfunctions").create_state_machine(
        name=unique("machine"), definition=json.dumps(definition), roleArn=machine_role
    )
    arn: str = made["stateMachineArn"]
    return arn


def outcome(cloud: Cloud, arn: str) -> dict[str, Any]:
    execution = cloud.start(arn)
    describe = cloud.client("stepfunctions").describe_execution
    return wait_for(lambda: ended(describe(executionArn=execution)), "the execution to end")


def test_a_state_calls_as_its_machines_role(cloud: Cloud) -> None:
    name = cloud.function("return 7", Role=role(cloud, "lambda"))
    arn = f"arn:aws:lambda:{HERE}:function:{name}"
    for state in (task("lambda:invoke", {"FunctionName": name}), task(arn, {})):
        good = outcome(cloud, machine(cloud, role(cloud, "states", allow("lambda:InvokeFunction", arn)), {"A": state}))
        assert good["status"] == "SUCCEEDED"
        bad = outcome(cloud, machine(cloud, role(cloud, "states"), {"A": state}))
        assert (bad["status"], bad["error"]) == ("FAILED", "Lambda.AWSLambdaException")
        assert f"is not authorized to perform: lambda:InvokeFunction on resource: {arn}" in bad["cause"]


TRAINS = {"A": task("sagemaker:createTrainingJob.sync", {"TrainingJobName": "x"})}


@pytest.mark.parametrize(
    ("service", "statements", "message"),
    [
        ("lambda", [], "Neither the global service principal states.amazonaws.com, nor the regional one is authorized"),
        ("states", [], "is not authorized to create managed-rule."),
    ],
)
def test_a_machine_whose_role_will_not_do(cloud: Cloud, service: str, statements: Statements, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        machine(cloud, role(cloud, service, *statements), TRAINS)


def test_who_makes_a_machine_passes_its_role(cloud: Cloud) -> None:
    own = role(cloud, "states")
    user = User(cloud, allow("states:CreateStateMachine"), allow("iam:PassRole", own, Condition={
        "StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}
    }))  # fmt: skip
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    create = user.client("stepfunctions").create_state_machine
    assert (
        f"iam:PassRole on resource: {own}" in refused(create, name=unique("m"), definition=definition, roleArn=own)[2]
    )


def test_a_training_job_reads_and_writes_as_its_role(cloud: Cloud) -> None:
    bucket = f"arn:aws:s3:::{cloud.bucket}"
    reads = [allow("s3:ListBucket", bucket), allow("s3:GetObject", f"{bucket}/code/*")]
    program = "import pathlib; pathlib.Path(__file__).parents[3].joinpath('model', 'm').write_text('m')"
    without = cloud.train(program, RoleArn=role(cloud, "sagemaker"))
    assert without["TrainingJobStatus"] == "Failed"
    assert "is not authorized to perform: s3:ListBucket" in without["FailureReason"]
    reading = cloud.train(program, RoleArn=role(cloud, "sagemaker", *reads))
    assert "is not authorized to perform: s3:PutObject" in reading["FailureReason"]
    both = cloud.train(program, RoleArn=role(cloud, "sagemaker", *reads, allow("s3:PutObject", f"{bucket}/out/*")))
    assert both["TrainingJobStatus"] == "Completed"
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/pytorch:2"
    pulls = cloud.train(
        program, RoleArn=role(cloud, "sagemaker", *reads), AlgorithmSpecification={"TrainingImage": image}
    )
    assert "is not authorized to perform: ecr:GetAuthorizationToken" in pulls["FailureReason"]


def test_a_batch_job_works_as_its_roles(cloud: Cloud) -> None:
    queue = cloud.queue()
    command = ["python3", "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"]
    logs = allow(["logs:CreateLogStream", "logs:CreateLogGroup", "logs:PutLogEvents"])
    executing, working = role(cloud, "ecs-tasks", logs), role(cloud, "ecs-tasks")
    strange = role(cloud, "lambda")

    def run(job_role: str) -> dict[str, Any]:
        definition = cloud.job_definition(command, container={"executionRoleArn": executing, "jobRoleArn": job_role})
        job = cloud.client("batch").submit_job(jobName="who", jobQueue=queue, jobDefinition=definition)["jobId"]
        return cloud.batch_job(job)

    done = run(working)
    assert done["status"] == "SUCCEEDED"
    (line,) = cloud.logs("/aws/batch/job", done["container"]["logStreamName"])
    assert line.startswith(f"arn:aws:sts::123456789012:assumed-role/{working.rpartition('/')[2]}/")
    failed = run(strange)
    assert failed["status"] == "FAILED"
    assert failed["statusReason"].startswith(f"ECS was unable to assume the role '{strange}'")


def test_a_rules_target_must_admit_eventbridge(cloud: Cloud) -> None:
    name = cloud.function("print('called'); return 1", Role=role(cloud, "lambda", allow("logs:*")))
    arn = f"arn:aws:lambda:{HERE}:function:{name}"
    events = cloud.client("events")
    rule = events.put_rule(Name=unique("rule"), EventPattern='{"source": ["mine"]}')["RuleArn"]
    events.put_targets(Rule=rule.rpartition("/")[2], Targets=[{"Id": "a", "Arn": arn}])
    entry = {"Source": "mine", "DetailType": "d", "Detail": "{}"}
    events.put_events(Entries=[entry])
    said = f"events.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: {arn}"
    wait_for(lambda: said in (cloud.directory / "server.log").read_text(), "the delivery to be refused")
    cloud.client("lambda").add_permission(
        FunctionName=name, StatementId="rule", Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
        SourceArn=rule,
    )  # fmt: skip
    events.put_events(Entries=[entry])
    wait_for(lambda: _printed(cloud, name), "the function to be called")


def _printed(cloud: Cloud, name: str) -> bool:
    try:
        return "called" in cloud.logs(f"/aws/lambda/{name}")
    except ClientError:
        return False


def test_an_assumed_role_is_another_principal(cloud: Cloud) -> None:
    user = User(cloud)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"{ACCOUNT}:user/{user.name}"}}
    name = unique("assumed")
    arn = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    cloud.client("iam").put_role_policy(
        RoleName=name, PolicyName="p", PolicyDocument=document(allow("s3:ListAllMyBuckets"))
    )
    wanted = {"RoleArn": arn, "RoleSessionName": "kim"}
    assert "sts:AssumeRole" in refused(user.client("sts").assume_role, **wanted)[2]
    cloud.client("iam").put_user_policy(
        UserName=user.name, PolicyName="own", PolicyDocument=document(allow("sts:AssumeRole", arn))
    )
    given = user.client("sts").assume_role(**wanted)["Credentials"]
    user.keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    user.client("s3").list_buckets()
    assert f"assumed-role/{name}/kim is not authorized" in refused(user.client("sqs").list_queues)[2]


def test_without_the_option_anybody_may_do_anything(tmp_path: Path) -> None:
    """Covered by every other test of the sandbox; here, what its status says."""
    directory = tmp_path / "open"
    try:
        assert sandbox.up(directory)["enforce_iam"] is False
        assert sandbox.statements_used(directory) == []
    finally:
        sandbox.down(directory)
