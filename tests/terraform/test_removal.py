"""What a destroy begins with: nothing of the pipeline may be gone before the refusal."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_destroy_is_refused_before_any_part_is_destroyed():
    """What depends on a part is destroyed before it, so the refusal must depend on every part."""
    parts = {
        part for path in ROOT.glob("*.tf") for part in re.findall(r'^module "(\w+)"', path.read_text(), re.MULTILINE)
    }
    waited_for = (ROOT / "protection.tf").read_text().split("depends_on")[1]
    assert set(re.findall(r"module\.(\w+)", waited_for)) == parts
