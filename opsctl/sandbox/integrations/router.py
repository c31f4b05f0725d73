"""Which integration carries out a Task state's Resource, and in which of the three patterns."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from opsctl.asl.effects import Failed, Started, SubmitFailed, Submitted, Succeeded
from opsctl.sandbox.activities import Counter
from opsctl.sandbox.clients import Clients, once
from opsctl.sandbox.integrations.activities import Activities
from opsctl.sandbox.integrations.batch import Batch
from opsctl.sandbox.integrations.calls import OPTIMIZED, Calls, TaskError
from opsctl.sandbox.integrations.casing import compact
from opsctl.sandbox.integrations.executions import Executions
from opsctl.sandbox.integrations.functions import Functions
from opsctl.sandbox.integrations.sagemaker import SageMaker
from opsctl.sandbox.tasks import Task
from opsctl.sandbox.world import World

PREFIX = ":states:::"
ACTIVITY = ":activity:"
SYNC = (".sync", ".sync:2")
CALLBACK = ".waitForTaskToken"
logger = logging.getLogger(__name__)


class Followed(Protocol):
    """An integration that can wait for what it started (`.sync`)."""

    actions: frozenset[str]

    def prepare(self, task: Task, parameters: dict[str, Any]) -> dict[str, Any]:
        """The request to make, marked as a state machine's."""
        ...

    def follow(self, task: Task, answer: dict[str, Any]) -> None:
        """Arrange that the job's end is told to the task, and that abandoning the task ends the job."""
        ...


class Router:
    """Carries out scheduled tasks. `begin` is called in a thread of a pool and may block for a request's time."""

    def __init__(self, world: World, clients: Clients, counter: Counter, answered: Callable[[str], bool]) -> None:
        self._world = world
        self._clients = clients
        self._activities = Activities(world, counter)
        self._answered = answered

    def begin(self, task: Task) -> None:
        """Carry out one task and tell what becomes of it; whatever goes wrong is told too."""
        if task.abandoned:
            return
        resource = task.effect.resource
        if ACTIVITY in resource:
            self._activities.offer(task)
            return
        task.tell(Started())
        self._attempt(task, partial(self._hands(task).carry_out, task, resource))

    def resume(self, task: Task) -> None:
        """Take up one that `begin` has begun in a server before this one.

        What was accepted is waited for again. What was not is asked for again, and is answered as it was if it was
        answered: see `Repeats`. A function that was at work is called again.
        """
        resource = task.effect.resource
        if ACTIVITY in resource:
            self._activities.offer_again(task)
        elif task.accepted is None:
            if not task.leaving or self._answered(task.key):
                self.begin(task)
        elif resource.endswith(SYNC):
            self._attempt(task, partial(self._hands(task).wait, task, resource, json.loads(task.accepted)))

    def _hands(self, task: Task) -> _Hands:
        return _Hands(self._world, self._clients.as_role(task.run.origin.role))

    def _attempt(self, task: Task, work: Callable[[], None]) -> None:
        submits = task.accepted is None and task.effect.resource.endswith((*SYNC, CALLBACK))
        try:
            with once(task.key):
                work()
        except TaskError as error:
            task.tell((SubmitFailed if submits else Failed)(error.error, error.cause))
        except Exception as error:
            logger.exception("task %s of %s", task.effect.state, task.run.arn)
            task.tell(Failed("States.Runtime", f"The sandbox failed: {error!r}"))


class _Hands:
    """The integrations, working as one machine's role."""

    def __init__(self, world: World, clients: Clients) -> None:
        self._calls = Calls(clients)
        self._functions = Functions(world, self._calls)
        self._followed: dict[str, Followed] = {
            "batch": Batch(world, self._calls),
            "sagemaker": SageMaker(world, self._calls),
            "states": Executions(world, self._calls),
        }

    def carry_out(self, task: Task, resource: str) -> None:
        """Carry out a task whose resource is no activity. Raises TaskError."""
        if PREFIX not in resource:
            task.tell(Succeeded(self._functions.call(task.run.origin.role, resource, task.effect.parameters)))
            return
        path, pattern = _split(resource.partition(PREFIX)[2])
        parameters = task.effect.parameters
        if pattern in SYNC:
            self._start_and_follow(task, path, parameters)
        elif pattern == CALLBACK:
            task.tell(Submitted(compact(self._request(path, parameters))))
        else:
            task.tell(Succeeded(compact(self._request(path, parameters))))

    def wait(self, task: Task, resource: str, answer: dict[str, Any]) -> None:
        """Wait for what a `.sync` task has started. Raises TaskError."""
        path, _ = _split(resource.partition(PREFIX)[2])
        self._followed_by(path).follow(task, answer)

    def _request(self, path: str, parameters: Any) -> dict[str, Any]:
        service, _, action = path.partition(":")
        if service == "aws-sdk":
            name, _, action = action.partition(":")
            return self._calls.sdk(name, action, parameters)
        if path == "lambda:invoke":
            return self._functions.invoke(parameters)
        if service not in OPTIMIZED:
            raise TaskError("States.Runtime", f"The resource 'arn:aws:states:::{path}' is not known to the sandbox")
        return self._calls.optimized(service, action, parameters)

    def _start_and_follow(self, task: Task, path: str, parameters: Any) -> None:
        followed = self._followed_by(path)
        service, _, action = path.partition(":")
        if not isinstance(parameters, dict):
            raise TaskError("States.Runtime", f"The Parameters '{json.dumps(parameters)}' are not an object")
        answer = self._calls.optimized(service, action, followed.prepare(task, parameters))
        task.tell(Submitted(compact(answer)))
        followed.follow(task, answer)

    def _followed_by(self, path: str) -> Followed:
        service, _, action = path.partition(":")
        followed = self._followed.get(service)
        if followed is None or action not in followed.actions:
            raise TaskError("States.Runtime", f"The sandbox cannot wait for 'arn:aws:states:::{path}.sync'")
        return followed


def _split(path: str) -> tuple[str, str]:
    """A resource's `service:action` and its pattern."""
    for pattern in (*SYNC, CALLBACK):
        if path.endswith(pattern):
            return path.removesuffix(pattern), pattern
    return path, ""
