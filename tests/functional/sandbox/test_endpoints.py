"""SageMaker endpoints: real server processes behind the real API, brought up, updated without a gap, and ended."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from opsctl import sandbox
from opsctl.sandbox import modelprocess
from tests.functional.sandbox.cloud import Cloud, alive, unique, wait_for

HANDLERS = """
import json, os, time
print("loading", flush=True)
{extra}
def model_fn(model_dir):
    return json.load(open(os.path.join(model_dir, "config.json")))
class Refused(Exception):
    status = 400
def input_fn(body, content_type):
    document = json.loads(body)
    if "page" not in document:
        raise Refused("no page")
    return document
def predict_fn(document, model):
    time.sleep(float(document.get("seconds", 0)))
    return {{"model": model["name"], "page": document["page"], "greeting": os.environ.get("GREETING")}}
def output_fn(found, accept):
    return json.dumps(found)
"""


def model(cloud: Cloud, name: str, extra: str = "") -> str:
    """A model whose handlers answer with `name`; returns its name."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        files = {"config.json": json.dumps({"name": name}), "code/inference.py": HANDLERS.format(extra=extra)}
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    key = f"models/{unique('model')}/model.tar.gz"
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=content.getvalue())
    created = unique("model")
    container = {
        "Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312",
        "ModelDataUrl": f"s3://{cloud.bucket}/{key}",
        "Environment": {"GREETING": "hello"},
    }
    cloud.client("sagemaker").create_model(ModelName=created, PrimaryContainer=container, ExecutionRoleArn=cloud.role)
    return created


def config(cloud: Cloud, served: str) -> str:
    """An endpoint configuration of one variant; returns its name."""
    name = unique("config")
    variant = {
        "VariantName": "primary", "ModelName": served, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
    }  # fmt: skip
    cloud.client("sagemaker").create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    return name


