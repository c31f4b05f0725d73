"""The sandbox's own Terraform workspace: the root module of the clone, unchanged, beside a state of its own.

Terraform never runs in the clone's root: its state, `.terraform`, lock file and variable files belong to the user's
real account. The workspace calls the root module instead, and its `terraform` runs with an environment built from
nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from opsctl import terraform

# What reaching the provider registry may need; Terraform's own requests to loopback ignore proxies.
PASSED_ON = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
# Terraform and its provider are Go programs, which spend a third of their time on collecting garbage, by default each
# time that their memory has doubled (https://go.dev/doc/gc-guide#GOGC).
GARBAGE_COLLECTION = "400"

CONFIGURATION = """\
# The root module of this clone, unchanged, applied to the sandbox. Written once by `opsctl sandbox up`: edit it to try
# other variables (`base_models`, say), then run bin/terraform init and apply.
module "pipeline" {{
  source = {source}

  storage = {{ force_destroy = true }}
}}

output "opsctl" {{
  value = module.pipeline.opsctl
}}

output "policies" {{
  value = module.pipeline.policies
}}
"""

PROGRAM = """\
#!/bin/sh
# Terraform in the sandbox's own workspace, with the sandbox's environment and nothing of yours.
exec env -i {environment} \\
  {terraform} -chdir={directory} "$@"
"""


def require_terraform() -> None:
    """Raises ConfigurationError where there is no Terraform."""
    terraform.find_terraform()


def sandbox_workspace(sandbox: Path) -> terraform.Workspace:
    """The workspace of the sandbox in the directory `sandbox`."""
    return terraform.Workspace(directory=sandbox / "terraform", program=sandbox / "bin" / "terraform")


def prepare_workspace(sandbox: Path, module: Path, environment: Mapping[str, str]) -> terraform.Workspace:
    """Write the workspace's configuration (once) and its program (each time: the sandbox's port changes).

    `environment` is the whole environment of the sandbox's children. An offline mirror of the provider is used where
    there is one, otherwise a plugin cache in the user's cache directory saves the next download.
    Raises ConfigurationError without Terraform.
    """
    workspace = sandbox_workspace(sandbox)
    workspace.directory.mkdir(parents=True, exist_ok=True)
    workspace.program.parent.mkdir(parents=True, exist_ok=True)
    configuration = workspace.directory / "main.tf"
    if not configuration.exists():
        # Terraform copies a module with an absolute path, the virtual environment beside it included.
        source = os.path.relpath(module.resolve(), workspace.directory.resolve())
        configuration.write_text(CONFIGURATION.format(source=_quoted(source)), encoding="utf-8")
    workspace.program.write_text(_program(workspace, environment), encoding="utf-8")
    workspace.program.chmod(0o755)
    return workspace


def _program(workspace: terraform.Workspace, environment: Mapping[str, str]) -> str:
    variables = {
        **environment,
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "CHECKPOINT_DISABLE": "1",
        "GOGC": GARBAGE_COLLECTION,
        "TF_CLI_CONFIG_FILE": os.devnull,
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        **_provider_source(),
    }
    return PROGRAM.format(
        environment=" ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())),
        terraform=shlex.quote(str(terraform.find_terraform())),
        directory=shlex.quote(str(workspace.directory.resolve())),
    )


def _provider_source() -> dict[str, str]:
    mirror = terraform.find_mirror()
    if mirror:
        return {"TF_CLI_ARGS_init": f"-plugin-dir={shlex.quote(str(mirror))}"}
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opsctl" / "terraform-providers"
    cache.mkdir(parents=True, exist_ok=True)
    return {"TF_PLUGIN_CACHE_DIR": str(cache)}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return f'"{escaped}"'
