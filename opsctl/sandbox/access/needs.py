"""What a request needs to be allowed: its IAM actions, each with the resource that it is about.

Sources: AWS's service authorization reference, for actions that are named otherwise than the API's, for resources and
for what one call needs of another service (PassRole, tags). What is not in a table here is about `*`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.sandbox.access.statements import Need

Parameters = Mapping[str, Any]
# Signing name -> IAM's prefix, where they differ.
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# IAM's prefix -> parameters that name the resource, the first one that is given, and the ARN's last part.
NAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "cloudwatch": (("AlarmName", "alarm:{}"),),
    "kms": (("KeyId", "key/{}"),),
    "sagemaker": (
        ("ResourceArn", "{}"),
        ("TrainingJobName", "training-job/{}"),
        ("TransformJobName", "transform-job/{}"),
        ("EndpointName", "endpoint/{}"),
        ("EndpointConfigName", "endpoint-config/{}"),
        ("ModelName", "model/{}"),
    ),
    "scheduler": (("Name", "schedule/default/{}"),),
    "sns": (("TopicArn", "{}"), ("TargetArn", "{}"), ("ResourceArn", "{}"), ("Name", "{}")),
    "sqs": (("QueueUrl", "{}"), ("QueueName", "{}")),
    "states": (
        ("executionArn", "{}"),
        ("mapRunArn", "{}"),
        ("stateMachineAliasArn", "{}"),
        ("stateMachineVersionArn", "{}"),
        ("stateMachineArn", "{}"),
        ("activityArn", "{}"),
        ("resourceArn", "{}"),
    ),
}
# Parameters, in dots for what lies deeper, that hand a role to a service.
PASSED: dict[str, tuple[tuple[str, str], ...]] = {
    "batch:RegisterJobDefinition": (
        ("containerProperties.jobRoleArn", "ecs-tasks.amazonaws.com"),
        ("containerProperties.executionRoleArn", "ecs-tasks.amazonaws.com"),
    ),
    "events:PutTargets": (("Targets.RoleArn", "events.amazonaws.com"),),
    "lambda:CreateFunction": (("Role", "lambda.amazonaws.com"),),
    "lambda:UpdateFunctionConfiguration": (("Role", "lambda.amazonaws.com"),),
    "sagemaker:CreateModel": (("ExecutionRoleArn", "sagemaker.amazonaws.com"),),
    "sagemaker:CreateTrainingJob": (("RoleArn", "sagemaker.amazonaws.com"),),
    "scheduler:CreateSchedule": (("Target.RoleArn", "scheduler.amazonaws.com"),),
    "scheduler:UpdateSchedule": (("Target.RoleArn", "scheduler.amazonaws.com"),),
    "states:CreateStateMachine": (("roleArn", "states.amazonaws.com"),),
    "states:UpdateStateMachine": (("roleArn", "states.amazonaws.com"),),
}
# What a call that gives tags needs besides.
TAGGED = {
    "batch:SubmitJob": ("tags", "batch:TagResource"),
    "sagemaker:CreateEndpoint": ("Tags", "sagemaker:AddTags"),
    "sagemaker:CreateEndpointConfig": ("Tags", "sagemaker:AddTags"),
    "sagemaker:CreateModel": ("Tags", "sagemaker:AddTags"),
    "sagemaker:CreateTrainingJob": ("Tags", "sagemaker:AddTags"),
    "sagemaker:CreateTransformJob": ("Tags", "sagemaker:AddTags"),
    "states:CreateStateMachine": ("tags", "states:TagResource"),
}


@dataclass(frozen=True)
class Here:
    """The account and region that ARNs are made of."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource; a name that is an ARN already stays one."""
        return resource if resource.startswith("arn:") else f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def needs_of(action: str, given: Parameters, here: Here) -> list[Need]:
    """What an API call of any service but S3 needs."""
    signed, _, operation = action.partition(":")
    service = PREFIXES.get(signed, signed)
    named = f"{service}:{_OTHER_NAMES.get(f'{service}:{operation}', operation)}"
    found = _SPECIAL.get(service, _by_name)
    resources = found(service, operation, given, here)
    needs = [Need(named, ways, _context(named, given)) for ways in resources]
    tags, tagging = TAGGED.get(named, ("", ""))
    if given.get(tags):
        made = resources[:1] if service == "sagemaker" else resources  # not what it is made of
        needs += [Need(tagging, ways) for ways in made]
    return [*needs, *_passed(named, given)]


