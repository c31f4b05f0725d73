"""One clone for the whole module, in an environment that would lead anything careless to a real account.

Its sandbox enforces IAM: the pipeline works as the roles that the module made, and opsctl with the operator policy.

The clone has a Terraform state, variables and data directory of its own; the environment names credentials, a profile
and endpoints that all end at a trap. What plays in it is the real thing: `opsctl demo` and what a user types after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from opsctl.terraform import find_mirror

ROOT = Path(__file__).parents[2]
ACCOUNT = "arn:aws:iam::123456789012"
PEOPLE = ("approver", "operator", "reader")
DEMO_SECONDS = 1800  # it takes minutes by itself, and ten streams of tests run beside it
# Commands in one process: to start Python and to import opsctl takes longer than most commands that read.
ONE_AFTER_THE_OTHER = """
import json, sys
from click.testing import CliRunner
from opsctl.cli.root import root
done = [CliRunner().invoke(root, words) for words in json.loads(sys.argv[1])]
print(json.dumps([[one.exit_code, one.stdout, one.stderr] for one in done]))
"""
OWN_MACHINE = {
    "name": "production-training",
    "arn": "arn:aws:states:eu-central-1:999999999999:stateMachine:production-training",
    "log_group": "production",
    "steps": ["train-sequence-model"],
    "hyperparameters": {"sequence_model": {"max_lr": "0.01"}},
}
OWN_OUTPUT = {
    "version": 1,
    **dict.fromkeys(("name", "bucket", "default_data_source", "topic"), "production"),
    "region": "eu-central-1",
    "account": "999999999999",
    "machines": {"training": OWN_MACHINE},
}
OWN_FILES = {
    "terraform.tfstate": json.dumps(
        {"version": 4, "serial": 7, "lineage": "real", "outputs": {"opsctl": {"value": OWN_OUTPUT}}, "resources": []}
    ),
    "terraform.tfvars": 'name = "production"\n',
    ".terraform.lock.hcl": "# of the real deployment\n",
    ".terraform/terraform.tfstate": '{"version": 3, "backend": {"type": "s3", "config": {"bucket": "production"}}}',
    ".terraform/environment": "production",
}


class Trap:
    """A loopback server that counts whoever knocks: the only thing that foreign settings lead to."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.visits = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


@dataclass
class Clone:
    """A clone of the project, and what a user does in it."""

    path: Path
    environment: Mapping[str, str]
    trap: Trap
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def sandbox(self) -> Path:
        return self.path / ".opsctl" / "sandbox"

    def start(self, *arguments: str, program: tuple[str, ...] = ("-m", "opsctl")) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.path,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int | None = 0, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        shown = f"opsctl {' '.join(arguments)} ended with {process.returncode}\n--- stdout\n{out}\n--- stderr\n{err}"
        assert code is None or process.returncode == code, shown
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def run_all(self, *commands: tuple[str, ...]) -> list[subprocess.CompletedProcess[str]]:
        """What each command did, in one process."""
        process = self.start(json.dumps(commands), program=("-c", ONE_AFTER_THE_OTHER))
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return [
            subprocess.CompletedProcess(command, *done) for command, done in zip(commands, json.loads(out), strict=True)
        ]

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json").stdout)

    def client(self, service: str) -> Any:
        server = json.loads((self.sandbox / "server.json").read_text())
        session = boto3.Session(
            aws_access_key_id="sandbox", aws_secret_access_key="sandbox", region_name=server["region"]
        )
        return session.client(service, endpoint_url=server["url"], config=Config(proxies={}))

    def acting_as(self, person: str) -> Clone:
        """The same clone, in which opsctl works with one of the module's policies for people."""
        return replace(self, environment={**self.environment, "OPSCTL_SANDBOX_ROLE": f"{ACCOUNT}:role/{person}"})

    def output(self, name: str) -> Any:
        state = json.loads((self.sandbox / "terraform" / "terraform.tfstate").read_text())
        return state["outputs"][name]["value"]

    def outputs(self) -> dict[str, Any]:
        value: dict[str, Any] = self.output("opsctl")
        return value

    def admit_people(self) -> None:
        """Roles for people, each with one of the module's policies and nothing else, as soon as Terraform has put them
        out. Terraform goes on with an empty plan then, long before anybody works with them."""
        deadline = time.monotonic() + DEMO_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError):
                policies = self.output("policies")
                break
            time.sleep(0.1)
        iam = self.client("iam")
        trusted = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"{ACCOUNT}:root"}}
        for person in PEOPLE:
            with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
                iam.create_role(RoleName=person, AssumeRolePolicyDocument=json.dumps({"Statement": [trusted]}))
            iam.put_role_policy(RoleName=person, PolicyName="opsctl", PolicyDocument=policies[person])

    def mailbox(self) -> list[str]:
        return [path.read_text() for path in sorted((self.sandbox / "mailbox").glob("*.txt"))]

    def denials(self) -> str:
        """What the sandbox has denied to anybody so far."""
        lines = (self.sandbox / "server.log").read_text().splitlines()
        return "\n".join(sorted({line.partition("User: ")[2] for line in lines if "is not authorized to" in line}))

    def history(self, run: str) -> list[dict[str, Any]]:
        arn = self.outputs()["machines"]["training"]["arn"].replace(":stateMachine:", ":execution:")
        pages = (
            self.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=f"{arn}:{run}")
        )
        return [event for page in pages for event in page["events"]]

    def own_files(self) -> dict[str, str]:
        found = {name: self.path / name for name in OWN_FILES}
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items() if path.exists()}

    def processes(self) -> list[str]:
        """Every process that works in this clone, by its command line (Linux)."""
        return [line for line in _command_lines() if str(self.path) in line]


