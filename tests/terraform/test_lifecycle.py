"""The module as a platform team applies it: state in S3, a workspace, an apply interrupted, a destroy too early.

Real Terraform with the real provider, against a sandbox of its own. It waits for the provider most of its time.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from opsctl.errors import OpsError
from opsctl.terraform import find_mirror, find_terraform

ROOT = Path(__file__).resolve().parents[2]
STATES = "terraform-states"
CONFIGURATION = """
terraform {
  required_version = ">= 1.10"

  backend "s3" {
    bucket       = "terraform-states"
    key          = "pipelines.tfstate"
    region       = "us-east-1"
    use_lockfile = true
  }
}

module "pipeline" {
  source = "SOURCE"

  name = "lifecycle-${terraform.workspace}"
}

output "opsctl" {
  value = module.pipeline.opsctl
}
"""


class Sandbox:
    def __init__(self, folder):
        self.folder = folder
        self.terraform_folder = folder / "terraform"
        self.said = folder.parent / "said.txt"

    def opsctl(self, *arguments):
        command = [sys.executable, "-m", "opsctl", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)

    def start(self, *arguments):
        """Terraform, in a process group of its own; what it says goes to a file, since a full pipe would stop it."""
        command = [str(self.folder / "bin/terraform"), *arguments, "-no-color"]
        with self.said.open("w") as said:
            return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)

    def end(self, process, code=0):
        """What it said, once it has ended as it should."""
        assert process.wait(1200) == code, self.said.read_text()
        return self.said.read_text()

    def run(self, *arguments, code=0):
        return self.end(self.start(*arguments), code)

    def client(self, service):
        url = json.loads((self.folder / "server.json").read_text())["url"]
        session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
        return session.client(service, endpoint_url=url, config=Config(proxies={}))

    def roles(self):
        found = self.client("iam").list_roles()["Roles"]
        return {role["RoleName"] for role in found if role["RoleName"].startswith("lifecycle-")}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    try:
        find_terraform()
    except OpsError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    if find_mirror() is None:
        pytest.skip("no offline mirror of the AWS provider")
    sandbox = Sandbox(tmp_path_factory.mktemp("lifecycle") / "sandbox")
    up = sandbox.opsctl("sandbox", "up", "--dir", str(sandbox.folder))
    assert up.returncode == 0, up.stderr
    yield sandbox
    sandbox.opsctl("sandbox", "down", "--dir", str(sandbox.folder))


def wait_for(condition, what, seconds=1200):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


# What the provider asks for at once and then waits for by the clock: the key, first of all. Not functions, which it
# makes one by one: what it says for long to be creating may be asked for in any moment.
WAITED_FOR = re.compile(r"\.aws_(batch_job_queue|kms_key|s3_bucket_lifecycle_configuration|sqs_queue)\.")


def at_rest(said):
    """Whether Terraform has nothing to do but to wait, and that for 2 s."""
    text = said.read_text()
    begun = set(re.findall(r"^(\S+): Creating\.\.\.", text, re.MULTILINE))
    ahead = begun - set(re.findall(r"^(\S+): Creation complete", text, re.MULTILINE))
    return bool(ahead) and all(map(WAITED_FOR.search, ahead)) and time.time() - said.stat().st_mtime > 2


def test_a_pipelines_life_with_its_state_in_s3(sandbox):
    sandbox.client("s3").create_bucket(Bucket=STATES)
    source = Path("../" * len(sandbox.terraform_folder.parts[1:])) / ROOT.relative_to("/")
    (sandbox.terraform_folder / "main.tf").write_text(CONFIGURATION.replace("SOURCE", str(source)))
    sandbox.run("init")
    sandbox.run("workspace", "new", "staging")

    # Interrupted: Terraform ends what it is at, notes it and goes. Not in the moment in which something is made: the
    # answer would be lost, and Terraform would not know of it, here as on AWS (docs/removal.md).
    applying = sandbox.start("apply", "-auto-approve")
    wait_for(
        lambda: applying.poll() is not None or at_rest(sandbox.said),
        "Terraform to wait for what it has made",
    )
    applying.send_signal(signal.SIGINT)
    assert "Interrupt received" in sandbox.end(applying, code=1)
    half = sandbox.roles()
    assert half

    # The next apply finishes it, and there is nothing left to do.
    finished = re.search(r"Apply complete! Resources: (\d+) added", sandbox.run("apply", "-auto-approve"))
    assert finished
    assert int(finished[1]) > 0
    assert half <= sandbox.roles()
    assert "No changes." in sandbox.run("plan", "-detailed-exitcode")
    kept = {item["Key"] for item in sandbox.client("s3").list_objects_v2(Bucket=STATES)["Contents"]}
    assert kept == {"env:/staging/pipelines.tfstate"}, "one state, and no lock that was forgotten"

    # Nothing is destroyed while the bucket's contents are not to go with it.
    before = sandbox.roles()
    refused = sandbox.run("destroy", "-auto-approve", code=1)
    bucket = "lifecycle-staging-123456789012-us-east-1"
    assert f"Nothing was destroyed: the bucket {bucket} holds data and models." in " ".join(refused.split())
    assert "Destruction complete" not in refused
    assert sandbox.roles() == before
    # Terraform forgets outputs before it destroys anything; the next apply writes them again.
    assert "without changing any real infrastructure" in " ".join(sandbox.run("plan").split())
