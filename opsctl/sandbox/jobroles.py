"""What services do as the role of a job or function, where IAM is enforced: pull its image, write its logs."""

from __future__ import annotations

import re
from collections.abc import Callable

from opsctl.sandbox.access import Access, Need
from opsctl.sandbox.world import World

IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")
PULLS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
METRICS_NAMESPACE = "/aws/sagemaker/TrainingJobs"
May = Callable[[Need], bool]


def pulling(image: str) -> list[Need]:
    """What pulling an image needs: nothing, unless it lies in a private registry of ECR."""
    found = IMAGE.match(image)
    if found is None:
        return []
    account, region, name = found.groups()
    repository = f"arn:aws:ecr:{region}:{account}:repository/{name}"
    return [Need("ecr:GetAuthorizationToken", ("*",)), *(Need(action, (repository,)) for action in PULLS)]


def writes_metrics(access: Access, role: str) -> bool:
    """Whether a training job's metrics reach CloudWatch."""
    namespace = (("cloudwatch:namespace", (METRICS_NAMESPACE,)),)
    return access.may(role, "SageMaker", Need("cloudwatch:PutMetricData", ("*",), namespace))


def writer(world: World, role: str | None, session: str) -> May:
    """Whether this role may do what writing logs needs; without a role nobody asks."""
    return lambda need: role is None or world.access.may(role, session, need)
