"""Run ``earmark tag`` on many files at once, as a program: Picard comes with a Python of its own. Imports nothing of Picard."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

PLACES = ("~/.local/bin", "/usr/local/bin", "/opt/homebrew/bin")
"""Where the program may be besides PATH, which is short for programs that a desktop starts."""

Values = Mapping[str, Sequence[str]]
"""``genre`` and ``mood``, each with its values, the surest first; none where nothing is sure enough."""


class ProgramError(Exception):
    """The program cannot be started, or it stopped with an error; the text is for people."""


class Program:
    """One run of the program.

    Args:
        command: the program with its arguments, as in a shell, e.g. ``earmark`` or ``flatpak-spawn --host earmark``.
        options: for ``earmark tag``, as in a shell, e.g. ``--max-genres 1 --map ~/words.toml``.

    Raises:
        ProgramError: there is no such program, or quotes are not closed.
    """

    def __init__(self, command: str = "earmark", options: str = "") -> None:
        name, *rest = _words(command) or ["earmark"]
        expanded = [os.path.expanduser(word) for word in _words(options)]  # noqa: PTH111
        self._arguments = [_find(name), *rest, "tag", "-", "--quiet", "--format", "jsonl", "--write", *expanded]
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def results(self, paths: Sequence[str]) -> Iterator[tuple[str, Values | str]]:
        """Tag files, each as soon as it is ready: its path with the values, or with the reason why it has none.

        Raises:
            ProgramError: the program stopped with an error other than of single files.
        """
        with tempfile.TemporaryFile() as messages, self._start(messages) as process:
            self._process = process
            if self._stopped:
                self.stop()
            try:
                with process.stdin as stdin:
                    stdin.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
            except OSError:
                pass  # it ended before it read them, and says why
            for line in process.stdout:
                record = json.loads(line)
                yield record["path"], record["values"] if record["status"] == "ok" else record["error"]
            if process.wait() not in (0, 1) and not self._stopped:  # 1: single files failed
                messages.seek(0)
                said = messages.read().decode(errors="replace").strip().splitlines()
                raise ProgramError("\n".join(said[-5:]) or f"earmark ended with code {process.returncode}")

    def stop(self) -> None:
        """End the program, from any thread; ``results`` then ends without an error."""
        self._stopped = True
        if self._process is not None:
            self._process.terminate()

    def _start(self, messages: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise ProgramError(f"{self._arguments[0]} cannot be started: {error.strerror or error}") from error


def merged(existing: Sequence[str], values: Sequence[str], mode: str) -> list[str]:
    """The values of a field: those that are there, new ones, or both, as ``mode`` (fill, merge, overwrite) says."""
    if not values or (existing and mode == "fill"):
        return list(existing)
    if mode == "overwrite":
        return list(values)
    present = {value.casefold() for value in existing}
    return [*existing, *(value for value in values if value.casefold() not in present)]


def _words(text: str) -> list[str]:
    if os.name == "nt":
        text = text.replace("\\", "\\\\")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ProgramError(f"{text}: {error}") from error


def _find(name: str) -> str:
    places = os.pathsep.join(str(Path(place).expanduser()) for place in PLACES)
    found = shutil.which(os.path.expanduser(name)) or shutil.which(name, path=places)  # noqa: PTH111
    if found is None:
        raise ProgramError(
            f"no program {name!r}: install it (pipx install earmark), or name it in the plugin's options"
        )
    return found
