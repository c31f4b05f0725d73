"""What only the ways of failures read: of the run's input, and of what the Tasks before a failure have answered.

Made-up input and answers have what the success path reads. A Catch leads past it, to states that read more: the address
to write to, the name of what has to be removed. To find that out, each Catch is followed as if its Task led there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from opsctl.domain.carrying.flow import TEXT
from opsctl.domain.carrying.values import From
from opsctl.domain.graph import all_states
from opsctl.domain.guards import read_pipeline

INPUT = "(the run's input)"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:input"
MOST = 40  # entries of Catch that are followed


def behind_input(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with a Task in front of it, which answers with the run's input."""
    first = {"Type": "Task", "Resource": FUNCTION, "Next": definition["StartAt"], "QueryLanguage": "JSONPath"}
    return {**definition, "StartAt": INPUT, "States": {INPUT: first, **definition["States"]}}


def read_after_failures(definition: Mapping[str, Any]) -> dict[From, str]:
    """What is read where a Catch leads, with the kind of its value; `INPUT` is the source of the run's input."""
    found: dict[From, str] = {}
    for name, changed in islice(_followed(behind_input(definition)), MOST):
        reads = read_pipeline(changed).reads
        found |= {leaf: kind for leaf, kind in reads.items() if leaf.source != name and found.get(leaf, TEXT) == TEXT}
    return found


def _followed(definition: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each place that a Task's Catch leads to: the definition in which that Task leads there and what ends in a
    failure succeeds, so that it is a way of success."""
    for name, state in list(all_states(definition)):
        for entry in {entry["Next"]: entry for entry in state.get("Catch") or ()}.values():
            changed = copy.deepcopy(dict(definition))
            states: dict[str, Any] = dict(all_states(changed))
            for other in states.values():
                if other["Type"] == "Fail":
                    other.clear()
                    other["Type"] = "Succeed"
            one = states[name]
            for field in ("End", "Catch", "ResultSelector", "OutputPath", "Assign", "Output"):
                one.pop(field, None)
            one |= {"Next": entry["Next"], "ResultPath": entry.get("ResultPath", "$")}
            if "Assign" in entry:
                one["Assign"] = entry["Assign"]
            yield name, changed
