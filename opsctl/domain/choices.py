"""A Choice state as a function of run input: where it leads for a given one, and which settings lead to each target.

The judge is the interpreter's own evaluation of the rules; settings are found by trying candidates. So every operator
and every expression counts for what it is, in both query languages, and no setting is shown that does not lead where it
says. What a rule reads beside run input (what a Task makes, say) is tried with several stand-ins: a target counts only
where all of them lead to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.definition import Rule
from opsctl.asl.failures import StateError
from opsctl.asl.jsonata import expression_of
from opsctl.asl.languages import Language
from opsctl.asl.validation_values import is_jsonata, read_path
from opsctl.domain.carrying.evidence import Evidence
from opsctl.domain.carrying.expressions import Read, Sight, environment, jsonata_reads, jsonata_words, path_read
from opsctl.domain.carrying.values import (
    RUN_INPUT,
    From,
    Leaf,
    Leaves,
    Steps,
    UndecidedError,
    Unknown,
    Value,
    World,
    made_real,
)
from opsctl.domain.conditions import ABSENT, candidates, comparisons, distinct, jsonata_candidates
from opsctl.domain.trials import Trials, Way, rows_of

MAX_STAND_INS = 64
MAX_EVALUATIONS = 4_000
MAX_EVALUATIONS_OF_ONE = 400
MAX_PATHS = 12
_OPAQUE = "what only the run will tell"

NO_EVIDENCE = Evidence(())


@dataclass(frozen=True)
class Reading:
    """One thing that a Choice reads, as its author wrote it, and the value that it is."""

    text: str
    read: Read
    value: Value
    compared: tuple[tuple[str, Any], ...]


class Patience:
    """How many expressions may still be evaluated in search of settings, for all Choices of a machine together."""

    def __init__(self, evaluations: int = MAX_EVALUATIONS) -> None:
        self._left = evaluations
        self._stop = 0

    @property
    def exhausted(self) -> bool:
        """Whether the search for the Choice at hand is over."""
        return self._left <= self._stop

    def begin(self) -> None:
        """The next Choice's search begins."""
        self._stop = max(0, self._left - MAX_EVALUATIONS_OF_ONE)

    def spend(self, evaluations: int) -> None:
        """Count some evaluations."""
        self._left -= evaluations


class Decision:
    """`outcomes` has the targets that run input can bring about, each with some ways to do so, the plainest first;
    `others` is what is read beside run input, and `worlds` are the stand-ins for it that are tried.

    `evidence` says of a Task's result which part of the run's input it is, and what it has looked like.
    """

    def __init__(
        self, state: Mapping[str, Any], sight: Sight, evidence: Evidence = NO_EVIDENCE, *, jsonata: bool,
        patience: Patience | None = None,
    ) -> None:  # fmt: skip
        self._evidence = evidence
        self._translate = evidence.translate
        self._patience = patience or Patience()
        self._demanded = frozenset(evidence.translate(leaf) for leaf in sight.demands)
        self._default = state.get("Default")
        self._rules = _rules(state, jsonata=jsonata)
        self._conditions = _conditions(state) if jsonata else []
        self.readings = _jsonata_readings(self._conditions, sight) if jsonata else _path_readings(state, sight)
        self._leaves = self._depends_on()
        self.others = [leaf for leaf in self._leaves.found if not _is_input(leaf)]
        if not self._rules:
            self.others.append(Unknown("nothing that can be understood here"))
        self.worlds: list[dict[Leaf, Any]] = [{}]
        self.outcomes = self._tried() if self._rules else {}

    @property
    def from_input(self) -> bool:
        """Whether run input is all that decides."""
        return not self.others

    def target(self, document: Any) -> str | None:
        """Where the Choice leads with this run input; None where that fails, or where other things decide as well."""
        target = self.once(document, self.worlds[0]) if self._rules else None
        if target is None or any(self.once(document, stand_ins) != target for stand_ins in self.worlds[1:]):
            return None
        return target

    def _tried_target(self, document: Any) -> str | None:
        return None if self._patience.exhausted else self.target(document)

    def concerned(self, settings: Way) -> bool:
        """Whether the Choice reads anything that these settings change."""
        read = [leaf.path for leaf in (*self._leaves.found, *self._leaves.deeper) if isinstance(leaf, From)]
        return any(
            path[: len(setting.path)] == setting.path[: len(path)] for path in read for setting in settings
        )  # fmt: skip

    def blamed(self) -> tuple[Reading, Leaf] | None:
        """Something other than run input that decides, and which of the readings that is."""
        for reading in self.readings:
            leaves = Leaves()
            leaves.visit(reading.value)
            for leaf in map(self._translated, leaves.found):
                if not _is_input(leaf):
                    return reading, leaf
        return None

    def _translated(self, leaf: Leaf) -> Leaf:
        return self._translate(leaf) if isinstance(leaf, From) else leaf

    def _depends_on(self) -> Leaves:
        met, leaves = Leaves(), Leaves()
        for reading in self.readings:
            met.visit(reading.value)
        leaves.found = dict.fromkeys(map(self._translated, met.found))
        leaves.deeper = dict.fromkeys(map(self._translate, met.deeper))
        leaves.words = met.words
        return leaves

    # evaluating

    def once(self, document: Any, stand_ins: Mapping[Leaf, Any]) -> str | None:
        """Where the Choice leads with this run input and these values for all else; None where it fails."""
        world = World(document, stand_ins, self._translate)
        self._patience.spend(len(self._conditions))
        try:
            values = [made_real(reading.value, world) for reading in self.readings]
            seen = environment([reading.read for reading in self.readings], values)
            chosen = next((rule.next for rule in self._rules if rule.condition(seen)), self._default)
        except (UndecidedError, StateError, ValueError):
            return None
        finally:
            self._patience.spend(world.worked)
        return None if chosen is None else str(chosen)

    # trying

    def _tried(self) -> dict[str, list[Way]]:
        """The first paths that bring about two targets: those that are read, or else what may lie below them."""
        best: dict[str, list[Way]] = {}
        self._patience.begin()
        for paths in self._path_sets():
            self.worlds = list(self._worlds(paths))
            found = self._ways(paths)
            best = best if len(best) >= len(found) else found
            if len(best) > 1:
                return best
        self.worlds = self.worlds or [{}]
        return best

    def _path_sets(self) -> Iterator[list[tuple[str, ...]]]:
        leaves = (*self._leaves.found, *self._leaves.deeper)
        read = [leaf.path for leaf in leaves if isinstance(leaf, From) and _is_input(leaf)]
        yield _settable(read)
        if self._conditions or self._leaves.words:
            words = sorted({word for text in self._conditions for word in jsonata_words(text)} | {*self._leaves.words})
            yield _settable([*read, *(((*path, word)) for path in read for word in words)])

    def _ways(self, paths: Sequence[tuple[str, ...]]) -> dict[str, list[Way]]:
        return Trials(self._tried_target, {path: self._values(path) for path in paths}).ways() if paths else {}

    def _values(self, path: tuple[str, ...]) -> list[Any]:
        demanded = any(isinstance(leaf, From) and leaf.path[: len(path)] == path for leaf in self._demanded)
        values = self._candidates(From(RUN_INPUT, path))
        return [value for value in values if value is not ABSENT or not demanded]

    def _candidates(self, leaf: Leaf) -> list[Any]:
        if self._conditions or self._leaves.words:
            texts = [*self._conditions, *(f"'{word}'" for word in sorted(self._leaves.words))]
            return jsonata_candidates(texts)
        mine = [reading for reading in self.readings if leaf in self._leaves_of(reading)]
        return candidates(pair for reading in mine for pair in reading.compared)

    def _leaves_of(self, reading: Reading) -> set[Leaf]:
        leaves = Leaves()
        leaves.visit(reading.value)
        return set(map(self._translated, (*leaves.found, *leaves.deeper)))

    def _worlds(self, paths: Sequence[tuple[str, ...]]) -> Iterator[dict[Leaf, Any]]:
        """Stand-ins for all that is not run input, in several combinations."""
        keys = [path for path in paths if path]
        nests = [{}, *(_nest(path[start:], _OPAQUE) for path in keys for start in range(len(path)))]
        columns = [self._seen(leaf) or distinct([_OPAQUE, *self._answers(leaf), *nests]) for leaf in self.others]
        for row in itertools.islice(rows_of(columns, MAX_STAND_INS), MAX_STAND_INS):
            yield dict(zip(self.others, row, strict=True))

    def _seen(self, leaf: Leaf) -> list[Any]:
        """The objects that were seen in runs in the leaf's place; their members may have other values the next time."""
        objects = self._evidence.objects(leaf) if isinstance(leaf, From) else []
        return distinct([*objects, *map(_veiled, objects)])

    def _answers(self, leaf: Leaf) -> list[Any]:
        """What a Task may have made. That it made anything is only in doubt where the Choice asks."""
        values = self._candidates(leaf)
        asked = any(operator == "IsPresent" for reading in self.readings for operator, _ in reading.compared)
        return values if asked or self._conditions else [value for value in values if value is not ABSENT]


