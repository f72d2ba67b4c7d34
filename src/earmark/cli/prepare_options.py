"""Options that `earmark data prepare` and `earmark cluster prepare` share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

DEFAULT_RATE_HZ = 16_000


class Audio(StrEnum):
    """What the shards hold."""

    flac = "flac"
    original = "original"


Name = Annotated[str, typer.Argument(help="One of `earmark data list`.")]
Protocol = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        help="A named split, whose clips are prepared; may be repeated; [bold]all[/bold] for every one of the "
        "dataset. Default: the one that fits what lies under --root.",
        show_default=False,
    ),
]
AudioKind = Annotated[
    Audio, typer.Option("--audio", help="flac: mono, 16 bits, at --rate. original: the files as they are.")
]
Rate = Annotated[int | None, typer.Option("--rate", help="Sample rate of the FLAC audio in Hz. Default: 16000.")]
ShardMegabytes = Annotated[
    float | None, typer.Option("--shard-mb", help="About how large a shard is to be, in MB. Default: 256.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try the clips of failed.csv again; only their shards are rewritten.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def rate_of(rate: int | None, audio: Audio) -> int | None:
    """The rate in Hz that was asked for, or the default where the shards hold FLAC."""
    return DEFAULT_RATE_HZ if rate is None and audio is Audio.flac else rate
