"""Features of tracks with what is known of them, in one .npz file."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.tagging.tempo_key import TempoKeyMeter


@dataclass(frozen=True)
class Features:
    """What a meter keeps of a recording: onset strength, pitches of each step, and the histogram of cents."""

    onsets: npt.NDArray[np.float16]
    steps: npt.NDArray[np.float16]
    cents: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """A track: name, features and labels (bpm, 0 without a clear beat; tonic; mode; and others)."""

    name: str
    features: Features
    labels: dict[str, Any]


@dataclass(frozen=True)
class FeatureSet:
    """Tracks of a file."""

    tracks: list[Track]

    def to_bytes(self) -> bytes:
        """As .npz."""
        arrays: dict[str, Any] = {}
        for name in ("onsets", "steps"):
            parts = [getattr(track.features, name) for track in self.tracks]
            arrays[name] = np.concatenate(parts)
            arrays[f"n_{name}"] = np.array([len(part) for part in parts])
        arrays["cents"] = np.array([track.features.cents for track in self.tracks])
        arrays["tracks"] = np.array(json.dumps([{"name": track.name, **track.labels} for track in self.tracks]))
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    @classmethod
    def read(cls, path: Path) -> FeatureSet:
        """From a file that :meth:`to_bytes` made."""
        with np.load(path) as data:
            ends = {name: np.cumsum(data[f"n_{name}"])[:-1] for name in ("onsets", "steps")}
            onsets, steps = (np.split(data[name], ends[name]) for name in ("onsets", "steps"))
            cents, labels = data["cents"], json.loads(str(data["tracks"]))
        return cls(
            [
                Track(label.pop("name"), Features(*features), label)
                for label, *features in zip(labels, onsets, steps, cents, strict=True)
            ]
        )


def features_of(meter: TempoKeyMeter) -> Features:
    """The features of a meter that has all of the audio."""
    meter.flush()
    assert meter.onset_features is not None
    assert meter.pitch_features is not None
    return Features(
        meter.onset_features.onsets().astype(np.float16),
        meter.pitch_features.steps(),
        meter.pitch_features.cents.copy(),
    )
