"""The command line as such: help, versions, misspelt words, global options, and what is imported when."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from opsctl import __version__
from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, emit_line, facts, size, table
from opsctl.cli.root import COMMANDS, root
from tests.functional.pipeline_world import EPOCH, Bench

HEAVY = {"boto3", "botocore", "tabulate", "jmespath", "python_terraform", "moto", "torch", "numpy"}


def imported(*words: str) -> set[str]:
    """The heavy packages that a command imports."""
    code = "import sys; from opsctl.cli.root import root; code = root.main(sys.argv[1:], standalone_mode=False)\n"
    code += "print(code, *{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split()) & HEAVY


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["strat"], ["rerun", "--help"], ["start", "--nmae", "x"]])
def test_help_and_mistakes_import_nothing_of_aws(words: list[str]) -> None:
    assert imported(*words) == set()


def without_example(command: click.Command | None, name: str) -> list[str]:
    """Of a command and those below it, the ones whose help has no example."""
    assert command is not None
    below = command.commands if isinstance(command, click.Group) else {}
    found = [bare for word, inner in below.items() for bare in without_example(inner, f"{name} {word}")]
    return found if f"  opsctl {name}" in (command.help or "") else [name, *found]


def test_every_command_has_help_with_an_example() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(root, [name, "--help"])
        assert result.exit_code == 0, result.output
        assert f"opsctl {name}" in result.output.partition("\n")[2] or name == "sandbox"
        assert COMMANDS[name][1]
        assert name == "sandbox" or without_example(root.get_command(click.Context(root), name), name) == []
    assert CliRunner().invoke(root, ["--version"]).output == f"opsctl {__version__}\n"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["strat"], ["error: no such command 'strat'", "hint: did you mean start or status?"]),
        (["xyzzy"], ["error: no such command 'xyzzy'", f"hint: there are: {', '.join(COMMANDS)}"]),
        (["rerun", "--form", "x"], ["error: no such option --form", "hint: did you mean --from?"]),
        (["--machin", "x"], ["error: no such option --machin", "hint: did you mean --machine?"]),
        (["list", "--zzz"], ["error: no such option --zzz", "hint: opsctl list --help shows how it is used"]),
        (["list", "-o", "yaml"], ["error: Invalid value for '-o' / '--output': 'yaml' is not one of 'table', 'json'.",
                                  "hint: opsctl list --help shows how it is used"]),
        (["list", "--endpoint-url", "localhost"], [
            "error: Invalid value for '--endpoint-url': 'localhost' is not an address such as http://127.0.0.1:5000",
            "hint: opsctl list --help shows how it is used"]),
        (["status", "a", "b"], ["error: Got unexpected extra argument (b)",
                                "hint: opsctl status --help shows how it is used"]),
    ],
)  # fmt: skip
def test_misspelt_words(words: list[str], lines: list[str]) -> None:
    result = CliRunner().invoke(root, words)
    assert (result.exit_code, result.stderr.splitlines(), result.stdout) == (2, lines, "")


@pytest.mark.parametrize("words", [[], ["sandbox"]])
def test_a_groups_name_alone_shows_its_help(words: list[str]) -> None:
    bare, asked = CliRunner().invoke(root, words), CliRunner().invoke(root, [*words, "--help"])
    assert (bare.exit_code, bare.stdout, bare.stderr) == (2, asked.stdout, "")
    assert bare.stdout.startswith(" ".join(["Usage: opsctl", *words, "[OPTIONS]"]))


def test_global_options_may_stand_before_or_after_and_the_later_one_counts(bench: Bench) -> None:
    bench.opsctl("start", "--name", "one")
    before, after = bench.opsctl("-o", "json", "list"), bench.opsctl("list", "-o", "json")
    assert json.loads(before.stdout) == json.loads(after.stdout)
    assert bench.opsctl("-o", "json", "list", "-o", "table").stdout.startswith("STATUS")


def test_without_a_deployment_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["list"], ["status"], ["start"], ["rerun", "--from", "x"]):
        result = CliRunner().invoke(root, [*words, "--terraform-dir", str(tmp_path)])
        assert (result.exit_code, len(result.stderr.splitlines())) == (4, 2)
    result = CliRunner().invoke(root, ["list", "--context", "sandbox"])
    assert (result.exit_code, result.stderr) == (
        4,
        f"error: no sandbox is up in {tmp_path}/.opsctl/sandbox\nhint: start one: opsctl sandbox up\n",
    )


def test_a_fresh_clone_is_told_both_ways_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.tf").write_text("")
    (tmp_path / "definitions").mkdir()
    (tmp_path / "terraform.tfstate").write_text('{"version": 4, "outputs": {}}')
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(root, ["list"])
    aws = "run terraform apply there first, or name another folder with --terraform-dir"
    here = "to try it here, without an AWS account: opsctl demo, or opsctl sandbox up"
    assert (result.exit_code, result.stderr) == (
        4, f"error: no Terraform output 'opsctl' in {tmp_path}\nhint: {aws}; {here}\n",
    )  # fmt: skip


def test_what_is_no_error_of_the_users_keeps_its_traceback(bench: Bench) -> None:
    bench.states.executions[""] = ()  # type: ignore[assignment]
    assert isinstance(bench.opsctl("list").exception, ValueError)


def test_results_that_nobody_reads_end_the_command_quietly() -> None:
    program = "import sys; sys.stdin.read(); from opsctl.cli.root import root; root(['--help'])"
    command = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert command.stdout is not None
    command.stdout.close()
    _, told = command.communicate()
    assert (command.returncode, told) == (141, b"")


def test_words_for_numbers() -> None:
    assert [duration(s) for s in (None, 0, 59.94, 59.96, 3599, 7500)] == [
        None, "0.0 s", "59.9 s", "1 min 0 s", "59 min 59 s", "2 h 05 min",
    ]  # fmt: skip
    assert [size(count) for count in (0, 999, 1000, 3_210_000, 5e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "3.2 MB",
        "5.0 TB",
    ]


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal in Berlin, for systems without a database of time zones too."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_times_are_local_in_tables_and_utc_in_json(bench: Bench) -> None:
    bench.opsctl("start", "--name", "winter")
    bench.world.now = EPOCH + 180 * 86_400
    bench.opsctl("start", "--name", "summer")
    rows = [row.split() for row in bench.opsctl("list", "--machine", "training").stdout.splitlines()[1:]]
    assert [(row[-1], row[2:5]) for row in rows] == [
        ("summer", ["2127-07-14", "10:00:00", "CEST"]),
        ("winter", ["2127-01-15", "09:00:00", "CET"]),
    ]
    assert "STARTED   2127-01-15 09:00:00 CET\n" in bench.opsctl("status", "winter").stdout
    told = json.loads(bench.opsctl("status", "winter", "--query", "started").stdout)
    assert told == "2127-01-15T08:00:00.000+00:00"


def test_headers_and_names_of_facts_have_no_colour() -> None:
    yellow, green = "\x1b[33mRUN\x1b[0m", "\x1b[32mSUCCEEDED\x1b[0m"
    assert table(["STATUS", "RUN"], [["RUN", "a"]]) == f"STATUS  RUN\n{yellow}     a"
    assert facts([("RUN", "a"), ("STATUS", "SUCCEEDED")]) == f"RUN     a\nSTATUS  {green}"


def test_json_steers_no_terminal_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    steers = {"error": "\x1b[31m \x9b2J \x7f \u202egnp.exe \ud800 é"}
    invocation = Invocation()
    invocation.output = "json"
    emit(invocation, steers, "")
    emit_line(invocation, steers)
    whole = capsys.readouterr().out
    assert whole.splitlines()[1] == r'  "error": "\u001b[31m \u009b2J \u007f \u202egnp.exe \ud800 é"'
    assert [json.loads(whole.rpartition("}\n{")[0] + "}"), json.loads(whole.splitlines()[-1])] == [steers, steers]


def test_a_table_is_folded_where_all_of_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "made by nightly-7 (branch 1 of Base Model Training)"
    rows = [["REUSED?", "Train Image Model", reason], ["?", "Evaluate", "named by --from"]]
    whole = table(["ACTION", "STEP", "WHY"], rows, fold=True)
    assert reason in whole
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    assert table(["ACTION", "STEP", "WHY"], rows, fold=True) == whole
    monkeypatch.setenv("COLUMNS", "60")
    assert (
        table(["ACTION", "STEP", "WHY"], rows, fold=True)
        == """\
