"""Score and label tables from other programs: CSV, TSV or Parquet, wide or long, matched by clip and tag.

Wide: the first column names the clip, every other one is a tag. ``name [regression]`` makes it a tag of degrees. Columns
called artist or song name the clip's artist or song; those of :data:`NOT_TAGS` and those that begin with # are not tags.
Long: a row for each clip and tag, columns clip, tag and score or label, as in our own scores file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import raise_problems
from earmark.datasets.table import read_arrow
from earmark.evaluation.compare import one_sided
from earmark.evaluation.rows import Grid
from earmark.evaluation.scores import NEEDED, Floats, ScoreTable, score_table, value_problems

NOT_TAGS = ("artist", "song", "album", "title", "path", "split", "protocol", "dataset", "model")
_BRACKETS = re.compile(r"^(?P<name>.*\S)\s*\[(?P<kind>classification|regression)\]$")
_LONG_NUMBERS = ("score", "label")

What = Literal["score", "label"]


@dataclass(frozen=True, eq=False)
class NamedMatrix:
    """Numbers of clips and tags.

    Attributes:
        where: the file.
        clips: (n_clips,) ids.
        tags: (n_tags,) names.
        kinds: (n_tags,) "classification" or "regression"; None where the table does not say.
        values: (n_clips, n_tags), NaN where empty.
        artists, songs: (n_clips,) None where not known.
    """

    where: str
    clips: tuple[str, ...]
    tags: tuple[str, ...]
    kinds: tuple[str | None, ...]
    values: Floats
    artists: tuple[str | None, ...]
    songs: tuple[str | None, ...]


def read_score_table(path: str | Path) -> ScoreTable:
    """A long table that has labels and scores, as our own scores file; CSV and TSV, too.

    Raises:
        DataError: as :func:`earmark.evaluation.read_scores`; a table without labels says what to do.
    """
    table = read_arrow(Path(path), lambda _: _LONG_NUMBERS)
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise DataError(
            f"{path}: columns missing: {', '.join(missing)}; a table that is measured alone needs {', '.join(NEEDED)}, "
            "any other needs a table of labels beside it"
        )
    return score_table(table, str(path))


def read_matrix(path: str | Path, what: What) -> NamedMatrix:
    """A table of scores or of labels, wide or long.

    Raises:
        DataError: no such file, another ending, columns missing or twice, no rows, cells that are no numbers, a clip
            (or a pair of clip and tag) there twice.
    """
    path = Path(path)
    table = read_arrow(path, lambda names: _LONG_NUMBERS if _is_long(names) else list(filter(_is_tag, names[1:])))
    if not len(table):
        raise DataError(f"{path}: no rows")
    if _is_long(table.column_names):
        if what not in table.column_names:
            raise DataError(f"{path}: column {what!r} is missing; it has {', '.join(table.column_names)}")
        grid = Grid(table, str(path))
        found = NamedMatrix(
            str(path),
            grid.clips,
            grid.tags,
            grid.of_tags("kind"),
            grid.numbers(what),
            grid.of_clips("artist"),
            grid.of_clips("song"),
        )
        raise_problems(str(path), grid.problems)
        return found
    return _wide(path, table)


def match(scores: NamedMatrix, labels: NamedMatrix, *, allow_missing: bool = False) -> tuple[ScoreTable, list[str]]:
    """Scores and labels of the same clips and tags, and a description of what was left out.

    Clips are matched by id and tags by name, whatever their order. A tag's kind is what the labels say, else what the
    scores say, else classification.

    Raises:
        DataError: clips or tags are in only one of the tables (with ``allow_missing``: none are in both), or values do
            not fit a tag's kind; all problems at once.
    """
    notes = one_sided("clip", scores.clips, labels.clips, scores.where, labels.where)
    notes += one_sided("tag", scores.tags, labels.tags, scores.where, labels.where)
    if notes and not allow_missing:
        raise_problems("scores and labels do not match; measure what is in both with allow-missing", notes)
    row, column = ({name: i for i, name in enumerate(names)} for names in (labels.clips, labels.tags))
    clips = [i for i, clip in enumerate(scores.clips) if clip in row]
    tags = [i for i, tag in enumerate(scores.tags) if tag in column]
    if not clips or not tags:
        raise DataError(f"{scores.where} and {labels.where} have no {'tag' if clips else 'clip'} in common")
    there = [row[scores.clips[i]] for i in clips], [column[scores.tags[i]] for i in tags]
    kinds = [labels.kinds[j] or scores.kinds[i] or "classification" for i, j in zip(tags, there[1], strict=True)]
    try:
        vocabulary = Vocabulary(
            tuple(Tag(scores.tags[i], kind) for i, kind in zip(tags, kinds, strict=True))  # type: ignore[arg-type]
        )
    except ConfigError as error:
        raise DataError(f"{labels.where}: {error}") from error
    names = tuple(scores.clips[i] for i in clips)
    y, s = labels.values[np.ix_(*there)], scores.values[np.ix_(clips, tags)]
    raise_problems(f"{scores.where} and {labels.where}", value_problems(vocabulary, names, y, s))

    def owners(of_labels: Sequence[str | None], of_scores: Sequence[str | None]) -> tuple[str | None, ...]:
        return tuple(of_labels[j] or of_scores[i] for i, j in zip(clips, there[0], strict=True))

    table = ScoreTable(
        vocabulary,
        names,
        owners(labels.artists, scores.artists),
        owners(labels.songs, scores.songs),
        y,
        s,
        dataset=Path(labels.where).stem,
        protocol="",
        split="",
        model=Path(scores.where).stem,
    )
    return table, notes


def read_groups(path: str | Path, clips: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Artist or song of each clip, from a separate table: the first column names the clip, another one its artist or song.

    Of several columns, artist is taken, else song.

    Returns:
        What the groups are ("artist", "song" or the column's name), and the group of each of ``clips``.

    Raises:
        DataError: no such column, a clip there twice, or clips without a group.
    """
    path = Path(path)
    table = read_arrow(path)
    first, *others = table.column_names
    by = next((name for name in ("artist", "song") if name in others), others[0] if len(others) == 1 else None)
    if by is None:
        raise DataError(f"{path}: needs a column artist or song beside {first!r}; it has {', '.join(others) or 'none'}")
    ids, owners = (pc.cast(table[name], pa.string()).to_pylist() for name in (first, by))
    of_clip = dict(zip(ids, owners, strict=True))
    problems = [f"clip {clip!r} is there {n} times" for clip, n in Counter(ids).items() if n > 1]
    problems += [f"clip {clip!r} has no {by}" for clip in clips if not of_clip.get(clip)]
    raise_problems(str(path), problems)
    return by, tuple(of_clip[clip] for clip in clips)


