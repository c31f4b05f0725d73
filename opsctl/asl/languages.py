"""The two query languages as the builder of definitions needs them: each field compiled as its language reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.choice import Condition, compile_rule
from opsctl.asl.definition import Catcher, Handler, Rule
from opsctl.asl.environment import Environment
from opsctl.asl.expressions import evaluate, parse_expression
from opsctl.asl.flow import EVERYTHING, Flow, JsonPathFlow, Setting, place
from opsctl.asl.jsonata import expression_of, unexpected_type
from opsctl.asl.jsonata_flow import JsonataFlow, compile_jsonata
from opsctl.asl.paths import Path, parse_path
from opsctl.asl.payload import Payload
from opsctl.asl.templates import Template, compile_template
from opsctl.asl.validation_values import is_jsonata

Source = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Language:
    """JSONata or JSONPath. Every method raises `ValueError` if an expression does not parse."""

    jsonata: bool

    def template(self, source: Source, field: str, shown: str | None = None) -> Template | None:
        """A field that holds JSON with expressions in it. `shown` is its name in messages."""
        if field not in source:
            return None
        return compile_jsonata(source[field], shown or field) if self.jsonata else compile_template(source[field])

    def flow(self, source: Source) -> Flow:
        """The state's data flow."""
        if self.jsonata:
            return JsonataFlow(
                sent=self.template(source, "Arguments"),
                assignments=self.template(source, "Assign"),
                made=self.template(source, "Output") if source["Type"] != "Fail" else None,
            )
        return JsonPathFlow(
            input_path=_data_path(source, "InputPath"),
            parameters=self.template(source, "Parameters"),
            result_selector=self.template(source, "ResultSelector"),
            result_path=_data_path(source, "ResultPath"),
            output_path=_data_path(source, "OutputPath"),
            assignments=self.template(source, "Assign"),
        )

    def setting(self, source: Source, field: str, *, calls: bool = False) -> Setting | None:
        """The field or its `Path` form, whichever is there. `calls` allows intrinsic functions, as Fail's fields do."""
        if field in source:
            value = source[field]
            if self.jsonata and is_jsonata(value):
                return Setting(field, template=compile_jsonata(value, field), query=expression_of(value))
            return Setting(field, constant=value)
        field = f"{field}Path"
        if field not in source:
            return None
        if calls:
            expression = parse_expression(source[field])
            return Setting(
                field, template=lambda environment: evaluate(expression, environment, field), call=source[field]
            )
        return Setting(field, path=parse_path(source[field]))

    def rule(self, source: Source, index: int) -> Rule:
        """One rule of a Choice."""
        where = f"Choices[{index}]"
        condition = _condition(source["Condition"], where) if self.jsonata else compile_rule(dict(source))
        return Rule(
            condition,
            source["Next"],
            self.template(source, "Assign", f"{where}/Assign"),
            self.template(source, "Output", f"{where}/Output") if self.jsonata else None,
        )

    def catcher(self, source: Source, index: int) -> Catcher:
        """One entry of Catch."""
        assignments = self.template(source, "Assign", f"Catch[{index}]/Assign")
        if self.jsonata:
            handle = _jsonata_handler(assignments, self.template(source, "Output", f"Catch[{index}]/Output"))
        else:
            handle = _path_handler(assignments, _data_path(source, "ResultPath"))
        return Catcher(tuple(source["ErrorEquals"]), source["Next"], handle)


def _data_path(source: Source, field: str) -> Path | None:
    text = source.get(field, "$")
    if text == "$":
        return EVERYTHING
    return None if text is None else parse_path(text)


def _condition(source: Any, where: str) -> Condition:
    if not is_jsonata(source):
        return lambda _environment: source is True
    field, query = f"{where}/Condition", expression_of(source)
    compute = compile_jsonata(source, field)

    def holds(environment: Environment) -> bool:
        value = compute(environment)
        if not isinstance(value, bool):
            raise unexpected_type(query, field, "boolean", value)
        return value

    return holds


def _path_handler(assignments: Template | None, result_path: Path | None) -> Handler:
    def handle(raw: Payload, caught: Payload, environment: Environment) -> tuple[Payload, dict[str, Any] | None]:
        assigned = None if assignments is None else assignments(environment.with_data(caught.value))
        return place(result_path, raw, caught), assigned

    return handle


def _jsonata_handler(assignments: Template | None, output: Template | None) -> Handler:
    def handle(raw: Payload, caught: Payload, environment: Environment) -> tuple[Payload, dict[str, Any] | None]:
        view = environment.with_states(input=raw.value, errorOutput=caught.value)
        assigned = None if assignments is None else assignments(view)
        return caught if output is None else Payload(output(view)), assigned

    return handle
