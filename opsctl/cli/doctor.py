"""`opsctl doctor`."""

from __future__ import annotations

from dataclasses import asdict

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import emit, table
from opsctl.errors import FAILED


@click.command()
@click.pass_context
def doctor(context: click.Context) -> int:
    """Look over the deployment: what would keep runs from going well, or from being heard of; and what to do about it.

    Credentials and region; whether each machine's definition is the one that was applied; permissions, as IAM simulates
    them; topics that nobody has subscribed to; messages that could not be delivered; approvals that wait for days; jobs
    whose run is over; quotas of SageMaker's instances. Nothing is changed.

    Exit code 1 if there is a PROBLEM. A WARNING is to be looked at; what is UNKNOWN could not be looked into.

    \b
    Examples:
      opsctl doctor
      opsctl doctor --query "[?status=='PROBLEM']"
    """
    from opsctl.domain.checkup import OK, PROBLEM
    from opsctl.operations.doctor import examine

    invocation = context.ensure_object(Invocation)
    found = examine(invocation.connect())
    rows = [[finding.status, finding.check, finding.what] for finding in found]
    remedies = [f"{finding.check}: {finding.remedy}" for finding in found if finding.remedy and finding.status != OK]
    text = table(["STATUS", "CHECK", "WHAT"], rows, fold=True)
    if remedies:
        text += "\n\nwhat to do\n" + "\n".join(f"  {line}" for line in dict.fromkeys(remedies))
    emit(invocation, [asdict(finding) for finding in found], text)
    return FAILED if any(finding.status == PROBLEM for finding in found) else 0
