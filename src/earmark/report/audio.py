"""The sound of a report's players: links to local files, or the beginning of each file embedded in the page."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np

from earmark import audio
from earmark.audio.file_discovery import find_audio
from earmark.core.errors import AudioError
from earmark.core.input_spec import Conditioning

EXCERPT_SECONDS = 45.0
_RATE_HZ = 32_000
_BITS_PER_SECOND = 64_000
_FRAME = 1152  # samples of an MP3 frame


def link(path: Path, page: Path) -> str:
    """The address of a file for a page: relative where the file is beside or below it, so that both can move together,
    else file://."""
    try:
        below = path.resolve().relative_to(page.resolve().parent)
    except ValueError:
        return path.resolve().as_uri()
    return quote(os.fsencode(below.as_posix()))


def embedded(path: Path, seconds: float = EXCERPT_SECONDS) -> str:
    """The first seconds of a file as MP3, mono, 64 kbit/s, in a data: address: some 360 kB.

    Raises:
        AudioError: the file cannot be read.
    """
    return "data:audio/mpeg;base64," + base64.b64encode(_excerpt(path, seconds)).decode()


def find_clips(clips: Iterable[str], folder: Path) -> dict[str, Path]:
    """Audio files of clips below a folder: the clip's id is a file's path there, with or without its ending, or its name
    alone where only one file is called so. Clips without a file are left out."""
    by_path: dict[str, Path] = {}
    by_name: dict[str, Path | None] = {}
    for one in find_audio([folder]):
        if one.error is not None:
            continue
        by_path[one.relative.as_posix()] = one.path
        by_path.setdefault(one.relative.with_suffix("").as_posix(), one.path)
        for key in {one.path.name, one.path.stem}:
            by_name[key] = None if key in by_name else one.path
    found = {}
    for clip in clips:
        if (path_of := by_path.get(clip) or by_name.get(clip) or by_name.get(Path(clip).name)) is not None:
            found[clip] = path_of
    return found


def _excerpt(path: Path, seconds: float) -> bytes:
    wanted = round(seconds * _RATE_HZ)
    blocks, n = [], 0
    for block in audio.stream(path, _RATE_HZ, Conditioning()):
        blocks.append(block[: wanted - n])
        n += len(blocks[-1])
        if n >= wanted:
            break
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(samples):
        raise AudioError("holds no audio samples", path)
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=_RATE_HZ, layout="mono")
        stream.bit_rate = _BITS_PER_SECOND
        for start in range(0, len(samples), _FRAME):
            part = np.ascontiguousarray(np.clip(samples[None, start : start + _FRAME], -1, 1))
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = _RATE_HZ, start, Fraction(1, _RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()
