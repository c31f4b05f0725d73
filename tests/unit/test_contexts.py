"""Named contexts: the file that holds them, and what a command line makes of them."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsctl.cli.agreeing import CONFIRMED, agree
from opsctl.cli.invocation import Invocation
from opsctl.cli.root import root
from opsctl.config import AWS, Context, Options, choose_context, read_deployment
from opsctl.contexts import Contexts, Named, change_contexts, contexts_file, read_contexts
from opsctl.errors import ConfigurationError, RefusedError

OUTPUT = json.loads((Path(__file__).parents[1] / "golden/opsctl-output.json").read_text())


@pytest.fixture(autouse=True)
def _own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("OPSCTL_CONTEXT", raising=False)
    monkeypatch.delenv(CONFIRMED, raising=False)
    monkeypatch.setenv("OPSCTL_SANDBOX_DIR", str(tmp_path / "no-sandbox"))
    monkeypatch.chdir(tmp_path)


def opsctl(*words: str) -> Result:
    return CliRunner().invoke(root, ["context", *words], obj=Invocation())


def add_two(tmp_path: Path) -> Path:
    """Staging by its folder, production by a file."""
    (tmp_path / "staging").mkdir()
    saved = tmp_path / "production.json"
    saved.write_text(json.dumps({"opsctl": {"sensitive": False, "value": OUTPUT}, "other": {"value": 1}}))
    assert opsctl("add", "staging", "--terraform-dir", "staging", "--profile", "stage").exit_code == 0
    done = opsctl("add", "production", "--outputs", "production.json", "--region", "eu-west-1", "--confirm")
    assert (done.exit_code, done.stdout) == (0, f"production is kept in {contexts_file()}\n")
    return saved


def test_two_that_are_added_at_the_same_moment_are_both_kept() -> None:
    one = Named(outputs="/x.json")
    other = threading.Thread(target=change_contexts, args=(lambda there: there.with_one("other", one),))

    def begin_the_other_and_change(there: Contexts) -> Contexts:
        other.start()
        other.join(0.1)  # nobody has to be quick: it has time to write, if it does not wait
        return there.with_one("first", one)

    change_contexts(begin_the_other_and_change)
    other.join()
    assert sorted(read_contexts().known) == ["first", "other"]


def test_a_file_that_may_not_be_read_is_not_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_two(tmp_path)
    monkeypatch.setattr(
        Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    done = opsctl("remove", "staging")
    monkeypatch.undo()
    assert done.exit_code == 4
    assert len(json.loads((tmp_path / "config/opsctl/contexts.json").read_text())["contexts"]) == 2


def test_they_are_listed_used_and_forgotten(tmp_path: Path) -> None:
    assert opsctl("list").stderr == "no context has a name yet: opsctl context add NAME\n"
    add_two(tmp_path)
    assert opsctl("use", "production").exit_code == 0
    rows = [line.split() for line in opsctl("list").stdout.splitlines()]
    assert rows == [
        ["CURRENT", "NAME", "DEPLOYMENT", "PROFILE", "REGION", "CONFIRM"],
        ["*", "production", str(tmp_path / "production.json"), "eu-west-1", "typed"],
        ["staging", str(tmp_path / "staging"), "stage"],
    ]
    assert opsctl("remove", "production").exit_code == 0
    assert json.loads(opsctl("list", "-o", "json").stdout) == [
        {"name": "staging", "current": False, "terraform_dir": str(tmp_path / "staging"), "outputs": None,
         "profile": "stage", "region": None, "endpoint_url": None, "confirm": False}
    ]  # fmt: skip


def test_a_command_takes_the_named_the_current_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = add_two(tmp_path)
    staging = Context(AWS, None, None, "stage", tmp_path / "staging", name="staging")
    production = Context(AWS, None, "eu-west-1", None, saved, name="production", confirm=True)
    assert choose_context(Options(context="staging")) == staging
    assert choose_context(Options(context="staging", profile="mine")).profile == "mine"
    assert choose_context(Options()).name is None
    opsctl("use", "staging")
    assert choose_context(Options()) == staging
    assert choose_context(Options(context="aws")).name is None
    assert choose_context(Options(terraform_dir=tmp_path)).name is None
    monkeypatch.setenv("OPSCTL_CONTEXT", "production")
    assert choose_context(Options()) == production
    assert read_deployment(production).bucket == OUTPUT["bucket"]
    saved.write_text(json.dumps(OUTPUT))
    assert read_deployment(choose_context(Options(context=str(saved)))).bucket == OUTPUT["bucket"]
    opsctl("use", "--none")
    monkeypatch.delenv("OPSCTL_CONTEXT")
    assert choose_context(Options()).name is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "sandbox", "--terraform-dir", "."), "'sandbox' cannot be the name of a context"),
        (("add", "a/b", "--terraform-dir", "."), "'a/b' cannot be the name of a context"),
        (("add", "a.json", "--terraform-dir", "."), "'a.json' cannot be the name of a context"),
        (("add", "here"), "a context is about one deployment"),
        (("add", "here", "--terraform-dir", "nowhere"), "Directory 'nowhere' does not exist"),
        (("use",), "name a context, or give --none"),
        (("use", "nowhere"), "there is no context 'nowhere'"),
        (("remove", "nowhere"), "there is no context 'nowhere'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words: tuple[str, ...], message: str) -> None:
    result = opsctl(*words)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[0]
    assert not contexts_file().parent.exists()


def test_one_that_there_is_not_is_told_with_those_there_are(tmp_path: Path) -> None:
    choose = "--context aws and --context sandbox need none"
    assert opsctl("use", "sandbox").stderr.splitlines()[1] == f"hint: opsctl context add makes one; {choose}"
    add_two(tmp_path)
    for words in (["context", "use", "nowhere"], ["context", "remove", "nowhere"], ["list", "--context", "nowhere"]):
        result = CliRunner().invoke(root, words, obj=Invocation())
        assert (result.exit_code, result.stderr.splitlines()) == (
            2, ["error: there is no context 'nowhere'", f"hint: there are: production, staging; {choose}"],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# opsctl", "x.md cannot be read: Expecting value: line 1 column 1 (char 0)"),
        ("[1]", "no Terraform output 'opsctl' in "),
        ('{"bucket": {"value": "b"}}', "no Terraform output 'opsctl' in "),
        ('{"opsctl": {"value": {"version": 7}}}', "the Terraform output 'opsctl' has version 7, this opsctl reads 1"),
    ],
)
def test_a_file_without_a_deployment_gets_no_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.md").write_text(text)
    result = opsctl("add", "staging", "--outputs", "x.md")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 2)
    assert message in result.stderr.splitlines()[0]
    assert not contexts_file().parent.exists()


def test_a_file_with_the_output_may_be_called_anything(tmp_path: Path) -> None:
    (tmp_path / "outputs.txt").write_text(json.dumps(OUTPUT))
    assert opsctl("add", "staging", "--outputs", "outputs.txt").exit_code == 0
    assert read_deployment(choose_context(Options(context="staging"))).bucket == OUTPUT["bucket"]


@pytest.mark.parametrize("text", ["{", "[]", '{"contexts": []}', '{"contexts": {"a": 1}}'])
def test_a_broken_file_is_named(text: str) -> None:
    contexts_file().parent.mkdir(parents=True)
    contexts_file().write_text(text)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_contexts()


def test_a_file_without_the_output_says_so(tmp_path: Path) -> None:
    for text in ("{", "[1]", '{"other": {"value": 1}}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ConfigurationError):
            read_deployment(choose_context(Options(context="x.json")))
    with pytest.raises(ConfigurationError):
        read_deployment(choose_context(Options(context="nowhere.json")))


def test_production_wants_its_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    invocation: Any = Invocation()
    agree(invocation, "the plan", yes=True)
    invocation.confirm = "production"
    with pytest.raises(RefusedError) as refused:
        agree(invocation, "the plan", yes=True)
    assert refused.value.hint == "set OPSCTL_CONFIRM=production to go ahead, or look with --dry-run"
    monkeypatch.setenv(CONFIRMED, "staging")
    with pytest.raises(RefusedError):
        agree(invocation, "the plan", yes=True)
    monkeypatch.setenv(CONFIRMED, "production")
    agree(invocation, "the plan", yes=False)
    assert capsys.readouterr().out == "the plan\n" * 4
