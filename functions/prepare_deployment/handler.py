"""The deployment machine's eyes: what is to be deployed (`prepare`), and what is deployed already (`find`).

`prepare` is the first step: from the deployment's input to everything that later states read, under `$.deployment`. It
refuses a run whose model nobody could serve, before anybody is asked about it. `find` is called after the approval, and
again after a failure, because days may lie between. The first call takes the deployment's turn: of several that were
approved only one changes the endpoint at a time, and the next begins with what that one left (docs/adr/0016).
"""

import json
import re
import tarfile
import zlib

import boto3
from botocore.exceptions import ClientError

from opsctl.asl.history import SUCCEEDED, read_history
from opsctl.domain.alerts import console_link
from opsctl.domain.champions import ROLLBACK, START, CorruptRecordError, found, history_prefix, pointer_key, read_record
from opsctl.domain.deployments import (
    APPROVAL_STEP,
    BUSY,
    CHAMPION,
    FIRST_MADE,
    OTHER,
    OURS,
    Wish,
    figures,
    held_out_digest,
    is_of,
    key_of,
    needs_approval,
    problems,
    request,
    standing,
    turn_key,
)

MODEL_STEP, DATA_STEP, EVALUATE_STEP = "train-sequence-model", "fetch-preprocessed-data", "evaluate"
ARTIFACT = re.compile(r"(?:-d(\d+)r(\d+))?/output/model\.tar\.gz$")
HANDLERS = "code/inference.py"
LARGEST_READ = 1024**3  # bytes of an artifact that are looked through; of a larger one only the beginning
DEEPEST = 20  # reruns of reruns, back to the one that was approved
GONE = ("ValidationException", "ResourceNotFound")  # SageMaker's words for what is not there
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")  # S3's words for somebody who was quicker
UNKNOWN = ("ExecutionDoesNotExist", "AccessDeniedException")  # of an execution: forgotten, or of a machine that is gone


class InvalidDeployment(Exception):  # noqa: N818 - Step Functions shows the name as the state's error
    """The deployment is refused; the message has one line for each problem."""


def handler(event, _context):
    settings = event["settings"]
    if event["operation"] == "find":
        if "arn" in event and not _has_turn(event["arn"], settings):
            return {"endpoint": BUSY, "model": False, "config": False, "before": ""}
        return _find(event["deployment"], settings)
    return _prepare(event["arn"], event["input"], settings)


def _prepare(arn, document, settings):
    wrong = problems(document)
    if wrong:
        raise InvalidDeployment("\n".join(wrong))
    s3, run, machine = boto3.client("s3"), document["run"], document.get("machine", settings["machine"])
    folders = _Folders(settings, machine, run)
    model = _model(s3, folders.of(MODEL_STEP), run)
    record = _champion(s3, settings["bucket"], machine)
    key = key_of(settings["prefix"], run, _content(model, settings))
    config = f"{settings['prefix']}-{key}"
    _refuse_skips_of_nothing(document, config)
    metrics = _json_in_artifact(s3, folders.of(EVALUATE_STEP), "metrics.json")
    approval = _approval(s3, arn, document, settings, record.champion)
    reason = document.get("reason", START)
    subject, message = request(
        Wish(
            execution=arn.rpartition(":")[2],
            machine=arn.split(":")[6],
            run=run,
            training=machine,
            endpoint=settings["endpoint"],
            reason=reason,
            metrics=figures(metrics),
            champion=record.champion,
            warning=record.warning,
            console=console_link(arn),
            seconds=settings["approval"]["timeout"],
        )
    )
    return {
        "run": run,
        "machine": machine,
        "reason": reason,
        "model": model,
        "key": key,
        "config": config,
        "metrics": figures(metrics),
        "held_out": _held_out(s3, folders.of(DATA_STEP), run, settings, metrics),
        "code": _code(s3, settings["bucket"], run),
        "approval": approval,
        "subject": subject,
        "message": message,
    }


