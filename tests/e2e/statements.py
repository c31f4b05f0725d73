"""Every statement of every policy that a deployment has, and which the sandbox needed: found through IAM and the other
services' own API, and held against the sandbox's record and the table in docs/iam-statements.md."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl import sandbox
from tests.e2e.conftest import PEOPLE, Clone

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "iam-statements.md"
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Place:
    """Where a statement stands: whose policy it is, such as `role documents-training`, and its sid."""

    owner: str
    sid: str


@dataclass(frozen=True)
class Row:
    """One row of a table; `owner` and `sid` may hold `*`."""

    owner: str
    sid: str
    why: str
    source: str

    def means(self, place: Place) -> bool:
        return fnmatch.fnmatchcase(place.sid, self.sid) and fnmatch.fnmatchcase(place.owner, self.owner)


def rows(section: int = 0) -> list[Row]:
    """Of what recovery deploys, (1) of what nothing does, or (2) of what the main job does."""
    return [Row(*found) for found in ROW.findall(TABLE.read_text().split("\n## ")[section])]


def unneeded(clone: Clone, owners: Collection[str]) -> list[Place]:
    """Their statements that nothing done so far needed, and that the first table does not excuse."""
    mine = {place for place in deployed(clone) if place.owner in owners}
    return [place for place in sorted(mine - needed(clone)) if not any(row.means(place) for row in rows())]


def written() -> set[Place]:
    """Every statement in the modules' code, by the module; what goes into a sid is `*`."""
    found = (
        (file.parent.name, sid)
        for file in ROOT.glob("modules/*/*.tf")
        for sid in re.findall(r'\bsid += "((?:[^"$]|\$\{[^}]*\})+)"', file.read_text())
    )
    return {Place(module, re.sub(r"\$\{[^}]*\}", "*", sid)) for module, sid in found}


def deployed(clone: Clone) -> set[Place]:
    """Every statement of the deployment; AWS's own roles are none of its."""
    return {
        Place(owner, statement.get("Sid") or f"#{number}")
        for owner, document in _documents(clone)
        for number, statement in enumerate(_listed(document["Statement"]))
    }


def needed(clone: Clone) -> set[Place]:
    """The statements without which something that was done so far would have been denied, or allowed."""
    return {
        Place(_named(used["owner"]), used["sid"]) for used in sandbox.statements_used(clone.sandbox) if used["alone"]
    }


def _documents(clone: Clone) -> Iterator[tuple[str, dict[str, Any]]]:
    iam = clone.client("iam")
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        if role["Path"].startswith("/aws-service-role/") or name.startswith("AWSServiceRole"):
            continue
        if name not in PEOPLE:  # those are the test's own, but for their policies
            yield f"role {name}", role["AssumeRolePolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            yield f"role {name}", iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    for kind, arn, text in _resources(clone):
        if text:
            yield f"{kind} {_last(arn)}", json.loads(text)


def _resources(clone: Clone) -> Iterator[tuple[str, str, str | None]]:
    s3, sns, sqs, kms = (clone.client(name) for name in ("s3", "sns", "sqs", "kms"))
    for bucket in s3.list_buckets()["Buckets"]:
        yield "bucket", bucket["Name"], s3.get_bucket_policy(Bucket=bucket["Name"])["Policy"]
    for topic in sns.list_topics()["Topics"]:
        arn = topic["TopicArn"]
        yield "topic", arn, sns.get_topic_attributes(TopicArn=arn)["Attributes"].get("Policy")
    for url in sqs.list_queues().get("QueueUrls", []):
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        yield "queue", url, answer.get("Attributes", {}).get("Policy")
    for function in clone.client("lambda").list_functions()["Functions"]:
        yield "function", function["FunctionArn"], _function_policy(clone, function["FunctionName"])
    for key in kms.list_aliases()["Aliases"]:
        if "TargetKeyId" in key and not key["AliasName"].startswith("alias/aws/"):
            yield "key", "own", kms.get_key_policy(KeyId=key["TargetKeyId"], PolicyName="default")["Policy"]


def _function_policy(clone: Clone, name: str) -> str | None:
    functions = clone.client("lambda")
    try:
        text: str = functions.get_policy(FunctionName=name)["Policy"]
    except functions.exceptions.ResourceNotFoundException:
        return None
    return text


def _named(arn: str) -> str:
    """As `_documents` calls the owner of a policy, from its ARN."""
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
    kinds = {"s3": "bucket", "sns": "topic", "sqs": "queue", "lambda": "function", "kms": "key"}
    if service == "kms":
        return "key own"
    return f"{kinds[service]} {_last(arn)}" if service in kinds else resource.replace("/", " ", 1)


def _last(arn: str) -> str:
    return re.split(r"[:/]", arn)[-1]


def _listed(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else [value]
