"""TestState: one state by itself, walked by our interpreter with the answer that the caller makes up for its work."""

from __future__ import annotations

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ValidationException

from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.effects import Failed, Outcome, Succeeded
from opsctl.asl.single_state import Trial, Verdict, try_state, works
from opsctl.asl.validation_graph import inner_scopes, states_of
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.catalogue import machine_of
from opsctl.sandbox.statesapi.actions import Actions

UNNAMED = "TestState"
JSONPATH = "JSONPath"


class TrialActions(Actions):
    """The action that tests."""

    def test_state(self) -> ActionResult:
        """TestState. A Task, Parallel or Map needs a mock: the sandbox does no work for a test."""
        name, state, language = self._under_test()
        trial = Trial(
            name,
            state,
            language,
            self.asked.get("input", "{}"),
            self._made_up(state),
            self.asked.get("stateConfiguration", {}).get("retrierRetryCount", 0),
            self._object("variables"),
            self._object("context"),
        )
        try:
            verdict = try_state(trial)
        except InvalidDefinition as error:
            raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{error.message}'") from error
        except ValueError as error:
            raise ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from error
        return ActionResult(_answer(verdict, detailed=self.asked.get("inspectionLevel", "INFO") != "INFO"))

    def _under_test(self) -> tuple[str, dict[str, Any], str]:
        """The name of the state under test, the state and its query language."""
        definition, name = self.asked["definition"], self.asked.get("stateName")
        try:
            document = json.loads(definition)
        except (ValueError, RecursionError) as error:
            raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{error}'") from error
        if not isinstance(document, dict):
            raise ApiError("InvalidDefinition", "Invalid State Machine Definition: 'it is no JSON object'")
        if name is None:
            return UNNAMED, document, document.get("QueryLanguage", JSONPATH)
        machine_of(definition)
        scopes = [document]
        while scopes:
            for other, state in states_of(scopes.pop()).items():
                if other == name:
                    return name, state, document.get("QueryLanguage", JSONPATH)
                scopes += [scope for _, scope in inner_scopes(state)]
        raise ValidationException(f"The definition has no state '{name}'")

    def _made_up(self, state: dict[str, Any]) -> Outcome | None:
        """What the work of the state is answered."""
        mock = self.asked.get("mock")
        if mock is None:
            if works(state):
                raise ValidationException(f"The sandbox tests a {state['Type']} state with a mock only")
            return None
        if not works(state):
            raise ValidationException("A mock can only be specified for Task, Map, or Parallel states")
        if ("result" in mock) == ("errorOutput" in mock):
            raise ValidationException("A mock must have either a result or an errorOutput")
        if "result" in mock:
            return Succeeded(mock["result"])
        return Failed(mock["errorOutput"].get("error", ""), mock["errorOutput"].get("cause", ""))

    def _object(self, field: str) -> dict[str, Any]:
        try:
            document = json.loads(self.asked.get(field, "{}"))
        except (ValueError, RecursionError) as error:
            raise ValidationException(f"The {field} are no JSON: {error}") from error
        if not isinstance(document, dict):
            raise ValidationException(f"The {field} must be a JSON object")
        return document


def _answer(verdict: Verdict, *, detailed: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "status": verdict.status,
        "output": verdict.output,
        "error": verdict.error,
        "cause": verdict.cause,
        "nextState": verdict.next_state,
    }
    if detailed:
        variables = {name: json.loads(text) for name, text in verdict.variables.items()}
        answer["inspectionData"] = {
            **verdict.data,
            **({"variables": json.dumps(variables)} if variables else {}),
            **({"errorDetails": verdict.handled} if verdict.handled else {}),
        }
    return {name: value for name, value in answer.items() if value is not None}
