"""SageMaker's descriptions of what may be there or not."""

from botocore.exceptions import ClientError

GONE = ("ValidationException", "ResourceNotFound")  # SageMaker's words for what is not there


def described(describe, **name):
    """What a describing call says of a name; None where there is no such thing."""
    try:
        return describe(**name)
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            return None
        raise
