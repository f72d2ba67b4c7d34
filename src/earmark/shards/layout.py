"""The files in a folder of shards, and how its tables are read and written.

::

    shards.json           what this is: dataset, rate, kind of audio, counts, and size and SHA-256 of every shard
    index.jsonl           one line per clip: where its audio is
    shard-000000.tar      WebDataset: KEY.flac (or the original file, KEY.mp3) and KEY.json; and KEY.mean.flac where the
                          plain mean of the channels differs from KEY.flac
    records/              one file per finished shard: `prepare` resumes from them
    failed.csv            clips that could not be decoded, and why; absent if there are none
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from earmark.core.csv_text import csv_rows
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import Conditioning
from earmark.core.json_records import parse_json
from earmark.core.storage import Store

FORMAT = "earmark-shards"
FORMAT_VERSION = 2
_VERSIONS_READ = (1, FORMAT_VERSION)  # those of version 1 hold the plain mean of the channels only
_MOST = 2**50  # of bytes, samples or clips: no folder has as many
HEADER, INDEX, FAILED, RECORDS = "shards.json", "index.jsonl", "failed.csv", "records"

MEAN_ONLY = (
    "holds only the plain mean of the channels, in which music is lost whose channels cancel each other; prepare the "
    "dataset again in another folder to train networks with conditioning on what `earmark tag` reads"
)

AudioKind = Literal["flac", "original"]


class MeanAudio(NamedTuple):
    """Where the plain mean of a clip's channels is: for networks without conditioning. Attributes as those of Entry."""

    offset: int
    size: int
    crc32: int
    gain: float


class Entry(NamedTuple):
    """Where the audio of one clip is.

    Attributes:
        clip_id: of the dataset.
        shard: number of the shard.
        key: WebDataset key: the member's name without its suffix.
        suffix: the member's suffix without the dot.
        offset, size: bytes of the audio within the shard.
        crc32: of these bytes.
        n_samples: at the rate of the shards; None for original files.
        gain: factor that made the audio fit into 16 bits, mostly 1.
        duration_seconds: length of the source.
        mean: the plain mean of its channels, where it differs.
    """

    clip_id: str
    shard: int
    key: str
    suffix: str
    offset: int
    size: int
    crc32: int
    n_samples: int | None
    gain: float
    duration_seconds: float
    mean: MeanAudio | None = None


class FailedClip(NamedTuple):
    """A clip that could not be decoded: its file, and the reason in one line."""

    clip_id: str
    path: str
    reason: str


@dataclass(frozen=True)
class Record:
    """A finished shard.

    Attributes:
        size, sha256: of the tar file.
        entries: its clips, in order.
        failed: clips that should be in it.
    """

    size: int
    sha256: str
    entries: tuple[Entry, ...]
    failed: tuple[FailedClip, ...]


@dataclass(frozen=True)
class Header:
    """shards.json.

    Attributes:
        dataset, protocols: what was prepared.
        clip_list: SHA-256 of the clip ids in the order of the shards.
        metadata: SHA-256 of labels, splits, artists and songs.
        audio: "flac" or "original".
        sample_rate_hz: None for originals.
        cancelled_share: how channels were mixed, see :class:`earmark.core.input_spec.Conditioning`; None for the plain mean, and
            for originals.
        shard_megabytes: the requested size of a shard; None if the number of clips was given.
        clips_per_shard: clips in each but the last.
        n_clips: of the dataset, including failed clips.
        earmark_version: that started it.
        complete: whether all shards are finished; only then are the fields below filled in.
        duration_seconds, n_bytes: of all clips; of all shards.
        sizes, sha256: of every shard.
    """

    dataset: str
    protocols: tuple[str, ...]
    clip_list: str
    metadata: str
    audio: AudioKind
    sample_rate_hz: int | None
    shard_megabytes: float | None
    clips_per_shard: int
    n_clips: int
    earmark_version: str
    cancelled_share: float | None = None
    complete: bool = False
    n_failed: int = 0
    duration_seconds: float = 0.0
    n_bytes: int = 0
    sizes: tuple[int, ...] = field(default=(), repr=False)
    sha256: tuple[str, ...] = field(default=(), repr=False)

    @property
    def n_shards(self) -> int:
        """Number of shards when complete."""
        return -(-self.n_clips // self.clips_per_shard)


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:06d}.tar"


def record_name(number: int) -> str:
    """Path of the record of a finished shard."""
    return f"{RECORDS}/shard-{number:06d}.json"


