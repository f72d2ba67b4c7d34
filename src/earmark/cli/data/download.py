"""`earmark data download`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import print_table, stderr_console
from earmark.cli.options import Quiet, root_option
from earmark.cli.progress import BarWatcher, download_bar
from earmark.cli.text import counted, file_size
from earmark.core.exit_codes import EXIT_FAILED

if TYPE_CHECKING:
    from earmark.datasets.download_plan import DownloadPlan
    from earmark.datasets.downloads import Download

MOST_NAMED = 5
"""Archives named when they are downloaded."""


def download(
    name: Annotated[
        str | None,
        Argument(metavar="NAME", help="A dataset, or a set of one, e.g. fma-small; without it they are listed."),
    ] = None,
    root: Annotated[
        Path | None, root_option("The dataset's folder, made where missing.", metavar="DIR", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None,
        Option("--only", metavar="PART", help="annotations, audio, ...; may be repeated.", show_default="all parts"),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="List files, sizes and addresses; download nothing.")] = False,
    mirror: Annotated[
        str | None,
        Option(
            metavar="ADDRESS|DIR",
            help="Fetch the files from this folder (http or https, or on this machine) and nowhere else.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        Option(
            metavar="FILE.toml",
            help="Addresses, sizes and checksums from this table, in the form of earmark's own.",
            show_default=False,
        ),
    ] = None,
    keep_archives: Annotated[
        bool, Option("--keep-archives", help="Leave archives in DIR/.downloads when they are unpacked.")
    ] = False,
    timeout: Annotated[float, Option(metavar="SECONDS", min=0.1, help="Longest silence of a server.")] = 30.0,
    quiet: Quiet = False,
) -> None:
    """Download a dataset from its publishers, verify and unpack it.

    \b
    Examples:
      earmark data download
      earmark data download fma-small --root ~/fma --dry-run
      earmark data download fma-small --root ~/fma
      earmark data download magnatagatune --root ~/mtat --only annotations

    Its licence and what to cite are printed first. An archive is downloaded, its checksum verified, unpacked and removed
    before the next one. Files that are there stay as they are: other contents under the same name are an error. What
    was stopped or killed is continued by the same command. Proxies are taken from https_proxy and http_proxy.

    Exit code: 0 all of it is there, 1 it could not be had, the disk is too small, or files are missing, 2 wrong usage.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.core.errors import ConfigError
    from earmark.datasets.download_plan import plan_download
    from earmark.datasets.fetch import download_dataset

    if name is None:
        _list_all()
        return
    if root is None:
        raise ConfigError("--root: say into which folder")
    plan = plan_download(name, root, only=only or (), table=table)
    _print_about(plan)
    if dry_run:
        _print_files(plan)
        return
    to_come = [archive.name for archive in plan.to_come]
    with exit_on_interrupt("the same command continues"), _Watcher(quiet=quiet) as watcher:
        download_dataset(
            plan,
            mirror=mirror,
            keep_archives=keep_archives,
            timeout_seconds=timeout,
            on_step=watcher.step,
        )
    came = ", ".join(to_come) if len(to_come) <= MOST_NAMED else counted(len(to_come), "archive")
    click.echo(f"{root}: {f'{came} downloaded' if to_come else 'all of it was there already'}")
    _print_result(plan)


def _print_about(plan: DownloadPlan) -> None:
    """Licence, citation, and what cannot be downloaded."""
    info = plan.info
    what = "" if plan.set_name is None else f" ({plan.table.sets[plan.set_name].what})"
    click.echo(f"{info.title}{what}")
    for label, text in (("licence", info.licence), ("cite", info.citation), ("from", info.url)):
        if text:
            click.echo(f"  {label}: {text}")
    for note in plan.table.notes if plan.archives else ():
        click.echo(f"  note: {note}")


