"""What a target is: it makes inputs, runs one, and knows which outcomes are right."""

from __future__ import annotations

import os
import re
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

IN_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        name: a file name; its ending says what the content is.
        content: the bytes of the file; text is UTF-8.
    """

    name: str
    content: bytes


class WrongResultError(Exception):
    """A target gave a result that contradicts what it promises.

    Args:
        kind: the promise, in a few words: the same for all inputs that break it.
        detail: what happened.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        super().__init__(f"{kind}: {detail}" if detail else kind)


class Target:
    """Base class of targets. Inputs come either from :meth:`generate` or from a Hypothesis strategy.

    Attributes:
        name: on the command line.
        title: for the report.
        expected: the outcomes that are right, for the report.
        memory_megabytes: most by which one input may raise the peak memory of the process.
    """

    name: str
    title: str
    expected: str
    memory_megabytes: int = 300

    def prepare(self, folder: Path) -> None:
        """Called once per process, with an empty folder for temporary files."""
        self.folder = folder

    def generate(self, rng: Random) -> Case:
        """An input that depends on nothing but the generator's state."""
        raise NotImplementedError

    def strategy(self) -> Any:
        """A Hypothesis strategy of cases; None where :meth:`generate` makes them."""
        return None

    def check(self, case: Case) -> str:
        """Run one input. Returns the outcome in a word; any exception is a finding."""
        raise NotImplementedError


def scratch_parent() -> str | None:
    """Folder for temporary files: in memory where the system has that."""
    return IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None


def make_scratch() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder, in memory where possible."""
    return tempfile.TemporaryDirectory(prefix="earmark-fuzz-", dir=scratch_parent())


def signature(error: BaseException) -> str:
    """The same text for failures with the same cause: the type, and the innermost function of earmark."""
    if isinstance(error, WrongResultError):
        return error.kind
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/earmark/" in frame.filename.replace("\\", "/")]
    place = (own or frames or [None])[-1]
    where = f"{Path(place.filename).name}:{place.name}" if place else "?"
    return f"{type(error).__name__} in {where}"


def signature_of_dump(text: str, what: str) -> str:
    """As :func:`signature`, of a stack that faulthandler wrote when the process died; innermost function first."""
    found = re.search(r'File "[^"]*/earmark/([^"]+)", line \d+ in (\S+)', text)
    return f"{what} in {Path(found[1]).name}:{found[2]}" if found else what
