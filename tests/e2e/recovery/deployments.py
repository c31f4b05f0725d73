"""Deployments of what runs trained: asked for by the operator, answered by the approver, and made to fail for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opsctl import sandbox
from tests.e2e.recovery.pipeline import Pipeline, wait_for

BETTER = "better"  # the run that passes the champion gate (programs/job.py)
STACK = {
    "pages.jsonl": "".join(f"{json.dumps({'text': word, 'label': word})}\n" for word in ("deed", "note")),
    "pages.tif": "not looked at",
}
MANIFEST = {
    "version": 1,
    "classes": sorted(("deed", "note")),
    "stacks": [{"name": "scan-1", "split": "held_out", "pages": 2, "sizes": {"pages.tif": len(STACK["pages.tif"])}}],
}
SCAN = "scan-1/pages.tif"


def put_scans(pipeline: Pipeline, name: str) -> str:
    """A data set with pages of which it is known what they are, for a smoke test; returns its address."""
    files = {"manifest.json": json.dumps(MANIFEST), **{f"scan-1/{file}": text for file, text in STACK.items()}}
    for file, text in files.items():
        pipeline.s3.put_object(Bucket=pipeline.bucket, Key=f"datasets/{name}/{file}", Body=text.encode())
    return pipeline.put_data(name)


@dataclass(frozen=True)
class Deployment:
    """The execution by which a training run's model is to be deployed."""

    pipeline: Pipeline
    arn: str

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    def waits(self) -> bool:
        """Whether somebody is asked now."""
        events = self.pipeline.states.get_execution_history(executionArn=self.arn, maxResults=1, reverseOrder=True)
        return bool(events["events"][0]["type"] == "TaskSubmitted")

    def status(self) -> str:
        return str(self.pipeline.states.describe_execution(executionArn=self.arn)["status"])

    def entered(self) -> list[str]:
        """The Task states that it came to, in order."""
        pages = self.pipeline.states.get_paginator("get_execution_history").paginate(executionArn=self.arn)
        events = [event for page in pages for event in page["events"] if event["type"] == "TaskStateEntered"]
        return [event["stateEnteredEventDetails"]["name"] for event in events]

    def answer(self, verdict: str, *, wait: bool = False) -> None:
        """As the approver does."""
        words = (verdict, self.name, "--machine", "deployment", "--yes", *(["--wait"] if wait else []))
        self.pipeline.clone.acting_as("approver").run(*words, code=None)


def deployment_of(pipeline: Pipeline, name: str) -> Deployment:
    """One that is there, by its name."""
    machine = pipeline.clone.outputs()["machines"]["deployment"]["arn"]
    return Deployment(pipeline, f"{machine.replace(':stateMachine:', ':execution:')}:{name}")


def ask_for(pipeline: Pipeline, run: str, name: str) -> Deployment:
    """A deployment that waits for a person, as soon as it does."""
    pipeline.clone.run("start", "--machine", "deployment", "--name", name, "--set", f"run={run}")
    deployment = deployment_of(pipeline, name)
    wait_for(deployment.waits, f"{name} to ask")
    return deployment


def train_a_better_model(pipeline: Pipeline) -> Deployment:
    """A run whose model passes the gate; returns its deployment, which waits for a person."""
    pipeline.start(BETTER, put_scans(pipeline, BETTER))
    wait_for(lambda: pipeline.status(BETTER) != "RUNNING", f"{BETTER} to end")
    output = json.loads(pipeline.states.describe_execution(executionArn=pipeline.arn(BETTER))["output"])
    deployment = Deployment(pipeline, output["deployment"]["execution"])
    wait_for(deployment.waits, f"{deployment.name} to ask")
    return deployment


@contextmanager
def without_a_page(pipeline: Pipeline, run: str) -> Iterator[None]:
    """A run's held-out pages less one file, for a while: the smoke test cannot read them."""
    place = {"Bucket": pipeline.bucket, "Key": f"runs/{run}/fetch-preprocessed-data/{SCAN}"}
    version = pipeline.s3.head_object(**place)["VersionId"]
    pipeline.s3.delete_object(**place, VersionId=version)  # without a marker: nothing of it is left
    try:
        yield
    finally:
        pipeline.s3.put_object(**place, Body=STACK["pages.tif"].encode())


def served(pipeline: Pipeline) -> str | None:
    """The run whose model the pipeline's endpoint serves, None where there is no endpoint."""
    sagemaker = pipeline.sagemaker
    if "documents" not in [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]]:
        return None
    endpoint = sagemaker.describe_endpoint(EndpointName="documents")
    assert endpoint["EndpointStatus"] == "InService", endpoint
    run: str = endpoint["EndpointConfigName"].removeprefix("documents-").rpartition("-")[0]
    return run


def stop_at_the_smoke_test(pipeline: Pipeline, run: str, name: str) -> Deployment:
    """A deployment that was stopped when the endpoint served its model, and nothing was on record yet."""
    deployment = ask_for(pipeline, run, name)
    held = f"runs/{run}/fetch-preprocessed-data/scan-1"
    fault = sandbox.add_fault(pipeline.clone.sandbox, {"action": "s3:GetObject", "match": held, "delay": 600})["id"]
    deployment.answer("approve")
    wait_for(lambda: "Smoke Test" in deployment.entered(), f"{name} to try the endpoint")
    pipeline.clone.run("stop", name, "--machine", "deployment", "--yes")
    sandbox.clear_faults(pipeline.clone.sandbox, [fault])
    return deployment
