"""`earmark cluster tag`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import print_error, print_note, stderr_console
from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
from earmark.cli.options import (
    Damaged,
    DamagedFiles,
    Key,
    NetworkDevice,
    QuietSummary,
    Tempo,
    at_least,
    model_option,
    out_option,
    retry_failed_option,
    windows_option,
)
from earmark.cli.progress import BarWatcher, note_bar
from earmark.cli.text import counted, file_size
from earmark.core.clock import clock
from earmark.core.exit_codes import EXIT_FAILED

if TYPE_CHECKING:
    from earmark.cluster.tagging import Tally
    from earmark.cluster.worker import Report

_FAILURES_REPORTED = 20


def tag(
    manifest: Annotated[
        str,
        Argument(
            metavar="MANIFEST",
            help="Table with a column uri, and id if you like: Parquet, CSV, TSV or JSON Lines; "
            "path, s3://, gs:// or http(s)://.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        out_option("Folder for the results: a path that all machines see, s3:// or gs://.", metavar="DIR"),
    ],
    address: Annotated[
        str,
        Option(
            metavar="auto|local|HOST:PORT",
            help="The Ray cluster: auto is the one this machine belongs to; local starts one here.",
        ),
    ] = "auto",
    model: Annotated[
        str | None,
        model_option(
            "Which model: a name from `earmark models list`, or an .onnx file. Only this machine needs to have it."
        ),
    ] = None,
    windows: Annotated[int | None, windows_option("Only N windows of each track, spread over it.")] = None,
    damaged: DamagedFiles = Damaged.error,
    embeddings: Annotated[
        bool, Option("--embeddings/--no-embeddings", help="Keep each track's embedding, too.")
    ] = True,
    tempo: Tempo = False,
    key: Key = False,
    shard_rows: Annotated[int, Option(callback=at_least(1), metavar="N", help="Tracks of a shard, about.")] = 200,
    timeout_seconds: Annotated[
        float, Option(metavar="S", help="A track that takes longer to fetch or to decode and tag is given up.")
    ] = 600.0,
    workers: Annotated[
        int | None,
        Option(
            callback=at_least(1),
            metavar="N",
            help="Workers at most.",
            show_default="as many as the cluster has cores for",
        ),
    ] = None,
    cores: Annotated[int, Option(callback=at_least(1), metavar="N", help="Cores of each worker.")] = 1,
    retry_failed: Annotated[bool, retry_failed_option("Make the shards again in which a track failed.")] = False,
    device: NetworkDevice = "cpu",
    quiet: QuietSummary = False,
) -> None:
    """Tag a million tracks on a Ray cluster; results are Parquet, one row per track and one column per tag.

    \b
    Examples:
      earmark cluster tag tracks.parquet --out tags --address local
      earmark cluster tag s3://lists/all.csv --out s3://results/tags --windows 8
      earmark cluster tag tracks.jsonl --out /shared/tags --model ./my.onnx --address 10.0.0.1:6379
      duckdb -c "SELECT uri, rock FROM 'tags/*.parquet' WHERE status = 'ok' ORDER BY rock DESC LIMIT 10"

    The same command again does only what is missing: shards are named after their rows, the model and the settings. A
    row that changed makes its shard again. A track that fails, hangs or crashes the decoder fails alone. Credentials for
    stores come from the environment, never from the manifest.

    Exit code: 0 all tagged, 1 some track failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    require_extra("scale", "`earmark cluster`", "fsspec", "pyarrow", "ray")
    from earmark.cluster.tagging import TagJob, tag_manifest

    job = TagJob(
        manifest=manifest,
        out=out,
        model=model,
        address=address,
        windows=windows,
        damaged=damaged.value,
        embeddings=embeddings,
        tempo=tempo,
        key=key,
        shard_rows=shard_rows,
        timeout_seconds=timeout_seconds,
        workers=workers,
        cores=cores,
        device=device,
        retry_failed=retry_failed,
    )
    with (
        exit_on_interrupt("shards that are finished are kept: the same command continues"),
        _Shown(quiet=quiet) as shown,
    ):
        tally = tag_manifest(job, shown)
    if not quiet:
        _summary(tally, out)
    if tally.n_failed or tally.n_failed_kept:
        raise click.exceptions.Exit(EXIT_FAILED)


def _summary(tally: Tally, out: str) -> None:
    n_failed = tally.n_failed + tally.n_failed_kept
    click.echo(
        f"{counted(tally.n_rows - n_failed, 'track')} tagged, {n_failed:,} failed, in {counted(tally.n_shards, 'shard')}"
    )
    if tally.n_shards_kept:
        click.echo(f"there already: {tally.n_rows_kept:,} of them, in {counted(tally.n_shards_kept, 'shard')}")
    if tally.n_shards_done:
        click.echo(
            f"{clock(tally.audio_seconds)} of music, {file_size(tally.bytes_read)} read, {file_size(tally.bytes_written)} written; "
            f"{tally.core_hours:,.3g} core-hours"
        )
    if tally.n_stale:
        click.echo(f"moved to {out}/_stale: {counted(tally.n_stale, 'shard')} of rows that the manifest has no more")
    click.echo(f"{out}/*.parquet")


class _Shown(BarWatcher):
    """Progress on stderr: a bar on a terminal, one line per minute elsewhere. The first failed tracks are named."""

    def __init__(self, *, quiet: bool) -> None:
        console = stderr_console()
        super().__init__(console, note_bar(console, quiet=quiet))
        self.quiet = quiet
        self.started = time.monotonic()
        self.n_reported = 0
        self.task = self.progress.add_task("tagging", total=None, note="reading the manifest")

    def planned(self, tally: Tally) -> None:
        """See :class:`earmark.cluster.tagging.TaggingProgress`, here and below."""
        n_shards, n_rows = tally.n_shards - tally.n_shards_kept, tally.n_rows - tally.n_rows_kept
        self._say(
            f"{counted(tally.n_rows, 'track')} in {counted(tally.n_shards, 'shard')}; "
            f"to be done: {counted(n_rows, 'track')} in {n_shards:,}"
        )
        self.progress.update(self.task, total=max(1, n_rows), note="connecting to Ray")

    def connected(self, n_workers: int) -> None:
        self._say(counted(n_workers, "worker"))
        self.started = time.monotonic()
        self.progress.update(self.task, note="starting")

    def shard(self, report: Report, tally: Tally) -> None:
        for uri, reason in report.failures:
            self.n_reported += 1
            if self.n_reported <= _FAILURES_REPORTED:
                print_error(self.console, reason, uri)
            elif self.n_reported == _FAILURES_REPORTED + 1:
                print_error(self.console, "and more: the rows with status 'error' have all")
        text = progress_text(tally, time.monotonic() - self.started)
        self.progress.update(self.task, completed=tally.n_rows_done, note=text)
        if self.line_is_due():
            self._say(text)

    def note(self, text: str) -> None:
        print_note(self.console, text)

    def _say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(f"earmark: {text}", markup=False)


def progress_text(tally: Tally, seconds: float) -> str:
    """Speed, time left and cost, on one line; seconds since the workers began."""
    n_todo = tally.n_rows - tally.n_rows_kept
    speed = tally.n_rows_done / max(seconds, 1e-6)
    left = (n_todo - tally.n_rows_done) / speed if speed else 0.0
    cost = tally.core_hours_estimated
    return (
        f"{tally.n_rows_done:,}/{n_todo:,} tracks, {tally.n_failed:,} failed, {speed:,.1f} tracks/s, {clock(left)} left, "
        f"{tally.core_hours:,.3g} of about {0.0 if cost is None else cost:,.3g} core-hours"
    )
