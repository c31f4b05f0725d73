"""One sandbox for all tests of this folder; the tests that end or kill theirs start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A sandbox that is up, and down after the last test."""
    directory = tmp_path_factory.mktemp("sandbox") / "sandbox"
    server = sandbox.up(directory)
    yield Cloud(server, directory)
    sandbox.down(directory)


@pytest.fixture(scope="module")
def own_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A sandbox that is only one module's: for what looks at every run of a bucket, or leaves runs that never end."""
    directory = tmp_path_factory.mktemp("own") / "sandbox"
    server = sandbox.up(directory)
    yield Cloud(server, directory)
    sandbox.down(directory)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory for a sandbox of the test's own, which is ended after the test whatever happened."""
    directory = tmp_path / "sandbox"
    yield directory
    sandbox.down(directory)
