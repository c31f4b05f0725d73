"""The Lambda functions, run from their packages as Lambda runs them, with real boto3 against moto."""

import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID, set_initial_no_auth_action_count
from moto.sns import sns_backends

from opsctl.domain.names import job_prefix

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "documents-123456789012-us-east-1"
ARN = "arn:aws:states:us-east-1:123456789012:execution:documents-training:nightly-7"
CODE = {"fetch.py": b"print('fetch')\n", "text.py": b"print('text')\n"}
PIPELINE = {
    "bucket": BUCKET,
    "code_prefix": "code/",
    "default_data_source": f"s3://{BUCKET}/datasets/sample/",
    "hyperparameters": {"evaluate": {}, "text_model": {"epochs": "6", "max_lr": "0.02"}},
    "needs": {
        "train-text-model": ["fetch-preprocessed-data"],
        "evaluate": ["fetch-preprocessed-data", "train-text-model"],
    },
    "steps": ["fetch-preprocessed-data", "train-text-model", "evaluate"],
}


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load(ROOT / "functions/build.py", "functions_build")
prepare_run = load(ROOT / "functions/prepare_run/handler.py", "prepare_run_handler")
describe_failure = load(ROOT / "functions/describe_failure/handler.py", "describe_failure_handler")


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    for key in list(os.environ):
        if key.startswith("AWS_"):
            monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with mock_aws():
        yield


# prepare_run


@pytest.fixture
def bucket():
    s3 = boto3.resource("s3")
    bucket = s3.create_bucket(Bucket=BUCKET)
    upload(bucket, CODE)
    upload(bucket, {"stack-1/pages.jsonl": b"{}"}, prefix="datasets/sample/")
    return bucket


def upload(bucket, files, prefix="code/"):
    for name, body in files.items():
        bucket.put_object(Key=f"{prefix}{name}", Body=body)


def below(bucket, prefix):
    return {item.key.removeprefix(prefix): item.get()["Body"].read() for item in bucket.objects.filter(Prefix=prefix)}


def prepare(run_input, name="nightly-7"):
    return prepare_run.handler({"arn": ARN, "execution": name, "input": run_input, "pipeline": PIPELINE}, None)


def test_an_empty_input_is_a_full_run_with_the_defaults(bucket):
    run = prepare({})
    uri = f"s3://{BUCKET}/runs/nightly-7/"
    files = {name: hashlib.sha256(body).hexdigest() for name, body in CODE.items()}
    lines = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    assert run == {
        "name": "nightly-7",
        "prefix": uri,
        "job_prefix": "nightly-7",
        "code": {"uri": f"{uri}code/", "sha256": hashlib.sha256(lines.encode()).hexdigest()},
        "data": {"source": f"s3://{BUCKET}/datasets/sample/"},
        "hyperparameters": PIPELINE["hyperparameters"],
        "steps": {step: {"uri": f"{uri}{step}/"} for step in PIPELINE["steps"]},
    }
    assert below(bucket, "runs/nightly-7/code/") == CODE
    assert json.loads(below(bucket, "runs/nightly-7/")["code.json"])["files"] == files


def test_what_a_run_reads_from_others_is_on_record(bucket):
    own, other = f"s3://{BUCKET}/runs/nightly-8/evaluate", f"s3://{BUCKET}/runs/nightly-7/train-text-model"
    reuse = {"evaluate": {"run": "nightly-7", "uri": own}, "train-text-model": {"run": "nightly-7", "uri": other}}
    upload(bucket, {"model.tar.gz": b"{}"}, prefix="runs/nightly-7/train-text-model/")
    prepare({"skip": {"evaluate": True, "train_text_model": True}, "reuse": reuse}, name="nightly-8")
    assert json.loads(below(bucket, "runs/nightly-8/")["code.json"])["reads"] == [f"{other}/"]


