"""`earmark data list` and `earmark data show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from earmark.cli.console import print_json
from earmark.cli.options import DatasetName, Format, TextFormat

if TYPE_CHECKING:
    from earmark.datasets import DatasetInfo


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
    if info.downloads:
        click.echo("  downloads:")
    for download in info.downloads:
        known = (("SHA-256", download.sha256), ("SHA-1", download.sha1), ("MD5", download.md5))
        sums = [f"{kind} {value}" for kind, value in known if value]
        size = [f"{download.n_bytes:,} bytes"] if download.n_bytes is not None else []
        click.echo(f"    {download.url}")
        click.echo(f"      {'; '.join([download.what, *size, *sums])}")
    if info.exclusions:
        click.echo("  never used:")
    for clip, reason in info.exclusions.items():
        click.echo(f"    {clip} ({reason})")


def _tags(info: DatasetInfo) -> str:
    return f"{len(info.tags)}: {', '.join(info.tags)}" if info.tags else info.tags_from or "from its files"


def _as_dict(info: DatasetInfo) -> dict[str, object]:
    import dataclasses

    return {**dataclasses.asdict(info), "exclusions": dict(info.exclusions)}
