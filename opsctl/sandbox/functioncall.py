"""One call of a Lambda function: a real Python process with the function's code."""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction

from opsctl.sandbox.jobroles import writer
from opsctl.sandbox.jobs import Room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.processes import Start
from opsctl.sandbox.storage import digest
from opsctl.sandbox.world import World

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
INIT_SECONDS = 30.0
TAIL_BYTES = 4096
TICK_SECONDS = 0.02
_extracting = threading.Lock()


@dataclass
class Invocation:
    """One call of a function: what it answered. `error` is set (to "Unhandled") if the payload is a function error."""

    request: str
    version: str
    payload: bytes = b"null"
    error: str | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def tail(self) -> str:
        """The last 4 KB of the log, as X-Amz-Log-Result carries it."""
        return base64.b64encode("\n".join(self.lines).encode()[-TAIL_BYTES:]).decode()


class Call:
    """One invocation under way."""

    def __init__(self, world: World, function: LambdaFunction, place: Room, start: Start) -> None:
        self.function = function
        self.start = start
        self.place = place
        self.world = world
        self.request = str(uuid.uuid4())
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self.log = LogStream(
            world.account, world.region, function.logs_group_name, self.stream,
            writer(world, str(function.role), function.function_name),
        )  # fmt: skip
        self.done = Invocation(self.request, str(function.version))

    def run(self, payload: bytes) -> Invocation:
        """Start the runtime, wait for it within the timeout, and read what it answered."""
        (self.place.base / "event.json").write_bytes(payload)
        (self.place.base / "facts.json").write_text(json.dumps(self._facts()))
        self._say(f"START RequestId: {self.request} Version: {self.function.version}")
        began = time.monotonic()
        process = self.place.start(
            [sys.executable, "-P", str(BOOTSTRAP), str(self.place.base)],
            self._variables(),
            self._say,
            directory=extracted(self.world, self.function),
            start=self.start,
        )
        while process.wait(TICK_SECONDS) is None and not self._initialised(began):
            pass
        code = process.wait(float(self.function.timeout))
        if code is None:
            process.stop(0)
            process.wait()
        self._read_answer(code)
        self._say(f"END RequestId: {self.request}")
        self._say(f"REPORT RequestId: {self.request}\tDuration: {(time.monotonic() - began) * 1000:.2f} ms")
        return self.done

    def _initialised(self, began: float) -> bool:
        return (self.place.base / "ready").exists() or time.monotonic() - began > INIT_SECONDS

    def _read_answer(self, code: int | None) -> None:
        try:
            answer = json.loads((self.place.base / "response.json").read_text())
        except FileNotFoundError:
            answer = {"error": self._died(code)}
        if "error" in answer:
            self.done.error = "Unhandled"
            self.done.payload = json.dumps(answer["error"]).encode()
        else:
            self.done.payload = answer["payload"].encode()

    def _died(self, code: int | None) -> dict[str, str]:
        """The error of a runtime that ended, or was ended, without an answer."""
        if code is None:
            kind, what = "Sandbox.Timedout", f"Task timed out after {float(self.function.timeout):.2f} seconds"
        elif code > 128:
            names = {137: "killed", 139: "segmentation fault", 143: "terminated"}
            kind, what = "Runtime.ExitError", f"Runtime exited with error: signal: {names.get(code, code - 128)}"
        else:
            kind, what = "Runtime.ExitError", f"Runtime exited with error: exit status {code}"
        message = f"RequestId: {self.request} Error: {what}"
        self._say(message)
        return {"errorType": kind, "errorMessage": message}

    def _say(self, line: str) -> None:
        self.done.lines.append(line)
        del self.done.lines[:-200]
        self.log.write(line)

    def _facts(self) -> dict[str, Any]:
        return {
            "function_name": self.function.function_name,
            "function_version": str(self.function.version),
            "invoked_function_arn": self.function.function_arn,
            "memory_limit_in_mb": str(self.function.memory_size),
            "aws_request_id": self.request,
            "log_group_name": self.function.logs_group_name,
            "log_stream_name": self.stream,
            "timeout": float(self.function.timeout),
        }

    def _variables(self) -> dict[str, str]:
        given = {name: str(value) for name, value in (self.function.environment_vars or {}).items()}
        return {
            **given,
            "_HANDLER": str(self.function.handler),
            "LAMBDA_TASK_ROOT": str(extracted(self.world, self.function)),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.function.run_time}",
            "AWS_LAMBDA_FUNCTION_NAME": self.function.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": str(self.function.version),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": self.function.logs_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
        }


def extracted(world: World, function: LambdaFunction) -> Path:
    """The function's code on disk, unpacked once per content."""
    target = world.place.functions / digest(function.code_bytes)[:24]
    with _extracting:
        if not target.exists():
            draft = target.with_suffix(".draft")
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                archive.extractall(draft)
            draft.rename(target)
    return target
