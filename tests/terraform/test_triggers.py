"""What the variable `triggers` refuses, with its words: a plan of the variable alone, which needs no provider."""

import json
import re
import shutil

import pytest

from tests.terraform.test_module import ROOT, terraform

VARIABLES = ROOT / "variables-triggers.tf"
MACHINES = """
locals {
  machines = { bulk = "documents-bulk", training = "documents-training", other = "documents-other" }
}
"""


@pytest.fixture(scope="module")
def variable(tmp_path_factory):
    """A root module of nothing but the variable and what it refers to."""
    folder = tmp_path_factory.mktemp("variable")
    shutil.copy(VARIABLES, folder)
    (folder / "main.tf").write_text(MACHINES)
    assert terraform(folder, "init").returncode == 0
    return folder


def plan(folder, triggers):
    """What a plan says against it, without frames and line breaks."""
    (folder / "terraform.tfvars.json").write_text(json.dumps({"triggers": triggers}))
    result = terraform(folder, "plan", "-no-color", "-input=false")
    return " ".join(re.sub(r"[│╷╵]", " ", result.stdout + result.stderr).split())


def data(**fields):
    return {"data": fields}


def schedule(expression="rate(1 day)", **fields):
    return {"schedule": {"expression": expression, **fields}}


REFUSED = [
    (data(patterns=[]), "triggers.data.patterns must hold at least one pattern"),
    (data(patterns=["datasets/*/_READY", "runs/*/manifest.json"]), "triggers.data.patterns must begin with datasets/"),
    (data(patterns=["*/_READY"]), "triggers.data.patterns must begin with datasets/"),
    (data(patterns=["datasets/*"]), "triggers.data.patterns must begin with datasets/"),
    (data(patterns=["datasets/**/_READY"]), "triggers.data.patterns must not hold **"),
    (data(while_running="queue"), "while_running in triggers must be skip"),
    (schedule(while_running=None, machine="bulk"), "machine in triggers must be the key of a machine"),
    (data(machine="nightly"), "for example training: other, training."),
    (data(input="skip"), "input in triggers must be an object of at most 1000 characters"),
    (schedule(input={"note": "x" * 1000}), "input in triggers must be an object of at most 1000 characters"),
    (data(input={"data": {"source": "s3://b/datasets/x/"}}), "triggers.data.input must not hold data.source"),
    (schedule("cron(0 2 * * *)"), "triggers.schedule.expression must be rate("),
    (schedule("cron(0 2 * * * *)"), "triggers.schedule.expression must be rate("),
    (schedule("cron(0 2 ? * ? *)"), "triggers.schedule.expression must be rate("),
    (schedule("rate(0 days)"), "triggers.schedule.expression must be rate("),
    (schedule("nightly"), "triggers.schedule.expression must be rate("),
    (schedule(timezone="Central European Time"), "triggers.schedule.timezone must be the name of a time zone"),
    (schedule(flexible_minutes=1441), "triggers.schedule.flexible_minutes must be a whole number"),
    (schedule(flexible_minutes=1.5), "triggers.schedule.flexible_minutes must be a whole number"),
    (schedule(start="tomorrow"), "start and end of triggers.schedule must be times"),
    (
        schedule(start="2026-12-01T00:00:00Z", end="2026-11-01T00:00:00Z"),
        "triggers.schedule.end must come after triggers.schedule.start.",
    ),
    (schedule(retry={"attempts": 186}), "triggers.schedule.retry: attempts is a whole number from 0 to 185"),
]


@pytest.mark.parametrize(("triggers", "said"), REFUSED, ids=lambda value: json.dumps(value)[:60])
def test_what_is_refused_and_the_remedy(variable, triggers, said):
    assert said in plan(variable, triggers)


def test_every_rule_is_broken_once():
    remedies = re.findall(r'error_message = "(.+)"\n', VARIABLES.read_text())
    assert len(remedies) == VARIABLES.read_text().count("\n  validation {")
    said = tuple(words for _, words in REFUSED)
    assert [remedy for remedy in remedies if not any(remedy.startswith(words) for words in said)] == []


@pytest.mark.parametrize(
    "triggers",
    [
        {},
        data(),
        {"data": None, "schedule": None},
        data(patterns=["datasets/mortgages/*", "datasets/*/2026/*.zip"], machine="other", while_running="parallel"),
        data(input={"hyperparameters": {"text_model": {"epochs": 12}}, "skip": {"evaluate": True}}),
        schedule("cron(30 2 ? * MON-FRI *)", timezone="America/Argentina/Buenos_Aires", flexible_minutes=1440),
        schedule(
            "at(2026-12-24T02:00:00)", start="2026-12-01T00:00:00Z", end="2027-01-01T00:00:00Z", timezone="Etc/GMT+5"
        ),
        schedule(
            "rate(2 hours)", input={"data": {"source": "s3://b/datasets/x/"}}, retry={"attempts": 0, "max_age": 60}
        ),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_is_taken(variable, triggers):
    assert "No changes." in plan(variable, triggers)