def _settable(paths: Iterable[Steps]) -> list[tuple[str, ...]]:
    """The paths of names that are not the beginning of another one."""
    named = dict.fromkeys(tuple(map(str, path)) for path in paths if path and not any(isinstance(s, int) for s in path))
    inner = {path[:size] for path in named for size in range(1, len(path))}
    return [path for path in named if path not in inner][:MAX_PATHS]


def _nest(path: Sequence[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _veiled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _veiled(inner) for name, inner in value.items()}
    return _OPAQUE


def _is_input(leaf: Leaf) -> bool:
    return isinstance(leaf, From) and leaf.source == RUN_INPUT


def _rules(state: Mapping[str, Any], *, jsonata: bool) -> list[Rule]:
    """The rules, compiled; none where one is written in words that AWS knows and this program does not."""
    language = Language(jsonata)
    try:
        return [language.rule(rule, index) for index, rule in enumerate(state["Choices"])]
    except (ValueError, KeyError):
        return []


def _conditions(state: Mapping[str, Any]) -> list[str]:
    found = (rule.get("Condition") for rule in state["Choices"])
    return [expression_of(condition) for condition in found if is_jsonata(condition)]


def _path_readings(state: Mapping[str, Any], sight: Sight) -> list[Reading]:
    compared: dict[str, list[tuple[str, Any]]] = {}
    for rule in state["Choices"]:
        for variable, operator, operand in comparisons(rule):
            compared.setdefault(variable, []).append((operator, operand))
            if operator.endswith("Path"):
                compared.setdefault(str(operand), []).append((operator, variable))
    reads = {text: path_read(path) for text in compared if (path := read_path(text)) is not None}
    return [Reading(text, read, sight.look(read), tuple(compared[text])) for text, read in reads.items()]


def _jsonata_readings(conditions: Sequence[str], sight: Sight) -> list[Reading]:
    reads = dict.fromkeys(read for text in conditions for read in jsonata_reads(text))
    return [Reading(_spelled(read), read, value, ()) for read in reads if (value := sight.look(read)) is not ABSENT]


def _spelled(read: Read) -> str:
    root = {"$": "$states.input", "$$": "$states.context"}.get(read.root, f"${read.root.lstrip('$')}")
    return ".".join([root, *map(str, read.steps)])
