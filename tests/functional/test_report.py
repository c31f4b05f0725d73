"""`opsctl report`: the page's structure, what it says, and that nothing of what others chose does anything in it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsctl.asl.effects import Failed
from opsctl.cli.root import root
from tests.functional.page import Element, page
from tests.functional.pipeline_world import BUCKET, DEFINITION, DIVERGED, MACHINE, Bench, training_failure
from tests.functional.report_world import archive, leave, leave_figures

SECTIONS = ["Summary", "Graph", "Timeline", "Metrics", "Inputs", "Costs", "Lineage", "Errors"]
NAME = "</text></style><script>alert(1)</script>{{7*7}}"
HOSTILE = "</pre></style><script>alert(1)</script><img src=//evil.example onerror=alert(1)>{{7*7}}\x1b[2J\u202e"
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "p", "h1", "h2", "h3", "h4", "span", "nav", "ul",
    "li", "main", "section", "div", "dl", "dt", "dd", "code", "strong", "table", "caption", "thead", "tbody", "tfoot",
    "tr", "th", "td", "figure", "figcaption", "b", "br", "details", "summary", "pre", "footer", "svg", "desc", "g",
    "path", "rect", "circle", "text",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(bench: Bench, *words: str) -> tuple[Result, Element]:
    """The command's answer and the page that it wrote to standard output."""
    result = bench.opsctl("report", *words, "--out", "-")
    assert result.exit_code == 0, result.output
    return result, page(result.stdout)


def section(document: Element, name: str) -> Element:
    return next(item for item in document.all("section") if item.attributes["id"] == name)


def rows(table: Element) -> list[list[str]]:
    return [[cell.text for cell in row.inside if isinstance(cell, Element)] for row in table.all("tr")]


