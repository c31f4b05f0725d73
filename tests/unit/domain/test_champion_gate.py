"""When a new model may take the champion's place, and in which words it is told."""

from dataclasses import replace

import pytest

from opsctl.domain.champion_gate import MAXIMIZE, MINIMIZE, Outcome, Rule, Trained, compare, decide
from opsctl.domain.evaluation import Evaluation, InvalidEvaluation

TENTH = Rule("page_accuracy", MAXIMIZE, 0.1)


@pytest.mark.parametrize(
    ("rule", "ours", "champion", "passed", "words"),
    [
        (Rule("page_accuracy"), 0.91, None, True, "page_accuracy 0.91; there is no champion to compare with"),
        (Rule("page_accuracy"), 0.93, 0.91, True, "page_accuracy 0.93 is 0.02 better than the champion's 0.91"),
        (Rule("page_accuracy"), 0.91, 0.93, False, "page_accuracy 0.91 is 0.02 worse than the champion's 0.93"),
        (Rule("page_accuracy"), 0.91, 0.91, True, "page_accuracy 0.91 equals the champion's"),
        (TENTH, 0.3, 0.2, True, "page_accuracy 0.3 is 0.1 better than the champion's 0.2"),
        (TENTH, 0.29, 0.2, False, "page_accuracy 0.29 is 0.09 better than the champion's 0.2"),
        (TENTH, 0.2, 0.2, False, "page_accuracy 0.2 equals the champion's"),
        (TENTH, 0.1, None, True, "page_accuracy 0.1; there is no champion to compare with"),
        (Rule("log_loss", MINIMIZE), 0.4, 0.5, True, "log_loss 0.4 is 0.1 better than the champion's 0.5"),
        (Rule("log_loss", MINIMIZE), 0.5, 0.4, False, "log_loss 0.5 is 0.1 worse than the champion's 0.4"),
        (Rule("log_loss", MINIMIZE, 0.1), 0.45, 0.5, False, "log_loss 0.45 is 0.05 better than the champion's 0.5"),
        (Rule("log_loss", MINIMIZE), -2, -1, True, "log_loss -2 is 1 better than the champion's -1"),
    ],
)  # fmt: skip
def test_a_model_passes_if_it_is_better_by_what_the_rule_asks_for(
    rule: Rule, ours: float, champion: float | None, passed: bool, words: str
):
    verdict = compare(rule, ours, champion)
    assert (verdict.passed, verdict.words) == (passed, words)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("page_accuracy"), "page_accuracy must not fall"),
        (Rule("log_loss", MINIMIZE), "log_loss must not rise"),
        (Rule("page_accuracy", MAXIMIZE, 0.005), "page_accuracy must rise by at least 0.005"),
        (Rule("log_loss", MINIMIZE, 1), "log_loss must fall by at least 1"),
    ],
)
def test_a_rule_is_told_in_words(rule: Rule, words: str):
    assert rule.words == words


RULE = Rule("page_accuracy")
WHERE = "s3://b/runs/nightly-7/evaluate/x/output/model.tar.gz"
TRAINED = Trained("documents-training", "nightly-7", "nightly-7", "s3://b/runs/nightly-7/", "nightly-7-deployment")
BETTER = Evaluation({"page_accuracy": 0.93}, {"page_accuracy": 0.91}, "nightly-6")
WORSE = Evaluation({"page_accuracy": 0.91}, {"page_accuracy": 0.93}, "nightly-6")
ALONE = Evaluation({"page_accuracy": 0.93}, None)


def outcome(evaluation: Evaluation | None, champion: str | None, warning: str | None = None, **fields) -> Outcome:
    return decide(Trained(**{**vars(TRAINED), **fields}), RULE, evaluation, WHERE, champion, warning)


def test_a_better_model_is_deployed_and_the_message_says_how_to_approve_it():
    assert outcome(BETTER, "nightly-6") == Outcome(
        True,
        "success",
        "documents-training: nightly-7 succeeded",
        "Run:    nightly-7\n"
        "Status: SUCCEEDED\n"
        "Models: s3://b/runs/nightly-7/\n"
        "Gate:   page_accuracy 0.93 is 0.02 better than the champion's 0.91\n"
        "Deploy: nightly-7-deployment, which asks for an approval where the pipeline is set to\n"
        "Next:   opsctl approve nightly-7",
    )


