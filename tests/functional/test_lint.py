"""`opsctl lint`: whole outputs in every format, templates, YAML, standard input, and files that are no definitions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from opsctl import __version__
from opsctl.cli.root import root
from opsctl.errors import OpsError
from opsctl.terraform import find_terraform

REPOSITORY = Path(__file__).parents[2]
TRAINING = REPOSITORY / "definitions/training.asl.json.tftpl"

CLEAN = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}\n'
WARNED = """{
  "StartAt": "Clean",
  "States": {
    "Clean": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}, "End": true}
  }
}
"""
BROKEN = """{
  "StartAt": "Clean",
  "States": {
    "Clean": {
      "Type": "Pass",
      "Nxt": "Done"
    },
    "Done": {"Type": "Succeed"}
  }
}
"""
SILENT = {
    "severity": "WARNING",
    "code": "SILENT_FAILURE",
    "location": "/States/Clean",
    "message": "Nothing catches a failure of 'Clean': the run fails and nobody is notified.",
    "remedy": "Catch States.ALL and lead it to a state that notifies (sns:publish, say), then to a Fail state.",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clean.asl.json").write_text(CLEAN)
    Path("warned.asl.json").write_text(WARNED)
    Path("broken.asl.json").write_text(BROKEN)


def lint(*words: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(root, ["lint", *words], input=stdin)


def findings(*words: str, stdin: str | bytes | None = None) -> list[dict[str, Any]]:
    result = lint("-o", "json", *words, stdin=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found: list[dict[str, Any]] = json.loads(result.stdout)["diagnostics"]
    return found


def only(*words: str, stdin: str | bytes | None = None) -> tuple[Any, ...]:
    """Code, line, column and message of the one finding that there is."""
    (found,) = findings(*words, stdin=stdin)
    return found["code"], found["line"], found["column"], found["message"]


def test_a_clean_file_says_nothing_on_stdout() -> None:
    result = lint("clean.asl.json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no findings in 1 file\n")


def test_each_finding_says_where_what_and_how_to_fix_it() -> None:
    result = lint("clean.asl.json", "warned.asl.json", "broken.asl.json")
    assert result.exit_code == 1
    assert result.stderr == "3 errors, 1 warning in 3 files\n"
    assert result.stdout == (
        "warned.asl.json:4:5: warning SILENT_FAILURE at /States/Clean\n"
        "  Nothing catches a failure of 'Clean': the run fails and nobody is notified.\n"
        "  Fix: Catch States.ALL and lead it to a state that notifies (sns:publish, say), then to a Fail state.\n"
        "broken.asl.json:4:5: error SCHEMA_VALIDATION_FAILED at /States/Clean\n"
        "  These fields are required: [Next or End]\n"
        "  Fix: Add Next or End.\n"
        "broken.asl.json:6:7: error SCHEMA_VALIDATION_FAILED at /States/Clean\n"
        "  Field 'Nxt' is not supported\n"
        "  Fix: Remove the field; did you mean 'Next'?\n"
        "broken.asl.json:8:5: error MISSING_TRANSITION_TARGET at /States/Done\n"
        '  State "Done" is not reachable.\n'
        "  Fix: Lead a transition to the state, or remove it.\n"
    )


def test_json_holds_every_field() -> None:
    result = lint("-o", "json", "warned.asl.json")
    place = {"file": "warned.asl.json", "line": 4, "column": 5, "rendered": False}
    assert json.loads(result.stdout) == {"result": "OK", "diagnostics": [place | SILENT]}
    assert json.loads(lint("-o", "json", "broken.asl.json").stdout)["result"] == "FAIL"
    assert json.loads(lint("-o", "json", "clean.asl.json").stdout) == {"result": "OK", "diagnostics": []}
    assert json.loads(lint("warned.asl.json", "--query", "diagnostics[].code").stdout) == ["SILENT_FAILURE"]
    before = CliRunner().invoke(root, ["-o", "json", "lint", "clean.asl.json"])
    assert json.loads(before.stdout) == {"result": "OK", "diagnostics": []}


@pytest.mark.parametrize(
    ("words", "code"),
    [(["clean.asl.json"], 0), (["clean.asl.json", "--strict"], 0), (["warned.asl.json"], 0),
     (["warned.asl.json", "--strict"], 1), (["broken.asl.json"], 1), (["-o", "sarif", "broken.asl.json"], 1)],
)  # fmt: skip
def test_exit_codes(words: list[str], code: int) -> None:
    assert lint(*words).exit_code == code


def test_standard_input_and_its_positions() -> None:
    assert only("-", stdin=WARNED)[:3] == ("SILENT_FAILURE", 4, 5)
    assert [found["file"] for found in findings("-", "warned.asl.json", stdin=WARNED)] == ["stdin", "warned.asl.json"]
    assert findings("-", stdin="\ufeff" + CLEAN) == []


def test_a_file_that_is_not_there() -> None:
    result = lint("waned.asl.json")
    assert (result.exit_code, result.stderr) == (
        2, "error: there is no file waned.asl.json\nhint: did you mean warned.asl.json?\n",
    )  # fmt: skip
    assert lint("nowhere/x.json").stderr == (
        "error: there is no file nowhere/x.json\nhint: there is no folder nowhere either\n"
    )
    assert lint(".").stderr == "error: . is a directory\nhint: name the files in it\n"
    assert lint().exit_code == 2


def test_the_other_files_are_checked_all_the_same() -> None:
    result = lint("nowhere/x.json", "broken.asl.json", "clean.asl.json", ".", "-o", "json")
    assert result.exit_code == 2
    assert {found["file"] for found in json.loads(result.stdout)["diagnostics"]} == {"broken.asl.json"}
    assert result.stderr.splitlines()[-2:] == [
        "error: there is no file nowhere/x.json; . is a directory",
        "hint: there is no folder nowhere either",
    ]


# YAML

YAML = """\
StartAt: Clean  # ä
States:
  Clean:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Retry: &ours
      - ErrorEquals: [Lambda.TooManyRequestsException]
        BackoffRate: 1.5
    Next: Until
  Until: {Type: Wait, Timestamp: 2026-11-21T08:30:00Z, Next: yes}
  yes:
    Type: Parallel
    Retry: *ours
    Branches: [{StartAt: P, States: {P: {Type: Pass, End: true}}}]
    End: true
