"""What `opsctl` works on: which AWS, and which of its state machines.

Two questions, answered without importing anything of AWS:

- *Which context?* While a sandbox is up in this directory, commands talk to it, as kubectl and minikube do; a profile,
  an endpoint, `--context aws` or `OPSCTL_CONTEXT=aws` choose AWS. A sandbox that died is an error and never a silent
  step over to the real account.
- *Which deployment?* The Terraform output object `opsctl` is the only contract between the module and this program.
  The sandbox's comes from the sandbox's own state, and the real one from the module root (or `--terraform-dir`).
"""

from __future__ import annotations

import difflib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsctl import terraform
from opsctl.contexts import Named, read_contexts
from opsctl.errors import ConfigurationError, UsageError, reason

SANDBOX = "sandbox"
AWS = "aws"
OUTPUT = "opsctl"
VERSION = 1
DEFAULT_MACHINE = "training"
BULK_MACHINE = "bulk"  # works through manifests for opsctl, which names it
DEPLOYMENT_MACHINE = "deployment"  # puts the models of runs into production
INFERENCE_MACHINE = "inference"  # scores documents with them
HELPERS = (BULK_MACHINE, DEPLOYMENT_MACHINE, INFERENCE_MACHINE)  # machines that no command means by default
ROLE = "OPSCTL_SANDBOX_ROLE"
SAVE_OUTPUTS = "write it with: terraform output -json > FILE"


@dataclass(frozen=True)
class Options:
    """The global options of the command line, as given; None where an option was left out."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    context: str | None = None
    machine: str | None = None
    terraform_dir: Path | None = None


@dataclass(frozen=True)
class Context:
    """Where AWS is: the real one (`url` None unless given by hand) or the sandbox's server."""

    kind: str
    url: str | None
    region: str | None
    profile: str | None
    outputs: Path  # directory of the Terraform configuration whose outputs describe the deployment
    role: str | None = None  # in the sandbox: the ARN of the role to work as
    name: str | None = None  # of a named context
    confirm: bool = False  # whether its name has to be typed before anything is changed

    @property
    def is_sandbox(self) -> bool:
        """Whether nothing of the user's own AWS configuration may be read."""
        return self.kind == SANDBOX

    @property
    def apply_command(self) -> str:
        """What applies the module in this context, as a user would type it from here: in the sandbox its own program,
        since a bare `terraform` in a clone's root means the real account."""
        if not self.is_sandbox:
            return "terraform apply"
        program = self.outputs.parent / "bin" / "terraform"
        here = Path.cwd()
        return f"{program.relative_to(here) if program.is_relative_to(here) else program} apply"


@dataclass(frozen=True)
class Machine:
    """One state machine of the deployment; `hyperparameters` are the defaults by group, `steps` the slugs, `needs` for
    a step those whose results it reads, `alias` the ARN of the alias that its runs start on (None where the deployment
    was made before machines had one), `sha256` that of the definition that was applied. Of a `foreign`
    one, which is not the deployment's, none of these is known."""

    key: str
    name: str
    arn: str
    log_group: str
    steps: tuple[str, ...]
    hyperparameters: Mapping[str, Mapping[str, str]]
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    foreign: bool = False
    alias: str | None = None
    sha256: str | None = None

    @property
    def start_arn(self) -> str:
        """Where runs start: the ARN of the alias, or of the machine itself where it has none."""
        return self.alias or self.arn