def _by_name(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    del operation
    for parameter, form in NAMED.get(service, ()):
        value = given.get(parameter)
        if isinstance(value, str) and value:
            text = value if value.startswith("arn:") else form.format(value.rpartition("/")[2])
            return [(here.arn(service, text),)]
    return [("*",)]


def _machines(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    """Step Functions asks about the machine also where a version or an alias is meant
    (https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html)."""
    return [tuple(map(unqualified, ways)) for ways in _by_name(service, operation, given, here)]


def unqualified(arn: str) -> str:
    """A machine's ARN without the version or the alias."""
    parts = arn.split(":")
    return ":".join(parts[:7]) if parts[5:6] == ["stateMachine"] else arn


def _functions(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    del operation
    name = str(given.get("FunctionName") or given.get("Resource") or "")
    if not name:
        return [("*",)]
    arn = here.arn(service, name if name.startswith("arn:") else f"function:{name}")
    return [(f"{arn}:{given['Qualifier']}",)] if given.get("Qualifier") else [(arn,)]


def _logs(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    """A log group is written with its streams; those actions that are about the group itself know both ways."""
    name = given.get("logGroupName") or given.get("logGroupIdentifier") or given.get("resourceArn")
    if not name or operation == "DescribeLogGroups":
        return [("*",)]
    text = str(name)
    group = (text if text.startswith("arn:") else here.arn(service, f"log-group:{text}")).removesuffix(":*")
    stream = f"{group}:log-stream:{given.get('logStreamName') or ''}"
    both = operation in ("CreateLogGroup", "DeleteLogGroup", "ListTagsForResource", "PutRetentionPolicy")
    return [(stream, group)] if both else [(stream,)]


def _batch(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    if operation == "SubmitJob":
        named = (("job-definition", given.get("jobDefinition")), ("job-queue", given.get("jobQueue")))
        forms = ((str(name), f"{kind}/{name}") for kind, name in named)
        return [(here.arn(service, name if name.startswith("arn:") else form),) for name, form in forms]
    if operation in ("TerminateJob", "CancelJob"):
        return [(here.arn(service, f"job/{given.get('jobId', '')}"),)]
    return [(str(given["resourceArn"]),)] if given.get("resourceArn") else [("*",)]


def _sagemaker(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    """Whoever deploys needs it for the endpoint, and for the configuration that it is to serve."""
    found = _by_name(service, operation, given, here)
    if operation in ("CreateEndpoint", "UpdateEndpoint"):
        found += _by_name(service, operation, {"EndpointConfigName": given.get("EndpointConfigName")}, here)
    return found


def _events(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    rule = given.get("Rule") or given.get("Name")
    bus = str(given.get("EventBusName") or "default").rpartition("/")[2]
    if operation == "PutEvents":
        return [(here.arn(service, f"event-bus/{bus}"),)]
    if not rule or ("Rule" not in operation and "Target" not in operation):
        return [("*",)]
    return [(here.arn(service, f"rule/{rule}" if bus == "default" else f"rule/{bus}/{rule}"),)]


def _roles(service: str, operation: str, given: Parameters, here: Here) -> list[tuple[str, ...]]:
    """IAM's and STS's own resources have no region."""
    del operation
    for parameter, kind in (("RoleArn", "role"), ("RoleName", "role"), ("UserName", "user"), ("PolicyArn", "policy")):
        value = str(given.get(parameter) or "")
        if value:
            return [(value if value.startswith("arn:") else f"arn:aws:{service}::{here.account}:{kind}/{value}",)]
    return [("*",)]


_SPECIAL: dict[str, Callable[[str, str, Parameters, Here], list[tuple[str, ...]]]] = {
    "batch": _batch,
    "events": _events,
    "iam": _roles,
    "lambda": _functions,
    "logs": _logs,
    "sagemaker": _sagemaker,
    "states": _machines,
    "sts": _roles,
}
_OTHER_NAMES = {"lambda:Invoke": "InvokeFunction", "lambda:InvokeAsync": "InvokeFunction"}


def _context(action: str, given: Parameters) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if action == "cloudwatch:PutMetricData" and given.get("Namespace"):
        return (("cloudwatch:namespace", (str(given["Namespace"]),)),)
    if action == "states:StartExecution":
        qualifier = str(given.get("stateMachineArn", "")).split(":")[7:]
        return (("states:statemachinequalifier", tuple(qualifier)),) if qualifier else ()
    return ()


def pass_role(role: str, service: str) -> Need:
    """What handing a role to a service needs."""
    return Need("iam:PassRole", (role,), (("iam:passedtoservice", (service,)),))


def _passed(action: str, given: Parameters) -> list[Need]:
    return [
        pass_role(role, service)
        for path, service in PASSED.get(action, ())
        for role in _at(given, path.split("."))
        if role
    ]


def _at(value: Any, path: list[str]) -> list[str]:
    """Every text at a path, lists walked through."""
    if isinstance(value, list):
        return [text for one in value for text in _at(one, path)]
    if not path:
        return [value] if isinstance(value, str) else []
    return _at(value.get(path[0]), path[1:]) if isinstance(value, Mapping) else []
