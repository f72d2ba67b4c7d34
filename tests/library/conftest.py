"""Songs of every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import tagged


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One undecorated song of every format."""
    folder = tmp_path_factory.mktemp("songs")
    return {suffix: tagged.make(folder / f"song{suffix}") for suffix in tagged.FORMATS}
