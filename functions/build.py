"""Pack each function into `functions/dist/<name>.zip`: `python functions/build.py`.

A package is the handler and what it imports: modules of this folder (its own, and those in `shared`), and the pure ones
of opsctl. Its bytes depend on nothing but those sources (fixed dates, order and permissions; stored, because compressed
bytes change with the zlib that made them), so that a package is the same from any machine and Terraform sees a change
only where there is one. `--check` writes nothing and exits with 1 if a package is not what its sources make.
"""

from __future__ import annotations

import ast
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DIST = HERE / "dist"
FUNCTIONS = (
    "bulk_batch", "champion_gate", "days_without_success", "describe_failure", "prepare_deployment",
    "prepare_inference", "prepare_run", "prune_versions", "settle_deployment", "smoke_test", "start_run",
)  # fmt: skip
PACKAGES = {"opsctl", "shared", *FUNCTIONS}


def package(function: str) -> bytes:
    """The zip file of one function."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, text in sorted(_members(function).items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


def _members(function: str) -> dict[str, str]:
    """Path in the zip -> text. Packages of opsctl get an empty `__init__`: theirs would pull in the rest."""
    handler = _text(HERE / function / "handler.py")
    members = {"handler.py": handler}
    waiting = list(_imports(handler))
    while waiting:
        module = waiting.pop()
        path = module.replace(".", "/")
        if f"{path}.py" in members:
            continue
        text = _text((ROOT if path.startswith("opsctl/") else HERE) / f"{path}.py")
        members[f"{path}.py"] = text
        waiting.extend(_imports(text))
        for parent in list(Path(path).parents)[:-1]:
            members[f"{parent.as_posix()}/__init__.py"] = ""
    return members


def _imports(text: str) -> Iterator[str]:
    """The modules of opsctl and of this folder that a source imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PACKAGES:
            yield str(node.module)


def _text(path: Path) -> str:
    return path.read_bytes().decode().replace("\r\n", "\n")


def main(arguments: list[str]) -> int:
    stale = []
    for function in FUNCTIONS:
        target, made = DIST / f"{function}.zip", package(function)
        if not target.is_file() or target.read_bytes() != made:
            stale.append(target.name)
            if "--check" not in arguments:
                DIST.mkdir(exist_ok=True)
                target.write_bytes(made)
    if stale and "--check" in arguments:
        print(f"not what the sources make: {', '.join(stale)}; run `make functions`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