class _Folders:
    """Where a training run's steps left their results: below its own prefix, or where its input says that it reads what
    it did not make. A run that AWS has forgotten has its own prefix only."""

    def __init__(self, settings, machine, run):
        self._own = f"s3://{settings['bucket']}/runs/{run}/"
        arn = f"{settings['training'].replace(':stateMachine:', ':execution:').rpartition(':')[0]}:{machine}:{run}"
        document = _input_of(arn)
        skip, reuse = document.get("skip") or {}, document.get("reuse") or {}
        self._reused = {step: entry["uri"] for step, entry in reuse.items() if skip.get(step.replace("-", "_"))}

    def of(self, step):
        """The folder of a step, with its slash."""
        return f"{self._reused.get(step, self._own + step).rstrip('/')}/"


def _input_of(arn):
    try:
        document = json.loads(boto3.client("stepfunctions").describe_execution(executionArn=arn).get("input") or "{}")
    except ClientError as error:
        if error.response["Error"]["Code"] in UNKNOWN:
            return {}
        raise
    return document if isinstance(document, dict) else {}


def _content(model, settings):
    """Everything that a model and its configuration are made of."""
    names = ("environment", "image", "instance", "options", "role", "startup_timeout", "volume_key")
    return {"model": model, **{name: settings[name] for name in names}}


# The model and its figures


def _model(s3, folder, run):
    """Address and ETag of the artifact. Raises InvalidDeployment where there is none, or nothing that can be served."""
    item = _artifact(s3, folder)
    if item is None:
        raise InvalidDeployment(
            f"run: {run} left no model below {folder}; opsctl status {run} says how far it came, and opsctl rerun "
            f"{run} goes on from there"
        )
    bucket = folder.removeprefix("s3://").partition("/")[0]
    model = {"uri": f"s3://{bucket}/{item['Key']}", "etag": item["ETag"]}
    names = _names_in(s3, bucket, item)
    if names is not None and HANDLERS not in names:
        raise InvalidDeployment(
            f"run: {model['uri']} cannot be served: it holds no {HANDLERS}; train with the module's own scripts, or "
            "pack the handlers as they do (training/README.md)"
        )
    return model


def _artifact(s3, folder):
    """Of several attempts' the latest; None where there is none."""
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    items = [item for page in pages for item in page.get("Contents", []) if ARTIFACT.search(item["Key"])]
    return max(items, key=lambda item: (_attempt(item["Key"]), item["LastModified"]), default=None)


def _attempt(key):
    return tuple(int(digits or -1) for digits in ARTIFACT.search(key).groups())


def _names_in(s3, bucket, item):
    """The names of the files in an artifact, None for one too large to look through. Raises InvalidDeployment for one
    that is broken."""
    body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]
    if item["Size"] > LARGEST_READ:
        return None
    try:
        with tarfile.open(fileobj=body, mode="r|gz") as archive:
            return {member.name.removeprefix("./") for member in archive}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InvalidDeployment(
            f"run: s3://{bucket}/{item['Key']} is no whole model.tar.gz ({error}); train that model again"
        ) from error


def _json_in_artifact(s3, folder, name):
    """A JSON file at the top of the latest artifact below a folder; {} where there is none that can be read."""
    item = _artifact(s3, folder)
    if item is None or item["Size"] > LARGEST_READ:
        return {}
    bucket = folder.removeprefix("s3://").partition("/")[0]
    try:
        with tarfile.open(fileobj=s3.get_object(Bucket=bucket, Key=item["Key"])["Body"], mode="r|gz") as archive:
            for member in archive:
                if member.isfile() and member.name.removeprefix("./") == name:
                    document = json.loads(archive.extractfile(member).read())
                    return document if isinstance(document, dict) else {}
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error):
        pass  # whoever is asked is told that there are no figures
    return {}


