"""The Terraform module by `terraform test`: offline, without credentials, in a copy, with a provider that is mocked.

The committed results (`tests/golden`) are what the other half of the project reads and walks. After a wanted change,
`UPDATE_GOLDEN=1 python -m pytest tests/terraform` writes them anew; review them as a diff.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from opsctl.errors import OpsError
from opsctl.terraform import find_mirror, find_terraform
from tests.terraform import compute_plans
from tests.terraform.names import too_long
from tests.terraform.told import hear
from tests.terraform.upgrade import lost_addresses

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
NO_PROVIDER = "Failed to query available provider packages"


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """An initialised copy of the root module; skips, saying why, where Terraform or its provider is not to be had.
    Whatever else keeps it from being initialised is a mistake in the module, and fails."""
    copy = tmp_path_factory.mktemp("module")
    for source in ROOT.glob("*.tf"):
        shutil.copy(source, copy)
    for folder in ("modules", "definitions", "functions/dist", "training", "tests/terraform"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    mirror = find_mirror()
    result = terraform(copy, "init", "-test-directory=tests/terraform", *([f"-plugin-dir={mirror}"] if mirror else []))
    if result.returncode != 0 and NO_PROVIDER in result.stderr:
        pytest.skip(f"no AWS provider for Terraform: {result.stderr.strip()[:300]}")
    assert result.returncode == 0, result.stderr
    return copy


@pytest.fixture(scope="module")
def provider(module):
    """The provider, started once, as Terraform is told of it (https://developer.hashicorp.com/terraform/plugin/debugging).
    Where it is mocked nothing configures it, so that any number of runs can ask it for its schema."""
    (program,) = (module / ".terraform/providers").glob("*/hashicorp/aws/*/*/terraform-provider-aws*")
    with subprocess.Popen(
        [program, "-debug"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            said = next(line for line in process.stdout if "TF_REATTACH_PROVIDERS=" in line)
            yield said.partition("=")[2].strip().strip("'")
        finally:
            process.kill()


def terraform(folder, *arguments, **variables):
    try:
        program = find_terraform()
    except OpsError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    return subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def environment():
    """Nothing of the user's: no credentials, no CLI configuration, no variables for Terraform."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TF_"))}
    # Terraform and its provider are Go programs: they collect garbage less often, and so save a third of their time.
    own = {"CHECKPOINT_DISABLE": "1", "GOGC": "400", "TF_IN_AUTOMATION": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    return kept | own


def run_tests(module, provider, names, folder="tests/terraform", planned=False):
    """What each of these files of tests said, by its name, and if asked for the values that its runs planned. One
    process for all of them, and one of the provider's: else each walk of each run would start it anew."""
    result = terraform(
        module, "test", f"-test-directory={folder}", *(f"-filter={folder}/{name}.tftest.hcl" for name in names),
        "-json", *(["-verbose"] if planned else []), TF_REATTACH_PROVIDERS=provider,
    )  # fmt: skip
    told = hear(result.stdout)
    assert told.keys() == set(names), result.stdout + result.stderr
    return told


# Whose plans are compared below, beyond the assertions of their own.
LOOKED_AT = {"compute", "defaults", "encryption", "names"}


@pytest.fixture(scope="module")
def own_tests(request, module, provider):
    """What the files said that are asked for."""
    asked = {item.callspec.params["name"] for item in request.session.items if "own_tests" in item.fixturenames}
    quiet = run_tests(module, provider, sorted(asked - LOOKED_AT)) if asked - LOOKED_AT else {}
    return quiet | (run_tests(module, provider, sorted(asked & LOOKED_AT), planned=True) if asked & LOOKED_AT else {})


@pytest.mark.parametrize(
    "name", sorted(path.name.removesuffix(".tftest.hcl") for path in (ROOT / "tests/terraform").glob("*.tftest.hcl"))
)
def test_the_modules_own_tests_pass(own_tests, name):
    told = own_tests[name]
    plans = told.plans
    assert told.errors == []
    assert told.status == "pass"
    assert set(told.runs.values()) == {"pass"}
    if name == "defaults":
        planned = plans["defaults"]
        check_golden("opsctl-output.json", without_hashes(planned["output_changes"]["opsctl"]["after"], planned))
        check_names(planned)
        assert lost_addresses({change["address"] for change in planned["resource_changes"]}) == []
        # A second instance of the module in the same account: its name is all that it needs of its own.
        second = account_names(plans["names_derive_from_name_alone"])
        assert len(second) == len(account_names(planned)) > 40
        assert second & account_names(planned) == set()
        for name in ("bulk", "deployment", "inference", "training"):
            check_golden(f"{name}.asl.json", json.loads(planned_definition(planned, name)))
            redrivable = planned_definition(plans["redrivable"], name)
            check_golden(f"{name}-redrivable.asl.json", json.loads(redrivable))
    if name == "names":
        changes = plans["the_longest_names"]["resource_changes"]
        assert (
            too_long([(change["type"], change["change"]["after"]) for change in changes if change["mode"] == "managed"])
            == []
        )
        assert len(listed_names(plans["the_longest_names"])) == len(account_names(plans["the_longest_names"]))
    if name == "compute":
        compute_plans.check(plans)
    if name == "encryption":
        assert boundaries(plans["a_boundary"]) == {"arn:aws:iam::123456789012:policy/teams/boundary"}
        assert boundaries(plans["a_key_of_its_own"]) == {None}
        assert kinds(plans["a_key_of_its_own"]) - kinds(plans["a_key_that_is_brought"]) == {
            "aws_kms_key",
            "aws_kms_alias",
        }


NAMES = ("alarm_name", "bucket", "compute_environment_name", "dashboard_name", "function_name", "name")
# Named within something of the account, or after it.
WITHIN = ("aws_iam_role_policy", "aws_lambda_invocation", "aws_lambda_permission", "aws_sfn_alias")


def account_names(plan):
    """What is named in the account, by kind."""
    return set(listed_names(plan))


def listed_names(plan):
    """The same, resource by resource; to IAM and others, capitals make no other name."""
    values = [
        (change["type"], change["change"]["after"])
        for change in plan["resource_changes"]
        if change["mode"] == "managed"
    ]
    return [
        (kind, next(after[name] for name in NAMES if after.get(name)).lower())
        for kind, after in values
        if kind not in WITHIN and any(after.get(name) for name in NAMES)
    ]


def boundaries(plan):
    roles = [change for change in plan["resource_changes"] if change["type"] == "aws_iam_role"]
    return {role["change"]["after"]["permissions_boundary"] for role in roles}


def kinds(plan):
    return {change["type"] for change in plan["resource_changes"]}


@pytest.fixture(scope="module")
def refused(module, provider):
    return run_tests(module, provider, ("definitions", "syntax"), "tests/terraform/refused")


def test_a_plan_refuses_bad_definitions_and_names_file_and_state(refused):
    told = refused["definitions"]
    assert set(told.runs.values()) == {"error"}
    summary = "Module output value precondition failed: "
    assert all(error.startswith(summary) for error in told.errors)
    problems = sorted(line for error in told.errors for line in error.removeprefix(summary).splitlines())
    golden = GOLDEN / "bad-definitions.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text("\n".join(problems) + "\n")
    assert problems == golden.read_text().splitlines()
    files = {path.name for path in (ROOT / "tests/terraform/definitions/bad").iterdir()}
    assert {name for name in files if any(f"/{name}" in problem for problem in problems)} == files


def test_a_plan_refuses_a_template_that_is_none_and_names_file_and_line(refused):
    assert set(refused["syntax"].runs.values()) == {"error"}
    (said,) = refused["syntax"].errors
    assert "tests/terraform/definitions/syntax/open.asl.json.tftpl:4,63-64: Missing argument separator" in said


def planned_definition(plan, name):
    planned = {change["address"]: change["change"]["after"] for change in plan["resource_changes"]}
    return planned[f'module.machines["{name}"].aws_sfn_state_machine.this']["definition"]


ARNS = {
    "aws_batch_job_definition": "arn:aws:batch:us-east-1:123456789012:job-definition/{name}",
    "aws_batch_job_queue": "arn:aws:batch:us-east-1:123456789012:job-queue/{name}",
    "aws_iam_role": "arn:aws:iam::123456789012:role/{name}",
    "aws_kms_alias": "arn:aws:kms:us-east-1:123456789012:{name}",
    "aws_lambda_function": "arn:aws:lambda:us-east-1:123456789012:function:{function_name}",
    "aws_sns_topic": "arn:aws:sns:us-east-1:123456789012:{name}",
}


def check_names(plan):
    """What names.tf builds are the names that the modules give; on AWS the ARNs of both would be the same."""
    planned = [(change["type"], change["change"]["after"]) for change in plan["resource_changes"]]
    named = {ARNS[kind].format(**values) for kind, values in planned if kind in ARNS}
    definitions = "".join(planned_definition(plan, name) for name in ("bulk", "deployment", "inference", "training"))
    used = set(re.findall(r'"(arn:aws:(?!states)[^"]+)"', definitions))
    assert len(used) == 17
    assert used <= named
    buckets = {values["bucket"] for kind, values in planned if kind == "aws_s3_bucket"}
    assert buckets == {plan["output_changes"]["opsctl"]["after"]["bucket"]}


def without_hashes(output, planned):
    """The output object but for the definitions' hashes, which are those of the definitions."""
    for stem, machine in output["machines"].items():
        assert machine.pop("sha256") == hashlib.sha256(planned_definition(planned, stem).encode()).hexdigest()
    return output


def check_golden(name, value):
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    assert json.loads(path.read_text()) == value, f"{name} is not what the module makes: UPDATE_GOLDEN=1 writes it anew"


def test_the_module_is_formatted_and_valid(module):
    assert terraform(ROOT, "fmt", "-check", "-recursive", "-diff", str(ROOT)).stdout == ""
    assert terraform(module, "validate", "-no-color").stdout.startswith("Success!")


def test_every_variable_of_a_template_is_explained():
    variables = (ROOT / "modules/definition/variables.tf").read_text()
    declared = variables.split('variable "template"')[1].split("\nvariable")[0]
    table = (ROOT / "definitions/README.md").read_text().split("## Variables of a template")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert explained == set(re.findall(r"^    (\w+) +=", declared, re.MULTILINE))


def test_each_module_is_built_by_the_house_rules():
    root = (ROOT / "main.tf").read_text()
    assert "\nresource " not in root
    assert "\ndata " not in root
    versions = {(folder / "versions.tf").read_text() for folder in [ROOT, *(ROOT / "modules").iterdir()]}
    assert len(versions) == 1, "versions.tf must be the same everywhere"
    for path in [*ROOT.glob("*.tf"), *ROOT.glob("modules/*/*.tf")]:
        text = path.read_text()
        assert "count.index" not in text, path
        assert "aws_iam_policy_attachment" not in text, path
        lines = text.splitlines()
        for before, line in itertools.pairwise(lines):
            if 'resources = ["*"]' in line:
                assert before.strip().startswith("#"), f"{path}: say why every resource is allowed"
        for kind in ("variable", "output"):
            names = [line.split('"')[1] for line in lines if line.startswith(f'{kind} "')]
            assert names == sorted(names), f"{path}: {kind}s in alphabetical order"
            assert text.count("\n  description =") >= len(names), f"{path}: every {kind} has a description"
    variables = "\n".join(path.read_text() for path in sorted(ROOT.glob("variables*.tf")))
    assert "any" not in [word for line in variables.splitlines() if "type" in line for word in line.split()]


@pytest.mark.parametrize("model", ["image", "sequence", "text"])
def test_the_hyperparameters_are_the_scripts_own(model):
    declared = re.findall(
        r'^    "(\w+)": Hyperparameter\(([^,)]+)', (ROOT / f"training/{model}.py").read_text(), re.MULTILINE
    )
    output = json.loads((GOLDEN / "opsctl-output.json").read_text())
    assert declared
    assert output["machines"]["training"]["hyperparameters"][f"{model}_model"] == dict(declared)
