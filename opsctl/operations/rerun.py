"""Rerun a run from a step: plan it, claim a name, copy and verify what is reused, start.

Nothing is lost and nothing started twice, wherever this is cut off. The claim (`runs/<name>/plan.json`, written only if
it is not there) makes the name ours; copies can be made again; starting the same name with the same input is the same
run. So the same command again finds its claim by the plan's hash and goes on where it was, as long as the run has not
ended; a claim with another hash belongs to someone else's rerun, and the next number is tried.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from opsctl.asl.history import RunHistory, read_history
from opsctl.domain.documents import merged, with_settings
from opsctl.domain.guards import all_states, read_pipeline
from opsctl.domain.names import check_execution_name, rerun_name, skip_key
from opsctl.domain.objects import Place, Stored, differences
from opsctl.domain.rerun import PlannedStep, Request, RerunPlan, Result, Source, plan_rerun
from opsctl.domain.runs import RUNNING, Run
from opsctl.errors import RefusedError
from opsctl.operations.connection import Connection
from opsctl.operations.runs import input_document, refuse_running
from opsctl.operations.start import Started, check_input, in_one_line, input_problems

CODE = "code/"
NOT_COPIED = "checkpoints/"  # of use only to the job that wrote them, and a consumer would download them
ARTIFACT = "/output/model.tar.gz"
THREADS = 8

OnProgress = Callable[[str], None]


def plan(connection: Connection, run: Run, request: Request) -> RerunPlan:
    """The plan for a rerun of an ended run (as `resolve` returns it); reads, and changes nothing.

    Raises RefusedError (still running, an input that no run can have, or a needed step has no result), UsageError
    (unknown step, bad changes to the input).
    """
    refuse_running(run)
    document = _sound_input(connection, run, request)
    made = plan_rerun(_source(connection, run, document), request)
    check_input(connection, made.input_for(connection.prefix(rerun_name(made.root, 1)).uri))
    return made


def execute(connection: Connection, made: RerunPlan, name: str | None, on_progress: OnProgress) -> Started:
    """Claim a name, copy, verify, start. Raises RefusedError: the name is taken, or a reused result has changed."""
    name, running = _claimed(connection, made, name)
    if running is not None:
        return Started(running, resumed=True)
    for step in made.reused:
        _copy(connection, step, connection.prefix(name, step.slug), on_progress)
    document = made.input_for(connection.prefix(name).uri)
    arn = connection.states.start(connection.machine.arn, name, json.dumps(document, sort_keys=True))
    return Started(Run(name, arn, connection.machine.arn, RUNNING, connection.aws.now()), resumed=False)


# What a plan is made from


def _sound_input(connection: Connection, run: Run, request: Request) -> dict[str, Any]:
    """The run's input: anything may start an execution, with any input, and the request may mend what was wrong.

    Raises RefusedError with what is wrong even so.
    """
    document = input_document(run.input)
    found = input_problems(connection, document)
    if found and isinstance(document, dict):
        mended = with_settings(merged(document, request.merge), request.settings)
        found = [problem for problem in input_problems(connection, mended) if problem in found]
    if found:
        raise RefusedError(
            f"the input of {run.name} cannot be run again: {in_one_line(found)}",
            "start a new run with a sound input: opsctl start --input FILE",
        )
    return cast("dict[str, Any]", document)


def _source(connection: Connection, run: Run, document: Mapping[str, Any]) -> Source:
    current = connection.states.definition(connection.machine.arn)
    walked = connection.states.definition_of_run(run.arn)
    return Source(
        run=run.name,
        input=document,
        pipeline=read_pipeline(current),
        histories=_histories(connection, run, document),
        results=_results(connection, run, document),
        changed=_changed(walked, current),
        defaults=connection.machine.hyperparameters,
        default_data_source=connection.deployment.default_data_source,
        code=_current_code(connection),
    )


def _histories(connection: Connection, run: Run, document: Mapping[str, Any]) -> dict[str, RunHistory]:
    """The source run's history, and those of the runs that made what it reused and that AWS still remembers."""
    found = {run.name: read_history(connection.states.history(run.arn))}
    for name in sorted({entry["run"] for entry in document.get("reuse", {}).values()} - {run.name}):
        made_by = connection.states.find(connection.machine.arn, name)
        if made_by is not None:
            found[name] = read_history(connection.states.history(made_by.arn))
    return found


