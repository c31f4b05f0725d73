"""The fetch job: copies the data set below the run's own prefix, then behaves as its mark says (see job.py).

It stands alone, as the real one does: the job downloads nothing but this file.
"""

import os
import time
from pathlib import Path

import boto3

MARKS = Path("@MARKS@")


def main():
    """Copy all of it, in one listing."""
    bucket, _, source = os.environ["DATA_INPUT_PATH"].removeprefix("s3://").partition("/")
    target = os.environ["OUTPUT_PATH"].removeprefix(f"s3://{bucket}/")
    s3 = boto3.client("s3")
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=source)["Contents"]:
        place = {"Bucket": bucket, "Key": item["Key"]}
        print(f"copying {item['Key']}")
        s3.copy_object(Bucket=bucket, Key=target + item["Key"].removeprefix(source), CopySource=place)
    behave(MARKS / f"{target.split('/')[1]}.fetch-preprocessed-data")


def behave(mark):
    """Once: fail, or hang with our process number in a file."""
    taken = mark.with_name(f"{mark.name}.taken")
    try:
        mark.rename(taken)
    except FileNotFoundError:
        return
    if taken.read_text() == "fail":
        raise SystemExit("made to fail")
    hangs = mark.with_name(f"{mark.name}.draft")
    hangs.write_text(str(os.getpid()))
    hangs.rename(mark.with_name(f"{mark.name}.hangs"))
    time.sleep(600)


main()
