"""The training pipeline for tests of the command line: S3 served by moto, executions walked by our interpreter.

`FakeStates` has the methods of `opsctl.aws.stepfunctions.StepFunctions`. A started run is walked to its end at once, on
a virtual clock, with every task answered by `World`: jobs leave their results in S3 as the real ones do, unless the
script says that a step fails.
"""

from __future__ import annotations

import heapq
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner, Result

from opsctl.asl.effects import Failed, Outcome, ScheduleTask, Started, Submitted, Succeeded
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions, execution_arn
from opsctl.aws.storage import Storage
from opsctl.cli.invocation import Invocation
from opsctl.cli.root import root
from opsctl.config import SANDBOX, Context, Deployment, parse_deployment
from opsctl.domain.objects import Place, Stored
from opsctl.domain.runs import RUNNING, Run
from opsctl.errors import AwsError, RefusedError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.inventory import EXECUTION_NAME

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = json.loads((ROOT / "tests/golden/training.asl.json").read_text())
PAYLOAD = DEFINITION["States"]["Prepare Run"]["Parameters"]["Payload"]["pipeline"]
BUCKET = PAYLOAD["bucket"]
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"
DEPLOYMENT: Deployment = parse_deployment(json.loads((ROOT / "tests/golden/opsctl-output.json").read_text()))
EPOCH = 4_955_673_600.0  # 2127-01-15 08:00:00 UTC: later than anything that moto dates
SECONDS = {"Fetch Preprocessed Data": 12, "Train Image Model": 60, "Train Text Model": 30, "Train Sequence Model": 40}
GATE = {
    "Find Champion": {"run": "", "uri": f"s3://{BUCKET}/code/", "warning": ""},
    "Compare With Champion": {
        "deploy": True, "deployment": "x-deployment", "kind": "success", "message": "Gate: passed",
        "subject": "succeeded",
    },
}  # fmt: skip
AROUND = (*GATE, "Start Deployment")  # Evaluate, which run also where it does not
EVALUATED = ("Find Champion", "Evaluate", "Compare With Champion", "Start Deployment", "Notify Success")
DECIDED = (
    "its guard 'Better Than Champion?' reads $.gate.deploy, which 'Compare With Champion' (a Task) decides, and the "
    "history does not show that it comes from the run's input"
)
DEPLOYED = "arn:aws:states:us-east-1:123456789012:execution:documents-deployment:x-deployment"
DIVERGED = "AlgorithmError: the loss is not finite (max_lr=1000000.0), exit code: 1"


def training_failure(reason: str) -> Failed:
    """As Step Functions words a failed training job: the job's description is the cause."""
    return Failed("States.TaskFailed", json.dumps({"TrainingJobStatus": "Failed", "FailureReason": reason}))


