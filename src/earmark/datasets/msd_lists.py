"""The Million Song Dataset's published split lists and labels, in the forms in which they were published."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.array_files import ARRAY_FILE_ERRORS, problem_of
from earmark.core.errors import DataError
from earmark.datasets.base import SPLITS, Labels, raise_problems
from earmark.datasets.restricted_unpickle import read_plain_pickle
from earmark.datasets.table import SUFFIXES, read_table

LEE_TRAIN_TRACKS = 201_680
"""The published train list holds the validation tracks too, behind this many training tracks."""

LASTFM_LEAST_VALUE = 50.0
"""A Last.fm tag holds for a track where its value (0..100) is above this: the rule of Choi et al. 2016."""

TRACK_ID = re.compile(r"TR[A-Z]{5}[0-9A-F]{11}")


@dataclass(frozen=True)
class Entry:
    """One track of a list; ``where`` is its place in the list, for messages."""

    track: str
    split: str
    where: str


def find(root: Path, *names: str) -> Path | None:
    """The file of one of these names in root or in a folder of root. Raises DataError if there are several."""
    found = sorted(path for name in names for path in (root / name, *root.glob(f"*/{name}")) if path.is_file())
    if len(found) > 1:
        raise DataError(f"{root}: more than one of {', '.join(names)}: {', '.join(map(str, found))}; keep one")
    return found[0] if found else None


def lee_entries(root: Path) -> list[Entry] | None:
    """Lee's lists under root: ``msd-lee`` as a table, or the two published pickles; None if there are neither.

    Raises:
        DataError: one pickle of the two, or lists with problems (all at once).
    """
    if table := find(root, *(f"msd-lee{suffix}" for suffix in SUFFIXES)):
        return _checked(_table_entries(table))
    train, test = (find(root, f"filtered_list_{name}.cP") for name in ("train", "test"))
    if train is None and test is None:
        return None
    if train is None or test is None:
        raise DataError(f"{root}: has only one of filtered_list_train.cP and filtered_list_test.cP; both are needed")
    return _checked([*lee_split(_ids(train), train.name), *(_entries(_ids(test), "test", test.name))])


def lee_split(ids: Sequence[str], name: str) -> list[Entry]:
    """The train list cut into train and, behind :data:`LEE_TRAIN_TRACKS`, validation."""
    entries = _entries(ids, "train", name)
    return [
        entry if place < LEE_TRAIN_TRACKS else Entry(entry.track, "validation", entry.where)
        for place, entry in enumerate(entries)
    ]


def cals_entries(root: Path, n_tags: int) -> tuple[list[Entry], dict[str, Labels]] | None:
    """CALS under root: ``{train,valid,test}_ids.npy`` and ``_binaries.npy``; None if there are none.

    Raises:
        DataError: some of the six missing, labels that do not fit the ids, or lists with problems; all at once.
    """
    parts = {"train": "train", "validation": "valid", "test": "test"}
    names = [f"{part}_{what}.npy" for part in parts.values() for what in ("ids", "binaries")]
    files = {name: find(root, name) for name in names}
    missing = [name for name, path in files.items() if path is None]
    if len(missing) == len(files):
        return None
    raise_problems(f"{root}: the CALS split is not whole", [f"no {name}" for name in missing])
    entries: list[Entry] = []
    labels: dict[str, Labels] = {}
    problems: list[str] = []
    for split, part in parts.items():
        ids, rows = (read_array(files[f"{part}_{what}.npy"]) for what in ("ids", "binaries"))
        name = f"{part}_ids.npy"
        if ids.ndim != 1 or ids.dtype.kind not in "US":
            problems.append(f"{name}: must be a row of track ids, is {ids.dtype} {ids.shape}")
            continue
        if rows.shape != (len(ids), n_tags) or rows.dtype.kind not in "buif" or not np.isin(rows, (0, 1)).all():
            problems.append(
                f"{part}_binaries.npy: must be 0 or 1 for {len(ids)} tracks x {n_tags} tags, is {rows.dtype} {rows.shape}"
            )
            continue
        tracks = [_text(track) for track in ids.tolist()]
        entries += _entries(tracks, split, name)
        labels.update(zip(tracks, rows.astype(np.float32), strict=True))
    raise_problems(str(root), problems)
    return _checked(entries), labels


def read_array(path: Path | None) -> np.ndarray[Any, np.dtype[Any]]:
    """A NumPy file of numbers or text. Raises DataError for anything else; objects (pickles) are refused."""
    assert path is not None
    try:
        array = np.load(path, allow_pickle=False)
    except ARRAY_FILE_ERRORS as error:
        raise DataError(f"{path}: not an array of numbers or text that can be read: {problem_of(error)}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: holds several arrays (.npz); one is wanted")
    return array


def vector_labels(path: Path, n_tags: int, entries: Collection[Entry]) -> dict[str, Labels]:
    """``msd_id_to_tag_vector.cP``: track -> vector of 0 and 1, as (n_tags,) float32.

    Raises:
        DataError: no dict, tracks of the lists that it lacks, vectors of another length or with other numbers.
    """
    vectors = read_plain_pickle(path)
    if not isinstance(vectors, dict):
        raise DataError(f"{path}: must be a dict from track id to labels, is {type(vectors).__name__}")
    vectors = {_text(key): value for key, value in vectors.items()}
    labels: dict[str, Labels] = {}
    problems = []
    for entry in entries:
        if entry.track not in vectors:
            problems.append(f"{entry.where}: track {entry.track} is not in {path.name}")
            continue
        try:
            vector = np.asarray(vectors[entry.track], dtype=np.float32).ravel()
        except (TypeError, ValueError):
            vector = np.zeros(0, np.float32)
        if vector.shape != (n_tags,) or not ((vector == 0) | (vector == 1)).all():
            problems.append(f"{path.name}: track {entry.track}: must be {n_tags} numbers that are 0 or 1")
        labels[entry.track] = vector
    raise_problems(str(path), problems)
    return labels


def lastfm_labels(path: Path, tags: Sequence[str], entries: Collection[Entry]) -> dict[str, Labels]:
    """Labels from ``lastfm_tags.db``: 1 if a tag's value is above :data:`LASTFM_LEAST_VALUE`; else 0.

    The database has three tables: ``tids`` (tid) and ``tags`` (tag), whose row numbers ``tid_tag`` (tid, tag, val) pairs.
    Tags are compared letter by letter, capitals too, as in the published lists.

    Raises:
        DataError: no database, tables or columns missing, or tags that it does not know.
    """
    labels = {entry.track: np.zeros(len(tags), np.float32) for entry in entries}
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            _require_tables(path, database)
            rows = dict(
                database.execute(f"SELECT tag, rowid FROM tags WHERE tag IN ({','.join('?' * len(tags))})", tuple(tags))
            )
            raise_problems(str(path), [f"tag {tag!r} is not in its table tags" for tag in tags if tag not in rows])
            query = (
                "SELECT tids.tid FROM tid_tag JOIN tids ON tids.rowid = tid_tag.tid WHERE tid_tag.tag = ? AND val > ?"
            )
            for place, tag in enumerate(tags):
                for (track,) in database.execute(query, (rows[tag], LASTFM_LEAST_VALUE)):
                    if track in labels:
                        labels[track][place] = 1
    except sqlite3.Error as error:
        raise DataError(f"{path}: not a Last.fm database that can be read ({error})") from error
    return labels


def _require_tables(path: Path, database: sqlite3.Connection) -> None:
    wanted: Mapping[str, tuple[str, ...]] = {"tids": ("tid",), "tags": ("tag",), "tid_tag": ("tid", "tag", "val")}
    problems = []
    for table, columns in wanted.items():
        there = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        missing = [column for column in columns if column not in there]
        if not there:
            problems.append(f"no table {table}")
        elif missing:
            problems.append(f"table {table} has no column {', '.join(missing)}; it has {', '.join(there)}")
    raise_problems(str(path), problems)


def _ids(path: Path) -> list[str]:
    ids = read_plain_pickle(path)
    if not isinstance(ids, list | tuple) or not all(isinstance(track, str | bytes) for track in ids):
        raise DataError(f"{path}: must be a list of track ids, is {type(ids).__name__}")
    return [_text(track) for track in ids]


def _text(track: object) -> str:
    return track.decode("latin-1") if isinstance(track, bytes) else str(track)


def _entries(ids: Sequence[str], split: str, name: str) -> list[Entry]:
    return [Entry(track, split, f"{name}, entry {place}") for place, track in enumerate(ids, start=1)]


def _table_entries(path: Path) -> list[Entry]:
    table = read_table(path)
    table.require("track_id", "split", where=str(path))
    return [
        Entry(str(row.values["track_id"]).strip(), str(row.values["split"]).strip(), f"{path.name}, {row.where}")
        for row in table.rows
    ]


def _checked(entries: list[Entry]) -> list[Entry]:
    """The same. Raises DataError for invalid track ids and splits, and for duplicate tracks."""
    problems = []
    seen: dict[str, str] = {}
    for entry in entries:
        if not TRACK_ID.fullmatch(entry.track):
            problems.append(f"{entry.where}: {entry.track!r} is no track id, such as TRAAAAW128F429D538")
        elif entry.track in seen:
            problems.append(f"{entry.where}: track {entry.track} is there already, in {seen[entry.track]}")
        if entry.split not in SPLITS:
            problems.append(f"{entry.where}: split {entry.split!r} must be one of {', '.join(SPLITS)}")
        seen.setdefault(entry.track, entry.where)
    raise_problems("lists of tracks", problems)
    return entries