def test_a_result_that_is_gone_from_another_runs_prefix_is_refused_before_anything_is_paid_for(bucket):
    gone = f"s3://{BUCKET}/runs/nightly-6/train-text-model/"
    upload(bucket, {"model.tar.gz": b"{}"}, prefix="runs/nightly-6/train-text-model-2/")
    with pytest.raises(prepare_run.InvalidRunInput) as caught:
        prepare({"skip": {"train_text_model": True}, "reuse": {"train-text-model": {"run": "nightly-6", "uri": gone}}})
    told = f"reuse.train-text-model: nothing lies below {gone}; run the step again, or reuse what another run has"
    assert str(caught.value) == told
    assert below(bucket, "runs/nightly-7/") == {}


def test_what_the_input_says_takes_the_place_of_the_defaults(bucket):
    upload(bucket, {"model.tar.gz": b"{}"}, prefix="runs/nightly-6/train-text-model/")
    upload(boto3.resource("s3").create_bucket(Bucket="elsewhere"), {"mortgages/stack-1/pages.jsonl": b"{}"}, prefix="")
    run = prepare({
        "data": {"source": "s3://elsewhere/mortgages"},
        "hyperparameters": {"text_model": {"epochs": 80}},
        "skip": {"train_text_model": True},
        "reuse": {"train-text-model": {"run": "nightly-6", "uri": f"s3://{BUCKET}/runs/nightly-6/train-text-model"}},
        "rerun": {"of": "nightly-6", "from": ["Evaluate"], "root": "nightly-6"},
    })  # fmt: skip
    assert run["data"] == {"source": "s3://elsewhere/mortgages/"}
    assert run["hyperparameters"]["text_model"] == {"epochs": "80", "max_lr": "0.02"}
    assert run["steps"]["train-text-model"] == {"uri": f"s3://{BUCKET}/runs/nightly-6/train-text-model/"}
    assert run["steps"]["evaluate"] == {"uri": f"s3://{BUCKET}/runs/nightly-7/evaluate/"}


def test_a_foreign_executions_name_becomes_a_job_prefix_that_sagemaker_takes(bucket):
    run = prepare({}, name="8f2c_" * 16)
    assert (run["name"], run["job_prefix"]) == ("8f2c_" * 16, job_prefix("8f2c_" * 16))
    assert len(run["job_prefix"]) <= 24


def test_a_retry_and_a_redrive_keep_the_code_that_the_run_began_with(bucket):
    first = prepare({})
    upload(bucket, {"text.py": b"print('newer')\n", "image.py": b"print('new')\n"})
    assert prepare({}) == first
    assert below(bucket, "runs/nightly-7/code/") == CODE


def test_a_copy_that_was_cut_off_is_made_anew_from_one_state_of_the_code(bucket):
    upload(bucket, {"fetch.py": b"old"}, prefix="runs/nightly-7/code/")
    run = prepare({})
    assert below(bucket, "runs/nightly-7/code/") == CODE
    assert run["code"]["sha256"] == prepare({}, name="other")["code"]["sha256"]


def test_other_code_has_another_hash(bucket):
    first = prepare({})["code"]["sha256"]
    upload(bucket, {"text.py": b"print('newer')\n"})
    assert prepare({}, name="nightly-8")["code"]["sha256"] != first


def test_bad_input_is_refused_with_every_problem_before_anything_is_written(bucket):
    with pytest.raises(prepare_run.InvalidRunInput) as caught:
        prepare({"skip": {"train_txt_model": True}, "hyperparameters": {"text_model": {"epoch": 1}}})
    assert str(caught.value).splitlines() == [
        "hyperparameters.text_model.epoch: unknown key; the nearest known key is epochs",
        "skip.train_txt_model: unknown key; the nearest known key is train_text_model",
    ]
    assert below(bucket, "runs/") == {}


def test_a_skipped_step_whose_result_is_needed_is_refused_before_anything_is_paid_for(bucket):
    with pytest.raises(prepare_run.InvalidRunInput, match=r"^skip.train_text_model: evaluate would lack its result; "):
        prepare({"skip": {"train_text_model": True}})
    assert below(bucket, "runs/") == {}
    assert prepare({"skip": {"train_text_model": True, "evaluate": True}})["name"] == "nightly-7"


