"""How a state fails: an error name and a cause, as they appear in events, Retry and Catch."""

from __future__ import annotations

ALL = "States.ALL"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"


class StateError(Exception):
    """The state cannot go on. `error` and `cause` are None where AWS writes none."""

    def __init__(self, error: str | None, cause: str | None, *, evaluation: bool = False) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self.evaluation = evaluation
        """Whether the cause came from an expression, so that AWS puts state and event id in front of it."""


def runtime_failure(cause: str) -> StateError:
    """An expression or field that cannot be evaluated: AWS lets nothing retry or catch it."""
    return StateError(RUNTIME, cause, evaluation=True)


def matches(error: str | None, names: tuple[str, ...], *, heartbeat: bool = False) -> bool:
    """Whether a Retry or Catch with these ErrorEquals is for this error.

    `States.Runtime` is for nobody. A missed heartbeat is recorded as `States.Timeout` and also answers to
    `States.HeartbeatTimeout`, as the documentation names it.
    """
    if error == RUNTIME:
        return False
    for name in names:
        if name in (ALL, error):
            return True
        if name == TASK_FAILED and error != TIMEOUT:
            return True
        if name == HEARTBEAT_TIMEOUT and heartbeat:
            return True
    return False
