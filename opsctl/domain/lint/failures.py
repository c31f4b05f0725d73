"""Rules about failures: how the run ends, what they take down with them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsctl.domain.lint.findings import Remark
from opsctl.domain.lint.machine import Catcher, Machine, Node

_ITS_INPUT = re.compile(r"\{%\s*\$states\s*\.\s*input\s*%\}")


def green_failures(machine: Machine) -> Iterator[Remark]:
    """GREEN_FAILURE: a Catch from which the run ends SUCCEEDED as if nothing had happened."""
    for node in machine.failing_nodes():
        for catcher in node.catchers:
            if catcher.is_generic and _goes_on_green(machine, node, catcher):
                yield Remark(
                    catcher.location,
                    f"After a failure of '{node.name}' the run goes on at '{catcher.target}' and ends SUCCEEDED.",
                )


def useless_redrives(machine: Machine) -> Iterator[Remark]:
    """REDRIVE_USELESS: a Catch on the way of paid jobs that leads to a Fail state."""
    for node in machine.failing_nodes():
        if node.name not in machine.succeeding or not (machine.has_jobs(node) or node.name in machine.after_jobs):
            continue
        for catcher in node.catchers:
            if catcher.is_generic and catcher.target in machine.failing:
                yield Remark(
                    catcher.location,
                    f"After this Catch a redrive only enters the Fail state again: '{node.name}' counts as done, "
                    "so neither its work nor that of the jobs before it can be resumed.",
                )
                break


def aborted_siblings(machine: Machine) -> Iterator[Remark]:
    """SIBLING_ABORTED: a failure that leaves its branch and so stops a job in another one."""
    said: set[str] = set()
    for remark in _aborts(machine):
        if remark.location not in said:  # the innermost Parallel or Map that it ends is enough
            said.add(remark.location)
            yield remark


def _aborts(machine: Machine) -> Iterator[Remark]:
    for node in reversed(machine.nodes.values()):
        scopes = machine.scopes_of(node)
        if node.type == "Parallel":
            busy = [scope for scope in scopes if machine.jobs_within[scope]]
            for scope in scopes:
                beside = next((other for other in busy[:2] if other != scope), None)
                if beside is not None:
                    yield from _aborting(machine, scope, machine.jobs_within[beside][0], "the branch beside it")
        elif node.type == "Map" and _iterates_at_once(node):
            for scope in scopes:
                if machine.jobs_within[scope]:
                    yield from _aborting(machine, scope, machine.jobs_within[scope][0], "every other iteration")


def _goes_on_green(machine: Machine, node: Node, catcher: Catcher) -> bool:
    if catcher.target in machine.failing:
        return _leaves_no_trace(machine, node, catcher)
    return machine.reaches_green_without(catcher.target, node)


def _leaves_no_trace(machine: Machine, node: Node, catcher: Catcher) -> bool:
    """Whether the run goes on right where success would lead, with nothing by which a Choice could tell."""
    source = catcher.source
    passes_on = source.get("ResultPath", "$") is None or _ITS_INPUT.fullmatch(str(source.get("Output", "")))
    if not passes_on or "Assign" in source or "Next" not in node.state:
        return False
    return machine.behind_passes(catcher.target) == machine.behind_passes(node.state["Next"])


def _iterates_at_once(node: Node) -> bool:
    tolerates = any(field.startswith("ToleratedFailure") and value != 0 for field, value in node.state.items())
    return node.state.get("MaxConcurrency") != 1 and not tolerates


def _aborting(machine: Machine, scope: str, job: Node, where: str) -> Iterator[Remark]:
    for node in _escaping(machine, scope):
        yield Remark(
            node.location,
            f"If '{node.name}' fails, the failure leaves its branch and stops '{job.name}' in {where}, "
            "however many paid hours it has run.",
        )


def _escaping(machine: Machine, scope: str) -> Iterator[Node]:
    """The states whose failure leaves the scope."""
    for node in machine.scopes[scope]:
        if node.type == "Fail" or (node.type == "Task" and node.uncaught):
            yield node
        elif node.can_fail and node.uncaught:
            for inner in machine.scopes_of(node):
                yield from _escaping(machine, inner)
