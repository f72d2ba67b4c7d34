"""`earmark analyze report`: a run as one file of HTML, from its scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.analyze.tables import Labels
from earmark.cli.commands import Argument, Option
from earmark.cli.options import (
    EmbedAudio,
    Seed,
    dataset_option,
    decision_threshold_option,
    groups_option,
    out_option,
    protocol_option,
    resamples_option,
    root_option,
)

if TYPE_CHECKING:
    from earmark.plots.epochs import RunLog


def report(
    scores: Annotated[
        Path, Argument(help="A folder that `earmark evaluate` or `score --out` wrote; or any table of scores.")
    ],
    out: Annotated[Path | None, out_option("The HTML file. Default: report.html in the folder.")] = None,
    labels: Labels = None,
    dataset: Annotated[
        str | None,
        dataset_option("With --root: where the clips' audio is; a dataset's name, or manifest."),
    ] = None,
    root: Annotated[Path | None, root_option("The dataset's folder; for a manifest the table itself.")] = None,
    protocol: Annotated[str | None, protocol_option("Of the dataset.")] = None,
    audio: Annotated[
        Path | None, Option("--audio", help="In place of a dataset: a folder with files called as the clips are.")
    ] = None,
    embed_audio: EmbedAudio = False,
    log: Annotated[
        Path | None,
        Option("--log", help="Folder of the training run. Default: the one beside or above the scores, if any."),
    ] = None,
    clips: Annotated[int, Option("--clips", min=1, help="How many of the worst and of the best are shown.")] = 10,
    groups: Annotated[
        str | None,
        groups_option("What intervals are drawn over: artist, song, clip, or a table clip -> artist or song."),
    ] = None,
    threshold: Annotated[str | None, decision_threshold_option()] = None,
    resamples: Annotated[int, resamples_option(0, "Bootstrap draws for the 95 % intervals; 0 for none.")] = 1000,
    seed: Seed = 0,
) -> None:
    """A run as one page of HTML that works offline: averages, tags to search and sort, figures, clips to listen to.

    Of an evaluation's folder, the metrics are those of its report.json; a table of scores is evaluated again.

    \b
    Examples:
      earmark analyze report results/first --dataset emotify --root ~/emotify
      earmark analyze report results/mine --audio ~/music --embed-audio --out mine.html
      earmark analyze report scores.csv --labels labels.csv --out theirs.html
    """
    from earmark.cli.analyze.options import require_figures
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import read_scores_and_labels
    from earmark.datasets import load_dataset
    from earmark.evaluation.report import make_report, read_report
    from earmark.evaluation.run import JSON_NAME, SCORES_NAME
    from earmark.evaluation.tables import read_groups
    from earmark.evaluation.thresholds import read_thresholds
    from earmark.plots.epochs import read_log
    from earmark.report.audio import find_clips
    from earmark.report.run_page import write_page

    problems = [] if scores.exists() else [f"{scores}: no such file or folder"]
    if (dataset is None) != (root is None):
        problems.append("--dataset and --root: give both, or neither")
    if dataset is not None and audio is not None:
        problems.append("--audio: not with --dataset, which knows its own files")
    if scores.is_file() and out is None:
        problems.append("--out: needed where the scores are a table and no folder")
    if scores.is_dir() and (labels, groups, threshold) != (None, None, None):
        problems.append("--labels, --groups, --threshold: for tables of scores; a folder's report.json has its own")
    if audio is not None and not audio.is_dir():
        problems.append(f"--audio {audio}: no such folder")
    if problems:
        raise ConfigError(problems)
    with exit_on_interrupt("nothing was written"):
        if scores.is_dir():
            table, measured = read_scores_and_labels(scores / SCORES_NAME, None), read_report(scores / JSON_NAME)
            if measured.n_clips != len(table.clips) or set(measured.counts) != set(table.vocabulary.names):
                raise ConfigError(f"{scores}: {JSON_NAME} and {SCORES_NAME} are not of the same evaluation")
        else:
            table = read_scores_and_labels(scores, labels)
            drawn = groups if groups in (None, "artist", "song", "clip") else read_groups(Path(groups), table.clips)
            limits, words = ({}, "") if threshold is None else read_thresholds(threshold, table.vocabulary)
            measured = make_report(
                table, thresholds=limits, thresholds_from=words, groups=drawn, n_resamples=resamples, seed=seed
            )
        files: dict[str, Path] = {}
        if dataset is not None and root is not None:
            files = {clip.clip_id: clip.path for clip in load_dataset(dataset, root, protocol).clips}
        elif audio is not None:
            files = find_clips(table.clips, audio)
        page = out or scores / "report.html"
        of_run = read_log(log, "run") if log is not None else find_log(scores if scores.is_dir() else scores.parent)
        for note in write_page(page, table, measured, audio=files, embed_audio=embed_audio, log=of_run, n_clips=clips):
            click.echo(f"note: {note}", err=True)
    click.echo(page)


def find_log(folder: Path) -> RunLog | None:
    """The log of the training that a folder belongs to: a run's own, its checkpoint's or its scores'. None without one."""
    from earmark.core.errors import DataError
    from earmark.plots.epochs import read_log

    for place in (folder, folder.parent):
        if (place / "log.csv").is_file() and (place / "checkpoint").is_dir():
            try:
                return read_log(place, "run")
            except DataError:
                return None
    return None
