"""Which API action a request asks for, in IAM's words: `sagemaker:CreateTrainingJob`, read with botocore's models."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, ServiceModel

# Where a service signs its requests, and IAM writes its actions, by another name than botocore's.
BOTOCORE_NAMES = {"states": "stepfunctions", "monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}
# Services of botocore's whose requests another one's name signs.
BESIDES = {"sagemaker": ("sagemaker-runtime",)}
SCOPE = re.compile(r"Credential=[^/]*/\d{8}/[^/]*/([a-z0-9-]+)/aws4_request")
RPC_PATH = re.compile(r"/service/[^/]+/operation/([A-Za-z0-9]+)")
LABEL = re.compile(r"\\\{\w+(\\\+)?\\\}")


class UnknownActionError(ValueError):
    """No service has such an action; the message says what it may have meant."""


def action_of(environ: Mapping[str, Any], body: bytes) -> str | None:
    """The action of a WSGI request, None for one that is not signed. An operation that nobody knows is `?`."""
    signed = SCOPE.search(environ.get("HTTP_AUTHORIZATION", "")) or SCOPE.search(_presigned(environ))
    if signed is None:
        return None
    service = signed[1]
    return f"{service}:{_operation(service, environ, body) or '?'}"


def find_actions(pattern: str) -> list[str]:
    """The actions that a pattern such as `sagemaker:Create*` names, spelled right. Raises UnknownActionError."""
    service, _, operation = pattern.partition(":")
    service = {value: name for name, value in BOTOCORE_NAMES.items()}.get(service.lower(), service.lower())
    models = _models(service)
    if not models:
        near = difflib.get_close_matches(service, _services(), n=2)
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        raise UnknownActionError(f"there is no service {service!r}{hint}")
    names = [name for model in models for name in model.operation_names]
    found = fnmatch.filter([name.lower() for name in names], operation.lower() or "?")
    if not found:
        near = difflib.get_close_matches(operation, names, n=2)
        hint = f": did you mean {' or '.join(f'{service}:{name}' for name in near)}?" if near else ""
        raise UnknownActionError(f"{service} has no action {operation!r}{hint}")
    return [f"{service}:{name}" for name in names if name.lower() in found]


def operation_model(action: str) -> OperationModel | None:
    """What botocore knows of an action, such as where its parameters stand."""
    service, _, operation = action.partition(":")
    models = (model for model in _models(service) if operation in model.operation_names)
    return next((model.operation_model(operation) for model in models), None)


def error_status(action: str, code: str) -> int:
    """The HTTP status that a service answers an error with: its model's, or 500 for what is the service's own fault."""
    model = _model(action.partition(":")[0])
    for shape in model.error_shapes if model else ():
        error = shape.metadata.get("error", {})
        if code in (shape.name, error.get("code")) and "httpStatusCode" in error:
            return int(error["httpStatusCode"])
    usual = {"AccessDenied": 403, "ServiceUnavailable": 503, "SlowDown": 503}
    return usual.get(code, 500 if code.startswith("Internal") else 400)


def _presigned(environ: Mapping[str, Any]) -> str:
    given = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential")
    return f"Credential={given[0]}" if given else ""


def _operation(service: str, environ: Mapping[str, Any], body: bytes) -> str | None:
    """By the header of the JSON protocols, the path of RPC, the form of the query protocol, else by method and path."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target.rpartition(".")[2])
    path = environ.get("PATH_INFO", "/")
    rpc = RPC_PATH.search(path)
    if rpc:
        return rpc[1]
    if "urlencoded" in environ.get("CONTENT_TYPE", ""):
        named = parse_qs(body.decode("utf-8", "replace")).get("Action")
        if named:
            return named[0]
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    fitting = [
        (-len(needed), -len(pattern.pattern), name)
        for method, pattern, needed, name in _routes(service)
        if method == environ.get("REQUEST_METHOD")
        and pattern.fullmatch(path)
        and all(_is_given(kind, key, value, query, environ) for kind, key, value in needed)
    ]
    return min(fitting)[2] if fitting else None


def _is_given(
    kind: str, key: str, value: str | None, query: Mapping[str, list[str]], environ: Mapping[str, Any]
) -> bool:
    if kind == "header":
        return f"HTTP_{key.upper().replace('-', '_')}" in environ
    return key in query and (value is None or value in query[key])


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], tuple[tuple[str, str, str | None], ...], str]]:
    """Method, path, what else must be given (S3 has many actions on one path), and name of each action."""
    operations = [model.operation_model(name) for model in _models(service) for name in model.operation_names]
    return [(one.http["method"], _path(one), _needed(one), one.name) for one in operations]


def _path(operation: OperationModel) -> re.Pattern[str]:
    path = operation.http["requestUri"].partition("?")[0].rstrip("/")
    # A key of S3's may hold a line break.
    return re.compile(LABEL.sub(lambda label: ".+" if label[1] else "[^/]+", re.escape(path)) + "/?", re.DOTALL)


def _needed(operation: OperationModel) -> tuple[tuple[str, str, str | None], ...]:
    fixed = parse_qs(operation.http["requestUri"].partition("?")[2], keep_blank_values=True)
    needed: list[tuple[str, str, str | None]] = [("query", key, values[0] or None) for key, values in fixed.items()]
    shape = operation.input_shape
    for name in shape.required_members if shape else ():
        place = shape.members[name].serialization
        if place.get("location") in ("querystring", "header"):
            needed.append(("header" if place["location"] == "header" else "query", place["name"], None))
    return tuple(needed)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def _services() -> list[str]:
    names: list[str] = _session().get_available_services()
    return [*names, *BOTOCORE_NAMES]


def _models(service: str) -> list[ServiceModel]:
    """All that is signed by a service's name."""
    found = (_model(name) for name in (service, *BESIDES.get(service, ())))
    return [model for model in found if model]


@cache
def _model(service: str) -> ServiceModel | None:
    try:
        return _session().get_service_model(BOTOCORE_NAMES.get(service, service))
    except UnknownServiceError:
        return None
