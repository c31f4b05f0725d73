"""Plan a rerun from a saved history and a definition: no network, no Terraform outputs, nothing of AWS imported.

What lies in S3 is not known offline: every step that completed counts as having its result, and nothing is copied. The
run input is the one that the history begins with. Whether the machine is one of ours shows in its definition: ours
begins with `Prepare Run` and bypasses steps on `skip.<step>` of the run input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsctl.asl.history import RUNNING, InvalidHistory, read_history
from opsctl.domain.guards import Pipeline, read_pipeline
from opsctl.domain.names import rerun_name
from opsctl.domain.plan import Request, RerunPlan, Source
from opsctl.domain.prices import SHIPPED, PriceList, shipped
from opsctl.domain.rerun import plan_rerun
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.execution import proven
from opsctl.operations.saved import load_definition, load_history

UNSEEN = "whether the results are still in S3 is not known offline, nor what else has changed since"
SETUP = "prepare-run"
UNNAMED = ("", "@failed", "@latest")


def plan_saved(
    history: Path, definition: Path, run: str, request: Request, name: str | None
) -> tuple[RerunPlan, str, str]:
    """The plan, the new run's likely name and its prefix. Raises as `operations.rerun.plan`, and UsageError for files
    that are not what they should be."""
    events, walked = load_history(history), load_definition(definition)
    try:
        read = read_history(events, walked)
        pipeline = read_pipeline(walked, [read])
    except InvalidHistory as error:
        raise UsageError(f"{history}: {error.message}", error.hint) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{definition} is no valid definition: {error!r}", f"opsctl lint {definition}") from error
    source_name = history.stem if run in UNNAMED else run.rpartition(":")[2]
    if read.status == RUNNING:
        raise RefusedError(
            f"{source_name} was still running when its history was saved", "save it again, after its end"
        )
    ours = _is_ours(pipeline)
    document = _document(read.input, source_name, ours=ours)
    source = Source(
        run=source_name,
        input=document,
        pipeline=pipeline,
        histories={source_name: read},
        results={},
        linked=ours,
        definition=walked,
        prices=prices_in(events),
    )
    made = plan_rerun(source, request)
    if ours:
        made = replace(made, warnings=(*made.warnings, UNSEEN))
    shown_name = name or rerun_name(made.root or source_name, 1)
    prefix = f"s3://BUCKET/runs/{shown_name}/"
    return proven(source, made, prefix), shown_name, prefix


def prices_in(events: Sequence[Mapping[str, Any]]) -> PriceList:
    """Those of the region that the tasks were scheduled in."""
    details = (event.get("taskScheduledEventDetails") for event in events)
    regions = (detail.get("region") for detail in details if isinstance(detail, dict))
    return shipped(str(next((region for region in regions if region), SHIPPED.region)))


def _document(text: str | None, run: str, *, ours: bool) -> Any:
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise RefusedError(f"the history of {run} has no whole input: it was cut off", "save it again, whole") from None
    if ours and not isinstance(document, dict):
        raise RefusedError(
            f"the input of {run} cannot be run again: the run input must be an object",
            "start a new run with a sound input: opsctl start --input FILE",
        )
    return document


def _is_ours(pipeline: Pipeline) -> bool:
    settings = [setting for step in pipeline.steps if step.guard for setting in step.guard.bypass]
    by_skip = bool(settings) and all(setting.path[0] == "skip" for setting in settings)
    return by_skip and pipeline.step(SETUP) is not None
