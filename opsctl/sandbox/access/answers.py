"""How a service says that somebody may not: status, error code and message, which differ by protocol and service."""

from __future__ import annotations

Answer = tuple[int, str, str]
# Services that speak the query protocol or XML, and what they call it; all others say AccessDeniedException.
_CODES = {
    "s3": (403, "AccessDenied"),
    "ec2": (403, "UnauthorizedOperation"),
    "iam": (403, "AccessDenied"),
    "sns": (403, "AuthorizationError"),
    "sqs": (403, "AccessDenied"),
    "sts": (403, "AccessDenied"),
    "monitoring": (403, "AccessDenied"),
}
# Of those that speak JSON, these answer 403, as REST does.
_REST = frozenset({"batch", "lambda", "scheduler"})


def denied(action: str, message: str) -> Answer:
    """The answer to a request that is not allowed."""
    service = action.partition(":")[0]
    status, code = _CODES.get(service, (403 if service in _REST else 400, "AccessDeniedException"))
    return status, code, message


def unknown_key(action: str) -> Answer:
    """The answer to a request that bears nobody's access key."""
    service = action.partition(":")[0]
    if service == "s3":
        return 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    code = "InvalidClientTokenId" if service in _CODES else "UnrecognizedClientException"
    return 403, code, "The security token included in the request is invalid."
