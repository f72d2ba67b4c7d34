"""How `earmark tag` prints the result of a file: a table, JSON Lines or CSV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.markup import escape
from rich.text import Text

from earmark.audio.file_discovery import AudioFile
from earmark.cli.console import print_row
from earmark.cli.text import fit, printable
from earmark.core.clock import clock
from earmark.core.csv_text import csv_row
from earmark.core.json_records import failed_record, json_text
from earmark.core.vocabulary import CATEGORIES
from earmark.tagging.data_frames import KEY_COLUMNS, TEMPO_COLUMNS, key_cells, tempo_cells
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.top_tags import TagScore

if TYPE_CHECKING:
    from earmark.cli.tag.run import TagRun
    from earmark.tagging.segments import Segment

_PATH_COLUMNS = 44
NEAREST = 3
"""So many tags are named, as the highest, where none applies."""
_DEGREES_OF_FILES = 12
"""Of more files than an album has, the table leaves degrees out, so that it stays one line per file."""


class _Table:
    """One line per file, for people.

    On a terminal in columns, and of few files with a second line of their degrees, where the model has some. Elsewhere with
    tabs between path, length, tags, degrees, tempo and key; parts of a file are lines of their own, with its path.
    """

    def __init__(self, run: TagRun, found: list[AudioFile]) -> None:
        self.run = run
        self.out = run.rows
        self.with_degrees = len(found) <= _DEGREES_OF_FILES
        self.columns = min(max(cell_len(printable(item.path)) for item in found), _PATH_COLUMNS)
        self.begin = self.columns + 11  # with the length and the spaces

    def tagged(self, scores: TagScores) -> None:
        path = scores.path or Path()
        lines = self._tags_of_file(scores)
        degrees = ", ".join(f"{name} {score:.0%}" for name, score in scores.degrees.items())
        measured = [str(measure) for measure in (scores.tempo, scores.key) if measure is not None]
        segments = self.run.segments_of(scores) or ()
        parts = [(f"{clock(part.start_seconds)}-{clock(part.end_seconds)}", self._tags_of(part)) for part in segments]
        if not self.out.is_terminal:
            tags = Text.from_markup(" | ".join(lines), emoji=False).plain
            cells = [str(path), clock(scores.duration_seconds), tags, *([degrees] if self._model_has_degrees else [])]
            print_row(cells + measured)
            for span, text in parts:
                print_row([str(path), span, Text.from_markup(text, emoji=False).plain])
            return
        text = f"\n{' ' * self.begin}".join(lines)
        name = fit(printable(path), self.columns, keep_end=True)
        padding = " " * (self.columns - cell_len(name))
        self.out.print(f"{escape(name)}{padding}  {clock(scores.duration_seconds):>7}  {text}")
        if measured:
            self.out.print(f"{' ' * self.begin}{', '.join(measured)}")
        if self.with_degrees and degrees:
            self.out.print(f"{' ' * self.begin}[dim]degrees: {escape(degrees)}[/dim]")
        for span, text in parts:
            self.out.print(f"  {span}  {text}")

    @property
    def _model_has_degrees(self) -> bool:
        return bool(self.run.tagger.card.degrees)

    def _tags_of_file(self, scores: TagScores) -> list[str]:
        """Its tags with their scores, in lines that fit a terminal; elsewhere in one."""
        run = self.run
        tags = scores.top_per_category(run.threshold) if run.top is None else scores.top(run.top, run.threshold)
        groups = [[tag for tag in tags if tag.category == category] for category in CATEGORIES]
        max_width = max(self.out.width - self.begin, 40) if self.out.is_terminal else None
        if lines := _lines([group for group in groups if group], max_width):
            return lines
        if scores.silent:
            return ["[dim]silent: no tags[/dim]"]
        nearest = " ".join(f"{tag.tag} {tag.score:.2f} " for tag in scores.top(NEAREST)).rstrip()
        return [f"[dim]nothing over its threshold; highest: {escape(nearest)}[/dim]"]

    def _tags_of(self, segment: Segment) -> str:
        """The same tags as of a file, without scores."""
        if segment.silent:
            return "[dim]silence[/dim]"
        tags = segment.summary if self.run.top is None else segment.tags[: self.run.top or None]
        return ", ".join(escape(tag.tag) for tag in tags) or "[dim]nothing over its threshold[/dim]"

    def failed(self, path: Path, reason: str) -> None:
        """Reported on stderr already, where the person sees it in order."""


def _lines(groups: list[list[TagScore]], max_width: int | None) -> list[str]:
    """Tags with their scores, a bar between categories, in lines of limited width."""
    lines, used = [""], 0
    for k, group in enumerate(groups):
        for j, tag in enumerate(group):
            between = "" if not used else ("  " if j else " [dim]|[/dim] ")
            score = f" {tag.score:.2f}"
            wide = cell_len(tag.tag) + len(score)
            if max_width is not None and used and used + 3 + wide > max_width:
                lines.append("")
                between, used = "", 0
            lines[-1] += f"{between}[bold]{escape(tag.tag)}[/bold]{score}"
            used += wide + (3 if between and not j and k else 2 if between else 0)
    return [line for line in lines if line]


class _JsonLines:
    """One JSON object per line."""

    def __init__(self, run: TagRun, _found: list[AudioFile]) -> None:
        self.run = run

    def tagged(self, scores: TagScores) -> None:
        record = scores.to_record(self.run.top or 0, self.run.threshold)
        if (segments := self.run.segments_of(scores)) is not None:
            record["segments"] = [segment.to_record(self.run.top or 0) for segment in segments]
        if self.run.writing is not None:
            record["values"] = self.run.writing.values(scores.scores, scores.tempo, scores.key)
        self._line(record)

    def failed(self, path: Path, reason: str) -> None:
        self._line(failed_record(str(path), reason, self.run.tagger.card.name))

    def _line(self, record: dict[str, Any]) -> None:
        sys.stdout.write(json_text(record) + "\n")
        sys.stdout.flush()


class _Csv:
    """A row per file, a column per tag; a score that is left out by --top or --threshold is an empty cell.

    Degrees, which neither leaves out, are only empty of a silent file.
    """

    def __init__(self, run: TagRun, _found: list[AudioFile]) -> None:
        self.run = run
        self.names = run.tagger.card.vocabulary.names
        self.measures = (*(TEMPO_COLUMNS if run.tempo else ()), *(KEY_COLUMNS if run.key else ()))
        self._row(["path", "status", "error", "duration_seconds", "model", *self.measures, *self.names])

    def tagged(self, scores: TagScores) -> None:
        kept = {t.tag: f"{t.score:.4f}" for t in scores.top(self.run.top or 0, self.run.threshold)}
        kept |= {name: f"{score:.4f}" for name, score in scores.degrees.items()}
        head = [str(scores.path), "ok", "", f"{scores.duration_seconds:.3f}", scores.model]
        measured = tempo_cells(scores.tempo) | key_cells(scores.key)
        cells = ["" if measured[name] is None else str(measured[name]) for name in self.measures]
        self._row(head + cells + [kept.get(name, "") for name in self.names])

    def failed(self, path: Path, reason: str) -> None:
        self._row(
            [str(path), "error", reason, "", self.run.tagger.card.name, *[""] * (len(self.measures) + len(self.names))]
        )

    def _row(self, cells: list[str]) -> None:
        sys.stdout.write(csv_row(cells))
        sys.stdout.flush()


PRINTERS: dict[str, type[_Table] | type[_JsonLines] | type[_Csv]] = {"table": _Table, "jsonl": _JsonLines, "csv": _Csv}
