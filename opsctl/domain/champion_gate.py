"""The gate between training and deployment: when a new model may take the champion's place.

Both are measured by one job on the same held-out stacks. Equal is good enough unless the rule asks for more: the new
model has seen newer data. A model is only ever held against the champion of this moment: where another one was promoted
since Evaluate, or Evaluate was reused from before, the run has to measure again.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsctl.domain.evaluation import Evaluation, figure
from opsctl.domain.messages import subject

SUCCESS, NOT_DEPLOYED = "success", "not-deployed"
"""What the gate's message is of: its attribute `kind`."""

MAXIMIZE, MINIMIZE = "maximize", "minimize"

_DIGITS = 10  # decimals to which improvements are told apart: 0.3 - 0.2 is 0.1


@dataclass(frozen=True)
class Rule:
    """When a model may take the champion's place: it must be better in `metric` by `least_improvement`, or more."""

    metric: str
    direction: str = MAXIMIZE
    least_improvement: float = 0.0

    @property
    def words(self) -> str:
        """`page_accuracy must rise by at least 0.01`."""
        verb = "rise" if self.direction == MAXIMIZE else "fall"
        if not self.least_improvement:
            return f"{self.metric} must not {'fall' if self.direction == MAXIMIZE else 'rise'}"
        return f"{self.metric} must {verb} by at least {number(self.least_improvement)}"


@dataclass(frozen=True)
class Verdict:
    """What the gate says: `improvement` is positive for a better model whatever the metric's direction, and None where
    there is no champion to compare with."""

    rule: Rule
    ours: float
    champion: float | None
    improvement: float | None

    @property
    def passed(self) -> bool:
        """Whether the model may be deployed."""
        return self.improvement is None or self.improvement >= self.rule.least_improvement

    @property
    def words(self) -> str:
        """One line that says by how much, such as `page_accuracy 0.91 is 0.02 worse than the champion's 0.93`."""
        ours = f"{self.rule.metric} {number(self.ours)}"
        if self.champion is None or self.improvement is None:
            return f"{ours}; there is no champion to compare with"
        if not self.improvement:
            return f"{ours} equals the champion's"
        how = f"{number(abs(self.improvement))} {'better' if self.improvement > 0 else 'worse'}"
        return f"{ours} is {how} than the champion's {number(self.champion)}"


def compare(rule: Rule, ours: float, champion: float | None) -> Verdict:
    """The verdict on a model; None for a champion that there is not, or that could not be measured. Both must be
    finite."""
    if champion is None:
        return Verdict(rule, ours, None, None)
    gain = ours - champion if rule.direction == MAXIMIZE else champion - ours
    return Verdict(rule, ours, champion, round(gain, _DIGITS) + 0.0)


def number(value: float) -> str:
    """A figure as people read it: at most 6 significant digits."""
    return f"{value:.6g}"


@dataclass(frozen=True)
class Trained:
    """A run that is about to end: its names, where its models lie, and the deployment that would be started for it
    (None where there is no machine that deploys)."""

    machine: str
    name: str
    job_prefix: str
    prefix: str
    deployment: str | None


@dataclass(frozen=True)
class Outcome:
    """What becomes of a run: whether its model is to be deployed, and the message that says so and why."""

    deploy: bool
    kind: str
    subject: str
    message: str


def decide(
    trained: Trained, rule: Rule, evaluation: Evaluation | None, where: str, champion: str | None, warning: str | None
) -> Outcome:
    """What becomes of the run by what Evaluate measured (None where it did not), in the artifact `where`. `champion` is
    the run of the present champion, None where there is none, and `warning` why one counts as none. Raises
    InvalidEvaluation if the figure that the rule asks for was not measured."""
    passed, reasons = _judged(trained, rule, evaluation, where, champion)
    notes = (warning, evaluation and evaluation.warning, evaluation and evaluation.note)
    warnings = [words for words in notes if words]
    deploy = passed and trained.deployment is not None
    lost = trained.deployment is not None and not deploy
    ending = ", not deployed" if lost else ""
    lines = [f"Run:    {trained.name}", f"Status: SUCCEEDED{ending}", f"Models: {trained.prefix}"]
    lines += [f"Gate:   {reason}" for reason in reasons] + [f"Note:   {words}" for words in warnings]
    if deploy:
        lines += [f"Deploy: {trained.deployment}, which asks for an approval where the pipeline is set to"]
        lines += [f"Next:   opsctl approve {trained.name}"]
    title = subject(f"{trained.machine}: {trained.job_prefix} succeeded{ending}")
    return Outcome(deploy, NOT_DEPLOYED if lost else SUCCESS, title, "\n".join(lines))


def _judged(
    trained: Trained, rule: Rule, evaluation: Evaluation | None, where: str, champion: str | None
) -> tuple[bool, list[str]]:  # fmt: skip
    """Whether the model passes, and why."""
    if evaluation is None:
        return False, ["not measured: Evaluate was skipped, and no result of it is reused"]
    again = f"measure again: opsctl rerun {trained.name} --from Evaluate"
    if evaluation.champion_run != champion:
        beside = evaluation.champion_run or "no champion"
        return False, [f"the champion is {champion or 'gone'} now, and the model was measured beside {beside}; {again}"]
    ours = figure(evaluation.ensemble, rule.metric, "the ensemble", where)
    measured = evaluation.champion
    verdict = compare(rule, ours, None if measured is None else figure(measured, rule.metric, "the champion", where))
    if not evaluation.deployable:
        return False, [verdict.words, "the ensemble cannot be served: a base model does not say how (served_by)"]
    return verdict.passed, [verdict.words] if verdict.passed else [f"{verdict.words}; {rule.words}"]
