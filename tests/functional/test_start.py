"""`opsctl start`, `list` and `status`, with the whole of what they print."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from opsctl.asl.effects import Failed, Succeeded
from tests.functional.pipeline_world import (
    BUCKET,
    DECIDED,
    DIVERGED,
    EVALUATED,
    MACHINE,
    SECONDS,
    Bench,
    training_failure,
)

SEQUENCE = "Train Sequence Model"
EXECUTION = MACHINE.replace("stateMachine", "execution")
REFUSED = "the run input is refused"
DURATION = "a duration such as 90, 90s, 15m, 2h or 7d"
UNKNOWN = "unknown key; the nearest known key is"
NEEDED = (
    f"{REFUSED}: skip.train_image_model: train-sequence-model, evaluate would lack its result; "
    "say in reuse.train-image-model where it lies, or skip what reads it as well"
)
HELP = "opsctl start --help shows how it is used"
SETTING = "hyperparameters.image_model.epochs=80"
JSON_ERROR = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
JMESPATH_ERROR = 'Invalid jmespath expression: Incomplete expression: "[?" ^'

TOLD = """\
following nightly-7
08:00:00  Prepare Run  started
08:00:01  Prepare Run  succeeded after 1 s
08:00:01  Fetch Preprocessed Data  started
08:00:13  Fetch Preprocessed Data  succeeded after 12 s
08:00:13  Train Image Model  started
08:00:13  Train Text Model  started
08:00:43  Train Text Model  succeeded after 30 s
08:01:13  Train Image Model  succeeded after 1 min 0 s
08:01:13  Train Sequence Model  started
08:01:53  Train Sequence Model  succeeded after 40 s
08:01:53  Find Champion  started
08:01:54  Find Champion  succeeded after 1 s
08:01:54  Evaluate  started
08:01:55  Evaluate  succeeded after 1 s
08:01:55  Compare With Champion  started
08:01:56  Compare With Champion  succeeded after 1 s
08:01:56  Start Deployment  started
08:01:57  Start Deployment  succeeded after 1 s
08:01:57  Notify Success  started
08:01:58  Notify Success  succeeded after 1 s
"""
STATUS = """\
RUN       nightly-7
MACHINE   documents-training
VERSION   1, by the alias live
STATUS    SUCCEEDED
STARTED   2127-01-15 08:00:00 UTC
DURATION  1 min 58 s

