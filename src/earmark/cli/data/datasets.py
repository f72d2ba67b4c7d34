"""`earmark data list` and `earmark data show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from earmark.cli.console import print_json
from earmark.cli.options import DatasetName, Format, TextFormat

if TYPE_CHECKING:
    from earmark.datasets import DatasetInfo, Download

MOST_ALIKE = 10
"""Of more files that are alike, `show` prints the first and the last."""


def list_data(
    output: Format = TextFormat.text,
) -> None:
    """List the datasets: their named splits (protocols), tags, licence, and where they come from.

    \b
    Examples:
      earmark data list
      earmark data list --format json
    """
    from earmark.datasets import dataset_info, list_datasets

    infos = [dataset_info(name) for name in list_datasets()]
    if output is TextFormat.json:
        print_json([_as_dict(info) for info in infos])
        return
    for place, info in enumerate(infos):
        if place:
            click.echo()
        click.echo(f"{info.name}: {info.title}")
        for protocol in info.protocols:
            click.echo(f"  {protocol.name:<16} {protocol.description}")
        click.echo(f"  tags: {_tags(info)}")
        click.echo(f"  licence: {info.licence}")
        if info.url:
            click.echo(f"  from: {info.url}")
    click.echo("\nMore of one: earmark data show NAME")


def show(
    name: DatasetName,
    output: Format = TextFormat.text,
) -> None:
    """Show a dataset: its layout, paper, licence, downloads with checksums, protocols, clips that are never used.

    \b
    Examples:
      earmark data show magnatagatune
    """
    from earmark.datasets import dataset_info
    from earmark.datasets.downloads import downloads_of

    info = dataset_info(name)
    if output is TextFormat.json:
        print_json(_as_dict(info))
        return
    click.echo(f"{info.name}: {info.title}")
    about = (
        ("wants", info.description),
        ("cite", info.citation),
        ("licence", info.licence),
        ("from", info.url),
        ("tags", _tags(info)),
    )
    for what, text in about:
        if text:
            click.echo(f"  {what}: {text}")
    if info.protocols:
        click.echo("  protocols:")
    for protocol in info.protocols:
        click.echo(f"    {protocol.name:<16} {protocol.description}")
    table = downloads_of(info)
    if table.files:
        click.echo("  downloads:")
    for download, text in _download_lines(table.files):
        click.echo(f"    {download}")
        click.echo(f"      {text}")
    for note in table.notes:
        click.echo(f"  note: {note}")
    if info.exclusions:
        click.echo("  never used:")
    for clip, reason in info.exclusions.items():
        click.echo(f"    {clip} ({reason})")


def _tags(info: DatasetInfo) -> str:
    return f"{len(info.tags)}: {', '.join(info.tags)}" if info.tags else info.tags_from or "from its files"


def _download_lines(files: Sequence[Download]) -> Iterator[tuple[str, str]]:
    """Address and description of each file; of files that differ in number and checksum alone, the first and the last."""
    from itertools import groupby

    from earmark.cli.data.download import size_text
    from earmark.core.download import LABELS

    for _, group in groupby(
        files, key=lambda file: (file.what, file.sets, file.url.rpartition("/")[0], file.about_bytes)
    ):
        alike = list(group)
        many = len(alike) > MOST_ALIKE
        for file in (alike[0], alike[-1]) if many else alike:
            sums = [f"{label} {value}" for kind, label in LABELS.items() if (value := getattr(file, kind))]
            size = [] if file.size_bytes is None else [size_text(file)]
            sets = [f"of {', '.join(file.sets)}"] if file.sets else []
            count = [f"one of {len(alike)}"] if many else []
            about = [file.what, *count, *sets, *size, *(sums or ["no checksum is published"])]
            yield file.url, "; ".join([*about, *([file.gone] if file.gone else [])])


def _as_dict(info: DatasetInfo) -> dict[str, object]:
    import dataclasses

    from earmark.datasets.downloads import downloads_of

    table = downloads_of(info)
    return {
        **dataclasses.asdict(dataclasses.replace(info, downloads=None)),
        "downloads": [dataclasses.asdict(file) for file in table.files],
        "download_sets": {name: dataclasses.asdict(one) for name, one in table.sets.items()},
        "download_notes": list(table.notes),
        "exclusions": dict(info.exclusions),
    }
