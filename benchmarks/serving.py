"""What the server adds to a prediction: the ensemble behind it beside the same handlers called in this process.

    python benchmarks/serving.py [--requests N]

Trains a small ensemble with the pipeline's own scripts (half a minute), then asks for one stack of pages again and
again, in turn from the server over one kept connection and in process, on one thread each, so that both meet the same
load of the machine. Then the same ensemble is put on an endpoint of a sandbox of its own, and four clients ask it all
the time while it is updated to another configuration.

Exits 1 when the server adds 3 ms or more to the median, and when a request fails during the update or fewer than 20 a
second are answered.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image, ImageSequence

from opsctl import sandbox

os.environ["OMP_NUM_THREADS"] = "1"  # for both alike: threads that wait for each other measure the machine's load
MOST_ADDED = 0.003
LEAST_RATE = 20  # requests a second during an update
CLIENTS = 4
ROOT = Path(__file__).resolve().parents[1]
TRAINING, SERVER = ROOT / "training", ROOT / "opsctl" / "sandbox" / "model_server.py"
HEADERS = {"Content-Type": "application/json"}
CHAIN = {"text": (), "image": (), "sequence": ("text", "image")}


def train(root: Path) -> Path:
    """An ensemble trained on a small data set; returns the unpacked artifact of the sequence model."""
    places = {"DATA_INPUT_PATH": str(root / "source"), "OUTPUT_PATH": str(root / "data")}
    run("documents.py", "--out", str(root / "source"), "--stacks", "12")
    run("fetch.py", **places)
    for name, reads in CHAIN.items():
        channels = root / name / "input" / "data"
        channels.mkdir(parents=True)
        (channels / "data").symlink_to(root / "data")
        for model in reads:
            (channels / model).mkdir()
            with tarfile.open(channels / model / "model.tar.gz", "w:gz") as archive:
                archive.add(root / model / "model", arcname=".")
        run(f"{name}.py", "--base", str(root / name))
    return root / "sequence" / "model"


def run(script: str, *words: str, **environment: str) -> None:
    """Run one of the training scripts."""
    command = [sys.executable, str(TRAINING / script), *words]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)


def request(data: Path) -> bytes:
    """The first stack of the data set as a client sends it."""
    folder = next(path.parent for path in sorted(data.rglob("pages.tif")))
    pages = []
    with Image.open(folder / "pages.tif") as scan:
        lines = (folder / "pages.jsonl").read_text().splitlines()
        for line, frame in zip(lines, ImageSequence.Iterator(scan), strict=True):
            content = io.BytesIO()
            frame.save(content, "PNG")
            pages.append({"text": json.loads(line)["text"], "bitmap": base64.b64encode(content.getvalue()).decode()})
    return json.dumps({"stacks": [{"pages": pages}]}).encode()


def over_http(port: int, body: bytes) -> Callable[[], bytes]:
    """One request to the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask() -> bytes:
        connection.request("POST", "/invocations", body, HEADERS)
        return connection.getresponse().read()

    return ask


def in_process(model: Path, body: bytes) -> Callable[[], bytes]:
    """The same, by the handlers alone."""
    sys.path.insert(0, str(model / "code"))
    import inference

    loaded = inference.model_fn(str(model))
    return lambda: inference.output_fn(inference.predict_fn(inference.input_fn(body, "application/json"), loaded), "")


