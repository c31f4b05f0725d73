"""What AWS's errors mean to the user: one table from error code to one of our errors.

Wrap a call in `explained("states:StartExecution", arn, apply)`: the action and the resource are what a missing
permission is reported with, and `apply` is the command that brings the deployment about, which in the sandbox must be
another one than on AWS (`Context.apply_command`). Codes that mean something to the caller (a claim that is taken, a key
that is not there) are handled by the caller, before this.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opsctl.errors import AwsError, ConfigurationError, OpsError, RefusedError, ThrottledError, UsageError

_CREDENTIALS_HINT = "log in again (aws sso login), or choose other credentials with --profile"
_ENDPOINT_HINT = "check the network and --endpoint-url; for the sandbox: opsctl sandbox status"


@dataclass(frozen=True)
class _Rule:
    kind: Callable[[str, str | None], OpsError]
    message: str
    hint: str | None = None


_DENIED = _Rule(
    ConfigurationError,
    "not allowed: {action} on {resource}",
    "ask for a policy that allows it, or use another --profile",
)
_CREDENTIALS = _Rule(ConfigurationError, "AWS does not accept these credentials: {text}", _CREDENTIALS_HINT)
_THROTTLED = _Rule(ThrottledError, "AWS throttles {action} and went on doing so: {text}", "wait a minute and try again")
_NO_MACHINE = _Rule(ConfigurationError, "the state machine {resource} does not exist", "run {apply}")
_NO_BUCKET = _Rule(ConfigurationError, "the bucket of {resource} does not exist", "run {apply}")

BY_CODE = {
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "403": _DENIED,
    "AuthFailure": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "ExpiredTokenException": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidSignatureException": _CREDENTIALS,
    "MissingAuthenticationToken": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "RequestTimeTooSkewed": _Rule(
        ConfigurationError, "the clock of this machine is not AWS's: {text}", "set it: timedatectl set-ntp true"
    ),
    "RequestLimitExceeded": _THROTTLED,
    "SlowDown": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "StateMachineDoesNotExist": _NO_MACHINE,
    "StateMachineDeleting": _Rule(
        ConfigurationError, "the state machine {resource} is being deleted", "wait until it is gone, then run {apply}"
    ),
    "StateMachineTypeNotSupported": _Rule(
        RefusedError, "{resource} is an Express machine; {action} works on Standard ones"
    ),
    "ExecutionDoesNotExist": _Rule(
        UsageError, "the run {resource} does not exist, or its history is gone", "opsctl list shows the runs there are"
    ),
    "ExecutionLimitExceeded": _Rule(AwsError, "too many open executions in this account", "wait until some have ended"),
    "InvalidExecutionInput": _Rule(UsageError, "AWS refuses the run input: {text}"),
    "InvalidName": _Rule(UsageError, "AWS refuses the name: {text}"),
    "InvalidArn": _Rule(UsageError, "{resource} is not an ARN of that kind"),
    "NoSuchBucket": _NO_BUCKET,
    "PermanentRedirect": _Rule(ConfigurationError, "the bucket of {resource} is in another region", "check --region"),
    "KMS.AccessDeniedException": _DENIED,
}
# botocore's own exceptions, by class name: nothing of botocore is imported until one is raised.
BY_EXCEPTION = {
    "ConfigNotFound": _Rule(ConfigurationError, "{text}", "check AWS_CONFIG_FILE"),
    "ConfigParseError": _Rule(ConfigurationError, "{text}", "mend the AWS configuration file"),
    "ConnectTimeoutError": _Rule(ConfigurationError, "no connection: {text}", _ENDPOINT_HINT),
    "ConnectionClosedError": _Rule(AwsError, "{text}", _ENDPOINT_HINT),
    "CredentialRetrievalError": _Rule(ConfigurationError, "{text}", _CREDENTIALS_HINT),
    "EndpointConnectionError": _Rule(ConfigurationError, "{text}", _ENDPOINT_HINT),
    "InvalidConfigError": _Rule(ConfigurationError, "{text}", "mend the AWS configuration file"),
    "InvalidEndpointURLError": _Rule(ConfigurationError, "{text}", "check --endpoint-url"),
    "InvalidRegionError": _Rule(ConfigurationError, "{text}", "check --region"),
    "NoCredentialsError": _Rule(
        ConfigurationError,
        "no AWS credentials found",
        "set a --profile, or log in; to try without AWS: opsctl sandbox up",
    ),
    "NoRegionError": _Rule(ConfigurationError, "no AWS region is set", "name one with --region"),
    "PartialCredentialsError": _Rule(ConfigurationError, "{text}", _CREDENTIALS_HINT),
    "ProfileNotFound": _Rule(ConfigurationError, "{text}", "aws configure list-profiles shows those there are"),
    "ProxyConnectionError": _Rule(ConfigurationError, "{text}", "check HTTPS_PROXY and NO_PROXY"),
    "ReadTimeoutError": _Rule(AwsError, "{text}", _ENDPOINT_HINT),
    "SSLError": _Rule(ConfigurationError, "{text}", "check AWS_CA_BUNDLE and --endpoint-url"),
    "SSOTokenLoadError": _Rule(ConfigurationError, "{text}", _CREDENTIALS_HINT),
    "TokenRetrievalError": _Rule(ConfigurationError, "{text}", _CREDENTIALS_HINT),
    "UnauthorizedSSOTokenError": _Rule(ConfigurationError, "{text}", _CREDENTIALS_HINT),
}


@contextlib.contextmanager
def explained(action: str, resource: str, apply: str) -> Iterator[None]:
    """Turn what botocore raises inside into an OpsError.

    `action` is IAM's name of it, `resource` an ARN or address, `apply` the command that applies the module there.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise from_client_error(error, action, resource, apply) from error
    except BotoCoreError as error:
        rule = BY_EXCEPTION.get(type(error).__name__, _Rule(AwsError, "{action}: {text}"))
        raise _error(rule, action, resource, str(error), apply) from error
    except ResponseParserError as error:  # a proxy's page, say
        raise AwsError(f"{action}: what answered is not AWS: {' '.join(str(error).split())}", _ENDPOINT_HINT) from error


def code_of(error: Any) -> str:
    """The error code of a ClientError, without the shape's prefix or suffix that some services add."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rpartition("#")[2].partition(":")[0]


def from_client_error(error: Any, action: str, resource: str, apply: str) -> OpsError:
    """The OpsError for a ClientError."""
    return from_code(code_of(error), str(error.response.get("Error", {}).get("Message") or ""), action, resource, apply)


def from_code(code: str, text: str, action: str, resource: str, apply: str) -> OpsError:
    """The OpsError for an error code of AWS, and the text that came with it."""
    rule = BY_CODE.get(code, _Rule(AwsError, f"{{action}} failed ({code}): {{text}}"))
    return _error(rule, action, resource, text or code, apply)


def _error(rule: _Rule, action: str, resource: str, text: str, apply: str) -> OpsError:
    one_line = " ".join(text.split())
    hint = rule.hint and rule.hint.format(apply=apply)
    return rule.kind(rule.message.format(action=action, resource=resource, text=one_line), hint)