@pytest.mark.parametrize("run_input", [[], "x", None, 1])
def test_an_input_that_is_no_object_is_refused(bucket, run_input):
    with pytest.raises(prepare_run.InvalidRunInput, match="the run input must be an object"):
        prepare(run_input)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (f"s3://{BUCKET}/datasets/mortgage", f"nothing lies below s3://{BUCKET}/datasets/mortgage/"),
        (f"s3://{BUCKET}/datasets/mortgages-2/", f"nothing lies below s3://{BUCKET}/datasets/mortgages-2/"),
        ("s3://elsewhere/datasets/mortgages/", "there is no bucket of that name: s3://elsewhere/datasets/mortgages/"),
    ],
)
def test_a_data_set_that_is_not_there_is_refused_with_the_nearest(bucket, source, problem):
    upload(bucket, {"stack-1/pages.jsonl": b"{}"}, prefix="datasets/mortgages/")
    upload(bucket, {"": b""}, prefix="datasets/mortgages-2/")  # the console's mark of a folder
    with pytest.raises(prepare_run.InvalidRunInput) as caught:
        prepare({"data": {"source": source}})
    assert str(caught.value) == f"data.source: {problem}; the nearest data set is s3://{BUCKET}/datasets/mortgages/"
    assert below(bucket, "runs/") == {}


def test_without_any_data_set_the_refusal_says_where_one_belongs(bucket):
    bucket.objects.filter(Prefix="datasets/").delete()
    with pytest.raises(prepare_run.InvalidRunInput, match=f"; upload one below s3://{BUCKET}/datasets/$"):
        prepare({})


def test_data_that_is_not_fetched_need_not_be_there(bucket):
    bucket.objects.filter(Prefix="datasets/").delete()
    upload(bucket, {"stack-1/pages.jsonl": b"{}"}, prefix="runs/a/fetch-preprocessed-data/")
    reuse = {"fetch-preprocessed-data": {"run": "a", "uri": f"s3://{BUCKET}/runs/a/fetch-preprocessed-data/"}}
    run = prepare({"skip": {"fetch_preprocessed_data": True}, "reuse": reuse})
    assert run["data"] == {"source": f"s3://{BUCKET}/datasets/sample/"}


