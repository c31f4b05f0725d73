"""A state machine's definition, parsed: immutable, shared by every execution of it.

Every expression in it is compiled, every default filled in. `build.py` makes it, the interpreter walks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.choice import Condition
from opsctl.asl.environment import Environment
from opsctl.asl.flow import Flow, Setting
from opsctl.asl.payload import Payload
from opsctl.asl.templates import Template

Handler = Callable[[Payload, Payload, Environment], tuple[Payload, dict[str, Any] | None]]
"""Of a state's input and an error output: the next state's input and the variables assigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What all kinds of state share. `next` is None where the state ends its branch."""

    name: str
    type: str
    next: str | None
    flow: Flow
    jsonata: bool = False


@dataclass(frozen=True, slots=True)
class Retrier:
    """One entry of Retry, times in seconds."""

    errors: tuple[str, ...]
    interval: float = 1
    attempts: int = 3
    backoff: float = 2.0
    max_delay: float | None = None
    full_jitter: bool = False


@dataclass(frozen=True, slots=True)
class Catcher:
    """One entry of Catch."""

    errors: tuple[str, ...]
    next: str
    handle: Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded(State):
    """A state whose errors can be retried and caught."""

    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Catcher, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass(State):
    """Hands on its input, or `result`."""

    result: Payload | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeed(State):
    """Ends its branch well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail(State):
    """Ends its branch, and what contains it, with an error."""

    error: Setting | None
    cause: Setting | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(State):
    """Waits: `field` is Seconds, SecondsPath, Timestamp or TimestampPath."""

    until: Setting


@dataclass(frozen=True, slots=True)
class Rule:
    """One choice; `assignments` is its own Assign."""

    condition: Condition
    next: str
    assignments: Template | None
    output: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(State):
    """Takes the first rule that holds, else `default`."""

    rules: tuple[Rule, ...]
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Guarded):
    """Asks the world for something."""

    resource: str
    timeout: Setting | None
    heartbeat: Setting | None
    credentials: Template | None


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of states with one entry: the machine itself, a Parallel's branch, a Map's processor.

    `path` says where it is: the containing states' names, each with the branch's index.
    """

    start_at: str
    states: Mapping[str, State]
    path: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Guarded):
    """Walks several scopes at once on the same input."""

    branches: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Batcher:
    """ItemBatcher: how many items, or bytes of them, go into one iteration."""

    most_items: Setting | None
    most_bytes: Setting | None
    input: Template | None


@dataclass(frozen=True, slots=True)
class Storage:
    """ItemReader or ResultWriter: what to call, with which parameters; `config` is ReaderConfig or WriterConfig."""

    resource: str | None
    parameters: Template | None
    config: Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a Map has beyond an inline one if its items run as executions of their own."""

    label: str
    reader: Storage | None
    writer: Storage | None
    execution_type: str
    processor: Mapping[str, Any]
    """The definition of the children's machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Map(Guarded):
    """Walks one scope once for each item. `selector` makes an iteration's input; without it the item is the input."""

    processor: Scope
    items: Setting | None
    selector: Template | None
    batcher: Batcher | None
    max_concurrency: Setting | None
    tolerated_count: Setting | None
    tolerated_percentage: Setting | None
    distribution: Distribution | None = None


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A whole definition. `timeout` is the machine-level TimeoutSeconds; `source` the JSON it was made of."""

    scope: Scope
    timeout: float | None
    comment: str | None
    source: Mapping[str, Any]

    def scope_at(self, path: tuple[tuple[str, int], ...]) -> Scope:
        """The scope that lies at a path. Raises `KeyError` if there is none."""
        scope = self.scope
        for name, index in path:
            state = scope.states[name]
            if isinstance(state, Parallel):
                scope = state.branches[index]
            elif isinstance(state, Map):
                scope = state.processor
            else:
                raise KeyError(name)
        return scope