def at_rest(cloud: Cloud, name: str) -> dict[str, Any]:
    """The endpoint's description once it is neither Creating nor Updating."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = cloud.client("sagemaker").describe_endpoint(EndpointName=name)
        return None if found["EndpointStatus"] in ("Creating", "Updating") else found

    found: dict[str, Any] = wait_for(look, f"{name} to be at rest")
    return found


def ask(client: Any, name: str, document: dict[str, Any]) -> dict[str, Any]:
    answer = client.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=json.dumps(document))
    found: dict[str, Any] = json.loads(answer["Body"].read())
    return found


def pids(cloud: Cloud, name: str) -> list[int]:
    """The processes that serve an endpoint."""
    return [job["pid"] for job in sandbox.jobs(cloud.directory) if job["name"] == f"{name}-primary"]


def held_until(there: Path) -> str:
    """What has a model load no sooner than a file is there."""
    return f"from pathlib import Path\nwhile not Path({str(there)!r}).exists(): time.sleep(0.01)"


@pytest.fixture
def endpoint(cloud: Cloud, tmp_path: Path) -> Iterator[str]:
    """An endpoint in service."""
    name, loads = unique("endpoint"), tmp_path / "the first loads"
    sagemaker, served = cloud.client("sagemaker"), model(cloud, "one", held_until(loads))
    first = sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config(cloud, served))
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating"
    loads.touch()
    described = at_rest(cloud, name)
    assert (described["EndpointStatus"], described["EndpointArn"]) == ("InService", first["EndpointArn"])
    yield name
    if any(found["EndpointName"] == name for found in sagemaker.list_endpoints()["Endpoints"]):
        sagemaker.delete_endpoint(EndpointName=name)


def test_an_endpoint_serves_its_model_until_it_is_deleted(cloud: Cloud, endpoint: str) -> None:
    runtime, sagemaker = cloud.client("sagemaker-runtime"), cloud.client("sagemaker")
    assert ask(runtime, endpoint, {"page": 1}) == {"model": "one", "page": 1, "greeting": "hello"}
    assert cloud.logs(f"/aws/sagemaker/Endpoints/{endpoint}", "primary/") == ["loading"]
    (serving,) = pids(cloud, endpoint)
    sagemaker.delete_endpoint(EndpointName=endpoint)
    wait_for(lambda: not alive(serving), "the server to end")
    with pytest.raises(ClientError, match=f"Endpoint {endpoint} of account 123456789012 not found"):
        ask(runtime, endpoint, {"page": 1})
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName=endpoint)


def test_an_endpoint_is_not_made_of_a_model_that_is_gone(cloud: Cloud) -> None:
    sagemaker, gone = cloud.client("sagemaker"), model(cloud, "one")
    asked = {"EndpointName": unique("endpoint"), "EndpointConfigName": config(cloud, gone)}
    sagemaker.delete_model(ModelName=gone)
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.create_endpoint(**asked)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName=asked["EndpointName"])


def test_what_the_container_refuses_is_a_model_error(cloud: Cloud, endpoint: str) -> None:
    with pytest.raises(ClientError) as raised:
        ask(cloud.client("sagemaker-runtime"), endpoint, {"text": "?"})
    answer = raised.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    assert (answer["OriginalStatusCode"], answer["OriginalMessage"]) == (400, '{"error": "no page"}')
    assert answer["Error"]["Message"].startswith("Received client error (400) from primary with message ")


def test_a_large_request_is_refused(cloud: Cloud, endpoint: str) -> None:
    with pytest.raises(ClientError, match="the limit is 6291456 bytes") as raised:
        ask(cloud.client("sagemaker-runtime"), endpoint, {"page": "x" * 7_000_000})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_an_update_has_no_gap(cloud: Cloud, endpoint: str, tmp_path: Path) -> None:
    """Clients that ask all the time see the one model, then the other, and no failed request: many while the second
    model loads, which it does not do before they were answered, and many after it."""
    answers: list[str] = []
    enough, loads = threading.Event(), tmp_path / "loads"

    def asking(seconds: float) -> None:
        runtime = cloud._client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
        while not enough.is_set():
            try:
                answers.append(ask(runtime, endpoint, {"page": 1, "seconds": seconds})["model"])
            except (BotoCoreError, ClientError, ValueError) as error:
                answers.append(str(error))

    def answered(many: int, by: str) -> None:
        wait_for(lambda: answers.count(by) >= many or set(answers) - {"one", "two"}, f"{many} answers of {by}")

    (before,) = pids(cloud, endpoint)
    threads = [threading.Thread(target=asking, args=(seconds,)) for seconds in (0.0, 0.0, 0.5)]
    for thread in threads:
        thread.start()
    sagemaker = cloud.client("sagemaker")
    second = model(cloud, "two", held_until(loads))
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config(cloud, second))
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config(cloud, model(cloud, "three")))
    answered(answers.count("one") + 100, "one")
    loads.touch()
    assert at_rest(cloud, endpoint)["EndpointStatus"] == "InService"
    wait_for(lambda: not alive(before), "the server before to end")
    answered(100, "two")
    enough.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {"one", "two"}
    assert ask(cloud.client("sagemaker-runtime"), endpoint, {"page": 2})["model"] == "two"


@pytest.mark.parametrize("extra", ["raise RuntimeError('no such layer')", "import sys; sys.exit(3)"])
def test_a_model_that_does_not_load_leaves_the_one_before(cloud: Cloud, endpoint: str, extra: str) -> None:
    sagemaker = cloud.client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    broken = config(cloud, model(cloud, "broken", extra))
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=broken)
    described = at_rest(cloud, endpoint)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", before)
    assert "variant primary did not pass the ping health check" in described["FailureReason"]
    assert ask(cloud.client("sagemaker-runtime"), endpoint, {"page": 1})["model"] == "one"


def test_a_new_endpoint_that_never_serves_has_failed(cloud: Cloud) -> None:
    sagemaker, name = cloud.client("sagemaker"), unique("endpoint")
    broken = config(cloud, model(cloud, "broken", "raise RuntimeError('no such layer')"))
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=broken)
    described = at_rest(cloud, name)
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert "no such layer" in "\n".join(cloud.logs(f"/aws/sagemaker/Endpoints/{name}", "primary/"))
    with pytest.raises(ClientError, match="is not in service"):
        ask(cloud.client("sagemaker-runtime"), name, {"page": 1})
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=broken)
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=broken)
    sagemaker.delete_endpoint(EndpointName=name)


def test_a_server_that_dies_is_started_again(cloud: Cloud, endpoint: str) -> None:
    (serving,) = pids(cloud, endpoint)
    os.kill(serving, signal.SIGKILL)
    runtime = cloud.client("sagemaker-runtime")

    def answered() -> bool:
        try:
            return ask(runtime, endpoint, {"page": 1})["model"] == "one"
        except ClientError:
            return False

    wait_for(lambda: not alive(serving) and answered(), "the endpoint to answer again")


def test_a_health_check_that_takes_too_long_is_made_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(modelprocess.healthy, listener.getsockname()[1])
        with listener.accept()[0], listener.accept()[0] as second:
            second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert asked.result() is True


def test_what_a_model_and_a_configuration_need(cloud: Cloud) -> None:
    sagemaker = cloud.client("sagemaker")
    served = model(cloud, "one")
    with pytest.raises(ClientError, match=r"Could not find model data at s3://nowhere/model\.tar\.gz"):
        sagemaker.create_model(
            ModelName=unique("model"),
            ExecutionRoleArn=cloud.role,
            PrimaryContainer={"Image": "x", "ModelDataUrl": "s3://nowhere/model.tar.gz"},
        )
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        sagemaker.create_model(ModelName=served, ExecutionRoleArn=cloud.role, PrimaryContainer={"Image": "x"})
    with pytest.raises(ClientError, match="Could not find model"):
        config(cloud, "no-such-model")
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.create_endpoint(EndpointName=unique("endpoint"), EndpointConfigName="no-such-config")