def _command_lines() -> Iterator[str]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            place = os.readlink(entry / "cwd")
        except OSError:
            continue
        if words and int(entry.name) != os.getpid():
            yield f"{entry.name} {words} [in {place}]"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    trap = Trap()
    home = tmp_path_factory.mktemp("home")
    here = Clone(tmp_path_factory.mktemp("clone") / "pipeline", _foreign_environment(home, trap.url), trap)
    _copy_tracked_files(here.path)
    for name, text in OWN_FILES.items():
        (here.path / name).parent.mkdir(exist_ok=True)
        (here.path / name).write_text(text)
    here.before = here.own_files()
    try:
        yield here
    finally:
        here.run("sandbox", "down", code=None)
        trap.close()


@pytest.fixture(scope="module")
def demo(clone: Clone) -> subprocess.CompletedProcess[str]:
    """The demo, typed in a shell whose own context is AWS."""
    in_aws = replace(clone, environment={**clone.environment, "OPSCTL_CONTEXT": "aws"})
    threading.Thread(target=clone.admit_people, daemon=True).start()
    return in_aws.run("demo", timeout=DEMO_SECONDS)


def _copy_tracked_files(target: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def _foreign_environment(home: Path, trap: str) -> dict[str, str]:
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(
        f"[default]\nregion = eu-central-1\nendpoint_url = {trap}\n[profile production]\n"
    )
    (home / ".aws" / "credentials").write_text("[default]\naws_access_key_id = REAL\naws_secret_access_key = REAL\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_", "OPSCTL_"))}
    (home / "tmp").mkdir()
    services = (
        "S3",
        "SFN",
        "SAGEMAKER",
        "BATCH",
        "SNS",
        "LAMBDA",
        "STS",
        "IAM",
        "EVENTBRIDGE",
        "CLOUDWATCH_LOGS",
        "EC2",
    )
    # Without a mirror the provider is downloaded, perhaps through the proxy that is really there.
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), trap) if find_mirror() else {}
    return {
        **kept,
        **proxies,
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "AWS_ACCESS_KEY_ID": "REAL",
        "AWS_SECRET_ACCESS_KEY": "REAL",
        "AWS_SESSION_TOKEN": "REAL",
        "AWS_PROFILE": "missing-profile",
        "AWS_REGION": "eu-central-1",
        "AWS_CA_BUNDLE": str(home / "no-such-bundle.pem"),
        "AWS_ENDPOINT_URL": trap,
        **{f"AWS_ENDPOINT_URL_{service}": trap for service in services},
        "OPSCTL_SANDBOX_ENFORCE_IAM": "yes",
        "OPSCTL_SANDBOX_ROLE": f"{ACCOUNT}:role/operator",
        "TF_WORKSPACE": "production",
        "TF_DATA_DIR": str(home / "terraform-data"),
        "TF_VAR_name": "production",
        "TF_CLI_ARGS_apply": "-refresh-only",
    }
