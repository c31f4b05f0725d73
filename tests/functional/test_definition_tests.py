"""`opsctl test` as it is typed: the repository's own definitions, whole outputs, files that are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.cli.root import root
from opsctl.domain.cases import Suite, document, expectations, match, mocks
from opsctl.errors import OpsError
from opsctl.operations.documents_yaml import load
from opsctl.operations.rendering import render_template
from opsctl.terraform import find_terraform

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/testing-definitions.md").read_text()
FILES = sorted((ROOT / "definitions").glob("*.test.yaml"))


def opsctl(*words: str | Path) -> Result:
    return CliRunner().invoke(root, ["test", *map(str, words)])


@pytest.fixture(scope="module")
def _terraform() -> None:
    try:
        find_terraform()
    except OpsError as error:
        pytest.skip(f"{error.message}: {error.hint}")


# our own definitions


@pytest.mark.usefixtures("_terraform")
def test_our_own_definitions_pass_their_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = opsctl()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("definitions/bulk-redrivable.test.yaml\nPASS  a redrive resumes the summing up")
    assert re.search(r"^(\d+) cases: \1 passed, 0 failed$", result.stdout, re.MULTILINE)
    assert [str(file.relative_to(ROOT)) for file in FILES] == [
        line for line in result.stdout.splitlines() if line.endswith(".yaml")
    ]  # fmt: skip


@pytest.mark.usefixtures("_terraform")
@pytest.mark.parametrize("name", ["bulk", "deployment", "inference", "training"])
@pytest.mark.parametrize(("on_failure", "golden"), [("caught", ""), ("redrivable", "-redrivable")])
def test_the_cases_are_about_what_the_module_makes(name: str, on_failure: str, golden: str) -> None:
    variables = load((ROOT / f"definitions/{name}.variables.yaml").read_text(), "variables").value
    text = render_template(ROOT / f"definitions/{name}.asl.json.tftpl", variables | {"on_failure": on_failure})
    assert json.loads(text) == json.loads((ROOT / f"tests/golden/{name}{golden}.asl.json").read_text())


def states_of(machine: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All states by name, inside branches too."""
    found = {}
    for name, state in machine["States"].items():
        found[name] = state
        for branch in state.get("Branches", []):
            found |= states_of(branch)
    return found


COLLIDING = "States.Format('{}-train-sequence-model-d{}r0', $.run.job_prefix, $$.Execution.RedriveCount)"
COLLIDING_ON_REDRIVE = "States.Format('{}-evaluate-d0r{}', $.run.job_prefix, $$.State.RetryCount)"
WRONG_STEP = {"failures": [{"step": "Evaluate", "failure.$": "$"}]}
ANYTHING = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
# What is wrong, in which state, which of its fields (or of a field's own), and what stands there instead.
MISTAKES: list[tuple[str, str, tuple[str | int, ...], Any]] = [
    ("a failed step ends green", "Notify Failure", ("Next",), "Evaluate"),
    ("no alert", "Describe Failure", ("Next",), "Fail"),
    ("a guard that guards nothing", "Skip Evaluate?", ("Choices", 0, "Next"), "Evaluate"),
    ("a guard that leaves out too much", "Skip Train Sequence Model?", ("Choices", 0, "Next"), "Notify Success"),
    ("a stopped job is a success", "Evaluation Completed?", ("Default",), "Notify Success"),
    ("a stopped base model is a success", "Text Model Completed?", ("Default",), "Text Model Trained"),
    ("a failed base model stops its sibling", "Train Image Model", ("Catch",), []),
    ("an uncaught step", "Fetch Preprocessed Data", ("Catch",), []),
    ("an uncaught alert", "Notify Failure", ("Catch",), []),
    ("an uncaught description", "Describe Failure", ("Catch",), []),
    ("failures of branches are forgotten", "Base Model Training", ("Assign",), {"failures": []}),
    ("no retries", "Train Sequence Model", ("Retry",), []),
    ("a paid job is run again", "Train Text Model", ("Retry",), ANYTHING),
    ("retries without backoff", "Train Image Model", ("Retry", 0, "BackoffRate"), 1),
    ("a longer time limit", "Evaluate", ("TimeoutSeconds",), 99999),
    ("colliding job names", "Train Sequence Model", ("Parameters", "TrainingJobName.$"), COLLIDING),
    ("colliding job names on redrive", "Evaluate", ("Parameters", "TrainingJobName.$"), COLLIDING_ON_REDRIVE),
    ("a channel too few", "Evaluate", ("Parameters", "InputDataConfig"), []),
    ("the wrong step in the alert", "Train Sequence Model", ("Catch", 0, "Assign"), WRONG_STEP),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_the_training_cases_notice_a_mistake(
    training_cases: dict[str, Any], mistake: tuple[str, str, tuple[str | int, ...], Any]
) -> None:
    machine = training_machine()
    _, state, (*around, field), value = mistake
    place: Any = states_of(machine)[state]
    for step in around:
        place = place[step]
    place[field] = value
    assert any(failing(machine, training_cases))


def training_machine() -> dict[str, Any]:
    machine: dict[str, Any] = json.loads((ROOT / "tests/golden/training.asl.json").read_text())
    return machine


@pytest.fixture(scope="module")
def training_cases() -> dict[str, Any]:
    """They have nothing against the machine as it is."""
    cases: dict[str, Any] = load((ROOT / "definitions/training.test.yaml").read_text(), "cases").value
    assert list(failing(training_machine(), cases)) == []
    return cases


def failing(machine: dict[str, Any], cases: dict[str, Any]) -> Iterator[str]:
    """The names of the cases that fail, as they are asked for."""
    suite = Suite(machine, cases, "training")
    return (case.name for case in suite.cases if not suite.run(case).passed)


# the guide


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)[number]


