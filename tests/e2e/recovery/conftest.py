"""One deployment for all recovery tests."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Clone
from tests.e2e.recovery.pipeline import Pipeline, deploy


@pytest.fixture(scope="module")
def pipeline(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The reference pipeline in a sandbox of its own, with tiny programs."""
    return deploy(clone, tmp_path_factory.mktemp("recovery"))
