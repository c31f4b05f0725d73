"""Write the tables of inputs and outputs into the READMEs: `python docs/tables.py` (`make docs`).

A README of the root module, of a module or of an example has its tables between two comments, `<!-- inputs and
outputs -->` and `<!-- end -->`; they are made of the variables and outputs in the `*.tf` files beside it. `--check`
writes nothing and exits with 1 if a README does not say what its configuration says.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
from hcl2.utils import SerializationOptions

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- inputs and outputs -->", "<!-- end -->"
PLAIN = SerializationOptions(
    with_comments=False, explicit_blocks=False, preserve_heredocs=False, strip_string_quotes=True
)
LONGEST_DEFAULT = 40
SHORTEST = 20


def readmes(root: Path = ROOT) -> list[Path]:
    """The READMEs that lie beside a configuration."""
    folders = [root, *sorted(root.glob("modules/*")), *sorted(root.glob("examples/*"))]
    return [folder / "README.md" for folder in folders if (folder / "README.md").is_file() and any(folder.glob("*.tf"))]


def current(readme: Path) -> str:
    """A README with the tables that its configuration makes. Raises ValueError for one without their place."""
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme}: put {BEGIN} and {END} where its inputs and outputs are to stand")
    return f"{before}{BEGIN}\n{tables(readme.parent)}\n{END}{after}"


def tables(folder: Path) -> str:
    """The inputs and outputs of a configuration, by name."""
    inputs, outputs = {}, {}
    for path in sorted(folder.glob("*.tf")):
        document = hcl2.loads(path.read_text(), serialization_options=PLAIN)
        for kind, found in (("variable", inputs), ("output", outputs)):
            for block in document.get(kind, []):
                for name, fields in block.items():
                    found[name] = (path.name, fields)
    parts = []
    if inputs:
        rows = [
            (f"[`{name}`]({file})", _type(fields), _default(fields), _first(fields))
            for name, (file, fields) in sorted(inputs.items())
        ]
        parts.append(_table(("input", "type", "default", "what it is"), rows))
    if outputs:
        rows = [(f"[`{name}`]({file})", _first(fields)) for name, (file, fields) in sorted(outputs.items())]
        parts.append(_table(("output", "what it is"), rows))
    return "\n\n".join(parts) or "It has neither inputs nor outputs."


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _type(fields: dict[str, Any]) -> str:
    """`set(string)` as it is; of an object, or a map of objects, the names of its fields."""
    text = re.sub(r"^\$\{(.*)\}$", r"\1", " ".join(str(fields.get("type", "any")).split()))
    outer, brace, inner = text.partition("object({")
    if not brace:
        return f"`{text}`"
    kind = {"map(": "map of objects", "list(": "list of objects"}.get(outer, "object")
    return f"{kind}: " + ", ".join(f"`{name}`" for name in _names(inner))


def _names(inner: str) -> Iterator[str]:
    """The names before `=` that no bracket encloses, up to the end of the object."""
    depth, word = 0, ""
    for letter in inner:
        depth += (letter in "({[") - (letter in ")}]")
        if depth < 0:
            return
        if depth == 0 and letter == "=":
            yield word.strip()
        word = "" if letter == "," and depth == 0 else word + letter


def _default(fields: dict[str, Any]) -> str:
    """As JSON; what is long stands in the file that the name links to."""
    if "default" not in fields:
        return "required"
    default = fields["default"]
    text = "null" if default in (None, "null", "${null}") else json.dumps(default)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see there"


def _first(fields: dict[str, Any]) -> str:
    """The first sentence of the description; two, where the first is a heading."""
    text = " ".join(str(fields.get("description", "")).split())
    first, *more = re.split(r"(?<=[.])\s+(?=[A-Z`])", text)
    return f"{first} {more[0]}" if more and len(first) < SHORTEST else first


def main(arguments: list[str]) -> int:
    """Write the tables anew, or say which are not current."""
    stale = [path for path in readmes() if path.read_text() != current(path)]
    if "--check" in arguments:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        print(f"not current: {names}; run `make docs`" if stale else "current", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(current(path))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