@cache
def _load_prepare_run() -> Any:
    spec = importlib.util.spec_from_file_location("prepare_run_handler", ROOT / "functions/prepare_run/handler.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


@dataclass
class World:
    """Answers tasks. `script` holds, per state, the outcomes of its next attempts, used up one by one."""

    s3: Any
    script: dict[str, list[Outcome]] = field(default_factory=dict)
    open_steps: set[str] = field(default_factory=set)  # never answered: their runs go on for ever
    asked: list[str] = field(default_factory=list)
    now: float = EPOCH
    written: dict[tuple[str, str], float] = field(default_factory=dict)  # when `put` wrote an object, by bucket and key

    def __post_init__(self) -> None:
        self.prepare_run = _load_prepare_run()
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.create_bucket(Bucket="documents")
        for source in (PAYLOAD["default_data_source"], "s3://documents/datasets/july/"):
            self.put(f"{source}stack-0/pages.jsonl", "x" * 100)
        for name in ("fetch.py", "text.py"):
            self.s3.put_object(Bucket=BUCKET, Key=f"code/{name}", Body=f"# {name}\n".encode())

    def answer(self, effect: ScheduleTask) -> list[Outcome]:
        """What comes of one attempt; a scripted failure, or the work done."""
        self.asked.append(effect.state)
        scripted = self.script.get(effect.state)
        if scripted:
            return [Started(), scripted.pop(0)]
        if effect.state == "Prepare Run":
            return [Started(), self._prepare(effect.parameters["Payload"])]
        if effect.state == "Start Deployment":
            return [Started(), Succeeded(json.dumps({"ExecutionArn": DEPLOYED, "StartDate": 0}))]
        if effect.state in GATE:
            return [Started(), Succeeded(json.dumps({"Payload": GATE[effect.state]}))]
        if "createTrainingJob" in effect.resource:
            return [Started(), Submitted("{}"), self._train(effect.parameters)]
        if "submitJob" in effect.resource:
            return [Started(), Submitted('{"JobId":"7"}'), self._fetch(effect.parameters)]
        return [Started(), Succeeded(json.dumps({"Payload": {"subject": "s", "message": "m", "step": "x"}}))]

    def begin(self, effect: ScheduleTask) -> list[Outcome]:
        """What comes of an attempt that is never answered: its job, if it has one, is there and works."""
        if ".sync" not in effect.resource:
            return [Started()]
        job = {"JobId": "7"} if "submitJob" in effect.resource else {"TrainingJobArn": "arn:aws:sagemaker:x"}
        return [Started(), Submitted(json.dumps(job))]

    def _prepare(self, payload: dict[str, Any]) -> Outcome:
        try:
            return Succeeded(json.dumps({"Payload": self.prepare_run(payload, None)}))
        except Exception as error:  # noqa: BLE001 - as Lambda does with any exception
            return Failed(type(error).__name__, json.dumps({"errorMessage": str(error)}))

    def _train(self, parameters: dict[str, Any]) -> Outcome:
        name = parameters["TrainingJobName"]
        self.put(f"{parameters['OutputDataConfig']['S3OutputPath']}/{name}/output/model.tar.gz", f"model of {name}")
        self.put(f"{parameters['CheckpointConfig']['S3Uri']}epoch-1.pt", "checkpoint")
        return Succeeded(json.dumps({"TrainingJobName": name, "TrainingJobStatus": "Completed"}))

    def _fetch(self, parameters: dict[str, Any]) -> Outcome:
        variables = {item["Name"]: item["Value"] for item in parameters["ContainerOverrides"]["Environment"]}
        for number in range(3):
            self.put(f"{variables['OUTPUT_PATH']}stack-{number}/pages.jsonl", "x" * 100)
        return Succeeded(json.dumps({"JobName": parameters["JobName"], "Status": "SUCCEEDED"}))

    def put(self, uri: str, text: str) -> None:
        """Write an object at an s3:// address."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
        self.written[bucket, key] = self.now

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix of the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def entered(self) -> list[str]:
        """The tasks asked for since the last call, in order."""
        asked, self.asked = self.asked, []
        return asked


class WorldStorage(Storage):
    """S3 with the world's clock, on which a copy is as old as can be; moto's own goes on as ours does."""

    def __init__(self, world: World, aws: Aws) -> None:
        super().__init__(aws)
        self._world = world

    def list(self, prefix: Place) -> Iterator[Stored]:
        """As listed, but for the times."""
        for item in super().list(prefix):
            at = self._world.written.get((prefix.bucket, prefix.key + item.key), 0.0)
            yield replace(item, modified=at)


class FakeStates:
    """Executions of one machine, walked as soon as they are started."""

    def __init__(self, world: World, definition: Mapping[str, Any] = DEFINITION) -> None:
        self.world = world
        self.version = 0
        self.current = dict(definition)
        self.executions: dict[str, tuple[Run, Execution, Mapping[str, Any]]] = {}

    @property
    def current(self) -> Mapping[str, Any]:
        """The definition that new runs walk; another one is another version."""
        return self._current

    @current.setter
    def current(self, definition: Mapping[str, Any]) -> None:
        self._current = definition
        self.version += 1

    def start(self, machine_arn: str, name: str, text: str) -> str:
        """AWS's rule: the same name again is refused, but for a run that goes on and has the same input."""
        version, alias = (self.version, "live") if machine_arn.endswith(":live") else (None, None)
        machine_arn = machine_arn.removesuffix(":live")
        arn = execution_arn(machine_arn, name)
        if arn in self.executions:
            run = self.describe(arn)
            if run.ended or run.input != text:
                raise RefusedError(f"a run {name} exists already", "choose another --name")
            return arn
        run = Run(name, arn, machine_arn, RUNNING, self.world.now, input=text, version=version, alias=alias)
        self.executions[arn] = (run, _walk(self.world, run, self.current), self.current)
        return arn

    def machine(self, arn: str) -> dict[str, Any]:
        """DescribeStateMachine's answer, as much as is read of it."""
        del arn
        return {"definition": json.dumps(self.current)}

    def demand_start(self, machine_arn: str) -> None:
        """Everybody may."""

    def runs(self, machine_arn: str, status: str | None = None, page_size: int = 1000) -> Iterator[Run]:
        """Newest first."""
        del page_size
        found = (replace(self.describe(arn), input=None, output=None) for arn in reversed(self.executions))
        yield from (run for run in found if machine_arn in ("", run.machine_arn) and status in (None, run.status))

    def describe(self, arn: str) -> Run:
        """The run as it is now."""
        if arn not in self.executions:
            raise UsageError(f"the run {arn} does not exist, or its history is gone")
        run, execution, _ = self.executions[arn]
        stopped = None if execution.status == RUNNING else execution.events[-1]["timestamp"]
        return replace(
            run, status=execution.status, stopped=stopped, output=execution.output, error=execution.error,
            cause=execution.cause, redrives=execution.redrives, **self._redrivable(execution),
        )  # fmt: skip

    def _redrivable(self, execution: Execution) -> dict[str, Any]:
        reason = execution.redrive_refusal(self.world.now)
        return {"redrive_status": "NOT_REDRIVABLE" if reason else "REDRIVABLE", "redrive_reason": reason}

    def redrive(self, arn: str, token: str) -> bool:
        """Go on at once, as far as the world lets it."""
        del token
        _, execution, _ = self.executions[arn]
        reason = execution.redrive_refusal(self.world.now)
        if reason and execution.status != RUNNING:
            raise RefusedError(f"AWS refuses to redrive it: {reason}", "rerun it instead: --rerun")
        if reason is None:
            execution.redrive(self.world.now)
            _drive(self.world, execution)
        return reason is None

    def stop(self, arn: str, error: str, cause: str | None) -> None:
        """Abort at once."""
        self.executions[arn][1].stop(self.world.now, error, cause)

    def find(self, machine_arn: str, name: str) -> Run | None:
        """By name. AWS's rule: a name that no execution can have is refused, not looked for."""
        if not EXECUTION_NAME.fullmatch(name):
            raise AwsError(f"states:DescribeExecution failed (InvalidArn): {name!r}")
        arn = execution_arn(machine_arn, name)
        return self.describe(arn) if arn in self.executions else None

    def history(self, arn: str) -> Iterator[dict[str, Any]]:
        """All events."""
        yield from self.executions[arn][1].events

    def events_after(self, arn: str, last: int) -> list[dict[str, Any]]:
        """The events with higher ids."""
        return [event for event in self.executions[arn][1].events if event["id"] > last]

    def leads_to(self, arn: str) -> str:
        """The alias leads to the newest version."""
        return f"{arn.removesuffix(':live')}:{self.version}" if arn.endswith(":live") else arn

    def definition(self, arn: str) -> dict[str, Any]:
        """The one that new runs walk."""
        del arn
        return dict(self.current)

    def definition_of_run(self, arn: str) -> dict[str, Any]:
        """The one that this run walked."""
        return dict(self.executions[arn][2])


def _walk(world: World, run: Run, definition: Mapping[str, Any]) -> Execution:
    names = {"Id": run.arn, "Name": run.name, "RoleArn": "arn:aws:iam::123456789012:role/x", "RedriveCount": 0}
    machine = {"Id": run.machine_arn, "Name": "documents-training"}
    context = {"Execution": {**names, "StartTime": "2127-01-15T08:00:00Z"}, "StateMachine": machine}
    execution = Execution(parse(dict(definition)), run.input or "{}", context=context)
    execution.start(world.now)
    _drive(world, execution)
    return execution


def _drive(world: World, execution: Execution) -> None:
    waiting: list[tuple[float, int, Outcome]] = []
    while execution.status == RUNNING:
        for effect in execution.effects():
            if isinstance(effect, ScheduleTask) and effect.state in world.open_steps:
                for outcome in world.begin(effect):
                    execution.resolve(effect.task, outcome, world.now)
            elif isinstance(effect, ScheduleTask):
                at = world.now + SECONDS.get(effect.state, 1)
                *begun, end = world.answer(effect)
                for outcome in begun:
                    execution.resolve(effect.task, outcome, world.now)
                heapq.heappush(waiting, (at, effect.task, end))
        due = [time for time in (waiting[0][0] if waiting else None, execution.next_timer()) if time is not None]
        if world.open_steps and not waiting:
            break
        world.now = min(due)
        if waiting and waiting[0][0] <= world.now:
            _, task, end = heapq.heappop(waiting)
            execution.resolve(task, end, world.now)
        execution.tick(world.now)


class FakeInvocation(Invocation):
    """An invocation that is connected already."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection

    def connect(self) -> Connection:
        """No questions."""
        return self.connection


@dataclass
class Bench:
    """The command line on a world of its own."""

    world: World
    states: FakeStates
    connection: Connection

    def opsctl(self, *words: str, stdin: str | None = None) -> Result:
        """Run one command."""
        return CliRunner().invoke(root, list(words), obj=FakeInvocation(self.connection), input=stdin)

    def input_of(self, run: str) -> dict[str, Any]:
        """The input that a run was started with."""
        document: dict[str, Any] = json.loads(self.states.describe(execution_arn(MACHINE, run)).input or "")
        return document


@cache
def shared_aws(url: str) -> Aws:
    """Making clients takes longer than any test: one set for all."""
    return Aws(Context(SANDBOX, url, "us-east-1", None, Path("unused")), "us-east-1")


def make_bench(url: str) -> Bench:
    """A bench on moto at `url`; the environment must lead boto3 there."""
    shared = shared_aws(url)
    world = World(shared.client("s3"))

    def sleep(seconds: float) -> None:
        world.now += seconds

    aws, states = replace(shared, sleep=sleep, now=lambda: world.now, steady=lambda: world.now), FakeStates(world)
    machine = DEPLOYMENT.machine(None)
    connection = Connection(
        shared.context, DEPLOYMENT, machine, aws, cast("StepFunctions", states), WorldStorage(world, aws)
    )
    return Bench(world, states, connection)
