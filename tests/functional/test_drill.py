"""`opsctl drill --model` as it is typed: the shipped machines, a small one with its whole output, bad files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from opsctl.cli.root import root

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"

SMALL: dict[str, Any] = {
    "StartAt": "Work",
    "States": {
        "Work": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "work"},
            "TimeoutSeconds": 60,
            "Retry": [{"ErrorEquals": ["Lambda.ServiceException", "Lambda.AWSLambdaException",
                                       "Lambda.SdkClientException", "Lambda.ClientExecutionTimeoutException",
                                       "Lambda.TooManyRequestsException"]}],
            "End": True,
        }
    },
}  # fmt: skip


def opsctl(*words: str | Path) -> Result:
    return CliRunner().invoke(root, ["drill", *map(str, words)])


def saved(folder: Path, definition: Any, name: str = "small.asl.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(definition))
    return path


def test_a_machine_that_holds_is_told_in_a_matrix(tmp_path: Path) -> None:
    result = opsctl("--model", "--definition", saved(tmp_path, SMALL))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "small: nothing refuted\n"
        "\n"
        "STATE  REFUSED  FAILS  HANGS  TOO LARGE  MISSING\n"
        "Work   ok 14    ok 2   ok 2   ok 2       never 2\n"
        "\n"
        "single faults: 20 of 22 struck, 0 refuted\n"
        "stops: 2, one behind each move; 0 refuted\n"
        "scenarios: a plain run\n"
        "\n"
        "never struck\n"
        "  Work: missing: nothing comes of it: its answer is not read, a Retry mends it, or a Map tolerates it\n"
    )


def test_a_refutation_comes_with_its_trace(tmp_path: Path) -> None:
    caught = {**SMALL["States"]["Work"], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}], "Next": "Done"}
    del caught["End"]
    machine = {"StartAt": "Work", "States": {"Work": caught, "Done": {"Type": "Succeed"}}}
    result = opsctl("--model", "--definition", saved(tmp_path, machine))
    assert result.exit_code == 1
    assert (
        "REFUTED red: Work fails with States.Timeout, and the run ends SUCCEEDED\n"
        "  scenario: a plain run\n"
        "        0.0 s  Work  is asked for\n"
        "        0.0 s  Work  FAULT Work never answers once\n"
        "     1 min 0 s  Work  fails (States.Timeout)\n"
    ).replace("     1 min 0 s", "   1 min 0 s").replace("   1 min 0 s", "  " + "1 min 0 s".rjust(11)) in result.stdout
    assert "Done  is entered\n" in result.stdout
    assert "REFUTED 2 of 2" in result.stdout
    assert "  so too: Work fails with States.Permissions, and the run ends SUCCEEDED\n" in result.stdout


def test_a_file_that_holds_no_cases_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, SMALL)
    result = opsctl("--model", "--definition", path, "--cases", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path}:")


@pytest.mark.parametrize("name", ["bulk", "deployment", "inference", "training"])
@pytest.mark.parametrize("mode", ["", "-redrivable"])
def test_no_single_fault_refutes_what_is_said_of_the_shipped_machines(name: str, mode: str) -> None:
    cases = () if mode else ("--cases", ROOT / f"definitions/{name}.test.yaml")
    result = opsctl("--model", "-o", "json", "--definition", GOLDEN / f"{name}{mode}.asl.json", *cases)
    found = json.loads(result.stdout)
    assert [one["words"] for machine in found["machines"] for one in machine["refutations"]] == []
    assert (result.exit_code, found["result"], found["complete"]) == (0, "OK", True)
    struck = [row for row in found["machines"][0]["singles"] if row["result"] == "ok"]
    assert len(struck) > 25


def test_every_pair_of_faults_of_a_shipped_machine_holds() -> None:
    result = opsctl("--model", "--pairs", "-o", "json", "--definition", GOLDEN / "bulk.asl.json")
    (machine,) = json.loads(result.stdout)["machines"]
    assert machine["refutations"] == []
    assert machine["pairs"]["refuted"] == 0
    assert machine["pairs"]["walked"] > 500


def test_the_matrix_as_junit_and_html(tmp_path: Path) -> None:
    machine = json.loads(json.dumps(SMALL).replace("Work", "<i>Work"))
    machine["States"]["<i>Work"] |= {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}], "Next": "Done"}
    del machine["States"]["<i>Work"]["End"]
    machine["States"]["Done"] = {"Type": "Succeed"}
    path = saved(tmp_path, machine)
    assert opsctl("--model", "--definition", path, "--out", tmp_path / "drill.xml").exit_code == 1
    suite = ET.fromstring((tmp_path / "drill.xml").read_text())[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (
        "small",
        "6",
        "4",
        "1",
    )
    assert opsctl("--model", "--definition", path, "--out", tmp_path / "drill.html").exit_code == 1
    page = (tmp_path / "drill.html").read_text()
    assert "&lt;i&gt;Work fails with States.Timeout, and the run ends SUCCEEDED" in page
    assert "<i>" not in page
    assert "<script" not in page
    assert page.count("<svg") >= 1
    assert opsctl("--model", "--definition", path, "--pictures", tmp_path / "pictures").exit_code == 1
    assert sorted((tmp_path / "pictures").iterdir())[0].name == "001-red.svg"


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}, "cannot be walked: "),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "No"}}},
            "small cannot be walked: a run in which nothing is broken ends FAILED (No), at A",
        ),
    ],
)
def test_a_definition_that_cannot_be_walked_says_why(tmp_path: Path, definition: Any, said: str) -> None:
    result = opsctl("--model", "--definition", saved(tmp_path, definition))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_what_a_run_is_given_is_made_up_where_no_case_says_it(tmp_path: Path) -> None:
    """Of the kinds that the machine reads; and a time limit is no fault for being short."""
    work = {**SMALL["States"]["Work"], "TimeoutSeconds": 1}
    machine = {
        "StartAt": "Rest",
        "States": {
            "Rest": {"Type": "Wait", "SecondsPath": "$.pause", "Next": "Each"},
            "Each": {
                "Type": "Map", "ItemsPath": "$.files", "End": True,
                "ItemProcessor": {"StartAt": "Work", "States": {"Work": work}},
            },
        },
    }  # fmt: skip
    result = opsctl("--model", "--definition", saved(tmp_path, machine))
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "small: nothing refuted")
    assert "scenarios: a plain run, given pause, files" in result.stdout
    del machine["States"]["Each"]["ItemsPath"]  # type: ignore[index]
    result = opsctl("--model", "--definition", saved(tmp_path, machine))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "small cannot be walked: " in result.stderr
    assert result.stderr.endswith(
        "hint: say what it is given and what its Tasks answer: --cases FILE (docs/testing-definitions.md)\n"
    )


def test_what_only_the_way_of_failures_reads_is_made_up_too(tmp_path: Path) -> None:
    """Of the run's input, and of what an earlier step has answered. What nothing says it reads is missing for real."""
    work = {key: value for key, value in SMALL["States"]["Work"].items() if key != "End"}
    caught = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Put Back"}]
    fields = {"Message.$": "States.Format('{} {}', $.place.Payload.name, $.error.Cause)", "TopicArn.$": "$.topic"}
    retried = [{"ErrorEquals": ["SNS.AmazonSNSException", "SNS.InternalErrorException", "SNS.ThrottledException",
                                "SNS.SdkClientException"]}]  # fmt: skip
    tell = {**work, "Resource": "arn:aws:states:::sns:publish", "Parameters": fields, "Retry": retried,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}], "Next": "Failed"}  # fmt: skip
    states: dict[str, Any] = {
        "Make Place": {**work, "ResultPath": "$.place", "Next": "Work",
                       "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Failed"}]},
        "Work": {**work, "ResultPath": None, "Catch": caught, "Next": "Done"}, "Done": {"Type": "Succeed"},
        "Put Back": {"Type": "Pass", "Next": "Tell"}, "Tell": tell, "Failed": {"Type": "Fail", "Error": "No"},
    }  # fmt: skip
    machine = {"StartAt": "Make Place", "States": states}
    result = opsctl("--model", "--definition", saved(tmp_path, machine))
    assert "REFUTED caught: a failure of Make Place ends the run with No past Tell" in result.stdout
    assert "scenarios: a plain run, given topic\n" in result.stdout
    assert "a failure of Work" not in result.stdout
    states["Tell"]["Catch"][0]["Next"] = "Count"
    states["Count"] = {"Type": "Pass", "InputPath": "$.nowhere", "Next": "Failed"}
    result = opsctl("--model", "--definition", saved(tmp_path, machine))
    assert result.exit_code == 1
    assert "REFUTED caught: a failure of Tell leads to Count, which cannot go on from there: States.Runtime: " in (
        result.stdout
    )


