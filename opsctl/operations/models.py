"""The model that a deployment is asked for: looked for before anything starts, as `Prepare Deployment` looks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsctl.config import DEFAULT_MACHINE
from opsctl.domain.objects import Place
from opsctl.domain.runs import Run
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.connection import Connection, connected
from opsctl.operations.runs import ElsewhereError, ForgottenError, input_document, resolve

STEP, SKIPPED = "train-sequence-model", "train_sequence_model"  # whose artifact holds the whole ensemble
ARTIFACT = "/output/model.tar.gz"


def check_model(connection: Connection, document: Mapping[str, Any]) -> None:
    """Raise UsageError for a run that the training machine never had, RefusedError for one that left no model."""
    training = _training(connection, document.get("machine"))
    if training is None:  # of a machine that nothing is known of here
        return
    name = document["run"]
    run = _run(training, name)
    folder = _folder(training, name, run)
    if any(item.key.endswith(ARTIFACT) for item in connection.storage.list(folder)):
        return
    on = "" if training.machine.key == DEFAULT_MACHINE else training.on_machine
    raise RefusedError(
        f"run: {name} left no model below {folder.uri}; nothing was started",
        f"opsctl status {name}{on} says how far it came, and opsctl rerun {name}{on} goes on from there",
    )


def _training(connection: Connection, name: str | None) -> Connection | None:
    machines = connection.deployment.machines
    named = [machine for key, machine in machines.items() if (machine.name == name if name else key == DEFAULT_MACHINE)]
    return connected(connection.context, connection.deployment, named[0]) if named else None


def _run(training: Connection, name: str) -> Run | None:
    """The run of that very name; None for one that AWS has forgotten, and that left something."""
    try:
        run = resolve(training, name)
    except ForgottenError:
        return None
    except UsageError as error:
        trained = f"name one that trained a model: opsctl list --machine {training.machine.key}"
        hint = trained if isinstance(error, ElsewhereError) else error.hint
        raise UsageError(f"run: {training.machine.name} has {error.message}; nothing was started", hint) from None
    if run.name != name:
        raise UsageError(
            f"run: {training.machine.name} has no run {name!r}; nothing was started", f"did you mean {run.name}?"
        )
    return run


def _folder(training: Connection, name: str, run: Run | None) -> Place:
    """Where the run's model lies: below its own prefix, or where its input says that it reads what it did not make."""
    document: Any = input_document(run.input) if run else None
    try:
        uri = document["skip"][SKIPPED] and document["reuse"][STEP]["uri"]
    except (LookupError, TypeError):  # whoever started the run by hand may have given it anything
        uri = None
    if not isinstance(uri, str) or not uri.startswith("s3://"):
        return training.prefix(name, STEP)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return Place(bucket, f"{key.rstrip('/')}/")
