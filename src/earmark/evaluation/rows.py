"""Rows of (clip, tag) pairs in any order -> arrays (n_clips, n_tags)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from earmark.core.errors import DataError


class Grid:
    """A table with a row for each clip and tag, laid out as a grid of clips by tags.

    Args:
        table: an Arrow table with the columns clip and tag, and rows.
        where: its name in messages.

    Attributes:
        clips, tags: in the order in which they first appear.
        problems: what the methods found wrong, one line each; they continue, so that all can be reported at once.

    Raises:
        DataError: pairs that are there twice or not at all, or rows without clip or tag.
    """

    def __init__(self, table: Any, where: str) -> None:
        self.problems: list[str] = []
        self._table = table
        clip_of, self.clips = _numbered(table["clip"], f"{where}: clip")
        tag_of, self.tags = _numbered(table["tag"], f"{where}: tag")
        shape = len(self.clips), len(self.tags)
        place = clip_of * shape[1] + tag_of
        times = np.bincount(place, minlength=shape[0] * shape[1])
        if (times > 1).any():
            raise DataError(
                f"{where}: {_count(times > 1, 'clip-tag pair')} there more than once, {self._first(times > 1)}"
            )
        if (times == 0).any():
            raise DataError(
                f"{where}: every clip must have the same tags, each in a row: {_count(times == 0, 'row')} "
                f"missing, {self._first(times == 0)}"
            )
        self._row = np.empty(len(place), np.int64)
        self._row[place] = np.arange(len(place))
        self._row = self._row.reshape(shape)

    def numbers(self, column: str) -> npt.NDArray[np.float32] | npt.NDArray[np.float64]:
        """(n_clips, n_tags) of a column of numbers, NaN where null."""
        try:
            single = self._table[column].type == pa.float32()
            values = pc.cast(self._table[column], pa.float32() if single else pa.float64())
        except pa.ArrowException:
            self.problems.append(f"column {column!r} must be numbers, is {self._table[column].type}")
            return np.full(self._row.shape, np.nan)
        numbers: npt.NDArray[np.float64] = values.to_numpy()[self._row]
        return numbers

    def of_clips(self, column: str) -> tuple[str | None, ...]:
        """A text of each clip; None where null, empty or without such a column."""
        return self._of(column, axis=0)

    def of_tags(self, column: str) -> tuple[str | None, ...]:
        """A text of each tag, as :meth:`of_clips`."""
        return self._of(column, axis=1)

    def constant(self, column: str) -> str:
        """A text that all rows share; empty without such a column."""
        if column not in self._table.column_names:
            return ""
        values = pc.unique(_text(self._table[column])).to_pylist()
        if len(values) > 1:
            shown = ", ".join(repr(value) for value in values[:5])
            self.problems.append(f"column {column!r} must be the same in all rows, is {shown}")
        return values[0] or ""

    def _of(self, column: str, axis: int) -> tuple[str | None, ...]:
        names = (self.clips, self.tags)[axis]
        if column not in self._table.column_names:
            return (None,) * len(names)
        codes, values = _encoded(_text(self._table[column]))
        grid = codes[self._row] if axis == 0 else codes[self._row].T
        odd = np.flatnonzero((grid != grid[:, :1]).any(axis=1))
        if len(odd):
            what = ("clip", "tag")[axis]
            self.problems.append(f"column {column!r}: {len(odd)} {what}s with more than one, e.g. {names[odd[0]]!r}")
        return tuple((values[code] or None) if code >= 0 else None for code in grid[:, 0].tolist())

    def _first(self, places: npt.NDArray[np.bool_]) -> str:
        clip, tag = divmod(int(np.argmax(places)), len(self.tags))
        return f"e.g. clip {self.clips[clip]!r}, tag {self.tags[tag]!r}"


def _count(places: npt.NDArray[np.bool_], what: str) -> str:
    n = int(places.sum())
    return f"{n} {what} is" if n == 1 else f"{n} {what}s are"


def _text(column: Any) -> Any:
    """As text, whatever it was: ids may be numbers, and words may be stored as a dictionary."""
    return pc.cast(column, pa.string())


def _encoded(column: Any) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Each row's number of its value, -1 for null, and the values in the order in which they first appear."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = array.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, tuple(encoded.dictionary.to_pylist())


def _numbered(column: Any, where: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    codes, values = _encoded(_text(column))
    if (empty := int((codes < 0).sum())) or "" in values:
        raise DataError(f"{where}: {empty or 'some'} rows have none")
    return codes, values
