"""IAM's SimulatePrincipalPolicy, which moto lacks: what the policies of a user or role say to actions on resources.

As IAM's own simulation does it, resources' policies do not count unless they are handed over, which the sandbox does
not take; the conditions' keys are those that the sandbox knows of a principal.
Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.responses import IamResponse

from opsctl.sandbox.access.principals import Identities, Principal
from opsctl.sandbox.access.statements import Need, Policy, Question

ALLOWED, DENIED, NOTHING = "allowed", "explicitDeny", "implicitDeny"


def install(identities: Identities) -> None:
    """Answer the call."""

    def simulate_principal_policy(self: IamResponse) -> ActionResult:
        source = self._get_param("PolicySourceArn")
        who = identities.named(source)
        if who is None:
            raise NotFoundException(f"The entity with ARN {source} cannot be found.")
        resources = self._get_param("ResourceArns") or ["*"]
        results = [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": _decision(who, action, resource)}
            for action in self._get_param("ActionNames")
            for resource in resources
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    responses: Any = IamResponse
    responses.simulate_principal_policy = simulate_principal_policy


def _decision(who: Principal, action: str, resource: str) -> str:
    question = who.asks(Need(action, (resource,)))
    verdicts = [_verdict(policies, question) for policies in (who.identity, *who.limits)]
    if DENIED in verdicts:
        return DENIED
    return NOTHING if NOTHING in verdicts else ALLOWED


def _verdict(policies: Iterable[Policy], question: Question) -> str:
    speaking = [one.allows for policy in policies for one in policy.statements if one.fits(question)]
    if not all(speaking):
        return DENIED
    return ALLOWED if speaking else NOTHING
