"""MagnaTagATune's files on disk: annotations, clip information, folders of audio."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.datasets.base import raise_problems

ANNOTATIONS_NAME, CLIP_INFO_NAME = "annotations_final.csv", "clip_info_final.csv"
FOLDERS = "0123456789abcdef"
PART_NAMES = ("mp3.zip.001", "mp3.zip.002", "mp3.zip.003")

_AUDIO_PLACES = ("", "mp3", "audio")
_PATH = re.compile(r"[0-9a-f]/[^/\\]+\.mp3")
_TIMES = re.compile(r"-\d+-\d+\.mp3$")


@dataclass(frozen=True, eq=False)
class Annotations:
    """annotations_final.csv.

    Attributes:
        clip_ids: (n_clips,) as text, e.g. "2".
        paths: of the clips below the folder of audio, e.g. "f/some_artist-some_album-01-some_song-30-59.mp3".
        tags: all tags in the order of the columns.
        labels: (n_clips, n_tags) uint8, 0 or 1.
    """

    clip_ids: tuple[str, ...]
    paths: tuple[str, ...]
    tags: tuple[str, ...]
    labels: npt.NDArray[np.uint8]

    def most_frequent(self, n: int) -> npt.NDArray[np.int64]:
        """Columns of the n most frequent tags, most frequent first; ties in the order of the columns."""
        return np.argsort(-self.labels.sum(axis=0, dtype=np.int64), kind="stable")[:n]


@dataclass(frozen=True)
class Origin:
    """Song and artist of a clip. ``artist`` is None if clip_info_final.csv does not name one."""

    song: str
    artist: str | None


def read_annotations(path: Path) -> Annotations:
    """Read annotations_final.csv: one row per clip, fields separated by tabs, quoted or not.

    Raises:
        DataError: no such file, not UTF-8, columns missing, rows of another length, ids or paths that are duplicate or
            malformed, labels that are neither 0 nor 1; all problems at once.
    """
    rows = _rows(path)
    header = next(rows, (1, []))[1]
    missing = [name for name in ("clip_id", "mp3_path") if name not in header]
    if missing:
        has = f"it has {len(header)} columns, the first is {header[0]!r}" if header else "it is empty"
        raise DataError(f"{path}: column {' and '.join(missing)} is missing ({has}); fields must have tabs between")
    id_place, path_place = header.index("clip_id"), header.index("mp3_path")
    tag_places = [i for i in range(len(header)) if i not in (id_place, path_place)]
    tags = tuple(header[i].strip() for i in tag_places)
    problems = [f"tag {tag!r} has {n} columns" for tag, n in Counter(tags).items() if n > 1 or not tag]
    clip_ids, paths, labels = [], [], []
    for number, fields in rows:
        if len(fields) != len(header):
            problems.append(f"line {number}: {len(fields)} fields, the header has {len(header)}")
            continue
        clip_id, clip_path = fields[id_place].strip(), fields[path_place].strip()
        if not clip_id.isdecimal():
            problems.append(f"line {number}: clip_id {clip_id!r} must be a number")
        if not _PATH.fullmatch(clip_path):
            problems.append(f"line {number}: mp3_path {clip_path!r} must be a folder of 0 to f and an MP3 file in it")
        marks = "".join(fields[i].strip() for i in tag_places)
        if len(marks) != len(tags) or marks.strip("01"):
            problems.append(f"line {number}: labels must be 0 or 1")
            continue
        clip_ids.append(clip_id)
        paths.append(clip_path)
        labels.append(np.frombuffer(marks.encode(), np.uint8) - ord("0"))
    for what, values in (("clip_id", clip_ids), ("mp3_path", paths)):
        problems += [f"{what} {value!r} is there {n} times" for value, n in Counter(values).items() if n > 1]
    raise_problems(str(path), problems or ([] if labels else ["no clips"]))
    return Annotations(tuple(clip_ids), tuple(paths), tags, np.stack(labels))


def read_origins(path: Path) -> dict[str, Origin]:
    """clip_id -> song and artist, from clip_info_final.csv. A song is named by album, track number and title.

    Raises:
        DataError: not UTF-8, columns missing, rows with more fields than columns; all problems at once.
    """
    rows = _rows(path)
    header = next(rows, (1, []))[1]
    wanted = ("clip_id", "track_number", "title", "artist", "album")
    if missing := [name for name in wanted if name not in header]:
        raise DataError(f"{path}: column {', '.join(missing)} is missing; fields must have tabs between")
    places = [header.index(name) for name in wanted]
    problems, origins = [], {}
    for number, fields in rows:
        if len(fields) > len(header):
            problems.append(f"line {number}: {len(fields)} fields, the header has {len(header)}")
            continue
        fields += [""] * (len(header) - len(fields))  # fields at the end may be left away
        clip_id, track, title, artist, album = (fields[i].strip() for i in places)
        origins[clip_id] = Origin(f"{album} / {track} {title}", artist or None)
    raise_problems(str(path), problems)
    return origins


def song_from_path(path: str) -> str:
    """The part of a clip's path that identifies the song: artist, album, track and title, without the seconds at its end."""
    return _TIMES.sub("", path.partition("/")[2])


def audio_folder(root: Path) -> Path | None:
    """The parent of the folders 0 to f: root, root/mp3 or root/audio; None if they are in none of them.

    Raises:
        DataError: the archive is present but was not joined or unzipped.
    """
    for place in _AUDIO_PLACES:
        if any((root / place / name).is_dir() for name in FOLDERS):
            return root / place
    for folder in (root, root / "mp3"):
        archive = folder / "mp3.zip"
        if archive.is_file():
            raise DataError(f"{archive}: not unzipped yet: unzip {archive} -d {root / 'mp3'}")
        there = [name for name in PART_NAMES if (folder / name).is_file()]
        if lacking := [name for name in PART_NAMES if there and name not in there]:
            raise DataError(
                f"{folder}: of the archive's three parts only {', '.join(there)} is there; "
                f"fetch {', '.join(lacking)}, then join and unzip them"
            )
        if there:
            parts = " ".join(str(folder / name) for name in PART_NAMES)
            raise DataError(
                f"{folder}: the archive's three parts are not joined yet: cat {parts} > {archive}, "
                f"then unzip {archive} -d {root / 'mp3'}"
            )
    return None


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the line on which each begins."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t")
            start = 1
            for fields in reader:
                if any(field.strip() for field in fields):
                    yield start, fields
                start = reader.line_num + 1
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a table that can be read ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
