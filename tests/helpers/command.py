"""The command line as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "earmark.cli.main"]
"""What `earmark` runs, by the interpreter that runs the tests."""


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
