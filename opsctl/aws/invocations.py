"""SageMaker's real-time endpoints: one request, one answer."""

from __future__ import annotations

from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws
from opsctl.domain.predictions import said
from opsctl.errors import AwsError, ConfigurationError, UsageError


def invoke(aws: Aws, endpoint: str, body: bytes) -> bytes:
    """The endpoint's answer to a JSON request.

    Raises UsageError where the model refuses the request, AwsError where it fails on it, ConfigurationError where no
    such endpoint is in service.
    """
    from botocore.exceptions import ClientError

    with aws.explained("sagemaker:InvokeEndpoint", endpoint):
        try:
            answer = aws.client("sagemaker-runtime").invoke_endpoint(
                EndpointName=endpoint, ContentType="application/json", Accept="application/json", Body=body
            )
        except ClientError as error:
            code = code_of(error)
            if code == "ModelError":
                status = int(error.response.get("OriginalStatusCode") or 500)
                message = said(str(error.response.get("OriginalMessage") or error))
                refused = 400 <= status < 500
                kind = UsageError if refused else AwsError
                raise kind(f"the model {'refuses' if refused else 'fails on'} the request: {message}") from error
            if code in ("ValidationError", "ValidationException"):
                text = str(error.response.get("Error", {}).get("Message") or code)
                raise ConfigurationError(text, "--endpoint names another one; a deployment makes it") from error
            raise
        content: bytes = answer["Body"].read()
    return content
