"""Options of `earmark distill`, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Option
from earmark.cli.options import out_option

Sets = Annotated[Path, Option("--sets", metavar="DIR", help="Written by `earmark distill label`.")]
Page = Annotated[Path | None, out_option("Where to write the page.", metavar="FILE.md", show_default="stdout")]
Part = Annotated[str, Option("--part", metavar="I/N", help="Of N processes side by side, this is the I-th.")]


def write_page(page: str, out: Path | None) -> None:
    """Write a page to stdout, or into a file."""
    from earmark.core.atomic_files import write_atomic

    if out is None:
        click.echo(page, nl=False)
    else:
        write_atomic(out, page.encode())
        click.echo(str(out))


def part_of(text: str) -> tuple[int, int]:
    """The numbers of "I/N". Raises ConfigError for other text."""
    from earmark.core.errors import ConfigError

    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise ConfigError(f"--part {text!r}: must be I/N, for instance 1/2")
    return int(match[1]), int(match[2])
