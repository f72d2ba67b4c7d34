"""Options that several commands share: one declaration each, so that they are called and mean the same everywhere.

Where all commands say the same there is a type (``quiet: Quiet = False``). Where the help differs by command there is a
function that takes it (``jobs: Annotated[int | None, jobs_option("Files decoded side by side.")] = None``).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import click

from earmark.cli.commands import Argument, Option

MOST_JOBS = 1024
"""Each is a thread or a process: many more only cost time, or end where the system allows no more."""


class TextFormat(StrEnum):
    """``--format`` of commands that report something."""

    text = "text"
    json = "json"


class Damaged(StrEnum):
    """What is done with files that are known to lack audio."""

    error = "error"
    tag = "tag"


class ShardAudio(StrEnum):
    """The audio that shards hold."""

    flac = "flac"
    original = "original"


def at_least(least: int) -> Callable[[int | None], int | None]:
    """A check whose message has the value and the bound, unlike that of Click's own ``min=``."""

    def check(value: int | None) -> int | None:
        if value is not None and value < least:
            raise click.BadParameter(f"{value} is not a whole number of at least {least}")
        return value

    return check


def _check_windows(value: int | None) -> int | None:
    if value is not None:
        from earmark.tagging.options import MOST_SPARSE_WINDOWS

        if not 1 <= value <= MOST_SPARSE_WINDOWS:
            raise click.BadParameter(f"{value} is not a whole number from 1 to {MOST_SPARSE_WINDOWS}")
    return value


def _check_jobs(value: int | None) -> int | None:
    if value is not None and not 1 <= value <= MOST_JOBS:
        raise click.BadParameter(f"{value} is not a whole number from 1 to {MOST_JOBS}")
    return value


def jobs_option(help_text: str, show_default: bool | str = "one per core", *, metavar: str | None = "N") -> Any:
    """``--jobs N``, for a parameter of type ``int`` or ``int | None``; without a metavar the help shows the range."""
    if metavar is None:
        return Option("--jobs", "-j", min=1, max=MOST_JOBS, help=help_text, show_default=show_default)
    return Option("--jobs", "-j", callback=_check_jobs, metavar=metavar, help=help_text, show_default=show_default)


def quiet_option(help_text: str) -> Any:
    """``--quiet``, for a parameter of type ``bool``."""
    return Option("--quiet", "-q", help=help_text)


def model_option(help_text: str, show_default: str = "the bundled one", *, metavar: str = "NAME|FILE") -> Any:
    """``--model``, for a parameter of type ``str | None``."""
    return Option("--model", metavar=metavar, help=help_text, show_default=show_default)


def layer_option(help_text: str) -> Any:
    """``--layer NAME``, for a parameter of type ``str | None``."""
    return Option("--layer", metavar="NAME", help=help_text, show_default="what goes into the last layer")


def windows_option(help_text: str) -> Any:
    """``--windows N``, for a parameter of type ``int | None``."""
    return Option("--windows", callback=_check_windows, metavar="N", help=help_text, show_default="all")


def out_option(help_text: str, *, metavar: str | None = None, show_default: bool | str = True) -> Any:
    """``--out``, for a parameter of type ``Path`` or ``str``."""
    return Option("--out", metavar=metavar, help=help_text, show_default=show_default)


def dataset_option(help_text: str, *, show_default: bool | str = True) -> Any:
    """``--dataset``, for a parameter of type ``str``."""
    return Option("--dataset", help=help_text, show_default=show_default)


def root_option(help_text: str, *, metavar: str | None = None, show_default: bool | str = True) -> Any:
    """``--root``, for a parameter of type ``Path`` or ``str``."""
    return Option("--root", metavar=metavar, help=help_text, show_default=show_default)


def protocol_option(help_text: str, *, show_default: bool | str = True) -> Any:
    """``--protocol``, for a parameter of type ``str | None``, or a list of them."""
    return Option("--protocol", help=help_text, show_default=show_default)


def split_option(help_text: str) -> Any:
    """``--split``, for a parameter of type ``str``."""
    return Option("--split", help=help_text)


def hub_option(help_text: str) -> Any:
    """``--hub``, for a parameter of type ``str | None``."""
    return Option(
        "--hub", metavar="URL", envvar="HF_ENDPOINT", help=help_text, show_default="the hub's library, where installed"
    )


def groups_option(help_text: str) -> Any:
    """``--groups``, for a parameter of type ``str | None``."""
    return Option("--groups", help=help_text)


def device_option(help_text: str) -> Any:
    """``--device``, for a parameter of type ``str``."""
    return Option("--device", help=help_text)


def seed_option(help_text: str) -> Any:
    """``--seed``, for a parameter of type ``int``."""
    return Option("--seed", min=0, help=help_text)


def resamples_option(least: int = 1, help_text: str = "Bootstrap draws for the 95 % intervals.") -> Any:
    """``--resamples``, for a parameter of type ``int``."""
    return Option("--resamples", min=least, help=help_text)


