"""Tries the endpoint with pages that its model never trained on, and of which it is known what they are."""

import json
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from opsctl.domain.predictions import Stack, answers, requests, said
from opsctl.errors import OpsError

JSON = "application/json"
SPLITS = ("held_out", "validation", "train")  # a small data set may have no held-out stacks
ANSWER = Config(read_timeout=70, retries={"total_max_attempts": 1})  # SageMaker gives a container 60 seconds


class SmokeTestFailed(Exception):  # noqa: N818 - Step Functions shows the name as the state's error
    """The endpoint does not answer as the model should; the message says what is wrong, and how far."""


def handler(event, _context):
    deployment, settings = event["deployment"], event["settings"]
    rule, endpoint = settings["smoke_test"], settings["endpoint"]
    _refuse_another(endpoint, deployment["config"])
    if rule["stacks"] == 0:
        return {"stacks": 0, "pages": 0, "accuracy": None, "seconds": None}
    folder = _Folder(deployment["held_out"]["uri"])
    manifest = json.loads(folder.read("manifest.json"))
    names = _chosen(manifest, rule["stacks"])
    _ask(endpoint, folder.stack(names[0])[0])  # the first answer of a container that has just begun takes its time
    right = pages = 0
    slowest = 0.0
    for name in names:
        stack, labels = folder.stack(name)
        seconds, found = _ask(endpoint, stack)
        _refuse_strange(name, found, labels, manifest["classes"])
        slowest, pages = max(slowest, seconds), pages + len(labels)
        right += sum(one == other for one, other in zip(found, labels, strict=True))
    result = {"stacks": len(names), "pages": pages, "accuracy": round(right / pages, 4), "seconds": round(slowest, 3)}
    _refuse_bad(result, right / pages, slowest, rule)
    return result


class _Folder:
    """A run's copy of its data."""

    def __init__(self, uri):
        self._bucket, _, self._prefix = uri.removeprefix("s3://").partition("/")
        self._s3 = boto3.client("s3")

    def read(self, name):
        """The bytes of a file."""
        return self._s3.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()

    def stack(self, name):
        """A stack, and the classes of its pages."""
        records = [json.loads(line) for line in self.read(f"{name}/pages.jsonl").splitlines()]
        scan = self.read(f"{name}/pages.tif")
        return Stack(name, [record["text"] for record in records], [scan]), [record["label"] for record in records]


def _chosen(manifest, most):
    """Names of stacks that the model did not train on; the smallest, which are the quickest to ask about."""
    for split in SPLITS:
        stacks = [stack for stack in manifest["stacks"] if stack["split"] == split]
        if stacks:
            stacks.sort(key=lambda stack: (sum(stack["sizes"].values()), stack["name"]))
            return [stack["name"] for stack in stacks[:most]]
    raise SmokeTestFailed("the run's data has no stacks to ask about")


def _ask(endpoint, stack):
    """Seconds until the answer, and the class that it gives each page. Raises SmokeTestFailed."""
    try:
        ((group, body),) = requests([stack])
        began = time.monotonic()
        answer = boto3.client("sagemaker-runtime", config=ANSWER).invoke_endpoint(
            EndpointName=endpoint, ContentType=JSON, Accept=JSON, Body=body
        )
        content = answer["Body"].read()
        seconds = time.monotonic() - began
        return seconds, [page["class"] for page in answers(content, group)[0]["pages"]]
    except OpsError as error:
        raise SmokeTestFailed(f"stack {stack.name}: {error.message}") from error
    except ClientError as error:
        words = error.response.get("OriginalMessage")
        told = said(words) if words else error.response["Error"].get("Message", str(error))
        raise SmokeTestFailed(f"stack {stack.name}: the endpoint refused it: {told}") from error
    except BotoCoreError as error:
        raise SmokeTestFailed(f"stack {stack.name}: the endpoint did not answer: {error}") from error


def _refuse_another(endpoint, config):
    """Raise SmokeTestFailed unless the endpoint serves this deployment's configuration: what is tried is promoted."""
    described = boto3.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    status, serves = described["EndpointStatus"], described["EndpointConfigName"]
    if status != "InService" or serves != config:
        raise SmokeTestFailed(f"the endpoint {endpoint} is {status} with {serves}, not InService with {config}")


def _refuse_strange(name, found, labels, classes):
    if len(found) != len(labels):
        raise SmokeTestFailed(f"stack {name}: {len(found)} pages in the answer, {len(labels)} in the request")
    strange = sorted(set(found) - set(classes))
    if strange:
        raise SmokeTestFailed(f"stack {name}: the model knows classes that its data has not: {', '.join(strange)}")


def _refuse_bad(result, accuracy, slowest, rule):
    what = f"{result['pages']} pages of {result['stacks']} held-out stacks"
    if accuracy < rule["least_accuracy"]:
        raise SmokeTestFailed(
            f"{accuracy:.1%} of {what} are classed right, {rule['least_accuracy']:.1%} are the least "
            "(deployment.smoke_test.least_accuracy)"
        )
    if slowest > rule["most_seconds"]:
        raise SmokeTestFailed(
            f"an answer took {slowest:.2f} s, {rule['most_seconds']} s are the most "
            "(deployment.smoke_test.most_seconds)"
        )
