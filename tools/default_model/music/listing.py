"""One source: its files are written as they are, and listed with what is known of them.

A listing is a JSON file in OUT/listings. It is written when the whole source is done, and a source is done again only
where its entry in the table has changed: the command may be stopped and started again.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from earmark.audio import SILENCE_PEAK, AudioBytes, stream
from earmark.audio.frames import best_stream
from earmark.core.atomic_files import write_atomic
from earmark.core.audio_formats import has_audio_suffix
from earmark.core.errors import AudioError, DataError
from tools.default_model.music import kept_apart
from tools.default_model.music.download import members
from tools.default_model.music.kept_apart import ComposerTitles
from tools.default_model.music.sources import Source

LISTING_VERSION = 1
SHORTEST_SECONDS = 20.0
FINGERPRINT_SECONDS = 30
FINGERPRINT_RATE_HZ = 8_000
FINGERPRINT_BANDS = 8

_SOUNDS = re.compile(
    r"(^|/)(sfx|sounds?|soundfx|soundeffects|effects?|fx|voices?|speech|samples|ambien[ct]e?s?|dj)/", re.I
)
_CREDITS = re.compile(r"(credit|licen[cs]e|copying|copyright|readme|authors?|attribution)[^/]*$", re.I)
_MOST_CREDIT_BYTES = 2_000_000


@dataclass(frozen=True)
class File:
    """One audio file of a source.

    Attributes:
        path: of the copy, relative to OUT.
        inside: path inside the source.
        artist: from the tags, the name or the table of sources; empty where unknown.
        title: from the tags or the name.
        genre: from the tags.
        duration_s: seconds, as its container says.
        fingerprint: level in dB of :data:`FINGERPRINT_BANDS` bands in each of the first seconds.
        labels: what macleod.csv says: genre, instruments, feel, split.
    """

    path: str
    inside: str
    artist: str
    title: str
    genre: str
    duration_s: float
    fingerprint: tuple[float, ...]
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """What a source gave.

    Attributes:
        digest: of its entry in the table of sources.
        files: that may be used.
        left_out: number of files by the reason for which they were left out.
    """

    digest: str
    files: tuple[File, ...]
    left_out: Mapping[str, int]


def read_listing(path: Path, source: Source) -> Listing | None:
    """A listing that was written before; None where there is none, or its source has changed since."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["digest"] != _digest(source):
        return None
    files = tuple(File(**{**entry, "fingerprint": tuple(entry["fingerprint"])}) for entry in found["files"])
    return Listing(found["digest"], files, found["left_out"])


def _digest(source: Source) -> str:
    return f"{LISTING_VERSION}-{source.digest}"


def list_source(source: Source, out: Path, titles: ComposerTitles, mirror: Path | None) -> Listing:
    """Download a source, write its music to OUT/audio, and list it; at once where that is done already.

    Raises:
        DataError: it cannot be downloaded; or its credits name music that is kept apart, and the table does not say
            why it may be used all the same.
    """
    record = out / "listings" / f"{source.name}.json"
    if (done := read_listing(record, source)) is not None:
        return done
    folder = out / "audio" / source.name
    shutil.rmtree(folder, ignore_errors=True)
    files: list[File] = []
    left_out: Counter[str] = Counter()
    hashes: set[str] = set()

    def wanted(path: str) -> bool:
        return is_wanted(source, path) or _CREDITS.search(path) is not None

    for member in members(source, out / "cache", mirror, wanted):
        if _CREDITS.search(member.path) and not has_audio_suffix(member.path):
            text = (member.content or b"")[:_MOST_CREDIT_BYTES].decode(errors="replace")
            if not source.reviewed and (kept_apart.names_composer([text]) or kept_apart.names_label([text])):
                raise DataError(
                    f"{source.name}: {member.path} names music that is kept apart; look at it, and say in sources.yaml "
                    "why the source may be used (reviewed), and which of its files may not (leave_out)"
                )
            continue
        if member.content is None:
            left_out["not in the copy of the repository (too large)"] += 1
            continue
        digest = hashlib.sha256(member.content).hexdigest()
        if digest in hashes:
            left_out["duplicate: same file"] += 1
            continue
        hashes.add(digest)
        target = folder / f"{len(files):04d}{PurePosixPath(member.path).suffix.lower()}"
        found = probe(source, member.path, member.content, titles)
        if isinstance(found, str):
            left_out[found] += 1
            continue
        folder.mkdir(parents=True, exist_ok=True)
        target.write_bytes(member.content)  # not synchronized one by one: without its listing the folder is made anew
        files.append(dataclasses.replace(found, path=target.relative_to(out).as_posix()))
    listing = Listing(_digest(source), tuple(files), dict(left_out))
    record.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(record, json.dumps(dataclasses.asdict(listing), indent=1, ensure_ascii=False).encode())
    return listing


