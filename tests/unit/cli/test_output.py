"""What a result is written to is replaced as a whole, and only where whoever runs opsctl may write to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsctl.cli.output import write_whole

NOBODY = 65_534


def write_as_nobody(folder: Path, name: str) -> int:
    """Write to a file of this folder as a user who may be refused, as root is not; 0, or the error's number."""
    folder.chmod(0o777)
    child = os.fork()
    if child == 0:
        code = 255
        try:
            os.chdir(folder)
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            write_whole(Path(name), b"new")
            code = 0
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("mode", "content", "told"), [(0o666, "new", ""), (0o444, "old", "Permission denied")])
def test_a_protected_file_is_not_replaced(tmp_path: Path, mode: int, content: str, told: str) -> None:
    kept = tmp_path / "figures.json"
    kept.write_text("old")
    kept.chmod(mode)
    code = write_as_nobody(tmp_path, kept.name)
    assert (code and os.strerror(code), kept.read_text()) == (told or 0, content)
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
