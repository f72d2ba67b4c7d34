"""Artists, songs and audio files of the Million Song Dataset's tracks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from earmark.core.audio_formats import dataset_suffixes
from earmark.core.errors import DataError
from earmark.datasets.base import raise_problems
from earmark.datasets.msd_lists import TRACK_ID, find
from earmark.datasets.restricted_unpickle import read_plain_pickle
from earmark.datasets.table import SUFFIXES, read_table, text_lines

_LOOKED_AT = 1000


def read_tracks(path: Path, wanted: Collection[str]) -> dict[str, tuple[str, str]]:
    """``unique_tracks.txt``: track -> (song id, artist) for the given tracks.

    A line is ``track id<SEP>song id<SEP>artist<SEP>title`` in UTF-8; the title may be empty.

    Raises:
        DataError: not UTF-8, or lines of another kind; all at once.
    """
    tracks: dict[str, tuple[str, str]] = {}
    problems = []
    for number, line in text_lines(path):
        fields = line.split("<SEP>", 3)
        if len(fields) != 4 or not TRACK_ID.fullmatch(fields[0]):
            problems.append(f"line {number}: must be track id<SEP>song id<SEP>artist<SEP>title, is {line[:80]!r}")
        elif fields[0] in wanted:
            tracks[fields[0]] = (fields[1].strip(), fields[2].strip())
    raise_problems(str(path), problems)
    return tracks


def read_duplicates(path: Path) -> list[list[str]]:
    """``msd_duplicates.txt``: groups of tracks that are one song. # starts a comment, % a group, other lines are track ids.

    Raises:
        DataError: not UTF-8, or lines of another kind; all at once.
    """
    groups: list[list[str]] = []
    problems = []
    for number, line in text_lines(path):
        text = line.strip()
        if text.startswith("#"):
            continue
        if text.startswith("%"):
            groups.append([])
        elif not TRACK_ID.fullmatch(text):
            problems.append(f"line {number}: {text[:80]!r} is no track id")
        elif not groups:
            problems.append(f"line {number}: track {text} is before the first group, which begins with %")
        else:
            groups[-1].append(text)
    raise_problems(str(path), problems)
    return groups


def songs(
    wanted: Collection[str], tracks: Mapping[str, tuple[str, str]], groups: Collection[list[str]]
) -> dict[str, str]:
    """track -> song: the same for tracks with one song id and for tracks of one group; else the track itself.

    The name of a song is the first in the alphabet of the ids that are joined.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    pairs = [(track, tracks[track][0]) for track in wanted if track in tracks and tracks[track][0]]
    for group in groups:
        pairs += [(group[0], other) for other in group[1:]]
    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return {track: root(track) for track in wanted}


def audio_paths(root: Path, wanted: Collection[str]) -> dict[str, Path]:
    """The (expected) path of each track's audio; no file is opened.

    1. ``audio_index`` (.csv, .tsv, .jsonl, .parquet) with columns track_id and path; paths relative to the index.
    2. ``MSD_id_to_7D_id.pkl`` and ``7D_id_to_path.pkl``, paths relative to ``audio`` or to root.
    3. By track id, ``A/B/C/TRABC....mp3`` under ``audio`` or root; or the suffix that the files have.

    Tracks that are not in an index are found in the third way.

    Raises:
        DataError: an index with problems (all at once), or one of the two pickles without the other.
    """
    folder = root / "audio" if (root / "audio").is_dir() else root
    known: dict[str, Path] = {}
    if index := find(root, *(f"audio_index{suffix}" for suffix in SUFFIXES)):
        known = _index(index, wanted)
    else:
        to_number, to_path = find(root, "MSD_id_to_7D_id.pkl"), find(root, "7D_id_to_path.pkl")
        if (to_number is None) != (to_path is None):
            raise DataError(f"{root}: has only one of MSD_id_to_7D_id.pkl and 7D_id_to_path.pkl; both are needed")
        if to_number and to_path:
            known = _seven_digital(to_number, to_path, folder, wanted)
    rest = [track for track in wanted if track not in known]
    suffix = _suffix(folder, rest)
    return known | {track: _by_id(folder, track, suffix) for track in rest}


def _index(path: Path, wanted: Collection[str]) -> dict[str, Path]:
    table = read_table(path)
    table.require("track_id", "path", where=str(path))
    found: dict[str, Path] = {}
    seen: dict[str, str] = {}
    problems = []
    for row in table.rows:
        track, file = (str(row.values.get(column) or "").strip() for column in ("track_id", "path"))
        if not TRACK_ID.fullmatch(track):
            problems.append(f"{row.where}: {track!r} is no track id, such as TRAAAAW128F429D538")
        elif track in seen:
            problems.append(f"{row.where}: track {track} is there already, in {seen[track]}")
        if not file:
            problems.append(f"{row.where}: no path")
        seen.setdefault(track, row.where)
        if track in wanted and file:
            found[track] = path.parent / file
    raise_problems(str(path), problems)
    return found


def _seven_digital(to_number: Path, to_path: Path, folder: Path, wanted: Collection[str]) -> dict[str, Path]:
    numbers, paths = read_plain_pickle(to_number), read_plain_pickle(to_path)
    for file, value in ((to_number, numbers), (to_path, paths)):
        if not isinstance(value, dict):
            raise DataError(f"{file}: must be a dict, is {type(value).__name__}")
    # the numbers are text in some copies of these files and integers in others
    by_text = {_plain(number): _plain(path) for number, path in paths.items()}
    of_track = {_plain(track): _plain(number) for track, number in numbers.items()}
    found = {track: by_text[of_track[track]] for track in wanted if of_track.get(track) in by_text}
    return {track: folder / path for track, path in found.items()}


def _plain(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _by_id(folder: Path, track: str, suffix: str) -> Path:
    return folder / f"{track[2]}/{track[3]}/{track[4]}/{track}{suffix}"


def _suffix(folder: Path, tracks: list[str]) -> str:
    """The suffix of the first existing file; .mp3 if the first thousand tracks have none."""
    for track in tracks[:_LOOKED_AT]:
        for suffix in dataset_suffixes():
            if _by_id(folder, track, suffix).is_file():
                return suffix
    return dataset_suffixes()[0]
