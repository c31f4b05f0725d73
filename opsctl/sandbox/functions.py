"""Lambda functions: the API on moto's backend, whose calls are processes (`functioncall`)."""

from __future__ import annotations

import json
import logging
from functools import partial
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
from opsctl.sandbox.functioncall import Call, Invocation
from opsctl.sandbox.jobs import room
from opsctl.sandbox.nursery import Zygote
from opsctl.sandbox.world import World

REQUEST_ID = "x-amzn-requestid"
logger = logging.getLogger(__name__)


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
        self.calls.call(wishes, payload, partial(self._answer, function, payload))

    def _answer(self, function: LambdaFunction, payload: bytes) -> Answer:
        done = self.run(function, payload)
        return Answer(done.payload, done.error, done.version)

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
            return Call(self.world, function, place, self.zygote.start).run(payload)


class FunctionsResponse(LambdaResponse):
    """moto's actions; the request id of an Invoke is the one that the function's log lines bear, as on AWS."""

    @staticmethod
    def _enrich_response(headers: dict[str, str], body: Any) -> tuple[dict[str, str], Any]:
        own = headers.get(REQUEST_ID)
        headers, body = LambdaResponse._enrich_response(headers, body)
        return ({**headers, REQUEST_ID: own} if own else headers), body


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
