"""`lambda:invoke`, and a function's ARN as the resource itself."""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda.exceptions import LambdaClientError

from opsctl.sandbox.access import DeniedError, Need
from opsctl.sandbox.functioncall import Invocation
from opsctl.sandbox.functions import functions
from opsctl.sandbox.integrations.calls import Calls, TaskError
from opsctl.sandbox.integrations.casing import compact
from opsctl.sandbox.machineroles import SESSION
from opsctl.sandbox.world import World


class Functions:
    """Calls Lambda functions for states."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world = world
        self._calls = calls

    def invoke(self, parameters: Any) -> dict[str, Any]:
        """The optimized integration: Payload goes in as JSON and comes out parsed. Raises TaskError."""
        answer = self._calls.optimized("lambda", "invoke", parameters)
        payload = answer.get("Payload") or "null"
        kind = answer.pop("FunctionError", None)
        if kind:
            raise function_error(payload)
        answer.pop("LogResult", None)
        answer["Payload"] = json.loads(payload)
        return answer

    def call(self, role: str, arn: str, parameters: Any) -> str:
        """A function's ARN as resource: the state's input goes in, the function's answer is the result."""
        backend = functions(self._world)
        try:
            self._world.access.demand(role, SESSION, Need("lambda:InvokeFunction", (arn,)))
            done: Invocation = backend.run(backend.get_function(arn), compact(parameters).encode())
        except DeniedError as denied:
            raise TaskError("Lambda.AWSLambdaException", str(denied)) from denied
        except LambdaClientError as error:
            raise TaskError(f"Lambda.{error.error_type}", error.message) from error
        if done.error:
            raise function_error(done.payload.decode())
        return done.payload.decode()


def function_error(payload: str) -> TaskError:
    """A function's own error: its errorType is the error's name, its whole payload the cause."""
    try:
        kind = json.loads(payload).get("errorType")
    except (ValueError, AttributeError):
        kind = None
    return TaskError(kind or "Lambda.Unknown", payload)
