"""`earmark cluster prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Option
from earmark.cli.data.prepare import PrepareWatcher, load, summary
from earmark.cli.options import (
    ClusterAddress,
    DatasetName,
    Protocols,
    Quiet,
    Rate,
    RetryFailedClips,
    ShardAudio,
    ShardAudioKind,
    ShardMegabytes,
    out_option,
    rate_of,
    root_option,
)
from earmark.core.exit_codes import EXIT_FAILED


def prepare(
    name: DatasetName,
    root: Annotated[Path, root_option("The folder of its lists, on this machine; for a manifest the table itself.")],
    out: Annotated[str, out_option("Folder for the shards: a path that all machines see, or a URI.")],
    audio_root: Annotated[
        str | None,
        Option(
            "--audio-root",
            help="The folder of its audio, under the names that it has under --root: a path that all machines see, or a "
            "URI. Default: --root, which all machines must see then.",
            show_default=False,
        ),
    ] = None,
    address: ClusterAddress = "auto",
    protocol: Protocols = None,
    audio: ShardAudioKind = ShardAudio.flac,
    rate: Rate = None,
    shard_mb: ShardMegabytes = None,
    cores: Annotated[int, Option("--cores", min=1, help="CPU cores with which each shard is made.")] = 1,
    retry_failed: RetryFailedClips = False,
    quiet: Quiet = False,
) -> None:
    """Decode a dataset once, into shards, on all machines of a Ray cluster.

    \b
    Examples:
      earmark cluster prepare magnatagatune --root /nfs/mtat --out /nfs/mtat-16k
      earmark cluster prepare manifest --root tracks.csv --audio-root s3://music/flac --out s3://music/shards-16k
      earmark cluster prepare emotify --root ~/emotify --out ~/emotify-16k --address local

    The shards are, byte for byte, those of `earmark data prepare`. A shard exists whole or not at all; the same command
    again makes only what is missing. Credentials of stores come from the environment.

    Exit code: 0 all clips are prepared, 1 some failed or shards could not be made, 2 wrong usage.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("scale", "`earmark cluster prepare`", "ray", "fsspec")

    from earmark.cluster.prepare import prepare as run_prepare
    from earmark.cluster.ray_session import connected
    from earmark.shards.sample import Sources

    root = root.expanduser().absolute()
    datasets = load(name, root, protocol or [])
    sources = Sources(root.parent if root.is_file() else root, audio_root) if audio_root is not None else None
    with (
        exit_on_interrupt("what is finished is kept: the same command continues"),
        connected(address),
        PrepareWatcher(out, quiet=quiet) as watcher,
    ):
        report = run_prepare(
            datasets,
            out,
            audio=audio.value,
            sample_rate_hz=rate_of(rate, audio),
            shard_megabytes=shard_mb,
            sources=sources,
            cores=cores,
            retry_failed=retry_failed,
            on_done=watcher.done,
        )
    summary(out, report)
    if report.failures:
        raise click.exceptions.Exit(EXIT_FAILED)