"""


def test_yaml_is_read_as_json_would_say_it() -> None:
    Path("a.asl.yaml").write_text(YAML)
    assert [(found["code"], found["line"], found["column"]) for found in findings("a.asl.yaml")] == [
        ("SILENT_FAILURE", 3, 3), ("SILENT_FAILURE", 11, 3),
    ]  # fmt: skip
    assert len(findings("-", stdin=YAML)) == 2


@pytest.mark.parametrize(
    ("text", "code", "line", "message"),
    [
        ("a: b: c\n", "INVALID_YAML", 1, "This is no YAML: mapping values are not allowed in this context."),
        ("a: [1\n", "INVALID_YAML", 2, "This is no YAML: did not find expected ',' or ']'."),
        ("a: 1\nb: 2\na: 3\n", "INVALID_YAML", 3, "The field 'a' is there twice in the same object."),
        ("a: !Sub x\n", "INVALID_YAML", 1, "The tag !Sub has no counterpart in JSON."),
        ("a: {<<: 1}\n", "INVALID_YAML", 1, "Merge keys (<<) have no counterpart in JSON."),
        ("a: &x [*x]\n", "INVALID_YAML", 1, "The alias *x stands for nothing, or for what it stands in."),
        ("a: 1\n---\nb: 2\n", "INVALID_YAML", 2, "There is more than one document in it."),
        ("? [a]\n: b\n", "INVALID_YAML", 1, "A field's name must be text."),
        ("- a\n", "INVALID_YAML", 1, "The definition is no mapping with StartAt and States."),
        ("a: \x07\n", "INVALID_YAML", 1, None),
        ("[" * 500_000, "INVALID_JSON_DESCRIPTION", 1, "The definition is nested more than 200 levels deep."),
        ("- " * 400_000, "INVALID_JSON_DESCRIPTION", 1, "The definition is nested more than 200 levels deep."),
        ("a: &a [x, x, x, x, x, x, x, x, x, x]\n"
         + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)),
         "INVALID_YAML", 6, "With its aliases written out it holds more than 500,000 values."),
    ],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_yaml_that_is_none(text: str, code: str, line: int, message: str | None) -> None:
    Path("x.yaml").write_text(text)
    found_code, found_line, _, found_message = only("x.yaml")
    assert (found_code, found_line) == (code, line)
    assert message is None or found_message == message


# Bad input


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "MISSING_DESCRIPTION"),
        (b"\x89PNG\r\n\x1a\n", "UNREADABLE_SOURCE"),
        (b"abc\0def", "UNREADABLE_SOURCE"),
        (CLEAN.encode("utf-16"), "UNREADABLE_SOURCE"),
        (b"hello", "INVALID_JSON_DESCRIPTION"),
        (b"[]", "INVALID_JSON_DESCRIPTION"),
        (WARNED[:100].encode(), "INVALID_JSON_DESCRIPTION"),
        (b'{"StartAt": "A", "StartAt": "B"}', "INVALID_JSON_DESCRIPTION"),
        (b'{"a":' * 1_000_000, "SCHEMA_VALIDATION_FAILED"),
        (b'{"a":' * 150_000, "INVALID_JSON_DESCRIPTION"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "INVALID_JSON_DESCRIPTION"),
    ],
    ids=["empty", "binary", "nul", "utf-16", "word", "list", "truncated", "duplicate", "5 MB", "deep", "whole"],
)  # fmt: skip
def test_bad_input_is_one_clear_finding(content: bytes, code: str) -> None:
    Path("x.json").write_bytes(content)
    (found,) = findings("x.json")
    assert (found["code"], found["severity"], found["file"]) == (code, "ERROR", "x.json")
    assert found["message"]
    assert found["remedy"]


def test_names_cannot_break_the_terminal() -> None:
    states = {"\ud800\u001b[31m\n" + "x" * 5000: {"Type": "Pass", "Next": "Nowhere"}}
    Path("x.json").write_text(json.dumps({"StartAt": "A", "States": states}))
    result = lint("x.json")
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "\\ud800\\u001b[31m" in result.stdout
    assert max(map(len, result.stdout.splitlines())) < 1500


# SARIF

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
SARIF = {  # what SARIF 2.1.0 demands of the parts that we use (schema sarif-schema-2.1.0.json of OASIS)
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                "tool": {"type": "object", "required": ["driver"], "additionalProperties": False,
                         "properties": {"driver": {"$ref": "#/$defs/driver"}}},
            },
        },
        "driver": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string"},
                "semanticVersion": {"type": "string"},
                "rules": {"type": "array", "uniqueItems": True, "items": {
                    "type": "object", "required": ["id"], "additionalProperties": False,
                    "properties": {"id": {"type": "string"}, "shortDescription": TEXT},
                }},
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": -1},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": TEXT,
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
            },
        },
        "location": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "artifactLocation": {"type": "object", "additionalProperties": False,
                                             "properties": {"uri": {"type": "string", "format": "uri-reference"}}},
                        "region": {"type": "object", "additionalProperties": False, "properties": {
                            "startLine": {"type": "integer", "minimum": 1},
                            "startColumn": {"type": "integer", "minimum": 1},
                        }},
                    },
                },
                "logicalLocations": {"type": "array", "items": {
                    "type": "object", "additionalProperties": False,
                    "properties": {"fullyQualifiedName": {"type": "string"}},
                }},
            },
        },
    },
}  # fmt: skip


def sarif(*words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(lint("-o", "sarif", *words).stdout)
    jsonschema.validate(document, SARIF)
    return document


def test_sarif_for_code_review() -> None:
    document = sarif("warned.asl.json")
    result = document["runs"][0]["results"][0]
    fingerprint = result.pop("partialFingerprints")
    assert len(fingerprint["opsctlLint/v1"]) == 32
    assert document["runs"][0]["tool"]["driver"] == {
        "name": "opsctl lint",
        "semanticVersion": __version__,
        "rules": [{"id": "SILENT_FAILURE", "shortDescription": {
            "text": "A Task, Parallel or Map whose failure reaches no notification."}}],
    }  # fmt: skip
    assert result == {
        "ruleId": "SILENT_FAILURE",
        "ruleIndex": 0,
        "level": "warning",
        "message": {"text": f"{SILENT['message']} {SILENT['remedy']}"},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": "warned.asl.json"},
                                 "region": {"startLine": 4, "startColumn": 5}},
            "logicalLocations": [{"fullyQualifiedName": "/States/Clean"}],
        }],
    }  # fmt: skip


def test_sarif_of_many_files_and_of_none_with_findings() -> None:
    Path("a b%.json").write_text(BROKEN)
    run = sarif("a b%.json", str(Path("warned.asl.json").resolve()))["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert uris == {"a%20b%25.json", "warned.asl.json"}
    prints = [result["partialFingerprints"]["opsctlLint/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    assert sarif("clean.asl.json")["runs"][0]["results"] == []


def test_a_fingerprint_survives_a_moved_line() -> None:
    before = sarif("warned.asl.json")["runs"][0]["results"][0]
    Path("warned.asl.json").write_text("\n\n" + WARNED)
    after = sarif("warned.asl.json")["runs"][0]["results"][0]
    assert after["locations"] != before["locations"]
    assert after["partialFingerprints"] == before["partialFingerprints"]


# Templates


@pytest.fixture
def terraform() -> None:
    """Skips, saying why, where there is no Terraform."""
    try:
        find_terraform()
    except OpsError as error:
        pytest.skip(f"{error.message}: {error.hint}")


TEMPLATE = """\
{
  "StartAt": "Do ${first}",
  "States": {
%{ for name in names ~}
    "Do ${name}": {
      "Type": "Task",
      "Resource": ${jsonencode(
        resource
      )},
      "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fail"}],
      "Comment": "$${kept} ${"}"}", "End": true
    },