@dataclass(frozen=True)
class Deployment:
    """The Terraform output object `opsctl`."""

    name: str
    region: str
    account: str
    bucket: str
    default_data_source: str
    topic: str
    machines: Mapping[str, Machine] = field(default_factory=dict)
    functions: Mapping[str, int] = field(default_factory=dict)  # memory in MB by name; {} before it was told
    topics: Mapping[str, str] = field(default_factory=dict)  # ARNs: approvals, failures, successes
    dead_letters: str | None = None  # URL of the queue

    @property
    def default_machine(self) -> str:
        """The key of the machine that is meant where none is named: training, or the only one besides the helpers."""
        others = [key for key in self.machines if key not in HELPERS]
        return others[0] if len(others) == 1 else DEFAULT_MACHINE

    def machine(self, wanted: str | None) -> Machine:
        """By key, name or ARN; the default one where none is wanted. Raises UsageError with the nearest name."""
        key = wanted or self.default_machine
        for machine in self.machines.values():
            if key in (machine.key, machine.name, machine.arn):
                return machine
        nearest = difflib.get_close_matches(key, list(self.machines), n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are: {', '.join(self.machines)}"
        raise UsageError(f"no state machine {key!r} in this deployment", hint)


def module_directory(start: Path | None = None) -> Path | None:
    """The Terraform root module: the nearest folder at or above `start` with main.tf and definitions/."""
    start = start or Path.cwd()
    for folder in (start, *start.parents):
        if (folder / "main.tf").is_file() and (folder / "definitions").is_dir():
            return folder
    return None


def sandbox_directory(directory: Path | None = None) -> Path:
    """Where this directory's sandbox lives: `directory`, OPSCTL_SANDBOX_DIR, or `.opsctl/sandbox` below the module."""
    if directory:
        return directory
    if from_environment := os.environ.get("OPSCTL_SANDBOX_DIR"):
        return Path(from_environment)
    return (module_directory() or Path.cwd()) / ".opsctl" / "sandbox"


def choose_context(options: Options, sandbox: Path | None = None) -> Context:
    """Which AWS the command talks to.

    Raises ConfigurationError where a sandbox is wanted and none is up; UsageError for a context that there is not, and
    for options that a sandbox, which has a region, credentials and Terraform outputs of its own, could only ignore.
    """
    wanted = options.context or (AWS if options.profile or options.endpoint_url else os.environ.get("OPSCTL_CONTEXT"))
    if wanted and wanted not in (SANDBOX, AWS):
        return _other(options, wanted)
    directory = sandbox or sandbox_directory()
    server = None if wanted == AWS else _server(directory, required=wanted == SANDBOX)
    if server is None:
        current = None if wanted == AWS or options.terraform_dir else read_contexts().current
        if current:
            return _other(options, current)
        outputs = options.terraform_dir or module_directory() or Path.cwd()
        return Context(AWS, options.endpoint_url, options.region, options.profile, outputs)
    _refuse_options_of_aws(options)
    return Context(
        SANDBOX, server["url"], server["region"], None, directory / "terraform", os.environ.get(ROLE) or None
    )


def _other(options: Options, wanted: str) -> Context:
    """A context by its name, or by a file that holds the Terraform output; the command line's own options go first."""
    if wanted.endswith(".json") or os.sep in wanted:
        named, name = Named(outputs=wanted), None
    else:
        named, name = read_contexts().of(wanted), wanted
    place = options.terraform_dir or Path(named.terraform_dir or named.outputs or "")
    return Context(
        AWS, options.endpoint_url or named.endpoint_url, options.region or named.region,
        options.profile or named.profile, place, name=name, confirm=named.confirm,
    )  # fmt: skip


def _refuse_options_of_aws(options: Options) -> None:
    given = {
        "--profile": options.profile,
        "--region": options.region,
        "--endpoint-url": options.endpoint_url,
        "--terraform-dir": options.terraform_dir,
    }
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"{name} is for AWS, and the context is the sandbox",
                f"leave {name} out to work in the sandbox, or add --context aws to work on AWS",
            )