STEP                     STATUS     ATTEMPTS  STARTED   DURATION   JOB                                     ERROR
Prepare Run              SUCCEEDED  1         08:00:00  1.0 s      documents-prepare-run
Fetch Preprocessed Data  SUCCEEDED  1         08:00:01  12.0 s     nightly-7-fetch-preprocessed-data-d0r0
Train Image Model        SUCCEEDED  1         08:00:13  1 min 0 s  nightly-7-train-image-model-d0r0
Train Text Model         SUCCEEDED  1         08:00:13  30.0 s     nightly-7-train-text-model-d0r0
Train Sequence Model     SUCCEEDED  1         08:01:13  40.0 s     nightly-7-train-sequence-model-d0r0
Find Champion            SUCCEEDED  1         08:01:53  1.0 s      documents-champion-gate
Evaluate                 SUCCEEDED  1         08:01:54  1.0 s      nightly-7-evaluate-d0r0
Compare With Champion    SUCCEEDED  1         08:01:55  1.0 s      documents-champion-gate
Start Deployment         SUCCEEDED  1         08:01:56  1.0 s      x-deployment
Notify Success           SUCCEEDED  1         08:01:57  1.0 s
"""


def test_a_run_that_succeeds(bench: Bench) -> None:
    result = bench.opsctl("start", "--name", "nightly-7", "--wait")
    assert result.exit_code == 0
    assert result.stdout == "nightly-7 SUCCEEDED after 1 min 58 s\n"
    assert result.stderr == TOLD
    assert bench.opsctl("status").stdout == STATUS


def test_a_run_that_fails_says_where_and_why_and_what_next(bench: Bench) -> None:
    bench.world.script[SEQUENCE] = [
        Failed("SageMaker.ThrottlingException", "Rate exceeded"),
        training_failure(DIVERGED),
    ]
    result = bench.opsctl(
        "start", "--name", "nightly-8", "--wait", "--set", "hyperparameters.sequence_model.max_lr=1e6"
    )
    assert result.exit_code == 1
    assert result.stdout.startswith("nightly-8 FAILED after 2 min ")  # and the retry's own wait, which is random
    assert result.stdout.endswith(f" at {SEQUENCE}: States.TaskFailed: {DIVERGED}\n")
    *_, retry, failed, _, _, _, _, last = result.stderr.splitlines()
    assert retry.partition("  ")[2] == f"{SEQUENCE}  attempt 2"
    assert failed.partition("  ")[2] == f"{SEQUENCE}  failed after 40 s: States.TaskFailed: {DIVERGED}"
    assert last == f'next: opsctl rerun nightly-8 --from "{SEQUENCE}"'
    steps = json.loads(
        bench.opsctl("status", "@failed", "-o", "json", "--query", "steps[].[step,status,attempts]").stdout
    )
    assert steps[4:] == [
        [SEQUENCE, "FAILED", 2],
        ["Find Champion", "NOT REACHED", 0],
        ["Evaluate", "NOT REACHED", 0],
        ["Compare With Champion", "NOT REACHED", 0],
        ["Start Deployment", "NOT REACHED", 0],
        ["Notify Success", "NOT REACHED", 0],
        ["Describe Failure", "SUCCEEDED", 1],
        ["Notify Failure", "SUCCEEDED", 1],
    ]


def test_a_stopped_job_is_a_failed_step(bench: Bench) -> None:
    job = {"TrainingJobName": "x", "TrainingJobStatus": "Stopped"}
    bench.world.script[SEQUENCE] = [Succeeded(json.dumps(job))]
    result = bench.opsctl("start", "--name", "nightly-9", "--wait")
    assert (result.exit_code, result.stdout) == (
        1,
        f"nightly-9 FAILED after 1 min 55 s at {SEQUENCE}: its job ended Stopped\n",
    )
    told = [line for line in result.stderr.splitlines() if SEQUENCE in line]
    assert told == [
        f"08:01:13  {SEQUENCE}  started",
        f"08:01:53  {SEQUENCE}  stopped after 40 s",
        f'next: opsctl rerun nightly-9 --from "{SEQUENCE}"',
    ]


def test_the_input_comes_from_a_file_and_settings_come_on_top(bench: Bench, tmp_path: Path) -> None:
    given = {"data": {"source": "s3://documents/datasets/july/"}, "hyperparameters": {"text_model": {"epochs": 3}}}
    (tmp_path / "run.json").write_text(json.dumps(given))
    words = ["start", "--input", str(tmp_path / "run.json"), "--set", 'hyperparameters.text_model.epochs="4"']
    words += ["--set", "hyperparameters.text_model.max_lr=0.5", "--set", "skip.evaluate=true", "--name", "july"]
    result = bench.opsctl(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (
        0, "july\n", "started july; look at it: opsctl status july\n",
    )  # fmt: skip
    assert bench.input_of("july") == {
        "data": {"source": "s3://documents/datasets/july/"},
        "hyperparameters": {"text_model": {"epochs": "4", "max_lr": 0.5}},
        "skip": {"evaluate": True},
    }
    result = bench.opsctl("start", "--input", "-", "-o", "json", stdin='{"skip": {"evaluate": false}}')
    document = json.loads(result.stdout)
    assert bench.input_of(document["run"]) == {"skip": {"evaluate": False}}
    assert document["status"] == "RUNNING"
    assert document["run"].startswith("run-270115-0801")
    assert len(document["run"]) <= 24 - len("-r12")


NO_FOLDER = "must be the address of a folder, such as s3://bucket/datasets/inbox/"
SHOWN = "opsctl shows that in place of what looks like a credential"


@pytest.mark.parametrize(
    ("words", "stdin", "error", "hint"),
    [
        (["--set", "hyperparameters.text_modell.epochs=3"], "",
         "the run input is refused: hyperparameters.text_modell: unknown key; the nearest known key is text_model",
         "nothing was started"),
        (["--set", "hyperparameters.text_model.epoch=3", "--set", "dat.source=x"], "",
         f"{REFUSED}: dat: {UNKNOWN} data; and 1 more: hyperparameters.text_model.epoch: {UNKNOWN} epochs",
         "nothing was started"),
        (["--input", "-"], '{"hyperparameters": {"text_model": {"dropout": "https://[redacted]@hub/"}}}',
         f"the run input has [redacted] at hyperparameters.text_model.dropout: {SHOWN}",
         "write the value itself there; nothing was started or sent"),
        (["--set", "skip.train_image_model=true"], "", NEEDED, "nothing was started"),
        (["--input", "-"], "[]", "standard input holds no JSON object", 'write it as {"hyperparameters": {…}}'),
        (["--input", '{"skip": {}}'], "", 'not JSON itself is wanted here, but a file: {"skip": {}}',
         "- reads it from standard input"),
        (["--input", "-"], "{", f"standard input is not JSON: {JSON_ERROR}", None),
        (["--set", "epochs"], "", f"Invalid value for '--set': 'epochs' is not path=value, such as {SETTING}", HELP),
        (["--set", "data=3", "--set", "data.source=x"], "", "data.source cannot be set: data is a value, not an object",
         None),
        (["--name", "a_b"], "", "'a_b' cannot be a run's name",
         "use 1 to 40 letters, digits and hyphens, with a letter or digit at both ends"),
        (["--name", ""], "", "'' cannot be a run's name",
         "use 1 to 40 letters, digits and hyphens, with a letter or digit at both ends"),
        (["--timeout", "5m"], "", "--timeout says how long to wait, and there is no --wait", "add --wait"),
        (["--profile", ""], "",
         "Invalid value for '--profile': it is empty; leave the option out, or give it a value", HELP),
        (["--timeout", "1y"], "", f"Invalid value for '--timeout': '1y' is not {DURATION}", HELP),
    ],
)  # fmt: skip
def test_bad_input_starts_nothing(bench: Bench, words: list[str], stdin: str, error: str, hint: str | None) -> None:
    result = bench.opsctl("start", *words, stdin=stdin)
    lines = [f"error: {error}"] + ([f"hint: {hint}"] if hint else [])
    assert (result.exit_code, result.stderr.splitlines(), result.stdout) == (2, lines, "")
    assert bench.states.executions == {}


def test_an_inference_is_told_what_to_score(bench: Bench) -> None:
    bench.connection = replace(bench.connection, machine=bench.connection.deployment.machines["inference"])
    result = bench.opsctl("start", "--set", "documents=inbox", "--set", "runs=nightly-7")
    assert (result.exit_code, result.stderr.splitlines()) == (2, [
        "error: the run input is refused: unknown key 'runs': did you mean 'run'?; and 1 more: documents: " + NO_FOLDER,
        "hint: nothing was started",
    ])  # fmt: skip
    assert bench.states.executions == {}


def test_a_missing_file_names_the_nearest(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "nightly.json").write_text("{}")
    result = bench.opsctl("start", "--input", str(tmp_path / "nigthly.json"))
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: no file {tmp_path}/nigthly.json\nhint: did you mean {tmp_path}/nightly.json?\n",
    )
    result = bench.opsctl("start", "--input", str(tmp_path))
    assert (result.exit_code, result.stderr.startswith(f"error: {tmp_path} cannot be read")) == (2, True)


def test_a_name_in_use_is_refused(bench: Bench) -> None:
    bench.opsctl("start", "--name", "nightly-7")
    result = bench.opsctl("start", "--name", "nightly-7")
    assert (result.exit_code, result.stderr) == (
        3, "error: a run nightly-7 exists already\nhint: choose another --name\n",
    )  # fmt: skip


def test_the_same_start_again_is_the_same_run(bench: Bench) -> None:
    bench.world.open_steps = {SEQUENCE}
    words, look = ("start", "--name", "nightly-7"), "look at it: opsctl status nightly-7"
    assert bench.opsctl(*words).stderr == f"started nightly-7; {look}\n"
    again = bench.opsctl(*words)
    assert (again.exit_code, again.stdout, again.stderr) == (
        0, "nightly-7\n", f"nightly-7 is already running, with this very input; {look}\n",
    )  # fmt: skip
    waiting = bench.opsctl(*words, "--wait", "--timeout", "1s")
    assert (waiting.exit_code, waiting.stderr.splitlines()[0]) == (124, "following nightly-7, which is already running")
    other = bench.opsctl(*words, "--set", "skip.evaluate=true")
    assert (other.exit_code, other.stderr.splitlines()[0]) == (3, "error: a run nightly-7 exists already")
    assert len(bench.states.executions) == 1


def test_waiting_no_longer_than_asked(bench: Bench) -> None:
    bench.world.open_steps = {SEQUENCE}
    result = bench.opsctl("start", "--name", "nightly-7", "--wait", "--timeout", "2m")
    assert (result.exit_code, result.stderr.splitlines()[-2:]) == (
        124, ["error: nightly-7 is still running after 2 min 0 s", "hint: it goes on: opsctl status nightly-7"],
    )  # fmt: skip
    result = bench.opsctl("list", "--status", "running")
    assert result.stdout.splitlines()[1].split()[0] == "RUNNING"


def test_interrupting_the_wait_leaves_the_run(bench: Bench) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    bench.world.open_steps = {SEQUENCE}
    object.__setattr__(bench.connection.aws, "sleep", interrupt)
    result = bench.opsctl("start", "--name", "nightly-7", "--wait")
    assert (result.exit_code, result.stderr.split("\n\n")[-2]) == (
        130, "interrupted; the run goes on: opsctl status nightly-7",
    )  # fmt: skip
    assert bench.states.describe(f"{EXECUTION}:nightly-7").status == "RUNNING"


def test_status_as_json_holds_everything(bench: Bench) -> None:
    bench.opsctl("start", "--name", "one")
    document = json.loads(bench.opsctl("-o", "json", "status", "on").stdout)
    assert [document[key] for key in ("run", "status", "started", "stopped")] == [
        "one", "SUCCEEDED", "2127-01-15T08:00:00.000+00:00", "2127-01-15T08:01:58.000+00:00",
    ]  # fmt: skip
    image = document["steps"][2]
    assert (image["step"], image["branch"]) == ("Train Image Model", [{"state": "Base Model Training", "branch": 0}])
    (attempt,) = image["entries"][0]["attempts"]
    assert attempt["parameters"]["TrainingJobName"] == "one-train-image-model-d0r0"
    assert attempt["output"]["TrainingJobStatus"] == "Completed"
    assert attempt["ended"] == "2127-01-15T08:01:13.000+00:00"
    assert SECONDS["Train Image Model"] == image["seconds"]


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["status", "nightly-6"], "no run 'nightly-6'", "the nearest names are: nightly-7, nightly-71, try"),
        (["status", ""], "RUN is empty", "name a run, or leave it out; opsctl list shows the runs there are"),
        (["status", "night"], "2 runs begin with 'night'", "say which one: nightly-71, nightly-7"),
        (["status", "@failed"], "no run has failed", "name the run to work on: opsctl list shows them"),
        (["status", "no such; run"], "no run 'no such; run'", "the nearest names are: nightly-7, nightly-71, try"),
        (["status", f"{EXECUTION}:x"],
         f"the run {EXECUTION}:x does not exist, or its history is gone", None),
        (["list", "--query", "[?"], f"--query is not a JMESPath expression: {JMESPATH_ERROR}", None),
    ],
)  # fmt: skip
def test_unknown_runs(bench: Bench, words: list[str], error: str, hint: str | None) -> None:
    for name in ("try", "nightly-7", "nightly-71"):
        bench.opsctl("start", "--name", name)
    result = bench.opsctl(*words)
    assert (result.exit_code, result.stderr.splitlines()) == (
        2, [f"error: {error}"] + ([f"hint: {hint}"] if hint else []),
    )  # fmt: skip


@pytest.mark.parametrize(
    "words", [("status",), ("watch",), ("cost",), ("approve",), ("stop",), ("redrive",), ("lineage",), ("graph",)]
)
def test_the_name_of_another_machines_run(bench: Bench, words: tuple[str, ...]) -> None:
    """Also where something lies in the bucket under that name: AWS has not forgotten it."""
    bench.opsctl("start", "--name", "one")
    bench.states.start(MACHINE.replace("training", "deployment"), "one-deployment", "{}")
    bench.world.put(f"s3://{BUCKET}/runs/one-deployment/x", "x")
    result = bench.opsctl(*words, "one-deployment")
    assert (result.exit_code, result.stderr.splitlines()) == (2, [
        "error: no run 'one-deployment'", "hint: it is one of documents-deployment: --machine deployment",
    ])  # fmt: skip
    bench.states.start(MACHINE.replace("training", "inference"), "one-deployment", "{}")
    result = bench.opsctl(*words, "one-deployment")
    assert result.stderr.splitlines()[1] == (
        "hint: it is one of documents-deployment and documents-inference: --machine deployment or --machine inference"
    )


def test_a_run_of_another_machine(bench: Bench) -> None:
    arn = bench.states.start(MACHINE.replace("training", "deployment"), "x", "{}")
    other = f"--machine {MACHINE.replace('training', 'deployment')}"
    result = bench.opsctl("status", arn)
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: x is a run of documents-deployment, not of documents-training\nhint: name its machine with {other}\n",
    )


TAKEN_OVER = ("--skip", "fetch-preprocessed-data", "--skip", "train-text-model", "--reuse-from", "nightly-7")
WITH_RESULTS = f"""\
Start of july, with results of nightly-7

