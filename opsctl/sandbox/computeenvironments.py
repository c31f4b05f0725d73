"""Batch's compute environments and queues: what moto makes of them, with the changes and refusals that AWS knows.

Nothing starts here: a job runs on this machine, whatever environment its queue names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from moto.batch.exceptions import ClientException
from moto.batch.models import BatchBackend, ComputeEnvironment, JobQueue
from moto.batch.responses import BatchResponse

LINKED_ROLE = "awsserviceroleforbatch"  # in lower case: moto writes it otherwise than AWS
ENVIRONMENTS_OF_A_QUEUE = 3
# What may change in any environment, and in one on Fargate; everything else is an infrastructure update
# (https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html).
SCALING = frozenset({"maxvCpus", "minvCpus", "desiredvCpus"})
PLACING = frozenset({"subnets", "securityGroupIds", "type"})
UPDATABLE = ("BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED")
UPDATE_POLICY = {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 30}


class EnvironmentsBackend(BatchBackend):
    """moto's Batch, whose environments and queues change as AWS's do."""

    @property
    def policies(self) -> dict[str, dict[str, Any]]:
        """Each environment's update policy, by its ARN: moto knows none."""
        found: dict[str, dict[str, Any]] = self.__dict__.setdefault("update_policies", {})
        return found

    def create_compute_environment(
        self,
        compute_environment_name: str,
        _type: str,
        state: str,
        compute_resources: dict[str, Any],
        service_role: str,
        tags: dict[str, str] | None = None,
    ) -> ComputeEnvironment:
        """CreateComputeEnvironment: without a service role AWS uses its service-linked one, and makes it if need be."""
        return super().create_compute_environment(
            compute_environment_name, _type, state, compute_resources, service_role or self._linked_role(), tags
        )

    def change_compute_environment(self, request: Mapping[str, Any]) -> ComputeEnvironment:
        """UpdateComputeEnvironment. Raises ClientException for one that is not there, or a change that AWS refuses."""
        environment = self._environment(request["computeEnvironment"])
        changes = request.get("computeResources") or {}
        resources: dict[str, Any] = environment.compute_resources or {}
        _check_update(environment, resources, changes)
        super().update_compute_environment(environment.name, request.get("state"), None, request.get("serviceRole"))
        environment.compute_resources = {**resources, **changes}
        if request.get("updatePolicy"):
            self.policies[environment.arn] = dict(request["updatePolicy"])
        return environment

    def describe_compute_environments(self, environments: list[str] | None = None) -> list[dict[str, Any]]:
        """DescribeComputeEnvironments, with the policy of updates where one was set."""
        found: list[dict[str, Any]] = super().describe_compute_environments(environments)
        for entry in found:
            policy = self.policies.get(entry["computeEnvironmentArn"])
            if policy:
                entry["updatePolicy"] = UPDATE_POLICY | policy
        return found

    def delete_compute_environment(self, compute_environment_name: str) -> None:
        """DeleteComputeEnvironment. Raises ClientException while it is enabled, or a queue names it."""
        environment = self.get_compute_environment(compute_environment_name)
        if environment is not None:
            if environment.state != "DISABLED":
                raise ClientException("Cannot delete, state must be DISABLED")
            if any(environment in queue.environments for queue in self._job_queues.values()):
                raise ClientException("Cannot delete, found existing JobQueue relationship")
            self.policies.pop(environment.arn, None)
        super().delete_compute_environment(compute_environment_name)

    def create_job_queue(
        self,
        queue_name: str,
        priority: str,
        schedule_policy: str | None,
        state: str,
        compute_env_order: list[dict[str, str]],
        tags: dict[str, str] | None = None,
    ) -> JobQueue:
        """CreateJobQueue. Raises ClientException for environments that cannot share a queue."""
        self._check_order(compute_env_order or [])
        return super().create_job_queue(queue_name, priority, schedule_policy, state, compute_env_order, tags)

    def update_job_queue(
        self,
        queue_name: str,
        priority: str | None,
        state: str | None,
        compute_env_order: list[dict[str, Any]] | None,
        schedule_policy: str | None,
    ) -> tuple[str, str]:
        """UpdateJobQueue. Jobs that run go on where they are. Raises ClientException as CreateJobQueue does."""
        self._check_order(compute_env_order or [])
        return super().update_job_queue(queue_name, priority, state, compute_env_order, schedule_policy)

    def _environment(self, name: str) -> ComputeEnvironment:
        found = self.get_compute_environment(name)
        if found is None:
            raise ClientException(f"{name} does not exist")
        return found

    def _check_order(self, order: Iterable[Mapping[str, Any]]) -> None:
        environments = [self._environment(entry["computeEnvironment"]) for entry in order]
        if len(environments) > ENVIRONMENTS_OF_A_QUEUE:
            raise ClientException(f"A job queue takes at most {ENVIRONMENTS_OF_A_QUEUE} compute environments")
        kinds = {_on_fargate(environment.compute_resources or {}) for environment in environments}
        if len(kinds) > 1:
            raise ClientException("A job queue cannot mix Fargate and EC2 compute environments")

    def _linked_role(self) -> str:
        known = (role for role in self.iam_backend.roles.values() if role.name.lower() == LINKED_ROLE)
        role = next(known, None) or self.iam_backend.create_service_linked_role("batch.amazonaws.com", "", "")
        return str(role.arn)


class EnvironmentsResponse(BatchResponse):
    """The actions on environments that moto answers too simply."""

    def updatecomputeenvironment(self) -> str:
        """UpdateComputeEnvironment, with all its members."""
        backend: Any = self.batch_backend
        environment = backend.change_compute_environment(json.loads(self.body))
        return json.dumps(
            {"computeEnvironmentArn": environment.arn, "computeEnvironmentName": environment.name}
        )  # fmt: skip


def _check_update(environment: ComputeEnvironment, resources: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    allowed = SCALING | (PLACING if _on_fargate(resources) else frozenset())
    updatable = environment.service_role.rpartition("/")[2].lower() == LINKED_ROLE and (
        changes.get("allocationStrategy", resources.get("allocationStrategy")) in UPDATABLE
    )
    refused = sorted(changes.keys() - allowed)
    if refused and (_on_fargate(resources) or not updatable):
        raise ClientException(
            f"Compute resource parameter(s) {', '.join(refused)} cannot be updated: an environment needs the service-"
            f"linked role and one of the allocation strategies {', '.join(UPDATABLE)}"
        )
    sizes = {**resources, **changes}
    if int(sizes.get("minvCpus") or 0) > int(sizes["maxvCpus"]):
        raise ClientException("minvCpus must be less than or equal to maxvCpus")


def _on_fargate(resources: Mapping[str, Any]) -> bool:
    return str(resources.get("type", "")).upper().startswith("FARGATE")