def test_a_bucket_that_the_function_may_not_list_is_left_to_the_fetch_job(bucket, monkeypatch):
    boto3.client("s3").create_bucket(Bucket="foreign")
    own = {"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}
    iam = boto3.client("iam")
    iam.create_user(UserName="function")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    iam.put_user_policy(UserName="function", PolicyName="own", PolicyDocument=policy)
    key = iam.create_access_key(UserName="function")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    boto3.setup_default_session()

    @set_initial_no_auth_action_count(0)
    def asked():
        with pytest.raises(ClientError, match="AccessDenied"):
            boto3.client("s3").list_objects_v2(Bucket="foreign")
        return prepare({"data": {"source": "s3://foreign/data/"}})

    assert asked()["data"] == {"source": "s3://foreign/data/"}


def test_without_code_the_run_fails_with_the_remedy(bucket):
    bucket.objects.filter(Prefix="code/").delete()
    with pytest.raises(FileNotFoundError, match="run terraform apply"):
        prepare({})


def test_another_error_of_s3_is_not_taken_for_missing_code():
    with pytest.raises(boto3.client("s3").exceptions.ClientError, match="NoSuchBucket"):
        prepare({})


# describe_failure

EVENTS = {
    "start": [("ExecutionStarted", {"input": "{}"})],
    "work": [
        ("TaskStateEntered", {"name": "Train Text Model", "input": "{}"}),
        ("TaskScheduled", {"resourceType": "sagemaker", "resource": "createTrainingJob.sync", "parameters": "{}"}),
    ],
    "timed out": [("ExecutionTimedOut", {})],
    "reported": [
        ("TaskFailed", {"error": "States.TaskFailed", "cause": "boom"}),
        ("TaskStateExited", {"name": "Train Text Model", "output": "{}"}),
        ("TaskStateEntered", {"name": "Notify Failure", "input": "{}"}),
        ("TaskScheduled", {"resourceType": "sns", "resource": "publish", "parameters": "{}"}),
        ("TaskSucceeded", {"resourceType": "sns", "resource": "publish", "output": "{}"}),
        ("TaskStateExited", {"name": "Notify Failure", "output": "{}"}),
        ("ExecutionFailed", {"error": "PipelineFailed"}),
    ],
    "redriven": [("ExecutionRedriven", {"redriveCount": 1})],
    "failed": [("ExecutionFailed", {"error": "PipelineFailed"})],
    "told well": [
        ("TaskStateEntered", {"name": "Notify Success", "input": "{}"}),
        ("TaskScheduled", {"resourceType": "sns", "resource": "publish", "parameters": "{}"}),
        ("TaskSucceeded", {"resourceType": "sns", "resource": "publish", "output": "{}"}),
        ("TaskStateExited", {"name": "Notify Success", "output": "{}"}),
        ("ExecutionSucceeded", {"output": "{}"}),
    ],
    "well": [("ExecutionSucceeded", {"output": "{}"})],
}


def history(*parts):
    events = [event for part in parts for event in EVENTS[part]]
    return [
        {"id": number, "previousEventId": number - 1, "timestamp": 1000.0 + number, "type": kind,
         kind_key(kind): details}
        for number, (kind, details) in enumerate(events, 1)
    ]  # fmt: skip


def kind_key(kind):
    if kind.endswith(("StateEntered", "StateExited")):
        return f"state{kind[-7:] if kind.endswith('Entered') else kind[-6:]}EventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


@contextmanager
def step_functions(monkeypatch, answers):
    """A server that answers GetExecutionHistory with each of `answers` in turn, the last one for good; two events a
    page. moto has no histories of real executions."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["X-Amz-Target"] == "AWSStepFunctions.GetExecutionHistory"
            assert request["executionArn"] == ARN
            first = int(request.get("nextToken", 0))
            events = answers[0]
            page = {"events": events[first : first + 2]}
            if first + 2 < len(events):
                page["nextToken"] = str(first + 2)
            elif len(answers) > 1:
                answers.pop(0)
            body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def topic(monkeypatch):
    """Both topics, and the bucket for claims; the topic of failures is returned."""
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setenv("BUCKET", BUCKET)
    arns = [
        boto3.client("sns").create_topic(Name=f"documents-{kind}")["TopicArn"] for kind in ("failures", "successes")
    ]
    for variable, arn in zip(("FAILURES_TOPIC", "SUCCESSES_TOPIC"), arns, strict=True):
        monkeypatch.setenv(variable, arn)
    return arns[0]


def published():
    backend = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    return [message for topic in backend.topics.values() for message in topic.sent_notifications]


def ended(status, redrives=0):
    detail = {"executionArn": ARN, "status": status, "redriveCount": redrives}
    return {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}


class Context:
    """Lambda's, of a function that has little time left after a second of waiting."""

    def __init__(self, request="one"):
        self.aws_request_id = request
        self.left = 30_500

    def get_remaining_time_in_millis(self):
        self.left -= 300
        return self.left


def test_the_machines_failures_become_the_alert_that_it_publishes():
    failures = [{"step": "Train Text Model", "failed": True, "failure": {"Error": "E", "Cause": "boom"}}]
    alert = describe_failure.handler({"arn": ARN, "failures": failures}, None)
    assert alert["subject"] == "documents-training: nightly-7 FAILED at Train Text Model"
    assert alert["step"] == "Train Text Model"
    assert "Cause:   boom" in alert["message"]


def test_a_run_that_no_catch_could_report_is_reported_by_the_rule(monkeypatch, topic):
    with step_functions(monkeypatch, [history("start", "work", "timed out")]):
        assert describe_failure.handler(ended("TIMED_OUT"), Context()) == {"published": True}
    (_, message, subject, attributes, _) = published()[0]
    assert subject == "documents-training: nightly-7 TIMED_OUT at Train Text Model"
    assert message.endswith("Next:    opsctl redrive nightly-7")
    assert {key: value["Value"] for key, value in attributes.items()} == {
        "kind": "failure", "machine": "documents-training", "run": "nightly-7", "status": "TIMED_OUT",
        "step": "Train Text Model",
    }  # fmt: skip


def test_a_run_that_reported_itself_is_not_reported_again(monkeypatch, topic):
    with step_functions(monkeypatch, [history("start", "work", "reported")]):
        assert describe_failure.handler(ended("FAILED"), Context()) == {"published": False}
    assert published() == []


def test_a_redrive_that_fails_again_is_reported_again(monkeypatch, topic):
    with step_functions(monkeypatch, [history("start", "work", "reported", "redriven", "work", "timed out")]):
        assert describe_failure.handler(ended("TIMED_OUT", redrives=1), Context()) == {"published": True}
    assert len(published()) == 1


def test_an_end_that_a_redrive_has_overtaken_is_told_as_it_was(monkeypatch, topic):
    with step_functions(monkeypatch, [history("start", "work", "timed out", "redriven", "work", "reported")]):
        assert describe_failure.handler(ended("TIMED_OUT"), Context()) == {"published": True}
        assert describe_failure.handler(ended("FAILED", redrives=1), Context()) == {"published": False}
    (told,) = published()
    assert told[2] == "documents-training: nightly-7 TIMED_OUT at Train Text Model"


def test_a_history_that_does_not_know_of_the_redrive_yet_is_read_again(monkeypatch, topic):
    before = history("start", "work", "reported")
    with step_functions(
        monkeypatch, [before, [*before, *history("start", "work", "reported", "redriven", "failed")[-2:]]]
    ):
        assert describe_failure.handler(ended("FAILED", redrives=1), Context()) == {"published": True}


def test_a_success_is_told_once(monkeypatch, topic):
    with step_functions(monkeypatch, [history("start", "told well"), history("start", "well")]):
        assert describe_failure.handler(ended("SUCCEEDED"), Context()) == {"published": False}
        assert describe_failure.handler(ended("SUCCEEDED"), Context()) == {"published": True}
    backend = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    assert [len(backend.topics[arn].sent_notifications) for arn in (topic, topic.replace("failures", "successes"))] == [
        0,
        1,
    ]
    assert published()[0][2] == "documents-training: nightly-7 succeeded"


def test_a_history_that_has_not_caught_up_is_read_again(monkeypatch, topic):
    with step_functions(monkeypatch, [history("start", "work"), history("start", "work", "reported")]):
        assert describe_failure.handler(ended("FAILED"), Context()) == {"published": False}


def test_an_alert_does_not_wait_for_a_history_that_never_catches_up(monkeypatch, topic):
    with step_functions(monkeypatch, [history("start", "work")]):
        assert describe_failure.handler(ended("ABORTED"), Context()) == {"published": True}
    assert published()[0][2] == "documents-training: nightly-7 ABORTED at Train Text Model"


CLAIM = "audit/alerts/documents-training/nightly-7/0.json"
NOT_TOLD = history("start", "work", "timed out")


def claimed(document):
    boto3.client("s3").put_object(Bucket=BUCKET, Key=CLAIM, Body=document)


def tell(monkeypatch, request, redrives=0):
    with step_functions(monkeypatch, [NOT_TOLD]):
        return describe_failure.handler(ended("TIMED_OUT", redrives), Context(request))["published"]


def test_an_event_that_comes_again_is_not_told_again(monkeypatch, topic):
    assert [tell(monkeypatch, request) for request in ("one", "two", "one")] == [True, False, False]
    assert len(published()) == 1


def test_a_message_that_could_not_be_sent_is_sent_by_the_next_call(monkeypatch, topic):
    monkeypatch.setenv("FAILURES_TOPIC", f"{topic}-that-is-gone")
    with pytest.raises(ClientError, match="Publish"):
        tell(monkeypatch, "one")
    monkeypatch.setenv("FAILURES_TOPIC", topic)
    assert tell(monkeypatch, "two")
    assert len(published()) == 1


def test_a_call_waits_for_another_that_may_still_tell_and_is_tried_again(monkeypatch, topic):
    claimed(json.dumps({"version": 1, "by": "one", "until": time.time() + 60, "told": False}))
    with pytest.raises(describe_failure.HeldByAnother, match=CLAIM):
        tell(monkeypatch, "two")
    assert published() == []
    assert tell(monkeypatch, "one")  # Lambda keeps the id of a call that it tries again


@pytest.mark.parametrize("left", [b'{"version": 1, "by": "one", "until": 1, "told": false}', b"[]", b"not JSON"])
def test_what_a_dead_call_left_keeps_nothing_back(monkeypatch, topic, left):
    claimed(left)
    assert [tell(monkeypatch, request) for request in ("two", "three")] == [True, False]
    assert len(published()) == 1


def test_without_a_place_for_claims_the_message_goes_out(monkeypatch, topic):
    monkeypatch.setenv("BUCKET", "no-such-bucket")
    assert tell(monkeypatch, "one")
    assert len(published()) == 1


# packages


@pytest.mark.parametrize("function", build.FUNCTIONS)
def test_the_committed_package_is_what_its_sources_make(function):
    committed = (ROOT / f"functions/dist/{function}.zip").read_bytes()
    assert committed == build.package(function), "run `make functions`"
    assert len(committed) < 130_000
    with zipfile.ZipFile(io.BytesIO(committed)) as archive:
        for entry in archive.infolist():
            assert (entry.date_time, entry.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)
            assert entry.external_attr >> 16 == 0o644


def test_a_package_that_is_out_of_date_is_told(tmp_path):
    compiled = shutil.ignore_patterns("__pycache__")  # which other tests write at the same time
    shutil.copytree(ROOT / "functions", tmp_path / "functions", ignore=compiled)
    shutil.copytree(ROOT / "opsctl", tmp_path / "opsctl", ignore=compiled)
    command = [sys.executable, str(tmp_path / "functions/build.py")]
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    for name in ("opsctl/domain/alerts.py", "functions/prepare_deployment/turns.py", "functions/shared/cleanups.py"):
        (tmp_path / name).write_text("# changed\n")
    stale = subprocess.run([*command, "--check"], check=False, capture_output=True, text=True)
    names = "describe_failure.zip, prepare_deployment.zip, prepare_inference.zip, prepare_run.zip"
    assert (stale.returncode, stale.stderr) == (1, f"not what the sources make: {names}; run `make functions`\n")
    assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], check=False).returncode == 0


@pytest.mark.parametrize("function", build.FUNCTIONS)
def test_a_package_needs_nothing_but_itself_and_boto3(function, tmp_path):
    """As in Lambda: the package's folder comes first on the path, and no opsctl is installed."""
    with zipfile.ZipFile(ROOT / f"functions/dist/{function}.zip") as archive:
        archive.extractall(tmp_path)
    program = (
        "import sys, handler\n"
        "here = sys.path[0]\n"
        "strangers = [m.__name__ for n, m in sys.modules.items() if n.split('.')[0] == 'opsctl'\n"
        "             and not m.__file__.startswith(here)]\n"
        "assert not strangers, strangers\n"
        "assert callable(handler.handler)\n"
    )
    (tmp_path / "check.py").write_text(program)
    subprocess.run([sys.executable, "-B", str(tmp_path / "check.py")], check=True, cwd=tmp_path)
