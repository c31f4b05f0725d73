"""The READMEs say what the command line and the module say."""

import html
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from click.testing import CliRunner

from opsctl import errors
from opsctl.cli.root import root
from opsctl.domain.guards import all_states

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_list_of_commands_is_that_of_the_help() -> None:
    listed = CliRunner().invoke(root, ["--help"], terminal_width=120).output.split("Commands:\n")[1]
    expected = "\n".join(line.strip() for line in listed.strip().splitlines())
    assert f"```\n{expected}\n```" in README


def test_every_exit_code_is_documented() -> None:
    codes = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)} == codes


def test_the_tables_of_inputs_and_outputs_are_current() -> None:
    checked = [sys.executable, str(ROOT / "docs/tables.py"), "--check"]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "current\n")


def test_the_picture_shows_the_training_machine() -> None:
    golden = json.loads((ROOT / "tests/golden/training.asl.json").read_text())
    drawn = re.findall(r"<title>([^<;]+); (?:Task|Pass|Choice|Parallel|Fail)", (ROOT / "docs/training.svg").read_text())
    assert sorted(map(html.unescape, drawn)) == sorted(name for name, _ in all_states(golden))


def test_every_direct_dependency_has_its_licence_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"always": project["dependencies"], **project["optional-dependencies"]}
    wanted = {(group, re.split(r"[<>=;~! []", each)[0]) for group, listed in groups.items() for each in listed}
    rows = re.findall(r"^\| (\S+) \| (\w+) \| \S", (ROOT / "docs/licences.md").read_text(), re.MULTILINE)
    assert {(group, package) for package, group in rows if package != "package"} == wanted


def test_every_link_leads_somewhere() -> None:
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("opsctl/*/README.md"),
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []
