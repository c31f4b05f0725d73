"""The deployment machine in small: its definition as the module renders it, its own functions, and models of a few
lines that are served by real endpoints."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from opsctl.domain.deployments import is_of
from tests.functional.sandbox.cloud import Cloud, ended, unique, wait_for

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden/deployment.asl.json"
FUNCTIONS = ("describe_failure", "prepare_deployment", "settle_deployment", "smoke_test")
HANDLERS = """
import json, time
{extra}
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(document, model):
    return {{"stacks": [stack(found["pages"]) for found in document["stacks"]]}}
def output_fn(found, accept):
    return json.dumps(found)
def stack(pages):
    found = [{{"page": number, "class": name(page["text"]), "probability": 1.0, "begins": number == 1,
               "begins_probability": 1.0}} for number, page in enumerate(pages, 1)]
    return {{"pages": found, "documents": [{{"class": found[0]["class"], "first_page": 1, "last_page": len(found)}}]}}
def name(text):
    return {name}
"""
STACKS = {"one": ["deed", "note"], "two": ["note"]}
SECONDS = 900.0  # a deployment calls many functions, each a process of its own


class Deploying:
    """A pipeline of its own in the sandbox: bucket, topics, functions, deployment machine. Polls every second."""

    def __init__(self, cloud: Cloud, *, redrivable: bool = False, approval: bool = False, **settings: Any) -> None:
        self.cloud, self.name = cloud, unique("p")
        self.training = f"{self.name}-training"
        for kind in ("approvals", "failures", "successes"):
            cloud.client("sns").create_topic(Name=f"{self.name}-{kind}")
        self._make_functions()
        golden = GOLDEN.with_name("deployment-redrivable.asl.json") if redrivable else GOLDEN
        text = golden.read_text().replace("documents-123456789012-us-east-1", cloud.bucket)
        text = re.sub(r"arn:aws:iam::123456789012:role/documents-endpoint", cloud.role, text)
        definition = json.loads(re.sub(r"\bdocuments\b", self.name, text))
        rule = {"required": approval, "rollback": False, "waivable": False, "timeout": 600}
        _adapt(definition, {"approval": rule, **settings})
        self.machine: str = cloud.client("stepfunctions").create_state_machine(
            name=f"{self.name}-deployment", definition=json.dumps(definition), roleArn=cloud.role
        )["stateMachineArn"]
        self.definition = definition

    # runs of training

    def train(self, run: str, name: str = "text", extra: str = "", accuracy: float = 0.9) -> str:
        """What a training run leaves whose model calls a page `name`, an expression over its `text`; returns `run`."""
        files = {"code/inference.py": HANDLERS.format(name=name, extra=extra)}
        self._put(f"{run}/train-sequence-model/{run}-train-sequence-model-d0r0/output/model.tar.gz", packed(files))
        metrics = {"page_accuracy": {"sequence": accuracy, "text": 0.5}, "held_out": {"pages": 3}}
        artifact = packed({"metrics.json": json.dumps(metrics)})
        self._put(f"{run}/evaluate/{run}-evaluate-d0r0/output/model.tar.gz", artifact)
        self._put(f"{run}/code.json", json.dumps({"sha256": "c0de", "files": {}}).encode())
        stacks = []
        for stack, labels in STACKS.items():
            lines = [json.dumps({"text": label, "label": label}) for label in labels]
            self._put(f"{run}/fetch-preprocessed-data/{stack}/pages.jsonl", "\n".join(lines).encode())
            self._put(f"{run}/fetch-preprocessed-data/{stack}/pages.tif", b"scan")
            stacks.append({"name": stack, "split": "held_out", "pages": len(labels), "sizes": {"pages.tif": 4}})
        manifest = {"version": 1, "classes": ["deed", "note"], "stacks": stacks}
        self._put(f"{run}/fetch-preprocessed-data/manifest.json", json.dumps(manifest).encode())
        return run

    # deployments

    def start(self, run: str, name: str | None = None, **more: Any) -> str:
        """Start a deployment; returns the execution's ARN."""
        return self.cloud.start(self.machine, {"run": run, **more}, name=name or unique(f"{run}-d"))

    def deploy(self, run: str, **more: Any) -> dict[str, Any]:
        """Deploy a run's model to the end; returns the execution's description."""
        return self.finish(self.start(run, **more))

    def finish(self, execution: str) -> dict[str, Any]:
        """Wait for an execution to end; returns its description."""
        describe = self.cloud.client("stepfunctions").describe_execution
        found: dict[str, Any] = wait_for(
            lambda: ended(describe(executionArn=execution)), f"{execution} to end", SECONDS
        )
        return found

    def entered(self, execution: str) -> list[str]:
        """The states that an execution entered."""
        keys = (event.get("stateEnteredEventDetails") for event in self.cloud.events(execution))
        return [details["name"] for details in keys if details]

    def turn(self, execution: str) -> tuple[datetime, datetime]:
        """When an execution began to change what is deployed, and when it was done with it."""
        events = self.cloud.events(execution)
        created = [event for event in events if event.get("stateEnteredEventDetails", {}).get("name") == "Create Model"]
        (left,) = [event for event in events if event.get("stateExitedEventDetails", {}).get("name") == "Deployment"]
        return created[0]["timestamp"], left["timestamp"]

    def at(self, execution: str, state: str) -> None:
        """Wait until an execution is in a state, or was."""
        wait_for(lambda: state in self.entered(execution), f"{execution} to come to {state}", SECONDS)

    def stop(self, execution: str) -> None:
        """End an execution from outside."""
        self.cloud.client("stepfunctions").stop_execution(executionArn=execution)
        self.finish(execution)

    # what they leave

    def champion(self) -> dict[str, Any] | None:
        """The record, None where there is none."""
        try:
            record: dict[str, Any] = json.loads(self.cloud.get(f"champions/{self.training}.json"))
        except ClientError:
            return None
        return record

    def promotions(self) -> list[str]:
        """The runs of the history's objects, by time of promotion."""
        keys = self.cloud.keys(f"champions/{self.training}/")
        records = [json.loads(self.cloud.get(key)) for key in keys]
        return [record["run"] for record in sorted(records, key=lambda record: str(record["promoted_at"]))]

    def endpoint(self) -> tuple[str, str] | None:
        """Status, and the run whose model the endpoint serves; None where there is none."""
        try:
            found = self.cloud.client("sagemaker").describe_endpoint(EndpointName=self.name)
        except ClientError:
            return None
        config = found["EndpointConfigName"]
        return found["EndpointStatus"], config.removeprefix(f"{self.name}-").rpartition("-")[0]

    def answer(self, text: str) -> str:
        """The class that the endpoint gives a page with this text."""
        body = json.dumps({"stacks": [{"pages": [{"text": text}]}]})
        answer = self.cloud.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.name, ContentType="application/json", Body=body
        )
        found: str = json.loads(answer["Body"].read())["stacks"][0]["pages"][0]["class"]
        return found

    def left(self) -> tuple[list[str], list[str]]:
        """The runs of the configurations and of the models that are there."""
        sagemaker = self.cloud.client("sagemaker")
        configs = [one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
        models = [one["ModelName"] for one in sagemaker.list_models()["Models"]]
        return self._runs(configs), self._runs(models)

    def mail(self, subject: str) -> list[str]:
        """The messages whose subject has these words."""
        return [text for text in self.cloud.mail() if self.name in text and subject in text]

    def end(self) -> None:
        """Delete the endpoint."""
        if self.endpoint():
            self.cloud.client("sagemaker").delete_endpoint(EndpointName=self.name)

    def _runs(self, names: list[str]) -> list[str]:
        own = (name for name in names if is_of(self.name, name))
        return sorted(name.removeprefix(f"{self.name}-").rpartition("-")[0] for name in own)

    def _put(self, key: str, content: bytes) -> None:
        self.cloud.client("s3").put_object(Bucket=self.cloud.bucket, Key=f"runs/{key}", Body=content)

    def _make_functions(self) -> None:
        topics = {
            f"{kind.upper()}_TOPIC": f"arn:aws:sns:{self.cloud.server['region']}:123456789012:{self.name}-{kind}"
            for kind in ("failures", "successes")
        }
        for key in FUNCTIONS:
            self.cloud.client("lambda").create_function(
                FunctionName=f"{self.name}-{key.replace('_', '-')}", Runtime="python3.13", Role=self.cloud.role,
                Handler="handler.handler", Timeout=300, Environment={"Variables": topics},
                Code={"ZipFile": (ROOT / f"functions/dist/{key}.zip").read_bytes()},
            )  # fmt: skip


def packed(files: Mapping[str, str]) -> bytes:
    """A model.tar.gz of these files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def _adapt(definition: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """As the module would render it with these settings, and without pauses worth mentioning."""
    for state in _states(definition):
        payload = state.get("Parameters", {}).get("Payload", {})
        if "settings" in payload:
            payload["settings"].update(settings)
        if state["Type"] == "Wait":
            state["Seconds"] = 1
        for retrier in state.get("Retry", []):
            retrier["IntervalSeconds"] = 1
            retrier["MaxDelaySeconds"] = 2
    polls = settings.get("polls")
    if polls:
        text = re.sub(r'"(Numeric\w+)": 240\b', rf'"\1": {polls}', json.dumps(definition))
        definition.clear()
        definition.update(json.loads(text))


def _states(scope: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for state in scope["States"].values():
        yield state
        for branch in state.get("Branches", []):
            yield from _states(branch)
