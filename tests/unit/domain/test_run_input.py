import copy
import json
import sys
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsctl.domain.names import skip_key
from opsctl.domain.run_input import as_text, problems

STEPS = ["fetch-preprocessed-data", "train-image-model", "train-sequence-model"]
HYPERPARAMETERS = {"image_model": {"epochs": "6", "max_lr": "0.01"}, "evaluate": {}}
FULL = {
    "data": {"source": "s3://bucket/datasets/mortgages/"},
    "hyperparameters": {"image_model": {"epochs": 80, "max_lr": 1e-3}},
    "skip": {"train_image_model": True, "train_sequence_model": False},
    "reuse": {"train-image-model": {"run": "nightly-7", "uri": "s3://bucket/runs/nightly-7-r1/train-image-model/"}},
    "rerun": {"of": "nightly-7", "from": ["Train Sequence Model"], "root": "nightly-7"},
}


def check(document):
    return problems(document, steps=STEPS, hyperparameters=HYPERPARAMETERS)


@pytest.mark.parametrize("document", [{}, FULL, {"data": {}}, {"hyperparameters": {"evaluate": {}}}])
def test_a_good_input_has_no_problems(document):
    assert check(document) == []


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ([], "the run input must be an object, not a list"),
        ("", "the run input must be an object, not an empty string"),
        ({"hyperparameter": {}}, "hyperparameter: unknown key; the nearest known key is hyperparameters"),
        ({"data": {"source": "bucket/x"}},
         "data.source: must be an S3 address such as s3://bucket/datasets/name/, not 'bucket/x'"),
        ({"data": {"sauce": "s3://bucket/x"}}, "data.sauce: unknown key; the nearest known key is source"),
        ({"hyperparameters": {"image_model": {"epoch": 1}}},
         "hyperparameters.image_model.epoch: unknown key; the nearest known key is epochs"),
        ({"hyperparameters": {"evaluate": {"x": 1}}}, "hyperparameters.evaluate.x: unknown key; no key is known here"),
        ({"hyperparameters": {"image_model": {"epochs": None}}},
         "hyperparameters.image_model.epochs: must be a string, a number or a boolean, not null"),
        ({"hyperparameters": {"image_model": {"epochs": "9" * 2501}}},
         "hyperparameters.image_model.epochs: is longer than 2500 characters"),
        ({"skip": {"train_image_model": "yes"}}, "skip.train_image_model: must be true or false, not a string"),
        ({"skip": {"train-image-model": True}},
         "skip.train-image-model: unknown key; the nearest known key is train_image_model"),
        ({"reuse": {"train-image-model": {"run": "a", "uri": "s3://bucket/a/"}}},
         "reuse.train-image-model: the step is not skipped; set skip.train_image_model to true, or drop the entry"),
        ({"skip": {"train_image_model": True}, "reuse": {"train-image-model": {"run": "a"}}},
         "reuse.train-image-model: uri is missing"),
        ({"rerun": {"of": "a", "root": "a", "from": []}}, "rerun.from: must be a list of one or more step names"),
        ({"rerun": {"of": "", "root": "a", "from": ["b"]}}, "rerun.of: must be a name, not an empty string"),
    ],
)  # fmt: skip
def test_each_problem_is_one_line_that_says_what_to_do(document, line):
    assert check(document) == [line]


DEFAULTS = {"rate": "0.01", "count": "6", "mixed": "true", "scheme": "adam"}


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        *[(key, value, "a number") for key in ("rate", "count")
          for value in ("ten", "", "inf", "-Infinity", "nan", "1e999", "1_000", " 6", "6 ", "0x10", "٦", "1,5", True)],
        ("rate", float("nan"), "a number"),
        ("rate", float("inf"), "a number"),
        ("rate", 10**400, "a number"),
        ("mixed", "yes", "true or false"),
        ("mixed", "True", "true or false"),
        ("mixed", 1, "true or false"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_defaults_kind_is_refused(key, value, kind):
    found = problems({"hyperparameters": {"g": {key: value}}}, steps=[], hyperparameters={"g": DEFAULTS})
    shown = as_text(value)[:60]
    assert found == [f"hyperparameters.g.{key}: must be {kind}, as its default {DEFAULTS[key]}, not {shown!r}"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(key, value) for key in ("rate", "count")
          for value in ("1e6", "-3", "+.5", "5.", "1E-3", 7, -0.25, 1e6, "9" * 300)],
        *[("mixed", value) for value in (True, False, "true", "false")],
        *[("scheme", value) for value in ("sgd", 1, True, "inf", "")],
    ],
)  # fmt: skip
def test_a_value_of_its_defaults_kind_is_taken(key, value):
    assert problems({"hyperparameters": {"g": {key: value}}}, steps=[], hyperparameters={"g": DEFAULTS}) == []