def _held_out(s3, folder, run, settings, metrics):
    """Where the pages lie that the model never trained on, and their digest: as the evaluation has it, if it has."""
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    try:
        digest = held_out_digest(json.loads(_read(s3, bucket, f"{prefix}manifest.json") or b""))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if settings["smoke_test"]["stacks"] == 0:
            return {"uri": folder, "sha256": "unknown"}
        raise InvalidDeployment(
            f"run: {run} has no pages to try the model with: {folder}manifest.json cannot be read; fetch the data with "
            "the module's own script, or set deployment.smoke_test.stacks to 0 for no smoke test"
        ) from error
    measured = metrics.get("held_out") if isinstance(metrics.get("held_out"), dict) else {}
    return {"uri": folder, "sha256": measured.get("sha256") or digest}


def _code(s3, bucket, run):
    record = json.loads(_read(s3, bucket, f"runs/{run}/code.json") or b"{}")
    return {"uri": f"s3://{bucket}/runs/{run}/code/", "sha256": record.get("sha256") or "unknown"}


# The approval


def _approval(s3, arn, document, settings, champion):
    """Whether a person is to be asked, and who approved already. Raises InvalidDeployment for a skipped approval that
    nobody gave."""
    rule = settings["approval"]
    if document.get("approval") is False and rule["required"] and not rule["waivable"]:
        raise InvalidDeployment(
            "approval: false is not allowed here; leave it out, or set deployment.approval.waivable in the module"
        )
    rollback = document.get("reason") == ROLLBACK
    was = rollback and _was_champion(s3, settings["bucket"], document, settings, champion)
    needed = needs_approval(document, rule, was_champion=was)
    if not needed or not (document.get("skip") or {}).get("request_approval"):
        return {"needed": needed, "approved_by": None}
    return {"needed": False, "approved_by": _approved_before(arn, document)}


def _was_champion(s3, bucket, document, settings, champion):
    run, machine = document["run"], document.get("machine", settings["machine"])
    known = [champion, champion.previous if champion else None]
    if any(one is not None and one.run == run for one in known):
        return True
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=history_prefix(machine))
    for item in (item for page in pages for item in page.get("Contents", [])):
        try:
            if read_record(_read(s3, bucket, item["Key"]) or b"").run == run:
                return True
        except CorruptRecordError:
            continue
    return False


