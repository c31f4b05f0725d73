"""The tables of inputs and outputs in the READMEs."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = """
variable "zone" {
  description = "Where | it is."
  type        = string
}

variable "sizes" {
  description = <<-EOT
    Sizes. One for each key: `small`,
    `large`. And more of it, which nobody needs in a table.
  EOT
  type = map(object({
    deep = optional(object({ inner = optional(number, 1) }), { inner = 2 })
    kind = optional(string, "a=b, c")
    tags = list(string)
  }))
  default  = {}
  nullable = false
}

variable "code" {
  description = "A folder, e.g. of Python files; nobody knows."
  type        = set(string)
  default     = null
}
"""
TABLES = """\
| input | type | default | what it is |
| --- | --- | --- | --- |
| [`code`](variables.tf) | `set(string)` | `null` | A folder, e.g. of Python files; nobody knows. |
| [`sizes`](variables.tf) | map of objects: `deep`, `kind`, `tags` | `{}` | Sizes. One for each key: `small`, `large`. |
| [`zone`](variables.tf) | `string` | required | Where \\| it is. |

| output | what it is |
| --- | --- |
| [`arn`](outputs.tf) | Its ARN. |"""


def load():
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs/tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "variables.tf").write_text(VARIABLES)
    (tmp_path / "outputs.tf").write_text('output "arn" {\n  description = "Its ARN."\n  value = var.zone\n}\n')
    return tmp_path


def test_a_table_has_the_inputs_and_outputs_by_name(folder):
    assert tables.tables(folder) == TABLES


def test_a_readme_is_changed_between_its_comments_only(folder):
    readme = folder / "README.md"
    readme.write_text("before\n<!-- inputs and outputs -->\nold\n<!-- end -->\nafter\n")
    assert tables.current(readme) == f"before\n<!-- inputs and outputs -->\n{TABLES}\n<!-- end -->\nafter\n"
    assert tables.readmes(folder) == [readme]


def test_a_readme_without_a_place_for_them_is_refused(folder):
    (folder / "README.md").write_text("nothing\n")
    with pytest.raises(ValueError, match="put <!-- inputs and outputs --> and <!-- end -->"):
        tables.current(folder / "README.md")