def test_the_guides_example_does_what_the_guide_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain = re.findall(r"```\n(.*?)```", re.sub(r"```(yaml|json)\n.*?```", "", GUIDE, flags=re.DOTALL), re.DOTALL)
    Path("approval.test.yaml").write_text(block("yaml"))
    Path("approval.asl.json").write_text(block("json"))
    result = opsctl("approval.test.yaml")
    assert (result.exit_code, result.stdout) == (0, plain[1])
    Path("approval.asl.json").write_text(block("json").replace('"BackoffRate": 2', '"BackoffRate": 1'))
    result = opsctl("approval.test.yaml")
    assert result.exit_code == 1
    assert plain[2] in result.stdout


def test_the_guide_names_every_key() -> None:
    keys = {
        *document.FILE_KEYS,
        *document.CASE_KEYS,
        *document.STOP_KEYS,
        *document.FROM_KEYS,
        *expectations.KEYS,
        *mocks.ANSWER_KEYS,
    }
    keys |= {*mocks.MOCK_KEYS, *mocks.PHASES, *match.OPERATORS}
    assert [key for key in sorted(keys) if not re.search(rf"`[^`\n]*{re.escape(key)}\b[^`\n]*`", GUIDE)] == []


# outputs

MACHINE = """
definition:
  StartAt: Work
  States:
    Work:
      Type: Task
      Resource: arn:aws:states:::lambda:invoke
      Catch: [{ErrorEquals: [Known], Next: Rescue}]
      End: true
    Rescue: {Type: Pass, End: true}
"""
CASES = """
cases:
  - name: works
    mocks: {Work: {result: {n: 1}}}
    expect: {output: {n: 1}}
  - name: is <rescued> & "well"
    examples: [{rescued: rescued}]
    mocks: {Work: {error: Known}}
    expect: {path: [Work]}
  - name: fails
    mocks: {Work: {error: Unknown, cause: "a\\x00b"}}
    expect: {cause: none}
  - name: asks
    expect: {entered: [Rescue]}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.test.yaml").write_text(MACHINE + CASES)
    return tmp_path


@pytest.mark.usefixtures("files")
def test_each_case_is_a_line_with_its_first_difference() -> None:
    result = opsctl("a.test.yaml")
    assert (result.exit_code, result.stderr) == (1, "")
    assert (
        result.stdout
        == """\
a.test.yaml
PASS  works
FAIL  is rescued & "well" (line 16)
      path, step 2
        expected  Work
        actual    Work > Rescue
FAIL  fails (line 20)
      cause
        expected  "none"
        actual    "a\\u0000b"
FAIL  asks (line 23)
      no mock for state Work

