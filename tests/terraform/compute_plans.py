"""What the plans of compute.tftest.hcl hold of Batch, its instances and the network."""

from __future__ import annotations

import json
from typing import Any

RETRY = [
    ("RETRY", None, "Host EC2*"),
    ("RETRY", None, "Your Spot Task was interrupted*"),
    ("RETRY", "75", None),
    ("EXIT", "*", None),
]


def check(plans: dict[str, Any]) -> None:
    """Raises AssertionError."""
    plain = planned(plans["one_fargate_environment_by_default"])
    spot = planned(plans["spot_comes_first"])
    private = planned(plans["private_endpoints"])
    assert not {"aws_launch_template", "aws_iam_instance_profile", "aws_vpc_endpoint"} & plain.keys()
    assert fetch(plain) == ("FARGATE", 2, [])
    assert fetch(spot) == ("EC2", 5, RETRY)
    check_environments(spot)
    check_disks(spot)
    check_network(private)


def planned(plan: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The resources that a plan makes, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for change in plan["resource_changes"]:
        if change["mode"] == "managed":
            found.setdefault(change["type"], []).append(change["change"]["after"])
    return found


def fetch(resources: dict[str, list[dict[str, Any]]]) -> tuple[str, int, list[tuple[str, str | None, str | None]]]:
    """Platform, attempts and retry rules of the fetch job."""
    (job,) = resources["aws_batch_job_definition"]
    (strategy,) = job["retry_strategy"]
    on_fargate = job["platform_capabilities"] == ["FARGATE"]
    assert ("networkConfiguration" in json.loads(job["container_properties"])) is on_fargate
    rules = [(rule["action"], rule["on_exit_code"], rule["on_status_reason"]) for rule in strategy["evaluate_on_exit"]]
    return job["platform_capabilities"][0], strategy["attempts"], rules


def check_environments(resources: dict[str, list[dict[str, Any]]]) -> None:
    """What Batch can change in place: strategies other than BEST_FIT; jobs that run get their time."""
    found = {
        environment["compute_resources"][0]["type"]: environment
        for environment in resources["aws_batch_compute_environment"]
    }
    assert {kind: one["compute_resources"][0]["allocation_strategy"] for kind, one in found.items()} == {
        "EC2": "BEST_FIT_PROGRESSIVE",
        "SPOT": "SPOT_CAPACITY_OPTIMIZED",
    }
    for one in found.values():
        assert one["update_policy"] == [{"job_execution_timeout_minutes": 60, "terminate_jobs_on_update": False}]


def check_disks(resources: dict[str, list[dict[str, Any]]]) -> None:
    """Encrypted disks, and instance metadata by session tokens and for the instance alone."""
    templates = resources["aws_launch_template"]
    assert len(templates) == 2
    for template in templates:
        disk = template["block_device_mappings"][0]["ebs"][0]
        assert disk["encrypted"] == "true"
        assert disk["kms_key_id"].startswith("arn:aws:kms:")
        metadata = template["metadata_options"][0]
        assert (metadata["http_tokens"], metadata["http_put_response_hop_limit"]) == ("required", 1)


def check_network(resources: dict[str, list[dict[str, Any]]]) -> None:
    """Endpoints with a policy each, the S3 gateway in its route tables, and functions in the VPC."""
    endpoints = {
        endpoint["service_name"].rpartition("us-east-1.")[2]: endpoint for endpoint in resources["aws_vpc_endpoint"]
    }
    assert endpoints.keys() == {"s3", "ecr.api", "ecr.dkr", "logs"}
    assert all(endpoint["policy"] for endpoint in endpoints.values())
    assert (endpoints["s3"]["vpc_endpoint_type"], endpoints["s3"]["route_table_ids"]) == ("Gateway", ["rtb-1"])
    assert all(endpoints[name]["private_dns_enabled"] for name in ("ecr.api", "ecr.dkr", "logs"))
    groups = [rule["security_groups"] for group in resources["aws_security_group"] for rule in group["ingress"]]
    assert groups == [["sg-a"]]
    for function in resources["aws_lambda_function"]:
        (place,) = function["vpc_config"]
        assert (place["subnet_ids"], place["security_group_ids"]) == (["subnet-1"], ["sg-a"])
