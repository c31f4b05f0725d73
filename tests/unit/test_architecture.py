"""Imports go one way, and the pure packages stay pure: the rules of docs/adr/0004."""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "opsctl"

# What each part may import of opsctl itself. `cli.sandbox` and `cli.sandbox_faults` alone may also import the sandbox.
ALLOWED = {
    "errors": set(),
    "asl": {"errors"},
    "domain": {"errors", "asl"},
    "config": {"errors", "terraform", "contexts"},
    "contexts": {"errors"},
    "terraform": {"errors"},
    "terraform_launcher": set(),
    "aws": {"errors", "domain", "config"},
    "operations": {"errors", "asl", "domain", "aws", "terraform", "config"},
    "pictures": {"errors", "domain"},
    "cli": {"errors", "operations", "domain", "config", "contexts", "pictures"},
    "sandbox": {"errors", "asl"},
    "__main__": {"cli"},
    "__init__": set(),
}
SANDBOX_COMMANDS = ("cli/sandbox.py", "cli/sandbox_faults.py")
PURE = ("asl", "domain")
# Not in the standard library, or in it and impure: what a pure package must not reach.
PURE_THIRD_PARTY = {"jmespath", "jsonata"}
IMPURE = {
    "os",
    "pathlib",
    "subprocess",
    "socket",
    "threading",
    "time",
    "tempfile",
    "shutil",
    "urllib",
    "http",
    "asyncio",
}
ONLY_IN = {
    "boto3": ("aws", "sandbox"),
    "botocore": ("aws", "sandbox"),
    "obstore": ("aws",),
    "python_terraform": ("terraform.py",),
    "tabulate": ("cli/render.py",),
    "click": ("cli",),
    "moto": ("sandbox",),
    "pygraphviz": ("pictures",),
    "resvg_py": ("pictures",),
    "fontpkg": ("pictures",),
    "jinja2": ("pictures",),
}

FILES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "opsctl")


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parts_imported(path: Path) -> set[str]:
    names = (name.split(".") for name in imports(path) if name.startswith("opsctl."))
    return {name[1] for name in names} - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    allowed = ALLOWED[part] | {part}
    if path.relative_to(PACKAGE).as_posix() in SANDBOX_COMMANDS:
        allowed |= {"sandbox"}
    assert parts_imported(path) <= allowed


@pytest.mark.parametrize("path", [path for path in FILES if part_of(path) in PURE], ids=lambda path: path.name)
def test_the_pure_packages_know_nothing_of_the_world(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports(path)} - {"opsctl"} - PURE_THIRD_PARTY
    assert outside <= sys.stdlib_module_names - IMPURE
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input"}


@pytest.mark.parametrize(("library", "places"), ONLY_IN.items(), ids=list(ONLY_IN))
def test_each_library_has_one_home(library: str, places: tuple[str, ...]) -> None:
    users = [
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        if library in {name.split(".")[0] for name in imports(path)}
    ]
    assert [user for user in users if not user.startswith(places)] == []