def _results(connection: Connection, run: Run, document: Mapping[str, Any]) -> dict[str, Result]:
    """What each step's result is in S3: below the run's own prefix, or where the run read it from."""
    skip, reuse = document.get("skip", {}), document.get("reuse", {})
    places = {
        step: Place.parse(reuse[step]["uri"])
        if step in reuse and skip.get(skip_key(step))
        else connection.prefix(run.name, step)
        for step in connection.machine.steps
    }
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(places, pool.map(lambda place: _result(connection, place), places.values()), strict=True))


def _result(connection: Connection, place: Place) -> Result:
    items = _kept(connection, place)
    has_artifact = any(f"/{item.key}".endswith(ARTIFACT) for item in items)
    return Result(place.uri, len(items), sum(item.size for item in items), has_artifact)


def _kept(connection: Connection, place: Place) -> list[Stored]:
    return [item for item in connection.storage.list(place) if not item.key.startswith(NOT_COPIED)]


def _changed(walked: Mapping[str, Any], current: Mapping[str, Any]) -> frozenset[str]:
    before, after = dict(all_states(walked)), dict(all_states(current))
    return frozenset(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _current_code(connection: Connection) -> str | None:
    """The hash that `Prepare Run` would give the code that a new run takes; None where there is none."""
    prefix = Place(connection.deployment.bucket, CODE)
    names = [item.key for item in connection.storage.list(prefix) if item.key and not item.key.endswith("/")]
    with ThreadPoolExecutor(THREADS) as pool:
        bodies = pool.map(lambda name: connection.storage.read(Place(prefix.bucket, CODE + name)) or b"", names)
    lines = [f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in zip(names, bodies, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None


# The claim


def likely_name(connection: Connection, made: RerunPlan, wanted: str | None = None) -> str:
    """The name that the rerun would get now.

    Raises UsageError for a wanted name that no run can have, RefusedError for one that is taken.
    """
    for name in _candidates(made, wanted):
        run = connection.states.find(connection.machine.arn, name)
        content = connection.storage.read(_claim_place(connection, name))
        if (content is None and run is None) or (content is not None and _ours(made, content, run)):
            return name
    raise _taken(wanted)


def _candidates(made: RerunPlan, wanted: str | None) -> Iterable[str]:
    if wanted is None:
        return (rerun_name(made.root, number) for number in itertools.count(1))
    check_execution_name(wanted)
    return [wanted]


def _taken(name: str | None) -> RefusedError:
    return RefusedError(f"the name {name} is taken by another run", "choose another --name, or leave it out")


def _claimed(connection: Connection, made: RerunPlan, name: str | None) -> tuple[str, Run | None]:
    """A name that is ours, and the run if it was started before. Raises as `likely_name`: another may be quicker."""
    for candidate in _candidates(made, name):
        ours, run = _claim(connection, made, candidate)
        if ours:
            return candidate, run
    raise _taken(name)


def _claim(connection: Connection, made: RerunPlan, name: str) -> tuple[bool, Run | None]:
    place = _claim_place(connection, name)
    new = connection.storage.claim(place, _claim_content(made, name))
    run = connection.states.find(connection.machine.arn, name)
    if not new:
        return _ours(made, connection.storage.read(place), run), run
    if run is not None:  # started by something that claims no names
        connection.storage.delete(place)
    return run is None, None


def _ours(made: RerunPlan, content: bytes | None, run: Run | None) -> bool:
    return _hash_in(content) == made.hash and (run is None or not run.ended)


def _claim_place(connection: Connection, name: str) -> Place:
    return Place(connection.deployment.bucket, connection.prefix(name).key + "plan.json")


def _claim_content(made: RerunPlan, name: str) -> bytes:
    document = {
        "version": 1,
        "hash": made.hash,
        "run": name,
        "of": made.source,
        "root": made.root,
        "steps": [{"step": step.slug, "action": step.action, "made_by": step.made_by} for step in made.steps],
    }
    return json.dumps(document, indent=2).encode()


def _hash_in(content: bytes | None) -> str | None:
    try:
        return str(json.loads(content or b"{}").get("hash"))
    except (ValueError, AttributeError):
        return None


# The copies


def _copy(connection: Connection, step: PlannedStep, target: Place, on_progress: OnProgress) -> None:
    if step.result is None:
        return
    source = Place.parse(step.result.uri)
    items = _kept(connection, source)
    if (len(items), sum(item.size for item in items)) != (step.result.objects, step.result.bytes):
        raise RefusedError(f"{source.uri} has changed since the plan was made", "run the same command again")
    connection.storage.copy(source, target, items)
    wrong = differences(items, _kept(connection, source), _kept(connection, target))
    if wrong:
        raise RefusedError(f"the copy of {source.uri} is not whole: {wrong[0]}", "run the same command again")
    on_progress(f"copied {step.name}: {len(items)} objects, {step.result.bytes:,} bytes")
