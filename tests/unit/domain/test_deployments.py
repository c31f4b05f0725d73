"""Deployments in words and names: inputs, standings, figures, the question; and where a rollback goes back to."""

from __future__ import annotations

import pytest

from opsctl.domain.champions import Champion, Model, Source, succession
from opsctl.domain.deployments import (
    Wish,
    figures,
    is_of,
    key_of,
    needs_approval,
    problems,
    request,
    standing,
)
from opsctl.domain.names import SAGEMAKER_LIMIT
from opsctl.domain.rollback import choose, execution_name
from opsctl.errors import OpsError


def champion(run: str, accuracy: float = 0.9) -> Champion:
    return Champion(
        "documents-training", run, Model(f"s3://b/runs/{run}/output/model.tar.gz", "1"), {"page_accuracy": accuracy},
        Source(f"s3://b/runs/{run}/fetch/", "2"), Source(f"s3://b/runs/{run}/code/", "3"), "2026-11-22T07:00:00Z", None,
        "gate", f"{run}-deployment", "documents",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"run": "nightly-7"}, []),
        ({"run": "nightly-7", "machine": "m", "reason": "drift", "approval": False, "skip": {"smoke_test": True},
          "rerun": {"of": "d", "from": ["Smoke Test"], "root": "d"}, "reuse": {}}, []),
        ([], ['the input must be an object, such as {"run": "nightly-7"}']),
        ({}, ["run: is missing; name the training run whose model is to be deployed"]),
        ({"run": 7}, ["run: must be a name of at most 80 letters, digits, hyphens, dots and underscores"]),
        ({"run": "../x"}, ["run: must be a name of at most 80 letters, digits, hyphens, dots and underscores"]),
        ({"run": "a", "aproval": True}, ["aproval: unknown key; the nearest known key is approval"]),
        ({"run": "a", "skip": {"smoke": True}}, ["skip.smoke: unknown key; the nearest known key is smoke_test"]),
        ({"run": "a", "skip": {"smoke_test": 1}}, ["skip: must be an object whose values are true or false"]),
        ({"run": "a", "skip": []}, ["skip: must be an object whose values are true or false"]),
        ({"run": "a", "reason": " "}, ["reason: must be a text of 1 to 200 characters"]),
        ({"run": "a", "approval": "no"}, ["approval: must be true or false"]),
        ({"run": "a", "rerun": 1}, ["rerun: must be an object"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_input(document: object, said: list[str]) -> None:
    assert problems(document) == said


@pytest.mark.parametrize("pipeline", ["d", "documents", "p" * 32])
@pytest.mark.parametrize("run", ["nightly-7", "n" * 80, "with_underscores.and.dots"])
def test_the_names_of_what_is_made_fit_and_tell_runs_apart(pipeline: str, run: str) -> None:
    name = f"{pipeline}-{key_of(pipeline, run, {'image': 'a'})}"
    assert len(name) <= SAGEMAKER_LIMIT
    assert is_of(pipeline, name)
    assert is_of(pipeline, name, run)
    assert not is_of(pipeline, name, f"{run}-2")
    assert name != f"{pipeline}-{key_of(pipeline, run, {'image': 'b'})}"


@pytest.mark.parametrize(
    ("status", "serves", "in_production", "word"),
    [
        (None, "", False, "none"), ("Creating", "ours", False, "busy"), ("RollingBack", "other", False, "busy"),
        ("Failed", "ours", False, "broken"), ("Failed", "other", False, "failed"),
        ("InService", "other", True, "other"), ("UpdateRollbackFailed", "other", False, "other"),
        ("InService", "ours", False, "ours"), ("InService", "ours", True, "champion"),
    ],
)  # fmt: skip
def test_what_the_endpoint_is_to_a_deployment(status: str | None, serves: str, in_production: bool, word: str) -> None:
    assert standing(status, serves, "ours", in_production) == word


def test_the_figures_are_the_ensembles() -> None:
    metrics = {
        "page_accuracy": {"sequence": 0.9, "text": 0.5},
        "loss": 1,
        "deployable": True,
        "confusion": {"sequence": []},
    }
    assert figures(metrics) == {"loss": 1, "page_accuracy": 0.9}
    assert figures([]) == {}


@pytest.mark.parametrize(
    ("document", "rule", "was", "asked"),
    [
        ({}, {}, False, True),
        ({}, {"required": False}, False, False),
        ({"reason": "rollback"}, {}, True, False),
        ({"reason": "rollback"}, {}, False, True),  # anybody may call anything a rollback
        ({"reason": "rollback"}, {"rollback": True}, True, True),
        ({"approval": False}, {}, False, True),
        ({"approval": False}, {"waivable": True}, False, False),
    ],
)
def test_who_is_asked(document: dict[str, object], rule: dict[str, bool], was: bool, asked: bool) -> None:
    whole = {"required": True, "rollback": False, "waivable": False} | rule
    assert needs_approval(document, whole, was_champion=was) is asked


def test_the_question_has_figures_links_and_commands() -> None:
    subject, message = request(
        Wish(
            "nightly-7-deployment",
            "documents-deployment",
            "nightly-7",
            "documents-training",
            "documents",
            "gate",
            {"log_loss": 0.25, "page_accuracy": 0.93},
            champion("nightly-6"),
            None,
            "https://console",
            604800,
        )
    )
    assert subject == "documents-deployment: deploy nightly-7?"
    assert message.splitlines() == [
        "Run:      nightly-7-deployment",
        "Model:    of nightly-7 (documents-training)",
        "Endpoint: documents",
        "Reason:   it passed the champion gate",
        "Serving:  nightly-6, champion since 2026-11-22T07:00:00Z",
        "Figures:  log_loss       0.25",
        "          page_accuracy  0.93   champion 0.9",
        "",
        "Console:  https://console",
        "Expires:  7 days after this message; then nothing is deployed",
        "Approve:  opsctl approve nightly-7-deployment --machine documents-deployment",
        'Reject:   opsctl reject nightly-7-deployment --machine documents-deployment --reason "…"',
    ]


ONE, TWO = champion("one"), succession(champion("two"), champion("one"))


def test_a_rollback_goes_to_the_champion_before_or_to_the_one_named() -> None:
    assert choose(TWO, [ONE, TWO], None).target.run == "one"
    assert choose(TWO, [champion("zero"), ONE, TWO], "zero").target.run == "zero"
    assert choose(TWO, [], "one").target.run == "one"
    assert choose(None, [ONE], "one").target.run == "one"


def test_a_rollback_has_the_same_name_until_something_else_is_promoted() -> None:
    way = choose(TWO, [ONE, TWO], None)
    name = execution_name(way, 1)
    assert (name, execution_name(way, 2)) == ("rollback-8ad9d0c49f89277c", "rollback-8ad9d0c49f89277c-2")
    others = [
        choose(TWO, [champion("zero"), ONE, TWO], "zero"),
        choose(None, [ONE], "one"),
        choose(succession(ONE, TWO), [], None),
    ]
    assert len({name, *(execution_name(other, 1) for other in others)}) == 4


@pytest.mark.parametrize(
    ("present", "promotions", "wanted", "code", "said"),
    [
        (ONE, [ONE], None, 3, "one is the first champion: there is none to go back to"),
        (TWO, [ONE, TWO], "two", 3, "two is the champion already"),
        (TWO, [ONE, TWO], "onne", 2, "onne was never champion"),
        (None, [ONE, TWO], None, 3, "no champion is on record, so none is known to be the one before it"),
        (None, [], None, 3, "no model was ever in production: there is nothing to go back to"),
    ],
)
def test_where_there_is_no_way_back(
    present: Champion | None, promotions: list[Champion], wanted: str | None, code: int, said: str
) -> None:
    with pytest.raises(OpsError) as error:
        choose(present, promotions, wanted)
    assert (error.value.exit_code, error.value.message) == (code, said)
    assert "--input" not in (error.value.hint or "")  # which takes a file