def check_structure(document: Element, source: str) -> None:
    """What holds for every report: sound, in sections, told to everybody, with no script and nothing from elsewhere."""
    every = [item for tag in ELEMENTS for item in document.all(tag)]
    assert {item.tag for item in every} >= {"html", "main", "section", "svg"}
    assert set(re.findall(r"<([a-z0-9]+)[\s>]", source)) <= ELEMENTS
    (policy,) = [
        item for item in document.all("meta") if item.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (sheet,) = document.all("style")
    digest = base64.b64encode(hashlib.sha256("".join(map(str, sheet.inside)).encode()).digest()).decode()
    assert policy.attributes["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    names = {name for item in every for name in item.attributes}
    assert not [name for name in names if name.startswith("on")]
    assert not names & {"src", "style", "srcset", "action", "data", "xlink:href"}
    assert {item.attributes["href"][:1] for item in document.all("a")} == {"#"}
    assert not re.search(r"url\(|@import|@font-face", source)
    assert document.all("html")[0].attributes["lang"] == "en"
    ids = [item.attributes["id"] for item in every if "id" in item.attributes]
    assert len(ids) == len(set(ids))
    assert {item.attributes["href"][1:] for item in document.all("a")} <= set(ids)
    assert [item.text for item in document.all("h2")] == SECTIONS
    assert len(document.all("h1")) == 1
    for item in every:
        assert all(name in ids for name in item.attributes.get("aria-labelledby", "").split())
    for drawing in document.all("svg"):
        hidden = drawing.attributes.get("aria-hidden") == "true" or not drawing.attributes.get("role")
        assert hidden or (drawing.attributes["role"] == "img" and drawing.all("title")[0].text)
    for table in document.all("table"):
        assert table.all("caption")[0].text
        assert all(cell.attributes.get("scope") in ("col", "row") for cell in table.all("th"))
    for region in (item for item in document.all("div") if item.attributes.get("role") == "region"):
        assert region.attributes["aria-label"]
        assert region.attributes["tabindex"] == "0"


def test_a_failed_run(failed: Bench) -> None:
    leave_figures(failed, "nightly-7")
    result, document = report(failed)
    check_structure(document, result.stdout)
    assert document.all("title")[0].text == "nightly-7: failed"
    assert document.all("h1")[0].text == "nightly-7 ✗ failed"
    summary = section(document, "summary").text
    assert 'Next: opsctl rerun nightly-7 --from "Train Sequence Model"' in summary
    assert f"Train Sequence Model failed: States.TaskFailed: {DIVERGED}" in summary
    assert "Took 1 min 55 s" in summary
    assert "Steps 6 succeeded, 1 failed, 5 not reached" in summary
    assert rows(section(document, "timeline").all("table")[0])[1:10] == [
        ["Prepare Run", "✓ succeeded", "", "", "1.0 s"],
        ["Fetch Preprocessed Data", "✓ succeeded", "", "", "12.0 s"],
        ["Train Image Model", "✓ succeeded", "", "", "1 min 0 s"],
        ["Train Text Model", "✓ succeeded", "", "", "30.0 s"],
        ["Train Sequence Model", f"✗ failed States.TaskFailed: {DIVERGED}", "", "", "40.0 s"],
        ["Find Champion", "– not reached", "", "", ""],
        ["Evaluate", "– not reached", "", "", ""],
        ["Compare With Champion", "– not reached", "", "", ""],
        ["Start Deployment", "– not reached", "", "", ""],
    ]  # fmt: skip
    errors = section(document, "errors")
    assert errors.all("h3")[0].text == "Train Sequence Model ✗ failed"
    assert "AlgorithmError: the loss is not finite" in errors.all("p")[0].text
    assert errors.all("p")[1].text == "No log: there is no log group /aws/sagemaker/TrainingJobs"
    assert '"TrainingJobStatus": "Failed"' in errors.all("pre")[0].text
    assert ["Train Image Model", "1", "1 min 0 s", "0.0235", "1 x ml.g5.xlarge"] in rows(
        section(document, "costs").all("table")[0]
    )


def test_figures_are_drawn_and_told_in_numbers(failed: Bench) -> None:
    leave_figures(failed, "nightly-7")
    _, document = report(failed)
    metrics = section(document, "metrics")
    shares = rows(metrics.all("table")[0])
    assert shares[0] == ["Model", "page accuracy", "boundary accuracy", "document accuracy", "log loss"]
    assert [row[:2] for row in shares[1:]] == [
        ["image", "52.3%"], ["text", "64.1%"], ["average", "71.6%"], ["sequence", "92.9%"], ["champion", "91.7%"],
    ]  # fmt: skip
    assert [item.all("b")[0].text for item in metrics.all("figcaption")] == [
        "Train Image Model", "Train Image Model", "Train Text Model", "Train Text Model", "Train Sequence Model",
        "Train Sequence Model",
    ]  # fmt: skip
    plot = metrics.all("figure")[1].all("svg")[0]
    assert plot.all("title")[0].text.startswith("validation accuracy of Train Image Model: from 0.1217 in epoch 1 to")
    assert len(metrics.all("figure")[0].all("circle")) == 20
    assert rows(metrics.all("figure")[0].all("table")[0])[-1] == ["20", "0.118463"]
    matrix = next(table for table in metrics.all("table") if table.attributes.get("class") == "matrix")
    assert matrix.all("caption")[0].text == "sequence: pages by true class (rows) and found class (columns)"
    assert rows(matrix)[1] == ["appraisal", "52", "2", "0", "1"]
    assert [cell.attributes["class"] for cell in matrix.all("td")[:4]] == ["q5 right", "q1", "q0", "q1"]


def test_a_rerun_marks_what_it_reused_and_tells_its_lineage(failed: Bench) -> None:
    changed = "hyperparameters.sequence_model.max_lr=0.01"
    failed.opsctl("rerun", "nightly-7", "--from", "Train Sequence Model", "--set", changed, "--yes")
    result, document = report(failed)
    check_structure(document, result.stdout)
    timeline = rows(section(document, "timeline").all("table")[0])
    assert ["Train Image Model", "↺ reused from nightly-7", "", "", ""] in timeline
    lineage = section(document, "lineage")
    assert "Train Text Model from nightly-7" in lineage.all("p")[0].text
    root_item, rerun = lineage.all("li")
    assert root_item.text.startswith("nightly-7 ✗ failed")
    assert rerun.text.startswith("nightly-7-r1 ✓ succeeded this run from Train Sequence Model")
    assert "hyperparameters.sequence_model.max_lr: nothing → 0.01" in rerun.text
    assert section(document, "errors").all("p")[0].text == "No attempt failed."


def test_retries_have_a_row_each(bench: Bench) -> None:
    bench.world.script["Fetch Preprocessed Data"] = [Failed("Batch.AWSBatchException", "busy")]
    bench.opsctl("start", "--name", "nightly-7")
    _, document = report(bench)
    table = rows(section(document, "timeline").all("table")[0])
    assert [row[:2] for row in table if row[0].startswith("Fetch")] == [
        ["Fetch Preprocessed Data attempt 1 of 2", "✗ failed Batch.AWSBatchException: busy"],
        ["Fetch Preprocessed Data attempt 2 of 2", "✓ succeeded"],
    ]


BROKEN = archive(b'{"history": [{"epoch": 1, "train_loss"')


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"", None), (b"no archive", None), (BROKEN, "Expecting ':' delimiter"),
     (BROKEN[: len(BROKEN) // 2], "Compressed file ended"), (archive(b"[1]"), "metrics.json holds no object"),
     (archive(b"{}"), None), (archive(b'{"history": [{"epoch": NaN, "train_loss": Infinity}]}'), None),
     (archive(b"{}", "other.json"), None)],
)  # fmt: skip
def test_figures_that_cannot_be_read_are_said_to_be_missing(failed: Bench, content: bytes, fault: str | None) -> None:
    leave(failed, "nightly-7", "train-image-model", content)
    result, document = report(failed)
    check_structure(document, result.stdout)
    said = section(document, "metrics").all("p")[0].text
    if fault is None:
        assert said == "No step of this run left figures that can be read (metrics.json)."
    else:
        assert said.startswith("the figures of train-image-model cannot be read: ")
        assert fault in said
        assert f"note: metrics: {said}" in result.stderr.splitlines()


def test_what_others_chose_is_text_and_nothing_else(bench: Bench) -> None:
    text = json.dumps(DEFINITION).replace('"Train Text Model"', json.dumps(NAME))
    bench.states.current = json.loads(text)
    bench.world.script["Train Sequence Model"] = [training_failure(HOSTILE)]
    document = {"hyperparameters": {"text_model": {"dropout": HOSTILE}}}
    bench.states.start(MACHINE, "nightly-7", json.dumps(document))
    hostile = {"history": [{"epoch": 1, HOSTILE: 1.0}], "page_accuracy": {HOSTILE: 0.5},
               "confusion": {"classes": [HOSTILE], HOSTILE: [[3]]}}  # fmt: skip
    leave(bench, "nightly-7", "evaluate", archive(json.dumps(hostile).encode()))
    result, written = report(bench)
    check_structure(written, result.stdout)
    for name in ("graph", "timeline", "metrics", "inputs", "errors"):
        assert "alert(1)" in section(written, name).text
    assert "49" not in [cell.text for cell in written.all("td")]
    assert not any(letter in result.stdout for letter in "\x1b\u202e")


@pytest.fixture
def logged(failed: Bench) -> Bench:
    """The same, with a log of the job that failed."""
    client = failed.connection.aws.client("logs")
    client.create_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    stream = {
        "logGroupName": "/aws/sagemaker/TrainingJobs",
        "logStreamName": "nightly-7-train-sequence-model-d0r0/algo-1",
    }
    client.create_log_stream(**stream)
    now = int(time.time() * 1000)
    lines = [f"line {number}" for number in range(60)] + ["epoch=1 \x1b[31mloss=nan\x1b[0m <b>", "  indented"]
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
    client.put_log_events(**stream, logEvents=events)
    return failed


def test_the_end_of_a_failed_jobs_log(logged: Bench) -> None:
    result, document = report(logged)
    check_structure(document, result.stdout)
    log = section(document, "errors").all("pre")[0]
    lines = "".join(map(str, log.inside)).rstrip("\n").split("\n")
    assert (len(lines), lines[0]) == (40, "line 22")
    assert lines[-2:] == ["epoch=1 loss=nan <b>", "  indented"]


def test_a_run_that_goes_on(bench: Bench) -> None:
    bench.world.open_steps = {"Train Image Model"}
    bench.opsctl("start", "--name", "nightly-7")
    bench.world.now += 30
    _, document = report(bench)
    assert document.all("h1")[0].text == "nightly-7 … running"
    timeline = rows(section(document, "timeline").all("table")[0])
    assert next(row for row in timeline if row[0] == "Train Image Model")[1] == "… running"


def test_it_is_written_beside_and_named_after_the_run(failed: Bench, folder: Path) -> None:
    result = failed.opsctl("report")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "wrote nightly-7.html\n")
    assert (folder / "nightly-7.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>\n")


