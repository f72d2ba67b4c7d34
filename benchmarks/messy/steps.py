"""The steps of the trial, in the order in which they build on each other."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import mutagen
from mutagen.id3 import ID3
from tests.helpers import hand_built

from earmark.cli.text import printable
from messy import checks as compare
from messy.checks import shown
from messy.contents import Snapshot
from messy.session import TIMEOUT_SECONDS, Session
from messy.songs import FORMATS, STYLES


class Trial(Session):
    """See :class:`messy.session.Session`."""

    def run(self) -> None:
        """All steps."""
        for step in (self.scan, self.write, self.edit, self.undo, self.rename, self.watch, self.wrong_use):
            self.step = step.__name__.replace("_", " ")
            step()

    def scan(self) -> None:
        before = self.now()
        wanted = self.draw.randrange(2, max(3, len(self.library.songs) // 2))
        self.kill_when(lambda: len(self.results()) >= wanted, "library", "scan", self.library.music, "--jobs", "2")
        early = self.results()
        with closing(sqlite3.connect(self.index)) as connection:
            whole = connection.execute("PRAGMA integrity_check").fetchone()
        self.check("the index is whole after kill -9", whole == ("ok",))
        summary = self.scan_now(code=1)
        after = self.results()
        self.check("no result was lost by kill -9", [key for key in early if after.get(key) != early[key]])
        self.check("what was known was not listened to again", summary["tagged"] == len(after) - len(early))
        with closing(sqlite3.connect(self.index)) as connection:
            rows = {
                Path(os.fsdecode(path)): status for path, status in connection.execute("SELECT path, status FROM files")
            }
        self.check(
            "every song is tagged",
            [shown(path, rows.get(path, "absent")) for path in self.library.songs if rows.get(path) != "ok"],
        )
        reported = {Path(path) for one in summary["failures"] for path in one["paths"]} | {
            path for path, status in rows.items() if status == "error"
        }
        wrong = reported ^ set(self.library.damaged)
        self.check("exactly the damaged files are reported", [shown(path, "") for path in wrong])
        self.check("links in circles are noted", [] if summary["notes"] else ["no note"])
        again = self.scan_now()
        self.check("a second scan listens to nothing", again["tagged"] == 0 and self.results() == after)
        self.check(
            "a second scan finds nothing new", not any(again[name] for name in ("new", "changed", "moved", "failed"))
        )
        self.check("scans change no file, inside or outside", compare.untouched(before, self.now()))

    def write(self) -> None:
        self.before_write = before = self.now()
        how = ("library", "write", "--threshold", "0.1", "--merge")
        # Formats without tags that earmark writes are errors, so that a script sees them.
        _, messages = self.earmark(*how, code=1)
        refused, others = self.failures(messages)
        unwritable = set()
        for path in self.library.songs:
            if path.suffix in (".mka", ".ac3", ".au", ".tta", ".caf"):
                unwritable.add(path)
        self.check("only formats without tags are refused", [shown(path, "") for path in refused - unwritable] + others)
        self.check("a dry run changes no file", compare.untouched(before, self.now()))
        self.check("a dry run leaves no undo log", not self.log.exists())
        n_lines = self.draw.randrange(3, max(4, len(self.library.songs)))
        self.kill_when(lambda: self.log.exists() and self.log.read_bytes().count(b"\n") >= n_lines, *how, "--apply")
        killed = self.now()
        left = [path for path in killed.status if path.name.startswith(".earmark-")]
        whole = Snapshot(killed.files, {path: one for path, one in killed.status.items() if path not in left})
        self.kept(before, whole)
        self.earmark(*how, "--apply", code=1)
        self.after_write = after = self.now()
        self.kept(before, after)
        untouched = {path for path in self.library.songs if before.files[path].ours == after.files[path].ours}
        silent = {path for path in self.library.songs if path.suffix in hand_built.MAKERS}
        self.check("all others have our tags now", [shown(path, "as before") for path in untouched - refused - silent])
        self.check("but silent ones, of which there is nothing to say", silent <= untouched)
        lost = [
            shown(path, f"{name} {was.ours[name]} before, {after.files[path].ours.get(name)} now")
            for path, was in before.files.items()
            for name in was.ours
            if "earmark" not in name.lower()
            and path.suffix != ".mp3"
            and not set(was.ours[name]) <= set(after.files[path].ours.get(name, ()))
        ]
        self.check("--merge keeps genres that were there", lost)
        _, messages = self.earmark(*how, "--apply", code=1)
        self.check("writing again changes nothing", compare.untouched(after, self.now()))
        results = self.results()
        summary = self.scan_now()
        self.check("a scan after writing listens to nothing", summary["tagged"] == 0 and self.results() == results)
        self.check(
            "it takes no file for another", not any(summary[name] for name in ("new", "changed", "moved", "failed"))
        )

    def edit(self) -> None:
        """Other programs: a title, a genre, a new name, other audio, a file less, a file more."""
        self.titled, self.regenred, self.moved, self.encoded, self.deleted = self.library.edited
        for path, name in ((self.titled, "TIT2"), (self.regenred, "TCON")):
            tags: Any = ID3(path)
            tags.add(mutagen.id3.Frames[name](encoding=3, text="Mine"))
            tags.save(path)
        self.moved_to = self.moved.rename(self.library.music / "renamed by hand.mp3")
        tags = ID3(self.encoded)
        self.music.encode(self.library.music / "made.mp3", FORMATS["MP3"])
        tags.save(self.library.music / "made.mp3")
        (self.library.music / "made.mp3").replace(self.encoded)
        self.deleted.unlink()
        added = self.library.music / "added.ogg"
        self.music.song(added, FORMATS["Ogg Vorbis"], STYLES["plain"], "added")
        before, results = self.now(), self.results()
        summary = self.scan_now()
        counts = {"new": 1, "changed": 1, "moved": 1, "deleted": 1, "relabelled": 2, "tagged": 2}
        self.check(
            "a scan sees each change as what it is",
            [f"{name}: {summary[name]}, not {n}" for name, n in counts.items() if summary[name] != n],
        )
        now = self.results()
        self.check("it listens to new audio only", len(now) - len(results) == 2 and results.items() <= now.items())
        self.check("it changes no file", compare.untouched(before, self.now()))

    def undo(self) -> None:
        before = self.now()
        listed, _ = self.earmark("library", "undo", "--list", code=0)
        runs = re.findall(r"^(\S+)  write", listed, re.M)
        self.check("both runs are listed, the killed one, too", len(runs) == 2)
        previews = [
            self.start("library", "undo", run).communicate(timeout=TIMEOUT_SECONDS)[0] for run in reversed(runs)
        ]
        self.check("undo without --apply changes no file", compare.untouched(before, self.now()))
        messages = codes = ""
        for run in reversed(runs):
            process = self.start("library", "undo", run, "--apply")
            text = process.communicate(timeout=TIMEOUT_SECONDS)[1]
            messages += text
            failed = re.search(r", (\d+) failed", text)
            if failed is None or process.returncode != bool(int(failed[1])):
                codes += f"{run}: {process.returncode} with {text.strip().splitlines()[-1]} "
        self.check("undo ends with 1 where it reports a failure, else with 0", [codes] if codes else [])
        after = self.now()
        self.kept(before, after)
        not_undone = {self.regenred, self.moved, self.encoded, self.deleted}
        lines = [line for line in messages.splitlines() if line.startswith("error ")]
        names = [printable(path) for path in not_undone]
        faults = [f"not reported: {name!a}" for name in names if not any(line[6:].startswith(name) for line in lines)]
        faults += [line for line in lines if not any(line[6:].startswith(name) for name in names)]
        self.check("what others changed is reported, and nothing else", faults)
        same = {path for path in (self.encoded, self.moved_to) if before.files[path].sha256 == after.files[path].sha256}
        self.check("files that are no longer what was written to are left alone", len(same) == 2)
        genre = after.files[self.regenred].ours.get("tcon")
        self.check("a genre that somebody set since stays", genre == ("Mine",))
        others = {path: one for path, one in self.before_write.files.items() if path not in not_undone}
        self.check("all other files have the values of before", compare.other_values(Snapshot(others, {}), after))
        self.check("a title that somebody set since stays", self.title(self.titled) == "Mine")
        lost = {path: what for preview in previews for path, what in _not_given_back(preview)}
        self.check(
            "it says beforehand that a file that somebody changed since does not get its former time",
            "the modification time" in lost.get(printable(self.titled), ""),
        )
        same = others.keys() - {self.titled}
        now, then = after.status, self.before_write.status
        self.check(
            "all others have the modification time of before",
            [shown(path, "another time") for path in same if now[path][0] != then[path][0]],
        )
        self.check(
            "and every byte, but where it said beforehand that they do not",
            [
                shown(path, "other bytes")
                for path in same
                if after.files[path].sha256 != others[path].sha256 and "bytes" not in lost.get(printable(path), "")
            ],
        )
        results = self.results()
        self.check("a scan after undo listens to nothing", self.scan_now()["tagged"] == 0 and self.results() == results)

    def title(self, path: Path) -> str:
        return str(ID3(path)["TIT2"])

    def rename(self) -> None:
        """A folder gets another name, and a song in another goes through all of them."""
        old = self.library.music / "Artist"
        songs = [path for path in self.now().files if old in path.parents]
        old.rename(self.library.music / "Künstler\n2")
        results = self.results()
        summary = self.scan_now()
        self.check("songs of a renamed folder are recognised", summary["moved"] == len(songs) and summary["new"] == 0)
        self.check("they are not listened to again", summary["tagged"] == 0 and self.results() == results)
        self.check("none is missing", summary["deleted"] == 0)

    def watch(self) -> None:
        """On names that the system reports, and on those it cannot."""
        try:
            import watchfiles  # noqa: F401
        except ModuleNotFoundError:
            self.library.notes.append("--watch was not tried: watchfiles is not installed.")
            return
        before = self.now()
        pairs = (
            (self.library.separate, "reported by the system"),
            (self.library.music, "found by polling, with names not UTF-8"),
        )
        for folder, how in pairs:
            index = self.index if folder is self.library.music else self.index.with_name("separate.sqlite")
            process = self.start("library", "scan", folder, "--watch", "--format", "json", "--index", index)
            lines: queue.Queue[str] = queue.Queue()
            threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
            errors: queue.Queue[str] = queue.Queue()
            threading.Thread(target=_read, args=(process.stderr, errors), daemon=True).start()
            try:
                lines.get(timeout=TIMEOUT_SECONDS)
                song = folder / "while watching.flac"
                made = self.temporary / song.name
                self.music.song(made, FORMATS["FLAC"], STYLES["plain"], "watched")
                made.rename(song)
                summary = json.loads(lines.get(timeout=TIMEOUT_SECONDS))
                self.check(f"a new file is scanned: {how}", (summary["new"], summary["tagged"]) == (1, 1))
                song.unlink()
            except queue.Empty:
                self.check(f"a new file is scanned: {how}", ["it was not"])
            finally:
                process.send_signal(signal.SIGINT)
                code = process.wait(timeout=TIMEOUT_SECONDS)
            self.check(f"Ctrl-C ends it with 130: {how}", [] if code == 130 else [str(code)])
            if folder is self.library.music:
                said = "".join(iter(partial(errors.get, timeout=10), ""))
                self.check("it says that it polls, and why", [] if "UTF-8" in said else [said[-300:] or "nothing"])
        self.check("watching changes no file", compare.untouched(before, self.now()))

    def wrong_use(self) -> None:
        before = self.now()
        self.earmark("library", "scan", code=2)
        self.earmark("library", "write", "--merge", "--overwrite", code=2)
        self.earmark("library", "write", "nowhere.mp3", code=1)
        self.earmark("library", "scan", "nowhere", "--quiet", code=1)
        self.earmark("library", "undo", "19990101-000000", code=2)
        dashed = next(path for path in self.library.songs if path.name.startswith("-dash") and path.exists())
        self.earmark("tag", "--top", "1", "--", Path(os.path.relpath(dashed, self.library.music)), code=0)
        self.check("nothing of it changes a file", compare.untouched(before, self.now()))
        at_home = [
            shown(path, "") for folder in (self.home, self.temporary) for path in folder.rglob("*") if path.is_file()
        ]
        self.check("nothing was left in the home and temporary folders", at_home)
        stray = [shown(path, "") for path in self.library.music.rglob(".earmark-*")] + [
            shown(path, "") for path in self.library.music.rglob("pwned")
        ]
        self.check("no temporary copies are left, and no name was run by a shell", stray)


def _read(stream: Any, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _not_given_back(preview: str) -> Iterator[tuple[str, str]]:
    """Paths, and what undo says beforehand that they do not get back."""
    path, lost = "", ""
    for line in [*preview.splitlines(), ""]:
        if not line.startswith("  "):
            if lost:
                yield path, lost
            path, lost = line, ""
        elif line.startswith("  not given back: "):
            lost += line