FETCH, IMAGE, SEQUENCE = STEPS
NEEDS = {IMAGE: [FETCH], SEQUENCE: [FETCH, IMAGE]}


def lacking(skipped, reused=()):
    uri = "s3://bucket/runs/a/x/"
    document = {
        "skip": {skip_key(step): step in skipped for step in STEPS},
        "reuse": {step: {"run": "a", "uri": uri} for step in reused},
    }
    return problems(document, steps=STEPS, hyperparameters=HYPERPARAMETERS, needs=NEEDS)


@pytest.mark.parametrize(
    ("skipped", "readers"),
    [(IMAGE, "train-sequence-model"), (FETCH, "train-image-model, train-sequence-model")],
)
def test_a_skipped_step_whose_result_is_needed_must_be_reused(skipped, readers):
    remedy = f"say in reuse.{skipped} where it lies, or skip what reads it as well"
    assert lacking([skipped]) == [f"skip.{skip_key(skipped)}: {readers} would lack its result; {remedy}"]
    assert lacking([skipped], reused=[skipped]) == []


@pytest.mark.parametrize(
    ("skipped", "reused"),
    [([], []), ([SEQUENCE], []), ([IMAGE, SEQUENCE], []), (STEPS, []), ([FETCH, IMAGE], [FETCH, IMAGE])],
)
def test_a_skipped_step_that_nothing_reads_needs_no_result(skipped, reused):
    assert lacking(skipped, reused) == []


def test_all_problems_are_reported_at_once():
    assert len(check({"dada": {}, "skip": {"train_text_model": 1}, "data": 1})) == 4


def test_values_become_what_sagemaker_takes():
    assert [as_text(value) for value in ("a", 80, 0.001, True, False)] == ["a", "80", "0.001", "true", "false"]


# Every default of HYPERPARAMETERS is a number.
NUMBER = {
    "if": {"type": "string"},
    "then": {"pattern": r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$"},
    "else": {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max},
}


# The published schema knows nothing of one machine's steps, so it is narrowed to them before the two are compared.
def narrowed_schema():
    schema = json.loads(files("opsctl.domain").joinpath("run-input.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    parts = schema["properties"]
    parts["skip"]["propertyNames"] = {"enum": [skip_key(step) for step in STEPS]}
    parts["reuse"]["propertyNames"] = {"enum": STEPS}
    parts["hyperparameters"]["properties"] = {
        group: parts["hyperparameters"]["additionalProperties"]
        | {"propertyNames": {"enum": list(known)}, "properties": dict.fromkeys(known, NUMBER)}
        for group, known in HYPERPARAMETERS.items()
    }
    parts["hyperparameters"]["additionalProperties"] = False
    schema["allOf"] = [reused_only_if_skipped(step) for step in STEPS]
    return jsonschema.Draft202012Validator(schema)


def reused_only_if_skipped(step):
    reused = {"properties": {"reuse": {"type": "object", "required": [step]}}, "required": ["reuse"]}
    skipped = {
        "properties": {
            "skip": {"type": "object", "required": [skip_key(step)], "properties": {skip_key(step): {"const": True}}}
        },
        "required": ["skip"],
    }
    return {"if": reused, "then": skipped}


SCHEMA = narrowed_schema()
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False)
JSON = st.recursive(
    SCALARS | st.sampled_from(["", "a", "s3://ab/", "s3://abc/", "7", "1e-3", "inf"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "run", "uri"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


@st.composite
def mutations(draw):
    """FULL with up to three places replaced, removed or added to."""
    document = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(paths(document))))
        if not path:
            return draw(JSON)
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove":
            del parent[path[-1]]
        elif change == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(["x", "epochs", "train_image_model", "train-image-model"]))] = draw(JSON)
        else:
            parent[path[-1]] = draw(JSON)
        if not isinstance(document, dict):
            return document
    return document


@given(mutations())
@example(FULL)
def test_the_schema_and_the_check_agree(document):
    assert (check(document) == []) == SCHEMA.is_valid(document), (check(document), document)
