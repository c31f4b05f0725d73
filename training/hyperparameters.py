"""Hyperparameters as SageMaker hands them over: strings in a JSON file, made into typed values or refused.

A key that the script does not declare is an error that names the nearest declared one: a misspelt `max_lr` must not
train for hours with the default. Keys that SageMaker's own SDK adds (`sagemaker_program`, ...) are left alone.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from contract import JobError

Value = int | float
SDK_PREFIX = "sagemaker_"


@dataclass(frozen=True)
class Hyperparameter:
    """A declared hyperparameter. An int default makes it a whole number. Values lie between minimum and maximum."""

    default: Value
    minimum: Value
    maximum: Value = math.inf

    def parse(self, key: str, text: object) -> Value:
        """The typed value of what the file holds. Raises JobError if it is no number of this kind, or out of range."""
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        try:
            value: Value = int(str(text)) if isinstance(self.default, int) else float(str(text))
        except ValueError:
            raise JobError(f"hyperparameter {key} must be {kind}, not {text!r}") from None
        if not self.minimum <= value <= self.maximum or math.isinf(value):
            raise JobError(f"hyperparameter {key} must be {kind} {self._range()}, not {text!r}")
        return value

    def _range(self) -> str:
        if math.isinf(self.maximum):
            return f"of at least {self.minimum}"
        return f"between {self.minimum} and {self.maximum}"


def parse_hyperparameters(given: Mapping[str, object], declared: Mapping[str, Hyperparameter]) -> dict[str, Value]:
    """The value of every declared hyperparameter, as given or its default. Raises JobError for the first bad one."""
    values = {key: parameter.default for key, parameter in declared.items()}
    for key, text in given.items():
        if key.startswith(SDK_PREFIX):
            continue
        if key not in declared:
            raise JobError(f"unknown hyperparameter {key!r}{_suggestion(key, declared)}")
        values[key] = declared[key].parse(key, text)
    if "min_lr" in values and values["min_lr"] > values["max_lr"]:
        raise JobError(f"hyperparameter min_lr ({values['min_lr']}) must not exceed max_lr ({values['max_lr']})")
    return values


def _suggestion(key: str, declared: Mapping[str, Hyperparameter]) -> str:
    if not declared:
        return ": this job takes none"
    near = difflib.get_close_matches(key, declared, n=1)
    return f": did you mean {near[0]!r}?" if near else f": this job takes {', '.join(sorted(declared))}"
