"""An operator who does things at random, on runs at random, in any weather; and the ledger of what must be so since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from opsctl import sandbox
from opsctl.errors import AWS, OK, REFUSED
from tests.soak.world import PARTS, World

OPEN = "RUNNING"
OLDEST_LOOKED_AT = 60
"""Of the newest runs: what is done to runs is done to these."""
THROTTLED = {"states": "ThrottlingException", "s3": "SlowDown", "sts": "Throttling"}
WEATHER: list[list[dict[str, Any]]] = [
    [{"action": f"{service}:*", "error": code, "rate": 0.3} for service, code in THROTTLED.items()],
    [{"action": f"{service}:*", "drop": "request", "rate": 0.05} for service in THROTTLED],
    [{"action": f"{service}:*", "drop": "answer", "rate": 0.1} for service in THROTTLED],
    [{"action": "states:*", "error": "InternalError", "status": 500, "rate": 0.2}],
    [{"action": "states:List*", "stale": 3.0}],
    [{"action": "s3:*", "delay": 0.05}],
    [{"action": "events:delivery", "duplicate": 2}],
    [{"action": "events:delivery", "reorder": 2, "delay": 2.0}],
    [{"action": "events:delivery", "delay": 1.0, "rate": 0.5}, {"action": "sns:delivery", "duplicate": 1}],
]


class BrokenError(AssertionError):
    """An invariant does not hold."""


@dataclass
class Ledger:
    """What was done: `data` has the runs whose data must be there, `referred` those that others read, `answers` each
    run that was answered, and with what reason."""

    data: set[str] = field(default_factory=set)
    cleaned: set[str] = field(default_factory=set)
    referred: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    answers: list[tuple[str, str]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)


class Operator:
    """Does one thing at a time. `act` raises BrokenError as soon as something is not as it must be. With `restarts` the
    sandbox, which keeps its state then, is killed now and again."""

    def __init__(self, world: World, seed: int, *, restarts: bool = False) -> None:
        self.world = world
        self.ledger = Ledger()
        self._dice = Random(seed)
        self._foul = False
        self._deeds: list[tuple[int, Callable[[], None]]] = [
            (5, self._start), (3, self._approve), (2, self._reject), (2, self._stop), (2, self._redrive),
            (3, self._rerun), (3, self._cleanup), (1, self._undo), (1, self._hold), (1, self._release),
            (2, self._weather), (int(restarts), self._restart),
        ]  # fmt: skip

    def act(self) -> None:
        """One operation, whichever."""
        weights, deeds = zip(*self._deeds, strict=True)
        self._dice.choices(deeds, weights)[0]()

    def clear_up(self) -> None:
        """Fine weather again."""
        sandbox.clear_faults(self.world.cloud.directory)
        self._foul = False

    # operations

    def _start(self) -> None:
        name, rate = self._new_name(), self._dice.choice(["1", "1", "1000"])
        if self._do("start", "--name", name, "--set", f"hyperparameters.train.rate={rate}") == OK:
            self.ledger.started.append(name)

    def _approve(self) -> None:
        self._answer("approve")

    def _reject(self) -> None:
        self._answer("reject")

    def _answer(self, verdict: str) -> None:
        run = self._one(OPEN)
        if run is None or not self.world.waits(run):
            return
        reason = f"{verdict} {len(self.ledger.answers)}"
        if self._do(verdict, run, "--yes", "--reason", reason) == OK:
            self.ledger.answers.append((run, reason))

    def _stop(self) -> None:
        run = self._one(OPEN)
        if run is not None:
            self._do("stop", run, "--yes")

    def _redrive(self) -> None:
        run = self._one("FAILED", "ABORTED")
        if run is not None:
            self._do("redrive", run, "--native", "--yes")

    def _rerun(self) -> None:
        run = self._one("FAILED", "ABORTED")
        if run is None or self.world.kept(run)[-3:] != PARTS or not self.world.has_fetched(run):
            return
        name, data = self._new_name(), self._dice.choice(["copy", "copy", "reuse"])
        more = ("--set", "hyperparameters.train.rate=1", "--name", name, "--data", data, "--yes")
        if self._do("rerun", run, "--from", "train", *more) == OK:
            self.ledger.started.append(name)
            self.ledger.data |= {run} if data == "reuse" else {run, name}
            self.ledger.referred |= {run} if data == "reuse" else set()

    def _cleanup(self) -> None:
        run = self._one("SUCCEEDED", "FAILED", "ABORTED", OPEN)
        if run is None or run in self.ledger.cleaned:
            return
        status, before = self.world.status(run), self.world.kept(run)
        code = self._do("cleanup", "--run", run, "--yes")
        after, may_go = self.world.kept(run), run not in self.ledger.referred | self.ledger.held
        if status == "SUCCEEDED" and may_go:
            fine = code == OK and not self._foul  # in stale weather it may not know that the run has ended
            self._demand(after == [] or (after == before and not fine), f"cleanup of {run} left {after}")
            self.ledger.cleaned |= {run} if before and not after else set()
        else:
            self._demand(set(before) <= set(after), f"cleanup took what it may not from {run} ({status}): {before}")

    def _undo(self) -> None:
        run = self._any(sorted(self.ledger.cleaned))
        if run is not None and self._do("cleanup", "--undo", "--run", run, "--yes") == OK:
            self.ledger.cleaned.discard(run)
            self.ledger.data.add(run)
            self._demand(set(PARTS) <= set(self.world.kept(run)), f"undo did not bring back {run}")

    def _hold(self) -> None:
        run = self._one("SUCCEEDED", "FAILED")
        if run is not None and run not in self.ledger.cleaned and self._do("data", "hold", run) == OK:
            self.ledger.held.add(run)

    def _release(self) -> None:
        run = self._any(sorted(self.ledger.held))
        if run is not None and self._do("data", "release", run) == OK:
            self.ledger.held.discard(run)

    def _weather(self) -> None:
        self.clear_up()
        kind = self._dice.choice([*WEATHER, []])
        for fault in kind:
            sandbox.add_fault(self.world.cloud.directory, {**fault, "seed": self._dice.randrange(1000)})
        self._foul = bool(kind)
        self.ledger.done["weather"] += 1

    def _restart(self) -> None:
        """Everything goes on as it was but the weather, which ends with the server."""
        self.clear_up()
        before = {run: self.world.events(run) for run in self.world.statuses()}
        self.world.restart()
        for run, events in before.items():
            self._demand(self.world.events(run)[: len(events)] == events, f"a restart changed the history of {run}")
        self.ledger.done["restart"] += 1

    # how

    def _do(self, *words: str) -> int:
        """Exit code of a command; one that AWS did not let through is repeated in fine weather."""
        code, said = self.world.opsctl(*words)
        self.ledger.done[words[0]] += 1
        if code == AWS and self._foul:
            self.ledger.done["repeated"] += 1
            self.clear_up()
            code, said = self.world.opsctl(*words)
        self._demand(code in (OK, REFUSED), f"opsctl {' '.join(words)} ended {code}: {said}")
        return code

    def _new_name(self) -> str:
        return f"soak-{self.ledger.done['start'] + self.ledger.done['rerun']}"

    def _one(self, *statuses: str) -> str | None:
        """One of the newest runs that have one of these statuses."""
        newest = list(self.world.statuses().items())[:OLDEST_LOOKED_AT]
        return self._any([name for name, status in newest if status in statuses])

    def _any(self, names: list[str]) -> str | None:
        return self._dice.choice(names) if names else None

    def _demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise BrokenError(otherwise)