def test_a_worse_model_is_not_and_the_message_says_by_how_much():
    assert outcome(WORSE, "nightly-6") == Outcome(
        False,
        "not-deployed",
        "documents-training: nightly-7 succeeded, not deployed",
        "Run:    nightly-7\n"
        "Status: SUCCEEDED, not deployed\n"
        "Models: s3://b/runs/nightly-7/\n"
        "Gate:   page_accuracy 0.91 is 0.02 worse than the champion's 0.93; page_accuracy must not fall",
    )


def gate_lines(told: Outcome) -> list[str]:
    return [line for line in told.message.splitlines() if line.startswith(("Gate", "Note"))]


def test_the_first_model_needs_nobody_to_beat():
    told = outcome(ALONE, None)
    assert (told.deploy, gate_lines(told)) == (
        True, ["Gate:   page_accuracy 0.93; there is no champion to compare with"],
    )  # fmt: skip


def test_a_champion_that_could_not_be_read_counts_as_none_with_a_note():
    for broken, warning in ((Evaluation({"page_accuracy": 0.1}, None, "nightly-6", "it is broken"), None),
                            (Evaluation({"page_accuracy": 0.1}, None), "it is broken")):  # fmt: skip
        told = outcome(broken, broken.champion_run, warning)
        assert (told.deploy, gate_lines(told)) == (
            True, ["Gate:   page_accuracy 0.1; there is no champion to compare with", "Note:   it is broken"],
        )  # fmt: skip


def test_what_is_to_be_known_of_the_comparison_is_said():
    told = outcome(replace(BETTER, note="the champion does not know deed: 7 of the 20 held-out pages"), "nightly-6")
    assert (told.deploy, gate_lines(told)) == (
        True,
        [
            "Gate:   page_accuracy 0.93 is 0.02 better than the champion's 0.91",
            "Note:   the champion does not know deed: 7 of the 20 held-out pages",
        ],
    )


@pytest.mark.parametrize(
    ("measured", "now", "words"),
    [
        (BETTER, "nightly-5", "the champion is nightly-5 now, and the model was measured beside nightly-6"),
        (BETTER, None, "the champion is gone now, and the model was measured beside nightly-6"),
        (ALONE, "nightly-6", "the champion is nightly-6 now, and the model was measured beside no champion"),
    ],
)
def test_a_comparison_with_another_champion_than_the_present_counts_for_nothing(
    measured: Evaluation, now: str | None, words: str
):
    told = outcome(measured, now)
    assert (told.deploy, told.kind) == (False, "not-deployed")
    assert gate_lines(told) == [f"Gate:   {words}; measure again: opsctl rerun nightly-7 --from Evaluate"]


def test_what_was_not_measured_is_not_deployed():
    told = outcome(None, "nightly-6")
    assert (told.deploy, told.kind) == (False, "not-deployed")
    assert gate_lines(told) == ["Gate:   not measured: Evaluate was skipped, and no result of it is reused"]


def test_an_ensemble_that_cannot_be_served_is_not_deployed_however_good_it_is():
    told = outcome(Evaluation({"page_accuracy": 1.0}, None, deployable=False), None)
    assert (told.deploy, told.kind) == (False, "not-deployed")
    assert gate_lines(told) == [
        "Gate:   page_accuracy 1; there is no champion to compare with",
        "Gate:   the ensemble cannot be served: a base model does not say how (served_by)",
    ]


@pytest.mark.parametrize("evaluation", [BETTER, WORSE, None])
def test_without_a_machine_that_deploys_a_run_succeeds_as_ever(evaluation: Evaluation | None):
    told = outcome(evaluation, "nightly-6", deployment=None)
    assert (told.deploy, told.kind, told.subject) == (False, "success", "documents-training: nightly-7 succeeded")
    assert "Status: SUCCEEDED\n" in told.message
    assert "opsctl approve" not in told.message


@pytest.mark.parametrize(
    "evaluation",
    [
        Evaluation({"log_loss": 0.1}, None),
        Evaluation({"page_accuracy": float("nan")}, None),
        Evaluation({"page_accuracy": 0.9}, {"page_accuracy": float("nan")}, "nightly-6"),
        Evaluation({"page_accuracy": 0.9}, {}, "nightly-6"),
    ],
)
def test_figures_that_are_missing_or_no_numbers_are_no_verdict(evaluation: Evaluation):
    with pytest.raises(InvalidEvaluation, match="page_accuracy of the "):
        outcome(evaluation, evaluation.champion_run)


def test_the_subject_is_what_sns_takes():
    told = outcome(WORSE, "nightly-6", machine="m" * 60, job_prefix="r" * 24)
    assert (len(told.subject), told.subject[-3:]) == (99, "...")
