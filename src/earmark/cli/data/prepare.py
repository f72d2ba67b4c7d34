"""`earmark data prepare`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
from rich.markup import escape

from earmark.cli.console import stderr_console
from earmark.cli.options import (
    DatasetName,
    DatasetRoot,
    Jobs,
    Protocols,
    Quiet,
    Rate,
    RetryFailedClips,
    ShardAudio,
    ShardAudioKind,
    ShardMegabytes,
    out_option,
    rate_of,
)
from earmark.cli.progress import BarWatcher
from earmark.cli.text import counted, file_size
from earmark.core.clock import total_time
from earmark.core.exit_codes import EXIT_FAILED

if TYPE_CHECKING:
    from earmark.datasets import Dataset
    from earmark.shards import PrepareProgress, PrepareReport


def prepare(
    name: DatasetName,
    root: DatasetRoot,
    out: Annotated[Path, out_option("Folder for the shards.")],
    protocol: Protocols = None,
    audio: ShardAudioKind = ShardAudio.flac,
    rate: Rate = None,
    shard_mb: ShardMegabytes = None,
    jobs: Jobs = None,
    retry_failed: RetryFailedClips = False,
    quiet: Quiet = False,
) -> None:
    """Decode a dataset once, into WebDataset shards that training reads.

    \b
    Examples:
      earmark data prepare magnatagatune --root ~/mtat --out ~/mtat-16k
      earmark data prepare magnatagatune --root ~/mtat --out ~/mtat-mp3 --audio original
      earmark data prepare mtg_jamendo --root ~/jamendo --protocol all --out /data/jamendo --rate 22050

    A run that was stopped or killed continues when it is started again: shards that are finished are checked and kept.
    Files that cannot be decoded are left out and listed in OUT/failed.csv. Labels beside the audio are for other
    tools: earmark reads them from the dataset, so that shards serve every protocol whose clips they hold. Channels
    are mixed as in tagging; where their plain mean differs, it is there, too, for networks that take it.

    Exit code: 0 all clips are prepared, 1 some failed or the disk is full, 2 wrong usage.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.shards import prepare as run_prepare

    datasets = load(name, root, protocol or [])
    with (
        exit_on_interrupt("what is finished is kept: the same command continues"),
        PrepareWatcher(out, quiet=quiet) as watcher,
    ):
        report = run_prepare(
            datasets,
            out,
            audio=audio.value,
            sample_rate_hz=rate_of(rate, audio),
            shard_megabytes=shard_mb,
            jobs=jobs,
            retry_failed=retry_failed,
            on_done=watcher.done,
        )
    summary(out, report)
    if report.failures:
        raise click.exceptions.Exit(EXIT_FAILED)


def load(name: str, root: Path, protocols: list[str]) -> list[Dataset]:
    """The dataset under each protocol that was asked for. Raises DataError, ConfigError."""
    from earmark.datasets import dataset_info, load_dataset
    from earmark.datasets.manifest import load_manifest

    if name == "manifest" and not protocols:
        return [load_manifest(root, check_files=False)]  # missing files go into failed.csv
    if protocols == ["all"]:
        protocols = [known.name for known in dataset_info(name).protocols]
    if not protocols:
        return [load_dataset(name, root)]
    return [load_dataset(name, root, protocol) for protocol in protocols]


def summary(out: Path | str, report: PrepareReport) -> None:
    """Print the result to stdout."""
    from earmark.shards.layout import FAILED

    header = report.header
    kind = "original files" if header.sample_rate_hz is None else f"FLAC, {header.sample_rate_hz:,} Hz mono, 16 bits"
    click.echo(f"{header.dataset} ({', '.join(header.protocols)}): {kind}")
    click.echo(
        f"{header.n_clips - header.n_failed:,} of {header.n_clips:,} clips, "
        f"{total_time(header.duration_seconds)} of audio, {file_size(header.n_bytes)} in {counted(header.n_shards, 'shard')}"
    )
    if report.n_shards_made < header.n_shards:
        click.echo(f"there already, and whole: {counted(header.n_shards - report.n_shards_made, 'shard')}")
    if report.failures:
        click.echo(f"{len(report.failures):,} of {header.n_clips:,} clips failed, and why: {out}/{FAILED}")
    click.echo(f"{out}")


class PrepareWatcher(BarWatcher):
    """Progress on stderr: a bar on a terminal, one line per minute elsewhere."""

    def __init__(self, out: Path | str, *, quiet: bool) -> None:
        super().__init__(stderr_console(quiet=quiet), quiet=quiet)
        self.out = out
        self.started = time.monotonic()
        self.estimate_shown = False
        self.task = self.progress.add_task("preparing", total=None, note="")

    def done(self, progress: PrepareProgress) -> None:
        """A clip is done."""
        speed = progress.audio_seconds / max(time.monotonic() - self.started, 1e-6)
        note = f"{speed:,.0f} x real time" + (f", {progress.n_failed:,} failed" if progress.n_failed else "")
        if progress.n_kept and not progress.audio_seconds and progress.n_done == progress.n_kept:
            self.started = time.monotonic()  # checking existing shards is not decoding
            self.console.print(f"{progress.n_kept:,} of {progress.n_clips:,} clips exist already")
            self.progress.reset(self.task, total=progress.n_clips - progress.n_kept)
        self.progress.update(
            self.task,
            completed=progress.n_done - progress.n_kept,
            total=progress.n_clips - progress.n_kept,
            note=note,
        )
        self._print_estimate(progress)
        if self.line_is_due():
            self.console.print(f"{progress.n_done:,} of {progress.n_clips:,} clips, {note}")

    def _print_estimate(self, progress: PrepareProgress) -> None:
        """Once, after the first shard."""
        import shutil

        from earmark.core.storage import is_uri

        if self.estimate_shown or progress.estimated_bytes is None or progress.n_done == progress.n_clips:
            return
        self.estimate_shown = True
        left = progress.estimated_bytes - progress.n_bytes
        if is_uri(self.out):  # stores do not fill up
            self.console.print(f"about {file_size(progress.estimated_bytes)} in all, {file_size(left)} to come")
            return
        free = shutil.disk_usage(self.out).free
        line = f"about {file_size(progress.estimated_bytes)} in all, {file_size(left)} to come, {file_size(free)} free"
        self.console.print(escape(line) if left < free else f"[red]{escape(line)}: this will not fit[/red]")
