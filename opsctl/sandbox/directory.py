"""The sandbox's directory: what lies in it, who holds it, and when it may be removed.

Two advisory locks say what is alive, and no process number is ever trusted: the server holds `server.lock` for as
long as it lives, and each job's supervisor shares `jobs.lock`. The kernel releases both when their holders die,
however they die.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from opsctl.errors import RefusedError

OWN_NAMES = frozenset(
    {
        *("server.json", "server.json.draft", "server.lock", "jobs.lock", "server.log"),
        *("bin", "functions", "jobs", "mailbox", "terraform"),
    }
)


@dataclass(frozen=True)
class SandboxDirectory:
    """Paths and locks of one sandbox."""

    root: Path

    @property
    def server_file(self) -> Path:
        """What the running server says about itself; written when it is ready, removed when it ends."""
        return self.root / "server.json"

    @property
    def log(self) -> Path:
        """Everything the server printed."""
        return self.root / "server.log"

    @property
    def jobs(self) -> Path:
        """One private directory for each running job."""
        return self.root / "jobs"

    @property
    def functions(self) -> Path:
        """The extracted code of Lambda functions, by the hash of their zip."""
        return self.root / "functions"

    @property
    def mailbox(self) -> Path:
        """One readable file for each message that SNS published."""
        return self.root / "mailbox"

    @property
    def server_lock(self) -> Path:
        """Held by the server."""
        return self.root / "server.lock"

    @property
    def jobs_lock(self) -> Path:
        """Shared by the supervisors of running jobs."""
        return self.root / "jobs.lock"

    def create(self) -> None:
        """Make the directory, private to its owner. Raises RefusedError where something else already lies there."""
        self.refuse_foreign()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (self.jobs, self.functions, self.mailbox):
            path.mkdir(exist_ok=True)

    @property
    def terraform(self) -> Path:
        """The sandbox's own Terraform workspace."""
        return self.root / "terraform"

    def state(self) -> Path | None:
        """Where this sandbox keeps its state, None if it keeps none."""
        return Path(os.readlink(self.mailbox)).parent if self.mailbox.is_symlink() else None

    def keep_in(self, state: Path) -> None:
        """Let what outlives the directory lie in a state's. Raises RefusedError where something lies here already."""
        if self.terraform.exists() and not self.terraform.is_symlink():
            raise RefusedError(
                f"{self.root} holds the Terraform state of a sandbox that kept none of its own",
                "remove it first: opsctl sandbox down",
            )
        if self.mailbox.exists() and not self.mailbox.is_symlink():
            shutil.rmtree(self.mailbox)
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (self.mailbox, self.terraform):
            with contextlib.suppress(FileExistsError):
                path.symlink_to(state / path.name)

    def refuse_foreign(self) -> None:
        """Raise RefusedError if the directory holds anything that no sandbox puts there."""
        if self.root.is_symlink() or (self.root.exists() and not self.root.is_dir()):
            raise RefusedError(f"{self.root} is not a sandbox's directory", "name another one with --dir")
        present = {path.name for path in self.root.iterdir()} if self.root.exists() else set()
        foreign = sorted(present - OWN_NAMES)
        if foreign:
            raise RefusedError(
                f"{self.root} is not a sandbox's directory: it holds {foreign[0]}", "name another one with --dir"
            )

    def read_server(self) -> dict[str, Any] | None:
        """The content of server.json, None where there is none. It says nothing about the server being alive."""
        try:
            document = json.loads(self.server_file.read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def write_server(self, document: dict[str, Any]) -> None:
        """Write server.json so that no reader ever sees half of it."""
        draft = self.server_file.with_suffix(".json.draft")
        draft.write_text(json.dumps(document, indent=2) + "\n")
        os.replace(draft, self.server_file)

    def server_lives(self) -> bool:
        """Whether a process holds the server's lock now."""
        return _held(self.server_lock)

    def server_pid(self) -> int | None:
        """The process that holds the server's lock, None if none does."""
        if not self.server_lives():
            return None
        wait_until(lambda: self.server_lock.stat().st_size > 0, 1.0)
        text = self.server_lock.read_text()
        return int(text) if text.isdigit() else None

    def jobs_live(self) -> bool:
        """Whether a supervisor of a job is still there."""
        return _held(self.jobs_lock)

    def last_words(self) -> str:
        """The last line of the server's log."""
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def remove(self) -> None:
        """Remove the directory and all that is in it, refusing one that is not a sandbox's."""
        self.refuse_foreign()
        shutil.rmtree(self.root, ignore_errors=False)
        # `.opsctl/` was made for the sandbox; it goes with it unless something else moved in.
        with contextlib.suppress(OSError):
            if self.root.parent.name == ".opsctl":
                self.root.parent.rmdir()


def acquire(path: Path) -> IO[bytes] | None:
    """Take the lock `path` exclusively, or return None if another process has it. Closing the file releases it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` for at most `seconds`; False if it never held."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _held(path: Path) -> bool:
    if not path.exists():
        return False
    file = acquire(path)
    if file is None:
        return True
    file.close()
    return False