4 cases: 1 passed, 3 failed
"""
    )


@pytest.mark.usefixtures("files")
def test_cases_are_chosen_by_their_names() -> None:
    result = opsctl("a.test.yaml", "-k", "WORK")
    assert (result.exit_code, result.stdout) == (0, "a.test.yaml\nPASS  works\n\n1 case: 1 passed, 0 failed\n")
    result = opsctl("a.test.yaml", "-k", "wroks")
    assert (result.exit_code, result.stderr, result.stdout) == (
        2, "error: no case has 'wroks' in its name\nhint: there is 'works'\n", "",
    )  # fmt: skip


@pytest.mark.usefixtures("files")
def test_json_holds_what_each_case_did() -> None:
    result = opsctl("a.test.yaml", "-o", "json", "-k", "works")
    assert json.loads(result.stdout) == [
        {
            "file": "a.test.yaml",
            "passed": 1,
            "failed": 0,
            "cases": [
                {
                    "name": "works",
                    "line": 13,
                    "passed": True,
                    "difference": None,
                    "transitions": 1,
                    "run": {
                        "status": "SUCCEEDED", "output": {"n": 1}, "error": None, "cause": None, "duration": 0.0,
                        "path": ["Work"], "published": [],
                        "calls": [{"state": "Work", "number": 1, "iteration": "", "at": 0.0, "parameters": {},
                                   "resource": "arn:aws:states:::lambda:invoke"}],
                    },
                }
            ],
        }
    ]  # fmt: skip
    result = opsctl("a.test.yaml", "--query", "[].cases[?!passed].difference.what[]")
    assert (result.exit_code, json.loads(result.stdout)) == (1, ["path, step 2", "cause", "no mock for state Work"])


@pytest.mark.usefixtures("files")
def test_junit_has_the_usual_shape() -> None:
    """As in the schema that Jenkins publishes (junit-10.xsd) and GitLab, GitHub actions and Azure read."""
    assert opsctl("a.test.yaml", "--junit", "build/out.xml").exit_code == 1
    tree = ET.fromstring(Path("build/out.xml").read_bytes())
    assert tree.tag == "testsuites"
    check_totals(tree)
    (suite,) = tree
    check_totals(suite)
    assert [(case.tag, case.get("classname"), case.get("name"), case.get("line")) for case in suite] == [
        ("testcase", "a.test.yaml", "works", "13"), ("testcase", "a.test.yaml", 'is rescued & "well"', "16"),
        ("testcase", "a.test.yaml", "fails", "20"), ("testcase", "a.test.yaml", "asks", "23"),
    ]  # fmt: skip
    for case in suite:
        assert float(case.attrib["time"]) >= 0
        assert [child.tag for child in case] in ([], ["failure"])
        assert all(child.keys() == ["message", "type"] for child in case)
    assert [(case[0].get("message"), case[0].text) for case in suite if len(case)] == [
        ("path, step 2", "path, step 2\n  expected  Work\n  actual    Work > Rescue"),
        ("cause", 'cause\n  expected  "none"\n  actual    "a\\u0000b"'),
        ("no mock for state Work", "no mock for state Work"),
    ]


def check_totals(element: ET.Element) -> None:
    totals = {name: element.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert totals == {"tests": "4", "failures": "3", "errors": "0", "skipped": "0"}
    assert element.attrib["name"]
    assert float(element.attrib["time"]) >= 0


# files that are wrong

MISSING = "Missing 'Next' target: Rescu"


@pytest.mark.parametrize(
    ("change", "error", "hint"),
    [
        (("expect: {path", "expct: {path"),
         "a.test.yaml:19: unknown key 'expct' in a case; the nearest known is 'expect'", None),
        (("Work: {error: Known}", "Wrok: {error: Known}"),
         "a.test.yaml:18: unknown state 'Wrok'; the nearest known is 'Work'", None),
        (("Work: {error: Known}", "Work: [error: Known"),
         "a.test.yaml:18: this is no YAML: did not find expected ',' or ']'", None),
        (("name: fails", "name: works"), "a.test.yaml:20: two cases have the name 'works'",
         "where a case has examples, its name must hold one of their values: <value>"),
        (("Next: Rescue", "Next: Rescu"),
         f"a.test.yaml: MISSING_TRANSITION_TARGET: {MISSING} at /States/Work/Catch[0]/Next (and 1 more)",
         "Correct the state machine's definition."),
        (("name: fails", "name: fails\n    name: again"),
         "a.test.yaml:21: the field 'name' is there twice in the same object", None),
        (("definition:", "variables: {}\ndefinition: x.json\nx-old:"),
         "a.test.yaml:2: variables are for templates, and x.json is none", "templates end in .tftpl"),
        (("definition:", "definition: b.test.yaml\nx-old:"), "a.test.yaml:2: no file b.test.yaml",
         "did you mean a.test.yaml?"),
        (("definition:", "definition: x.json.tftpl\nx-old:"),
         "a.test.yaml: its definition: no file x.json.tftpl", None),
        (("definition:", "variables: v.yaml\ndefinition: x.tftpl\nx-old:"), "a.test.yaml:2: no file v.yaml", None),
        (("definition:", "definition: .\nx-old:"),
         "a.test.yaml:2: . cannot be read: Is a directory", None),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("files")
def test_a_wrong_file_is_one_line(change: tuple[str, str], error: str, hint: str | None) -> None:
    Path("a.test.yaml").write_text((MACHINE + CASES).replace(*change, 1))
    result = opsctl("a.test.yaml")
    expected = [f"error: {error}", *([f"hint: {hint}"] if hint else [])]
    assert (result.exit_code, result.stderr.splitlines(), result.stdout) == (2, expected, "")


HALF = "'utf-8' codec can't encode character '\\ud800'"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "x.json is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "x.json holds no state machine definition"),
        ("[" * 99_999, "x.json is nested too deeply"),
        ("{}", "x.json: SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /"),
        ('"\\ud800"', f"x.json is not JSON: {HALF} in position 1: surrogates not allowed"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("files")
def test_a_wrong_definition_is_one_line(text: str, error: str) -> None:
    Path("x.json").write_text(text)
    Path("a.test.yaml").write_text("definition: x.json\n" + CASES)
    result = opsctl("a.test.yaml")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, f"error: {error}")


@pytest.mark.usefixtures("files")
def test_files_that_are_not_there() -> None:
    result = opsctl("b.test.yaml")
    assert (result.exit_code, result.stderr) == (2, "error: no file b.test.yaml\nhint: did you mean a.test.yaml?\n")
    result = opsctl()
    assert (result.exit_code, result.stderr) == (
        2, "error: no definitions/*.test.yaml here\nhint: name the files to run: opsctl test FILE...\n",
    )  # fmt: skip
    result = opsctl("a.test.yaml", "--junit", "a.test.yaml/x.xml")
    assert (result.exit_code, result.stderr) == (2, "error: a.test.yaml/x.xml cannot be written: File exists\n")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, len(MACHINE + CASES)),
    text=st.text("{}[]<>:-*&!?'\"#|\n\t 0a$", max_size=4),
    cut=st.integers(0, 9),
)
def test_whatever_is_in_a_file_is_never_a_traceback(files: Path, at: int, text: str, cut: int) -> None:
    whole = MACHINE + CASES
    (files / "fuzzed.test.yaml").write_text(whole[:at] + text + whole[at + cut :])
    result = opsctl("fuzzed.test.yaml")
    assert result.exit_code in (0, 1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) <= 2


# templates


@pytest.mark.usefixtures("files", "_terraform")
def test_templates_are_rendered_with_the_files_variables() -> None:
    state = '{"Type": "Pass", "Result": ${jsonencode(n)}, "End": true}'
    template = '{"StartAt": "A", "States": {%{ for n in names }"${n}": ' + state + "%{ endfor }}}"
    Path("t.asl.json.tftpl").write_text(template)
    Path("v.json").write_text('{"names": ["A"]}')
    cases = "cases: [{name: x, expect: {output: A}}]\ndefinition: t.asl.json.tftpl\n"
    for variables in ("variables: {names: [A]}", "variables: v.json"):
        Path("t.test.yaml").write_text(cases + variables)
        assert opsctl("t.test.yaml").stdout == "t.test.yaml\nPASS  x\n\n1 case: 1 passed, 0 failed\n"
    Path("t.test.yaml").write_text(cases + "variables: {nams: [A]}")
    result = opsctl("t.test.yaml")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == (
        'error: t.test.yaml:3: t.asl.json.tftpl cannot be rendered: vars map does not contain key "names", '
        "referenced at t.asl.json.tftpl:1,41-46"
    )
