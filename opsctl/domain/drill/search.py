"""The search for a world in which nothing is broken: a run input, and answers, with which a run succeeds.

The plain input runs every step; answers begin as stand-ins. Where such a run does not succeed, the Choices that it came
to are given other answers to decide by, one Choice at a time, as long as that brings the run further. What is found so
is varied once more, Choice by Choice: each further way to success, through states that no run entered yet, is a
scenario of its own. What only the ways of failures read is made up as well, where that changes nothing in such a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from opsctl.asl.failures import RUNTIME
from opsctl.domain.answers import STAND_INS, filled, plausible_answers
from opsctl.domain.carrying.values import From
from opsctl.domain.cases.model import Case
from opsctl.domain.documents import with_settings
from opsctl.domain.drill.model import Kind
from opsctl.domain.drill.needs import INPUT, behind_input, read_after_failures
from opsctl.domain.drill.scenario import Scenario, from_cases, repaired
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.walk import Drive
from opsctl.domain.drill.world import UnwalkableError
from opsctl.domain.driving import drive
from opsctl.domain.guards import read_pipeline

MOST_WALKS = 300
FEW_MOVES, MOVES_EACH = 250, 4  # of a walk without faults: for all, and for each state
MOST_SCENARIOS = 24
SUCCEEDED = "SUCCEEDED"

Chosen = Mapping[From, Any]
Score = tuple[bool, int, int]


def scenarios(subject: Subject, cases: Iterable[Case] = ()) -> list[Scenario]:
    """The scenarios to drill in, the plainest first. Raises UnwalkableError, with the part that cannot be walked."""
    cases = tuple(cases)
    plain = plausible_answers(subject.definition, subject.pipeline, {})
    sound = list(from_cases(cases, plain, subject.expected))
    useful = list(_useful(subject, sound))
    if useful:
        useful += _after_failures(subject, cases, useful)
    else:
        _demand_success(subject, cases, sound)
        later = read_after_failures(subject.definition)
        search = _Search(subject, {}, later)
        useful = list(_useful(subject, search.made_up()))
        useful = useful or list(_useful(subject, _Search(subject, _made_up_input(subject), later).made_up()))
        if not useful:
            raise UnwalkableError(search.why, search.walked if subject.hopeful and search.telling else None)
    return useful[:MOST_SCENARIOS]


def _demand_success(subject: Subject, cases: Iterable[Case], sound: Iterable[Scenario]) -> None:
    """Where there are cases of runs that succeed, one of them has to."""
    expected = {case.name for case in cases if case.expect.get("status") == SUCCEEDED}
    for scenario in sound:
        if scenario.name in expected:
            walked = Drive(subject.machine, scenario).start().run()
            raise UnwalkableError(_why(walked), walked)


def _useful(subject: Subject, found: Iterable[Scenario]) -> Iterator[Scenario]:
    """The first that succeeds, and those that enter a state that can fail and that none before them enters."""
    breakable = {name for name, node in subject.nodes.nodes.items() if node.can_fail}
    entered: set[str] | None = None
    for scenario in found:
        try:
            walked = Drive(subject.machine, scenario).start().run(most=_few(subject))
        except UnwalkableError:
            continue
        new = (_entered(walked) & breakable) - (entered or set())
        if walked.status == SUCCEEDED and (new or entered is None):
            entered = new | (entered or set())
            yield scenario


def _after_failures(subject: Subject, cases: Iterable[Case], known: list[Scenario]) -> Iterator[Scenario]:
    """Scenarios whose answers lead a run that fails to states that no other scenario leads one to: by the cases that
    come there, with what they break put right."""
    breakable = {name for name, node in subject.nodes.nodes.items() if node.can_fail}
    entered = {name for scenario in known for name in _entered(Drive(subject.machine, scenario).start().run())}
    for fault in subject.faults:
        if fault.lasting and fault.kind is Kind.FAILED:
            drive = Drive(subject.machine, known[0])
            drive.arm(fault)
            entered |= _entered(drive.start().run())
    for broken, whole in repaired(cases, known[0], subject.expected):
        try:
            new = (_entered(Drive(subject.machine, broken).start().run(most=_few(subject))) & breakable) - entered
            sound = Drive(subject.machine, whole).start().run(most=_few(subject)).status == SUCCEEDED if new else False
        except UnwalkableError:
            continue
        if sound:
            entered |= new
            yield whole


class _Search:
    def __init__(self, subject: Subject, given: dict[str, Any], later: Mapping[From, str]) -> None:
        """Runs are `given` so much, besides what their guards read; of what is read after failures they get the rest
        if they go the same way with it."""
        self._subject = subject
        self._later = {
            leaf: STAND_INS[kind] for leaf, kind in later.items() if leaf.path and leaf not in subject.pipeline.reads
        }
        self._crossings = subject.pipeline.crossings
        self._document = _document(subject, given)
        self._given = list(given)
        self._walks = 0
        self.best: dict[From, Any] = {}
        self.why = ""
        self.walked: Drive | None = None

    @property
    def telling(self) -> bool:
        """Whether the best run failed by the machine's own doing: what it lacks at once, it was to be given."""
        return self.walked is not None and (bool(self.walked.asked) or self.walked.execution.error != RUNTIME)

    def made_up(self) -> list[Scenario]:
        """Scenarios of made-up answers; none where no answers were found with which a run succeeds."""
        for crossing in self._crossings:
            for leaf, value in _answers(crossing.decision.worlds[0]).items():
                self.best.setdefault(leaf, value)
        climbed = [self._climb(dict(self.best), order) for order in (_furthest, _surest)]
        score, self.best = max(climbed, key=lambda one: _surest(one[0]))
        if not score[0]:
            return []
        base = self._richer(self.best, _named("a plain run", self._given))
        ways = (self._richer({**self.best, **world}, words) for words, world in self._named_worlds())
        return [base, *ways]

    def _climb(self, best: dict[From, Any], order: Callable[[Score], Any]) -> tuple[Score, dict[From, Any]]:
        """Better and better answers, until no other answers at a single Choice are better."""
        score, better, last = self._score(best), True, self._walks + MOST_WALKS
        while better and self._walks < last:
            better = False
            for world in self._worlds():
                tried = {**best, **world}
                if tried != best and self._walks < last and order(new := self._score(tried)) > order(score):
                    best, score, better = tried, new, True
        return score, best

    def _worlds(self) -> Iterator[dict[From, Any]]:
        return (world for _, world in self._named_worlds())

    def _named_worlds(self) -> Iterator[tuple[str, dict[From, Any]]]:
        """One set of answers for each target of each Choice that answers decide."""
        for crossing in self._crossings:
            targets: dict[Any, dict[From, Any]] = {}
            for world in crossing.decision.worlds:
                if answers := _answers(world):
                    targets.setdefault(crossing.decision.once(self._document, world), answers)
            for target, answers in targets.items():
                yield f"{crossing.choice} leads to {target}", answers

    def _scenario(self, chosen: Chosen, name: str) -> Scenario:
        mocks = plausible_answers(self._subject.definition, self._subject.pipeline, chosen)
        return Scenario(name, self._document, mocks)

    def _richer(self, chosen: Chosen, name: str) -> Scenario:
        """A scenario with what is read after failures too, unless a run goes another way for it."""
        plain = self._scenario(chosen, name)
        if not self._later:
            return plain
        more = {leaf.path: value for leaf, value in self._later.items() if leaf.source == INPUT}
        told = _named(name.partition(", given ")[0], [*self._given, *(str(path[0]) for path in more)])
        rich = self._scenario({**self._later, **chosen}, told)
        rich = replace(rich, document=filled(rich.document, more))
        return rich if self._moves(rich) == self._moves(plain) else plain

    def _moves(self, scenario: Scenario) -> list[tuple[str, str]]:
        try:
            walked = Drive(self._subject.machine, scenario).start().run(most=_few(self._subject))
        except UnwalkableError:
            return []
        return [(walked.status, event["type"]) for event in walked.events]

    def _score(self, chosen: Chosen) -> Score:
        """Whether the run succeeds; else how many states it entered, and how soon it was over."""
        self._walks += 1
        try:
            walked = Drive(self._subject.machine, self._scenario(chosen, "")).start().run(most=_few(self._subject))
        except UnwalkableError as error:
            self.why = self.why or str(error)
            return False, 0, 0
        good = walked.status == SUCCEEDED
        if not good and not self.why:
            self.why, self.walked = _why(walked), walked
        return good, len(_entered(walked) & self._subject.hopeful), -len(walked.events)


