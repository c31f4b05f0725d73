"""Who the credentials belong to."""

from __future__ import annotations

from opsctl.aws.session import Aws


def caller(aws: Aws) -> str:
    """The ARN of the user or role session. AWS lets everybody ask."""
    with aws.explained("sts:GetCallerIdentity", "the caller"):
        arn: str = aws.client("sts").get_caller_identity()["Arn"]
    return arn
