"""Guards that do the opposite of what they are called: they show without any fault."""

from __future__ import annotations

from collections.abc import Iterator

from opsctl.domain.conditions import Setting
from opsctl.domain.documents import with_settings
from opsctl.domain.drill.explore import Outcome
from opsctl.domain.drill.model import Check, Refutation
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.walk import Drive
from opsctl.errors import OpsError


def inverted_guards(subject: Subject, scenario: Scenario) -> Iterator[Outcome]:
    """A run with each such guard set, which runs what it is to skip, or skips what it is to run."""
    for step, bypass in subject.inverted():
        setting = Setting(bypass.path, True)
        try:
            document = with_settings(scenario.document, [setting])
        except OpsError:
            continue
        drive = Drive(subject.machine, scenario, document=document).start().run()
        runs = any(asked.state == step.name for asked in drive.asked)
        words = f"with {setting.dotted}=true the guard {step.guard.choice!r} {'runs' if runs else 'skips'} {step.name}"  # type: ignore[union-attr]
        refutation = Refutation(Check.GUARDS, step.name, words)
        yield Outcome((), scenario.name, drive.status, (refutation,), drive)