%{ endfor ~}
    "Fail": {"Type": "Fail"}
  }
}
"""
ENDLESS = "The for directive at line 2 is missing its corresponding endfor directive."
PRIMITIVE = "Can't access attributes on a primitive-typed value (string)."
VALUES = ("--var", "first=a", "--var", 'names=["a"]', "--var", "resource=arn:aws:states:::lambda:invoke")


@pytest.mark.usefixtures("terraform")
def test_a_finding_in_a_template_is_led_back_to_its_line() -> None:
    Path("x.asl.json.tftpl").write_text(TEMPLATE)
    (found,) = findings("x.asl.json.tftpl", *VALUES)
    assert (found["code"], found["location"]) == ("SILENT_FAILURE", "/States/Do a/Catch[0]")
    assert (found["line"], found["column"], found["rendered"]) == (10, 17, False)


@pytest.mark.usefixtures("terraform")
def test_behind_an_interpolation_the_column_is_that_of_the_interpolation() -> None:
    Path("x.asl.json.tftpl").write_text('{\n  "StartAt": "${first}", "States": {"A": {"Type": "Task"}}\n}')
    found = [(one["message"], one["line"], one["column"]) for one in findings("x.asl.json.tftpl", "--var", "first=A")]
    assert ("These fields are required: [Resource]", 2, 15) in found


@pytest.mark.usefixtures("terraform")
def test_variables_come_from_the_sample_then_files_then_single_values() -> None:
    Path("x.asl.json.tftpl").write_text('{"StartAt": "${a}${b}${c}", "States": {"A": {"Type": "Succeed"}}}')
    Path("x.variables.yaml").write_text("a: 1\nb: 1\nc: 1\n")
    Path("more.tfvars").write_text('# HCL\nb = "2"\nunused = {\n  deep = [1,\n  2]\n}\n')
    found = findings("x.asl.json.tftpl", "--var-file", "more.tfvars", "--var", "c=3")
    assert "Missing 'Next' target: 123" in [one["message"] for one in found]
    Path("more.json").write_text('{"b": "4"}')
    found = findings("x.asl.json.tftpl", "--var-file", "more.tfvars", "--var-file", "more.json", "--var", "c=3")
    assert "Missing 'Next' target: 143" in [one["message"] for one in found]


@pytest.mark.usefixtures("terraform")
@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{\n  "StartAt": "${missing}"}', 2, 17, "The template needs the variable 'missing'."),
        ('{\n  "StartAt": "${a.b}"}', 2, 18,
         f"Terraform cannot render it: Unsupported attribute; {PRIMITIVE}"),
        ("{\n%{ for x in [1] }\n", 3, 1,
         f"Terraform cannot render it: Unexpected end of template; {ENDLESS}"),
        ("${[a]}", 1, 1, "Terraform cannot render it: cannot convert tuple to string."),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_rendered(text: str, line: int, column: int, message: str) -> None:
    Path("x.asl.json.tftpl").write_text(text)
    assert only("x.asl.json.tftpl", "--var", "a=1x") == ("TEMPLATE_NOT_RENDERED", line, column, message)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--var", "x"], "error: --var x is no variable\nhint: write --var name=value\n"),
        (["--var", "=x"], "error: --var =x is no variable\nhint: write --var name=value\n"),
    ],
)
def test_variables_that_are_none(words: list[str], error: str) -> None:
    result = lint("clean.asl.json", *words)
    assert (result.exit_code, result.stderr) == (2, error)


@pytest.mark.usefixtures("terraform")
def test_a_variable_file_that_is_not_there() -> None:
    Path("x.asl.json.tftpl").write_text("{}")
    result = lint("x.asl.json.tftpl", "--var-file", "none.tfvars")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: none.tfvars cannot be read: ")


@pytest.mark.usefixtures("terraform")
@pytest.mark.parametrize("name", ["bulk", "deployment", "training"])
@pytest.mark.parametrize("on_failure", ["caught", "redrivable"])
def test_our_own_definitions_are_clean(name: str, on_failure: str) -> None:
    result = lint("--strict", "--var", f"on_failure={on_failure}", str(TRAINING.with_name(f"{name}.asl.json.tftpl")))
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.usefixtures("terraform")
def test_our_own_definition_is_clean_because_of_what_it_allows() -> None:
    """And the mark leads to the right line of the template."""
    shutil.copy(TRAINING.with_name("training.variables.yaml"), ".")
    text = TRAINING.read_text().replace("lint: allow", "no marker:")
    Path("training.asl.json.tftpl").write_text(text)
    found = findings("training.asl.json.tftpl")
    assert {one["code"] for one in found} == {"REDRIVE_USELESS"}
    lines = text.splitlines()
    assert all(lines[one["line"] - 1].lstrip().startswith('{"ErrorEquals": ["States.ALL"]') for one in found)
    assert not any(one["rendered"] for one in found)
