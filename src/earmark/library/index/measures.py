"""Tempo and key of tracks, as an index has them: of one track, and as columns of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError, DataError
from earmark.core.musical_key import KEYS, MusicalKey
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

MEASURE_COLUMNS = "t.bpm, t.confidence, k.key, k.confidence, k.tuning_hz"
MEASURE_JOINS = "LEFT JOIN tempos t ON t.content_key = f.content_key LEFT JOIN keys k ON k.content_key = f.content_key"
"""SQL for MEASURE_COLUMNS of ``f``, the table of files."""

NO_KEY = -1
"""Stands for a key that is not known, in a column of places in KEYS."""

_PLACES = {key.id3: place for place, key in enumerate(KEYS)}

if TYPE_CHECKING:
    from earmark.library.index.track_index import Index

Floats = npt.NDArray[np.float64]


class TrackMeasures(TypedDict):
    """Keyword arguments of a track; None where no scan has estimated it."""

    tempo: Tempo | None
    key: KeyEstimate | None


def count_unmeasured(index: Index) -> int:
    """Files that can be searched and have no tempo or no key, because no scan has estimated it."""
    statement = (
        f"SELECT count(*) FROM files f {MEASURE_JOINS} "
        "WHERE f.status = 'ok' AND (t.content_key IS NULL OR k.content_key IS NULL)"
    )
    (n,) = index.execute(statement).fetchone()
    return int(n)


def measures_of(row: Sequence[Any]) -> TrackMeasures:
    """Tempo and key of one row of MEASURE_COLUMNS. Raises DataError: the index is damaged."""
    bpm, tempo_confidence, key, key_confidence, tuning_hz = row
    try:
        return {
            "tempo": None if tempo_confidence is None else Tempo(bpm, tempo_confidence),
            "key": None
            if key_confidence is None
            else KeyEstimate(key and MusicalKey.parse(key), key_confidence, tuning_hz),
        }
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the index is damaged ({error}): rename it, and make a new one") from error


@dataclass(frozen=True, eq=False)
class MeasureColumns:
    """Tempo and key of all tracks.

    Attributes:
        bpm: ``(n_tracks,)``, NaN where no beat is clear or no scan has estimated it.
        key_places: ``(n_tracks,)``, places in :data:`earmark.core.musical_key.KEYS`; NO_KEY where none is known.
        rows: of each track, MEASURE_COLUMNS.
    """

    bpm: Floats
    key_places: npt.NDArray[np.int64]
    rows: Sequence[Sequence[Any]]

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]]) -> MeasureColumns:
        """Columns of rows of MEASURE_COLUMNS. Raises DataError: the index is damaged."""
        rows = list(rows)
        try:
            bpm = np.array([row[0] for row in rows], np.float64)
            places = np.array([NO_KEY if row[2] is None else _PLACES[row[2]] for row in rows], np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the index is damaged ({error}): rename it, and make a new one") from error
        return cls(bpm, places, rows)

    def track(self, row: int) -> TrackMeasures:
        """Tempo and key of one track."""
        return measures_of(self.rows[row])
