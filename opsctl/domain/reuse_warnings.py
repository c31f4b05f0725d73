"""What a reused result was made with, where that is not what the new run would make it with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opsctl.domain.guards import all_states
from opsctl.domain.names import skip_key
from opsctl.domain.plan import REUSE, PlannedStep, Source
from opsctl.domain.redaction import redacted_value
from opsctl.domain.results import setup_of, step_result
from opsctl.domain.run_input import as_text


def reuse_warnings(
    source: Source, steps: Sequence[PlannedStep], document: Mapping[str, Any], doubts: Sequence[tuple[str, str]]
) -> list[str]:
    """One line for each difference, with the steps that it is about. `document` is the new run's input, `doubts` what
    is known already, as (step, text)."""
    by_text: dict[str, list[str]] = {}
    for step in steps:
        known = [text for name, text in doubts if name == step.name]
        for text in [*known, *(_differences(step, source, document) if step.action == REUSE else ())]:
            verb = "reused" if step.action == REUSE else "skipped"
            by_text.setdefault(f"{verb}, though {text}", []).append(step.name)
    return [f"{', '.join(names)}: {text}" for text, names in by_text.items()]


def group_of(step_slug: str) -> str:
    """The hyperparameter group of a step: `train-text-model` -> `text_model`."""
    return skip_key(step_slug).removeprefix("train_")


def _differences(step: PlannedStep, source: Source, document: Mapping[str, Any]) -> Iterator[str]:
    if step.name in source.changed:
        yield "its definition has changed"
    yield from _image(step, source)
    history = source.histories.get(step.made_by or "")
    setup = setup_of(history) if history else None
    if setup is None:
        return
    group = group_of(step.slug)
    made = setup.hyperparameters.get(group, {})
    wanted = {
        **source.defaults.get(group, {}),
        **{key: as_text(value) for key, value in _asked(document, group).items()},
    }
    for key in sorted(wanted if made else ()):
        if not _same(made.get(key), wanted[key]):
            before, after = (redacted_value(value, key) for value in (made.get(key, "nothing"), wanted[key]))
            yield f"made with {key}={before}, not {after}"
    if setup.code and source.code and setup.code != source.code:
        yield "made with other code than the new run takes"
    data = (document.get("data") or {}).get("source", source.default_data_source)
    if setup.data_source and data and setup.data_source.rstrip("/") != str(data).rstrip("/"):
        yield f"made from {setup.data_source}, not {data}"


def _image(step: PlannedStep, source: Source) -> Iterator[str]:
    """A training's image as the history recorded it, against the definition's, where that is written out there."""
    history = source.histories.get(step.made_by or "")
    if history is None or source.definition is None:
        return
    states = dict(all_states(source.definition))
    state = states.get(step.name, {})
    now = _image_in(state.get("Parameters", state.get("Arguments")))
    runs = step_result(history, step.name).runs
    recorded = _image_in(_object(runs[-1].attempts[-1].parameters)) if runs and runs[-1].attempts else None
    if now and recorded and now != recorded:
        yield f"made with the image {recorded}, not {now}"


def _image_in(parameters: Any) -> str | None:
    algorithm = parameters.get("AlgorithmSpecification") if isinstance(parameters, Mapping) else None
    image = algorithm.get("TrainingImage") if isinstance(algorithm, Mapping) else None
    return image if isinstance(image, str) else None


def _object(text: str | None) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}


def _asked(document: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    groups = document.get("hyperparameters")
    asked = groups.get(group) if isinstance(groups, Mapping) else None
    return asked if isinstance(asked, Mapping) else {}


def _same(made: Any, wanted: str) -> bool:
    """Whether two hyperparameters mean the same, however a number is written."""
    try:
        return made is not None and float(made) == float(wanted)
    except ValueError:
        return bool(made == wanted)
