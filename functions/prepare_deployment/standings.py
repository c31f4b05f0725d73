"""What is deployed already."""

import boto3

from opsctl.domain.deployments import CHAMPION, FIRST_MADE, OTHER, OURS, is_of, standing
from prepare_deployment.refusal import InvalidDeployment
from shared.described import described
from shared.objects import champion_of


def refuse_skips_of_nothing(document, config):
    """Raise InvalidDeployment where a step is skipped whose result is gone: a deployment that fails removes what it
    made."""
    skip, sagemaker = document.get("skip") or {}, boto3.client("sagemaker")
    for key, kind in (("create_model", "model"), ("create_endpoint_config", "endpoint_config")):
        if skip.get(key) and not _exists(sagemaker, kind, config):
            raise InvalidDeployment(
                f"skip.{key}: there is no {kind.replace('_', ' ')} {config}: a deployment that failed has removed it, "
                f'or the module\'s settings have changed; rerun it with --from "{FIRST_MADE}"'
            )


def find(deployment, settings):
    sagemaker, ours = boto3.client("sagemaker"), deployment["config"]
    record = champion_of(boto3.client("s3"), settings["bucket"], deployment["machine"])
    endpoint = described(sagemaker.describe_endpoint, EndpointName=settings["endpoint"]) or {}
    serves, champion = endpoint.get("EndpointConfigName") or "", record.champion
    in_production = champion is not None and champion.run == deployment["run"]
    kind = standing(endpoint.get("EndpointStatus"), serves, ours, in_production)
    before = serves if kind == OTHER else ""
    if kind in (OURS, CHAMPION) and champion is not None and not in_production:
        before = _configuration_of(sagemaker, settings["prefix"], champion.run)
    return {
        "endpoint": kind,
        "model": _exists(sagemaker, "model", ours),
        "config": _exists(sagemaker, "endpoint_config", ours),
        "before": before,
    }


def _configuration_of(sagemaker, prefix, run):
    """The newest configuration that serves a run's model: where to go back to, if this deployment was begun by a run
    that cannot tell any more."""
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(
        NameContains=f"{prefix}-", SortBy="CreationTime", SortOrder="Descending"
    )
    names = (item["EndpointConfigName"] for page in pages for item in page["EndpointConfigs"])
    return next((name for name in names if is_of(prefix, name, run)), "")


def _exists(sagemaker, kind, name):
    if kind == "model":
        return described(sagemaker.describe_model, ModelName=name) is not None
    return described(sagemaker.describe_endpoint_config, EndpointConfigName=name) is not None
