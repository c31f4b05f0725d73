"""An activity's ARN as the resource: the task waits for a worker."""

from __future__ import annotations

from opsctl.asl.effects import StartFailed
from opsctl.sandbox.activities import Counter
from opsctl.sandbox.statemachines import machines
from opsctl.sandbox.tasks import Task
from opsctl.sandbox.world import World


class Activities:
    """Leaves tasks for workers to fetch."""

    def __init__(self, world: World, counter: Counter) -> None:
        self._world = world
        self._counter = counter

    def offer(self, task: Task) -> None:
        """Leave the task; one of an activity that was deleted a moment ago fails the execution."""
        arn = task.effect.resource
        if arn in machines(self._world).activities:
            self._counter.offer(task)
        else:
            task.tell(StartFailed("States.Runtime", f"The activity {arn} does not exist."))

    def offer_again(self, task: Task) -> None:
        """Leave a task that was kept over a restart of the server, unless a worker has it or it is left already."""
        if not (task.started or task.leaving or self._counter.has(task)):
            self.offer(task)
