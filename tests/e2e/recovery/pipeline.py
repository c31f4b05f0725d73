"""The reference pipeline, deployed once with tiny programs, as the recovery tests look at it: through AWS's own API."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opsctl.asl.history import read_history
from tests.e2e.conftest import Clone

PROGRAMS = Path(__file__).with_name("programs")
CONFIGURATION = """\
module "pipeline" {{
  source = {source}

  code           = {code}
  base_models    = {{ image = {{ script = "job.py" }}, text = {{ script = "job.py" }} }}
  sequence_model = {{ script = "job.py" }}
  evaluate       = {{ script = "job.py" }}
  deployment     = {{ poll_seconds = 1, timeout = 600, smoke_test = {{ stacks = 1, most_seconds = 60 }} }}
  batch          = {{ attempts = 1, image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/fetch:1" }}
  definitions    = {{ training = {{ alarms = {{ days_without_success = 30 }} }} }}
  storage        = {{ force_destroy = true, operator_role_arns = ["arn:aws:iam::123456789012:role/operator"] }}
}}

output "opsctl" {{
  value = module.pipeline.opsctl
}}

output "policies" {{
  value = module.pipeline.policies
}}
"""
KINDS = {
    "lambda:invoke": "Lambda",
    "batch:submitJob.sync": "Batch",
    "sagemaker:createTrainingJob.sync": "SageMaker",
    "sns:publish": "SNS",
}
JOBS = ("Batch", "SageMaker")
LOOKS = ("Find Champion", "Compare With Champion")  # functions that read for a moment, and leave nothing
SECONDS = 400.0


@dataclass(frozen=True)
class Step:
    """One Task state of the deployed definition."""

    name: str
    kind: str
    state: Mapping[str, Any]

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")


class Pipeline:
    """The deployment, its runs, and what they leave. Safe to use from any thread."""

    def __init__(self, clone: Clone, marks: Path) -> None:
        self.clone = clone
        self.marks = marks
        output = clone.outputs()
        self.bucket: str = output["bucket"]
        self.machine: str = output["machines"]["training"]["arn"]
        self.keeping: list[str] = output["machines"]["training"]["steps"]
        self.states = clone.client("stepfunctions")
        self.s3 = clone.client("s3")
        self.sagemaker = clone.client("sagemaker")
        self.batch = clone.client("batch")
        self.definition = json.loads(self.states.describe_state_machine(stateMachineArn=self.machine)["definition"])

    @cached_property
    def first(self) -> str:
        """A run in which everything went well."""
        self.start("first", self.put_data("first"))
        wait_for(lambda: self.status("first") != "RUNNING", "the first run to end")
        assert self.status("first") == "SUCCEEDED", f"{self.mail('first')}\ndenied:\n{self.clone.denials()}"
        return "first"

    def put_data(self, name: str) -> str:
        """A data set of one page; returns its address."""
        self.s3.put_object(Bucket=self.bucket, Key=f"datasets/{name}/page.txt", Body=b"a page\n")
        return f"s3://{self.bucket}/datasets/{name}/"

    def steps(self, run: str) -> list[Step]:
        """The Task states that a run entered, in order, as the definition has them."""
        tasks = dict(task_states(self.definition))
        return [Step(name, kind_of(name, tasks[name]), tasks[name]) for name in dict.fromkeys(self.entered(run))]

    def publish(self, change: Callable[[dict[str, Any]], None]) -> str:
        """A version of the machine with a changed definition, for runs of its own; the machine stays as it was."""
        changed = copy.deepcopy(self.definition)
        change(changed)
        self.states.update_state_machine(stateMachineArn=self.machine, definition=json.dumps(changed))
        version: str = self.states.publish_state_machine_version(stateMachineArn=self.machine)["stateMachineVersionArn"]
        self.states.update_state_machine(stateMachineArn=self.machine, definition=json.dumps(self.definition))
        return version

    # runs

    def start(self, name: str, data: str, version: str | None = None) -> None:
        """Start a run as anything in the account may: with the API."""
        text = json.dumps({"data": {"source": data}})
        self.states.start_execution(stateMachineArn=version or self.machine, name=name, input=text)

    def arn(self, run: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{run}"

    def status(self, run: str) -> str:
        return str(self.states.describe_execution(executionArn=self.arn(run))["status"])

    def events(self, run: str) -> list[dict[str, Any]]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=self.arn(run), maxResults=1000)
        return [event for page in pages for event in page["events"]]

    def entered(self, run: str) -> list[str]:
        """The Task states that a run entered, in order."""
        details = [
            event["stateEnteredEventDetails"] for event in self.events(run) if event["type"] == "TaskStateEntered"
        ]
        return [detail["name"] for detail in details]

    def exited(self, run: str) -> set[str]:
        """The Task states that a run has left, for better or worse."""
        details = [event["stateExitedEventDetails"] for event in self.events(run) if event["type"] == "TaskStateExited"]
        return {detail["name"] for detail in details}

    def redriven(self, run: str) -> set[str]:
        """The Task states that a run has worked on since it was redriven."""
        states = read_history(self.events(run)).states
        return {state.name for state in states if any(attempt.generation for attempt in state.attempts)}

    # what runs leave

    def objects(self, run: str) -> dict[str, str]:
        """ETags of the objects below a run's prefix, by key below it. (They are MD5s: nothing here is large.)"""
        prefix = f"runs/{run}/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {item["Key"].removeprefix(prefix): item["ETag"] for page in pages for item in page.get("Contents", [])}

