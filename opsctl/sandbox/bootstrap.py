"""The Python runtime of one Lambda invocation: a program of its own, run by path in the function's directory.

Arguments: the invocation's directory, which holds event.json and facts.json (what the context object shows). It
touches `ready` when the handler is imported (AWS does not count that time against the timeout) and writes
response.json: `{"payload": text}` or `{"error": {errorMessage, errorType, requestId, stackTrace}}`.
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Context:
    """Lambda's context object."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.function_name = facts["function_name"]
        self.function_version = facts["function_version"]
        self.invoked_function_arn = facts["invoked_function_arn"]
        self.memory_limit_in_mb = facts["memory_limit_in_mb"]
        self.aws_request_id = facts["aws_request_id"]
        self.log_group_name = facts["log_group_name"]
        self.log_stream_name = facts["log_stream_name"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + facts["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the timeout."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def failure(kind: str, message: str, request: str, trace: list[str] | None = None) -> dict[str, Any]:
    """A function error as the runtime reports it."""
    error = {"errorMessage": message, "errorType": kind, "requestId": request, "stackTrace": trace or []}
    print(f"[ERROR] {kind}: {message}\n{''.join(trace or [])}", flush=True)
    return {"error": error}


def own_frames(error: Exception) -> list[str]:
    """The traceback without the runtime's own frame."""
    trace = error.__traceback__
    return traceback.format_tb(trace.tb_next if trace and trace.tb_next else trace)


def load(handler: str, request: str) -> Callable[..., Any] | dict[str, Any]:
    """The handler's function, or the error that the runtime gives instead."""
    module, _, name = handler.rpartition(".")
    try:
        found: Callable[..., Any] | None = getattr(importlib.import_module(module.replace("/", ".")), name, None)
    except ImportError as error:
        return failure("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}", request)
    except SyntaxError as error:
        return failure("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", request)
    except Exception as error:  # noqa: BLE001  the user's own code
        return failure(type(error).__name__, str(error), request, own_frames(error))
    if not callable(found):
        return failure("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'", request)
    return found


def call(handler: Callable[..., Any], event: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Run the handler and marshal its result."""
    request = facts["aws_request_id"]
    try:
        result = handler(event, Context(facts))
    except Exception as error:  # noqa: BLE001  the user's own code
        return failure(type(error).__name__, str(error), request, own_frames(error))
    try:
        return {"payload": json.dumps(result)}
    except (TypeError, ValueError) as error:
        return failure("Runtime.MarshalError", f"Unable to marshal response: {error}", request)


def main() -> None:
    """One invocation."""
    directory = Path(sys.argv[1])
    facts = json.loads((directory / "facts.json").read_text())
    event = json.loads((directory / "event.json").read_text())
    sys.path.insert(0, os.getcwd())
    handler = load(os.environ["_HANDLER"], facts["aws_request_id"])
    (directory / "ready").touch()
    response = handler if isinstance(handler, dict) else call(handler, event, facts)
    sys.stdout.flush()
    draft = directory / "response.draft"
    draft.write_text(json.dumps(response))
    draft.replace(directory / "response.json")


if __name__ == "__main__":
    main()
