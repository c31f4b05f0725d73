"""Small objects of the bucket that several functions read."""

from botocore.exceptions import ClientError

from opsctl.domain.champions import found, pointer_key


def read(s3, bucket, key):
    """What an object holds; None where there is none."""
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise


def champion_of(s3, bucket, machine):
    """The record of a machine's champion, with the tag on whose condition it may be replaced."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=pointer_key(machine))
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return found(machine, None)
        raise
    return found(machine, answer["Body"].read(), answer["ETag"])
