"""Commands that are run on the library, and what holds of all of them."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from earmark.cli.text import printable
from messy import checks as compare
from messy.checks import Checks, shown
from messy.contents import Snapshot, snapshot
from messy.library import Library
from messy.songs import Music

TIMEOUT_SECONDS = 900


class Session:
    """One library, its index, and what came of each step.

    Args:
        root: holds the library; home, temporary folder and index are made in it.
        library: as made.
        checks: where results go.
        seed: decides where commands are killed.
    """

    def __init__(self, root: Path, library: Library, checks: Checks, seed: int) -> None:
        self.library, self.draw = library, random.Random(seed)
        self.checks, self.step = checks, ""
        self.music = Music(seed + 1)
        self.index = root / "state" / "library.sqlite"
        self.log = self.index.with_name("library.undo.jsonl")
        self.home, self.temporary = root / "home", root / "tmp"
        for folder in (self.index.parent, self.home, self.temporary):
            folder.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "EARMARK_", "ORT_"))},
            **{"HOME": str(self.home), "TMPDIR": str(self.temporary), "EARMARK_INDEX": str(self.index)},
            **{"COLUMNS": "10000", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONUTF8": "1"},
            "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path))),
        }

    def start(self, *words: str | Path, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """A command that runs."""
        return subprocess.Popen(
            [sys.executable, "-m", "earmark", *map(os.fspath, words)],
            env=self.environment,
            cwd=self.library.music,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            encoding="utf-8",
            errors="surrogateescape",
        )

    def earmark(self, *words: str | Path, code: int) -> tuple[str, str]:
        """A command that must end with this exit code. Returns what it said."""
        process = self.start(*words)
        out, messages = process.communicate(timeout=TIMEOUT_SECONDS)
        last_lines = messages.strip().splitlines()[-3:]
        faults = [] if process.returncode == code else [f"{process.returncode}: {' / '.join(last_lines)}"]
        if "Traceback" in messages:
            faults.append(f"a traceback: {' / '.join(last_lines)}")
        named = " ".join(str(word) if not isinstance(word, Path) else "PATH" for word in words)
        self.check(f"`earmark {named}` ends with {code}", faults)
        return out, messages

    def scan_now(self, *more: str, code: int = 0) -> dict[str, Any]:
        """A scan; its summary."""
        out, _ = self.earmark("library", "scan", self.library.music, "--quiet", "--format", "json", *more, code=code)
        record: dict[str, Any] = json.loads(out)
        return record

    def kill_when(self, ready: Callable[[], object], *words: str | Path) -> None:
        """Kill a command when something is so."""
        process = self.start(*words, output=subprocess.DEVNULL)
        end = time.monotonic() + TIMEOUT_SECONDS
        while process.poll() is None and not ready() and time.monotonic() < end:
            time.sleep(0.002)
        process.kill()
        process.wait()
        self.check(
            "a command was killed in the middle", [] if process.returncode == -signal.SIGKILL else ["it was faster"]
        )

    def check(self, what: str, faults: Any) -> None:
        self.checks.check(self.step, what, faults)

    def now(self) -> Snapshot:
        """All files, in the library and beside it."""
        return snapshot(self.library.music, self.library.outside, self.library.separate, self.home, self.temporary)

    def results(self) -> dict[str, float]:
        """Audio -> when it was listened to, read by SQLite alone."""
        if not self.index.exists():
            return {}
        try:
            with closing(sqlite3.connect(f"file:{self.index}?mode=ro", uri=True)) as connection:
                return dict(connection.execute("SELECT content_key, tagged_at FROM results"))
        except sqlite3.OperationalError:
            return {}  # not made yet

    def kept(self, before: Snapshot, after: Snapshot) -> None:
        """What holds of every step that writes into files."""
        self.check("audio packets of all files unchanged", compare.other_audio(before, after))
        self.check("tags of others unchanged", compare.other_tags(before, after))
        self.check("no file came or went", [shown(path, "") for path in before.status.keys() ^ after.status.keys()])
        may = {self.library.linked}
        out = [path for path in compare.changed_files(before, after) if self.library.music not in path.parents]
        self.check("outside, only the file changed that a link leads to", [shown(path, "") for path in set(out) - may])

    def failures(self, messages: str) -> tuple[set[Path], list[str]]:
        """Paths of the errors that a command reported, and the lines that name none of our paths."""
        names = {printable(path): path for path in self.now().status}
        found, others = set(), []
        for line in messages.splitlines():
            if not line.startswith("error "):
                continue
            near = [name for name in names if line[6:].startswith(f"{name}: ")]
            if near:
                found.add(names[max(near, key=len)])
            else:
                others.append(line)
        return found, others
