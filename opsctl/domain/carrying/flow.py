"""How values get through states: what each state of a definition sees when it is entered.

Only ways without a failure are followed: what a Catch hands on leads to no step. Of a loop, the first round counts.
Where ways meet, a value is the same on both or one of two (`values.joined`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from opsctl.asl.paths import parse_path
from opsctl.domain.carrying.expressions import Sight, path_read, path_value, template_value
from opsctl.domain.carrying.values import RUN_INPUT, From, Over, Unknown, Value, either, joined, placed
from opsctl.domain.conditions import ABSENT

State = Mapping[str, Any]
Edges = Callable[[Mapping[str, Any]], tuple[list[str], Mapping[str, list[str]]]]
"""Of a scope: its states in order, and where each leads without a failure."""

_CONTAINERS = ("Parallel", "Map")
TEXT, NUMBER, MOMENT, LIST = "text", "number", "moment", "list"
_KINDS = {
    "Items": LIST, "ItemsPath": LIST, "Seconds": NUMBER, "SecondsPath": NUMBER, "Timestamp": MOMENT,
    "TimestampPath": MOMENT, "TimeoutSeconds": NUMBER, "TimeoutSecondsPath": NUMBER, "HeartbeatSeconds": NUMBER,
    "HeartbeatSecondsPath": NUMBER, "MaxConcurrency": NUMBER, "MaxConcurrencyPath": NUMBER,
}  # fmt: skip
"""Fields that hold an expression, with what it has to come to."""


def at_start() -> Sight:
    """What a machine's first state sees."""
    return Sight(From(RUN_INPUT), {}, _context(From(RUN_INPUT)))


class Flow:
    """`seen` is what each state sees when it is entered, inner states included; `jsonata` the states in JSONata.

    `reads` is what is read of the results of Tasks and the items of Maps, and as what: text, number, moment or list.
    """

    def __init__(self, definition: Mapping[str, Any], edges: Edges) -> None:
        self.seen: dict[str, Sight] = {}
        self.jsonata: set[str] = set()
        self.reads: dict[From, str] = {}
        self._edges = edges
        self._by_default = definition.get("QueryLanguage") == "JSONata"
        self._walk(definition, at_start())

    def _walk(self, scope: Mapping[str, Any], start: Sight) -> Value:
        """The scope's output."""
        order, edges = self._edges(scope)
        arriving: dict[str, list[Sight]] = {scope["StartAt"]: [start]}
        outputs: list[Value] = []
        for name in order:
            sight = self.seen[name] = _met(arriving.get(name) or [_NOWHERE])
            state = scope["States"][name]
            for target, after in self._after(name, state, sight, edges.get(name, [])):
                if target is None:
                    outputs.append(after.data)
                else:
                    arriving.setdefault(target, []).append(after)
        return either(outputs) if outputs else Unknown("what a branch that only fails hands on")

    def _after(
        self, name: str, state: State, sight: Sight, targets: list[str]
    ) -> Iterator[tuple[str | None, Sight]]:  # fmt: skip
        if self._by_default or state.get("QueryLanguage") == "JSONata":
            self.jsonata.add(name)
        through = _Jsonata(self, name, state, sight) if name in self.jsonata else _JsonPath(self, name, state, sight)
        self._note_settings(state, replace(sight, data=through.effective()), jsonata=name in self.jsonata)
        if state["Type"] == "Choice":
            for rule in [*state["Choices"], {**state, "Next": state.get("Default")}]:
                if rule["Next"] in targets:
                    yield rule["Next"], through.left_by(rule)
        elif state.get("End") or state["Type"] == "Succeed":
            yield None, through.left()
        else:
            left = through.left()
            yield from ((target, left) for target in targets)

    def effective(self, name: str, state: State) -> Sight:
        """What the rules of a Choice see."""
        through = (_Jsonata if name in self.jsonata else _JsonPath)(self, name, state, self.seen[name])
        return replace(self.seen[name], data=through.effective())

    def result(self, name: str, state: State, inner: Sight, selected: Value) -> Value:
        """What a state's work makes. `inner` is what a branch sees, `selected` a Map's item."""
        kind = state["Type"]
        if kind == "Task":
            return From(name)
        if kind == "Parallel":
            return [self._walk(branch, inner) for branch in state["Branches"]]
        if kind == "Map":
            processor = state.get("ItemProcessor") or state["Iterator"]
            distributed = (processor.get("ProcessorConfig") or {}).get("Mode", "INLINE") != "INLINE"
            context, variables = (_context(selected), {}) if distributed else (inner.context, inner.variables)
            context = _in_map(name, context)
            self._walk(processor, Sight(selected, variables, context, demands=inner.demands))
            return Unknown(f"what the Map {name} makes")
        return state.get("Result", inner.data)

    def _note_settings(self, state: State, sight: Sight, *, jsonata: bool) -> None:
        for field in _KINDS.keys() & state.keys():
            if not jsonata and not field.endswith("Path"):
                continue
            source = {"it": state[field]} if jsonata else {"it.$": state[field]}
            _, demands = template_value(source, sight, jsonata=jsonata)
            self.reads.update({leaf: _KINDS[field] for leaf in demands if leaf.source != RUN_INPUT})

    def note(self, demands: frozenset[From]) -> frozenset[From]:
        """Remember what is read of Tasks' results, and hand on what is read of the run's input."""
        for leaf in demands:
            if leaf.source != RUN_INPUT:
                self.reads.setdefault(leaf, TEXT)
        return frozenset(leaf for leaf in demands if leaf.source == RUN_INPUT)


