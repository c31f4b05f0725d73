"""`opsctl rerun`: plan, claim, copy, verify, start, and again after it was cut off anywhere."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Generator
from typing import Any

import pytest

from opsctl.asl.effects import Failed
from opsctl.aws.bulk import Copied
from opsctl.domain.conditions import Setting
from opsctl.domain.objects import Place, Stored
from opsctl.domain.rerun import Request
from opsctl.domain.runs import Run
from opsctl.operations import rerun as reruns
from opsctl.operations import runs
from opsctl.operations.start import Started
from tests.functional.pipeline_world import BUCKET, DECIDED, DIVERGED, EVALUATED, Bench, WorldStorage, training_failure

FETCH, IMAGE, TEXT = "Fetch Preprocessed Data", "Train Image Model", "Train Text Model"
SEQUENCE, EVALUATE = "Train Sequence Model", "Evaluate"
BETTER = ("--set", "hyperparameters.sequence_model.max_lr=0.01")
UNKNOWN = "hyperparameters.sequence_model.lr: unknown key; the nearest known key is min_lr"
REFUSED = f"the run input is refused: {UNKNOWN}"
PLAN = f"""\
Rerun of nightly-7 from Train Sequence Model, as nightly-7-r1

ACTION  STEP                     TOOK       USD      WHY
ALWAYS  Prepare Run              1.0 s      <0.0001  has no guard in the definition
REUSE   Fetch Preprocessed Data  12.0 s     unknown  made by nightly-7
REUSE   Train Image Model        1 min 0 s  0.0235   made by nightly-7 (branch 1 of Base Model Training)
REUSE   Train Text Model         30.0 s     0.0019   made by nightly-7 (branch 2 of Base Model Training)
RUN     Train Sequence Model                         named by --from
ALWAYS  Find Champion                                has no guard in the definition
RUN     Evaluate                                     comes after Train Sequence Model
ALWAYS  Compare With Champion                        has no guard in the definition
ALWAYS  Start Deployment                             {DECIDED}
ALWAYS  Notify Success                               has no guard in the definition

change: hyperparameters.sequence_model.max_lr: 1000000 -> 0.01

