"""What tflint's rules for the language look for, held without it: a Go program, in no package of PyPI, npm or Debian.

Its recommended rules are held by `terraform validate` (types of values, required arguments), `terraform fmt`, checkov
(test_checkov.py), the house rules (test_module.py: described variables and outputs, the same versions.tf everywhere, no
count.index), and here: typed variables, names, nothing that is declared and not used, comments with #, and no source of
a module that moves.
"""

import re
from pathlib import Path

import hcl2
import pytest

from docs.tables import PLAIN

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(
    {path.parent for pattern in ("*.tf", "modules/*/*.tf", "examples/*/*.tf") for path in ROOT.glob(pattern)}
)
NAME = re.compile(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*")
COMMENT = re.compile(r"#.*$", re.MULTILINE)


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def configuration(request):
    """The text of a folder's configuration, and its blocks by kind."""
    texts = [path.read_text() for path in sorted(request.param.glob("*.tf"))]
    blocks = {}
    for text in texts:
        for kind, found in hcl2.loads(text, serialization_options=PLAIN).items():
            blocks.setdefault(kind, []).extend(found)
    return "\n".join(texts), blocks


def named(blocks, kind):
    """The names of a kind's blocks: of one label, or of two as `type.name`."""
    for block in blocks.get(kind, []):
        for label, fields in block.items():
            if kind in ("data", "resource"):
                yield from (f"{label}.{name}" for name in fields)
            else:
                yield label


def test_nothing_is_declared_that_is_not_used(configuration):
    text, blocks = configuration
    plain = COMMENT.sub("", text)
    declared = {f"var.{name}" for name in named(blocks, "variable")}
    # What is read for a condition of its own is used by that.
    read = [(kind, found) for block in blocks.get("data", []) for kind, found in block.items()]
    declared |= {
        f"data.{kind}.{name}" for kind, found in read for name, fields in found.items() if "lifecycle" not in fields
    }
    declared |= {f"local.{name}" for block in blocks.get("locals", []) for name in block}
    assert {name for name in declared if not re.search(rf"(?<![\w.]){re.escape(name)}(?![\w-])", plain)} == set()


def test_every_variable_has_a_type(configuration):
    _, blocks = configuration
    untyped = [name for block in blocks.get("variable", []) for name, fields in block.items() if "type" not in fields]
    assert untyped == []


def test_names_are_words_joined_by_underscores(configuration):
    _, blocks = configuration
    names = {name for kind in ("variable", "output", "module") for name in named(blocks, kind)}
    names |= {name.split(".")[1] for kind in ("data", "resource") for name in named(blocks, kind)}
    names |= {name for block in blocks.get("locals", []) for name in block}
    assert {name for name in names if not NAME.fullmatch(name)} == set()


def test_a_module_comes_from_this_repository(configuration):
    _, blocks = configuration
    sources = [fields["source"] for block in blocks.get("module", []) for fields in block.values()]
    assert [source for source in sources if not source.startswith(("./modules/", "../.."))] == []


def test_comments_begin_with_a_hash(configuration):
    text, _ = configuration
    assert [line for line in text.splitlines() if line.strip().startswith(("//", "/*"))] == []
