"""What OpenTofu would refuse, as far as it can be seen in the configuration: there is no OpenTofu to run here."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = "\n".join(path.read_text() for path in sorted(ROOT.glob("*.tf")))
REFERENCE = re.compile(r"\b(var|local)\.(\w+)")


def blocks(header):
    """Each block's body by its label; blocks end at the first brace that is not indented."""
    return re.findall(rf"^{header} \{{\n(.*?)^\}}", TEXT, re.MULTILINE | re.DOTALL)


def references():
    """What each local value is made of."""
    found = {}
    for body in blocks("locals"):
        for name, value in re.findall(r"^  (\w+) += (.*?)(?=^  \w+ += |\Z)", body, re.MULTILINE | re.DOTALL):
            found["local", name] = set(REFERENCE.findall(value))
    return found


def reached(start, made_of):
    """Everything that is referred to, at any remove."""
    seen, ahead = set(), set(start)
    while ahead:
        seen |= ahead
        ahead = {further for one in ahead for further in made_of.get(one, ())} - seen
    return seen


def test_no_variable_is_checked_by_a_value_that_is_made_of_it():
    """OpenTofu takes it for a cycle (https://github.com/opentofu/opentofu/issues/4050); Terraform does not."""
    made_of = references()
    assert ("local", "machines") in made_of
    variables = blocks(r'variable "(\w+)"')
    assert "encryption" in dict(variables)
    cycles = {}
    for name, body in variables:
        for check in body.split("\n  validation {")[1:]:
            direct = set(REFERENCE.findall(check)) - {("var", name)}
            if ("var", name) in reached({one for one in direct if one[0] == "local"}, made_of):
                cycles.setdefault(name, set()).update(one[1] for one in direct if one[0] == "local")
    assert cycles == {}


def test_nothing_is_used_that_opentofu_lacks():
    """Terraform's own: functions of its built-in provider, and stacks' deferred actions."""
    everything = "\n".join(path.read_text() for path in ROOT.rglob("*.tf") if ".venv" not in path.parts)
    assert "provider::terraform::" not in everything
    assert not re.search(r"^(action|list) \"", everything, re.MULTILINE)
