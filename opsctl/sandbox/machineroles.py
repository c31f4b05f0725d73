"""What Step Functions tries of a machine's role when the machine is made or changed, where IAM is enforced.

Sources: Step Functions' developer guide, "IAM policies for integrated services" (managed rules of `.sync`) and "Using
CloudWatch Logs to log execution history" (log delivery, which knows no resources).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.sandbox.access import Access, DeniedError, Need
from opsctl.sandbox.api import ApiError

SERVICE = "states.amazonaws.com"
SESSION = "states"
RULES = {
    "batch:submitJob": "StepFunctionsGetEventsForBatchJobsRule",
    "sagemaker:createTrainingJob": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createTransformJob": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "states:startExecution": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
LOG_ACTIONS = (
    "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
)  # fmt: skip


def check_role(access: Access, arn: str, role: str, definition: str, logging: Mapping[str, Any] | None) -> None:
    """Raise ApiError (AccessDeniedException) for a role that cannot be the role of this machine."""
    if not access.enforced:
        return
    if not access.trusts(role, SERVICE, arn):
        raise ApiError(
            "AccessDeniedException",
            f"Neither the global service principal {SERVICE}, nor the regional one is authorized to assume the "
            "provided role.",
        )
    for rule in sorted({RULES[call] for call in _followed(json.loads(definition)) if call in RULES}):
        place = access.here.arn("events", f"rule/{rule}")
        _try(access, role, RULE_ACTIONS, place, f"'{role}' is not authorized to create managed-rule.")
    if (logging or {}).get("level", "OFF") != "OFF":
        _try(
            access, role, LOG_ACTIONS, "*",
            "The state machine IAM Role is not authorized to access the Log Destination",
        )  # fmt: skip


def _try(access: Access, role: str, actions: tuple[str, ...], resource: str, message: str) -> None:
    try:
        access.demand(role, SESSION, *(Need(action, (resource,)) for action in actions))
    except DeniedError as denied:
        raise ApiError("AccessDeniedException", message) from denied


def _followed(value: Any) -> Iterator[str]:
    """What a definition calls and waits for (`.sync`), as `service:action`."""
    if isinstance(value, Mapping):
        resource = value.get("Resource")
        if isinstance(resource, str) and ":::" in resource and ".sync" in resource:
            yield resource.partition(":::")[2].partition(".")[0]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _followed(one)
