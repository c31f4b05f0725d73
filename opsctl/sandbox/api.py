"""What our extensions of moto's services share: errors of our own and the way to put a class in a service's place."""

from __future__ import annotations

from types import ModuleType

from moto.core.exceptions import ServiceException
from moto.core.responses import BaseResponse


class ApiError(ServiceException):
    """An AWS error answer: `ApiError(code, message)`. (moto's own class looks for a service named like its module.)"""


def validation_error(value: str, member: str, constraint: str) -> ApiError:
    """AWS's words for a parameter that breaks its model."""
    return ApiError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}",
    )


def serve(urls: ModuleType, response: type[BaseResponse]) -> None:
    """Let `response` answer every path of a service. Must happen before the service's first request."""
    for path in urls.url_paths:
        urls.url_paths[path] = response.dispatch
