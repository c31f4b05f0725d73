"""`opsctl graph`: of runs in AWS, of saved histories, of definitions in files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsctl.cli.root import root
from tests.functional.pipeline_world import DEFINITION, MACHINE, ROOT, Bench

TEMPLATE = ROOT / "definitions/training.asl.json.tftpl"
SMALL: dict[str, Any] = {
    "StartAt": "One",
    "States": {
        "One": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Two"},
        "Two": {"Type": "Succeed"},
    },
}
UNSET = 'vars map does not contain key "name", referenced at own.asl.json.tftpl:1,16-20'
DRAWN = "small\n\n● One\n│\n○ Two\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.asl.json").write_text(json.dumps(SMALL))
    return tmp_path


@pytest.fixture
def saved(failed: Bench, folder: Path) -> Path:
    """The history of a failed run and its definition."""
    events = list(failed.states.history(f"{MACHINE.replace(':stateMachine:', ':execution:')}:nightly-7"))
    (folder / "history.json").write_text(json.dumps({"events": events}))
    (folder / "definition.json").write_text(json.dumps(DEFINITION))
    return folder


def opsctl(*words: str) -> Result:
    return CliRunner().invoke(root, ["graph", *words])


def states(lane: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {state["state"]: state for state in lane["states"]}
    for state in lane["states"]:
        for inner in state["lanes"]:
            found |= states(inner)
    return found


def test_a_failed_run_as_json(failed: Bench) -> None:
    result = failed.opsctl("graph", "-o", "json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["title"], document["status"]) == (0, "nightly-7", "FAILED")
    assert document["facts"][:1] + document["facts"][2:3] == ["failed", "1 min 55 s"]
    told = states(document)
    assert {name: state["status"] for name, state in told.items() if state["type"] == "Task"} == {
        "Prepare Run": "SUCCEEDED", "Fetch Preprocessed Data": "SUCCEEDED", "Train Image Model": "SUCCEEDED",
        "Train Text Model": "SUCCEEDED", "Train Sequence Model": "FAILED",
        "Find Champion": "NOT REACHED", "Evaluate": "NOT REACHED", "Compare With Champion": "NOT REACHED",
        "Start Deployment": "NOT REACHED",
        "Notify Success": "NOT REACHED", "Describe Failure": "SUCCEEDED", "Notify Failure": "SUCCEEDED",
    }  # fmt: skip
    assert (told["Train Image Model"]["seconds"], told["Train Image Model"]["attempts"]) == (60.0, "1")
    assert "the loss is not finite" in told["Train Sequence Model"]["error"]
    taken = {(way["from"], way["to"]) for way in document["ways"] if way["taken"]}
    assert ("Train Sequence Model", "Describe Failure") in taken
    assert ("Describe Failure", "Notify Failure") in taken
    assert [way["kind"] for way in document["ways"] if way["from"] == "Describe Failure" and way["taken"]] == ["next"]


def test_a_rerun_shows_what_it_reused(failed: Bench) -> None:
    failed.opsctl("rerun", "nightly-7", "--from", "Train Sequence Model", "--yes")
    lines = failed.opsctl("graph", "nightly-7-r1").stdout.splitlines()
    assert "● Fetch Preprocessed Data  reused, from nightly-7" in lines
    assert "├─ skip.fetch_preprocessed_data is true → Base Model Training" in lines


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--out", "run.svg"], b"<svg "), (["--out", "run.png"], b"\x89PNG"), (["--out", "run.mmd"], b"---\ntitle"),
        (["--out", "run.json"], b'{\n  "title"'), (["--out", "run.txt"], "small\n\n●".encode()),
        (["--out", "run"], "small\n\n●".encode()), (["--out", "run.txt", "-o", "svg"], b"<svg "),
    ],
)  # fmt: skip
def test_the_format_is_the_one_of_the_files_name(folder: Path, words: list[str], begins: bytes) -> None:
    result = opsctl("--definition", "small.asl.json", *words)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote {words[1]}\n")
    assert (folder / words[1]).read_bytes().startswith(begins)


@pytest.mark.parametrize("words", [[], ["-o", "text"], ["-o", "table"]])
def test_without_a_file_it_is_drawn_in_text(folder: Path, words: list[str]) -> None:
    del folder
    result = opsctl("--definition", "small.asl.json", *words)
    assert (result.exit_code, result.stdout, result.stderr) == (0, DRAWN, "")


def test_a_dash_is_standard_output_and_a_query_is_json(folder: Path) -> None:
    del folder
    assert opsctl("--definition", "small.asl.json", "--out", "-", "-o", "svg").stdout_bytes.startswith(b"<svg ")
    result = opsctl("--definition", "small.asl.json", "--query", "states[].state")
    assert json.loads(result.stdout) == ["One", "Two"]


def test_yaml_and_templates_are_drawn_as_lint_reads_them(folder: Path) -> None:
    (folder / "small.asl.yaml").write_text("StartAt: One\nStates:\n  One: {Type: Succeed}\n")
    assert opsctl("--definition", "small.asl.yaml").stdout == "small\n\n○ One\n"
    (folder / "own.asl.json.tftpl").write_text('{"StartAt": "${name}", "States": {"${name}": {"Type": "Succeed"}}}')
    assert opsctl("--definition", "own.asl.json.tftpl", "--var", "name=Mine").stdout == "own\n\n○ Mine\n"
    shipped = opsctl("--definition", str(TEMPLATE), "-o", "json")
    assert "Train Sequence Model" in states(json.loads(shipped.stdout))


@pytest.mark.parametrize("words", [("--var", "name=Mine"), ("--var-file", "small.asl.json")])
def test_variables_of_what_is_no_template_are_refused(saved: Path, words: tuple[str, ...]) -> None:
    result = opsctl("--definition", "small.asl.json", *words)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", (
        "error: small.asl.json is no template: variables change nothing in it\n"
        "hint: leave --var and --var-file out\n"
    ))  # fmt: skip
    for others in ((), ("nightly-7",), ("--history", "history.json", "--definition", "definition.json")):
        result = opsctl(*others, *words)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (
            2, "error: variables fill a template, and none is drawn"
        )  # fmt: skip


def test_a_plain_definition_is_drawn_without_what_templates_and_runs_need(folder: Path) -> None:
    program = (
        "import sys\nfrom opsctl.cli.root import root\n"
        "root(['graph', '--definition', 'small.asl.json'], standalone_mode=False)\n"
        "print([name for name in ('yaml', 'botocore', 'opsctl.asl.interpreter') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{DRAWN}[]\n"


def test_a_saved_history_is_drawn_with_its_definition_or_without(saved: Path) -> None:
    whole = opsctl("--history", "history.json", "--definition", "definition.json", "-o", "json")
    part = opsctl("--history", "history.json", "-o", "json")
    assert (whole.exit_code, part.exit_code, part.stderr) == (0, 0, "")
    every, entered = states(json.loads(whole.stdout)), states(json.loads(part.stdout))
    assert len(every) == 31
    assert entered.keys() == {name for name, state in every.items() if state["entries"]}
    assert {name: state["status"] for name, state in entered.items()} == {
        name: state["status"] for name, state in every.items() if state["entries"]
    }


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["nightly-7", "--definition", "small.asl.json"], [
            "error: a RUN is drawn from what AWS tells of it",
            "hint: leave nightly-7 out, or --definition and --history"]),
        (["--definition", "smal.json"], ["error: no file smal.json"]),
        (["--definition", "list.json"], [
            "error: list.json is no state machine definition",
            "hint: a definition is a JSON object with StartAt and States; render a template first"]),
        (["--history", "small.asl.json"], [
            "error: small.asl.json is no execution history",
            "hint: save one with: aws stepfunctions get-execution-history --execution-arn ARN > history.json"]),
        (["--definition", "small.asl.json", "--out", "gone/run.svg"], [
            "error: gone/run.svg cannot be written: No such file or directory",
            "hint: name a file in a folder that you may write to: --out FILE"]),
        (["--definition", "small.asl.json", "--out", "run.v1.pdf"], [
            "error: nothing is known of files in .pdf: run.v1.pdf",
            "hint: name one in .txt, .svg, .png, .mmd, .json, or its format with -o"]),
        (["--definition", "small.asl.json", "--query", "title", "--out", "x.svg"], [
            "error: --query prints a part of the result, and --out writes the whole",
            "hint: leave one of them out"]),
        (["--definition", "own.asl.json.tftpl"], [
            f"error: own.asl.json.tftpl cannot be rendered: {UNSET}",
            "hint: give it its variables: --var NAME=VALUE, --var-file FILE, or in own.variables.yaml"]),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told_in_a_line(folder: Path, words: list[str], lines: list[str]) -> None:
    (folder / "list.json").write_text("[]")
    (folder / "own.asl.json.tftpl").write_text('{"StartAt": "${name}"}')
    result = opsctl(*words)
    assert (result.exit_code, result.stdout, result.stderr.splitlines()) == (2, "", lines)


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, in the current folder."""
    code = "import sys; from opsctl.cli.root import root; code = root.main(sys.argv[1:], standalone_mode=False)\n"
    code += "print(code, sorted({'boto3', 'botocore', 'python_terraform'} & set(sys.modules)), file=sys.stderr)"
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, "graph", *words], env=paths | environment, capture_output=True, check=True
    )  # fmt: skip


def test_offline_nothing_of_aws_is_imported_and_narrow_plain_terminals_are_served(saved: Path) -> None:
    del saved
    words = ("--history", "history.json", "--definition", "definition.json")
    narrow = command(*words, COLUMNS="40", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert narrow.stderr.decode().splitlines()[-1] == "0 []"
    lines = narrow.stdout.decode("ascii").splitlines()
    assert max(map(len, lines)) <= 40
    assert "x Train Sequence Model  failed, 40.0 s" in lines
    assert ElementTree.fromstring(command(*words, "-o", "svg", PYTHONIOENCODING="ascii").stdout.decode()) is not None


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    del folder
    words = [sys.executable, "-m", "opsctl", "graph", "--definition", "small.asl.json", "-o", "svg"]
    process = subprocess.Popen(
        words, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), told) == (141, b"")
