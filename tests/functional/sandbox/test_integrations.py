"""Task states: outputs and errors of the services behind them, as AWS has them."""

from __future__ import annotations

import json

import pytest

from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for


def types(cloud: Cloud, execution: str) -> list[str]:
    return [event["type"] for event in cloud.events(execution)]


def test_lambda_invoke(cloud: Cloud) -> None:
    parameters = {"FunctionName": cloud.function("return {'pages': event['pages'] + 1}"), "Payload": {"pages": 1}}
    end = cloud.task("lambda:invoke", parameters)
    output = json.loads(end["output"])
    assert {name: output[name] for name in ("ExecutedVersion", "Payload", "StatusCode")} == {
        "ExecutedVersion": "$LATEST", "Payload": {"pages": 2}, "StatusCode": 200,
    }  # fmt: skip
    assert sorted(output) == ["ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode"]


def test_a_functions_arn_as_resource(cloud: Cloud) -> None:
    name = cloud.function("return event['a'] * 2")
    end = cloud.task(f"arn:aws:lambda:us-east-1:123456789012:function:{name}", {"a": 4})
    assert end["output"] == "8"
    assert types(cloud, end["executionArn"])[2:5] == [
        "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "options", "error"),
    [("raise KeyError('page')", {}, "KeyError"), ("import time; time.sleep(9)", {"Timeout": 1}, "Sandbox.Timedout")],
)
def test_lambda_errors(cloud: Cloud, body: str, options: dict, error: str) -> None:
    end = cloud.task("lambda:invoke", {"FunctionName": cloud.function(body, **options), "Payload": {}})
    assert (end["status"], end["error"]) == ("FAILED", error)
    assert json.loads(end["cause"])["errorType"] == error