def metric_option(kind: Literal["classification", "regression"] | None = None) -> Any:
    """``--metric``, for a parameter of type ``str``: one of the table's metrics of scores, for one kind of tag or all."""

    def check(value: str) -> str:
        from earmark.core.errors import ConfigError
        from earmark.metrics import list_metrics

        if value not in (known := list_metrics(kind, decisions=False)):
            raise ConfigError(f"--metric {value!r}: must be one of {', '.join(known)}")
        return value

    examples = {"classification": "roc_auc or pr_auc", "regression": "rmse"}.get(kind or "", "roc_auc, pr_auc or rmse")
    return Option("--metric", callback=check, help=f"{examples}, or one that was added to earmark.metrics.")


def decision_threshold_option(show_default: str = "") -> Any:
    """``--threshold`` of metrics of decisions, for a parameter of type ``str | None``."""
    words = "For precision, recall and F1: a number, a model's card.json, or a scores file (of validation clips) whose best "
    return Option("--threshold", help=f"{words}F1 sets each tag's.", show_default=show_default or False)


def format_option(help_text: str) -> Any:
    """``--format``, for a parameter of a StrEnum's type."""
    return Option("--format", help=help_text)


def force_option(help_text: str) -> Any:
    """``--force``, for a parameter of type ``bool``."""
    return Option("--force", help=help_text)


def retry_failed_option(help_text: str) -> Any:
    """``--retry-failed``, for a parameter of type ``bool``."""
    return Option("--retry-failed", help=help_text)


Jobs = Annotated[int | None, jobs_option("Files read side by side.")]
DecodingJobs = Annotated[int | None, jobs_option("Files decoded side by side.")]
Quiet = Annotated[bool, quiet_option("No progress on stderr.")]
QuietSummary = Annotated[bool, quiet_option("No progress, notes and summary; errors are still reported.")]
Format = Annotated[TextFormat, format_option("text for people; json, or jsonl, one JSON value per line, for programs.")]
Resamples = Annotated[int, resamples_option()]
Seed = Annotated[int, seed_option("Of these draws.")]
Device = Annotated[str, device_option("auto, cpu, cuda or mps.")]
EmbedAudio = Annotated[
    bool,
    Option(
        "--embed-audio", help="Put the first 45 s of the clips shown into the page, as MP3, in place of links to files."
    ),
]
Force = Annotated[bool, force_option("Replace FILE if it exists.")]

# tagging
Model = Annotated[str | None, model_option("Which model: a name from `earmark models list`, or an .onnx file.")]
DamagedFiles = Annotated[
    Damaged, Option("--damaged", help="Truncated or damaged files: an error, or tag what can be decoded and say so.")
]  # fmt: skip
NetworkDevice = Annotated[str, device_option("Of the network: cpu, cuda, directml or coreml; see docs/gpu.md.")]
Tempo = Annotated[bool, Option("--tempo", help="Also estimate each file's tempo; not with --windows.")]
Key = Annotated[bool, Option("--key", help="Also estimate each file's key; not with --windows.")]
IndexFile = Annotated[
    Path | None,
    Option(
        "--index",
        metavar="FILE",
        envvar="EARMARK_INDEX",
        help="The library's index.",
        show_default="library.sqlite in your data folder",
    ),
]

# datasets
DatasetName = Annotated[str, Argument(help="One of `earmark data list`.")]
LabelledDataset = Annotated[str, dataset_option("One of `earmark data list`; manifest for a table of your own.")]
DatasetRoot = Annotated[Path, root_option("The dataset's folder; for a manifest the table itself.")]
Protocol = Annotated[str | None, protocol_option("A named split. Default: the one that fits the files under --root.")]
Split = Annotated[str, split_option("train, validation or test.")]
GROUPS_DEFAULT = "Default: artists where all are known, else songs, else clips."
Groups = Annotated[str | None, groups_option(f"Draw artist, song or clip. {GROUPS_DEFAULT}")]

# shards
Protocols = Annotated[
    list[str] | None,
    protocol_option(
        "A named split, whose clips are prepared; may be repeated; all for every one of the "
        "dataset. Default: the one that fits the files under --root.",
        show_default=False,
    ),
]
ShardAudioKind = Annotated[
    ShardAudio, Option("--audio", help="flac: mono, 16 bits, at --rate. original: the files as they are.")
]
Rate = Annotated[int | None, Option("--rate", help="Sample rate of the FLAC audio in Hz. Default: 16000.")]
ShardMegabytes = Annotated[float | None, Option("--shard-mb", help="Size of a shard in MB, about. Default: 256.")]
RetryFailedClips = Annotated[
    bool, retry_failed_option("Try the clips of failed.csv again; only their shards are rewritten.")
]
DEFAULT_RATE_HZ = 16_000


def rate_of(rate: int | None, audio: ShardAudio) -> int | None:
    """``--rate`` in Hz, or the default where the shards hold FLAC."""
    return DEFAULT_RATE_HZ if rate is None and audio is ShardAudio.flac else rate


ClusterAddress = Annotated[str, Option("--address", help="auto: this machine's cluster; local; or HOST:PORT.")]
