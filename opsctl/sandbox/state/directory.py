"""The directory of a state: what lies in it, whether it may be read, who holds it, and how it is written.

`world` is a line of JSON that says what the file is, then a pickle. Whoever reads a pickle runs what it says, so the
directory must be its owner's alone, and a pickle is read only by the very version that wrote it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import opsctl
from opsctl.errors import OpsError, RefusedError, UsageError
from opsctl.sandbox.directory import acquire, wait_until
from opsctl.sandbox.state.files import written

FORMAT = 1
OWN_NAMES = frozenset(
    {"world", "world.draft", "objects", "mailbox", "terraform", "server.lock", "writing.lock", "unwritten"}
)
SECONDS = 30.0
"""How long a new server waits for the last snapshot of one that was killed."""


@dataclass(frozen=True)
class StateDirectory:
    """Paths and content of one state."""

    root: Path

    @property
    def world(self) -> Path:
        """The last snapshot."""
        return self.root / "world"

    @property
    def objects(self) -> Path:
        """The contents of S3's objects."""
        return self.root / "objects"

    @property
    def mailbox(self) -> Path:
        """What SNS published; the sandbox's own directory leads here."""
        return self.root / "mailbox"

    @property
    def terraform(self) -> Path:
        """The sandbox's Terraform workspace, with its state; the sandbox's own directory leads here."""
        return self.root / "terraform"

    def create(self) -> None:
        """Make it, private to its owner. Raises UsageError for a directory that is not a state's, not private, or that
        cannot be made or written to."""
        folders = (self.objects, self.mailbox, self.terraform)
        try:
            self.check()
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in folders:
                path.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise UsageError(
                f"{self.root} cannot be used: {error.strerror}", "name another one with --state"
            ) from error
        for path in (self.root, *folders):
            if not _writable(path):
                raise UsageError(f"{path} cannot be written to", "name another directory with --state")

    def check(self) -> None:
        """Raise UsageError where something else lies, or where others might have written what would be read."""
        if not self.root.is_symlink() and not self.root.exists():
            return
        if self.root.is_symlink() or not self.root.is_dir():
            raise UsageError(f"{self.root} is no directory of the sandbox's state", "name another one with --state")
        foreign = sorted({path.name for path in self.root.iterdir()} - OWN_NAMES)
        if foreign:
            message = f"{self.root} is no directory of the sandbox's state: it holds {foreign[0]}"
            raise UsageError(message, "name another one with --state")
        _check_private(self.root)
        if self.world.is_symlink() or (self.world.exists() and not self.world.is_file()):
            raise UsageError(f"{self.world} is no file", "name another directory with --state")
        if self.world.exists():
            _check_private(self.world)

    def header(self) -> dict[str, Any] | None:
        """What the last snapshot says of itself, such as of which `moment` it is (seconds since the epoch), None if
        there is none.

        Raises RefusedError for one that is damaged, or that another version wrote.
        """
        try:
            with self.world.open("rb") as file:
                return self._header(file)
        except FileNotFoundError:
            return None

    def read(self) -> bytes | None:
        """The pickle of the last snapshot, None if there is none. Raises RefusedError as `header` does."""
        try:
            with self.world.open("rb") as file:
                header = self._header(file)
                content = file.read()
        except FileNotFoundError:
            return None
        if hashlib.sha256(content).hexdigest() != header.get("sha256"):
            raise self.damaged("it was cut off, or changed")
        return content

    def write(self, content: bytes, about: dict[str, Any]) -> None:
        """Put a snapshot in the place of the last one, all of it or nothing, also if the machine stops meanwhile."""
        header = {**_version(), **about, "sha256": hashlib.sha256(content).hexdigest()}
        draft = self.root / "world.draft"
        with written(draft, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.world)
        folder = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def hold(self) -> tuple[IO[bytes], IO[bytes]]:
        """Become the one server of this state for as long as the files are open; the second one is held by whoever
        writes, too. Raises RefusedError."""
        lock = acquire(self.root / "server.lock")
        if lock is None:
            raise RefusedError(f"another sandbox keeps its state in {self.root}", "end that one, or name another state")
        found: list[IO[bytes]] = []

        def free() -> bool:
            held = acquire(self.root / "writing.lock")
            found.extend([held] if held else [])
            return held is not None

        if not wait_until(free, SECONDS):
            raise OpsError(f"the last snapshot of the state in {self.root} is still being written", "try again")
        return lock, found[0]

    @property
    def unwritten(self) -> Path:
        """There while the last try to write a snapshot has come to nothing."""
        return self.root / "unwritten"

    def is_up_to_date(self) -> bool:
        """Whether the last try to write a snapshot went well, as far as can be seen: the next one could be written."""
        return _writable(self.root) and not self.unwritten.exists()

    def rests(self) -> bool:
        """Whether no server is there any more, nor a copy of one that writes. So it is where the directory is gone."""
        try:
            lock = acquire(self.root / "writing.lock")
        except OSError:
            return True
        if lock is not None:
            lock.close()
        return lock is not None

    def damaged(self, why: str) -> RefusedError:
        """The refusal of what cannot be read."""
        return RefusedError(
            f"the state in {self.root} cannot be read: {why}", "delete the directory, or name another one with --state"
        )

    def _header(self, file: IO[bytes]) -> dict[str, Any]:
        try:
            header = json.loads(file.readline(65_536))
        except ValueError as error:
            raise self.damaged("it does not begin as a state does") from error
        if not isinstance(header, dict):
            raise self.damaged("it does not begin as a state does")
        for name, here in _version().items():
            if header.get(name) != here:
                wrote = f"{name} {header.get(name)}"
                raise RefusedError(
                    f"the state in {self.root} was written by {wrote}, and this is {name} {here}",
                    "delete the directory, or name another one with --state",
                )
        return header


def _version() -> dict[str, Any]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"format": FORMAT, "opsctl": opsctl.__version__, "moto": metadata.version("moto"), "Python": python}


def _check_private(path: Path) -> None:
    found = path.lstat()
    if found.st_uid != os.getuid():
        raise UsageError(f"{path} is not yours, and a state is a program", "name another directory with --state")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UsageError(f"others may look into or change {path}", f"chmod go= {path}, if nobody has changed it")


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK | os.X_OK)
