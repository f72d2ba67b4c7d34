"""Scores of a model on the clips of a dataset: the file between evaluation and everything that is measured.

``scores.parquet`` has a row for each clip and tag. :meth:`ScoreTable.write` orders them by clip, then tag;
:func:`read_scores` takes them in any order:

    clip, song, artist      text; song and artist null where the dataset does not say
    tag, kind, category     text
    label                   float32, 0..1; null where the clip is not labelled for the tag
    score                   float32, 0..1: the mean over windows
    split, protocol, dataset, model     text
    exclusive               bool: the tag is one of those that exclude each other; the column is absent where none do
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from earmark.core.atomic_files import written_beside
from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import raise_problems
from earmark.evaluation.rows import Grid

COLUMNS = (
    "clip",
    "song",
    "artist",
    "tag",
    "kind",
    "category",
    "label",
    "score",
    "split",
    "protocol",
    "dataset",
    "model",
)
NEEDED = ("clip", "tag", "label", "score")
_NUMBERS = ("label", "score")
_EXCLUSIVE = "exclusive"
_CONSTANT = ("dataset", "protocol", "split", "model")

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Labels and scores of the tags that model and dataset share.

    Attributes:
        vocabulary: these tags, in the order of the model.
        clips: (n_clips,) ids.
        artists, songs: (n_clips,) None where not known.
        labels: (n_clips, n_tags), NaN where not labelled.
        scores: (n_clips, n_tags), 0..1 from our own models; any finite numbers in other programs' tables.
        dataset, protocol, split, model: names; empty where another program's table does not say.
        warnings: the Tagger's warnings about single files, one line each; not kept in the file.
        exclusive: tags that exclude each other: a clip has exactly one of them, or is not labelled for any.
    """

    vocabulary: Vocabulary
    clips: tuple[str, ...]
    artists: tuple[str | None, ...]
    songs: tuple[str | None, ...]
    labels: Floats
    scores: Floats
    dataset: str
    protocol: str
    split: str
    model: str
    warnings: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()

    def groups(self, by: str | None = None) -> tuple[str, tuple[str, ...]]:
        """What a bootstrap should draw, and the group of each clip.

        Args:
            by: "artist", "song" or "clip"; None for artists where all are known, else songs, else single clips.

        Raises:
            ConfigError: another word.
            DataError: artists (songs) are requested but not known for every clip.
        """
        return grouped(self.clips, self.artists, self.songs, by)

    def write(self, path: Path) -> None:
        """Write scores.parquet."""
        n_clips, n_tags = self.scores.shape
        tags_of_row, clips_of_row = np.tile(np.arange(n_tags), n_clips), np.repeat(np.arange(n_clips), n_tags)

        def each(values: Sequence[str | None], of_row: npt.NDArray[np.int64]) -> Any:
            return pa.array(values, pa.string()).take(pa.array(of_row))

        columns: dict[str, Any] = {
            "clip": each(self.clips, clips_of_row),
            "song": each(self.songs, clips_of_row),
            "artist": each(self.artists, clips_of_row),
            "tag": each(self.vocabulary.names, tags_of_row),
            "kind": each([tag.kind for tag in self.vocabulary], tags_of_row),
            "category": each([tag.category for tag in self.vocabulary], tags_of_row),
            "label": pa.array(self.labels.ravel(), pa.float32(), mask=np.isnan(self.labels.ravel())),
            "score": pa.array(self.scores.ravel(), pa.float32()),
        }
        for name in _CONSTANT:
            columns[name] = pa.repeat(pa.scalar(getattr(self, name), pa.string()), n_clips * n_tags)
        schema = pa.schema([(name, pa.float32() if name in _NUMBERS else pa.string()) for name in COLUMNS])
        if self.exclusive:
            columns[_EXCLUSIVE] = pa.array([name in self.exclusive for name in self.vocabulary.names]).take(tags_of_row)
            schema = schema.append(pa.field(_EXCLUSIVE, pa.bool_()))
        with written_beside(path) as beside:
            pq.write_table(pa.table(columns, schema=schema), beside)


