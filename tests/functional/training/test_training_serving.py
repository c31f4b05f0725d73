"""The sequence model's artifact, served as AWS's inference containers do: by the handlers in its code/."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import JobError
from ensemble import read_ensemble
from PIL import Image, ImageSequence
from training_job import TRAINING, JobDirectory

SERVER = TRAINING.parent / "opsctl" / "sandbox" / "model_server.py"


class Client:
    """One connection to a server of its own."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, body: Any, **headers: str) -> tuple[int, Any]:
        """Status and document of the answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Content-Type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
        self.connection.request("POST", "/invocations", content, named)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def serve(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SERVER), str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def server(trained: dict[str, JobDirectory], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server whose model was packed and unpacked, far from the training code."""
    root = tmp_path_factory.mktemp("served")
    with tarfile.open(root / "model.tar.gz", "w:gz") as archive:
        archive.add(trained["sequence"].base / "model", arcname=".")
    with tarfile.open(root / "model.tar.gz") as archive:
        archive.extractall(root / "model", filter="data")
    process = serve(root / "model")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    yield json.loads(line)["port"]
    process.terminate()
    assert process.wait(60) == 0


@pytest.fixture
def client(server: int) -> Client:
    return Client(server)


def stack(data: Path, name: str) -> dict[str, Any]:
    """A stack of the data set as a client sends it."""
    texts = [json.loads(line)["text"] for line in (data / name / "pages.jsonl").read_text().splitlines()]
    pages = []
    with Image.open(data / name / "pages.tif") as file:
        for text, frame in zip(texts, ImageSequence.Iterator(file), strict=True):
            content = io.BytesIO()
            frame.save(content, "PNG")
            pages.append({"text": text, "bitmap": base64.b64encode(content.getvalue()).decode()})
    return {"pages": pages}


def test_served_pages_are_read_as_in_training(client: Client, trained: dict[str, JobDirectory], data: Path) -> None:
    """Those that no fold's network read: the validation and held-out stacks, all in one request and one by one."""
    manifest = json.loads((data / "manifest.json").read_text())
    with np.load(trained["sequence"].base / "model" / "outputs.npz") as outputs:
        probability, first = np.exp(outputs["log_probability"]), outputs["first"]
    names = [entry["name"] for entry in manifest["stacks"] if entry["split"] != "train"]
    starts = np.cumsum([0, *(entry["pages"] for entry in manifest["stacks"])])
    status, together = client.ask({"stacks": [stack(data, name) for name in names]})
    assert (status, len(together["stacks"])) == (200, len(names))
    for name, answered in zip(names, together["stacks"], strict=True):
        assert client.ask({"stacks": [stack(data, name)]}) == (200, {"stacks": [answered]})
        at = next(index for index, entry in enumerate(manifest["stacks"]) if entry["name"] == name)
        own = slice(starts[at], starts[at + 1])
        assert [page["class"] for page in answered["pages"]] == [
            manifest["classes"][label] for label in probability[own].argmax(axis=1)
        ]
        assert np.allclose([page["probability"] for page in answered["pages"]], probability[own].max(axis=1), atol=1e-3)
        assert np.allclose([page["begins_probability"] for page in answered["pages"]], first[own], atol=1e-3)
        spans = [(document["first_page"], document["last_page"]) for document in answered["documents"]]
        begins = [page["page"] for page in answered["pages"] if page["begins"]]
        assert begins == [start for start, _ in spans]
        assert [end + 1 for _, end in spans[:-1]] == begins[1:]
        assert (begins[0], spans[-1][1]) == (1, len(answered["pages"]))


def test_a_stack_may_come_as_one_scan(client: Client, data: Path) -> None:
    name = json.loads((data / "manifest.json").read_text())["stacks"][0]["name"]
    apart = stack(data, name)
    scan = base64.b64encode((data / name / "pages.tif").read_bytes()).decode()
    texts = [{"text": page["text"]} for page in apart["pages"]]
    assert client.ask({"stacks": [{"pages": texts, "bitmap": scan}]}) == client.ask({"stacks": [apart]})
    status, answer = client.ask({"stacks": [{"pages": texts[1:], "bitmap": scan}]})
    assert (status, answer) == (
        400, {"error": f"stack 1: the bitmap has {len(texts)} images for {len(texts) - 1} pages"},
    )  # fmt: skip


