"""Kills `earmark library write --apply` and `undo --apply` at random times, and checks the files after every kill.

A process of its own without threads, so that it can fork: children need not start Python again.
Run by tests/cli/test_library_write.py: ``python -m tests.helpers.killed_writing FOLDER N_KILLS``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from earmark.cli import main
from earmark.library.tagfiles.undo import pick_run
from earmark.library.tagfiles.undo_log import read_log
from earmark.library.tagfiles.write import read_state
from tests.helpers import tagged

LONGEST_DELAY_SECONDS = 0.02  # about what one file takes


def child(arguments: list[str]) -> None:
    """Run the command in a forked process; never returns."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.argv = ["earmark", "library", *arguments]
    try:
        main.run()
    except SystemExit as ending:
        os._exit(int(ending.code or 0))
    finally:
        os._exit(99)


def run_here(arguments: list[str]) -> None:
    """Run the command in this process."""
    sys.argv = ["earmark", "library", *arguments]
    with contextlib.suppress(SystemExit):
        main.run()


def n_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def run_and_kill(arguments: list[str], log: Path, n_more_lines: int | None, delay_seconds: float = 0) -> int | None:
    """Kill the command so long after so many new lines in the log; its exit code where it was faster, or is not killed."""
    wanted = None if n_more_lines is None else n_lines(log) + n_more_lines
    number = os.fork()
    if not number:
        child(arguments)
    kill_at = None
    while kill_at is None or time.monotonic() < kill_at:
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if kill_at is None and wanted is not None and n_lines(log) >= wanted:
            kill_at = time.monotonic() + delay_seconds
        time.sleep(0.0005)
    os.kill(number, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    return None if code == -signal.SIGKILL else code


def look(audio: dict[Path, str], bytes_before: dict[Path, bytes], log: Path) -> int:
    """Check all files. Returns how many have tags of ours now."""
    logged: dict[Path, list[dict]] = {}
    for run in read_log(log):
        for entry in run.entries:
            if entry.outcome != "failed":
                logged.setdefault(entry.path, []).append({name: item.after for name, item in entry.fields.items()})
    n = 0
    for path, packets in audio.items():
        content = path.read_bytes()
        if content == bytes_before[path]:
            n += bool(read_state(path).values["genre"])
            continue
        assert tagged.packets(path) == packets, path
        values = {name: held for name, held in read_state(path).values.items() if name in ("genre", "scores", "model")}
        assert values in logged[path], f"{path}: {values} is in no line of the log"
        bytes_before[path] = content
        n += bool(values["genre"])
    return n


def kill_often(folder: Path, n_kills: int) -> dict[str, int]:
    """Write until all files have tags, undo until none has, and so on; then undo all."""
    os.environ["EARMARK_INDEX"] = str(folder / "library.sqlite")
    log = folder / "library.undo.jsonl"
    draw = random.Random(0)
    songs = sorted((folder / "music").iterdir())
    audio = {path: tagged.packets(path) for path in songs}
    content = {path: path.read_bytes() for path in songs}
    for command in ("write", "undo"):  # so that children find everything loaded
        run_here([command, "--apply", "--quiet"])
    assert run_and_kill(["write", "--apply"], log, None) == 0
    n_tagged = look(audio, content, log)
    assert n_tagged == len(songs)
    n_done = n_amidst = 0
    writing = False
    while n_done < n_kills:
        command = ["write", "--apply"] if writing else ["undo", pick_run(read_log(log), None, log).name, "--apply"]
        n_left = len(songs) - n_tagged if writing else n_tagged
        # A run begins with a line and has two per file: killed before, between and after any of them.
        code = run_and_kill(command, log, draw.randrange(2 * n_left + 1), draw.uniform(0, LONGEST_DELAY_SECONDS))
        assert code in (None, 0), f"{command} ended with {code}"
        n_tagged = look(audio, content, log)
        n_done += code is None
        n_amidst += code is None and 0 < n_tagged < len(songs)
        if writing and n_tagged == len(songs):
            writing = False
        elif not writing and not n_tagged:
            writing = True
    while look(audio, content, log):
        assert run_and_kill(["undo", "--apply"], log, None) == 0
    return {"n_kills": n_done, "n_amidst": n_amidst}


if __name__ == "__main__":
    print(json.dumps(kill_often(Path(sys.argv[1]), int(sys.argv[2]))))