def grouped(
    clips: Sequence[str], artists: Sequence[str | None], songs: Sequence[str | None], by: str | None = None
) -> tuple[str, tuple[str, ...]]:
    """As :meth:`ScoreTable.groups`, of clips that need not be scored yet."""
    if by not in (None, "artist", "song", "clip"):
        raise ConfigError(f"groups {by!r}: must be artist, song or clip")
    for name, owners in (("artist", artists), ("song", songs)):
        known = tuple(owner for owner in owners if owner is not None)
        if by in (None, name) and len(known) == len(owners):
            return name, known
        if by == name:
            raise DataError(f"groups: the {name} of {len(owners) - len(known)} of {len(owners)} clips is not known")
    return "clip", tuple(clips)


def read_scores(path: str | Path) -> ScoreTable:
    """Read a scores file, ours or another's, its rows in any order.

    Columns clip, tag, label and score must be there. Without kind, tags are classification tags; artist and song are
    then unknown, and names empty.

    Raises:
        DataError: no Parquet file, columns missing, no rows, a (clip, tag) pair there twice or not at all, scores that
            are no finite numbers, labels that do not fit a tag's kind, or more than one model, protocol, dataset or
            split; all problems at once.
    """
    path = Path(path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a scores file that can be read ({str(error).splitlines()[0]})") from error
    return score_table(table, str(path))


def score_table(table: Any, where: str) -> ScoreTable:
    """As :func:`read_scores`, of an Arrow table; ``where`` is its name in messages."""
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing or not len(table):
        raise DataError(
            f"{where}: no scores file: {'columns missing: ' + ', '.join(missing) if missing else 'no rows'}"
        )
    grid = Grid(table, where)
    dataset, protocol, split, model = (grid.constant(name) for name in _CONSTANT)
    kinds, categories = grid.of_tags("kind"), grid.of_tags("category")
    artists, songs = grid.of_clips("artist"), grid.of_clips("song")
    exclusive = tuple(
        tag for tag, word in zip(grid.tags, grid.of_tags(_EXCLUSIVE), strict=True) if (word or "").lower() == "true"
    )
    labels, scores = (grid.numbers(name) for name in _NUMBERS)
    raise_problems(where, grid.problems)
    try:
        tags = [
            Tag(name, kind or "classification", category or "other")  # type: ignore[arg-type]
            for name, kind, category in zip(grid.tags, kinds, categories, strict=True)
        ]
        vocabulary = Vocabulary(tuple(tags))
    except ConfigError as error:
        raise DataError(f"{where}: {error}") from error
    problems = value_problems(vocabulary, grid.clips, labels, scores)
    raise_problems(where, problems or class_problems(vocabulary, grid.clips, labels, exclusive))
    return ScoreTable(
        vocabulary,
        grid.clips,
        artists,
        songs,
        labels,
        scores,
        dataset,
        protocol,
        split,
        model,
        exclusive=exclusive,
    )


def class_problems(vocabulary: Vocabulary, clips: Sequence[str], labels: Floats, exclusive: Sequence[str]) -> list[str]:
    """What is wrong with the labels of tags that exclude each other."""
    if not exclusive:
        return []
    of_classes = labels[:, [vocabulary.index(tag) for tag in exclusive]]
    wrong = ~np.isnan(of_classes).all(axis=1) & ~(of_classes.sum(axis=1) == 1)
    words = f"not labelled with exactly one of {', '.join(exclusive)}, which exclude each other"
    return [f"{int(wrong.sum())} clips are {words}, e.g. {clips[int(np.argmax(wrong))]!r}"] if wrong.any() else []


def value_problems(vocabulary: Vocabulary, clips: Sequence[str], labels: Floats, scores: Floats) -> list[str]:
    """What is wrong with labels and scores of these tags, one line per tag."""
    problems = []
    for i, tag in enumerate(vocabulary):
        y, s = labels[:, i], scores[:, i]
        graded = tag.kind == "regression"
        wrong = {
            "scores that are no finite numbers": ~np.isfinite(s),
            "labels outside 0..1" if graded else "labels that are not 0 or 1": ~np.isnan(y)
            & (((y < 0) | (y > 1)) if graded else ((y != 0) & (y != 1))),
        }
        if graded:
            wrong["scores outside 0..1, which a regression tag needs"] = (s < 0) | (s > 1)
        for what, places in wrong.items():
            if places.any():
                first = int(np.argmax(places))
                value = (y if what.startswith("labels") else s)[first]
                problems.append(
                    f"tag {tag.name!r}: {int(places.sum())} {what}, e.g. {value:g} of clip {clips[first]!r}"
                )
    return problems