ACTION   STEP               WHY
REUSED?  Train Image Model  made by nightly-7 (branch 1 of
                            Base Model Training)
?        Evaluate           named by --from"""
    )


def test_a_table_is_cut_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["FAILED", "x" * 90], ["RUN", None]]
    assert "x" * 90 in table(["STATUS", "ERROR"], rows)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    lines = table(["STATUS", "ERROR"], rows).splitlines()
    assert lines[1] == f"\x1b[31mFAILED\x1b[0m  {'x' * 51}…"


def test_rows_that_would_each_take_several_lines_are_written_below_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["nightly-7-with-a-long-name", "FAILED", "x" * 50], ["nightly-6", None, ""]]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "20")
    assert (
        table(["RUN", "STATUS", "ERROR"], rows)
        == f"""\
RUN     nightly-7-with-a-long-name
STATUS  \x1b[31mFAILED\x1b[0m
ERROR   {"x" * 50}

RUN  nightly-6"""
    )
    monkeypatch.setenv("COLUMNS", "30")
    assert table(["RUN", "STATUS", "ERROR"], rows).splitlines()[0].split() == ["RUN", "STATUS", "ERROR"]


def test_a_terminal_without_utf_8_is_sent_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    assert table(["STATUS", "ERROR"], [["RUN", "x" * 90]]).splitlines()[1] == f"\x1b[33mRUN\x1b[0m     {'x' * 49}..."


@pytest.mark.parametrize("words", [["--version"], ["cleanup", "--help"]])
def test_a_full_disk_is_told_in_a_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "opsctl", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (run.returncode, run.stderr.splitlines()) == (1, [
        "error: cannot write: No space left on device", "hint: make room, and run the command again",
    ])  # fmt: skip


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_from_the_start_changes_no_outcome(closed: str, tmp_path: Path) -> None:
    event = {"id": 1, "previousEventId": 0, "type": "ExecutionStarted", "timestamp": 0}
    end = {"id": 2, "previousEventId": 0, "type": "ExecutionAborted", "timestamp": 1}
    (tmp_path / "history.json").write_text(json.dumps({"events": [event, end]}))
    line = f'"$0" -m opsctl cost --history "$1" {closed}'
    run = subprocess.run(
        ["sh", "-c", line, sys.executable, str(tmp_path / "history.json")], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert ("PRICES" in run.stdout) == (">&-" not in closed.split())
