"""Keys: names, codes, the wheel and notations."""

from __future__ import annotations

import pytest

from earmark.core.errors import ConfigError
from earmark.core.musical_key import KEYS, MusicalKey

# Camelot, Open Key, ID3, and other names of the same key.
_WHEEL = """
    1A 6m G#m Abm G#min     1B 6d B Cb Bmajor
    2A 7m Ebm D#m Eb_minor  2B 7d F# Gb GbM
    3A 8m Bbm A#m B♭minor   3B 8d Db C# dbmaj
    4A 9m Fm E#m FMIN       4B 9d Ab G# AB
    5A 10m Cm B#m c-minor   5B 10d Eb D# E-flat-major
    6A 11m Gm gm G:min      6B 11d Bb A# bb
    7A 12m Dm D-minor DMin  7B 12d F E# f
    8A 1m Am A:minor am     8B 1d C B# CM
    9A 2m Em Fbm e:min      9B 2d G Gmaj g
    10A 3m Bm Cbm b-minor   10B 3d D Dmajor d
    11A 4m F#m Gbm f♯m      11B 4d A A:maj a
    12A 5m C#m Dbm C-sharp-minor 12B 5d E Fb e
"""
WHEEL = _WHEEL.split()
ROWS = [tuple(WHEEL[start : start + 5]) for start in range(0, len(WHEEL), 5)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_notation_of_every_key(row: tuple[str, ...]) -> None:
    key = MusicalKey.parse(row[0])
    assert (key.camelot, key.open_key, key.id3) == row[:3]
    assert {MusicalKey.parse(text) for text in (*row, key.name, key.camelot.lower(), f" 0{key.open_key}"[-4:])} == {key}


def test_all_keys_are_different_and_come_back_from_each_notation() -> None:
    assert len(set(KEYS)) == len(ROWS) == 24
    for key in KEYS:
        for text in (key.name, key.id3, key.camelot, key.open_key):
            assert MusicalKey.parse(text) == key


@pytest.mark.parametrize("text", ["", "o", "H", "13A", "0A", "8C", "F##", "Fis-Moll", "minor", "8A9A", "C dorian"])
def test_other_texts_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match=r"such as F#m.* 11A .* 4m") as error:
        MusicalKey.parse(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize(("tonic", "mode"), [(12, "major"), (-1, "minor"), (0, "dorian")])
def test_tonic_and_mode_are_checked(tonic: int, mode: str) -> None:
    with pytest.raises(ConfigError, match="tonic from 0"):
        MusicalKey(tonic, mode)  # type: ignore[arg-type]


def test_a_fifth_is_one_step_on_the_wheel() -> None:
    for key in KEYS:
        up = key.transposed(7)
        assert int(up.camelot[:-1]) == int(key.camelot[:-1]) % 12 + 1
        assert key.steps_to(up) == up.steps_to(key) == 1
        assert key.relative.relative == key
        assert key.relative.camelot[:-1] == key.camelot[:-1]


def test_neighbours_are_the_keys_within_one_step() -> None:
    for key in KEYS:
        assert set(key.neighbours()) == {other for other in KEYS if key.steps_to(other) <= 1}
    assert max(KEYS[0].steps_to(other) for other in KEYS) == 7
