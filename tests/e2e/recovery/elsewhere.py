"""What opsctl does besides the training machine's runs: endpoints, an activity's tasks, a Map that is stopped."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.conftest import ACCOUNT
from tests.e2e.recovery import access
from tests.e2e.recovery.pipeline import Pipeline, task_states, wait_for

ENDPOINT = "documents-test"
ACTIVITY = "documents-test-work"
DONE = json.dumps({"TrainingJobName": "outside-aws", "TrainingJobStatus": "Completed"})


def create_model(pipeline: Pipeline, name: str, role: str, key: str) -> None:
    """CreateModel of an artifact that the first run has left under `key`."""
    pipeline.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=f"{ACCOUNT}:role/{role}",
        PrimaryContainer={
            "Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.5",
            "ModelDataUrl": f"s3://{pipeline.bucket}/runs/{pipeline.first}/{key}",
        },
    )


def deploy_an_endpoint(pipeline: Pipeline) -> None:
    """An endpoint with its model, as a cleanup finds it, whatever becomes of its servers: the programs make none."""
    model = next(key for key in pipeline.objects(pipeline.first) if key.endswith("model.tar.gz"))
    sagemaker = pipeline.sagemaker
    create_model(pipeline, ENDPOINT, "documents-training-job", model)
    variant = {
        "VariantName": "all", "ModelName": ENDPOINT, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
    }  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName=ENDPOINT, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)


def ask_nobody(pipeline: Pipeline) -> str:
    """Ask an endpoint that is not there about one page; returns what opsctl says. AWS checks permissions first."""
    page = pipeline.marks / "page.png"
    page.write_bytes(b"a picture")
    page.with_suffix(".txt").write_text("a page")
    return pipeline.clone.run("predict", "--endpoint", "documents-nowhere", str(page), code=None).stderr


def work_on_a_task(pipeline: Pipeline, run: str) -> str:
    """A run whose evaluation is an activity's task, on which opsctl works as long as two heartbeats; its status."""
    states = pipeline.states
    arn = states.create_activity(name=ACTIVITY)["activityArn"]

    def leave_it_to_a_worker(definition: dict[str, Any]) -> None:
        state = dict(task_states(definition))[access.GATE]
        state["Resource"] = arn
        del state["Parameters"]

    pipeline.start(run, pipeline.put_data(run), pipeline.publish(leave_it_to_a_worker))
    command = ("--max-tasks", "1", "--heartbeat", "1s", ACTIVITY, "sh", "-c", f"sleep 2.5; echo '{DONE}'")
    pipeline.clone.run("worker", *command)
    wait_for(lambda: pipeline.status(run) != "RUNNING", f"{run} to end")
    return pipeline.status(run)


def stop_a_map(pipeline: Pipeline) -> str:
    """A run of the machine for manifests, stopped while its one child is at work; returns what became of the child."""
    machine, states = pipeline.clone.outputs()["machines"]["bulk"]["arn"], pipeline.states
    line = json.dumps({"run": "stopped-map", "key": "runs/stopped-map/x", "size": 1, "etag": "x"})
    pipeline.s3.put_object(Bucket=pipeline.bucket, Key="audit/stopped.jsonl", Body=line.encode())
    pipeline.clone.run("sandbox", "fault", "add", "s3:*", "--delay", "120", "--match", "stopped-map")
    asked = {"operation": "delete", "manifest": "audit/stopped.jsonl", "results": "audit/stopped", "kept": []}
    run = states.start_execution(stateMachineArn=machine, name="stopped-map", input=json.dumps(asked))["executionArn"]

    def child() -> str | None:
        for found in states.list_map_runs(executionArn=run)["mapRuns"]:
            for one in states.list_executions(mapRunArn=found["mapRunArn"])["executions"]:
                return str(one["executionArn"])
        return None

    arn = wait_for(child, "the Map's child")
    states.stop_execution(executionArn=run)
    wait_for(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", "the child to be stopped")
    pipeline.clone.run("sandbox", "fault", "clear")
    return str(states.describe_execution(executionArn=arn)["status"])
