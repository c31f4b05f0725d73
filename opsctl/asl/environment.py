"""What an expression can see while it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Environment:
    """`data` is what `$` means in JSONPath, `states` what `$states` holds in JSONata (but its context).

    `context` makes the context object when asked for; `variable` looks a variable up and raises `KeyError` for a name
    that nothing was assigned to; `random` serves `States.UUID` and its like; `now` is in seconds since the epoch.
    """

    context: Callable[[], dict[str, Any]]
    variable: Callable[[str], Any]
    random: Random
    now: float = 0.0
    data: Any = None
    states: Mapping[str, Any] = field(default_factory=dict)

    def root(self, name: str) -> Any:
        """What a path with this root starts from."""
        if name == "$":
            return self.data
        return self.context() if name == "$$" else self.variable(name)

    def with_data(self, data: Any) -> Environment:
        """The same view with another `$`."""
        return replace(self, data=data)

    def with_states(self, **states: Any) -> Environment:
        """The same view with another `$states`."""
        return replace(self, states=states)
