"""The contents of S3's objects as files, written once when they are put, so that no snapshot has to hold them."""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path
from typing import Any, ClassVar

import moto.s3.models
from moto.s3.models import FakeKey
from moto.utilities.utils import md5_hash

from opsctl.sandbox.state.files import written

MANY = 100
"""Files for which the machine is asked to write all that it has, which is then sooner done than one by one."""


class Contents:
    """A directory of files that never change. Safe to use from any thread.

    What no object has any more stays until a snapshot is on disk that does not name it either.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._new: list[str] = []
        self._unwanted: list[str] = []
        self._named: dict[str, int] = {}

    def keep(self, content: bytes) -> str:
        """Write a content; returns its name."""
        name = uuid.uuid4().hex
        with written(self._directory / name, "xb") as file:
            file.write(content)
        self._new.append(name)
        return name

    def read(self, name: str) -> bytes:
        """A content."""
        return (self._directory / name).read_bytes()

    def forget(self, name: str) -> None:
        """No object has it any more."""
        self._unwanted.append(name)

    def name(self, name: str, size: int) -> None:
        """An object that is being read back has it."""
        self._named[name] = size

    def missing(self) -> str | None:
        """Of what was named, one that is not there as it was; None if all is: then what nobody named is removed."""
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self._directory)}
        missing = next((name for name, size in self._named.items() if sizes.get(name) != size), None)
        if missing is None:
            self.remove([*(sizes.keys() - self._named.keys())])
        return missing

    def turn(self) -> tuple[list[str], list[str]]:
        """A snapshot begins: what was kept, and what was forgotten, since the last one began."""
        new, self._new = self._new, []
        unwanted, self._unwanted = self._unwanted, []
        return new, unwanted

    def turn_back(self, new: list[str], unwanted: list[str]) -> None:
        """The snapshot came to nothing."""
        self._new[:0], self._unwanted[:0] = new, unwanted

    def settle(self, names: list[str]) -> None:
        """Let the disk have these contents, whatever happens to the machine."""
        if len(names) > MANY:
            os.sync()
            return
        for name in names:
            try:
                file = os.open(self._directory / name, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def remove(self, names: list[str]) -> None:
        """Remove contents that the snapshot on disk does not name."""
        for name in names:
            (self._directory / name).unlink(missing_ok=True)


class StoredKey(FakeKey):
    """moto's object, or part of one, whose content is a file. Lists of versions copy it by `listed` (provider.py)."""

    contents: ClassVar[Contents]
    _content: str | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._value_buffer.close()
        del self._value_buffer

    @property
    def value(self) -> bytes:
        """The content."""
        if self._content is None:
            raise ValueError("this object is deleted")
        return self.contents.read(self._content)

    @value.setter
    def value(self, new: bytes | str) -> None:
        content = new.encode() if isinstance(new, str) else bytes(new)
        before, self._content = self._content, self.contents.keep(content)
        if before is not None:
            self.contents.forget(before)
        self.contentsize = len(content)
        if self._etag is None:
            digest = md5_hash()
            digest.update(content)
            self._etag = digest.hexdigest()

    @property
    def etag(self) -> str:
        """The entity tag, in quotes."""
        return f'"{self._etag}"'

    def dispose(self, garbage: bool = False) -> None:
        """Nobody needs it any more."""
        del garbage
        if self.disposed:
            return
        self.disposed = True
        if self.multipart:
            self.multipart.dispose()
        if self._content is not None:
            self.contents.forget(self._content)
        self._content = None

    def __del__(self) -> None:
        """moto warns here of keys that nobody disposed of; what is no key's is found at the next start."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()
        if self._content is not None:
            self.contents.name(self._content, self.contentsize)


def install(contents: Contents) -> None:
    """Put the class in place."""
    StoredKey.contents = contents
    models: Any = moto.s3.models
    models.FakeKey = StoredKey
