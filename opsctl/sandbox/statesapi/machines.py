"""State machines, their versions and aliases."""

from __future__ import annotations

import json
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.exceptions import ValidationException

from opsctl.asl.diagnostics import Diagnostic, InvalidDefinition
from opsctl.asl.validate import parse, validate
from opsctl.asl.validation_variables import references
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.statesapi.actions import Actions

_SHOWN = {"ERROR": ("ERROR",), "WARNING": ("ERROR", "WARNING")}
_MOST_DIAGNOSTICS = 100
WITHHELD = {"definition": "{}"}
_CHANGES = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")


class MachineActions(Actions):
    """The actions about definitions."""

    def validate_state_machine_definition(self) -> ActionResult:
        """ValidateStateMachineDefinition."""
        shown = _SHOWN[self.asked.get("severity", "ERROR")]
        most = self.asked.get("maxResults") or _MOST_DIAGNOSTICS
        found = _findings(self.asked["definition"])
        listed = [
            {"severity": one.severity, "code": one.code, "message": one.message, "location": one.location}
            for one in found
            if one.severity in shown
        ]
        failed = any(one.severity == "ERROR" for one in found)
        answer = {"result": "FAIL" if failed else "OK", "diagnostics": listed[:most], "truncated": len(listed) > most}
        return ActionResult(answer)

    def describe_state_machine(self) -> ActionResult:
        """DescribeStateMachine, of a machine or a version."""
        machine = self.machines.describe_state_machine(self.asked["stateMachineArn"])
        full = self.asked.get("includedData") != "METADATA_ONLY"
        answer = {
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "status": "ACTIVE",
            **(definition_of(machine.definition) if full else WITHHELD),
            "roleArn": machine.roleArn,
            "type": machine.type,
            "creationDate": machine.creation_date,
            "description": machine.description or None,
            "revisionId": self.machines.revision(machine),
            "loggingConfiguration": machine.loggingConfiguration,
            "tracingConfiguration": machine.tracingConfiguration,
            "encryptionConfiguration": machine.encryptionConfiguration,
        }
        return ActionResult({name: value for name, value in answer.items() if value is not None})

    def update_state_machine(self) -> ActionResult:
        """UpdateStateMachine."""
        if not any(name in self.asked for name in _CHANGES):
            raise ApiError(
                "MissingRequiredParameter",
                "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be "
                "specified",
            )
        publish = bool(self.asked.get("publish"))
        if self.asked.get("versionDescription") and not publish:
            raise ValidationException("Version description can only be set when publish is true")
        arn = self.asked["stateMachineArn"]
        definition, role, logging, tracing, encryption = (self.asked.get(name) for name in _CHANGES)
        machine = self.machines.update_state_machine(
            arn,
            definition,
            role,
            logging_configuration=logging,
            tracing_configuration=tracing,
            encryption_configuration=encryption,
        )
        answer: dict[str, Any] = {"updateDate": machine.update_date, "revisionId": self.machines.revision(machine)}
        if publish:
            answer["stateMachineVersionArn"] = self.machines.publish(arn, self.asked.get("versionDescription")).arn
        return ActionResult({name: value for name, value in answer.items() if value is not None})

    def list_state_machines(self) -> ActionResult:
        """ListStateMachines."""
        page, token = self.pages.page(_by_age(self.machines.state_machines))
        entries = [
            {"stateMachineArn": one.arn, "name": one.name, "type": one.type, "creationDate": one.creation_date}
            for one in page
        ]
        return ActionResult({"stateMachines": entries, "nextToken": token})

    def list_state_machine_versions(self) -> ActionResult:
        """ListStateMachineVersions, newest first."""
        versions = self.machines.versions(self.asked["stateMachineArn"])
        page, token = self.pages.page([(version.version, version) for version in versions], falling=True)
        entries = [{"stateMachineVersionArn": one.arn, "creationDate": one.creation_date} for one in page]
        return ActionResult({"stateMachineVersions": entries, "nextToken": token})

    def list_state_machine_aliases(self) -> ActionResult:
        """ListStateMachineAliases, of a machine or of one of its versions."""
        page, token = self.pages.page(_by_age(self.machines.aliases(self.asked["stateMachineArn"])))
        entries = [{"stateMachineAliasArn": one.arn, "creationDate": one.creation_date} for one in page]
        return ActionResult({"stateMachineAliases": entries, "nextToken": token})

    def publish_state_machine_version(self) -> ActionResult:
        """PublishStateMachineVersion."""
        version = self.machines.publish(
            self.asked["stateMachineArn"], self.asked.get("description"), self.asked.get("revisionId")
        )
        return ActionResult({"creationDate": version.creation_date, "stateMachineVersionArn": version.arn})

    def delete_state_machine_version(self) -> EmptyResult:
        """DeleteStateMachineVersion."""
        self.machines.delete_version(self.asked["stateMachineVersionArn"])
        return EmptyResult()


def definition_of(definition: str) -> dict[str, Any]:
    """A definition, and which variables its states read."""
    return {"definition": definition, "variableReferences": references(json.loads(definition))}


def _by_age(things: Any) -> list[tuple[int, Any]]:
    """Oldest first, each with a number that stays."""
    numbered = ((int(thing.creation_date.timestamp() * 1_000_000), thing) for thing in things)
    return sorted(numbered, key=lambda entry: entry[0])


def _findings(definition: str) -> tuple[Diagnostic, ...]:
    found = validate(definition)
    if not any(one.severity == "ERROR" for one in found):
        try:
            parse(definition)
        except InvalidDefinition as error:
            found += error.diagnostics
    return found