def test_of_a_saved_history_it_says_what_is_not_known(failed: Bench, folder: Path) -> None:
    events = list(failed.states.history(f"{MACHINE.replace(':stateMachine:', ':execution:')}:nightly-7"))
    (folder / "history.json").write_text(json.dumps({"events": events}))
    (folder / "definition.json").write_text(json.dumps(DEFINITION))
    for words in (["--definition", "definition.json"], []):
        result = CliRunner().invoke(root, ["report", "--history", "history.json", *words, "--out", "-"])
        assert (result.exit_code, result.stderr) == (0, "")
        document = page(result.stdout)
        check_structure(document, result.stdout)
        for name in ("metrics", "lineage"):
            assert (
                section(document, name).all("p")[0].text == "not known offline: this report was made of a saved history"
            )


def test_a_map_of_thousands_has_a_strip_and_its_failures(folder: Path) -> None:
    from benchmarks.reader import history

    (folder / "history.json").write_text(json.dumps(history(4000)))
    result = CliRunner().invoke(root, ["report", "--history", "history.json", "--out", "-"])
    assert result.exit_code == 0
    timeline = rows(section(page(result.stdout), "timeline").all("table")[0])
    assert [row[0] for row in timeline[1:3]] == ["Left all 306 attempts", "Left attempt 1 of 306, item 0 of Each"]
    assert len(timeline) == 1 + 2 * 41
    assert len(result.stdout) < 500_000


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["-o", "json"], ["error: a report is a page, and no table or JSON", "hint: as JSON: opsctl status -o json"]),
        (["--definition", "x.json"], [
            "error: --definition goes with --history", "hint: without --history, AWS tells what the run walked"]),
        (["nightly-7", "--history", "x.json"], [
            "error: --history is a run's history already", "hint: leave nightly-7 out"]),
        (["--history", "x.json"], ["error: no file x.json"]),
        (["--out", "run.pdf"], [
            "error: a report is an HTML page, and run.pdf is called otherwise", "hint: name it FILE.html"]),
    ],
)  # fmt: skip
def test_what_cannot_be_reported_is_told_in_a_line(words: list[str], lines: list[str]) -> None:
    result = CliRunner().invoke(root, ["report", *words])
    assert (result.exit_code, result.stdout, result.stderr.splitlines()) == (2, "", lines)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(failed: Bench, folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o500)
    result = failed.opsctl("report", "--out", "closed/run.html")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2, "error: closed/run.html cannot be written: Permission denied",
    )  # fmt: skip


def test_a_bucket_that_may_not_be_read_leaves_the_rest(failed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failed.world.s3.delete_bucket_policy(Bucket=BUCKET)
    real: Any = failed.connection.storage.list

    def refused(prefix: Any) -> Any:
        from opsctl.errors import AwsError

        if "evaluate" in prefix.key:
            raise AwsError("s3:ListBucket was denied")
        return real(prefix)

    monkeypatch.setattr(failed.connection.storage, "list", refused)
    leave_figures(failed, "nightly-7")
    _, document = report(failed)
    assert len(section(document, "metrics").all("figure")) == 6
