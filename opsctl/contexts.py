"""Named contexts: which deployment, seen with which credentials; `opsctl context` keeps them in one file.

The file is `opsctl/contexts.json` in the user's configuration directory (XDG_CONFIG_HOME, else ~/.config):
`{"current": "staging", "contexts": {"staging": {"terraform_dir": "/…", "profile": "staging"}}}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from opsctl.errors import FULL, ConfigurationError, UsageError

RESERVED = ("aws", "sandbox")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELDS = ("terraform_dir", "outputs", "profile", "region", "endpoint_url")


@dataclass(frozen=True)
class Named:
    """One context. The deployment is described by the Terraform configuration in `terraform_dir`, or by a file with its
    output (`outputs`). With `confirm`, whoever changes something there has to type the context's name."""

    terraform_dir: str | None = None
    outputs: str | None = None
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    confirm: bool = False


@dataclass(frozen=True)
class Contexts:
    """All named contexts, and the current one: what is meant where nothing else says."""

    known: Mapping[str, Named] = field(default_factory=dict)
    current: str | None = None

    def of(self, name: str) -> Named:
        """By name. Raises UsageError where there is none."""
        if name not in self.known:
            there = f"there are: {', '.join(sorted(self.known))}" if self.known else "opsctl context add makes one"
            raise UsageError(f"there is no context {name!r}", f"{there}; --context aws and --context sandbox need none")
        return self.known[name]

    def with_one(self, name: str, one: Named) -> Contexts:
        """With a context added, or in place of the one of that name. Raises UsageError for a name that will not do."""
        if not _NAME.fullmatch(name) or name in RESERVED or name.endswith(".json"):
            raise UsageError(
                f"{name!r} cannot be the name of a context",
                "a name has letters, digits, ., _ and -, and is neither aws nor sandbox nor a file's",
            )
        if (one.terraform_dir is None) == (one.outputs is None):
            raise UsageError(
                "a context is about one deployment",
                "give either --terraform-dir, or --outputs: a file that terraform output -json wrote",
            )
        return replace(self, known={**self.known, name: one})

    def without(self, name: str) -> Contexts:
        """Without a context. Raises UsageError where there is none."""
        self.of(name)
        known = {other: one for other, one in self.known.items() if other != name}
        return Contexts(known, None if self.current == name else self.current)

    def at(self, name: str | None) -> Contexts:
        """With another one as the current one; None for none. Raises UsageError where there is none."""
        if name is not None:
            self.of(name)
        return replace(self, current=name)


def contexts_file() -> Path:
    """Where they are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "opsctl" / "contexts.json"


def read_contexts(*, strictly: bool = False) -> Contexts:
    """Those there are; none without a file, or where somebody else's may not be read. Raises ConfigurationError for a
    file that is not as expected, and `strictly` for one that may not be read: it is not to be replaced."""
    path = contexts_file()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        known = {str(name): _named(value) for name, value in document["contexts"].items()}
        current = document.get("current")
    except (FileNotFoundError, NotADirectoryError):
        return Contexts()
    except PermissionError as error:
        if strictly:
            raise _not_written(path, error) from None
        return Contexts()
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error!r}", "mend it, or delete it and begin anew") from error
    return Contexts(known, current if current in known else None)


def change_contexts(change: Callable[[Contexts], Contexts]) -> Contexts:
    """Keep what `change` makes of those there are, and no other command's change is lost: the next one waits for this
    one's end. Raises what `change` does, ConfigurationError where that is not possible, OSError where there is no room.
    """
    import fcntl

    path = contexts_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.parent, os.O_RDONLY)  # the directory: the file itself is replaced
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with contextlib.suppress(OSError):  # a file system, such as NFS, may lock no directories
            fcntl.flock(lock, fcntl.LOCK_EX)
        changed = change(read_contexts(strictly=True))
        _write(path, changed)
    finally:
        os.close(lock)
    return changed


def _write(path: Path, contexts: Contexts) -> None:
    rows = {name: {key: value for key, value in asdict(one).items() if value} for name, one in contexts.known.items()}
    text = json.dumps({"current": contexts.current, "contexts": rows}, indent=2, ensure_ascii=False) + "\n"
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> Exception:
    if error.errno in FULL:
        return error
    return ConfigurationError(
        f"{path} cannot be written: {error.strerror}", "set XDG_CONFIG_HOME to a directory of yours"
    )


def _named(value: Mapping[str, Any]) -> Named:
    texts = {name: None if value.get(name) is None else str(value[name]) for name in _FIELDS}
    return Named(**texts, confirm=bool(value.get("confirm", False)))
