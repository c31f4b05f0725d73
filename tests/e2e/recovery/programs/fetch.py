"""The fetch job: copies the data set below the run's own prefix, then behaves as its mark says (see job.py).

It stands alone, as the real one does: the job downloads nothing but this file. It asks as its role, but without boto3,
which takes half a second of the processor to be imported: dozens of these run at once on CI.
"""

import os
import re
import time
from http.client import HTTPConnection
from pathlib import Path

MARKS = Path("@MARKS@")


def main():
    """Copy all of it, in one listing."""
    bucket, _, source = os.environ["DATA_INPUT_PATH"].removeprefix("s3://").partition("/")
    target = os.environ["OUTPUT_PATH"].removeprefix(f"s3://{bucket}/")
    s3 = HTTPConnection(os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"))
    keys = re.findall("<Key>(.+?)</Key>", ask(s3, "GET", f"/{bucket}?list-type=2&prefix={source}"))
    if not keys:
        raise SystemExit(f"nothing lies below {source}")
    for key in keys:
        print(f"copying {key}")
        ask(s3, "PUT", f"/{bucket}/{target}{key.removeprefix(source)}", {"x-amz-copy-source": f"/{bucket}/{key}"})
    behave(MARKS / f"{target.split('/')[1]}.fetch-preprocessed-data")


def ask(s3, method, path, headers=None):
    """What S3 answers to whoever the job's keys belong to; who that is, the sandbox reads from the key alone."""
    scope = f"{os.environ['AWS_ACCESS_KEY_ID']}/20260101/{os.environ['AWS_REGION']}/s3/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
    token = os.environ.get("AWS_SESSION_TOKEN", "")
    s3.request(method, path, headers={"Authorization": signed, "x-amz-security-token": token, **(headers or {})})
    answer = s3.getresponse()
    said = answer.read().decode()
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {said}")
    return said


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