def _print_files(plan: DownloadPlan) -> None:
    files = [volume for archive in plan.archives for volume in archive.volumes]
    there = {archive.name for archive in plan.archives if archive.is_there}
    rows = [
        (
            file.name,
            file.part,
            size_text(file),
            checksum_kinds(file) or "none published",
            "is there" if file.archive_name in there else "gone" if file.gone else file.url,
        )
        for file in files
    ]
    print_table(("file", "part", "size", "checksum", "address"), rows)
    unknown = sum(file.size_bytes is None for file in files)
    total = file_size(sum(file.size_bytes or 0 for file in files))
    more = f", and {counted(unknown, 'file')} of unknown size" if unknown else ""
    click.echo(
        f"total: {counted(len(files), 'file')}, {total}{more}; space needed: about {file_size(plan.needed_bytes())}"
    )


def _print_result(plan: DownloadPlan) -> None:
    """What the dataset's reader finds, and how to go on. Exits with 1 where files are missing."""
    from earmark.datasets.fetch import load_downloaded

    if not plan.whole or plan.table.notes:
        return
    dataset = load_downloaded(plan)
    missing = sum(not clip.path.is_file() for clip in dataset.clips)
    counts = ", ".join(f"{split} {n:,}" for split, n in dataset.counts.items())
    click.echo(
        f"{dataset.name} ({dataset.protocol}): {len(dataset.clips):,} clips ({counts}), {missing:,} without a file"
    )
    click.echo(f"earmark data check {dataset.name} --root {plan.root} --protocol {dataset.protocol}")
    if missing:
        raise click.exceptions.Exit(EXIT_FAILED)


def size_text(file: Download) -> str:
    """The size of a file as it is known.

    >>> from earmark.datasets import Download
    >>> size_text(Download("http://host/x", "", about_bytes=7_730_000_000))
    'about 7.73 GB'
    """
    if file.n_bytes is not None:
        return file_size(file.n_bytes)
    return "unknown" if file.about_bytes is None else f"about {file_size(file.about_bytes)}"


def checksum_kinds(file: Download) -> str:
    """Which checksums of a file are known."""
    from earmark.core.download import LABELS

    return ", ".join(label for kind, label in LABELS.items() if getattr(file, kind))


def _list_all() -> None:
    """Everything that can be downloaded, and what cannot."""
    from earmark.datasets import dataset_info, list_datasets
    from earmark.datasets.downloads import downloads_of

    rows = []
    for name in list_datasets():
        info = dataset_info(name)
        table = downloads_of(info)
        if not (table.files or table.notes):
            continue
        sets = [(f"{name}-{set_name}", set_name, one.what) for set_name, one in table.sets.items()]
        for full_name, set_name, what in sets or [(name, "", info.title)]:
            files = table.select(set_name or None)
            rows.append(
                (
                    full_name,
                    _total_size(files),
                    ", ".join(dict.fromkeys(file.part for file in files)) or "-",
                    "no" if all(file.gone for file in files) else "yes",
                    what,
                )
            )
    print_table(("name", "size", "parts", "can be downloaded", "what it is"), rows)


def _total_size(files: Sequence[Download]) -> str:
    known = sum(file.size_bytes or 0 for file in files)
    if any(file.size_bytes is None for file in files):
        return f"more than {file_size(known)}" if known else "unknown"
    return file_size(known) if files else "-"


class _Watcher(BarWatcher):
    """The file at hand: a bar on a terminal, a line per minute elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        console = stderr_console(quiet=quiet)
        super().__init__(console, download_bar(console, quiet=quiet), quiet=quiet)
        self.task = self.progress.add_task("", total=None)
        self.shown = ""

    def step(self, step: str, name: str, done: int, total: int) -> None:
        """Bytes of a file are done."""
        description = f"{step} {name}"
        if description != self.shown:
            self.progress.reset(self.task, total=total or None, description=description)
            self.shown = description
        self.progress.update(self.task, completed=done, total=total or None)
        if self.line_is_due():
            share = f"{file_size(done)} of {file_size(total)}" if total else file_size(done)
            self.console.print(f"{description}: {share}")
