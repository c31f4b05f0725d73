"""What a history says, as values: a run, the entries into its states, the attempts of their work."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsctl.asl.jobs import Job, job_of
from opsctl.errors import OpsError

RUNNING = "RUNNING"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
CAUGHT = "CAUGHT"
ABORTED = "ABORTED"
TIMED_OUT = "TIMED_OUT"


class InvalidHistory(OpsError):  # noqa: N818 a sibling of InvalidDefinition
    """What was given as a history is none."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a task's work was asked for.

    `resource` is `service:action` as in the definition (`sagemaker:createTrainingJob.sync`) or an ARN; `parameters`,
    `submitted` (the service's answer to the request of a `.sync` task) and `output` are JSON text; times are seconds
    since the epoch; `status` is RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED; `generation` counts redrives.
    """

    resource: str
    parameters: str | None
    scheduled: float
    started: float | None
    ended: float | None
    status: str
    output: str | None
    error: str | None
    cause: str | None
    generation: int
    submitted: str | None = None

    @property
    def job(self) -> Job:
        """What did the work: its name and ARN, where its log is, the token that answers for it."""
        return job_of(self.resource, self.parameters, self.submitted, self.output, self.cause)


@dataclass(frozen=True, slots=True)
class Scope:
    """A Parallel or Map that encloses a state.

    `iteration` is the Map's item index. `branch` is the Parallel's branch, counted from 0; a history has no word of it,
    so it is known only where the definition was given too.
    """

    name: str
    entered_id: int
    iteration: int | None = None
    branch: int | None = None


@dataclass(frozen=True, slots=True)
class StateRun:
    """One entry into a state.

    `status`: SUCCEEDED; FAILED (this state failed, whatever the error, `States.Timeout` included); CAUGHT (it failed
    and its Catch took over); ABORTED or TIMED_OUT (ended from outside: a sibling's failure, a stop, the execution's
    own time limit); RUNNING. `exited` is when it ended in any way. `generation` is the redrive it was entered in.
    `map_run` is the ARN of a distributed Map's run. States that were not entered: `opsctl.asl.unentered`.
    """

    name: str
    type: str
    status: str
    entered: float
    exited: float | None
    input: str | None
    output: str | None
    error: str | None
    cause: str | None
    attempts: tuple[Attempt, ...]
    generation: int
    entered_id: int
    scopes: tuple[Scope, ...] = ()
    map_run: str | None = None


@dataclass(frozen=True, slots=True)
class RunHistory:
    """A whole execution; `states` in order of entry. `stopped` is None while it runs.

    `diagnostics` says in a sentence each what is wrong with the history as it was given: gaps, links in circles, events
    of unknown types, states that the definition lacks. It is empty for a history that is read while it grows.
    """

    status: str
    started: float | None
    stopped: float | None
    input: str | None
    output: str | None
    error: str | None
    cause: str | None
    redrives: int
    states: tuple[StateRun, ...]
    diagnostics: tuple[str, ...] = field(default=(), compare=False)
