"""Lambda functions: the API on moto's backend, each invocation a real Python process with the function's code."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import moto.awslambda.models
import moto.awslambda.urls
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.core.config import default_user_config

from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.api import serve
from opsctl.sandbox.asynchronous import Answer, AsynchronousCalls, Wishes
from opsctl.sandbox.clients import Clients
from opsctl.sandbox.environment import environment
from opsctl.sandbox.jobroles import writer
from opsctl.sandbox.jobs import Room, room
from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.nursery import Zygote
from opsctl.sandbox.processes import Start
from opsctl.sandbox.storage import digest
from opsctl.sandbox.world import World

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
INIT_SECONDS = 30.0
TAIL_BYTES = 4096
TICK_SECONDS = 0.02
REQUEST_ID = "x-amzn-requestid"
logger = logging.getLogger(__name__)
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


class RunningFunction(LambdaFunction):
    """moto's function, which runs whoever calls it (SNS and S3 call it without the API), and has a LoggingConfig."""

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1) -> None:
        super().__init__(account_id, spec, region, version)
        self._set_logging(spec.get("LoggingConfig") or {})
        self.dead_letter_config: dict[str, str] = spec.get("DeadLetterConfig") or {}

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """The document of GetFunctionConfiguration."""
        more: dict[str, Any] = {"LoggingConfig": dict(self.logging_config)}
        if self.dead_letter_config.get("TargetArn"):
            more["DeadLetterConfig"] = self.dead_letter_config
        return {**super().get_configuration(on_create), **more}

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """UpdateFunctionConfiguration."""
        if config_updates.get("LoggingConfig"):
            self._set_logging(config_updates["LoggingConfig"])
        if "DeadLetterConfig" in config_updates:
            self.dead_letter_config = config_updates["DeadLetterConfig"] or {}
        if "KMSKeyArn" in config_updates:
            self.kms_key_arn = config_updates["KMSKeyArn"] or None
        return super().update_configuration(config_updates)

    def _set_logging(self, config: dict[str, Any]) -> None:
        group = config.get("LogGroup") or f"/aws/lambda/{self.function_name}"
        self.logging_config = {"LogFormat": "Text", **config, "LogGroup": group}
        self.logs_group_name = group

    def _invoke_lambda(self, event: Any = None) -> tuple[str, bool, str]:
        done = functions(FunctionsBackend.world).run(self, json.dumps({} if event is None else event).encode())
        return done.payload.decode(), done.error is not None, "\n".join(done.lines)


class FunctionsBackend(LambdaBackend):
    """moto's Lambda, with functions that run."""

    calls: ClassVar[AsynchronousCalls]
    world: ClassVar[World]
    zygote: ClassVar[Zygote]

    @property
    def _url_module(self) -> Any:
        return moto.awslambda.urls

    def invoke(
        self, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> str | bytes | None:
        """Invoke: RequestResponse waits, Event does not, DryRun only looks whether the function is there."""
        function = self.get_function(function_name, qualifier)
        kind = headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        payload = _check_payload(body)
        if kind == "DryRun":
            return b""
        if kind == "Event":
            self.call(function, payload)
            return b""
        done = self.run(function, payload)
        response_headers[REQUEST_ID] = done.request
        response_headers["x-amz-executed-version"] = done.version
        response_headers["x-amz-log-result"] = done.tail
        if done.error:
            response_headers["x-amz-function-error"] = done.error
        return done.payload

    def call(self, function: LambdaFunction, payload: bytes) -> None:
        """Call the function asynchronously; returns at once."""
        settings = function.event_invoke_config
        dead_letters = getattr(function, "dead_letter_config", {}).get("TargetArn")
        wishes = Wishes(
            function.function_arn, str(function.role), settings[-1].config if settings else {}, dead_letters
        )

        def run() -> Answer:
            done = self.run(function, payload)
            return Answer(done.payload, done.error, done.version)

        self.calls.call(wishes, payload, run)

    def put_function_event_invoke_config(self, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        """PutFunctionEventInvokeConfig: moto keeps the first that ever was, and answers with it."""
        self.get_function(function_name).event_invoke_config.clear()
        return super().put_function_event_invoke_config(function_name, config)

    def update_function_event_invoke_config(self, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        """UpdateFunctionEventInvokeConfig: changes what it names."""
        kept = self.get_function(function_name).event_invoke_config
        return self.put_function_event_invoke_config(function_name, {**(kept[-1].config if kept else {}), **config})

    def run(self, function: LambdaFunction, payload: bytes) -> Invocation:
        """Run the function once and wait for it. Raises LambdaClientError if the sandbox cannot run such functions."""
        if function.package_type != "Zip" or not str(function.run_time).startswith("python"):
            raise LambdaClientError("InvalidRuntimeException", "the sandbox runs zipped Python functions only")
        role = str(function.role)
        if not self.world.access.trusts(role, "lambda.amazonaws.com", function.function_arn):
            raise LambdaClientError(
                "AccessDeniedException", "The role defined for the function cannot be assumed by Lambda."
            )
        about = {"aws:lambda:FunctionArn": function.function_arn}
        try:
            self.world.access.demand_key(
                role, function.function_name, function.kms_key_arn, ["kms:Decrypt"], "lambda", about
            )
        except DeniedError as denied:
            raise LambdaClientError(
                "KMSAccessDeniedException",
                "Lambda was unable to decrypt the environment variables because KMS access was denied. Please check "
                f"the function's KMS key settings. KMS Exception: AccessDeniedException KMS Message: {denied}",
            ) from denied
        with room(self.world, "lambda", function.function_name, role) as place:
            return _Call(self.world, function, place, self.zygote.start).run(payload)


class FunctionsResponse(LambdaResponse):
    """moto's actions; the request id of an Invoke is the one that the function's log lines bear, as on AWS."""

    @staticmethod
    def _enrich_response(headers: dict[str, str], body: Any) -> tuple[dict[str, str], Any]:
        own = headers.get(REQUEST_ID)
        headers, body = LambdaResponse._enrich_response(headers, body)
        return ({**headers, REQUEST_ID: own} if own else headers), body


class _Call:
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


def install(world: World, clients: Clients) -> None:
    """Put the backend in place."""
    FunctionsBackend.calls = AsynchronousCalls(clients)
    FunctionsBackend.world = world
    FunctionsBackend.zygote = Zygote(world.place, environment({"url": world.url, "region": world.region}))
    # moto's other backend, without docker, only echoes; ours never asks for docker at all.
    default_user_config["lambda"] = {"use_docker": True}
    models: Any = moto.awslambda.models
    models.lambda_backends.backend = FunctionsBackend
    models.LambdaFunction = RunningFunction
    serve(moto.awslambda.urls, FunctionsResponse)


def functions(world: World) -> FunctionsBackend:
    """The backend of the sandbox's account and region."""
    backend: Any = moto.awslambda.models.lambda_backends[world.account][world.region]
    found: FunctionsBackend = backend
    return found


def _check_payload(body: Any) -> bytes:
    text = body.decode() if isinstance(body, bytes) else body or "{}"
    try:
        json.loads(text)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise LambdaClientError("InvalidRequestContentException", message) from error
    return str(text).encode()
