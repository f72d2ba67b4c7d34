"""One vector of named, hand-made features for a file: timbre, loudness, rhythm and harmony, as statistics over time.

The features are those of a usual descriptor set; pons2017 (section 4) does not name its own. A file is read in
excerpts of 30 seconds: all of them where there are at most 16; of a longer file every second, fourth .. one, so
between 4 and 8 minutes spread evenly over it: time and memory do not grow with its length (decoding does).
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from earmark import audio
from earmark.baselines import descriptors as d
from earmark.core.errors import AudioError

Features = npt.NDArray[np.float32]
Group = Literal["timbre", "loudness", "rhythm", "harmony"]

REVISION = 1
"""Raise it whenever a value changes: features kept on disk are then computed again."""

EXCERPT_SECONDS = 30
MAX_EXCERPTS = 16
_EXCERPT_SAMPLES = EXCERPT_SECONDS * d.SAMPLE_RATE_HZ

FULL = ("mean", "std", "skewness", "p10", "p90")
SPREAD = ("mean", "std")


@dataclass(frozen=True)
class Feature:
    """A name such as ``centroid_hz.p90``, its unit ("" for a bare number) and what it describes."""

    name: str
    unit: str
    group: Group


@dataclass(frozen=True)
class _Row:
    """One or several rows of frames, and the statistics of each."""

    name: str
    unit: str
    group: Group
    statistics: tuple[str, ...] = FULL
    labels: tuple[str, ...] = ("",)


_ROWS = (
    _Row("mfcc", "dB", "timbre", FULL, tuple(f"_{i:02d}" for i in range(d.N_MFCC))),
    _Row("mfcc_change", "dB", "timbre", SPREAD, tuple(f"_{i:02d}" for i in range(d.N_MFCC))),
    _Row("contrast_db", "dB", "timbre", FULL, tuple(f"_{i}" for i in range(d.N_CONTRAST))),
    _Row("centroid_hz", "Hz", "timbre"),
    _Row("bandwidth_hz", "Hz", "timbre"),
    _Row("rolloff_hz", "Hz", "timbre"),
    _Row("flatness_db", "dB", "timbre"),
    _Row("zero_crossings", "share", "timbre"),
    _Row("percussive_share", "share", "rhythm"),
    _Row("onset", "dB", "rhythm"),
    _Row("rms_db", "dB", "loudness"),
    _Row("chroma", "", "harmony", SPREAD, tuple(f"_{pitch}" for pitch in d.PITCHES)),
    _Row("tonnetz", "", "harmony", SPREAD, tuple(f"_{i}" for i in range(6))),
    _Row("chroma_entropy", "share", "harmony", SPREAD),
    _Row("chroma_change", "share", "harmony", SPREAD),
    _Row("tuning_cents", "cents", "harmony", ("mean",)),
)

_WHOLE = (
    Feature("dynamic_range_db", "dB", "loudness"),
    Feature("crest_db", "dB", "loudness"),
    Feature("silent_share", "share", "loudness"),
    Feature("low_energy_share", "share", "loudness"),
    Feature("tempo_bpm", "bpm", "rhythm"),
    Feature("tempo_strength", "", "rhythm"),
    *(Feature(f"tempogram_{bpm}", "", "rhythm") for bpm in d.TEMPO_POINTS_BPM),
    Feature("beat_rate_hz", "Hz", "rhythm"),
    Feature("beat_spread", "share", "rhythm"),
    Feature("beat_contrast", "", "rhythm"),
    Feature("onset_rate_hz", "Hz", "rhythm"),
    Feature("key_major", "", "harmony"),
    Feature("key_minor", "", "harmony"),
    Feature("key_clearness", "", "harmony"),
    *(Feature(f"key_pitch_{step:02d}", "", "harmony") for step in range(12)),
)

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(f"{row.name}{label}.{statistic}", "" if statistic == "skewness" else row.unit, row.group)
        for row in _ROWS
        for label in row.labels
        for statistic in row.statistics
    ),
    *_WHOLE,
)
"""What the numbers of a vector are, in their order."""


def features_version() -> str:
    """What the values depend on besides the file: this module's revision and librosa's version."""
    return f"{REVISION}-librosa-{importlib.metadata.version('librosa')}"


def file_features(path: str | Path) -> tuple[Features, tuple[str, ...]]:
    """Features of an audio file.

    Returns:
        (n_features,) float32, finite, in the order of :data:`FEATURES`; and what the decoder warns of, such as silence.

    Raises:
        AudioError: the file cannot be read, see :class:`earmark.audio.AudioStream`.
    """
    compile_librosa()
    stream = audio.stream(path, d.SAMPLE_RATE_HZ)
    vector = _features(_excerpts(stream))
    return vector, tuple(stream.warnings)


def waveform_features(samples: npt.ArrayLike, sample_rate_hz: int) -> Features:
    """Features of a waveform in memory.

    Args:
        samples: (n_samples,) or (n_channels, n_samples), floating point, full scale -1..1.
        sample_rate_hz: its rate.

    Returns:
        (n_features,) float32, finite, in the order of :data:`FEATURES`.

    Raises:
        AudioError: no samples, integers, NaN or infinite samples.
    """
    compile_librosa()
    return _features(_excerpts([audio.resample(samples, sample_rate_hz, d.SAMPLE_RATE_HZ)]))


@functools.cache
def compile_librosa() -> None:
    """Have librosa's machine code made, by one process of this user at a time; some 10 s once, .1 s in later processes.

    Numba keeps that code in two files per function. Processes that make it at the same time leave files that do not
    belong together, and whoever loads those crashes (numba issue 10128).
    """
    with FileLock(compile_lock_path()):
        _features([np.random.default_rng(0).uniform(-0.1, 0.1, 3 * d.SAMPLE_RATE_HZ).astype(np.float32)])


def compile_lock_path() -> Path:
    """The file that is locked while librosa is compiled, one for each user of the machine."""
    user = os.getuid() if hasattr(os, "getuid") else "librosa"  # Windows: every user has a folder of temporary files
    return Path(tempfile.gettempdir()) / f"earmark-{user}.lock"


def _excerpts(blocks: Iterable[Features]) -> list[Features]:
    """The excerpts that are used; never more than 17 in memory."""
    kept: list[Features] = []
    step, n_seen = 1, 0
    waiting: list[Features] = []
    n_waiting = 0

    def take(excerpt: Features) -> None:
        nonlocal kept, step, n_seen
        if n_seen % step == 0:
            kept.append(excerpt)
            if len(kept) > MAX_EXCERPTS:
                kept, step = kept[::2], 2 * step
        n_seen += 1

    for block in blocks:
        waiting.append(block)
        n_waiting += len(block)
        if n_waiting >= _EXCERPT_SAMPLES:
            joined = np.concatenate(waiting)
            for start in range(0, n_waiting - _EXCERPT_SAMPLES + 1, _EXCERPT_SAMPLES):
                take(joined[start : start + _EXCERPT_SAMPLES].copy())
            waiting = [joined[n_waiting - n_waiting % _EXCERPT_SAMPLES :].copy()]
            n_waiting = len(waiting[0])
    if n_waiting >= d.SAMPLE_RATE_HZ or (n_waiting and not n_seen):
        take(np.concatenate(waiting))
    elif n_waiting and step == 1:  # less than a second is too short for statistics
        kept[-1] = np.concatenate([kept[-1], *waiting])
    if not kept:
        raise AudioError("holds no audio samples")
    return kept


def _features(excerpts: list[Features]) -> Features:
    parts: list[dict[str, Features]] = []
    for excerpt in excerpts:
        padded = np.pad(excerpt, (0, max(0, d.HARMONY_FRAME_SAMPLES - len(excerpt))))
        parts.append(d.timbre_frames(padded) | d.harmony_frames(padded))
    frames = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    numbers = [
        value
        for row in _ROWS
        for values in frames[row.name]
        for value in _statistics(values.astype(np.float64), row.statistics)
    ]
    peak = max(float(np.abs(excerpt).max()) for excerpt in excerpts)
    whole = d.loudness_features(frames["rms_db"][0], peak)
    whole |= d.rhythm_features(frames["onset"][0])
    whole |= d.key_features(frames["chroma"])
    vector = np.array([*numbers, *(whole[feature.name] for feature in _WHOLE)], dtype=np.float32)
    assert vector.shape == (len(FEATURES),)
    return vector


def _statistics(values: npt.NDArray[np.float64], wanted: tuple[str, ...]) -> list[float]:
    mean, std = float(values.mean()), float(values.std())
    low, high = np.percentile(values, (10, 90))
    flat = std <= 1e-6 * max(1.0, abs(mean))  # rounding errors have no shape
    skewness = 0.0 if flat else float(((values - mean) ** 3).mean()) / std**3
    found = {"mean": mean, "std": std, "skewness": skewness, "p10": float(low), "p90": float(high)}
    return [found[name] for name in wanted]
