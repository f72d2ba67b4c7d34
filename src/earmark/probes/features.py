"""Embeddings of the windows of a dataset's clips: what a head learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import AudioError
from earmark.datasets.base import Dataset, raise_problems
from earmark.datasets.embedded import embed_clips
from earmark.tagging.embedder import Embedder
from earmark.tagging.embedding_table import read_embeddings
from earmark.tagging.embedding_writer import EmbeddingWriter
from earmark.tagging.layer_pooling import Within
from earmark.tagging.runtime import LayerModel

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """Vectors of the windows of clips.

    Attributes:
        values: (n_windows, n_dims).
        clip_of: (n_windows,) the clip of each, from 0, rising.
        weights: (n_windows,) what each counts for in its clip's scores; they sum to 1 for each clip.
        n_clips: number of clips.
    """

    values: Floats
    clip_of: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    n_clips: int

    def of_clips(self, places: npt.NDArray[np.int64]) -> WindowFeatures:
        """Windows of some clips, rising, which get new numbers."""
        number = np.full(self.n_clips, -1)
        number[places] = np.arange(len(places))
        chosen = number[self.clip_of] >= 0
        return WindowFeatures(self.values[chosen], number[self.clip_of[chosen]], self.weights[chosen], len(places))

    def clip_means(self, window_values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Values (n_windows, n) of windows -> their means (n_clips, n), as :func:`earmark.tagging.aggregation.aggregate` has them."""
        means = np.zeros((self.n_clips, window_values.shape[1]))
        np.add.at(means, self.clip_of, window_values * self.weights[:, None])
        return means


def clip_features(
    model: LayerModel,
    dataset: Dataset,
    table: Path,
    *,
    within: Within = "mean",
    time_axis: int | None = None,
    jobs: int | None = None,
    on_done: Callable[[str, int, int], None] | None = None,
) -> WindowFeatures:
    """Embed all clips of a dataset, in its order.

    Args:
        model: the trunk with its layer.
        dataset: the clips.
        table: where the embeddings are kept, see :class:`earmark.tagging.embedding_writer.EmbeddingWriter`; a table
            of the same model, layer and clips is not made again, and one that was begun is continued.
        within, time_axis: how a window has one vector, see :class:`earmark.tagging.embedder.Embedder`.
        jobs: files side by side; None for one per core.
        on_done: called with "embedding", how many clips are done and how many there are.

    Raises:
        DataError: files that are missing or cannot be read: all are named.
    """
    embedder = Embedder(model, pool="none", within=within, time_axis=time_axis)
    clips = dataset.clips
    ids = [clip.clip_id for clip in clips]
    about = {**embedder.about(), "dataset": dataset.name}
    known = read_embeddings(table) if table.is_file() else None
    if known is None or known.about != {**about, "files": len(clips)} or list(dict.fromkeys(known.clips)) != ids:
        if all(clip.stored is None for clip in clips):
            dataset.require_files()
        writer = EmbeddingWriter(table, [clip.path for clip in clips], about, ids, anew=True)
        problems = []
        for n_done, (place, result) in enumerate(embed_clips(embedder, clips, writer.todo, jobs), writer.n_done + 1):
            if isinstance(result, AudioError):
                problems.append(str(result))
            else:
                writer.add(place, result)
            if on_done is not None:
                on_done("embedding", n_done, len(clips))
        writer.flush()
        raise_problems(f"{len(problems)} of {len(clips)} files cannot be read", problems)
        writer.finish()
        known = read_embeddings(table)
    number = {clip_id: i for i, clip_id in enumerate(ids)}
    clip_of = np.array([number[clip_id] for clip_id in known.clips], np.int64)
    weights = known.weights.astype(np.float64)
    totals = np.bincount(clip_of, weights, len(ids))
    weights[totals[clip_of] == 0] = 1.0  # silent clips: all windows alike, as in tagging
    weights /= np.bincount(clip_of, weights, len(ids))[clip_of]
    return WindowFeatures(known.values, clip_of, weights, len(ids))
