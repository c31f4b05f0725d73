"""Fetch the run's own copy of fetch.py and become it, so that no image is built to change the code.

On Spot capacity (`TRY_AGAIN` is set) Batch is asked for more attempts than the script may fail: the script's own
failure is turned into that exit code as long as it may be tried again, and stays what it is after that.
"""

import os
import sys
import traceback
from urllib.parse import urlsplit

import boto3


def run():
    """Return the script's exit code."""
    try:
        uri = urlsplit(os.environ["CODE_URI"])
        source = boto3.client("s3").get_object(Bucket=uri.netloc, Key=uri.path.lstrip("/") + "fetch.py")["Body"].read()
        sys.argv = ["fetch.py"]
        exec(compile(source, "fetch.py", "exec"), {"__name__": "__main__", "__file__": "fetch.py"})  # noqa: S102
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001, whatever it is, it is the script's failure
        traceback.print_exc()
        return 1
    return 0


code = run()
again = int(os.environ.get("AWS_BATCH_JOB_ATTEMPT", "1")) < int(os.environ.get("SCRIPT_ATTEMPTS", "0"))
sys.exit(int(os.environ["TRY_AGAIN"]) if code and again else code)
