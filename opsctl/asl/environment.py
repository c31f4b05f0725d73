"""What an expression can see while it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any


class Environment:
    """`data` is what `$` means; `context` makes the context object (`$$`) when asked for; `variable` looks one up.

    `variable` raises `KeyError` for a name that nothing was assigned to. `random` serves `States.UUID` and its like.
    """

    __slots__ = ("context", "data", "random", "variable")

    def __init__(
        self,
        data: Any,
        context: Callable[[], dict[str, Any]],
        variable: Callable[[str], Any],
        random: Random,
    ) -> None:
        self.data = data
        self.context = context
        self.variable = variable
        self.random = random

    def root(self, name: str) -> Any:
        """What a path with this root starts from."""
        if name == "$":
            return self.data
        return self.context() if name == "$$" else self.variable(name)

    def with_data(self, data: Any) -> Environment:
        """The same view with another `$`."""
        return Environment(data, self.context, self.variable, self.random)
