"""When a new model may take the champion's place, and in which words it is told."""

import pytest

from opsctl.domain.champion_gate import MAXIMIZE, MINIMIZE, Rule, compare

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