_NOWHERE = Sight(Unknown("not known where it comes from"), {}, Unknown("the context object"))


def _context(run_input: Value) -> Value:
    execution = Over(Unknown("the context object's"), {"Input": run_input})
    return Over(Unknown("the context object's"), {"Execution": execution})


def _in_map(name: str, context: Value) -> Value:
    """The context object that an iteration of a Map sees: its item is from the Map, as a result is from a Task."""
    item = {"Value": From(name), "Index": Unknown("the number of an item")}
    return Over(context, {"Map": {"Item": item}})


def _met(sights: list[Sight]) -> Sight:
    first, *others = sights
    for other in others:
        names = [*first.variables, *(name for name in other.variables if name not in first.variables)]
        variables = {
            name: joined(first.variables.get(name, ABSENT), other.variables.get(name, ABSENT)) for name in names
        }
        data, demands = joined(first.data, other.data), first.demands | other.demands
        first = Sight(data, variables, first.context, demands=demands)
    return first


class _JsonPath:
    """InputPath, Parameters, the work, Assign, ResultSelector, ResultPath, OutputPath."""

    def __init__(self, flow: Flow, name: str, state: State, sight: Sight) -> None:
        self._flow, self._name, self._state, self._sight = flow, name, state, sight
        self._demands = set(sight.demands)

    def left(self) -> Sight:
        """What the next state sees."""
        state = self._state
        effective = self.effective()
        sent = effective if state["Type"] == "Map" else self._filled("Parameters", effective)
        inner = replace(self._sight, data=sent, demands=frozenset(self._demands))
        result = self._flow.result(self._name, state, inner, self._item(effective))
        variables = self._assigned(state, result)
        if state["Type"] in ("Task", *_CONTAINERS):
            result = self._filled("ResultSelector", result)
        data = self._over(result) if state["Type"] in ("Task", "Pass", *_CONTAINERS) else result
        return self._next(self._followed("OutputPath", data), variables)

    def left_by(self, rule: State) -> Sight:
        """What a Choice's next state sees."""
        effective = self.effective()
        return self._next(self._followed("OutputPath", effective), self._assigned(rule, effective))

    def effective(self) -> Value:
        """What InputPath selects."""
        return self._followed("InputPath", self._sight.data)

    def _item(self, effective: Value) -> Value:
        """What an iteration of a Map gets."""
        field = "ItemSelector" if "ItemSelector" in self._state else "Parameters"
        if "ItemBatcher" in self._state:
            return Unknown(f"a batch of the Map {self._name}")
        if field not in self._state:
            return From(self._name)
        return self._filled(field, effective, context=_in_map(self._name, self._sight.context))

    def _next(self, data: Value, variables: Mapping[str, Value]) -> Sight:
        demands = self._flow.note(frozenset(self._demands))
        return Sight(data, variables, self._sight.context, demands=demands)

    def _assigned(self, source: State, result: Value) -> Mapping[str, Value]:
        if "Assign" not in source:
            return self._sight.variables
        return {**self._sight.variables, **self._filled("Assign", result, source)}

    def _filled(self, field: str, data: Value, source: State | None = None, context: Value = None) -> Value:
        source = self._state if source is None else source
        if field not in source:
            return data
        sight = replace(self._sight, data=data, context=context or self._sight.context)
        value, demands = template_value(source[field], sight, jsonata=False)
        self._demands |= demands
        return value

    def _followed(self, field: str, data: Value) -> Value:
        path = self._state.get(field, "$")
        if path is None:
            return {}
        value = path_value(path, replace(self._sight, data=data))
        if isinstance(value, From) and path != "$":
            self._demands.add(value)
        return value

    def _over(self, result: Value) -> Value:
        path = self._state.get("ResultPath", "$")
        return self._sight.data if path is None else placed(self._sight.data, path_read(parse_path(path)).steps, result)


class _Jsonata:
    """Arguments, the work, Assign and Output."""

    def __init__(self, flow: Flow, name: str, state: State, sight: Sight) -> None:
        self._flow, self._name, self._state, self._sight = flow, name, state, sight
        self._demands = set(sight.demands)

    def left(self) -> Sight:
        """What the next state sees."""
        state, sight = self._state, self._sight
        sent = self._filled(state, "Arguments", sight, sight.data)
        inner = replace(sight, data=sent, demands=frozenset(self._demands))
        batched = "ItemBatcher" in state
        otherwise: Value = Unknown(f"a batch of the Map {self._name}") if batched else From(self._name)
        in_map = replace(sight, context=_in_map(self._name, sight.context))
        item = otherwise if batched else self._filled(state, "ItemSelector", in_map, otherwise)
        return self._made(state, self._flow.result(self._name, state, inner, item))

    def left_by(self, rule: State) -> Sight:
        """What a Choice's next state sees."""
        return self._made(rule, self._sight.data)

    def effective(self) -> Value:
        """What the state's own fields see."""
        return self._sight.data

    def _made(self, source: State, result: Value) -> Sight:
        sight = replace(self._sight, result=result)
        variables = {**sight.variables, **self._filled(source, "Assign", sight, {})}
        data = self._filled(source, "Output", sight, result)
        return Sight(data, variables, sight.context, demands=self._flow.note(frozenset(self._demands)))

    def _filled(self, source: State, field: str, sight: Sight, otherwise: Value) -> Value:
        if field not in source:
            return otherwise
        value, demands = template_value(source[field], sight, jsonata=True)
        self._demands |= demands
        return value
