"""`earmark tag`: files and folders in, tags out."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.lazy_group import quick_imports
from earmark.cli.options import (
    Damaged,
    DamagedFiles,
    DecodingJobs,
    Key,
    Model,
    NetworkDevice,
    QuietSummary,
    Tempo,
    at_least,
    format_option,
    windows_option,
)
from earmark.cli.tag.write import (
    Apply,
    Comment,
    KeepMtime,
    KeyAs,
    KeyNotationName,
    Map,
    MaxGenres,
    MaxMoods,
    Merge,
    Overwrite,
    Scores,
    UndoLogFile,
    Write,
    WriteOptions,
)
from earmark.core.errors import ConfigError

if TYPE_CHECKING:
    from earmark.tagging.top_tags import Threshold


class OutputFormat(StrEnum):
    """How results are printed."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


def _threshold(text: str) -> str:
    """Check the option's text where Click can name the option in its message."""
    if text in ("auto", "none"):
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise click.BadParameter(f"{text!r} is not auto, none or a number from 0 to 1")
    return text


def tag(
    paths: Annotated[
        list[Path],
        Argument(metavar="PATH...", help="Audio files, folders, playlists; - for stdin.", show_default=False),
    ],
    model: Model = None,
    output_format: Annotated[
        OutputFormat,
        format_option("table for people; jsonl, or json, (one object per file and line) and csv for programs."),
    ] = OutputFormat.table,
    top: Annotated[
        int | None,
        Option(
            callback=at_least(0),
            metavar="N",
            help="Tags per file at most, the highest; 0 for all.",
            show_default="table: two of each category, others: 0",
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        Option(
            metavar="auto|none|X",
            callback=lambda text: None if text is None else _threshold(text),
            help="Least score: auto takes each tag's own from the model's card, X is a number from 0 to 1.",
            show_default="table: auto, others: none",
        ),
    ] = None,
    taggram: Annotated[
        Path | None,
        Option(
            metavar="DIR", help="Also draw each file's taggram (scores over time) as a PNG in DIR.", show_default=False
        ),
    ] = None,
    segments: Annotated[
        bool,
        Option("--segments", help="Also print which tags apply when, e.g. 12:30-18:05 techno, fast; not with csv."),
    ] = False,
    min_segment: Annotated[
        float | None,
        Option("--min-segment", metavar="SECONDS", help="With --segments: their least length.", show_default="20"),
    ] = None,
    smoothing: Annotated[
        float | None,
        Option(
            "--smoothing",
            metavar="X",
            help="With --segments: above 1 for fewer of them, below 1 for more.",
            show_default="1",
        ),
    ] = None,
    step: Annotated[
        float | None,
        Option(
            "--step",
            metavar="SECONDS",
            help="How fine taggrams and segments are. Windows overlap, so with 2 s and windows of 9.7 s the network takes "
            "five times as long; 10 s or more do without. Scores stay the same.",
            show_default="2 with --taggram or --segments, but not with --windows",
        ),
    ] = None,
    tempo: Tempo = False,
    key: Key = False,
    jobs: DecodingJobs = None,
    damaged: DamagedFiles = Damaged.error,
    windows: Annotated[
        int | None, windows_option("Only N windows of each file, spread over it and found by seeking.")
    ] = None,
    device: NetworkDevice = "cpu",
    quiet: QuietSummary = False,
    write: Write = False,
    apply: Apply = False,
    merge: Merge = False,
    overwrite: Overwrite = False,
    mapping: Map = None,
    max_genres: MaxGenres = 2,
    max_moods: MaxMoods = 3,
    scores: Scores = True,
    key_as: KeyAs = KeyNotationName.note,
    comment: Comment = False,
    keep_mtime: KeepMtime = False,
    undo_log: UndoLogFile = None,
) -> None:
    """Tag music files; folders are searched for audio, with all their subfolders.

    Tags go to stdout, progress and messages to stderr. A file that cannot be tagged is reported
    with the reason, and the rest continues. No file is ever changed without --write --apply.

    In folders, files are taken by their ending, videos with sound among them; the summary counts the others. A playlist
    (.m3u, .m3u8, .pls) that is named stands for its files; those in folders are left out. - reads stdin: audio, a list
    of paths, one per line or with NUL between them (find -print0), or a playlist, which begins with #EXTM3U or
    [playlist]. Audio has control characters at its beginning; a list has none, or names files that are there. Audio's
    path in the results is -.

    \b
    Examples:
      earmark tag song.mp3
      earmark tag ~/Music --format jsonl > tags.jsonl
      earmark tag album/ --top 3 --taggram pictures/
      earmark tag mix.mp3 --segments    what holds when: one line per part
      earmark tag ~/Music --windows 4   4 windows of each file: fast on long ones
      earmark tag set/ --tempo --key    BPM and key, too
      earmark tag party.m3u8
      find . -newer done -name '*.mp3' | earmark tag -
      ffmpeg -i film.mkv -f flac - | earmark tag -
      earmark tag album/ --write        shows what would be written: add --apply

    Exit code: 0 all tagged, 1 some file failed or nothing was found, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    with quick_imports():
        from earmark.cli.tag.run import SegmentOptions, TagRun
        from earmark.tagging.options import FINE_STEP_SECONDS
        from earmark.tagging.segments import MIN_SECONDS

    limit = _threshold_value(threshold or ("auto" if output_format is OutputFormat.table else "none"))
    options = WriteOptions(
        apply=apply,
        merge=merge,
        overwrite=overwrite,
        mapping=mapping,
        threshold=limit if isinstance(limit, float) else None,
        max_genres=max_genres,
        max_moods=max_moods,
        scores=scores,
        keep_mtime=keep_mtime,
        undo_log=undo_log,
        key_notation=key_as,
        comment=comment,
    )
    _check_writing(write, threshold, options)
    given = {"--min-segment": min_segment, "--smoothing": smoothing}
    _check_measures(windows, {"--tempo": tempo, "--key": key})
    if comment and not key:
        raise ConfigError("--comment writes the key: give --key, too")
    _check_segments(segments, output_format, windows, step, {name: x for name, x in given.items() if x is not None})
    parts = SegmentOptions(min_segment or MIN_SECONDS, smoothing or 1.0) if segments else None
    if step is None and windows is None and (segments or taggram is not None):
        step = FINE_STEP_SECONDS
    run = TagRun(
        model=model,
        output_format=output_format.value,
        top=top if top is not None or output_format is OutputFormat.table else 0,
        threshold=limit,
        taggram_dir=taggram,
        jobs=jobs,
        damaged=damaged.value,
        windows=windows,
        device=device,
        step_seconds=step,
        tempo=tempo,
        key=key,
        segments=parts,
        quiet=quiet,
        write=options if write else None,
    )
    code = run.over(paths)
    if code:
        sys.stdout.flush()
        raise click.exceptions.Exit(code)


def _threshold_value(text: str) -> Threshold:
    if text == "auto":
        return "auto"
    return "none" if text == "none" else float(text)


def _check_measures(windows: int | None, given: dict[str, bool]) -> None:
    if windows is not None and (wanted := [name for name, value in given.items() if value]):
        raise ConfigError(f"--windows with {' and '.join(wanted)}: tempo and key are estimated from all of a file")


def _check_segments(
    segments: bool, output_format: OutputFormat, windows: int | None, step: float | None, options: dict[str, float]
) -> None:
    """Refuse what makes no sense together, before hours of tagging."""
    from earmark.tagging.options import LEAST_STEP_SECONDS

    problems = []
    if windows is not None and (segments or step is not None):
        problems.append(f"--windows with {'--segments' if segments else '--step'}: this needs all windows of a file")
    if segments and output_format is OutputFormat.csv:
        problems.append("--segments with --format csv: a row has no place for them: give table or jsonl")
    if options and not segments:
        problems.append(f"{', '.join(options)}: only with --segments")
    problems += [f"{name} {value:g}: must be above 0" for name, value in options.items() if not 0 < value < math.inf]
    if step is not None and not LEAST_STEP_SECONDS <= step < math.inf:
        problems.append(f"--step {step:g}: must be {LEAST_STEP_SECONDS} or more")
    if problems:
        raise ConfigError(problems)


def _check_writing(write: bool, threshold: str | None, options: WriteOptions) -> None:
    """Refuse what makes no sense together, before hours of tagging."""
    if write and threshold == "none":
        raise ConfigError("--threshold none with --write would write every tag: give auto or a number from 0 to 1")
    given = {
        "--apply": options.apply,
        "--merge": options.merge,
        "--overwrite": options.overwrite,
        "--map": options.mapping,
        "--keep-mtime": options.keep_mtime,
        "--undo-log": options.undo_log,
        "--comment": options.comment,
    }
    if not write and any(given.values()):
        raise ConfigError(f"{', '.join(name for name, value in given.items() if value)}: only with --write")
