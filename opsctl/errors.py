"""The errors that a user may meet, and the exit code that each one ends the command with.

Anything raised as an `OpsError` is printed as `error: message` and `hint: hint`, never as a traceback.
The exit codes are part of the command line's contract (README, "Exit codes").
"""

from __future__ import annotations

import errno

OK = 0
FAILED = 1
USAGE = 2
REFUSED = 3
CONFIGURATION = 4
AWS = 5
WAIT_TIMED_OUT = 124
INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What an OSError says where there is no room for a file: the command ends FAILED, and can be repeated."""
UNREAD = 141
"""What a shell says of a program that SIGPIPE ended."""


def reason(error: OSError | ValueError) -> str:
    """Why a file cannot be read or written, without the number and the path that Python adds."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class OpsError(Exception):
    """Something the user can act on: one line that says what, one that says what to do about it."""

    exit_code = FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(OpsError):
    """The words of the command are wrong: an unknown step, run, key or file."""

    exit_code = USAGE


class RefusedError(OpsError):
    """The request is understood, and not safe or not possible now. The hint says what would make it so."""

    exit_code = REFUSED


class ConfigurationError(OpsError):
    """No Terraform outputs, no credentials, no sandbox, no provider."""

    exit_code = CONFIGURATION


class AwsError(OpsError):
    """AWS answered with an error that no rule of ours explains better."""

    exit_code = AWS


class ThrottledError(AwsError):
    """AWS wants fewer requests, and still did after all retries. Whoever has time waits and asks again."""


class WaitTimedOutError(OpsError):
    """`--wait` reached its limit; the run itself goes on."""

    exit_code = WAIT_TIMED_OUT