def read_deployment(context: Context) -> Deployment:
    """The deployment in the context's Terraform outputs. Raises ConfigurationError before the first apply."""
    remedy = (
        "run terraform apply there first, or name another folder with --terraform-dir; "
        "to try it here, without an AWS account: opsctl demo, or opsctl sandbox up"
    )
    if context.is_sandbox:
        state = context.outputs / "terraform.tfstate"
        remedy = f"apply the module to it: {context.apply_command} (opsctl demo does it)"
        outputs = _sandbox_outputs(state, remedy)
    elif context.outputs.suffix == ".json" or context.outputs.is_file():
        remedy = f"{SAVE_OUTPUTS}, in the configuration that has the module's output as its own"
        outputs = _saved_outputs(context.outputs)
    else:
        outputs = terraform.read_outputs(context.outputs)
    if OUTPUT not in outputs:
        raise ConfigurationError(f"no Terraform output {OUTPUT!r} in {context.outputs}", remedy)
    return parse_deployment(outputs[OUTPUT], context.apply_command)


def _saved_outputs(path: Path) -> dict[str, Any]:
    """What `terraform output -json` printed, of all outputs or of `opsctl` alone."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {reason(error)}", SAVE_OUTPUTS) from error
    outputs = document if isinstance(document, dict) else {}
    if "machines" in outputs:
        return {OUTPUT: outputs}
    return {name: value["value"] for name, value in outputs.items() if isinstance(value, dict) and "value" in value}


def _sandbox_outputs(state: Path, remedy: str) -> dict[str, Any]:
    try:
        return terraform.state_outputs(state) if state.exists() else {}
    except ConfigurationError as error:
        raise ConfigurationError(error.message, remedy) from error


def parse_deployment(value: Any, apply: str = "terraform apply") -> Deployment:
    """The output object as a Deployment. Raises ConfigurationError naming what is missing; `apply` is the remedy."""
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION:
        raise ConfigurationError(
            f"the Terraform output {OUTPUT!r} has version {version!r}, this opsctl reads {VERSION}",
            f"use the opsctl and the Terraform module of the same release, and run {apply}",
        )
    try:
        fields = {
            name: str(value[name]) for name in ("name", "region", "account", "bucket", "default_data_source", "topic")
        }
        functions = {str(name): int(memory) for name, memory in value.get("functions", {}).items()}
        machines = {key: _machine(key, entry) for key, entry in value["machines"].items()}
        topics = {str(kind): str(arn) for kind, arn in value.get("topics", {}).items()}
        return Deployment(
            **fields,
            machines=machines,
            functions=functions,
            topics=topics,
            dead_letters=_text(value.get("dead_letters")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"the Terraform output {OUTPUT!r} is not as expected: {error!r}",
            f"run {apply} with this release's module",
        ) from error


def _machine(key: str, entry: Mapping[str, Any]) -> Machine:
    hyperparameters = {
        str(group): {str(name): str(default) for name, default in defaults.items()}
        for group, defaults in entry["hyperparameters"].items()
    }
    needs = {str(step): tuple(map(str, others)) for step, others in entry.get("needs", {}).items()}
    steps = tuple(map(str, entry["steps"]))
    return Machine(
        key, str(entry["name"]), str(entry["arn"]), str(entry["log_group"]), steps, hyperparameters, needs,
        alias=_text(entry.get("alias")), sha256=_text(entry.get("sha256")),
    )  # fmt: skip


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _server(directory: Path, *, required: bool) -> dict[str, str] | None:
    try:
        server = json.loads((directory / "server.json").read_bytes())
        found = {"url": str(server["url"]), "region": str(server["region"])}
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise ConfigurationError(f"no sandbox is up in {directory}", "start one: opsctl sandbox up") from None
        return None
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{directory / 'server.json'} cannot be read: {error}", "opsctl sandbox down clears it away"
        ) from error
    if not _alive(directory):
        raise ConfigurationError(
            f"the sandbox in {directory} has died",
            "opsctl sandbox down clears it away, opsctl sandbox up starts a new one; --context aws works on AWS",
        )
    return found


def _alive(directory: Path) -> bool:
    """The server holds this lock for as long as it lives, however it ends."""
    try:
        with (directory / "server.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
