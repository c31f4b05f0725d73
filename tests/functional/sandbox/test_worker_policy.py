"""The module's `worker` policy is enough to train, and no more: in a sandbox that enforces IAM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsctl import sandbox, terraform
from opsctl.operations.provision import prepare_workspace
from tests.functional.sandbox.cloud import Cloud, task

ROOT = Path(__file__).parents[3]
CONFIGURATION = """
module "access" {{
  source          = "{source}"
  bucket          = "{bucket}"
  create_policies = false
  functions       = []
  jobs            = []
  kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  log_groups      = []
  machines        = []
  name            = "documents"
}}
output "worker" {{
  value = module.access.documents.worker
}}
"""
DOCUMENT = {"Version": "2012-10-17"}
SCRIPT = """
import json, os, pathlib
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
(base / "checkpoints" / "1.pt").write_text("a state")
(base / "model" / "page.txt").write_text((base / "input/data/data/page.txt").read_text())
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("strict") / "sandbox"
    server = sandbox.up(directory, enforce_iam=True)
    yield Cloud(server, directory)
    sandbox.down(directory)


def policy(cloud: Cloud) -> str:
    """The policy as Terraform makes it."""
    workspace = prepare_workspace(cloud.directory, ROOT, sandbox.environment(cloud.server))
    source = os.path.relpath(ROOT / "modules/access", workspace.directory)
    (workspace.directory / "main.tf").write_text(CONFIGURATION.format(source=source, bucket=cloud.bucket))
    terraform.init(workspace)
    terraform.apply(workspace)
    text: str = terraform.state_outputs(workspace.directory / "terraform.tfstate")["worker"]
    return text


def test_the_worker_policy_trains_and_does_nothing_else(strict: Cloud, tmp_path: Path) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    iam = strict.client("iam")
    role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(DOCUMENT | {"Statement": [trust]}))
    iam.put_role_policy(RoleName="worker", PolicyName="worker", PolicyDocument=policy(strict))
    states = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}}
    iam.update_assume_role_policy(
        RoleName=strict.role.rpartition("/")[2], PolicyDocument=json.dumps(DOCUMENT | {"Statement": [states]})
    )
    activity = strict.client("stepfunctions").create_activity(name="documents-train-text-model")["activityArn"]
    code = strict.put("runs/one/code/text.py", SCRIPT).rpartition("/")[0] + "/"
    data = strict.put("runs/one/data/page.txt", "a deed").rpartition("/")[0] + "/"

    def asked(job: str, output: str) -> dict[str, object]:
        sources = {"code": code, "data": data}
        return {
            "TrainingJobName": job,
            "AlgorithmSpecification": {"ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/text.py"]},
            "InputDataConfig": [
                {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": uri}}} for name, uri in sources.items()
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{strict.bucket}/{output}"},
            "CheckpointConfig": {"S3Uri": f"s3://{strict.bucket}/{output}/checkpoints/"},
        }

    good, bad = asked("one-d0r0", "runs/one/text"), asked("two-d0r0", "datasets/text")
    runs = [strict.start(strict.machine({"Work": task(activity, request)})) for request in (good, bad)]
    command = [sys.executable, str(ROOT / "training/workstation.py"), "--work", str(tmp_path)]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT),
        "OPSCTL_SANDBOX_DIR": str(strict.directory), "OPSCTL_SANDBOX_ROLE": role["Role"]["Arn"],
        "AWS_PROFILE": "somebody-elses",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "opsctl", "worker", "--max-tasks", "2", activity, "--", *command],
        env=environment, cwd=strict.directory, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout == "1 succeeded, 1 failed, 0 not waited for any more\n", done.stderr
    first, second = (strict.finish(run) for run in runs)
    assert json.loads(first["output"])["ModelArtifacts"] == {
        "S3ModelArtifacts": f"s3://{strict.bucket}/runs/one/text/one-d0r0/output/model.tar.gz"
    }
    assert strict.keys("runs/one/text/") == [
        "runs/one/text/checkpoints/1.pt", "runs/one/text/one-d0r0/output/model.tar.gz",
    ]  # fmt: skip
    assert second["error"] == "Worker.CommandFailed"
    assert "AccessDenied" in second["cause"].splitlines()[-1]
    assert strict.keys("datasets/") == []
