"""One run of `earmark tag`: find, tag, print, draw, sum up."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from rich.markup import escape

from earmark.audio.file_discovery import AudioFile, LeftOut, find_audio
from earmark.cli.console import print_error, print_note, silence_stdout, stderr_console, stdout_console
from earmark.cli.progress import AudioSpeed, audio_bar
from earmark.cli.stdin import STDIN, stdin_paths
from earmark.cli.tag.printers import PRINTERS
from earmark.cli.tag.write import WriteOptions, WriteRun
from earmark.cli.text import printable
from earmark.core.audio_formats import audio_suffixes, has_video_suffix
from earmark.core.clock import clock
from earmark.core.errors import AudioError, ConfigError, MissingExtraError, NoAudioError
from earmark.core.exit_codes import EXIT_BROKEN_PIPE, EXIT_FAILED, EXIT_INTERRUPTED
from earmark.core.heaps import share_heaps
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger
from earmark.tagging.top_tags import Threshold

if TYPE_CHECKING:
    from rich.progress import Progress

    from earmark.tagging.progress import TagProgress
    from earmark.tagging.segments import Segment

_NAME_BYTES = 200  # of a taggram's name; file systems allow 255 with the endings


class SegmentOptions(NamedTuple):
    """How files are divided, see :meth:`earmark.TagScores.segments`."""

    min_seconds: float
    smoothing: float


class TagRun:
    """Settings and counts of one run; see the options of `earmark tag`. ``top`` of None: two of each category."""

    def __init__(
        self,
        *,
        model: str | None,
        output_format: str,
        top: int | None,
        threshold: Threshold,
        taggram_dir: Path | None,
        jobs: int | None,
        damaged: Literal["error", "tag"],
        windows: int | None = None,
        device: str = "cpu",
        step_seconds: float | None = None,
        tempo: bool = False,
        key: bool = False,
        segments: SegmentOptions | None = None,
        quiet: bool,
        write: WriteOptions | None = None,
    ) -> None:
        share_heaps()
        self.segments = segments
        self.top, self.threshold = top, threshold
        self.output_format, self.taggram_dir, self.jobs, self.quiet = output_format, taggram_dir, jobs, quiet
        self.messages = stderr_console()
        self.rows = stdout_console()
        # A bar and rows on one terminal must come from one console, or they write into each other.
        self.bar = self.messages.is_terminal and not quiet
        if self.bar and sys.stdout.isatty():  # Rich calls it a terminal with FORCE_COLOR, too
            self.bar = output_format == "table"
            self.rows = self.messages
        self.n_tagged = self.n_failed = 0
        self.audio_seconds = 0.0
        self.drawn: set[Path] = set()
        self.left_out = LeftOut()
        self.piped: Path | None = None
        if taggram_dir is not None:
            _require_matplotlib()
        self.tempo, self.key = tempo, key
        self.tagger: Tagger = load_tagger(
            model, device=device, damaged=damaged, windows=windows, step_seconds=step_seconds, tempo=tempo, key=key
        )
        self.writing: WriteRun | None = None
        if write is not None:
            # Diffs are for people: they must not be among the lines that a program reads.
            out = self.rows if output_format == "table" else self.messages
            self.writing = write.run(self.tagger.card, out, self.messages)
        self.started = time.monotonic()

    def over(self, paths: Sequence[Path]) -> int:
        """Tag everything, ``-`` being stdin; returns the exit code."""
        with stdin_paths(paths, self.left_out.note) as (listed, self.piped):
            if self.piped is not None and self.writing is not None:
                raise ConfigError("-: tags can be written into files, not into audio from stdin")
            return self._over(listed)

    def _over(self, paths: Iterable[Path]) -> int:
        found = list(find_audio(paths, self.left_out))
        if not self.quiet:
            for path, note in self.left_out.notes:
                print_note(self.messages, note, path)
        if not found:
            text = "no audio files found there"
            if (passed_over := self.left_out.summary()) and not self.quiet:
                text += f"; {printable(passed_over)}. In folders, files are taken by their ending: "
                text += f"{' '.join(audio_suffixes())}; a file that is named, whatever it ends in"
            self.messages.print(f"earmark: {text}", markup=False)
            return EXIT_FAILED
        try:
            printer = PRINTERS[self.output_format](self, found)
            with self._progress(found) as advance, self.writing or nullcontext():
                for item, result in self._results(found, advance):
                    if isinstance(result, NoAudioError) and not item.named and has_video_suffix(item.path):
                        self.left_out.silent[item.path.suffix.lower()] += 1
                    elif isinstance(result, AudioError):
                        self.n_failed += 1
                        print_error(self.messages, result.reason, item.path)
                        printer.failed(item.path, result.reason)
                    else:
                        self.n_tagged += 1
                        self.audio_seconds += result.duration_seconds
                        for warning in () if self.quiet else result.warnings:
                            print_note(self.messages, warning, item.path)
                        printer.tagged(result)
                        if self.taggram_dir is not None:
                            self._draw(result, item)
                        if self.writing is not None:
                            self.writing.file(item.path, result.scores, tempo=result.tempo, key=result.key)
                    advance.file_done(item)
        except KeyboardInterrupt:
            self._sum_up(
                f"stopped by Ctrl-C after {self.n_tagged + self.n_failed} of {len(found)} files: ", always=True
            )
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            # The reader of stdout has gone (`earmark tag ... | head`).
            silence_stdout()
            return EXIT_BROKEN_PIPE
        self._sum_up("")
        failed = self.n_failed or not self.n_tagged or (self.writing and self.writing.tally.n_failed)
        return EXIT_FAILED if failed else 0

    def _results(self, found: list[AudioFile], advance: _Advance) -> Iterator[tuple[AudioFile, TagScores | AudioError]]:
        """Every found item with its result, in order; what discovery refused never reaches the tagger."""
        good = (self._source(item) for item in found if item.error is None)
        results = iter(self.tagger.tag_many(good, jobs=self.jobs, errors="return", on_progress=advance.audio))
        for item in found:
            result = item.error if item.error is not None else next(results)
            if self._source(item) != item.path and not isinstance(result, AudioError):
                result = replace(result, path=item.path)
            yield item, result

    def segments_of(self, scores: TagScores) -> list[Segment] | None:
        """A file's segments, with the tags that apply by the run's threshold, or else by their own; None if not wanted."""
        if self.segments is None:
            return None
        threshold: Threshold = "auto" if self.threshold == "none" else self.threshold
        options = self.segments
        return scores.segments(min_seconds=options.min_seconds, smoothing=options.smoothing, threshold=threshold)

    def _source(self, item: AudioFile) -> Path:
        return self.piped if self.piped is not None and item.path == STDIN else item.path

    def _draw(self, scores: TagScores, item: AudioFile) -> None:
        from earmark.tagging.taggram import draw_taggram

        assert self.taggram_dir is not None
        name = os.fsdecode(os.fsencode(item.relative.name)[:_NAME_BYTES])
        out = self.taggram_dir / item.relative.with_name(f"{name}.taggram.png")
        n = 1
        while out in self.drawn:  # two files of one name were named
            n += 1
            out = out.with_name(f"{name} ({n}).taggram.png")
        try:
            draw_taggram(scores, out)
        except ConfigError as error:
            self.n_failed += 1
            print_error(self.messages, str(error), item.path)
        else:
            self.drawn.add(out)

    def _sum_up(self, prefix: str, always: bool = False) -> None:
        if self.quiet and not always:
            return
        wall = max(time.monotonic() - self.started, 1e-6)
        text = f"{prefix}{self.n_tagged} tagged, {self.n_failed} failed"
        if self.n_tagged:
            speed = self.audio_seconds / wall
            text += f"; {clock(self.audio_seconds)} of music in {wall:.1f} s, {speed:,.0f}x real time"
        if self.drawn:
            text += f"; taggrams in {escape(printable(self.taggram_dir or Path()))}"
        if passed_over := self.left_out.summary():
            text += f"; {escape(printable(passed_over))}"
        self.messages.print(f"earmark: {text}")
        if self.writing is not None:
            self.messages.print(f"earmark: {self.writing.summary()}", markup=False)

    @contextmanager
    def _progress(self, found: list[AudioFile]) -> Iterator[_Advance]:
        if not self.bar:
            yield _Advance(None, found)
            return
        with audio_bar(self.messages) as progress:
            yield _Advance(progress, found)


class _Advance:
    """Feeds the progress bar. Time left follows bytes, since files differ in length."""

    def __init__(self, progress: Progress | None, found: list[AudioFile]) -> None:
        self.progress, self.n_files, self.n_done = progress, len(found), 0
        self.speed = AudioSpeed()
        self.bytes = {id(item): _size(item.path) for item in found} if progress else {}
        if progress:
            self.task = progress.add_task(
                "tagging", total=sum(self.bytes.values()), files=f"0/{self.n_files} files", speed=0.0
            )

    def audio(self, tagging: TagProgress) -> None:
        speed = self.speed.after(tagging)
        if self.progress:
            self.progress.update(self.task, speed=speed)

    def file_done(self, item: AudioFile) -> None:
        self.n_done += 1
        if self.progress:
            self.progress.update(self.task, advance=self.bytes[id(item)], files=f"{self.n_done}/{self.n_files} files")


def _size(path: Path) -> int:
    try:
        return max(path.stat().st_size, 1)
    except OSError:
        return 1


def _require_matplotlib() -> None:
    """Say so before hours of tagging, not at the first picture."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("--taggram", "plot") from error
