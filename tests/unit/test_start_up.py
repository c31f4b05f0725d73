"""What the command line loads at its start, seen in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsctl.cli.root import COMMANDS

ROOT = Path(__file__).parents[2]
LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"
SESSION = "from opsctl.aws.lean import lean_session; session = lean_session(None, sources=False)\n"
CLIENT = "client = session.create_client('stepfunctions', region_name='us-east-1')\n"


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={"PATH": os.environ["PATH"], "HOME": "/nowhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


ERRORS = ["opsctl.cli.terminal", "opsctl.domain", "opsctl.domain.redaction"]
"""What strikes out of an error what is nobody's business."""


@pytest.mark.parametrize(
    ("words", "more"),
    [(["--help"], []), (["--version"], []), (["no-such-command"], ERRORS), (["--no-such-option"], ERRORS)],
)
def test_help_and_usage_errors_load_click_and_the_root_only(words: list[str], more: list[str]) -> None:
    program = f"from opsctl.cli.root import root\ntry:\n    root({words})\nexcept SystemExit:\n    pass\n{LOADED}"
    loaded = json.loads(python(program).splitlines()[-1])
    own = ["opsctl", "opsctl.cli", "opsctl.cli.invocation", "opsctl.cli.root", "opsctl.errors"]
    assert [name for name in loaded if name.startswith("opsctl")] == sorted([*own, *more])
    assert not {"boto3", "botocore", "dataclasses", "tabulate", "json.tool"} & set(loaded)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("demo", "drill", "predict", "worker")])
def test_a_command_s_help_loads_nothing_that_only_its_work_needs(name: str) -> None:
    program = (
        f"from opsctl.cli.root import root\ntry:\n    root({[name, '--help']})\nexcept SystemExit:\n    pass\n{LOADED}"
    )
    loaded = json.loads(python(program).splitlines()[-1])
    heavy = ("opsctl.operations", "opsctl.aws", "opsctl.domain.guards", "opsctl.asl.interpreter", "botocore", "yaml")
    assert [name for name in loaded if name.startswith(heavy)] == []


def test_a_client_comes_without_botocores_documentation() -> None:
    loaded = json.loads(python(SESSION + CLIENT + LOADED))
    assert "botocore.client" in loaded
    assert not [name for name in loaded if name.startswith(("botocore.docs", "boto3"))]


def test_what_is_asked_for_later_is_the_real_documentation() -> None:
    later = """
from botocore.docs.utils import AutoPopulatedParam
import boto3.session
print(AutoPopulatedParam.__module__, boto3.session.Session().client('s3', region_name='x').meta.region_name)
"""
    assert python(SESSION + CLIENT + later) == "botocore.docs.utils x\n"


def test_a_botocore_that_is_there_already_is_left_alone() -> None:
    before = "import botocore.session\nimport botocore.docs.docstring as real\n"
    after = "import botocore.client\nprint(botocore.client.ClientMethodDocstring is real.ClientMethodDocstring)"
    assert python(before + SESSION + after) == "True\n"


def test_clients_are_those_of_a_session_of_botocores_own() -> None:
    """The same operations with the same shapes, endpoints and paginators, for every service that opsctl asks."""
    services = ["batch", "events", "lambda", "logs", "s3", "sagemaker", "sagemaker-runtime", "stepfunctions", "sts"]
    told = (
        f"import json\nfor service in {services}:\n"
        "    client = session.create_client(service, region_name='eu-west-1')\n"
        "    model = client.meta.service_model\n"
        "    name = model.operation_names[0]\n"
        "    print(service, client.meta.endpoint_url, len(model.operation_names), model.shape_names,\n"
        "          json.dumps(model.operation_model(name).input_shape.metadata, sort_keys=True),\n"
        "          [name for name in sorted(client.meta.method_to_api_mapping) if client.can_paginate(name)])\n"
    )
    own = "from botocore.session import Session; session = Session()\n"
    assert python(SESSION + told) == python(own + told)


def test_an_unknown_service_is_botocores_own_error() -> None:
    error = """
try:
    session.create_client('no-such', region_name='x')
except Exception as error:
    print(type(error))
"""
    assert "botocore.exceptions" in python(SESSION + error)


def test_a_model_of_the_users_own_is_found(tmp_path: Path) -> None:
    """As botocore finds it: below a folder of AWS_DATA_PATH."""
    folder = tmp_path / "ours" / "2026-01-01"
    folder.mkdir(parents=True)
    metadata = {"apiVersion": "2026-01-01", "endpointPrefix": "ours", "protocol": "json", "serviceId": "Ours"}
    (folder / "service-2.json").write_text(json.dumps({"metadata": metadata, "operations": {}, "shapes": {}}))
    program = (
        f"import os; os.environ['AWS_DATA_PATH'] = {str(tmp_path)!r}\nfrom opsctl.aws.lean import lean_session\n"
        "session = lean_session(None, sources=True)\nprint(session.get_service_model('ours').service_id)"
    )
    assert python(program) == "Ours\n"