@pytest.mark.parametrize(
    ("resource", "parameters", "error"),
    [
        ("lambda:invoke", {"FunctionName": "absent", "Payload": {}}, "Lambda.ResourceNotFoundException"),
        ("sns:publish", {"TopicArn": "arn:aws:sns:us-east-1:123456789012:no", "Message": "m"}, "SNS.NotFoundException"),
        ("batch:submitJob", {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}, "Batch.ClientException"),
        ("batch:submitJob.sync", {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}, "Batch.ClientException"),
        ("states:startExecution", {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:no"},
         "StepFunctions.StateMachineDoesNotExistException"),
        ("aws-sdk:s3:getObject", {"Bucket": "no-such-bucket-here", "Key": "k"}, "S3.NoSuchBucketException"),
        ("aws-sdk:sfn:sendTaskFailure", {"TaskToken": "token"}, "Sfn.InvalidTokenException"),
        ("aws-sdk:dynamodb:describeTable", {"TableName": "absent"}, "DynamoDb.ResourceNotFoundException"),
        ("aws-sdk:sagemaker:describeTrainingJob", {"TrainingJobName": "absent"}, "SageMaker.SageMakerException"),
    ],
)  # fmt: skip
def test_errors_of_services(cloud: Cloud, resource: str, parameters: dict, error: str) -> None:
    end = cloud.task(resource, parameters)
    assert (end["status"], end["error"]) == ("FAILED", error)
    assert end["cause"]


@pytest.mark.parametrize(
    ("resource", "parameters"),
    [("sns:publish", {"Nonsense": 1}), ("aws-sdk:s3:noSuchAction", {}), ("aws-sdk:nosuchservice:get", {})],
)
def test_what_no_service_has_cannot_be_caught(cloud: Cloud, resource: str, parameters: dict) -> None:
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    end = cloud.run({"Work": task(resource, parameters, Catch=caught), "Caught": {"Type": "Pass", "End": True}})
    assert (end["status"], end["error"]) == ("FAILED", "States.Runtime")


def test_sdk_calls_take_and_give_pascal_case(cloud: Cloud) -> None:
    cloud.put("deed.txt", "of sale")
    found = json.loads(cloud.task("aws-sdk:s3:getObject", {"Bucket": cloud.bucket, "Key": "deed.txt"})["output"])
    machines = json.loads(cloud.task("aws-sdk:sfn:listStateMachines", {"MaxResults": 1})["output"])
    assert found["Body"] == "of sale"
    assert "ETag" in found
    assert sorted(machines["StateMachines"][0]) == ["CreationDate", "Name", "StateMachineArn", "Type"]
    assert machines["StateMachines"][0]["CreationDate"].endswith("Z")


def test_sns_publish_reaches_the_mailbox(cloud: Cloud) -> None:
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    parameters = {
        "TopicArn": topic,
        "Subject": "A run failed",
        "Message": {"step": "Train"},
        "MessageAttributes": {"status": {"DataType": "String", "StringValue": "FAILED"}},
    }
    end = cloud.task("sns:publish", parameters)
    message_id = json.loads(end["output"])["MessageId"]
    (message,) = [text for text in cloud.mail() if topic in text]
    head, _, body = message.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    del headers["Date"]
    assert headers == {"Topic": topic, "Subject": "A run failed", "Message-Id": message_id, "status": "FAILED"}
    assert json.loads(body) == {"step": "Train"}


def test_a_batch_job_is_awaited(cloud: Cloud) -> None:
    definition = cloud.job_definition(["sh", "-c", "exit Ref::code"], parameters={"code": "0"})
    parameters = {"JobName": "fetch", "JobDefinition": definition, "JobQueue": cloud.queue()}
    good = cloud.task("batch:submitJob.sync", parameters)
    bad = cloud.task("batch:submitJob.sync", {**parameters, "Parameters": {"code": "7"}})
    output, cause = json.loads(good["output"]), json.loads(bad["cause"])
    assert types(cloud, good["executionArn"])[2:6] == [
        "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
    ]  # fmt: skip
    assert (output["Status"], output["JobName"], output["Container"]["ExitCode"]) == ("SUCCEEDED", "fetch", 0)
    assert {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"} in output["Container"]["Environment"]
    assert (bad["status"], bad["error"]) == ("FAILED", "States.TaskFailed")
    assert (cause["Status"], cause["Attempts"][0]["Container"]["ExitCode"]) == ("FAILED", 7)
    assert cause["Parameters"] == {"code": "7"}


def test_a_training_job_is_awaited(cloud: Cloud) -> None:
    good = cloud.task("sagemaker:createTrainingJob.sync", cloud.training("pass", HyperParameters={"max_lr": "1"}))
    bad = cloud.task("sagemaker:createTrainingJob.sync", cloud.training("raise SystemExit(2)"))
    output, cause = json.loads(good["output"]), json.loads(bad["cause"])
    assert (output["TrainingJobStatus"], output["HyperParameters"]) == ("Completed", {"max_lr": "1"})
    assert isinstance(output["CreationTime"], int)
    assert (bad["error"], cause["FailureReason"]) == ("States.TaskFailed", "AlgorithmError: , exit code: 2")
    tags = cloud.client("sagemaker").list_tags(ResourceArn=output["TrainingJobArn"])["Tags"]
    assert {"Key": "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "Value": good["executionArn"]} in tags


def test_a_retry_with_the_same_job_name_masks_the_failure(cloud: Cloud) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    end = cloud.task("sagemaker:createTrainingJob.sync", cloud.training("raise SystemExit(2)"), Retry=retry)
    assert end["error"] == "SageMaker.ResourceInUseException"
    assert types(cloud, end["executionArn"])[-2] == "TaskSubmitFailed"


def test_a_job_that_the_time_limit_stopped_succeeds_by_default(cloud: Cloud) -> None:
    wanted = cloud.training("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    end = cloud.task("sagemaker:createTrainingJob.sync", wanted)
    output = json.loads(end["output"])
    assert (output["TrainingJobStatus"], output["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_child_executions(cloud: Cloud) -> None:
    child = cloud.machine({"Add": {"Type": "Pass", "Result": {"sum": 3}, "End": True}})
    failing = cloud.machine({"No": {"Type": "Fail", "Error": "NoData", "Cause": "none"}})
    started = json.loads(cloud.task("states:startExecution", {"StateMachineArn": child})["output"])
    text = json.loads(cloud.task("states:startExecution.sync", {"StateMachineArn": child, "Input": {"a": 1}})["output"])
    parsed = json.loads(cloud.task("states:startExecution.sync:2", {"StateMachineArn": child})["output"])
    failed = cloud.task("states:startExecution.sync:2", {"StateMachineArn": failing})
    assert started["ExecutionArn"].startswith(child.replace(":stateMachine:", ":execution:"))
    assert (text["Output"], text["Input"], text["Status"]) == ('{"sum":3}', '{"a":1}', "SUCCEEDED")
    assert (parsed["Output"], parsed["Input"]) == ({"sum": 3}, {})
    assert failed["error"] == "States.TaskFailed"
    assert json.loads(failed["cause"])["Error"] == "NoData"


def test_a_task_that_waits_for_its_token(cloud: Cloud) -> None:
    queue = cloud.client("sqs").create_queue(QueueName=unique("queue"))["QueueUrl"]
    parameters = {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}}
    execution = cloud.start(cloud.machine({"Ask": task("sqs:sendMessage.waitForTaskToken", parameters)}))
    (message,) = wait_for(lambda: cloud.client("sqs").receive_message(QueueUrl=queue).get("Messages"), "the request")
    states, token = cloud.client("stepfunctions"), json.loads(message["Body"])["token"]
    states.send_task_heartbeat(taskToken=token)
    states.send_task_success(taskToken=token, output='{"approved": true}')
    assert json.loads(cloud.finish(execution)["output"]) == {"approved": True}
    with pytest.raises(states.exceptions.TaskTimedOut):
        states.send_task_success(taskToken=token, output="{}")
    with pytest.raises(states.exceptions.InvalidToken):
        states.send_task_failure(taskToken="never given")