    def messages(self, run: str) -> Counter[str]:
        """How many messages about a run there are, by the status that they tell."""
        found = [dict(line.split(": ", 1) for line in mail.split("\n\n")[0].splitlines()) for mail in self._mail(run)]
        return Counter(headers["status"] for headers in found if headers["run"] == run)

    def mail(self, run: str) -> str:
        """All that was said about a run."""
        return "\n".join(self._mail(run))

    def _mail(self, run: str) -> Iterator[str]:
        for path in (self.clone.sandbox / "mailbox").glob(f"*{run}*.txt"):  # its name holds the subject's words
            yield path.read_text()

    def jobs(self) -> list[tuple[str, str, str]]:
        """Every Batch and SageMaker job there ever was: run, step, and the `d<redrive>r<retry>` that ends its name."""
        pages = self.sagemaker.get_paginator("list_training_jobs").paginate()
        names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
        queue = self.batch.describe_job_queues()["jobQueues"][0]["jobQueueArn"]
        for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"):
            listed = self.batch.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
            names += [job["jobName"] for page in listed for job in page["jobSummaryList"]]
        pattern = re.compile(rf"(.+)-({'|'.join(self.keeping)})-(d\d+r\d+)")
        return [found.groups() for name in names if (found := pattern.fullmatch(name))]  # type: ignore[misc]


def deploy(clone: Clone, folder: Path) -> Pipeline:
    """Bring the sandbox up and apply the root module, with programs that look for marks in a folder."""
    marks, code = folder / "marks", folder / "code"
    marks.mkdir()
    shutil.copytree(PROGRAMS, code, ignore=shutil.ignore_patterns("__pycache__"))
    for program in code.glob("*.py"):
        program.write_text(program.read_text().replace("@MARKS@", str(marks)))
    clone.run("sandbox", "up", "--grace", "1")
    main = clone.sandbox / "terraform" / "main.tf"
    source = re.search(r"source = (\".*\")", main.read_text())
    assert source is not None
    main.write_text(CONFIGURATION.format(source=source[1], code=json.dumps(str(code))))
    for command in (["init"], ["apply", "-auto-approve"]):
        program = [str(clone.sandbox / "bin" / "terraform"), *command, "-no-color"]
        done = subprocess.run(program, env=dict(clone.environment), capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stdout + done.stderr
    clone.admit_people()
    return Pipeline(clone, marks)


def task_states(definition: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Task state by name, those inside branches too; the states are the definition's own, to be changed."""
    for name, state in definition["States"].items():
        if state["Type"] == "Task":
            yield name, state
        for branch in state.get("Branches", []):
            yield from task_states(branch)


def kind_of(name: str, state: Mapping[str, Any]) -> str:
    return "look" if name in LOOKS else KINDS[state["Resource"].partition(":states:::")[2]]


def wait_for(look: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Look until something is found, less and less often. Raises AssertionError after `seconds`."""
    deadline, pause = time.monotonic() + seconds, 0.1
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(pause)
        pause = min(1.5 * pause, 1.5)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")
