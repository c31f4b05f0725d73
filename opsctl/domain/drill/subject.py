"""The machine that is drilled, as the checks see it: its steps, who tells of failures, and what lies around each state.

*Steps* are the Tasks on the success path. What sends a message, and from where a run can only fail, is an *alert*; the
Tasks from which it can only fail make up the way of failures, on which nothing has to be caught any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from opsctl.asl.definition import StateMachine
from opsctl.asl.validate import parse
from opsctl.domain.conditions import ABSENT, Setting
from opsctl.domain.drill.faults import faults_of, merged
from opsctl.domain.drill.model import Fault, Kind
from opsctl.domain.graph import success_path
from opsctl.domain.guards import Pipeline, Step, read_pipeline
from opsctl.domain.lint.graphs import on_cycles
from opsctl.domain.lint.machine import Machine
from opsctl.domain.proof import with_few_items

ALL = "States.ALL"


@dataclass(frozen=True)
class Subject:
    """A definition that is known to be valid. `rule` says that EventBridge's status rule tells of what it does not."""

    definition: Mapping[str, Any]
    rule: bool = True

    @cached_property
    def machine(self) -> StateMachine:
        """What is walked: a distributed Map takes a few items, for each is walked alike."""
        return parse(with_few_items(self.definition))

    @cached_property
    def pipeline(self) -> Pipeline:
        """Steps and guards."""
        return read_pipeline(self.definition)

    @cached_property
    def nodes(self) -> Machine:
        """Every state, with what lies around it."""
        return Machine(self.definition)

    @cached_property
    def steps(self) -> frozenset[str]:
        """The Tasks on the success path."""
        return frozenset(step.name for step in self.pipeline.steps)

    @cached_property
    def hopeful(self) -> frozenset[str]:
        """The states from which a run can still succeed, on the ways of success."""
        return frozenset(name for scope in self._scopes(self.definition) for name in success_path(scope).order)

    @cached_property
    def alerts(self) -> frozenset[str]:
        """The states that tell of a failure."""
        telling = {name for name, node in self.nodes.nodes.items() if node.notifies and not node.is_job}
        return frozenset(telling - self.steps - self.nodes.succeeding)

    @cached_property
    def around(self) -> dict[str, tuple[Mapping[str, Any], ...]]:
        """Each state and those around it, from the inside out."""
        return {
            name: (node.state, *(outer.state for outer in node.containers)) for name, node in self.nodes.nodes.items()
        }

    @cached_property
    def looping(self) -> frozenset[str]:
        """The states that a run may come to again."""
        names = self.nodes.nodes
        inner = {name for name, node in names.items() if any(outer.type == "Map" for outer in node.containers)}
        return frozenset(on_cycles({name: list(self.nodes.flow[name]) for name in names})) | inner

    @cached_property
    def paid(self) -> frozenset[str]:
        """The states whose work costs time and money."""
        names = self.nodes.nodes.items()
        return frozenset(name for name, node in names if node.is_job or ":activity:" in node.resource)

    @cached_property
    def expected(self) -> dict[str, frozenset[str]]:
        """By state, the errors that its Catch names by themselves."""
        return {
            name: frozenset(error for catcher in node.catchers for error in catcher.errors if error[:7] != "States.")
            for name, node in self.nodes.nodes.items()
        }

    @cached_property
    def odd(self) -> frozenset[str]:
        """The states that do not catch every error although others beside them do, in their branch or in another."""
        alone = (_odd([scope]) for scope in self._scopes(self.definition))
        beside = (_odd(node.state["Branches"]) for node in self.nodes.nodes.values() if node.state.get("Branches"))
        return frozenset(name for names in (*alone, *beside) for name in names)

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault of every state, in the definition's order."""
        return tuple(
            fault for name, node in self.nodes.nodes.items() if node.can_fail for fault in faults_of(name, node.state)
        )  # fmt: skip

    @cached_property
    def classes(self) -> dict[Fault, Fault]:
        """Each fault with the one that stands for it."""
        return merged(self.faults, self.around, self.definition)

    def why_never(self, fault: Fault) -> str:
        """Why a fault did not strike, in a run in which nothing else broke."""
        if fault.kind is Kind.MISSING and fault.state in self.steps:
            return "nothing comes of it: its answer is not read, a Retry mends it, or a Map tolerates it"
        return "no scenario comes to it: a case that does would be one (docs/drill.md)"

    def inverted(self) -> Iterator[tuple[Step, Setting]]:
        """The steps that run when their guard's name says that they are skipped, or are skipped when it says that they
        run; with the setting that shows it."""
        for step in self.pipeline.steps:
            for setting in step.guard.bypass if step.guard else ():
                if len(step.guard.bypass) == 1 and _inverted(step, setting):  # type: ignore[union-attr]
                    yield step, setting

    def _scopes(self, scope: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        yield scope
        for state in scope["States"].values():
            for inner in (*(state.get("Branches") or ()), state.get("ItemProcessor"), state.get("Iterator")):
                if inner:
                    yield from self._scopes(inner)


def _odd(scopes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of the states on the ways of success, and of those on the ways of failures, each by themselves."""
    good = {name for scope in scopes for name in success_path(scope).order}
    states = {name: state for scope in scopes for name, state in scope["States"].items()}
    for names in (good, states.keys() - good):
        able = [name for name in names if states[name]["Type"] in ("Task", "Parallel", "Map")]
        catching = {name for name in able if _catches_all(states[name])}
        yield from (name for name in able if catching and name not in catching)


def _catches_all(state: Mapping[str, Any]) -> bool:
    return any(ALL in entry["ErrorEquals"] for entry in state.get("Catch") or ())


def _inverted(step: Step, bypass: Setting) -> bool:
    """Guards are named after what they do: `skip.<step>` skips the step where it is true, `<step>` runs it."""
    words = [word.lower() for word in bypass.path]
    skips = any(word.startswith(("skip", "without", "no_", "omit")) for word in words)
    if skips:
        return bypass.value is False or bypass.value is ABSENT
    return bypass.value is True and words[-1].replace("-", "_") == step.slug.replace("-", "_")
