"""The command line, as a process of its own or, much faster, in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from earmark.cli import main

COMMAND = [sys.executable, "-m", "earmark.cli.main"]
"""What `earmark` runs, by the interpreter that runs the tests."""


def terminal(columns: int) -> dict[str, str]:
    """Environment in which output is as on a terminal of this width, without colours."""
    return {"FORCE_COLOR": "1", "TERM": "dumb", "COLUMNS": str(columns), "LINES": "40"}


def earmark(
    *arguments: str | Path | int, environment: dict[str, str] | None = None, timeout: float = 300, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with wide output and one thread per library; never raises for its exit code.

    Args:
        arguments: of the command.
        environment: variables beside those of the tests.
        timeout: seconds.
        options: of :func:`subprocess.run`, e.g. ``cwd``.
    """
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **(environment or {})}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=variables,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=timeout,
        check=False,
        **options,
    )


@contextlib.contextmanager
def stdin(content: bytes) -> Iterator[None]:
    """A pipe as standard input, as a shell gives it: it can be read once, and not be wound back."""
    reader, writer = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        with os.fdopen(reader, encoding="utf-8") as file, mock.patch.object(sys, "stdin", file):
            yield
    finally:
        thread.join()


def earmark_here(
    *arguments: str | bytes | Path | int,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
    piped: bytes | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process: for tests that do not need a process, and need not wait for imports.

    Exit code and output are those of :func:`earmark`. What the command sets in the environment is gone afterwards.

    Args:
        arguments: of the command.
        environment: variables beside those of the tests.
        cwd: the working directory.
        piped: what comes on standard input; without it there is nothing to read.
    """
    words = [os.fsdecode(word) if isinstance(word, bytes) else str(word) for word in arguments]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape") for _ in range(2)]
    code = 0
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "200", **(environment or {})}),
        mock.patch.multiple(sys, argv=["earmark", *words], stdout=streams[0], stderr=streams[1]),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.nullcontext() if piped is None else stdin(piped),
    ):
        try:
            main.run()
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        for stream in streams:
            stream.flush()
    stdout, stderr = (stream.detach().getvalue().decode("utf-8", "surrogateescape") for stream in streams)  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(words, code, stdout, stderr)


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The objects of the JSON Lines that it printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]
