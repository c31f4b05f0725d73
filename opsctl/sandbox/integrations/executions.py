"""`states:startExecution.sync` and `.sync:2`: the state waits for a child execution."""

from __future__ import annotations

import json
from typing import Any

from opsctl.asl.effects import Failed, Succeeded
from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.integrations.calls import Calls, document
from opsctl.sandbox.integrations.casing import compact
from opsctl.sandbox.machineroles import SESSION
from opsctl.sandbox.statemachines import machines
from opsctl.sandbox.tasks import Task
from opsctl.sandbox.world import World


class Executions:
    """Follows child executions."""

    actions = frozenset({"startExecution"})

    def __init__(self, world: World, calls: Calls) -> None:
        self._world = world
        self._calls = calls

    def prepare(self, task: Task, parameters: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The request as it is."""
        return parameters

    def follow(self, task: Task, answer: dict[str, Any]) -> None:
        """Tell the child's end when it comes; stop it if nobody waits any more."""
        backend = machines(self._world)
        child = backend.run(answer["ExecutionArn"])
        child.ended.add_done_callback(lambda ended: self._ended(task, ended.result()))
        role, needed = task.run.origin.role, Need("states:StopExecution", (child.arn,))
        task.on_abandon(
            lambda: backend.abandon_execution(child) if self._world.access.may(role, SESSION, needed) else None
        )

    def _ended(self, task: Task, final: dict[str, Any]) -> None:
        try:
            self._world.access.demand(
                task.run.origin.role, SESSION, Need("states:DescribeExecution", (final["executionArn"],))
            )
        except DeniedError as denied:
            task.tell(Failed("StepFunctions.AWSStepFunctionsException", str(denied)))
            return
        result = document(self._calls.shape("stepfunctions", "DescribeExecution"), final)
        good = final["status"] == "SUCCEEDED"
        if good and task.effect.resource.endswith(":2"):
            result |= {name: json.loads(result[name]) for name in ("Input", "Output")}
        task.tell(Succeeded(compact(result)) if good else Failed("States.TaskFailed", compact(result)))
