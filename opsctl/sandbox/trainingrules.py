"""What CreateTrainingJob refuses of instances, Spot, warm pools, volumes and VPCs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends

from opsctl.sandbox.api import ApiError
from opsctl.sandbox.world import World

WARM_SECONDS = 3600
MOST_INSTANCES = 20
"""Of one type in one job: SageMaker's default quota (AWS General Reference, Amazon SageMaker endpoints and quotas)."""
# Families whose instances have disks of their own, which take no key
# (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html).
OWN_DISKS = re.compile(
    r"ml\.(g4dn|g5|g6e?|g7e?|p3dn|p4de?|p5(e|en)?|p6(-b200|-b300|e-gb200)|trn1n?|trn2|[cmr]\d+[a-z]*d)\."
)


def check(world: World, request: Mapping[str, Any]) -> None:
    """Raises ApiError (ValidationException, ResourceLimitExceeded) for what SageMaker would not start."""
    for problem in (*_capacity(request), *_network(world, request)):
        raise ApiError("ValidationException", problem)
    check_instances(request.get("ResourceConfig") or {}, "training")


def check_instances(resources: Mapping[str, Any], kind: str) -> None:
    """Raises ApiError (ResourceLimitExceeded) for more instances than a job of this kind may have."""
    if resources.get("InstanceCount", 1) > MOST_INSTANCES:
        raise ApiError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{resources.get('InstanceType')} for {kind} job usage' is "
            f"{MOST_INSTANCES} Instances, with current utilization of 0 Instances and a request delta of "
            f"{resources['InstanceCount']} Instances. Please use AWS Service Quotas to request an increase "
            "for this quota.",
        )


def check_trust(world: World, role: str, job: str) -> None:
    """Raises ApiError (ValidationException) for a role that SageMaker may not assume for this job (an ARN)."""
    if not world.access.trusts(role, "sagemaker.amazonaws.com", job):
        raise ApiError(
            "ValidationException",
            f"Could not assume role {role}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role.",
        )


def _capacity(request: Mapping[str, Any]) -> Iterator[str]:
    resources, stopping = request.get("ResourceConfig") or {}, request.get("StoppingCondition") or {}
    spot = bool(request.get("EnableManagedSpotTraining"))
    runtime, wait = stopping.get("MaxRuntimeInSeconds", 86400), stopping.get("MaxWaitTimeInSeconds")
    warm = resources.get("KeepAlivePeriodInSeconds") or 0
    if resources.get("InstanceGroups"):
        yield "The sandbox has no heterogeneous clusters: use InstanceType and InstanceCount, not InstanceGroups"
    elif resources.get("InstanceCount", 1) < 1:
        yield "InstanceCount must be at least 1"
    if spot and (wait is None or wait < runtime):
        yield "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
    if not spot and wait is not None:
        yield "MaxWaitTimeInSeconds is for managed spot training only: EnableManagedSpotTraining is not set"
    if spot and warm:
        yield "KeepAlivePeriodInSeconds cannot be used with managed spot training"
    if not 0 <= warm <= WARM_SECONDS:
        yield f"KeepAlivePeriodInSeconds must be 0 to {WARM_SECONDS}"
    if resources.get("VolumeKmsKeyId") and OWN_DISKS.match(str(resources.get("InstanceType", ""))):
        yield f"VolumeKmsKeyId cannot be used with {resources['InstanceType']}, whose storage is local"


def _network(world: World, request: Mapping[str, Any]) -> Iterator[str]:
    network = request.get("VpcConfig") or {}
    backend = ec2_backends[world.account][world.region]
    for subnet in network.get("Subnets") or []:
        try:
            backend.get_subnet(subnet)
        except EC2ClientError:
            yield f"The subnet ID '{subnet}' does not exist"
    for group in network.get("SecurityGroupIds") or []:
        if backend.get_security_group_from_id(group) is None:
            yield f"The security group '{group}' does not exist"