def measure(ways: dict[str, Callable[[], bytes]], requests: int) -> dict[str, list[float]]:
    """Seconds of each request, in turn."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(requests + 20):
        for name, ask in ways.items():
            began = time.perf_counter()
            ask()
            if number >= 20:  # the first ones warm up
                took[name].append(time.perf_counter() - began)
    return took


class Endpoint:
    """The ensemble on an endpoint of a sandbox."""

    def __init__(self, server: dict[str, Any], model: Path) -> None:
        self.server = server
        self.sagemaker = self.client("sagemaker")
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            archive.add(model, arcname=".")
        self.client("s3").create_bucket(Bucket="models")
        self.client("s3").put_object(Bucket="models", Key="model.tar.gz", Body=content.getvalue())
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = self.client("iam").create_role(RoleName="endpoint", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        container = {"Image": "pytorch-inference:cpu", "ModelDataUrl": "s3://models/model.tar.gz"}
        self.sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=role)
        for name in ("before", "after"):
            variant = {"VariantName": "primary", "ModelName": "model", "InitialInstanceCount": 1}
            self.sagemaker.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
            )
        self.sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="before")
        self.wait()

    def client(self, service: str) -> Any:
        """One that tries nothing twice, so that each failed request is seen."""
        return boto3.session.Session().client(
            service, endpoint_url=self.server["url"], region_name=self.server["region"], aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox", config=Config(retries={"total_max_attempts": 1}),  # noqa: S106
        )  # fmt: skip

    def wait(self) -> None:
        """Until the endpoint is in service."""
        while self.sagemaker.describe_endpoint(EndpointName="endpoint")["EndpointStatus"] != "InService":
            time.sleep(0.1)

    def update(self, body: bytes) -> tuple[float, int, list[str]]:
        """Seconds that an update took, and of the requests that clients sent all the time how many were answered
        meanwhile, and what became of the others."""
        answered, failed, over = [0] * CLIENTS, list[str](), threading.Event()

        def asking(number: int) -> None:
            runtime = self.client("sagemaker-runtime")
            while not over.is_set():
                try:
                    answer = runtime.invoke_endpoint(EndpointName="endpoint", ContentType="application/json", Body=body)
                    json.loads(answer["Body"].read())["stacks"]
                    answered[number] += 1
                except (BotoCoreError, ClientError, LookupError, ValueError) as error:
                    failed.append(str(error))

        threads = [threading.Thread(target=asking, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while not (all(answered) or failed):  # clients take their time to be made
            time.sleep(0.01)
        began, before = time.perf_counter(), sum(answered)
        self.sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="after")
        self.wait()
        took, during = time.perf_counter() - began, sum(answered) - before
        over.set()
        for thread in threads:
            thread.join()
        return took, during, failed


def updated(folder: Path, model: Path, body: bytes) -> bool:
    """Measure an update and print it; whether it was good enough."""
    try:
        took, answered, failed = Endpoint(sandbox.up(folder), model).update(body)
    finally:
        sandbox.down(folder)
    rate = answered / took
    print(f"{'update':<11}{rate:7.0f} a second   for {took:.1f} s, {len(failed)} failed (bar: {LEAST_RATE}, none)")
    for words in sorted(set(failed)):
        print(f"{'':<11}{words}")
    return rate >= LEAST_RATE and not failed


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="opsctl-serving-") as folder:
        model = train(Path(folder))
        body = request(Path(folder) / "data")
        server = subprocess.Popen([sys.executable, str(SERVER), str(model)], stdout=subprocess.PIPE, text=True)
        try:
            port = json.loads(server.stdout.readline())["port"]  # type: ignore[union-attr]
            ways = {"server": over_http(port, body), "in process": in_process(model, body)}
            assert ways["server"]() == ways["in process"](), "the server answers otherwise than the handlers"  # noqa: S101
            took = measure(ways, options.requests)
        finally:
            server.terminate()
            server.wait()
        unbroken = updated(Path(folder) / "sandbox", model, body)
    medians = {name: statistics.median(seconds) for name, seconds in took.items()}
    for name, seconds in took.items():
        p99 = statistics.quantiles(seconds, n=100)[98]
        rate = len(seconds) / sum(seconds)
        print(f"{name:<11}{rate:7.0f} a second   p50 {medians[name] * 1000:6.2f} ms   p99 {p99 * 1000:6.2f} ms")
    added = medians["server"] - medians["in process"]
    print(f"{'added':<11}{added * 1000:24.2f} ms at p50 (bar: {MOST_ADDED * 1000:.0f} ms)")
    return int(added >= MOST_ADDED or not unbroken)


if __name__ == "__main__":
    sys.exit(main())
