"""`earmark cluster prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.data_prepare import DEFAULT_RATE_HZ, Audio, PrepareWatcher, load, summary


def prepare(
    name: Annotated[str, typer.Argument(help="One of `earmark data list`.")],
    root: Annotated[
        Path, typer.Option("--root", help="Where its lists lie, on this machine; for a manifest the table itself.")
    ],
    out: Annotated[str, typer.Option("--out", help="Folder for the shards: a path that all machines see, or a URI.")],
    audio_root: Annotated[
        str | None,
        typer.Option(
            "--audio-root",
            help="Where its audio lies, under the names that it has under --root: a path that all machines see, or a "
            "URI. Default: --root, which all machines must see then.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str,
        typer.Option("--address", help="[bold]auto[/bold]: this machine's cluster; [bold]local[/bold]; or HOST:PORT."),
    ] = "auto",
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            "--protocol",
            help="A named split, whose clips are prepared; may be repeated; [bold]all[/bold] for every one.",
            show_default=False,
        ),
    ] = None,
    audio: Annotated[
        Audio,
        typer.Option("--audio", help="flac: mono, 16 bits, at --rate. original: the files as they are."),
    ] = Audio.flac,
    rate: Annotated[
        int | None, typer.Option("--rate", help="Sample rate of the FLAC audio in Hz. Default: 16000.")
    ] = None,
    shard_mb: Annotated[
        float | None, typer.Option("--shard-mb", help="About how large a shard is to be, in MB. Default: 256.")
    ] = None,
    cores: Annotated[int, typer.Option("--cores", min=1, help="CPU cores with which each shard is made.")] = 1,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the clips of failed.csv again; only their shards are rewritten.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Decode a dataset once, into shards, on all machines of a Ray cluster.

    \b
    Examples:
      earmark cluster prepare magnatagatune --root /nfs/mtat --out /nfs/mtat-16k
      earmark cluster prepare manifest --root tracks.csv --audio-root s3://music/flac --out s3://music/shards-16k
      earmark cluster prepare emotify --root ~/emotify --out ~/emotify-16k --address local

    The shards are, byte for byte, those of `earmark data prepare`. A shard is there whole or not at all; the same command
    again makes only what is missing. Credentials of stores come from the environment.

    Exit code: 0 all clips are there, 1 some failed or shards could not be made, 2 wrong usage.
    """
    from earmark.cli.extra import require_extra, stopping_kindly

    require_extra("scale", "`earmark cluster prepare`", "ray", "fsspec")

    from earmark.scale.connecting import connected
    from earmark.scale.prepare import prepare as run_prepare
    from earmark.shards.sample import Sources

    rate_hz = DEFAULT_RATE_HZ if rate is None and audio is Audio.flac else rate
    root = root.expanduser().absolute()
    datasets = load(name, root, protocol or [])
    sources = Sources(root.parent if root.is_file() else root, audio_root) if audio_root is not None else None
    with (
        stopping_kindly("what is finished is kept: the same command goes on"),
        connected(address),
        PrepareWatcher(out, quiet=quiet) as watcher,
    ):
        report = run_prepare(
            datasets,
            out,
            audio=audio.value,
            sample_rate_hz=rate_hz,
            shard_megabytes=shard_mb,
            sources=sources,
            cores=cores,
            retry_failed=retry_failed,
            on_done=watcher.done,
        )
    summary(out, report)
    if report.failures:
        raise typer.Exit(1)