def is_wanted(source: Source, path: str) -> bool:
    """Whether a path is audio that the source's patterns ask for; without patterns, that is in no folder of sounds."""
    if not has_audio_suffix(path) or any(fnmatch.fnmatchcase(path, pattern) for pattern in source.leave_out):
        return False
    if source.files:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in source.files)
    return source.content != "music" or _SOUNDS.search(path) is None


def probe(source: Source, inside: str, content: bytes, titles: ComposerTitles) -> File | str:
    """What is known of an audio file; the reason where it is left out. What is kept apart is not decoded."""
    audio = AudioBytes(content, Path(inside).name)
    try:
        with stream(audio, FINGERPRINT_RATE_HZ).open_container() as container:
            track = best_stream(container)
            if track is None:
                return "not audio"
            tags = {k.lower(): str(v).strip() for k, v in {**container.metadata, **track.metadata}.items()}
            duration = container.duration / 1e6 if container.duration else 0.0
    except (AudioError, OSError, ValueError) as error:
        return f"cannot be read ({type(error).__name__})"
    tag_artist = tags.get("artist") or tags.get("composer") or tags.get("album_artist") or tags.get("performer") or ""
    named_artist, named_title = kept_apart.title_from_name(inside, tag_artist or source.artist)
    if source.artist_last and named_artist and not (tag_artist or source.artist):
        *words, named_artist = [named_artist, *named_title.split(" - ")]
        named_title = " - ".join(words)
    artist, title = tag_artist or source.artist or named_artist, tags.get("title") or named_title
    labels: dict[str, str] = {}
    evidence = [inside, artist, source.artist, *tags.values()]
    if kept_apart.names_label(evidence):
        return "kept apart"
    if source.content == "music" and (kept_apart.names_composer(evidence) or titles.has_file(source.location, inside)):
        row = titles.find(source.location, inside, tags.get("title", ""))
        if row is None:
            return "kept apart"
        artist, title = kept_apart.COMPOSER, row.title
        labels = {"genre": row.genre, "instruments": row.instruments, "feel": row.feel, "split": row.split}
    elif source.needs_artist and not artist:
        return "artist unknown"
    if source.content == "music" and duration < SHORTEST_SECONDS:
        return f"shorter than {SHORTEST_SECONDS:.0f} s"
    try:
        fingerprint = _fingerprint(audio)
    except AudioError as error:
        return f"cannot be read ({type(error).__name__})"
    if fingerprint is None:
        return "silent"
    return File("", inside, artist, title, tags.get("genre", ""), round(duration, 2), fingerprint, labels)


def _fingerprint(audio: AudioBytes) -> tuple[float, ...] | None:
    blocks, n_samples = [], 0
    for block in stream(audio, FINGERPRINT_RATE_HZ):
        blocks.append(block)
        n_samples += len(block)
        if n_samples >= FINGERPRINT_SECONDS * FINGERPRINT_RATE_HZ:
            break
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(samples) or np.abs(samples).max() < SILENCE_PEAK:
        return None
    seconds = samples[: len(samples) // FINGERPRINT_RATE_HZ * FINGERPRINT_RATE_HZ].reshape(-1, FINGERPRINT_RATE_HZ)
    power = np.abs(np.fft.rfft(seconds, axis=1))[:, 1:4001] ** 2 / FINGERPRINT_RATE_HZ
    edges = np.unique(np.geomspace(40, 3_500, FINGERPRINT_BANDS + 1).astype(int))
    bands = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    return tuple(np.round(10 * np.log10(bands + 1e-6), 1).ravel().tolist())