def png(width: int = 4, height: int = 4) -> str:
    content = io.BytesIO()
    Image.new("L", (width, height)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


PAGE = {"text": "deed", "bitmap": png()}


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{", {}, 400, "the request is not JSON"),
        (b"\xff\xfe", {}, 400, "the request is not JSON"),
        ([], {}, 400, 'the request must be an object with a list of at least one entry in "stacks"'),
        ({"stacks": []}, {}, 400, 'the request must be an object with a list of at least one entry in "stacks"'),
        ({"stacks": [{"pages": []}]}, {}, 400, 'stack 1 must be an object with a list of at least one entry in'),
        ({"stacks": [{"pages": [PAGE, {"text": 1}]}]}, {}, 400, 'page 2 must be an object with the string "text"'),
        ({"stacks": [{"pages": [{"text": "", "bitmap": "?"}]}]}, {}, 400, "stack 1, page 1: the bitmap cannot be read"),
        (
            {"stacks": [{"pages": [{"text": "", "bitmap": png()[:40]}]}]},
            {},
            400,
            "stack 1, page 1: the bitmap cannot be read: it is no whole PNG, TIFF or JPEG",
        ),
        ({"stacks": [{"pages": [PAGE | {"bitmap": png(8000, 7000)}]}]}, {}, 400, "more than 50,000,000 pixels"),
        ({"stacks": [{"pages": [PAGE | {"text": "x" * 100_001}]}]}, {}, 400, "has 100,001 characters; 100,000 are"),
        ({"stacks": [{"pages": [PAGE]}] * 65}, {}, 400, 'has 65 entries in "stacks"; 64 are the most'),
        ({"stacks": [{"pages": [PAGE]}]}, {"Content_Type": "text/csv"}, 415, "must be application/json, not text/csv"),
        ({"stacks": [{"pages": [PAGE]}]}, {"Accept": "text/csv"}, 406, "the answer is application/json, not text/csv"),
        (b" " * 7_000_000, {}, 413, "the request has 7,000,000 bytes; 6,291,456 are the most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(client: Client, body: Any, headers: dict[str, str], status: int, said: str) -> None:
    code, answer = client.ask(body, **headers)
    assert (code, list(answer)) == (status, ["error"])
    assert said in answer["error"]


def test_a_scan_whose_later_pages_are_too_large(client: Client) -> None:
    """Few bytes, much memory: every image of a file counts, not the first alone."""
    content = io.BytesIO()
    small, large = Image.new("1", (8, 8)), Image.new("1", (8000, 7000))
    small.save(content, "TIFF", save_all=True, append_images=[large], compression="group4")
    bitmap = base64.b64encode(content.getvalue()).decode()
    status, answer = client.ask({"stacks": [{"pages": [{"text": ""}, {"text": ""}], "bitmap": bitmap}]})
    assert (status, answer) == (400, {"error": "stack 1: the bitmap has more than 50,000,000 pixels"})
    content = io.BytesIO()
    page = Image.new("1", (7000, 7000))
    page.save(content, "TIFF", compression="group4")
    bitmap = base64.b64encode(content.getvalue()).decode()
    status, answer = client.ask({"stacks": [{"pages": [{"text": "", "bitmap": bitmap}] * 21}]})
    told = "stack 1, page 21: the request's bitmaps have more than 1,000,000,000 pixels"
    assert (status, answer) == (400, {"error": told})


def test_a_length_that_is_no_number(server: int) -> None:
    with socket.create_connection(("127.0.0.1", server), timeout=60) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 411 ")


def test_a_blank_page_is_a_page(client: Client) -> None:
    status, answer = client.ask({"stacks": [{"pages": [{"text": "", "bitmap": png()}]}]})
    assert (status, len(answer["stacks"][0]["pages"])) == (200, 1)


def test_a_request_under_way_is_answered_before_the_server_ends(
    trained: dict[str, JobDirectory], data: Path, tmp_path: Path
) -> None:
    process = serve(trained["sequence"].base / "model")
    assert process.stdout is not None
    client = Client(json.loads(process.stdout.readline())["port"])
    name = json.loads((data / "manifest.json").read_text())["stacks"][0]["name"]
    request = {"stacks": [stack(data, name)] * 20}
    body = json.dumps(request).encode()
    client.connection.connect()
    connection = client.connection.sock
    head = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    connection.sendall(f"POST /invocations HTTP/1.1\r\n{head}".encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")  # the request is under way
    process.terminate()
    connection.sendall(body)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 200
    assert process.wait(60) == 0


@pytest.mark.parametrize("broken", ["base/text/weights.pt", "weights.pt", "config.json", "base/image/config.json"])
def test_a_broken_artifact_is_said(trained: dict[str, JobDirectory], tmp_path: Path, broken: str) -> None:
    shutil.copytree(trained["sequence"].base / "model", tmp_path / "model")
    path = tmp_path / "model" / broken
    for spoil in (lambda: path.write_bytes(b"PK nonsense"), path.unlink):
        spoil()
        with pytest.raises(JobError, match=f"{re.escape(str(path))} cannot be read"):
            read_ensemble(tmp_path / "model")


def test_a_model_without_handlers_is_said(tmp_path: Path) -> None:
    out, err = serve(tmp_path).communicate(timeout=240)
    assert (out, err.splitlines()[-1]) == (
        "",
        f"error: the model holds no code/inference.py: {tmp_path}/code/inference.py",
    )


def test_a_base_model_that_nobody_can_serve(trained: dict[str, JobDirectory], data: Path, tmp_path: Path) -> None:
    """It can be trained on and evaluated; the artifact then holds no code, and says why."""
    own = JobDirectory(tmp_path / "own")
    shutil.copytree(trained["text"].base / "model", own.base / "model")
    config = json.loads((own.base / "model" / "config.json").read_text())
    (own.base / "model" / "config.json").write_text(json.dumps(config | {"served_by": None}))
    job = JobDirectory(tmp_path / "sequence").channel("data", data).artifact("own", own).hyperparameters(epochs="1")
    done = job.run("sequence")
    assert "the ensemble cannot be deployed: nothing says how to serve own\n" in done.stdout
    assert not (job.base / "model" / "code").exists()
