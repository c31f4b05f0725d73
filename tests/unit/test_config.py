"""Which AWS, which deployment."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opsctl.config import (
    AWS,
    SANDBOX,
    Context,
    Options,
    choose_context,
    module_directory,
    parse_deployment,
    read_deployment,
    sandbox_directory,
)
from opsctl.errors import ConfigurationError, UsageError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden/opsctl-output.json").read_text())
SERVER = {"url": "http://127.0.0.1:4000", "region": "us-east-1"}


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of its own, and nothing in the environment; the current directory is below its root."""
    for name in ("OPSCTL_CONTEXT", "OPSCTL_SANDBOX_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "definitions").mkdir()
    (tmp_path / "main.tf").write_text("")
    (tmp_path / "training").mkdir()
    monkeypatch.chdir(tmp_path / "training")
    return tmp_path


@contextmanager
def server_up(directory: Path, content: str | None = None) -> Iterator[None]:
    directory.mkdir(parents=True)
    (directory / "server.json").write_text(json.dumps(SERVER) if content is None else content)
    with (directory / "server.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_runs_start_on_the_alias_and_where_there_is_none_on_the_machine() -> None:
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"
    assert parse_deployment(GOLDEN).machine(None).start_arn == f"{arn}:live"
    machines = {
        key: {name: value for name, value in machine.items() if name != "alias"}
        for key, machine in GOLDEN["machines"].items()
    }
    older = parse_deployment({**GOLDEN, "machines": machines}).machine(None)
    assert (older.alias, older.start_arn) == (None, arn)


def test_the_golden_output_is_a_deployment() -> None:
    deployment = parse_deployment(GOLDEN)
    machine = deployment.machine(None)
    assert (deployment.name, deployment.bucket) == (GOLDEN["name"], GOLDEN["bucket"])
    assert machine.steps[0] == "fetch-preprocessed-data"
    assert machine.hyperparameters["text_model"] == GOLDEN["machines"]["training"]["hyperparameters"]["text_model"]
    assert deployment.machine(machine.name) is deployment.machine(machine.arn) is machine
    with pytest.raises(UsageError, match="no state machine 'trainin' in this deployment") as caught:
        deployment.machine("trainin")
    assert caught.value.hint == "did you mean 'training'?"


def test_where_there_is_one_machine_besides_bulk_it_is_the_default() -> None:
    machines = {**GOLDEN["machines"], "hello": GOLDEN["machines"]["training"]}
    assert parse_deployment({**GOLDEN, "machines": machines}).machine(None).key == "training"
    del machines["training"]
    assert parse_deployment({**GOLDEN, "machines": machines}).machine(None).key == "hello"


@pytest.mark.parametrize("key", ["bucket", "machines", "topic"])
def test_an_output_that_lacks_something(key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"is not as expected: KeyError.'{key}'.") as caught:
        parse_deployment({name: value for name, value in GOLDEN.items() if name != key})
    assert caught.value.hint == "run terraform apply with this release's module"


@pytest.mark.parametrize("value", [None, [], {}, {"version": 2}])
def test_an_output_of_another_version(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="has version"):
        parse_deployment(value)


def test_without_a_sandbox_commands_talk_to_aws(module: Path) -> None:
    assert choose_context(Options()) == Context(AWS, None, None, None, module)
    assert choose_context(Options(terraform_dir=module / "x")).outputs == module / "x"
    assert module_directory() == module
    assert module_directory(Path("/")) is None


def test_while_a_sandbox_is_up_commands_talk_to_it(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = module / ".opsctl" / "sandbox"
    assert sandbox_directory() == directory
    up = Context(SANDBOX, SERVER["url"], "us-east-1", None, directory / "terraform")
    with server_up(directory):
        assert choose_context(Options(machine="training")) == choose_context(Options(context="sandbox")) == up
        for options in (Options(context="aws"), Options(profile="work"), Options(endpoint_url="http://x")):
            assert not choose_context(options).is_sandbox
        monkeypatch.setenv("OPSCTL_CONTEXT", "aws")
        assert not choose_context(Options()).is_sandbox
        monkeypatch.setenv("OPSCTL_CONTEXT", "sandbox")
        assert choose_context(Options()) == up


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("--region", Options(region="eu-west-1")),
        ("--terraform-dir", Options(terraform_dir=Path())),
        ("--profile", Options(context="sandbox", profile="work")),
        ("--endpoint-url", Options(context="sandbox", endpoint_url="http://x")),
    ],
)
def test_a_sandbox_ignores_no_option_in_silence(module: Path, name: str, options: Options) -> None:
    with (
        server_up(module / ".opsctl" / "sandbox"),
        pytest.raises(UsageError, match=f"{name} is for AWS, and the context is the sandbox") as caught,
    ):
        choose_context(options)
    assert caught.value.hint == f"leave {name} out to work in the sandbox, or add --context aws to work on AWS"


def test_a_sandbox_elsewhere(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCTL_SANDBOX_DIR", str(module / "other"))
    with server_up(module / "other"):
        assert choose_context(Options()).url == SERVER["url"]
    assert sandbox_directory(module / "named") == module / "named"


def test_no_silent_step_from_a_dead_sandbox_to_aws(module: Path) -> None:
    directory = module / ".opsctl" / "sandbox"
    with pytest.raises(ConfigurationError, match="no sandbox is up in"):
        choose_context(Options(context="sandbox"))
    with server_up(directory):
        pass
    with pytest.raises(ConfigurationError, match="has died"):
        choose_context(Options())
    (directory / "server.lock").unlink()
    with pytest.raises(ConfigurationError, match="has died"):
        choose_context(Options())
    assert not choose_context(Options(context="aws")).is_sandbox


def test_bad_configuration(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        server_up(module / ".opsctl" / "sandbox", content="{"),
        pytest.raises(ConfigurationError, match="cannot be read"),
    ):
        choose_context(Options())
    monkeypatch.setenv("OPSCTL_CONTEXT", "prod")
    with pytest.raises(UsageError, match="there is no context 'prod'"):
        choose_context(Options())


@pytest.mark.parametrize(
    "outputs", ["", {}, {"opsctl": {"value": {"version": 2}}}, {"opsctl": {"value": {"version": 1}}}]
)
def test_no_remedy_in_the_sandbox_leads_to_the_real_account(module: Path, outputs: Any) -> None:
    place = module / ".opsctl" / "sandbox" / "terraform"
    place.mkdir(parents=True)
    (place / "terraform.tfstate").write_text(json.dumps({"version": 4, "outputs": outputs}))
    context = Context(SANDBOX, "http://127.0.0.1:4000", "us-east-1", None, place)
    with pytest.raises(ConfigurationError) as caught:
        read_deployment(context)
    assert f"{place.parent}/bin/terraform apply" in (caught.value.hint or "")
    assert "run terraform" not in (caught.value.hint or "")


def test_the_outputs_of_both_contexts(module: Path) -> None:
    def context(kind: str, folder: Path) -> Context:
        return Context(kind, None, None, None, folder)

    state = json.dumps({"version": 4, "outputs": {"opsctl": {"value": GOLDEN}}})
    for kind, folder in ((AWS, module), (SANDBOX, module / ".opsctl/sandbox/terraform")):
        if kind == SANDBOX:
            with pytest.raises(ConfigurationError, match="no Terraform output 'opsctl' in"):
                read_deployment(context(kind, folder))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "terraform.tfstate").write_text(state)
        assert read_deployment(context(kind, folder)).bucket == GOLDEN["bucket"]
