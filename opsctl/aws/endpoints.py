"""What SageMaker's endpoints serve."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws
from opsctl.domain.serving import artifacts_of, configurations_of, models_of

THREADS = 8
GONE = ("ValidationException", "ResourceNotFound")  # SageMaker's words for what is not there


class Endpoints:
    """One account's and region's endpoints. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def models(self) -> frozenset[str]:
        """The s3:// addresses of the artifacts of all models that an endpoint serves, or is about to."""
        with self._aws.explained("sagemaker:ListEndpoints", "*"):
            pages = self._client.get_paginator("list_endpoints").paginate()
            names = [item["EndpointName"] for page in pages for item in page["Endpoints"]]
        with ThreadPoolExecutor(THREADS) as pool:
            configurations = frozenset().union(*pool.map(lambda name: frozenset(self._configurations(name)), names))
            models = frozenset().union(*pool.map(lambda name: frozenset(self._models(name)), configurations))
            return frozenset().union(*pool.map(lambda name: frozenset(self._artifacts(name)), models))

    @property
    def _client(self) -> Any:
        return self._aws.client("sagemaker")

    def _configurations(self, endpoint: str) -> Iterator[str]:
        return configurations_of(
            self._described("sagemaker:DescribeEndpoint", "describe_endpoint", EndpointName=endpoint)
        )

    def _models(self, configuration: str) -> Iterator[str]:
        return models_of(
            self._described(
                "sagemaker:DescribeEndpointConfig", "describe_endpoint_config", EndpointConfigName=configuration
            )
        )

    def _artifacts(self, model: str) -> Iterator[str]:
        return artifacts_of(self._described("sagemaker:DescribeModel", "describe_model", ModelName=model))

    def _described(self, action: str, call: str, **name: str) -> dict[str, Any]:
        """{} for what was deleted in between."""
        from botocore.exceptions import ClientError

        with self._aws.explained(action, next(iter(name.values()))):
            try:
                answer: dict[str, Any] = getattr(self._client, call)(**name)
            except ClientError as error:
                if code_of(error) in GONE:
                    return {}
                raise
            return answer
