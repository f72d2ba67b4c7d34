"""Export all tracks with all scores as a table for other programs: CSV, JSON Lines or Parquet.

Rows are written as they are read: memory does not grow with the library.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Literal, cast, get_args

import numpy as np

from earmark.core.atomic_files import refuse_existing, written_beside
from earmark.core.card import ModelCard
from earmark.core.csv_text import csv_row
from earmark.core.errors import ConfigError, MissingExtraError, OutputError
from earmark.core.json_records import json_text
from earmark.core.vocabulary import Vocabulary
from earmark.library.index.rows import Track
from earmark.library.index.track_index import Index
from earmark.tagging.data_frames import KEY_COLUMNS, TEMPO_COLUMNS, key_cells, tempo_cells

ExportFormat = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_OWN = ("title", "artist", "album", "genre")
_MEASURES = (*TEMPO_COLUMNS, *KEY_COLUMNS)
_HEAD = ("path", "status", "error", "duration_seconds", "model", "content_key", *_OWN, *_MEASURES)
_NUMBERS = {"duration_seconds", *_MEASURES} - {"key", "camelot"}
_ROWS_AT_ONCE = 2000


def format_of(out: Path) -> ExportFormat:
    """The format of a file's ending. Raises ConfigError for another ending."""
    ending = out.suffix.lower().lstrip(".")
    for known in FORMATS:
        if ending == known:
            return known
    raise ConfigError(f"{out}: its ending says no format; end it in .{', .'.join(FORMATS)} or name one of them")


def export_tracks(
    index: Index,
    out: IO[bytes],
    kind: ExportFormat,
    *,
    embeddings: bool = False,
    on_rows: Callable[[int], None] | None = None,
) -> int:
    """Write every file of the index, those that failed or are missing too, by path.

    CSV and Parquet have columns of tempo and key, empty where no scan has estimated them, and one per tag, empty where the file has no scores of the current model. A tag that is
    named like another column gets ``tag:`` in front. JSON Lines have the objects of ``earmark tag --format
    jsonl`` and the file's own fields; degrees are apart there, as they are there. In Parquet, bytes of a path that are not UTF-8 are shown as ``\\xNN``,
    and ``path_bytes`` has them as they are.

    Args:
        index: an open index.
        out: opened to write bytes.
        kind: one of FORMATS.
        embeddings: add each file's embedding as a list of numbers; not for CSV.
        on_rows: called with the number of rows of each batch after it was written.

    Returns:
        Number of rows.

    Raises:
        ConfigError: another format, or embeddings in CSV.
        MissingExtraError: Parquet without pyarrow.
        DataError: nothing was scanned yet, or the index cannot be read.
    """
    if kind not in FORMATS:
        raise ConfigError(f"format {kind!r}: must be one of {', '.join(FORMATS)}")
    if embeddings and kind == "csv":
        raise ConfigError("embeddings do not fit into CSV: export jsonl or parquet")
    card = index.current_model().card
    write = {"csv": _csv, "jsonl": _json_lines, "parquet": _parquet}[kind](out, card, embeddings)
    n_rows = 0
    # Closed here, also when the reader of `out` is gone, since the caller closes the index after that.
    tracks = cast("Generator[Track, None, None]", index.tracks())
    with closing(tracks), write as write_rows:
        while rows := list(itertools.islice(tracks, _ROWS_AT_ONCE)):
            write_rows(rows)
            n_rows += len(rows)
            if on_rows is not None:
                on_rows(len(rows))
    return n_rows