def write_header(store: Store, header: Header) -> None:
    """Write shards.json."""
    content = {"format": FORMAT, "version": FORMAT_VERSION, "n_shards": header.n_shards, **asdict(header)}
    store.write(HEADER, (json.dumps(content, indent=1) + "\n").encode())


def read_header(store: Store) -> Header | None:
    """Read shards.json; None if there is none. Raises DataError if it is invalid."""
    path = store.at(HEADER)
    try:
        content = parse_json(store.read(HEADER))
        if content.pop("format") != FORMAT:
            raise DataError(f"{path}: not written by earmark")
        if (version := content.pop("version")) not in _VERSIONS_READ:
            known = " and ".join(map(str, _VERSIONS_READ))
            raise DataError(f"{path}: version {version}; this earmark reads version {known}")
        content.pop("n_shards")
        lists = ("protocols", "sizes", "sha256")
        header = Header(**{**content, **{name: tuple(content[name]) for name in lists}})
        _check(header.audio in ("flac", "original"), "audio", header.audio)
        _check(_is_count(header.clips_per_shard, 1), "clips_per_shard", header.clips_per_shard)
        _check(_is_count(header.n_clips), "n_clips", header.n_clips)
        _check(all(map(_is_count, header.sizes)), "sizes", header.sizes)
        if header.audio == "flac":
            _check(_is_count(header.sample_rate_hz, 1), "sample_rate_hz", header.sample_rate_hz)
        if header.cancelled_share is not None:
            Conditioning(cancelled_share=header.cancelled_share)
        return header
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise DataError(f"{path}: damaged ({error}); prepare the dataset again in another folder") from error


def write_record(store: Store, number: int, record: Record) -> None:
    """Write the record of a finished shard."""
    content = {
        "size": record.size,
        "sha256": record.sha256,
        "entries": [entry._asdict() for entry in record.entries],
        "failed": [failed._asdict() for failed in record.failed],
    }
    store.write(record_name(number), _line(content))


def read_record(store: Store, number: int) -> Record | None:
    """A finished shard's record; None if there is no readable one: the shard is then made again."""
    try:
        content = parse_json(store.read(record_name(number)))
        return Record(
            content["size"],
            content["sha256"],
            tuple(map(_entry, content["entries"])),
            tuple(FailedClip(**failed) for failed in content["failed"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_index(store: Store, entries: Iterable[Entry]) -> None:
    """Write index.jsonl."""
    store.write(INDEX, b"".join(_line(entry._asdict()) for entry in entries))


def read_index(store: Store) -> list[Entry]:
    """Read index.jsonl. Raises DataError."""
    try:
        return [_entry(parse_json(line)) for line in io.BytesIO(store.read(INDEX))]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{store.at(INDEX)}: cannot be read ({error}); run `earmark data prepare` again") from error


def _entry(document: Any) -> Entry:
    """Raises ValueError, TypeError."""
    if not isinstance(document, dict):
        raise TypeError(f"{document!r:.60} is no object")
    mean = document.get("mean")
    entry = Entry(**{**document, "mean": None if mean is None else MeanAudio(*mean)})
    parts: list[Entry | MeanAudio] = [entry] if entry.mean is None else [entry, entry.mean]
    for part in parts:
        _check(_is_count(part.offset), "offset", part.offset)
        _check(_is_count(part.size), "size", part.size)
        _check(isinstance(part.gain, int | float) and 0 < part.gain < math.inf, "gain", part.gain)
    _check(all(isinstance(text, str) for text in (entry.clip_id, entry.key, entry.suffix)), "clip_id", entry.clip_id)
    _check(_is_count(entry.shard), "shard", entry.shard)
    _check(entry.n_samples is None or _is_count(entry.n_samples), "n_samples", entry.n_samples)
    seconds = entry.duration_seconds
    _check(isinstance(seconds, int | float) and 0 <= seconds < _MOST, "duration_seconds", seconds)
    return entry


def _is_count(value: object, least: int = 0) -> bool:
    return isinstance(value, int) and least <= value < _MOST


def _check(ok: bool, name: str, value: object) -> None:
    if not ok:
        raise ValueError(f"{name} {value!r:.60}")


def write_failed(store: Store, failures: Sequence[FailedClip]) -> None:
    """Write failed.csv, or remove it if nothing failed."""
    if not failures:
        store.delete(FAILED)
        return
    store.write(FAILED, csv_rows([FailedClip._fields, *failures]).encode("utf-8", "surrogateescape"))


def _line(content: dict[str, Any]) -> bytes:
    """JSON in ASCII, so that names that are not valid UTF-8 are preserved."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n"
