"""`opsctl predict`: stacks on this machine, read by the real ensemble behind a real endpoint of the sandbox."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageSequence
from training_job import JobDirectory

from opsctl import sandbox
from opsctl.cli.root import root
from tests.functional.pipeline_world import FakeInvocation
from tests.functional.sandbox.cloud import Cloud, wait_for
from tests.functional.sandbox.command import connection


@pytest.fixture(scope="module")
def cloud(trained: dict[str, JobDirectory], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A sandbox with the endpoint `test`, which serves the artifact of the sequence model as the job left it."""
    place = tmp_path_factory.mktemp("predict")
    cloud = Cloud(sandbox.up(place / "sandbox"), place / "sandbox")
    with tarfile.open(place / "model.tar.gz", "w:gz") as archive:
        archive.add(trained["sequence"].base / "model", arcname=".")
    cloud.client("s3").upload_file(str(place / "model.tar.gz"), cloud.bucket, "model.tar.gz")
    sagemaker = cloud.client("sagemaker")
    container = {"Image": "pytorch-inference", "ModelDataUrl": f"s3://{cloud.bucket}/model.tar.gz"}
    sagemaker.create_model(ModelName="ensemble", PrimaryContainer=container, ExecutionRoleArn=cloud.role)
    variant = {"VariantName": "all", "ModelName": "ensemble", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="ensemble", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="test", EndpointConfigName="ensemble")
    try:
        wait_for(
            lambda: sagemaker.describe_endpoint(EndpointName="test")["EndpointStatus"] == "InService", "the endpoint"
        )
        yield cloud
    finally:
        sandbox.down(place / "sandbox")


def predict(cloud: Cloud, *words: str | Path) -> Result:
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:training"
    invocation = FakeInvocation(connection(cloud, machine))
    return CliRunner().invoke(root, ["predict", *map(str, words)], obj=invocation)


def apart(data: Path, name: str, folder: Path) -> Path:
    """A stack of the data set as one image and one text a page."""
    folder.mkdir()
    records = [json.loads(line) for line in (data / name / "pages.jsonl").read_text().splitlines()]
    with Image.open(data / name / "pages.tif") as scan:
        for number, frame in enumerate(ImageSequence.Iterator(scan), 1):
            frame.save(folder / f"{number:03}.png")
            (folder / f"{number:03}.txt").write_text(records[number - 1]["text"])
    return folder


def test_a_stack_says_the_same_however_it_lies_here(cloud: Cloud, data: Path, tmp_path: Path) -> None:
    names = [entry["name"] for entry in json.loads((data / "manifest.json").read_text())["stacks"]][:2]
    shutil.copyfile(data / names[0] / "pages.tif", tmp_path / "scan.tif")
    texts = [json.loads(line)["text"] for line in (data / names[0] / "pages.jsonl").read_text().splitlines()]
    (tmp_path / "scan.txt").write_text("\f".join(texts) + "\f")
    ways = [data / names[0], tmp_path / "scan.tif", apart(data, names[0], tmp_path / "apart")]
    answered = predict(cloud, *ways, data / names[1], "-o", "json")
    assert answered.exit_code == 0, answered.output
    found = json.loads(answered.stdout)
    assert [stack["stack"] for stack in found] == [*map(str, ways), str(data / names[1])]
    assert found[0]["pages"] == found[1]["pages"] == found[2]["pages"] != found[3]["pages"]
    assert [page["page"] for page in found[0]["pages"]] == list(range(1, len(texts) + 1))
    assert len(predict(cloud, ways[0], "--pages").stdout.splitlines()) == len(texts) + 1
    lines = predict(cloud, ways[0]).stdout.splitlines()
    assert lines[0].split() == ["STACK", "PAGES", "CLASS", "PROBABILITY"]
    assert [line.split()[2] for line in lines[1:]] == [document["class"] for document in found[0]["documents"]]


def test_what_makes_no_stack_is_one_line(cloud: Cloud, data: Path, tmp_path: Path) -> None:
    name = json.loads((data / "manifest.json").read_text())["stacks"][0]["name"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.pdf").write_text("%PDF")
    Image.new("L", (4, 4)).save(tmp_path / "alone.png")
    Image.new("L", (4, 4)).save(tmp_path / "two.tif")
    (tmp_path / "two.txt").write_text("one\fthe other")
    (tmp_path / "broken.png").write_text("not a bitmap")
    (tmp_path / "broken.txt").write_text("")
    (tmp_path / "large.png").write_bytes(b"\0" * 5_000_000)
    (tmp_path / "large.txt").write_text("")
    refusals = {
        "empty": (2, f"error: no image in {tmp_path / 'empty'}"),
        "page.pdf": (2, f"error: {tmp_path / 'page.pdf'} is no image"),
        "alone.png": (2, f"error: no {tmp_path / 'alone.txt'}: the text that OCR read on alone.png"),
        "two.tif": (2, "error: the model refuses the request: stack 1: the bitmap has 1 images for 2 pages"),
        "broken.png": (2, "error: the model refuses the request: stack 1, page 1: the bitmap cannot be read"),
        "large.png": (2, f"error: {tmp_path / 'large.png'} is too large for one request: 6,666,7"),
    }
    for file, (code, said) in refusals.items():
        refused = predict(cloud, tmp_path / file)
        assert (refused.exit_code, refused.stdout) == (code, ""), file
        assert said in refused.stderr
    missing = predict(cloud, data / name, "--endpoint", "nobody")
    assert missing.exit_code == 4
    assert "error: Endpoint nobody of account 123456789012 not found" in missing.stderr