ACTION  STEP                     TOOK       USD      WHY
ALWAYS  Prepare Run              1.0 s      <0.0001  has no guard in the definition
REUSE   Fetch Preprocessed Data  12.0 s     unknown  by --skip; made by nightly-7
RUN     Train Image Model        1 min 0 s  0.0235   not skipped (branch 1 of Base Model Training)
REUSE   Train Text Model         30.0 s     0.0019   by --skip; made by nightly-7 (branch 2 of Base Model Training)
RUN     Train Sequence Model                         not skipped
ALWAYS  Find Champion                                has no guard in the definition
RUN     Evaluate                                     not skipped
ALWAYS  Compare With Champion                        has no guard in the definition
ALWAYS  Start Deployment                             {DECIDED}
ALWAYS  Notify Success                               has no guard in the definition

saves at least 42.0 s and 0.0019 USD (price unknown: Fetch Preprocessed Data)
spends at least 1 min 1 s and 0.0240 USD (time unknown: Train Sequence Model, Find Champion, Evaluate, \
Compare With Champion, Start Deployment, Notify Success); 21 state transitions
prices: SageMaker training on demand, us-east-1, as of 2026-11-22
copies 4 objects (340 B): 0.0001 USD in requests, 0.00 USD a month; --data reuse would copy nothing and keep \
nightly-7 from cleanup
copied from this machine: 4 objects, not more than 2,000,000
plan """


def test_a_run_with_results_of_another(failed: Bench) -> None:
    before = failed.world.keys("")
    result = failed.opsctl("start", "--name", "july", *TAKEN_OVER, "--dry-run")
    assert (result.exit_code, result.stdout[:-13], result.stderr) == (0, WITH_RESULTS, "")
    asked = failed.opsctl("start", "--name", "july", *TAKEN_OVER)
    assert (asked.exit_code, asked.stderr.splitlines()[0]) == (
        3, "error: nothing was started: there is no terminal to ask on",
    )  # fmt: skip
    assert failed.world.keys("") == before
    result = failed.opsctl("start", "--name", "july", *TAKEN_OVER, "--yes", "--wait")
    assert (result.exit_code, failed.world.entered()) == (
        0, ["Prepare Run", "Train Image Model", SEQUENCE, *EVALUATED],
    )  # fmt: skip
    document = failed.input_of("july")
    assert sorted(document) == ["reuse", "skip"]
    assert document["reuse"]["train-text-model"]["run"] == "nightly-7"
    assert len(failed.world.keys("runs/july/fetch-preprocessed-data/")) == 3
    again = failed.opsctl("rerun", "july", "--only", "evaluate", "--dry-run", "--query", "steps[].made_by")
    assert json.loads(again.stdout) == ["nightly-7", "july", "nightly-7", "july"]


ESTIMATED = f"""\
Start of july

