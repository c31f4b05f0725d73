"""From a request as it arrives to whose key it bears and what it asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from opsctl.sandbox.access.storage_needs import Asked, asked
from opsctl.sandbox.actions import action_of, operation_model

KEY = re.compile(r"Credential=([^/,\s]+)/")


def key_of(environ: Mapping[str, Any]) -> str | None:
    """The access key that signed a request, in its header or, as in a presigned URL, in its address."""
    found = KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found:
        return found[1]
    given = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential")
    return given[0].partition("/")[0] if given else None


def call_of(environ: Mapping[str, Any], body: bytes) -> tuple[str, Mapping[str, Any] | Asked]:
    """The action of a signed request, and its parameters."""
    action = action_of(environ, body) or "?:?"
    service, _, operation = action.partition(":")
    if service != "s3":
        return action, _parameters(action, environ, body)
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return action, asked(operation, _path(environ), environ.get("QUERY_STRING", ""), headers, body)


def _parameters(action: str, environ: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """By the protocol: a JSON body, a form, or path, query and body together."""
    if environ.get("HTTP_X_AMZ_TARGET"):
        return _document(body)
    if "urlencoded" in environ.get("CONTENT_TYPE", ""):
        return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    model = operation_model(action)
    if model is None:
        return {}
    query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    members = model.input_shape.members if model.input_shape else {}
    in_query = {
        name: query[shape.serialization["name"]]
        for name, shape in members.items()
        if shape.serialization.get("location") == "querystring" and shape.serialization["name"] in query
    }
    # Batch and Lambda say in lower camel case what other services say in the model's own.
    return {**_document(body), **in_query, **_labels(model.http["requestUri"], _path(environ))}


def _labels(address: str, path: str) -> dict[str, str]:
    """What stands in a path in the places of its labels, such as `/functions/{FunctionName}/invocations`."""
    pattern = re.sub(
        r"\\\{(\w+)(\\\+)?\\\}",
        lambda label: f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})",
        re.escape(address.partition("?")[0].rstrip("/")),
    )
    found = re.fullmatch(pattern + "/?", path, re.DOTALL)
    return {name: unquote(value) for name, value in found.groupdict().items()} if found else {}


def _path(environ: Mapping[str, Any]) -> str:
    """WSGI hands paths over as Latin-1, whatever they are in."""
    return str(environ.get("PATH_INFO", "/")).encode("latin-1", "replace").decode("utf-8", "replace")


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
