"""The main job as a user meets it: `opsctl demo`, what it leaves, and a run that is broken by hand."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsctl.asl.history import StateRun, read_history
from tests.e2e import retraining, statements
from tests.e2e.conftest import ACCOUNT, PEOPLE, Clone
from tests.e2e.recovery.pipeline import wait_for

pytestmark = pytest.mark.e2e

ROW = re.compile(r"^(text|image|average|sequence)\s+([\d.]+)%", re.MULTILINE)
QUICK = ("--set", "hyperparameters.image_model.epochs=1", "--set", "hyperparameters.sequence_model.epochs=2")


def states(clone: Clone, run: str) -> dict[str, StateRun]:
    return {state.name: state for state in read_history(clone.history(run)).states}


def runs(clone: Clone) -> list[dict[str, Any]]:
    """All runs of the training machine, oldest first."""
    listed: list[dict[str, Any]] = clone.json("list")
    return sorted(listed, key=lambda run: run["started"])


def jobs_of(clone: Clone, run: str) -> set[str]:
    pages = clone.client("sagemaker").get_paginator("list_training_jobs").paginate()
    names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    steps = states(clone, run).values()
    own = {attempt.parameters or "" for state in steps for attempt in state.attempts}
    return {name for name in names if any(f'"{name}"' in parameters for parameters in own)}


def alerts(clone: Clone, run: str, status: str = "FAILED") -> list[str]:
    return [mail for mail in clone.mailbox() if status in mail and re.search(rf"\b{re.escape(run)}\b(?!-r\d)", mail)]


def terraform(clone: Clone, *arguments: str) -> str:
    """Terraform in the sandbox's own workspace; what it printed."""
    program = [clone.sandbox / "bin" / "terraform", *arguments, "-no-color"]
    done = subprocess.run(program, env=dict(clone.environment), capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_narrates_what_a_user_would_type(demo: subprocess.CompletedProcess[str]) -> None:
    typed = [line.removeprefix("$ ") for line in demo.stdout.splitlines() if line.startswith("$ ")]
    wanted = [
        r".*opsctl sandbox up",
        r".*bin/terraform init",
        r".*bin/terraform apply -auto-approve",
        r".*bin/terraform plan",
        r'eval "\$\(.*opsctl sandbox env\)"',
        r".*python .*training/documents.py --out s3://.*/datasets/.*",
        r".*opsctl start --set hyperparameters.sequence_model.max_lr=\S+ --wait",
        r"cat .*mailbox/.*",
        r".*opsctl rerun --from 'Train Sequence Model' --set hyperparameters.sequence_model.max_lr=\S+ --yes --wait",
    ]
    assert [bool(re.fullmatch(pattern, line)) for pattern, line in zip(wanted, typed, strict=True)] == [True] * len(
        wanted
    )


def test_the_second_plan_is_empty(demo: subprocess.CompletedProcess[str]) -> None:
    assert "No changes." in demo.stdout


def test_the_sequence_model_beats_the_base_models_and_their_average(demo: subprocess.CompletedProcess[str]) -> None:
    accuracy = {model: float(share) for model, share in ROW.findall(demo.stdout)}
    assert set(accuracy) == {"text", "image", "average", "sequence"}
    assert accuracy["sequence"] > max(accuracy["text"], accuracy["image"], accuracy["average"])


def test_the_demo_leaves_a_failed_run_and_its_rerun(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    first, second = runs(clone)[:2]
    assert (first["status"], second["status"]) == ("FAILED", "SUCCEEDED")
    assert second["run"] == f"{first['run']}-r1"


def test_one_alert_carries_step_error_cause_and_next_command(
    clone: Clone, demo: subprocess.CompletedProcess[str]
) -> None:
    failed = runs(clone)[0]["run"]
    (alert,) = alerts(clone, failed)
    fields = dict(re.findall(r"^(Step|Error|Cause|Next):\s+(.+)$", alert, re.MULTILINE))
    assert fields["Step"] == "Train Sequence Model"
    assert "max_lr" in fields["Cause"]
    assert fields["Next"] == f'opsctl rerun {failed} --from "Train Sequence Model"'
    assert set(fields) == {"Step", "Error", "Cause", "Next"}


def test_the_base_models_trained_at_the_same_time(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    first = states(clone, runs(clone)[0]["run"])
    text, image = first["Train Text Model"], first["Train Image Model"]
    assert text.exited is not None
    assert image.exited is not None
    assert max(text.entered, image.entered) < min(text.exited, image.exited)


def test_the_rerun_trains_no_base_model_again(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    second = runs(clone)[1]["run"]
    assert {job.split("-d0r0")[0].split("-r1-")[-1] for job in jobs_of(clone, second)} == {
        "train-sequence-model",
        "evaluate",
    }
    assert not {"Train Text Model", "Train Image Model", "Fetch Preprocessed Data"} & set(states(clone, second))


def test_a_training_process_killed_by_hand(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    clone.run("start", "--name", "killed", *QUICK)
    kill_when_running(clone, "text.py")
    run = wait_for_end(clone, "killed")
    assert run["status"] == "FAILED"
    assert states(clone, "killed")["Train Image Model"].status == "SUCCEEDED"
    assert len(alerts(clone, "killed")) == 1

    rerun = clone.run("rerun", "killed", "--from", "Train Text Model", "--yes")
    planned = re.findall(r"^(RUN|REUSE|SKIP|ALWAYS)\s+(Train \w+ Model|Fetch \w+ Data)", rerun.stdout, re.MULTILINE)
    actions = {step: action for action, step in planned}
    assert actions == {
        "Fetch Preprocessed Data": "REUSE",
        "Train Image Model": "REUSE",
        "Train Text Model": "RUN",
        "Train Sequence Model": "RUN",
    }
    stop_when_running(clone, "killed-r1", "evaluate.py")
    assert "Train Image Model" not in states(clone, "killed-r1")


def test_a_stopped_run_is_redriven_with_nothing_trained_again(
    clone: Clone, demo: subprocess.CompletedProcess[str]
) -> None:
    """The rerun of the test before, stopped while it evaluated."""
    trained = {"killed-r1-train-text-model-d0r0", "killed-r1-train-sequence-model-d0r0"}
    assert jobs_of(clone, "killed-r1") == {*trained, "killed-r1-evaluate-d0r0"}

    redriven = clone.json("redrive", "killed-r1", "--yes", "--wait")
    assert (redriven["run"], redriven["way"], redriven["status"]) == ("killed-r1", "native", "SUCCEEDED")
    assert jobs_of(clone, "killed-r1") == {*trained, "killed-r1-evaluate-d0r0", "killed-r1-evaluate-d1r0"}
    assert len(alerts(clone, "killed-r1", "ABORTED")) == 1


def kill_when_running(clone: Clone, script: str) -> None:
    """`kill -9` of the training process itself, as a hand on the keyboard would do it."""
    subprocess.run(["kill", f"-{signal.SIGKILL.value}", process_of(clone, script)], check=True)


def stop_when_running(clone: Clone, run: str, script: str) -> None:
    """`opsctl stop`, with the process held until the run is stopped: otherwise it might be done before."""
    held = int(process_of(clone, script))
    os.kill(held, signal.SIGSTOP)
    stopping = clone.start("stop", run, "--reason", "wrong data set", "--yes")
    assert wait_for_end(clone, run)["status"] == "ABORTED"
    with contextlib.suppress(ProcessLookupError):  # its grace may be over by now
        os.kill(held, signal.SIGCONT)
    out, err = stopping.communicate(timeout=900)
    assert stopping.returncode == 0, out + err
    assert not [line for line in clone.processes() if script in line]


def process_of(clone: Clone, script: str) -> str:
    """The process number of a job's script, once it runs."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        found = [line for line in clone.processes() if script in line and "supervisor" not in line]
        if found:
            return found[0].split()[0]
        time.sleep(0.2)
    raise AssertionError(f"{script} never ran; processes: {clone.processes()}")


def wait_for_end(clone: Clone, run: str) -> dict[str, Any]:
    """What `opsctl status` shows of a run that has ended."""
    states = clone.client("stepfunctions")
    arn = clone.outputs()["machines"]["training"]["arn"].replace(":stateMachine:", ":execution:")
    deadline = time.monotonic() + 900
    while states.describe_execution(executionArn=f"{arn}:{run}")["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{run} does not end: {clone.json('status', run)}"
        time.sleep(0.5)
    return dict(clone.json("status", run))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rerun", "--from", "Train Sequnce Model"], 2, "Train Sequence Model"),
        (["rerun", "kiled", "--from", "Evaluate"], 2, "killed"),
        (["start", "--set", "hyperparameters.text_model.epoch=3"], 2, "epochs"),
        (["start", "--input", "no-such-file.json"], 2, "no-such-file.json"),
        (["start", "--name", "killed"], 3, "killed"),
        (["rerun", "killed", "--from", "Evaluate", "--yes"], 3, "Train Text Model"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(
    clone: Clone, demo: subprocess.CompletedProcess[str], arguments: list[str], code: int, said: str
) -> None:
    before = [run["run"] for run in runs(clone)]
    refused = clone.run(*arguments, code=code)
    (error,) = [line for line in refused.stderr.splitlines() if line.startswith("error:")]
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert error
    assert [run["run"] for run in runs(clone)] == before


def test_prepare_run_refuses_what_opsctl_did_not_start(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    machine = clone.outputs()["machines"]["training"]["arn"]
    wrong = '{"hyperparameters": {"text_model": {"epoch": "3"}}}'
    clone.client("stepfunctions").start_execution(stateMachineArn=machine, name="by-hand", input=wrong)
    assert wait_for_end(clone, "by-hand")["status"] == "FAILED"
    (alert,) = alerts(clone, "by-hand")
    assert "epochs" in alert
    assert "Fetch Preprocessed Data" not in states(clone, "by-hand")


# New data is little here, and so is what its models learn.
UPDATE = """
  deployment     = { poll_seconds = 1, smoke_test = { least_accuracy = 0.2 }, timeout = 600 }
  sequence_model = { hyperparameters = { epochs = "29" } }
  triggers = {
    data     = { input = { hyperparameters = {
      image_model    = { epochs = 1 }
      sequence_model = { epochs = 60 }
      text_model     = { epochs = 30, folds = 2 }
    } } }
    schedule = { expression = "cron(0 2 * * ? *)", start = "2199-01-01T00:00:00Z", timezone = "Europe/Berlin" }
  }
  versions = { keep = 1 }
"""


@pytest.fixture(scope="module")
def updated(clone: Clone, demo: subprocess.CompletedProcess[str]) -> str:
    """The ARN of the training machine, after somebody published a version by hand, and an apply of other variables."""
    machine: str = clone.outputs()["machines"]["training"]["arn"]
    client = clone.client("stepfunctions")
    definition = json.loads(client.describe_state_machine(stateMachineArn=machine)["definition"])
    client.update_state_machine(
        stateMachineArn=machine, definition=json.dumps(definition | {"Comment": "by hand"}), publish=True
    )
    configuration = clone.sandbox / "terraform" / "main.tf"
    text = configuration.read_text()
    configuration.write_text(text.replace("force_destroy = true }\n", f"force_destroy = true }}\n{UPDATE}", 1))
    terraform(clone, "apply", "-auto-approve")
    return machine


def test_an_update_settles(clone: Clone, updated: str) -> None:
    assert "No changes." in terraform(clone, "plan")


def test_an_update_moves_the_alias_to_a_new_version_and_deletes_old_ones_that_nobody_uses(
    clone: Clone, updated: str
) -> None:
    client = clone.client("stepfunctions")
    listed = client.list_state_machine_versions(stateMachineArn=updated)["stateMachineVersions"]
    # The second, made by hand, is gone; the first stays as long as the demo's failed run can be redriven on it.
    assert [version["stateMachineVersionArn"] for version in listed] == [f"{updated}:3", f"{updated}:1"]
    alias = client.describe_state_machine_alias(stateMachineAliasArn=f"{updated}:live")
    assert alias["routingConfiguration"] == [{"stateMachineVersionArn": f"{updated}:3", "weight": 100}]
    failed = runs(clone)[0]["run"]
    assert (clone.json("status", failed)["version"], clone.json("status", failed)["alias"]) == (1, "live")
    planned = clone.run("rerun", failed, "--from", "Train Sequence Model", "--dry-run").stdout
    assert f"the definition has changed since {failed} (version 1): the new run walks the current one (version 3)" in (
        planned
    )


def come_due(clone: Clone) -> tuple[str, str]:
    """Let two schedules of the pipeline's group come due as its role, one of which calls what the role may not, and
    let the function fail for good. Returns what is to lie in the queue of dead letters then."""
    scheduler, at = clone.client("scheduler"), datetime.now(UTC) + timedelta(seconds=2)
    own = scheduler.get_schedule(GroupName="documents", Name="start-run")["Target"]
    for name in ("start-run", "prune-versions"):
        arn = own["Arn"].replace("documents-start-run", f"documents-{name}")
        scheduler.create_schedule(
            Name=f"calls-{name}",
            GroupName="documents",
            ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={**own, "Arn": arn, "Input": '{"trigger":"waiting"}'},
        )
    event = json.dumps({"trigger": "nobody"}).encode()
    clone.client("lambda").invoke(FunctionName=own["Arn"], InvocationType="Event", Payload=event)
    return '"trigger": "nobody"', '"trigger":"waiting"'


def kept(clone: Clone, texts: tuple[str, ...]) -> bool:
    """Whether messages with these texts lie in the queue of dead letters."""
    queues = clone.client("sqs")
    url = queues.get_queue_url(QueueName="documents-dead-letters")["QueueUrl"]
    got = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    return all(any(text in message["Body"] for message in got) for text in texts)


def test_new_data_starts_a_run_on_the_version_that_is_live(clone: Clone, updated: str) -> None:
    before = {run["run"] for run in runs(clone)}
    bucket = clone.outputs()["bucket"]
    clone.client("s3").put_object(Bucket=bucket, Key="datasets/sample/_READY", Body=b"")
    deadline = time.monotonic() + 900
    while not (new := {run["run"] for run in runs(clone)} - before) and time.monotonic() < deadline:
        time.sleep(0.2)
    (run,) = new
    assert re.fullmatch(r"sample-[0-9a-f]{12}", run)
    lost = come_due(clone)
    clone.client("s3").put_object(Bucket=bucket, Key="datasets/sample/_READY", Body=b"newer")
    statement = "role documents-start-run", "SeeWhetherARunGoesOn"
    wait_for(lambda: statements.Place(*statement) in statements.needed(clone), "the newer data to wait")
    clone.run("stop", run, "--yes")
    (newer,) = wait_for(lambda: {run["run"] for run in runs(clone)} - before - {run}, "its run after this one")
    clone.run("stop", newer, "--yes")
    wait_for(lambda: kept(clone, lost), "what the schedule and the function could not do")
    assert statements.unneeded(clone, ("role documents-scheduler", "role documents-start-run")) == []
    arn = updated.replace(":stateMachine:", ":execution:")
    started = clone.client("stepfunctions").describe_execution(executionArn=f"{arn}:{run}")
    assert started["stateMachineVersionArn"] == f"{updated}:3"
    assert json.loads(started["input"]) == {
        "data": {"source": f"s3://{bucket}/datasets/sample/"},
        "hyperparameters": {
            "image_model": {"epochs": 1},
            "sequence_model": {"epochs": 60},
            "text_model": {"epochs": 30, "folds": 2},
        },
    }


def test_new_data_becomes_other_answers_of_the_model_in_production(clone: Clone, updated: str, tmp_path: Path) -> None:
    """Two drops: the first knows no appraisals; of the second these are the most part, and it has no pay stubs."""
    july = retraining.generate(tmp_path / "july", "appraisal=0", seed=1)
    august = retraining.generate(tmp_path / "august", "appraisal=10,pay-stub=0", seed=2)
    labels = retraining.labels(august)

    first = retraining.arrive(clone, july, "july")
    (gate,) = retraining.gate(clone, first)
    assert re.fullmatch(r"Gate: +page_accuracy 0\.\d+; there is no champion to compare with", gate)
    retraining.approve(clone, first)
    assert clone.json("champion")["run"] == first
    before = retraining.classes(clone, august)

    second = retraining.arrive(clone, august, "august")
    gate, note = retraining.gate(clone, second)
    assert re.fullmatch(r"Gate: +page_accuracy 0\.\d+ is 0\.\d+ better than the champion's 0\.\d+", gate)
    unknown = f"the champion does not know appraisal: {labels.count('appraisal')} of the {len(labels)} held-out pages"
    assert note == f"Note:   {unknown}; the data has no pay-stub, which the champion knows"
    assert retraining.classes(clone, august) == before  # nobody has approved it yet
    retraining.approve(clone, second)
    champion = clone.json("champion")
    assert (champion["run"], champion["previous"]["run"], champion["reason"]) == (second, first, "gate")
    assert champion["approved_by"] == f"{ACCOUNT.replace(':iam:', ':sts:')}:assumed-role/approver/opsctl"

    after = retraining.classes(clone, august)
    assert ("appraisal" in before, "appraisal" in after, "pay-stub" in after) == (False, True, False)
    right = [sum(one == other for one, other in zip(found, labels, strict=True)) for found in (before, after)]
    assert right[0] < right[1]


def test_destroy_leaves_nothing(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    """With every run's objects in the bucket; what AWS itself leaves of a service that was used does not count."""
    terraform(clone, "destroy", "-auto-approve")
    roles = [role["RoleName"] for role in clone.client("iam").list_roles()["Roles"]]
    assert [role for role in roles if not role.startswith("AWSServiceRole") and role not in PEOPLE] == []
    assert clone.client("s3").list_buckets()["Buckets"] == []
    assert clone.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert clone.client("lambda").list_functions()["Functions"] == []
    assert clone.client("sns").list_topics()["Topics"] == []
    assert clone.client("batch").describe_job_queues()["jobQueues"] == []
    assert clone.client("events").list_rules(NamePrefix="documents")["Rules"] == []
    groups = clone.client("scheduler").list_schedule_groups()["ScheduleGroups"]
    assert [group["Name"] for group in groups] == ["default"]


def test_a_second_demo_interrupted_leaves_no_process(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    process = clone.start("demo")
    threading.Thread(target=clone.admit_people, daemon=True).start()
    deadline = time.monotonic() + 1200
    while time.monotonic() < deadline and not any("image.py" in line for line in clone.processes()):
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, out + err
    assert clone.processes() == [], out + err
    assert not clone.sandbox.exists()


def test_nothing_of_the_users_own_was_touched(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    assert clone.own_files() == clone.before
    assert clone.trap.visits == 0
    assert {path.name for path in clone.path.parent.iterdir()} == {"pipeline"}


def test_nothing_is_left_outside_the_clone_and_the_cache(clone: Clone, demo: subprocess.CompletedProcess[str]) -> None:
    home = Path(clone.environment["HOME"])
    left = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith(".cache/")} == {".aws/config", ".aws/credentials"}
