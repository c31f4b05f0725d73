"""Templates rendered by the real Terraform."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.errors import OpsError, UsageError
from opsctl.operations.rendering import render_template
from opsctl.terraform import find_terraform


@pytest.fixture(autouse=True)
def _terraform() -> None:
    try:
        find_terraform()
    except OpsError as error:
        pytest.skip(f"{error.message}: {error.hint}")


def test_a_template_means_what_it_means_to_terraform(tmp_path: Path) -> None:
    template = tmp_path / 'with ${odd} "name".tftpl'
    template.write_text(
        "%{ for key, value in items ~}\n${key}=${jsonencode(value)} ${upper(key)}\n%{ endfor ~}\n$${x}é\n"
    )
    items = {"b": 'q"uo\nte ${x} %{y}', "a": [1, True, None, "é" * 3000]}
    text = render_template(template, {"items": items})
    assert text == f'a=[1,true,null,"{"é" * 3000}"] A\nb="q\\"uo\\nte ${{x}} %{{y}}" B\n${{x}}é\n'


def test_the_users_own_terraform_settings_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CLI_ARGS", "-no-such-option")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "none"))
    (tmp_path / "a.tftpl").write_text("${a}")
    assert render_template(tmp_path / "a.tftpl", {"a": 1}) == "1"


UNBALANCED = "The control directives within this template are unbalanced"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${b}", 'vars map does not contain key "b", referenced at a.tftpl:1,3-4'),
        ("${a.b}", "a.tftpl:1,4-6: Unsupported attribute; Can't access attributes on a primitive-typed value (number)"),
        ("${[a]}", "cannot convert tuple to string"),
        ("%{ else }", f"a.tftpl:1,1-10: Unexpected else directive; {UNBALANCED}"),
    ],
)  # fmt: skip
def test_what_terraform_says_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    template = tmp_path / "a.tftpl"
    template.write_text(text)
    with pytest.raises(UsageError) as error:
        render_template(template, {"a": 1})
    assert error.value.message == f"{template} cannot be rendered: {message}"
    assert error.value.hint == "give it the variables that its module hands to templatefile"


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        render_template(tmp_path / "none.tftpl", {})
