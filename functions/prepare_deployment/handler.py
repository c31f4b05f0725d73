"""The deployment machine's eyes: what is to be deployed (`prepare`), and what is deployed already (`find`).

`prepare` is the first step: from the deployment's input to everything that later states read, under `$.deployment`. It
refuses a run whose model nobody could serve, or that a cleanup is deleting, before anybody is asked about it. `find` is
called after the approval, and again after a failure, because days may lie between. The first call takes the
deployment's turn: of several that were approved only one changes the endpoint at a time, and the next begins with what
that one left (docs/adr/0016).
"""

import boto3

from opsctl.domain.alerts import console_link
from opsctl.domain.champions import START
from opsctl.domain.deployments import BUSY, Wish, figures, key_of, problems, request
from prepare_deployment.approvals import approval
from prepare_deployment.artifacts import code_of, held_out, json_in_artifact, model_below
from prepare_deployment.folders import Folders
from prepare_deployment.refusal import InvalidDeployment
from prepare_deployment.standings import find, refuse_skips_of_nothing
from prepare_deployment.turns import has_turn
from shared.cleanups import deleting
from shared.objects import champion_of

MODEL_STEP, DATA_STEP, EVALUATE_STEP = "train-sequence-model", "fetch-preprocessed-data", "evaluate"


def handler(event, _context):
    settings = event["settings"]
    if event["operation"] == "find":
        if "arn" in event and not has_turn(event["arn"], settings):
            return {"endpoint": BUSY, "model": False, "config": False, "before": ""}
        return find(event["deployment"], settings)
    return _prepare(event["arn"], event["input"], settings)


def _prepare(arn, document, settings):
    wrong = problems(document)
    if wrong:
        raise InvalidDeployment("\n".join(wrong))
    s3, run, machine = boto3.client("s3"), document["run"], document.get("machine", settings["machine"])
    folders = Folders(settings, machine, run)
    going = deleting(s3, settings["bucket"], folders.all)
    if going:
        raise InvalidDeployment(f"run: {going}")
    model = model_below(s3, folders.of(MODEL_STEP), run)
    record = champion_of(s3, settings["bucket"], machine)
    key = key_of(settings["prefix"], run, _content(model, settings))
    config = f"{settings['prefix']}-{key}"
    refuse_skips_of_nothing(document, config)
    metrics = json_in_artifact(s3, folders.of(EVALUATE_STEP), "metrics.json")
    approved = approval(s3, arn, document, settings, record.champion)
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
        "held_out": held_out(s3, folders.of(DATA_STEP), run, settings, metrics),
        "code": code_of(s3, settings["bucket"], run),
        "approval": approved,
        "subject": subject,
        "message": message,
    }


def _content(model, settings):
    """Everything that a model and its configuration are made of."""
    names = ("environment", "image", "instance", "options", "role", "startup_timeout", "volume_key")
    return {"model": model, **{name: settings[name] for name in names}}