def _few(subject: Subject) -> int:
    """Moves of a walk without faults: what goes round for longer waits for another answer."""
    return FEW_MOVES + MOVES_EACH * len(subject.nodes.nodes)


def _named(name: str, given: Iterable[str]) -> str:
    """A scenario's name, with what its runs are given."""
    words = ", ".join(dict.fromkeys(given))
    return f"{name}, given {words}" if words else name


def _furthest(score: Score) -> Any:
    return score[1], score[0], score[2]


def _surest(score: Score) -> Any:
    return score


def _answers(world: Mapping[Any, Any]) -> dict[From, Any]:
    return {leaf: value for leaf, value in world.items() if isinstance(leaf, From)}


def _made_up_input(subject: Subject) -> dict[str, Any]:
    """What a machine reads of its run input, made up as if a Task in front of it had answered with it."""
    behind = behind_input(subject.definition)
    answer = plausible_answers(behind, read_pipeline(behind), {})[INPUT].script
    value = answer.answers[0].value if answer is not None else {}
    return dict(value) if isinstance(value, dict) else {}


def _document(subject: Subject, given: dict[str, Any]) -> Any:
    """The run input with which every step runs that can, and no Choice leads to a failure."""
    document = with_settings(given, drive(subject.pipeline, {}, [step.name for step in subject.pipeline.steps]))
    for crossing in subject.pipeline.crossings:
        ways = [ways for target, ways in crossing.decision.outcomes.items() if target in crossing.misses]
        if len(crossing.misses) == 1 and ways and crossing.decision.target(document) not in crossing.misses:
            document = with_settings(document, ways[0][0])
    return document


def _entered(walked: Drive) -> set[str]:
    kinds = (event.get("stateEnteredEventDetails") for event in walked.events)
    return {details["name"] for details in kinds if details} | {asked.state for asked in walked.asked}


def _why(walked: Drive) -> str:
    told = ": ".join(part for part in (walked.execution.error, walked.execution.cause) if part)
    why = walked.problem or f"ends {walked.status}" + (f" ({told[:300]})" if told else "")
    return f"a run in which nothing is broken {why}, at {walked.blamed}"
