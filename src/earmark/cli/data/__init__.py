"""`earmark data`: which datasets there are, and whether what lies on the disk is all there."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.data.prepare import prepare

if TYPE_CHECKING:
    from earmark.datasets import DatasetInfo

app = typer.Typer(no_args_is_help=True, help="Datasets: list them, check what lies on the disk, prepare it.")


class Format(StrEnum):
    """How results are written to stdout."""

    text = "text"
    json = "json"


@app.command("list")
def list_data(
    output: Annotated[Format, typer.Option("--format", help="text for people, json for programs.")] = Format.text,
) -> None:
    """List the datasets: their named splits (protocols), tags, licence, and where they come from.

    \b
    Examples:
      earmark data list
      earmark data list --format json
    """
    from earmark.datasets import dataset_info, list_datasets

    infos = [dataset_info(name) for name in list_datasets()]
    if output is Format.json:
        typer.echo(json.dumps([_as_dict(info) for info in infos], indent=2, ensure_ascii=False))
        return
    for place, info in enumerate(infos):
        if place:
            typer.echo()
        typer.echo(f"{info.name}: {info.title}")
        for protocol in info.protocols:
            typer.echo(f"  {protocol.name:<16} {protocol.description}")
        typer.echo(f"  tags: {_tags(info)}")
        typer.echo(f"  licence: {info.licence}")
        if info.url:
            typer.echo(f"  from: {info.url}")
    typer.echo("\nMore of one: earmark data show NAME")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="One of `earmark data list`.")],
    output: Annotated[Format, typer.Option("--format", help="text for people, json for programs.")] = Format.text,
) -> None:
    """Show a dataset: its layout, paper, licence, downloads with checksums, protocols, clips that are never used.

    \b
    Examples:
      earmark data show magnatagatune
    """
    from earmark.datasets import dataset_info

    info = dataset_info(name)
    if output is Format.json:
        typer.echo(json.dumps(_as_dict(info), indent=2, ensure_ascii=False))
        return
    typer.echo(f"{info.name}: {info.title}")
    about = (
        ("wants", info.description),
        ("cite", info.citation),
        ("licence", info.licence),
        ("from", info.url),
        ("tags", _tags(info)),
    )
    for what, text in about:
        if text:
            typer.echo(f"  {what}: {text}")
    if info.protocols:
        typer.echo("  protocols:")
    for protocol in info.protocols:
        typer.echo(f"    {protocol.name:<16} {protocol.description}")
    if info.downloads:
        typer.echo("  downloads:")
    for download in info.downloads:
        sums = [f"{kind} {value}" for kind, value in (("SHA-256", download.sha256), ("MD5", download.md5)) if value]
        size = [f"{download.n_bytes:,} bytes"] if download.n_bytes is not None else []
        typer.echo(f"    {download.url}")
        typer.echo(f"      {'; '.join([download.what, *size, *sums])}")
    if info.exclusions:
        typer.echo("  never used:")
    for clip, reason in info.exclusions.items():
        typer.echo(f"    {clip} ({reason})")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="One of `earmark data list`.")],
    root: Annotated[Path, typer.Option("--root", help="Where it lies; for a manifest the table itself.")],
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="A named split. Default: the one that fits what lies under --root.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not listen: only missing and empty files, and files that are the same.")
    ] = False,
    min_seconds: Annotated[
        float | None,
        typer.Option("--min-seconds", min=0.0, help="Clips below this length are too short.", show_default=False),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="text for people, json for programs.")] = Format.text,
    most: Annotated[
        int, typer.Option("--most", min=1, help="Clips named for each kind of fault; json names all.")
    ] = 20,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Files side by side. Default: one a core.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Look at every clip of a dataset: missing, unreadable, too short, silent, or there twice?

    Also counted: clips of each split and tag, clips without tags, and songs and artists on both sides of the split.

    \b
    Examples:
      earmark data check magnatagatune --root ~/mtat --min-seconds 29
      earmark data check magnatagatune --root ~/mtat --protocol mtat-lee --quick
      earmark data check manifest --root labels.csv --format json > check.json

    Exit code: 0 all clips are good, 1 some are not or the dataset cannot be read, 2 wrong usage.
    """
    from rich.console import Console
    from rich.progress import Progress

    from earmark.cli.data.report_text import report_lines
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.core.errors import ConfigError
    from earmark.datasets import load_dataset
    from earmark.datasets.check import check_dataset

    if quick and min_seconds is not None:
        raise ConfigError("--min-seconds needs the files to be listened to: not together with --quick")
    if name == "manifest" and protocol is None:
        from earmark.datasets.manifest import load_manifest

        loaded = load_manifest(root, check_files=False)  # missing files are for the report
    else:
        loaded = load_dataset(name, root, protocol)
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    bar = Progress(console=messages, transient=True, disable=quiet or not messages.is_terminal)
    with exit_on_interrupt("nothing was changed"), bar as progress:
        task = progress.add_task("looking" if quick else "listening", total=None)
        report = check_dataset(
            loaded,
            decode=not quick,
            min_seconds=min_seconds,
            jobs=jobs,
            on_done=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if output is Format.json:
        typer.echo(report.to_json(), nl=False)
    else:
        for line in report_lines(report, most=most):
            typer.echo(line)
    if not report.ok:
        raise typer.Exit(1)


app.command(no_args_is_help=True)(prepare)


def _tags(info: DatasetInfo) -> str:
    return f"{len(info.tags)}: {', '.join(info.tags)}" if info.tags else info.tags_from or "from its files"


def _as_dict(info: DatasetInfo) -> dict[str, object]:
    import dataclasses

    return {**dataclasses.asdict(info), "exclusions": dict(info.exclusions)}
