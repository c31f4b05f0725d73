"""What an endpoint serves, as SageMaker's answers say it: endpoint -> configurations -> models -> artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def configurations_of(endpoint: Mapping[str, Any]) -> Iterator[str]:
    """The names of the configurations that DescribeEndpoint's answer says it has, or is about to have."""
    for holder in (endpoint, endpoint.get("PendingDeploymentSummary", {})):
        if name := holder.get("EndpointConfigName"):
            yield name


def models_of(configuration: Mapping[str, Any]) -> Iterator[str]:
    """The names of the models in DescribeEndpointConfig's answer."""
    for variants in ("ProductionVariants", "ShadowProductionVariants"):
        for variant in configuration.get(variants, ()):
            if name := variant.get("ModelName"):  # none where inference components bring the models
                yield name


def artifacts_of(model: Mapping[str, Any]) -> Iterator[str]:
    """The s3:// addresses in DescribeModel's answer."""
    for container in (model.get("PrimaryContainer", {}), *model.get("Containers", ())):
        source = container.get("ModelDataSource", {}).get("S3DataSource", {})
        yield from filter(None, (container.get("ModelDataUrl"), source.get("S3Uri")))
