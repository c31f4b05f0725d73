"""Step Functions' API: the actions that moto lacks, or answers otherwise than AWS."""

from __future__ import annotations

import moto.stepfunctions.urls

from opsctl.sandbox.api import serve
from opsctl.sandbox.statesapi.executions import ExecutionActions
from opsctl.sandbox.statesapi.machines import MachineActions
from opsctl.sandbox.statesapi.mapruns import MapRunActions
from opsctl.sandbox.statesapi.tasks import TaskActions
from opsctl.sandbox.statesapi.trials import TrialActions


class StatesResponse(ExecutionActions, MachineActions, MapRunActions, TaskActions, TrialActions):
    """All actions in one class, as moto wants it."""


def install() -> None:
    """Put the actions in place."""
    serve(moto.stepfunctions.urls, StatesResponse)