ACTION  STEP                     TOOK       USD      WHY
ALWAYS  Prepare Run              1.0 s      <0.0001  has no guard in the definition
RUN     Fetch Preprocessed Data  12.0 s     unknown  not skipped
RUN     Train Image Model        1 min 0 s  0.0235   not skipped (branch 1 of Base Model Training)
RUN     Train Text Model         30.0 s     0.0019   not skipped (branch 2 of Base Model Training)
RUN     Train Sequence Model     40.0 s     0.0156   not skipped
ALWAYS  Find Champion            1.0 s      <0.0001  has no guard in the definition
RUN     Evaluate                 1.0 s      0.0001   not skipped
ALWAYS  Compare With Champion    1.0 s      <0.0001  has no guard in the definition
ALWAYS  Start Deployment         1.0 s      0.00     {DECIDED}
ALWAYS  Notify Success           1.0 s      <0.0001  has no guard in the definition

nothing is reused
spends at least 2 min 28 s and 0.0417 USD (price unknown: Fetch Preprocessed Data); 24 state transitions
estimated by what the steps took in nightly-6
prices: SageMaker training on demand, us-east-1, as of 2026-11-22
copies nothing
plan """


def test_a_dry_run_estimates_by_the_newest_run(bench: Bench) -> None:
    nothing = bench.opsctl("start", "--dry-run")
    assert "\nno estimate: no run of this machine has done these steps yet\n" in nothing.stdout
    bench.opsctl("start", "--name", "nightly-6")
    result = bench.opsctl("start", "--name", "july", "--dry-run")
    assert (result.exit_code, result.stdout[:-13], result.stderr) == (0, ESTIMATED, "")
    told = json.loads(bench.opsctl("start", "--dry-run", "-o", "json").stdout)
    assert (told["estimated_by"], told["spent"]["time_unknown"]) == (["nightly-6"], [])


def test_what_the_newest_run_reused_is_estimated_by_the_one_before_it(failed: Bench) -> None:
    failed.opsctl("rerun", "nightly-7", "--from", SEQUENCE, "--yes")
    told = json.loads(failed.opsctl("start", "--dry-run", "-o", "json").stdout)
    assert (told["estimated_by"], told["spent"]["time_unknown"]) == (["nightly-7-r1", "nightly-7"], [])
    assert (told["spent"]["seconds"], told["spent"]["transitions"]) == (148.0, None)


def test_the_results_of_a_run_that_aws_has_forgotten(failed: Bench) -> None:
    failed.states.executions.clear()
    result = failed.opsctl("start", "--name", "july", *TAKEN_OVER, "--yes", "--wait")
    assert "warning: AWS has forgotten nightly-7: nothing is known of how its results were made\n" in result.stdout
    assert (result.exit_code, failed.world.entered()[1]) == (0, "Train Image Model")


def test_skipping_without_results_asks_nothing_and_copies_nothing(bench: Bench) -> None:
    result = bench.opsctl("start", "--name", "short", "--skip", "evaluate", "--wait")
    assert (result.exit_code, bench.input_of("short")) == (0, {"skip": {"evaluate": True}})
    assert "Evaluate" not in bench.world.entered()


def test_two_starts_of_one_name_share_it_only_if_they_are_the_same(failed: Bench) -> None:
    failed.world.open_steps = {"Train Image Model"}
    words = ("start", "--name", "july", *TAKEN_OVER, "--yes")
    assert failed.opsctl(*words).stderr.splitlines()[-1] == "started july; look at it: opsctl status july"
    assert failed.opsctl(*words).stderr.startswith("july is already running, with this very input")
    other = failed.opsctl(*words, "--set", "hyperparameters.image_model.epochs=3")
    assert (other.exit_code, other.stderr.splitlines()[0]) == (3, (
        "error: the name july is taken by another start: "
        "hyperparameters.image_model.epochs is nothing there and 3 here"
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--reuse-from", "nightly-7"), 2, "--reuse-from takes the results of skipped steps, and none is skipped"),
        (("--skip", "train-txt-model"), 2, "no step 'train-txt-model'"),
        (("--skip", "prepare-run"), 3, "Prepare Run cannot be skipped: it has no guard in the definition"),
        (("--skip", "train-sequence-model", "--reuse-from", "nightly-7"), 3,
         f"Evaluate needs the result of {SEQUENCE}, which would not run (--skip), and has none: it failed"),
        (("--skip", "evaluate", "--reuse-from", "nightly-6"), 2, "no run 'nightly-6'"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_over(failed: Bench, words: tuple[str, ...], code: int, message: str) -> None:
    before = failed.world.keys("")
    result = failed.opsctl("start", *words, "--yes")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[0]) == (code, "", f"error: {message}")
    assert (failed.world.keys(""), len(failed.states.executions)) == (before, 1)