saves at least 1 min 42 s and 0.0254 USD (price unknown: Fetch Preprocessed Data)
spends at least 1.0 s and 0.0005 USD (time unknown: Train Sequence Model, Find Champion, Evaluate, \
Compare With Champion, Start Deployment, Notify Success); 19 state transitions
prices: SageMaker training on demand, us-east-1, as of 2026-11-22
copies 5 objects (381 B): 0.0001 USD in requests, 0.00 USD a month; --data reuse would copy nothing and keep \
nightly-7 from cleanup
copied from this machine: 5 objects, not more than 2,000,000
plan """
MODELS = {
    "fetch-preprocessed-data/stack-0/pages.jsonl", "fetch-preprocessed-data/stack-1/pages.jsonl",
    "fetch-preprocessed-data/stack-2/pages.jsonl",
    "train-image-model/nightly-7-train-image-model-d0r0/output/model.tar.gz",
    "train-text-model/nightly-7-train-text-model-d0r0/output/model.tar.gz",
}  # fmt: skip


@pytest.fixture
def failed(bench: Bench) -> Bench:
    """A bench on which nightly-7 has failed at the sequence model."""
    bench.world.script[SEQUENCE] = [training_failure(DIVERGED)]
    bench.opsctl("start", "--name", "nightly-7", "--set", "hyperparameters.sequence_model.max_lr=1e6")
    bench.world.entered()
    return bench


def below(bench: Bench, run: str) -> set[str]:
    return {key.removeprefix(f"runs/{run}/") for key in bench.world.keys(f"runs/{run}/")}


def test_the_plan_is_shown_and_nothing_happens(failed: Bench) -> None:
    before = failed.world.keys("")
    result = failed.opsctl("rerun", "--from", SEQUENCE, *BETTER, "--dry-run")
    assert (result.exit_code, result.stdout[:-13], result.stderr) == (0, PLAN, "")
    assert failed.world.keys("") == before
    result = failed.opsctl("rerun", "--from", "train-sequence-model", *BETTER, "--dry-run", "-o", "json")
    plan = json.loads(result.stdout)
    assert (plan["run"], plan["of"], plan["root"], plan["seconds_saved"]) == (
        "nightly-7-r1",
        "nightly-7",
        "nightly-7",
        102,
    )
    assert plan["copies"] == {"objects": 5, "bytes": 381}
    assert failed.opsctl("rerun", "--from", SEQUENCE, *BETTER, "--yes").exit_code == 0
    assert plan["input"] == failed.input_of("nightly-7-r1")
    assert sorted(plan["input"]["reuse"]) == ["fetch-preprocessed-data", "train-image-model", "train-text-model"]
    assert plan["steps"][2] == {
        "step": IMAGE, "slug": "train-image-model", "action": "REUSE", "reason": "made by nightly-7",
        "branch": [{"state": "Base Model Training", "branch": 0}], "seconds": 60, "usd": 0.023467,
        "price_unknown": None, "made_by": "nightly-7",
        "uri": f"s3://{BUCKET}/runs/nightly-7/train-image-model/", "objects": 1, "bytes": 41,
    }  # fmt: skip


def test_a_rerun_copies_what_it_reuses_and_walks_as_planned(failed: Bench) -> None:
    result = failed.opsctl("rerun", "--from", SEQUENCE, *BETTER, "--yes", "--wait")
    assert result.exit_code == 0
    assert result.stdout.startswith(PLAN)
    assert result.stdout.splitlines()[-1] == "nightly-7-r1 SUCCEEDED after 46.0 s"
    assert result.stderr.splitlines()[:4] == [
        "copied Fetch Preprocessed Data: 3 objects, 300 bytes",
        "copied Train Image Model: 1 object, 41 bytes",
        "copied Train Text Model: 1 object, 40 bytes",
        "following nightly-7-r1",
    ]
    assert failed.world.entered() == ["Prepare Run", SEQUENCE, *EVALUATED]
    assert below(failed, "nightly-7-r1") >= MODELS
    assert not any(key.startswith("train-text-model/checkpoints") for key in below(failed, "nightly-7-r1"))
    document = failed.input_of("nightly-7-r1")
    assert document["rerun"] == {"of": "nightly-7", "from": [SEQUENCE], "root": "nightly-7"}
    assert document["skip"] == {"fetch_preprocessed_data": True, "train_image_model": True, "train_text_model": True}
    assert document["reuse"]["train-text-model"] == {
        "run": "nightly-7", "uri": f"s3://{BUCKET}/runs/nightly-7-r1/train-text-model/",
    }  # fmt: skip
    status = failed.opsctl("status").stdout.splitlines()
    assert status[6] == "RERUN OF  nightly-7, from Train Sequence Model"
    assert status[10].split()[-3:] == ["REUSED", "from", "nightly-7"]


def test_a_rerun_of_a_rerun_of_a_rerun(failed: Bench) -> None:
    failed.world.script[SEQUENCE] = [training_failure(DIVERGED)]
    failed.opsctl("rerun", "--from", SEQUENCE, "--yes")
    failed.opsctl("rerun", "--from", SEQUENCE, *BETTER, "--yes")
    failed.world.entered()
    result = failed.opsctl("rerun", "nightly-7-r2", "--from", "evaluate", "--yes", "--wait", "-o", "json")
    document = json.loads(result.stdout)
    assert (document["run"], document["status"]) == ("nightly-7-r3", "SUCCEEDED")
    assert failed.world.entered() == ["Prepare Run", *EVALUATED]
    reuse = failed.input_of("nightly-7-r3")["reuse"]
    assert {step: entry["run"] for step, entry in reuse.items()} == {
        "fetch-preprocessed-data": "nightly-7", "train-image-model": "nightly-7", "train-text-model": "nightly-7",
        "train-sequence-model": "nightly-7-r2",
    }  # fmt: skip
    assert below(failed, "nightly-7-r3") >= MODELS


def test_from_inside_the_parallel_after_both_failed(bench: Bench) -> None:
    bench.world.script |= {IMAGE: [training_failure("out of memory")], TEXT: [training_failure("killed")]}
    result = bench.opsctl("start", "--name", "nightly-7", "--wait")
    assert f"nightly-7 FAILED after 1 min 15 s at {IMAGE}" in result.stdout
    bench.world.entered()
    result = bench.opsctl("rerun", "--from", SEQUENCE, "--yes")
    assert (result.exit_code, result.stderr.splitlines()) == (3, [
        f"error: {SEQUENCE} needs steps that have no result: {IMAGE} (it failed); {TEXT} (it failed)",
        f'hint: start earlier: --from "{IMAGE}" --from "{TEXT}"',
    ])  # fmt: skip
    result = bench.opsctl("rerun", "--from", IMAGE, "--yes", "--wait")
    assert (result.exit_code, bench.world.entered()) == (
        0, ["Prepare Run", IMAGE, TEXT, SEQUENCE, *EVALUATED],
    )  # fmt: skip


def test_it_asks_and_takes_no_for_an_answer(failed: Bench) -> None:
    result = failed.opsctl("rerun", "--from", SEQUENCE)
    assert (result.exit_code, result.stderr) == (3, (
        "error: nothing was started: there is no terminal to ask on\nhint: add --yes to go ahead, or --dry-run\n"
    ))  # fmt: skip
    assert len(failed.states.executions) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--from", "Train Sequense Model"), 2, "no step 'Train Sequense Model'"),
        (("--from", "Notify Failure"), 2, "'Notify Failure' is there for failures only, not a step to rerun from"),
        (("--from", "Base Model Training"), 2, "'Base Model Training' is a Parallel state, not a step to rerun from"),
        ((), 2, "which steps? give at least one of --from, --only, --skip and --until"),
        (("", "--from", EVALUATE), 2, "RUN is empty"),
        (("--from", SEQUENCE, "--timeout", "5m"), 2, "--timeout says how long to wait, and there is no --wait"),
        (("nightly-8", "--from", EVALUATE), 2, "no run 'nightly-8'"),
        (("--from", EVALUATE), 3, "Evaluate needs steps that have no result: Train Sequence Model (it failed)"),
        (("--from", SEQUENCE, "--set", "skip.evaluate=true"), 2, "skip.evaluate is decided by the plan"),
        (("--from", SEQUENCE, "--set", "hyperparameters.sequence_model.lr=1"), 2, REFUSED),
        (("--from", SEQUENCE, "--name", "nightly_8"), 2, "'nightly_8' cannot be a run's name"),
        (("--from", SEQUENCE, "--name", ""), 2, "'' cannot be a run's name"),
        (("--from", SEQUENCE, "--name", "nightly-7"), 3, "the name nightly-7 is taken by another run"),
    ],
)  # fmt: skip
def test_bad_requests_start_and_copy_nothing(failed: Bench, words: tuple[str, ...], code: int, message: str) -> None:
    before = failed.world.keys("")
    for last in ("--yes", "--dry-run"):
        result = failed.opsctl("rerun", *words, last)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.splitlines()[0] == f"error: {message}"
    assert failed.world.keys("") == before
    assert len(failed.states.executions) == 1


def test_a_change_is_shown_beside_what_it_changes(failed: Bench) -> None:
    words = ["rerun", "--from", FETCH, "--dry-run", "--set", "data.source=s3://documents/datasets/july/"]
    for setting in ("image_model.epochs=4", "image_model.max_lr=1e-05", "sequence_model.max_lr=0.5",
                    "text_model.max_lr=1e2"):  # fmt: skip
        words += ["--set", f"hyperparameters.{setting}"]
    result = failed.opsctl(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line for line in result.stdout.splitlines() if line.startswith("change: ")]
    defaults = failed.connection.machine.hyperparameters
    image, text = defaults["image_model"], defaults["text_model"]
    assert lines == [
        f"change: data.source: s3://{BUCKET}/datasets/sample/ (default) -> s3://documents/datasets/july/",
        f"change: hyperparameters.image_model.epochs: {image['epochs']} (default) -> 4",
        f"change: hyperparameters.image_model.max_lr: {image['max_lr']} (default) -> 1e-05",
        "change: hyperparameters.sequence_model.max_lr: 1000000 -> 0.5",
        f"change: hyperparameters.text_model.max_lr: {text['max_lr']} (default) -> 100",
    ]
    document = json.loads(failed.opsctl(*words, "-o", "json", "--query", "changes[1]").stdout)
    assert document == {
        "path": "hyperparameters.image_model.epochs", "before": None, "default": image["epochs"], "after": 4,
    }  # fmt: skip


def test_a_running_run_is_refused(bench: Bench) -> None:
    bench.world.open_steps = {SEQUENCE}
    bench.opsctl("start", "--name", "nightly-7")
    result = bench.opsctl("rerun", "nightly-7", "--from", SEQUENCE, "--dry-run")
    assert (result.exit_code, result.stderr) == (
        3, "error: nightly-7 is still running\nhint: wait for its end: opsctl status shows how far it is\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "the run input must be an object, not a list"),
        ('"str"', "the run input must be an object, not a string"),
        ('{"reuse": {"train-text-model": "x"}, "skip": {"train_text_model": true}}',
         "reuse.train-text-model: must be an object, not a string"),
        ('{"reuse": {"train-text-model": {"run": "r"}}, "skip": {"train_text_model": true}}',
         "reuse.train-text-model: uri is missing"),
        ('{"reuse": [1]}', "reuse: must be an object, not a list"),
        ('{"skip": [1]}', "skip: must be an object, not a list"),
        ('{"rerun": "x"}', "rerun: must be an object, not a string"),
        ('{"rerun": {"of": "x", "root": "x", "from": 7}}', "rerun.from: must be a list of one or more step names"),
        ('{"data": [1]}', "data: must be an object, not a list"),
        ('{"hyperparameters": 1, "skip": 2}',
         "hyperparameters: must be an object, not a number; and 1 more: skip: must be an object, not a number"),
    ],
)  # fmt: skip
def test_a_run_with_an_input_of_anyones_making(bench: Bench, text: str, problem: str) -> None:
    bench.states.start(bench.connection.machine.arn, "by-hand", text)
    result = bench.opsctl("rerun", "by-hand", "--from", EVALUATE, "--dry-run")
    assert (result.exit_code, result.stderr.splitlines(), result.stdout) == (3, [
        f"error: the input of by-hand cannot be run again: {problem}",
        "hint: start a new run with a sound input: opsctl start --input FILE",
    ], "")  # fmt: skip
    assert bench.opsctl("list").stdout.splitlines()[1].split()[::7] == ["FAILED", "by-hand"]
    status = bench.opsctl("status", "by-hand")
    assert (status.exit_code, "RERUN OF" in status.stdout) == (0, False)
    assert json.loads(bench.opsctl("status", "-o", "json").stdout)["input"] == json.loads(text)


def test_a_bad_input_may_be_mended(bench: Bench) -> None:
    bench.states.start(bench.connection.machine.arn, "by-hand", '{"data": {"source": "july"}}')
    words = ["rerun", "by-hand", "--from", FETCH, "--yes", "--wait"]
    result = bench.opsctl(*words)
    assert (result.exit_code, "data.source: must be an S3 address" in result.stderr) == (3, True)
    assert bench.opsctl(*words, "--set", "data.source=s3://documents/datasets/july/").exit_code == 0


def test_warnings_about_code_data_and_definition(failed: Bench) -> None:
    failed.world.s3.put_object(Bucket=BUCKET, Key="code/text.py", Body=b"# better\n")
    failed.states.current = copy.deepcopy(failed.states.current)
    failed.states.current["States"][FETCH]["TimeoutSeconds"] = 7
    words = ["--set", "data.source=s3://documents/datasets/july/", "--set", "hyperparameters.text_model.epochs=60"]
    result = failed.opsctl("rerun", "--from", SEQUENCE, *words, "--dry-run")
    sample = f"s3://{BUCKET}/datasets/sample/"
    changed = "the definition has changed since nightly-7 (version 1)"
    assert [line for line in result.stdout.splitlines() if line.startswith("warning: ")] == [
        f"warning: {FETCH}: reused, though its definition has changed",
        f"warning: {FETCH}, {IMAGE}, {TEXT}: reused, though made with other code than the new run takes",
        f"warning: {FETCH}, {IMAGE}, {TEXT}: reused, though made from {sample}, not s3://documents/datasets/july/",
        f"warning: {TEXT}: reused, though made with epochs=6, not 60",
        f"warning: {changed}: the new run walks the current one (version 2)",
    ]


class CrashError(Exception):
    """The process dies here."""


class Crashing:
    """A storage or Step Functions that dies in its n-th changing call, after or before doing it."""

    CHANGES = ("claim", "copy", "start")

    def __init__(self, inner: Any, plan: list[str]) -> None:
        self._inner, self._plan = inner, plan

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in self.CHANGES:
            return method

        def changing(*arguments: Any) -> Any:
            step = self._plan.pop(0) if self._plan else "go on"
            if step == "die before":
                raise CrashError
            result = method(*arguments)
            if name == "copy":
                result = (part for part in list(result))
            if step == "die after":
                raise CrashError
            return result

        return changing


def rerun(bench: Bench, name: str | None = None, rate: float = 0.01) -> Started:
    connection = bench.connection
    setting = Setting(("hyperparameters", "sequence_model", "max_lr"), rate)
    made = reruns.plan(connection, runs.resolve(connection, "nightly-7"), Request((SEQUENCE,), (setting,)))
    return reruns.execute(connection, made, name, lambda text: None)


@pytest.mark.parametrize("when", ["die before", "die after"])
@pytest.mark.parametrize("calls", range(5))  # claim, three copies, start
def test_the_same_command_again_ends_in_one_run_wherever_it_was_cut_off(failed: Bench, calls: int, when: str) -> None:
    failed.world.open_steps = {SEQUENCE}
    plan = ["go on"] * calls + [when]
    whole = failed.connection
    crashing = {name: Crashing(getattr(whole, name), plan) for name in ("states", "storage")}
    for name, double in crashing.items():
        object.__setattr__(whole, name, double)
    with pytest.raises(CrashError):
        rerun(failed)
    again = rerun(failed)
    assert (again.run.name, again.resumed) == ("nightly-7-r1", (calls, when) == (4, "die after"))
    assert [run.name for run in failed.states.runs("")] == ["nightly-7-r1", "nightly-7"]
    assert below(failed, "nightly-7-r1") >= MODELS
    assert rerun(failed).resumed


def test_other_settings_get_the_next_name(failed: Bench) -> None:
    failed.world.open_steps = {SEQUENCE}
    assert rerun(failed).run.name == "nightly-7-r1"
    assert rerun(failed, rate=0.02).run.name == "nightly-7-r2"
    assert rerun(failed, rate=0.02).resumed
    assert rerun(failed, name="mine", rate=0.04).run.name == "mine"


def test_a_rerun_that_has_succeeded_is_not_done_again(failed: Bench) -> None:
    """However late the command is repeated: a killed one may have started a run that is quicker than its user."""
    words = ("rerun", "nightly-7", "--from", SEQUENCE, *BETTER, "--yes")
    assert failed.opsctl(*words).exit_code == 0
    again, waiting = failed.opsctl(*words), failed.opsctl(*words, "--wait")
    said = "nothing was started: nightly-7-r1 did the same and has SUCCEEDED (another --name would do it again)"
    assert (again.exit_code, again.stderr) == (0, f"{said}; look at it: opsctl status nightly-7-r1\n")
    assert again.stdout.splitlines()[-1] == "nightly-7-r1"
    assert (waiting.exit_code, waiting.stderr.splitlines()[0]) == (0, said)
    assert waiting.stdout.splitlines()[-1].startswith("nightly-7-r1 SUCCEEDED")
    assert [run.name for run in failed.states.runs("")] == ["nightly-7-r1", "nightly-7"]
    assert failed.opsctl(*words, "--name", "once-more").stdout.splitlines()[-1] == "once-more"


def test_a_rerun_that_failed_is_tried_again_under_the_next_name(failed: Bench) -> None:
    failed.world.script[SEQUENCE] = [Failed("States.TaskFailed", "no room")]
    assert rerun(failed).run.name == "nightly-7-r1"
    again = rerun(failed)
    assert (again.run.name, again.resumed) == ("nightly-7-r2", False)


def test_the_same_rerun_again_says_that_it_is_running(failed: Bench) -> None:
    failed.world.open_steps = {SEQUENCE}
    words = ("rerun", "nightly-7", "--from", SEQUENCE, *BETTER, "--yes")
    look = "; look at it: opsctl status nightly-7-r1"
    assert failed.opsctl(*words).stderr.splitlines()[-1] == f"started nightly-7-r1{look}"
    again = failed.opsctl(*words)
    assert (again.exit_code, again.stderr) == (0, f"nightly-7-r1 is already running, with this very input{look}\n")


def test_a_name_that_something_else_started_is_left_alone(failed: Bench) -> None:
    machine = failed.connection.machine.arn
    failed.states.start(machine, "nightly-7-r1", "{}")
    result = failed.opsctl("rerun", "nightly-7", "--from", SEQUENCE, "--dry-run")
    assert result.stdout.splitlines()[0].endswith("as nightly-7-r2")
    assert rerun(failed).run.name == "nightly-7-r2"
    assert "plan.json" not in below(failed, "nightly-7-r1")


def test_a_claim_that_cannot_be_read_is_someone_elses(failed: Bench) -> None:
    for number, content in enumerate((b"no json", b"[]"), 1):
        failed.world.s3.put_object(Bucket=BUCKET, Key=f"runs/nightly-7-r{number}/plan.json", Body=content)
    assert rerun(failed).run.name == "nightly-7-r3"


def test_two_at_once_with_different_settings_never_share_a_prefix(failed: Bench) -> None:
    failed.world.open_steps = {SEQUENCE}
    names: list[str] = []
    rates = [0.01, 0.02, 0.03]
    threads = [threading.Thread(target=lambda r=rate: names.append(rerun(failed, rate=r).run.name)) for rate in rates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == ["nightly-7-r1", "nightly-7-r2", "nightly-7-r3"]


class Interrupted(WorldStorage):
    """The user has second thoughts."""

    def copy(self, source: Place, target: Place, items: Any) -> None:
        """Ctrl-C."""
        raise KeyboardInterrupt


def test_interrupting_the_copy(failed: Bench) -> None:
    whole = failed.connection.storage
    object.__setattr__(failed.connection, "storage", Interrupted(failed.world, failed.connection.aws))
    result = failed.opsctl("rerun", "--from", SEQUENCE, "--yes")
    assert result.exit_code == 130
    assert "interrupted; the same command again goes on from here\n" in result.stderr
    object.__setattr__(failed.connection, "storage", whole)
    assert failed.opsctl("rerun", "--from", SEQUENCE, "--yes").stdout.splitlines()[-1] == "nightly-7-r1"


class Meddling(WorldStorage):
    """Someone changes the source while it is copied."""

    def copy(self, source: Place, target: Place, items: Any) -> Generator[Copied, None, None]:
        """One object is not what it was, and then all are copied."""
        self._client.put_object(Bucket=source.bucket, Key=source.key + items[0].key, Body=b"other")
        yield from super().copy(source, target, items)


def test_a_source_that_changes_during_the_copy_starts_nothing(failed: Bench) -> None:
    object.__setattr__(failed.connection, "storage", Meddling(failed.world, failed.connection.aws))
    result = failed.opsctl("rerun", "--from", SEQUENCE, "--yes")
    fetched = f"s3://{BUCKET}/runs/nightly-7/fetch-preprocessed-data/"
    why = "stack-0/pages.jsonl changed or vanished at its source during the copy"
    assert (result.exit_code, result.stderr.splitlines()[0]) == (3, f"error: the copy of {fetched} is not whole: {why}")
    assert len(failed.states.executions) == 1


def test_in_a_versioned_bucket_the_version_that_was_planned_is_copied_even_so(failed: Bench) -> None:
    failed.world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    object.__setattr__(failed.connection, "storage", Meddling(failed.world, failed.connection.aws))
    result = failed.opsctl("rerun", "--from", SEQUENCE, "--yes")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "nightly-7-r1"), result.stderr
    copied = failed.world.keys("runs/nightly-7-r1/")
    bodies = [failed.world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in copied]
    assert b"other" not in bodies
    changed = failed.world.keys("runs/nightly-7/fetch-preprocessed-data/")[0]
    assert failed.world.s3.get_object(Bucket=BUCKET, Key=changed)["Body"].read() == b"other"


class Growing(WorldStorage):
    """More lies under the source when it is copied than when the plan was made."""

    listed = 0

    def list(self, prefix: Place) -> Any:
        """An object more each time."""
        self.listed += 1
        yield from super().list(prefix)
        if "fetch" in prefix.key:
            yield Stored(f"more-{self.listed}", self.listed, '"e"')


def test_a_source_that_changed_since_the_plan_starts_nothing(failed: Bench) -> None:
    object.__setattr__(failed.connection, "storage", Growing(failed.world, failed.connection.aws))
    result = failed.opsctl("rerun", "--from", SEQUENCE, "--yes")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        3, f"error: s3://{BUCKET}/runs/nightly-7/fetch-preprocessed-data/ has changed since the plan was made",
    )  # fmt: skip
    assert len(failed.states.executions) == 1


def test_what_a_forgotten_run_made_is_still_reused(failed: Bench) -> None:
    failed.opsctl("rerun", "--from", SEQUENCE, *BETTER, "--yes")
    source: Run = failed.states.describe(next(iter(failed.states.executions)))
    del failed.states.executions[source.arn]
    result = failed.opsctl("rerun", "@latest", "--from", EVALUATE, "--yes", "--wait")
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if TEXT in line and line.startswith("REUSE")]
    assert " ".join(line.split()) == "REUSE Train Text Model made by nightly-7 (branch 2 of Base Model Training)"
