"""What a drill asks of AWS's services besides runs: versions of a machine for its own runs, and the end of a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opsctl.aws.session import Aws


def publish(aws: Aws, machine_arn: str, definition: Mapping[str, Any]) -> str:
    """A version of the machine with another definition; the machine itself is afterwards as it was before."""
    client = aws.client("stepfunctions")
    with aws.explained("states:UpdateStateMachine", machine_arn):
        before = client.describe_state_machine(stateMachineArn=machine_arn)["definition"]
        try:
            answer = client.update_state_machine(
                stateMachineArn=machine_arn, definition=json.dumps(definition), publish=True
            )
        finally:
            client.update_state_machine(stateMachineArn=machine_arn, definition=before)
    return str(answer["stateMachineVersionArn"])


def forget(aws: Aws, version_arn: str) -> None:
    """Delete a version that no run starts on any more."""
    with aws.explained("states:DeleteStateMachineVersion", version_arn):
        aws.client("stepfunctions").delete_state_machine_version(stateMachineVersionArn=version_arn)


def stop_training(aws: Aws, name: str) -> None:
    """StopTrainingJob."""
    with aws.explained("sagemaker:StopTrainingJob", name):
        aws.client("sagemaker").stop_training_job(TrainingJobName=name)