def test_a_report_for_which_there_is_no_folder_is_refused_before_the_drill(tmp_path: Path) -> None:
    result = opsctl("--model", "--definition", tmp_path / "none.asl.json", "--out", tmp_path / "no/drill.html")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", (
        f"error: {tmp_path}/no/drill.html cannot be written: there is no folder {tmp_path}/no\n"
        "hint: name a file in a folder that you may write to: --out FILE\n"
    ))  # fmt: skip


def test_the_depth_has_to_be_said() -> None:
    result = opsctl("--pairs")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: say how deep the drill is to go: --model or --live\n"
        "hint: opsctl drill --model walks the definition in the interpreter; --live breaks runs in the sandbox\n"
    )


def test_a_live_drill_is_for_a_sandbox_only(tmp_path: Path) -> None:
    """Told before anything is asked of AWS: there are no credentials here."""
    machine = {"arn": "arn:aws:states:eu-central-1:999999999999:stateMachine:real", "name": "real", "log_group": "none",
               "steps": [], "hyperparameters": {}}  # fmt: skip
    value = {"version": 1, **dict.fromkeys(("name", "bucket", "default_data_source", "topic"), "real"),
             "region": "eu-central-1", "account": "999999999999", "machines": {"training": machine}}  # fmt: skip
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps({"opsctl": {"value": value}}))
    result = CliRunner().invoke(root, ["--context", str(outputs), "drill", "--live", "--yes"])
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[-2:]) == (3, "", [
        "error: a live drill breaks things for real, and this is no sandbox",
        "hint: opsctl sandbox up, and deploy there; or opsctl drill --model",
    ])  # fmt: skip