def _wide(path: Path, table: Any) -> NamedMatrix:
    first, *others = table.column_names
    if pa.types.is_floating(table[first].type) or pa.types.is_null(table[first].type):
        raise DataError(f"{path}: the first column must name the clips, {first!r} holds numbers")
    clips = [str(clip).strip() if clip is not None else "" for clip in table[first].to_pylist()]
    problems = [f"clip {clip!r} is there {n} times" for clip, n in Counter(clips).items() if clip and n > 1]
    if "" in clips:
        problems.append(f"{clips.count('')} rows name no clip in their first column, {first!r}")
    columns = [name for name in others if _is_tag(name)]
    if not columns:
        problems.append("no tags: every column after the first is one")
    values = np.full((len(clips), len(columns)), np.nan)
    tags, kinds = [], []
    for i, name in enumerate(columns):
        found = _BRACKETS.match(name)
        tags.append(found["name"] if found else name)
        kinds.append(found["kind"] if found else None)
        try:
            values[:, i] = pc.cast(table[name], pa.float64()).to_numpy()
        except pa.ArrowException:
            problems.append(f"column {name!r} must be numbers, is {table[name].type}; name it #{name} if it is no tag")
    problems += [f"tag {tag!r} is there {n} times" for tag, n in Counter(tags).items() if n > 1]
    raise_problems(str(path), problems)

    def owners(name: str) -> tuple[str | None, ...]:
        if name not in others:
            return (None,) * len(clips)
        return tuple(owner or None for owner in pc.cast(table[name], pa.string()).to_pylist())

    return NamedMatrix(str(path), tuple(clips), tuple(tags), tuple(kinds), values, owners("artist"), owners("song"))


def _is_tag(column: str) -> bool:
    return column not in NOT_TAGS and not column.startswith("#")


def _is_long(columns: Sequence[str]) -> bool:
    return {"clip", "tag"} <= set(columns)
