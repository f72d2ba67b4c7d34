"""One run of `earmark library scan`: progress while it runs, a summary at its end, and the same again on changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from earmark.cli.console import print_error, print_json, print_note, stderr_console
from earmark.cli.progress import AudioSpeed, audio_bar
from earmark.cli.text import printable
from earmark.core.clock import clock
from earmark.core.errors import IndexInUseError
from earmark.core.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from earmark.core.heaps import share_heaps
from earmark.library.index.schema import default_index
from earmark.library.index.track_index import Index
from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.library.scan.scan import Scan
from earmark.library.scan.summary import OUTCOMES, ScanProgress, ScanSummary
from earmark.tagging.progress import TagProgress

_MAX_PROBLEMS_SHOWN = 20
_EXAMPLES = 3
_WAIT_FOR_INDEX_SECONDS = 5.0


class ScanRun:
    """Settings of one run; see the options of `earmark library scan`."""

    def __init__(
        self,
        folders: list[Path],
        *,
        index: Path | None,
        model: str | None,
        jobs: int | None,
        damaged: Literal["error", "tag"],
        windows: int | None = None,
        device: str = "cpu",
        tempo: bool = False,
        key: bool = False,
        complete: bool = False,
        retry: bool,
        prune: bool,
        as_json: bool,
        quiet: bool,
    ) -> None:
        share_heaps()
        self.folders, self.index = folders, (index or default_index()).expanduser()
        self.jobs, self.retry, self.prune, self.complete = jobs, retry, prune, complete
        self.as_json, self.quiet = as_json, quiet
        self.messages = stderr_console()
        self.noted: set[tuple[Path, str]] = set()  # a note of one scan is not repeated by the next
        self.tagger = LazyTagger(model, device=device, damaged=damaged, windows=windows, tempo=tempo, key=key)

    def once(self) -> int:
        """One scan; returns the exit code."""
        summary, interrupted = self._scan()
        if interrupted:
            done = summary.n_found
            self.messages.print(
                f"earmark: stopped by Ctrl-C; {done} files are up to date, and the same command continues from there"
            )
        self._print(summary)
        if interrupted:
            return EXIT_INTERRUPTED
        return 0 if summary.clean else EXIT_FAILED

    def watch(self) -> int:
        """A scan now, and one after each change, until Ctrl-C."""
        from earmark.library.scan.watch import POLL_SECONDS, watch_folders

        def on_polling(reason: str) -> None:
            if not self.quiet:
                text = f"{reason}: files are compared every {POLL_SECONDS:.0f} s, since not all changes are reported"
                print_note(self.messages, printable(text))

        first = True
        try:
            for _ in watch_folders(self.folders, self.index, on_polling=on_polling):
                summary, interrupted = self._scan() if first else self._scan_when_free()
                if first or summary.did_something:
                    self._print(summary)
                if interrupted:
                    break
                if first and not self.quiet:
                    self.messages.print("earmark: following changes; stop with Ctrl-C")
                first = False
        except KeyboardInterrupt:
            pass
        if not self.quiet:
            self.messages.print("earmark: stopped by Ctrl-C; the index is up to date with what was scanned")
        return EXIT_INTERRUPTED

    def _scan(self) -> tuple[ScanSummary, bool]:
        """The summary, and whether Ctrl-C stopped it."""
        with Index.open(self.index, write=True) as index, self._progress() as watcher:
            scan = Scan(
                index,
                self.folders,
                self.tagger,
                jobs=self.jobs,
                retry=self.retry,
                prune=self.prune,
                complete=self.complete,
                progress=watcher,
            )
            try:
                return scan.run(), False
            except KeyboardInterrupt:
                return scan.summary, True

    def _scan_when_free(self) -> tuple[ScanSummary, bool]:
        reported = False
        while True:
            try:
                return self._scan()
            except IndexInUseError as error:
                if not reported:
                    print_note(self.messages, f"{error}; this scan waits")
                reported = True
                time.sleep(_WAIT_FOR_INDEX_SECONDS)

    @contextmanager
    def _progress(self) -> Iterator[_Shown]:
        if self.quiet or not self.messages.is_terminal:
            yield _Shown(self.messages, None, self.noted, quiet=self.quiet)
            return
        with audio_bar(self.messages, now=True) as progress:
            yield _Shown(self.messages, progress, self.noted)

    def _print(self, summary: ScanSummary) -> None:
        if self.as_json:
            print_json({"index": str(self.index), **summary.to_record()})
        elif not self.quiet:
            sys.stdout.write("".join(f"{line}\n" for line in _lines(summary, self.index)))
        sys.stdout.flush()


def _lines(summary: ScanSummary, index: Path) -> Iterator[str]:
    """The summary for people."""
    yield f"{summary.n_found} files in {summary.seconds:.1f} s"
    rows = [(summary.outcomes[outcome], text) for outcome, text in OUTCOMES.items()]
    rows += [(summary.deleted, "gone; kept as missing until --prune"), (summary.pruned, "gone, and forgotten")]
    width = max((len(str(n)) for n, _ in rows), default=1)
    for n, text in rows:
        if n:
            yield f"  {n:>{width}} {text}"
        if text == OUTCOMES["failed"]:
            for reason, paths in sorted(summary.failures.items(), key=lambda item: -len(item[1])):
                yield f"  {'':>{width}}   {len(paths)}: {reason}"
                for path in paths[:_EXAMPLES]:
                    yield f"  {'':>{width}}     {printable(path)}"
                if len(paths) > _EXAMPLES:
                    yield f"  {'':>{width}}     and {len(paths) - _EXAMPLES} more; all: earmark library info --failed"
    if summary.tagged:
        yield (
            f"{summary.tagged} recordings tagged: {clock(summary.audio_seconds)} of music, "
            f"{summary.x_real_time:,.0f}x real time"
        )
    if passed_over := summary.left_out.summary():
        yield printable(passed_over)
    yield f"index: {printable(index)}"


class _Shown(ScanProgress):
    """Progress on a terminal, and problems on stderr. Time left follows bytes, since files differ in length."""

    def __init__(
        self, messages: Console, progress: Progress | None, noted: set[tuple[Path, str]], *, quiet: bool = False
    ) -> None:
        self.messages, self.progress, self.noted, self.quiet = messages, progress, noted, quiet
        self.n_todo = self.n_done = self.n_problems = 0
        self.speed = AudioSpeed()
        if progress:
            self.task = progress.add_task("looking for files", total=None, files="", speed=0.0, now="")

    def on_found(self, n_files: int) -> None:
        if self.progress:
            self.progress.update(self.task, files=f"{n_files:,} files")

    def on_start(self, n_files: int, n_bytes: int) -> None:
        self.n_todo, self.speed = n_files, AudioSpeed()
        if self.progress:
            self.progress.reset(
                self.task,
                description="scanning",
                total=max(n_bytes, 1),
                files=f"0/{n_files:,} files",
                speed=0.0,
                now="",
            )

    def on_done(self, path: Path, n_bytes: int) -> None:
        self.n_done += 1
        if self.progress:
            self.progress.update(
                self.task,
                advance=n_bytes,
                files=f"{self.n_done:,}/{self.n_todo:,} files",
                now=escape(printable(Path(path.name))),
            )

    def on_tagged(self, tagging: TagProgress) -> None:
        speed = self.speed.after(tagging)
        if self.progress:
            self.progress.update(self.task, speed=speed)

    def on_note(self, path: Path, note: str) -> None:
        if not self.quiet and (path, note) not in self.noted:
            self.noted.add((path, note))
            print_note(self.messages, note, path)

    def on_problem(self, text: str) -> None:
        self.n_problems += 1
        if self.n_problems <= _MAX_PROBLEMS_SHOWN:
            print_error(self.messages, printable(text))
        elif self.n_problems == _MAX_PROBLEMS_SHOWN + 1:
            print_error(self.messages, "and more, which the summary counts")
