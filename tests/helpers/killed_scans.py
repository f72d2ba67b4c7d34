"""A program that scans a library again and again and is killed each time. Run by a test, in a process of its own.

One process imports everything once and forks a child for each scan, which is killed (SIGKILL) after a random time.
Between scans, files come, go, move and change, so that there is always something to lose.

Arguments: the library's folder, the index, the model's file, the number of kills, a seed. Prints a JSON object with its observations.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import onnxruntime  # noqa: F401  here, not in every child

from earmark.core.errors import EarmarkError
from earmark.library.index.track_index import Index
from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.library.scan.scan import scan
from tests.helpers.libraries import clip

NEW_FILES = 4


def scan_in_child(folder: Path, index: Path, model: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with Index.open(index, write=True) as opened:
            scan(opened, [folder], LazyTagger(model), jobs=2)
        code = 0
    except EarmarkError as error:
        print(error, file=sys.stderr)
    finally:
        os._exit(code)


def change_something(folder: Path, random_numbers: random.Random, number: int) -> None:
    """New files, one of them a copy; and one file moved, one with other audio, one with a comment, one gone."""
    for i in range(NEW_FILES):
        clip(folder / f"new {number}" / f"{i}.wav", seed=1000 * number + i, seconds=3)
    names = sorted(folder.rglob("*.wav"))
    shutil.copy(random_numbers.choice(names), folder / f"copy {number}.wav")
    moved, changed, noted, gone = random_numbers.sample(names, 4)
    moved.rename(folder / f"moved {number}.wav")
    clip(changed, seed=1000 * number + 99, seconds=0.7)
    with noted.open("ab") as file:
        file.write(b"LIST\4\0\0\0INFO")
    gone.unlink()
    (folder / f"bad {number}.mp3").write_bytes(b"no music %d" % (number % 3))


def results_in(index: Path) -> set[tuple[str, bytes]]:
    """The results in the index, read by SQLite alone, after its integrity check."""
    if not index.exists():
        return set()
    connection = sqlite3.connect(index)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return set()
        orphans = (
            "SELECT count(*) FROM files f LEFT JOIN results r USING (content_key) WHERE f.status = 'ok' "
            "AND (f.content_key IS NULL OR r.content_key IS NULL)"
        )
        assert connection.execute(orphans).fetchone() == (0,), "a file is marked as tagged, and has no scores"
        return set(connection.execute("SELECT content_key, scores FROM results"))
    finally:
        connection.close()


def all_files_known(folder: Path, index: Path) -> bool:
    with closing(sqlite3.connect(index)) as connection:
        known = {path for (path,) in connection.execute("SELECT path FROM files WHERE status <> 'missing'")}
    return known >= {os.fsencode(path) for path in folder.rglob("*.*")}


def n_results(index: Path) -> int:
    """As a reader beside the scan sees it."""
    try:
        with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not made yet


def main() -> None:
    folder, index, model = map(Path, sys.argv[1:4])
    n_kills, random_numbers = int(sys.argv[4]), random.Random(int(sys.argv[5]))
    clip(folder / "first.wav", seed=1, seconds=0.5)
    killed = in_the_middle = number = 0
    before: set[tuple[str, bytes]] = set()
    while killed < n_kills:
        number += 1
        change_something(folder, random_numbers, number)
        child = scan_in_child(folder, index, model)
        # Killed at some moment after so many results, none included; a slow machine must not change how many.
        wanted = len(before) + random_numbers.randrange(NEW_FILES + 1)
        done, status = 0, 0
        while not done and n_results(index) < wanted:
            time.sleep(0.002)
            done, status = os.waitpid(child, os.WNOHANG)
        time.sleep(random_numbers.uniform(0, 0.3 if wanted == len(before) else 0.03))
        if not done:
            done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, f"a scan failed: {status}"
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
        after = results_in(index)
        assert before <= after, "results were lost"
        in_the_middle += not done and len(after) > len(before) and not all_files_known(folder, index)
        before = after
    print(json.dumps({"killed": killed, "in_the_middle": in_the_middle, "scans": number, "results": len(before)}))


if __name__ == "__main__":
    main()
