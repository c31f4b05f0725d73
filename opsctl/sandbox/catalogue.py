"""State machines with their revisions, versions and aliases, and activities: moto's catalogue under AWS's rules."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Any, ClassVar

import moto.stepfunctions.urls
from moto.stepfunctions.exceptions import (
    InvalidName,
    NameTooLongException,
    ResourceNotFound,
    StateMachineDoesNotExist,
)
from moto.stepfunctions.models import (
    Activity,
    StateMachine,
    StateMachineAlias,
    StateMachineInstance,
    StateMachineVersion,
    StepFunctionBackend,
)

from opsctl.asl.definition import StateMachine as Definition
from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.validate import parse, validate
from opsctl.sandbox import quotas
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.machineroles import check_role
from opsctl.sandbox.world import World

INITIAL = "INITIAL"
FORBIDDEN_IN_NAMES = frozenset(' <>{}[]?*"#%\\^|~`$&,;:/')
_REVISED = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")


class Catalogue(StepFunctionBackend):
    """What is defined, as opposed to what runs."""

    world: ClassVar[World]
    _url_module = moto.stepfunctions.urls

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        # Of machines and versions that were updated, by ARN; all others are at their first revision.
        self._revisions: dict[str, str] = {}

    # state machines

    def create_state_machine(
        self,
        name: str,
        definition: str,
        roleArn: str,  # noqa: N803  moto's name for it
        *arguments: Any,
        **options: Any,
    ) -> StateMachine:
        """CreateStateMachine, idempotent for an equal definition, type and role as AWS has it."""
        check_name(name)
        machine_of(definition)
        arn = self.world.arn("states", f"stateMachine:{name}")
        known = next((machine for machine in self.state_machines if machine.arn == arn), None)
        wanted = (definition, roleArn, options.get("sm_type") or "STANDARD")
        if known is not None and (known.definition, known.roleArn, known.type) != wanted:
            raise ApiError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        check_role(self.world.access, arn, roleArn, definition, options.get("loggingConfiguration"))
        if known is None:
            quotas.room_for_machine(self.state_machines)
            quotas.check_tags({tag["key"] for tag in options.get("tags") or ()}, arn)
        return super().create_state_machine(name, definition, roleArn, *arguments, **options)

    def update_state_machine(
        self, arn: str, definition: str | None = None, *arguments: Any, **options: Any
    ) -> StateMachine:
        """UpdateStateMachine: a new revision if anything changed. Executions keep the definition they started with."""
        if definition is not None:
            machine_of(definition)
        known = self.describe_state_machine(arn)
        check_role(
            self.world.access, arn, (arguments[0] if arguments else None) or known.roleArn,
            definition or known.definition, options.get("logging_configuration") or known.loggingConfiguration,
        )  # fmt: skip
        before = _content(self.describe_state_machine(arn))
        machine = super().update_state_machine(arn, definition, *arguments, **options)
        if _content(machine) != before:
            self._revisions[arn] = str(uuid.uuid4())
        return machine

    def tag_resource(self, arn: str, tags: dict[str, str]) -> None:
        """TagResource."""
        quotas.check_tags(self.tagger.get_tag_dict_for_resource(arn).keys() | tags.keys(), arn)
        super().tag_resource(arn, tags)

    def delete_state_machine(self, arn: str) -> None:
        """DeleteStateMachine."""
        super().delete_state_machine(arn)
        for known in [one for one in self._revisions if one == arn or one.startswith(f"{arn}:")]:
            del self._revisions[known]

    def revision(self, machine: StateMachineInstance) -> str | None:
        """The revision of a machine or version; None for the first."""
        return self._revisions.get(machine.arn)

    def resolve(self, arn: str, share: float = 0.0) -> tuple[Any, str | None, str | None]:
        """What an ARN of a machine, a version or an alias leads to: the definition, version ARN and alias ARN.

        `share`, from 0 to below 100, says which of an alias's routes is taken, by their weights in order. Raises
        InvalidArn, StateMachineDoesNotExist.
        """
        source, _, last = arn.rpartition(":")
        owner = next((machine for machine in self.state_machines if machine.arn == source), None)
        if owner is None:
            return self.describe_state_machine(arn), None, None
        if last in owner.aliases:
            version = _routed(owner.aliases[last].routing_configuration, share)
            return self.resolve(version)[0], version, arn
        found = owner.versions.get(int(last)) if last.isdigit() else None
        if found is None:
            raise StateMachineDoesNotExist(f"State Machine Does Not Exist: '{arn}'")
        return found, arn, None

    # versions

    def versions(self, arn: str) -> list[StateMachineVersion]:
        """The versions of a machine, newest first."""
        machine = self.describe_state_machine(arn)
        return sorted(getattr(machine, "versions", {}).values(), key=lambda version: version.version, reverse=True)

    def publish(self, arn: str, description: str | None, revision: str | None = None) -> StateMachineVersion:
        """PublishStateMachineVersion: the latest version again if nothing changed since. Raises ApiError."""
        machine = self.describe_state_machine(arn)
        current = self.revision(machine)
        if revision is not None and revision != (current or INITIAL):
            raise ApiError(
                "ConflictException",
                f"Failed to publish the State Machine version for revision {revision}. The current State Machine "
                f"revision is {current or INITIAL}.",
            )
        latest = machine.latest_version
        if latest is None or self.revision(latest) != current:
            quotas.room_for_version(machine.versions)
            machine.publish(description)
        version = machine.versions[machine.latest_version_number]
        if current is not None:
            self._revisions[version.arn] = current
        return version

    def delete_version(self, arn: str) -> None:
        """DeleteStateMachineVersion. Raises ApiError if an alias leads to it."""
        source, _, number = arn.rpartition(":")
        machine = next((known for known in self.state_machines if known.arn == source), None)
        if machine is None or not number.isdigit():
            return
        for alias in machine.aliases.values():
            if any(route["stateMachineVersionArn"] == arn for route in alias.routing_configuration):
                raise ApiError(
                    "ConflictException",
                    "Version to be deleted must not be referenced by an alias. Current list of aliases referencing "
                    f"this version: [{alias.name}]",
                )
        machine.versions.pop(int(number), None)

    # aliases

    def create_state_machine_alias(
        self, name: str, routing_configuration: list[dict[str, Any]], description: str | None
    ) -> StateMachineAlias:
        """CreateStateMachineAlias, idempotent for equal routes."""
        versions = [route["stateMachineVersionArn"] for route in routing_configuration]
        self._require_versions(versions)
        arn = f"{versions[0].rpartition(':')[0]}:{name}"
        known = next(
            (alias for machine in self.state_machines for alias in machine.aliases.values() if alias.arn == arn), None
        )
        if known is None:
            source = versions[0].rpartition(":")[0]
            quotas.room_for_alias(next(one.aliases for one in self.state_machines if one.arn == source))
            return super().create_state_machine_alias(name, routing_configuration, description)
        if known.routing_configuration != routing_configuration:
            raise ApiError(
                "ConflictException",
                "Failed to create alias because an alias with the same name and a different routing configuration "
                "already exists.",
            )
        return known

    def update_state_machine_alias(
        self, arn: str, description: str | None, routing_configuration: list[dict[str, Any]] | None
    ) -> StateMachineAlias:
        """UpdateStateMachineAlias."""
        self._require_versions([route["stateMachineVersionArn"] for route in routing_configuration or []])
        return super().update_state_machine_alias(arn, description, routing_configuration)

    def describe_state_machine_alias(self, arn: str) -> StateMachineAlias:
        """DescribeStateMachineAlias; the Terraform provider expects ResourceNotFound for a machine that is gone too."""
        try:
            return super().describe_state_machine_alias(arn)
        except StateMachineDoesNotExist as error:
            raise ResourceNotFound(arn) from error

    def aliases(self, arn: str) -> list[StateMachineAlias]:
        """The aliases of a machine, or those that lead to a version."""
        found = self.describe_state_machine(arn)
        if isinstance(found, StateMachine):
            return list(found.aliases.values())
        owner = self.describe_state_machine(arn.rpartition(":")[0])
        return [
            alias
            for alias in owner.aliases.values()
            if any(route["stateMachineVersionArn"] == arn for route in alias.routing_configuration)
        ]

    def _require_versions(self, arns: list[str]) -> None:
        for arn in arns:
            if not any(arn == version.arn for machine in self.state_machines for version in machine.versions.values()):
                raise ResourceNotFound(arn)

    # activities

    def create_activity(
        self,
        name: str,
        tags: list[dict[str, str]] | None = None,
        encryption_configuration: dict[str, Any] | None = None,
    ) -> Activity:
        """CreateActivity, idempotent by name."""
        check_name(name)
        known = self.activities.get(self.world.arn("states", f"activity:{name}"))
        if known is None:
            quotas.room_for_activity(self.activities)
            quotas.check_tags({tag["key"] for tag in tags or ()}, name)
            return super().create_activity(name, tags, encryption_configuration)
        if known.encryption_configuration != encryption_configuration:
            raise ApiError("ActivityAlreadyExists", f"Activity Already Exists: '{known.arn}'")
        return known

    def describe_activity(self, activity_arn: str) -> Activity:
        """DescribeActivity."""
        self._validate_activity_arn(activity_arn)
        if activity_arn not in self.activities:
            raise ApiError("ActivityDoesNotExist", f"Activity Does Not Exist: '{activity_arn}'")
        return self.activities[activity_arn]


@lru_cache(maxsize=256)
def machine_of(definition: str) -> Definition:
    """The parsed definition. Raises ApiError (InvalidDefinition) with every finding."""
    errors = [finding for finding in validate(definition) if finding.severity == "ERROR"]
    if not errors:
        try:
            return parse(definition)
        except InvalidDefinition as error:
            errors = list(error.diagnostics)
    findings = ", ".join(f"{finding.code}: {finding.message} at {finding.location or '/'}" for finding in errors)
    raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{findings}'")


def check_name(name: str) -> None:
    """AWS's rule for names of machines and executions. Raises InvalidName, or ValidationException if too long."""
    if len(name) > 80:
        raise NameTooLongException(name)
    if not name or any(char in FORBIDDEN_IN_NAMES or not char.isprintable() for char in name):
        raise InvalidName(f"Invalid Name: '{name}'")


def _content(machine: StateMachineInstance) -> tuple[Any, ...]:
    return tuple(getattr(machine, name) for name in _REVISED)


def _routed(routes: list[dict[str, Any]], share: float) -> str:
    """The version whose part of the weights the share falls into."""
    passed = 0.0
    for route in routes:
        passed += route["weight"]
        if share < passed:
            break
    version: str = route["stateMachineVersionArn"]
    return version
