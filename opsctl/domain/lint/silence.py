"""SILENT_FAILURE: whether every way of a failure tells somebody before the run ends."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from opsctl.domain.lint.findings import Remark
from opsctl.domain.lint.graphs import reachable
from opsctl.domain.lint.machine import Catcher, Machine, Node


def silent_failures(machine: Machine) -> Iterator[Remark]:
    """SILENT_FAILURE: a Task, Parallel or Map whose failure reaches no notification, or ends without one."""
    ways = _Ways(machine)
    for node in machine.failing_nodes():
        quiet = next(((catcher, end) for catcher, end in ways.silent(node)), None)
        if quiet is not None:
            catcher, end = quiet
            yield Remark(catcher.location, _told(node, catcher, end, machine))
        elif node.uncaught and node.container is None:
            yield Remark(node.location, _uncaught(node))


def _told(node: Node, catcher: Catcher, end: str, machine: Machine) -> str:
    if catcher.target not in machine.notified:
        return f"A failure of '{node.name}' goes to '{catcher.target}', and from there nobody is notified."
    return (
        f"A failure of '{node.name}' goes to '{catcher.target}' and can end at '{end}' without anybody being notified."
    )


def _uncaught(node: Node) -> str:
    if not node.catchers:
        return f"Nothing catches a failure of '{node.name}': the run fails and nobody is notified."
    missed = " and ".join(node.uncaught)
    return f"The Catch of '{node.name}' does not take {missed}: then the run fails and nobody is notified."


class _Ways:
    """Where failures go.

    A failure's way ends at a notification, which is well; at the end of the run, which is silent; or where it joins
    the way of success. What follows there was built for both, and a mark of the failure decides (a Choice behind a
    join, say), which cannot be followed here: it is well if some way on tells somebody before a Fail state.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._behind: dict[str, frozenset[str]] = {}
        self._alone: dict[str, str | None] = {}

    def silent(self, node: Node) -> Iterator[tuple[Catcher, str]]:
        """The generic Catches of a state from which a run can end silently, with where it ends."""
        for catcher in node.catchers:
            if catcher.is_generic:
                end = self._end_of(node, catcher.target)
                if end is not None:
                    yield catcher, end

    def _end_of(self, node: Node, target: str) -> str | None:
        """Most failures go where only failures go: that is looked at once."""
        if target not in self._alone:
            self._alone[target] = self._walk(target, "", frozenset())
        around = self._success_of(node) if self._may_join(target) else frozenset()
        return self._walk(target, node.name, around) if around else self._alone[target]

    def _may_join(self, target: str) -> bool:
        return target in self._machine.succeeding

    def _success_of(self, node: Node) -> frozenset[str]:
        """What comes when the state has succeeded."""
        behind: set[str] = set()
        for start in self._machine.on_from(node):
            if start not in self._behind:
                self._behind[start] = reachable([start], self._machine.flow)
            behind |= self._behind[start]
        return frozenset(behind) & self._machine.succeeding

    def _walk(self, target: str, start: str, around: frozenset[str]) -> str | None:
        """Where a silent way from a Catch's target ends; None if there is none."""
        machine, seen, ahead = self._machine, {target}, [target]
        while ahead:
            name = ahead.pop()
            if name == start or machine.nodes[name].notifies:
                continue
            if name in around:
                if name not in self._told_later:
                    return name
                continue
            following = machine.flow[name]
            if not following:
                return name
            for other in following:
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        return None

    @cached_property
    def _told_later(self) -> frozenset[str]:
        """The states from which some way leads to a Fail state past a notification; or to a notification at all, where
        no Fail state lies ahead."""
        machine = self._machine
        alarms = {name for name, node in machine.nodes.items() if node.notifies and name in machine.failing}
        alarmed = machine.leading_to(lambda node: node.name in alarms)
        return alarmed | (machine.notified - machine.failing)
