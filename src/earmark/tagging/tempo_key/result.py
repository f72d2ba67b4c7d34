"""What is estimated of a recording: its tempo and its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from earmark.core.errors import ConfigError
from earmark.core.musical_key import MusicalKey


class TempoRecord(TypedDict):
    """A tempo in JSON Lines; bpm is null where no beat is clear."""

    bpm: float | None
    confidence: float


class KeyRecord(TypedDict):
    """A key in JSON Lines; null where no key is clear."""

    key: str | None
    name: str | None
    camelot: str | None
    open_key: str | None
    confidence: float
    tuning_hz: float


@dataclass(frozen=True)
class Tempo:
    """The tempo of a recording.

    Args:
        bpm: beats per minute, rounded to 0.1; None where no beat is clear.
        confidence: 0..1.

    Raises:
        ConfigError: a tempo or confidence out of range.

    Examples:
        >>> str(Tempo(123.42, 0.9)), str(Tempo(None, 0.1))
        ('123.4 BPM', 'no clear beat')
    """

    bpm: float | None
    confidence: float

    def __post_init__(self) -> None:
        if self.bpm is not None:
            if not self.bpm > 0:
                raise ConfigError(f"tempo {self.bpm} BPM: more than 0 is allowed, or None for no clear beat")
            object.__setattr__(self, "bpm", round(float(self.bpm), 1))
        _check_confidence(self.confidence)

    def __str__(self) -> str:
        return "no clear beat" if self.bpm is None else f"{self.bpm:.1f} BPM"

    def record(self) -> TempoRecord:
        """For JSON.

        Examples:
            >>> Tempo(123.4, 0.93).record()
            {'bpm': 123.4, 'confidence': 0.93}
        """
        return {"bpm": self.bpm, "confidence": round(self.confidence, 4)}


@dataclass(frozen=True)
class KeyEstimate:
    """The key of a recording.

    Args:
        key: the key; None where none is clear.
        confidence: 0..1.
        tuning_hz: frequency of A4.

    Raises:
        ConfigError: a confidence out of range.

    Examples:
        >>> str(KeyEstimate(MusicalKey(6, "minor"), 0.8, 441.3))
        'F# minor (11A)'
    """

    key: MusicalKey | None
    confidence: float
    tuning_hz: float = 440.0

    def __post_init__(self) -> None:
        _check_confidence(self.confidence)

    def __str__(self) -> str:
        return "no clear key" if self.key is None else f"{self.key.name} ({self.key.camelot})"

    def record(self) -> KeyRecord:
        """For JSON.

        Examples:
            >>> KeyEstimate(MusicalKey(6, "minor"), 0.8, 440.2).record()["camelot"]
            '11A'
        """
        key = self.key
        return {
            "key": None if key is None else key.id3,
            "name": None if key is None else key.name,
            "camelot": None if key is None else key.camelot,
            "open_key": None if key is None else key.open_key,
            "confidence": round(self.confidence, 4),
            "tuning_hz": round(self.tuning_hz, 1),
        }


def _check_confidence(confidence: float) -> None:
    if not 0 <= confidence <= 1:
        raise ConfigError(f"confidence {confidence}: 0 to 1 is allowed")