@contextmanager
def file_to_write(out: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Open a file that only appears under its name when all of it is written.

    Raises:
        ConfigError: it exists and ``force`` is not given; OutputError where it cannot be written.
    """
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder; name a file in it")
    refuse_existing([out], force=force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(out) as beside, beside.open("wb") as file:
            yield file
            file.flush()
            if beside != out:
                os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from error


def tag_columns(vocabulary: Vocabulary) -> list[str]:
    """Names of the columns of the tags."""
    taken = {*_HEAD, "path_bytes", "embedding"}
    return [f"tag:{name}" if name in taken else name for name in vocabulary.names]


def _head(track: Track) -> list[Any]:
    seconds = None if track.duration_seconds is None else round(track.duration_seconds, 3)
    model = None if track.model is None else track.model.name
    own = (track.title, track.artist, track.album, track.genre)
    return [str(track.path), track.status, track.error, seconds, model, track.content_key, *own, *_measures(track)]


def _measures(track: Track) -> list[Any]:
    return [*tempo_cells(track.tempo).values(), *key_cells(track.key).values()]


Write = Callable[[list[Track]], None]


@contextmanager
def _csv(out: IO[bytes], card: ModelCard, _embeddings: bool) -> Iterator[Write]:
    def line(cells: Iterable[Any]) -> None:
        out.write(csv_row(cells).encode("utf-8", "surrogateescape"))

    def write(tracks: list[Track]) -> None:
        for track in tracks:
            none = [None] * len(card.vocabulary)
            line(_head(track) + (none if track.scores is None else [f"{score:.4f}" for score in track.scores]))

    line([*_HEAD, *tag_columns(card.vocabulary)])
    yield write


@contextmanager
def _json_lines(out: IO[bytes], card: ModelCard, embeddings: bool) -> Iterator[Write]:
    degrees = card.degrees

    def record(track: Track) -> dict[str, Any]:
        found: dict[str, Any] = dict(zip(_HEAD, _head(track), strict=True))
        for name in _MEASURES:
            del found[name]
        found["tempo"] = None if track.tempo is None else track.tempo.record()
        found["key"] = None if track.key is None else track.key.record()
        scores = () if track.scores is None else track.scores
        pairs = sorted(zip(card.vocabulary.tags, scores, strict=False), key=lambda pair: -pair[1])
        found["tags"] = [
            {"tag": tag.name, "score": round(float(score), 4), "kind": tag.kind, "category": tag.category}
            for tag, score in pairs
            if tag.name not in degrees
        ]
        by_name = dict(zip(card.vocabulary.names, scores, strict=False)) if np.any(scores) else {}
        found["degrees"] = {name: round(float(by_name[name]), 4) for name in degrees if name in by_name}
        found["warnings"] = list(track.warnings)
        if embeddings:
            # Nine digits give a float32 back exactly.
            found["embedding"] = None if track.embedding is None else [float(f"{x:.9g}") for x in track.embedding]
        return found

    def write(tracks: list[Track]) -> None:
        for track in tracks:
            out.write((json_text(record(track)) + "\n").encode())

    yield write


@contextmanager
def _parquet(out: IO[bytes], card: ModelCard, embeddings: bool) -> Iterator[Write]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtraError("export to Parquet", "train") from error

    text, number = pa.string(), pa.float32()
    types = {name: pa.float64() if name in _NUMBERS else text for name in _HEAD}
    types["path_bytes"] = pa.binary()
    names = tag_columns(card.vocabulary)
    types.update(dict.fromkeys(names, number))
    if embeddings:
        types["embedding"] = pa.list_(number)
    schema = pa.schema(list(types.items()))

    def write(tracks: list[Track]) -> None:
        columns: dict[str, list[Any]] = {name: [] for name in types}
        for track in tracks:
            path = os.fsencode(track.path)
            for name, value in zip(_HEAD, _head(track), strict=True):
                columns[name].append(value)
            columns["path"][-1] = path.decode("utf-8", "backslashreplace")
            columns["path_bytes"].append(path)
            scores = [None] * len(names) if track.scores is None else track.scores.tolist()
            for name, score in zip(names, scores, strict=True):
                columns[name].append(score)
            if embeddings:
                columns["embedding"].append(track.embedding)
        writer.write_table(pa.Table.from_pydict(columns, schema=schema))

    with pq.ParquetWriter(out, schema) as writer:
        yield write