def _approved_before(arn, document):
    """Who approved the deployment that this one is a rerun of. Raises InvalidDeployment where nobody did."""
    states, asked = boto3.client("stepfunctions"), document["run"]
    for _ in range(DEEPEST):
        name = (document.get("rerun") or {}).get("of")
        if not name:
            break
        try:
            pages = states.get_paginator("get_execution_history").paginate(
                executionArn=f"{arn.rpartition(':')[0]}:{name}", includeExecutionData=True
            )
            history = read_history(event for page in pages for event in page["events"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                break
            raise
        document = json.loads(history.input or "{}")
        if not isinstance(document, dict) or document.get("run") != asked:
            break
        answers = [
            attempt.output
            for state in history.states
            if state.name == APPROVAL_STEP and state.status == SUCCEEDED
            for attempt in state.attempts[-1:]
        ]
        if answers:
            return _approver(answers[-1])
    raise InvalidDeployment(
        "skip.request_approval: nobody has approved this model in the run that this is a rerun of; rerun it with "
        f'--from "{APPROVAL_STEP}"'
    )


def _approver(output):
    """Who it was, by the answer. Raises InvalidDeployment for an answer that says no."""
    answer = json.loads(output or "null")
    if isinstance(answer, dict) and answer.get("approved") is False:
        raise InvalidDeployment("skip.request_approval: the run that this is a rerun of was not approved")
    return answer.get("approved_by") if isinstance(answer, dict) else None


# Whose turn it is


def _has_turn(arn, settings):
    """Whether the endpoint is this execution's to change. It is from then on until the execution has ended, however it
    ends: nothing has to be given back."""
    s3, place = boto3.client("s3"), {"Bucket": settings["bucket"], "Key": turn_key(settings["endpoint"])}
    holder, condition = _turn(s3, place)
    if holder == arn:
        return True
    if holder is not None and _goes_on(holder):
        print(f"{holder} is at work on the endpoint {settings['endpoint']}")
        return False
    body = json.dumps({"execution": arn}).encode()
    try:
        s3.put_object(**place, Body=body, ContentType="application/json", **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] in TAKEN:
            return False
        raise
    return True


def _turn(s3, place):
    """Whose turn it was last, None where it was nobody's or the object does not say; and the condition on which the
    object may be replaced."""
    try:
        answer = s3.get_object(**place)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None, {"IfNoneMatch": "*"}
        raise
    try:
        holder = json.loads(answer["Body"].read())["execution"]
    except (ValueError, LookupError, TypeError):
        holder = None
    return holder if isinstance(holder, str) else None, {"IfMatch": answer["ETag"]}


def _goes_on(arn):
    try:
        return boto3.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "RUNNING"
    except ClientError as error:
        if error.response["Error"]["Code"] in (*UNKNOWN, "InvalidArn"):
            return False
        raise


# What is deployed


def _refuse_skips_of_nothing(document, config):
    """Raise InvalidDeployment where a step is skipped whose result is gone: a deployment that fails removes what it
    made."""
    skip, sagemaker = document.get("skip") or {}, boto3.client("sagemaker")
    for key, kind in (("create_model", "model"), ("create_endpoint_config", "endpoint_config")):
        if skip.get(key) and not _exists(sagemaker, kind, config):
            raise InvalidDeployment(
                f"skip.{key}: there is no {kind.replace('_', ' ')} {config}: a deployment that failed has removed it, "
                f'or the module\'s settings have changed; rerun it with --from "{FIRST_MADE}"'
            )


def _find(deployment, settings):
    sagemaker, ours = boto3.client("sagemaker"), deployment["config"]
    record = _champion(boto3.client("s3"), settings["bucket"], deployment["machine"])
    endpoint = _described(sagemaker.describe_endpoint, EndpointName=settings["endpoint"]) or {}
    serves, champion = endpoint.get("EndpointConfigName") or "", record.champion
    in_production = champion is not None and champion.run == deployment["run"]
    kind = standing(endpoint.get("EndpointStatus"), serves, ours, in_production)
    before = serves if kind == OTHER else ""
    if kind in (OURS, CHAMPION) and champion is not None and not in_production:
        before = _configuration_of(sagemaker, settings["prefix"], champion.run)
    return {
        "endpoint": kind,
        "model": _exists(sagemaker, "model", ours),
        "config": _exists(sagemaker, "endpoint_config", ours),
        "before": before,
    }


def _configuration_of(sagemaker, prefix, run):
    """The newest configuration that serves a run's model: where to go back to, if this deployment was begun by a run
    that cannot tell any more."""
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(
        NameContains=f"{prefix}-", SortBy="CreationTime", SortOrder="Descending"
    )
    names = (item["EndpointConfigName"] for page in pages for item in page["EndpointConfigs"])
    return next((name for name in names if is_of(prefix, name, run)), "")


def _exists(sagemaker, kind, name):
    if kind == "model":
        return _described(sagemaker.describe_model, ModelName=name) is not None
    return _described(sagemaker.describe_endpoint_config, EndpointConfigName=name) is not None


def _described(describe, **name):
    try:
        return describe(**name)
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            return None
        raise


def _champion(s3, bucket, machine):
    try:
        answer = s3.get_object(Bucket=bucket, Key=pointer_key(machine))
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return found(machine, None)
        raise
    return found(machine, answer["Body"].read(), answer["ETag"])


def _read(s3, bucket, key):
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
