"""What S3 in bulk does when S3 refuses: single keys, for a moment, above a rate. Against the benchmark's stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from benchmarks.s3.bulk import Server
from opsctl.aws.bulk import Bulk, Copied, Refused, Target
from opsctl.aws.plain import PlainStore
from opsctl.aws.session import Aws
from opsctl.config import AWS, SANDBOX, Context
from opsctl.domain.objects import Place, Stored

BUCKET = "bench"
HERE, THERE = Place(BUCKET, "runs/a/"), Place(BUCKET, "runs/b/")
ODD = [
    "new\nline", "carriage\rreturn", "tab\there", "\x01", "\x7f", "\ufffe", "uni/ünï/码", "sp ace", " ", "plus+",
    "per%cent", "per%2Fcent", "back\\slash", "amp&lt;<>\"'", "&#10;", "~tilde", "q?versionId=1", "h#x", "*",
    "x" * 1000, "é" * 500, "\N{ROCKET}", "a/b", "a//b", "/leading", "trailing/", "trailing",
    "../x", "a/../b", "a/./b", "..", ".", "x/..",
]  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(running: Server) -> Server:
    running.prepare(0)
    return running


def connect(server: Server, kind: str = SANDBOX) -> Aws:
    return Aws(Context(kind, server.url, "us-east-1", None, Path()), "us-east-1")


def relative(bulk: Bulk) -> list[Stored]:
    return [replace(item, key=item.key.removeprefix(HERE.key)) for item in bulk.objects(HERE)]


def keys(bulk: Bulk, place: Place) -> list[str]:
    return [item.key.removeprefix(place.key) for item in bulk.objects(place)]


def copied(parts: list[Copied]) -> tuple[int, int, list[Refused]]:
    refused = sorted((r for p in parts for r in p.refused), key=lambda r: r.key)
    return sum(p.objects for p in parts), sum(p.bytes for p in parts), refused


@pytest.fixture(params=[SANDBOX, AWS])
def bulk(request: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> Bulk:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    return Bulk(connect(server, request.param))


def test_keys_of_any_kind_are_copied_and_deleted_as_they_are(server: Server, bulk: Bulk) -> None:
    client = connect(server).client("s3")
    for key in ODD:
        client.put_object(Bucket=BUCKET, Key=HERE.key + key, Body=b"" if key == " " else b"x")
    items = relative(bulk)
    assert {item.key for item in items} == set(ODD)
    assert copied(list(bulk.copy(HERE, THERE, items))) == (len(ODD), len(ODD) - 1, [])
    assert keys(bulk, THERE) == [item.key for item in items]
    answers = list(bulk.delete(BUCKET, (Target(item.key, size=item.size) for item in bulk.objects(HERE))))
    assert (sum(a.objects for a in answers), sum(a.bytes for a in answers)) == (len(ODD), len(ODD) - 1)
    assert [refused for answer in answers for refused in answer.refused] == []
    assert (keys(bulk, HERE), len(keys(bulk, THERE))) == ([], len(ODD))


def test_the_others_go_on_when_keys_are_refused(server: Server) -> None:
    bulk = Bulk(connect(server))
    server.prepare(2100)
    server.tell("set?deny=777")
    refused = [f"000{thousand}/0000{thousand}777" for thousand in (0, 1)]
    done, _, failures = copied(list(bulk.copy(HERE, THERE, relative(bulk))))
    assert (done, sorted(f.key for f in failures), failures[0].code) == (2098, refused, "AccessDenied")
    answers = list(bulk.delete(BUCKET, (Target(item.key) for item in bulk.objects(HERE))))
    assert sum(answer.objects for answer in answers) == 2098
    assert sorted(r.key for answer in answers for r in answer.refused) == [HERE.key + key for key in refused]
    assert keys(bulk, HERE) == refused
    assert len(keys(bulk, THERE)) == 2098


def test_an_error_inside_an_answer_200_is_seen_and_asked_again(server: Server) -> None:
    bulk = Bulk(connect(server))
    server.prepare(30)
    server.tell("set?busy=3")
    assert copied(list(bulk.copy(HERE, THERE, relative(bulk)))) == (30, 3000, [])
    assert keys(bulk, THERE) == keys(bulk, HERE)
    server.tell("set?busy=3")
    assert [a.refused for a in bulk.delete(BUCKET, (Target(item.key) for item in bulk.objects(HERE)))] == [()]
    assert keys(bulk, HERE) == []


def test_objects_that_vanish_after_the_listing(server: Server) -> None:
    bulk = Bulk(connect(server))
    server.prepare(3)
    ghosts = [Stored("gone", 1, '"e"'), Stored("gone\n", 1, '"e"')]
    done, _, failures = copied(list(bulk.copy(HERE, THERE, [*ghosts, *relative(bulk)])))
    assert (done, [(f.key, f.code) for f in failures]) == (3, [("gone", "NoSuchKey"), ("gone\n", "NoSuchKey")])
    (answer,) = bulk.delete(BUCKET, [Target("runs/a/gone"), Target("runs/a/0000/00000000")])
    assert (answer.objects, answer.refused) == (2, ())
    assert list(bulk.copy(HERE, THERE, [])) == []


def test_a_store_that_says_slow_down_is_heeded(server: Server) -> None:
    bulk = Bulk(connect(server))
    server.prepare(1500, ceiling=500)  # which a busy machine meets too
    assert copied(list(bulk.copy(HERE, THERE, relative(bulk))))[0] == 1500
    counts = server.counts()
    assert 0 < counts["slowdowns"] < 3000  # who does not heed it asks eight times for each
    assert counts["copy"] == 1500 + counts["slowdowns"]
    assert sum(answer.objects for answer in bulk.delete(BUCKET, (Target(i.key) for i in bulk.objects(HERE)))) == 1500


def test_a_reader_that_stops_leaves_the_rest_alone(server: Server) -> None:
    bulk = Bulk(connect(server))
    server.prepare(60_000)
    parts = bulk.delete(BUCKET, (Target(item.key) for item in bulk.objects(HERE)))
    next(parts)
    parts.close()  # as an interrupt does
    assert 60_000 > server.counts()["keys"] > 20_000
    assert sum(part.objects for part in bulk.delete(BUCKET, (Target(i.key) for i in bulk.objects(HERE)))) > 20_000
    assert keys(bulk, HERE) == []


class Recorder(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_PUT(self) -> None:
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


FOREIGN = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_SESSION_TOKEN": "real",
    "AWS_ACCESS_KEY_ID": "real", "AWS_SECRET_ACCESS_KEY": "real", "AWS_SKIP_SIGNATURE": "true",
    "AWS_S3_EXPRESS": "true", "AWS_REQUEST_PAYER": "true", "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms",
    "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9",
}  # fmt: skip


def test_in_the_sandbox_obstore_sees_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    recorder = HTTPServer(("127.0.0.1", 0), Recorder)
    Thread(target=recorder.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{recorder.server_port}"
    store = PlainStore(Aws(Context(SANDBOX, url, "us-east-1", None, Path()), "us-east-1"), "bench")
    assert asyncio.run(store.copy("a b", "c"))  # the recorder refuses
    ((path, headers),) = Recorder.seen
    assert (path, headers["x-amz-copy-source"]) == ("/bench/c", "bench/a%20b")
    assert "Credential=sandbox/" in headers["authorization"]
    assert {name for name in headers if name.startswith("x-amz-")} == {
        "x-amz-copy-source", "x-amz-date", "x-amz-content-sha256",
    }  # fmt: skip
    recorder.shutdown()
    recorder.server_close()
