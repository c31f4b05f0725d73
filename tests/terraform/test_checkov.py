"""checkov's rules for Terraform on AWS: none is broken, and what is not followed says why in the code.

checkov brings a hundred packages, so it has an environment of its own, which `make checkov` makes.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / ".cache/checkov/bin"
SUPPRESSIONS = 15
SKIP = re.compile(r"^\s*#\s*checkov:skip=(\w+)(?::(.*))?$", re.MULTILINE)
# On a line, the files of the folder given that checkov could parse (a file that it cannot is otherwise left out without
# a word), then its report; in one process, since it takes seconds to be imported.
LOOK = """
import json, os, sys
from checkov.main import Checkov
from checkov.terraform.tf_parser import TFParser
folder, errors = sys.argv[1], {}
found = TFParser().parse_directory(directory=folder, out_parsing_errors=errors)
print(json.dumps([sorted({os.path.relpath(key.file_path, folder) for key in found}), sorted(errors)]), flush=True)
words = ["-d", folder, "--framework", "terraform", "--skip-download", "--compact", "-o", "json"]
sys.exit(Checkov(words).run(banner=""))
"""


@pytest.fixture(scope="module")
def tools():
    """Folder with checkov and its interpreter."""
    found = shutil.which("checkov", path=OWN) or shutil.which("checkov")
    if found is None:
        pytest.skip("checkov is not installed: run make checkov")
    return Path(found).parent


@pytest.fixture(scope="module")
def files():
    """The configuration as it is committed, without what lies in the same folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.tf"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.splitlines() if (ROOT / path).exists()]


@pytest.fixture(scope="module")
def copy(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("configuration")
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    return folder


@pytest.fixture(scope="module")
def looked(tools, copy):
    """What could be read, and the report."""
    command = [str(tools / "python"), "-c", LOOK, str(copy)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    parsed, _, report = result.stdout.partition("\n")
    assert report.startswith("{"), result.stderr or result.stdout
    return json.loads(parsed), json.loads(report)


def test_no_rule_is_broken(looked):
    _, report = looked
    broken = {
        f"{check['check_id']} {check['file_path']}: {check['check_name']}"
        for check in report["results"]["failed_checks"]
    }
    assert not broken, "\n".join(sorted(broken))
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0


def test_every_file_is_read(looked, files):
    parsed, _ = looked
    assert parsed == [sorted(files), []]


def test_suppressions_are_few_and_say_why(files):
    found = [match for path in files for match in SKIP.finditer((ROOT / path).read_text())]
    assert [match[1] for match in found if len((match[2] or "").split()) < 5] == []
    assert len(found) <= SUPPRESSIONS
