"""What an account says of itself: who is subscribed, what was not delivered, which jobs go on, what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.aws.session import Aws

PENDING = "PendingConfirmation"
LISTED = 1000  # jobs


class Health:
    """One account and region. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def subscribers(self, topic_arn: str) -> tuple[list[str], list[str]]:
        """Who hears of a topic's messages, as `protocol endpoint`, and who was asked and has not confirmed yet."""
        with self._aws.explained("sns:ListSubscriptionsByTopic", topic_arn):
            pages = self._client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
            found = [item for page in pages for item in page["Subscriptions"]]
        told = [(f"{item['Protocol']} {item['Endpoint']}", item["SubscriptionArn"]) for item in found]
        return [name for name, arn in told if arn != PENDING], [name for name, arn in told if arn == PENDING]

    def messages(self, queue_url: str) -> int:
        """About how many messages a queue holds."""
        with self._aws.explained("sqs:GetQueueAttributes", queue_url):
            answer = self._client("sqs").get_queue_attributes(
                QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def training_jobs(self) -> list[str]:
        """The names of SageMaker's training jobs that go on, the newest."""
        return self._jobs("sagemaker:ListTrainingJobs", "list_training_jobs", "TrainingJobSummaries", "TrainingJobName")

    def transform_jobs(self) -> list[str]:
        """The names of SageMaker's transform jobs that go on, the newest."""
        return self._jobs(
            "sagemaker:ListTransformJobs", "list_transform_jobs", "TransformJobSummaries", "TransformJobName"
        )

    def quotas(self, service: str) -> dict[str, float]:
        """The quotas of a service by name, such as `ml.g5.xlarge for training job usage`."""
        with self._aws.explained("servicequotas:ListServiceQuotas", service):
            pages = self._client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode=service)
            return {item["QuotaName"]: float(item["Value"]) for page in pages for item in page["Quotas"]}

    def denied(self, who: str, needs: dict[str, list[str]]) -> list[tuple[str, str]]:
        """Of actions on resources (by action), those that the policies of a user or role do not allow, by IAM's own
        simulation, which knows neither bucket nor key policies nor those of an organisation."""
        refused = []
        with self._aws.explained("iam:SimulatePrincipalPolicy", who):
            for action, resources in needs.items():
                answer = self._client("iam").simulate_principal_policy(
                    PolicySourceArn=who, ActionNames=[action], ResourceArns=resources
                )
                refused += list(_refused(answer))
        return refused

    def _jobs(self, action: str, call: str, rows: str, name: str) -> list[str]:
        with self._aws.explained(action, "*"):
            pages = (
                self._client("sagemaker")
                .get_paginator(call)
                .paginate(StatusEquals="InProgress", PaginationConfig={"MaxItems": LISTED})
            )
            return [item[name] for page in pages for item in page.get(rows, ())]

    def _client(self, service: str) -> Any:
        return self._aws.client(service)


def _refused(answer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for result in answer["EvaluationResults"]:
        if result["EvalDecision"] != "allowed":
            yield result["EvalActionName"], result.get("EvalResourceName", "*")
