"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from earmark.tagging.tagger import Tagger

ROOT = Path(__file__).parent.parent
collect_ignore = ["helpers/picard_driver"]  # a plugin of Picard, which alone can import it

if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker per core: more threads than that would only wait for each other. Before NumPy and PyTorch are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell that starts a job in the background has it ignore Ctrl-C, and so would all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


settings.register_profile("earmark", settings(), deadline=None)  # a busy machine is no failure
settings.load_profile("earmark")


@pytest.hookimpl(tryfirst=True)  # before items are left out by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses the fixture ``browser`` needs one, and is marked so; files with slow tests come first.

    A worker of pytest-xdist takes a file at a time, so a long one begun last would keep all others waiting.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
    long = {item.path for item in items if any(map(item.get_closest_marker, ("slow", "ray", "browser")))}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The shared data folder. Absent: skipped, but in CI a failure, so that no check is lost unseen; EARMARK_SHARED=none skips in CI, too."""
    named = os.environ.get("EARMARK_SHARED", ROOT.parent / "shared")
    if named == "none":
        pytest.skip("EARMARK_SHARED=none")
    folder = Path(named)
    if not (folder / "data").is_dir():
        message = f"no shared data at {folder} (set EARMARK_SHARED)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder.resolve()


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    """The bundled model."""
    from earmark.tagging.tagger import load_tagger

    return load_tagger()


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: sums are taken in the same order everywhere, as in subprocesses that have one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
