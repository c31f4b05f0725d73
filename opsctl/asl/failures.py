"""How a state fails: an error name and a cause, as they appear in events, Retry and Catch."""

from __future__ import annotations

ALL = "States.ALL"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
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


class QueryError(StateError):
    """JSONata could not make a value; AWS writes an EvaluationFailed event. `location` is the field, if one is named.

    `late` says that the state's Entered event was already taken up when the value was refused; it decides the link.
    """

    def __init__(self, cause: str, location: str | None, *, late: bool = False) -> None:
        super().__init__(QUERY_EVALUATION_ERROR, cause, evaluation=True)
        self.location = location
        self.late = late


def runtime_failure(cause: str) -> StateError:
    """An expression or field that cannot be evaluated: AWS lets nothing retry or catch it."""
    return StateError(RUNTIME, cause, evaluation=True)


def query_failure(cause: str, location: str | None, *, late: bool = False) -> QueryError:
    """An expression of JSONata that gives no usable value."""
    return QueryError(cause, location, late=late)


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
