"""The environment of everything that runs inside a sandbox, built from nothing.

No variable, profile or configuration file of the user's own AWS set-up reaches a child of the sandbox: what is not
listed here does not exist for it. That is what makes the sandbox unable to touch a real account.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
REGION = "us-east-1"
ACCESS_KEY = "sandbox"
SECRET_KEY = "sandbox"  # noqa: S105  nobody's secret: the sandbox accepts any key
LOOPBACK = "127.0.0.1,localhost"
# For Python programs: what they print is heard at once, and they leave nothing beside their sources.
PROGRAMS: Mapping[str, str] = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
PASSED_ON = ("HOME", "TMPDIR")
FOREIGN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CA_BUNDLE")


OWN_KEYS: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


def environment(server: Mapping[str, Any], keys: Mapping[str, str] = OWN_KEYS) -> dict[str, str]:
    """The whole environment of a child of the sandbox that `server` (the content of server.json) describes; `keys` are
    the variables that hold its credentials."""
    return {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "PATH": search_path(),
        "LANG": "C.UTF-8",
        **aws_variables(str(server["url"]), str(server["region"]), keys),
    }


def aws_variables(url: str, region: str, keys: Mapping[str, str] = OWN_KEYS) -> dict[str, str]:
    """Endpoint, region and keys, and the configuration files of the user put out of reach."""
    return {
        "AWS_ENDPOINT_URL": url,
        **keys,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A proxy of the user's must not see what goes to loopback.
        "NO_PROXY": LOOPBACK,
        "no_proxy": LOOPBACK,
    }


def search_path() -> str:
    """PATH with the sandbox's own interpreter first, so that `python3` in a job finds the installed packages."""
    own = str(Path(sys.executable).parent)
    rest = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry and entry != own]
    return os.pathsep.join([own, *rest])


def exports(server: Mapping[str, Any], ambient: Mapping[str, str]) -> str:
    """Shell lines that turn the calling shell to the sandbox: `unset` what would lead elsewhere, then `export`.

    `ambient` is the calling shell's environment; every AWS variable found there goes, or is replaced.
    """
    variables = aws_variables(str(server["url"]), str(server["region"]))
    foreign = {name for name in (*FOREIGN, *ambient) if name.startswith("AWS_")} - variables.keys()
    for name in ("NO_PROXY", "no_proxy"):
        variables[name] = ",".join(filter(None, (ambient.get(name), LOOPBACK)))
    return "\n".join(
        [f"unset {name}" for name in sorted(foreign)]
        + [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    )
