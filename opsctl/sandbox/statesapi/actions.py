"""What the groups of actions share: the request, checked against the API's model, and pages."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.stepfunctions.models import stepfunctions_backends
from moto.stepfunctions.responses import StepFunctionResponse

from opsctl.sandbox.api import ApiError
from opsctl.sandbox.constraints import check, service_model
from opsctl.sandbox.paging import Pages
from opsctl.sandbox.statemachines import MachinesBackend


class Actions(StepFunctionResponse):
    """Each method without a leading underscore is an action, in AWS's name in snake case."""

    @property
    def machines(self) -> MachinesBackend:
        """The backend of the request's account and region."""
        backend: Any = stepfunctions_backends[self.current_account][self.region]
        found: MachinesBackend = backend
        return found

    @cached_property
    def asked(self) -> dict[str, Any]:
        """The request's members that were given. Raises ApiError if the body is no JSON object."""
        try:
            document = json.loads(self.body or "{}")
        except ValueError as error:
            raise ApiError("SerializationException", "The request is no JSON") from error
        if not isinstance(document, dict):
            raise ApiError("SerializationException", "The request is no JSON object")
        return {name: value for name, value in document.items() if value is not None}

    @property
    def pages(self) -> Pages:
        """The pages of the list that was asked for."""
        return Pages(self._get_action(), self.asked)

    def call_action(self) -> TYPE_RESPONSE:
        """Check the request, then let the action answer."""
        model, action = service_model("stepfunctions"), self._get_action()
        try:
            if action in model.operation_names:
                check(model.operation_model(action), self.asked)
        except ApiError as error:
            status, headers, body = self.serialized(ActionResult(error))
            headers, body = self._enrich_response(headers, body)
            return status, headers, body
        return super().call_action()
