"""Results as pandas tables. Needs pandas (``earmark[pandas]``), which nothing else in tagging does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from earmark.core.errors import AudioError, MissingExtraError
from earmark.tagging.top_tags import TagScore

if TYPE_CHECKING:
    import pandas as pd

    from earmark.tagging.tag_scores import TagScores
    from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

FILE_COLUMNS = ("path", "status", "error", "duration_seconds", "model")
TEMPO_COLUMNS = ("bpm", "tempo_confidence")
KEY_COLUMNS = ("key", "camelot", "key_confidence", "tuning_hz")
"""Columns of tempo and key, in tables of all kinds; those that were not wanted are not there."""


Cells = dict[str, str | float | None]


def tempo_cells(tempo: Tempo | None) -> Cells:
    """A tempo in TEMPO_COLUMNS; all of None is None."""
    if tempo is None:
        return dict.fromkeys(TEMPO_COLUMNS)
    record = tempo.record()
    return dict(zip(TEMPO_COLUMNS, (record["bpm"], record["confidence"]), strict=True))


def key_cells(key: KeyEstimate | None) -> Cells:
    """A key in KEY_COLUMNS; all of None is None."""
    if key is None:
        return dict.fromkeys(KEY_COLUMNS)
    record = key.record()
    cells = (record["key"], record["camelot"], record["confidence"], record["tuning_hz"])
    return dict(zip(KEY_COLUMNS, cells, strict=True))


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise MissingExtraError("a table of results", "pandas") from error
    return pandas


def to_frame(results: Iterable[TagScores | AudioError]) -> pd.DataFrame:
    """Results of many files as one table, which has the columns of ``earmark tag --format csv``.

    Args:
        results: of :meth:`Tagger.tag_many`, errors among them, or any others; of models with different tags, too.

    Returns:
        One row for each result, in their order. Columns: path (str, missing without one), status ("ok" or "error"), error
        (the reason), duration_seconds, model; bpm, tempo_confidence, key, camelot, key_confidence and tuning_hz, where
        the tagger estimated them; and one of each tag and degree with its score, 0..1, which is NaN where a file is
        silent, could not be tagged, or has another model without the tag.

    Raises:
        MissingExtraError: pandas is not installed.
        AudioError: while iterating, from ``tag_many(..., errors="raise")``.

    Examples:
        >>> import earmark, numpy as np
        >>> tagger = earmark.load_tagger()
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 3 * 16_000)
        >>> results = [tagger.tag_waveform(noise, 16_000), *tagger.tag_many(["missing.mp3"], errors="return")]
        >>> table = earmark.to_frame(results)
        >>> table[["status", "duration_seconds"]].values.tolist()
        [['ok', 3.0], ['error', nan]]
        >>> table["rock"].notna().tolist()
        [True, False]
    """
    pandas = _pandas()
    rows: list[dict[str, Any]] = []
    measures: dict[str, None] = {}
    tags: dict[str, None] = {}
    for result in results:
        path = None if result.path is None else str(result.path)
        if isinstance(result, AudioError):
            rows.append({"path": path, "status": "error", "error": result.reason})
        else:
            known = {"path": path, "status": "ok", "duration_seconds": result.duration_seconds, "model": result.model}
            tempo = {} if result.tempo is None else tempo_cells(result.tempo)
            key = {} if result.key is None else key_cells(result.key)
            rows.append(({} if result.silent else dict(result)) | known | tempo | key)
            measures |= dict.fromkeys((*tempo, *key))
            tags |= dict.fromkeys(result.tags)
    return pandas.DataFrame(rows, columns=[*FILE_COLUMNS, *measures, *tags])


def tag_frame(tags: list[TagScore]) -> pd.DataFrame:
    """See :meth:`earmark.TagScores.to_frame`."""
    return _pandas().DataFrame([asdict(tag) for tag in tags], columns=[field.name for field in fields(TagScore)])


def taggram_frame(scores: TagScores) -> pd.DataFrame:
    """See :meth:`earmark.TagScores.taggram_frame`."""
    pandas = _pandas()
    starts = pandas.Index(scores.window_starts_seconds, name="start_seconds")
    return pandas.DataFrame(scores.taggram, index=starts, columns=list(scores.tags))