def test_what_is_for_one_depth_is_refused_at_the_other(tmp_path: Path) -> None:
    result = opsctl("--model", "--definition", saved(tmp_path, SMALL), "--state", "work")
    assert (result.exit_code, result.stderr) == (2, "error: --state is for --live\nhint: leave it out\n")


def side_by_side() -> dict[str, Any]:
    """Two jobs in a Parallel in a Map, which nothing keeps from each other's failures, and which have one name."""
    job = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": {"JobName": "job", "JobQueue": "queue", "JobDefinition": "definition"},
        "TimeoutSeconds": 7200,
        "End": True,
    }
    branches = [{"StartAt": name, "States": {name: job}} for name in ("Left", "Right")]
    both = {"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "Branches": branches, "End": True}}}
    each = {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ItemProcessor": both, "End": True}
    return {"StartAt": "Each", "States": {"Each": each}}


def test_a_trace_names_what_is_given_up_and_what_fails_with_it(tmp_path: Path) -> None:
    result = opsctl("--model", "--pairs", "--definition", saved(tmp_path, side_by_side()))
    told = "REFUTED siblings: a failure of Right throws away the work of Left, which was going on\n"
    begin = result.stdout.index(told)
    assert result.stdout[begin:].split("\n\n")[0].splitlines()[5:9] == [
        "        2.0 s  Right  fails (Batch.AWSBatchException: the drill's)",
        "        2.0 s  Left   is given up",
        "        2.0 s  Both   fails",
        "        2.0 s  Each   fails",
    ]
    assert "a failure of Left throws away the work of Left" not in result.stdout
    assert "a failure of Right throws away the work of Right" not in result.stdout


def test_of_an_item_of_a_distributed_map_no_more_is_to_be_told_than_is_known(tmp_path: Path) -> None:
    """What its machine hears is that too many failed: which state of the item did stands in the item's own history."""
    work = {key: value for key, value in SMALL["States"]["Work"].items() if key != "End"}
    caught = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Tell"}]
    item = {"StartAt": "One", "States": {"One": {**work, "End": True}}}
    each = {
        "Type": "Map",
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **item},
        "ItemsPath": "$.items",
        "Catch": caught,
        "End": True,
    }
    tell = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:failures", "Message.$": "$.error.Error"},
        "TimeoutSeconds": 60,
        "Retry": [{"ErrorEquals": ["States.ALL"]}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fail"}],
        "Next": "Fail",
    }
    states = {"Work": {**work, "ResultPath": None, "Catch": caught, "Next": "Each"}, "Each": each, "Tell": tell}
    machine = {"StartAt": "Work", "States": {**states, "Fail": {"Type": "Fail"}}}
    assert "does not say that it was" not in opsctl("--model", "--definition", saved(tmp_path, machine)).stdout


def test_in_pairs_a_stop_that_stands_as_another_did_is_walked_once(tmp_path: Path) -> None:
    """A machine that asks each day how things are, and is never told, goes round for a year."""
    look = {key: value for key, value in SMALL["States"]["Work"].items() if key != "End"}
    state = "$.Payload.state"
    told = [{"Variable": state, "IsPresent": True}, {"Variable": state, "StringEquals": "done"}]
    states = {
        "Look": {**look, "Next": "Done?"},
        "Done?": {"Type": "Choice", "Choices": [{"And": told, "Next": "Done"}], "Default": "Wait"},
        "Wait": {"Type": "Wait", "Seconds": 86400, "Next": "Again"},
        "Again": {"Type": "Pass", "Result": {}, "Next": "Look"},
        "Done": {"Type": "Succeed"},
    }
    definition = saved(tmp_path, {"StartAt": "Look", "States": states})
    machine = json.loads(opsctl("--model", "--pairs", "-o", "json", "--definition", definition).stdout)["machines"][0]
    assert [one["check"] for one in machine["refutations"]] == ["ends"]
    assert machine["pairs"]["walked"] < 400
