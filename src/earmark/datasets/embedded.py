"""Embeddings of the clips of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np

from earmark.core.errors import AudioError, DataError
from earmark.datasets.base import Clip
from earmark.datasets.stored_audio import FULL_SCALE, open_stored
from earmark.tagging.embedder import Embedder, Embedding


def embed_clips(
    embedder: Embedder, clips: Sequence[Clip], places: Sequence[int], jobs: int | None = None
) -> Iterator[tuple[int, Embedding | AudioError]]:
    """Embed some clips, from their files or from the decoded audio that the dataset keeps.

    Args:
        embedder: gives the embeddings.
        clips: of the dataset.
        places: which of them.
        jobs: files side by side; None for one per core.

    Yields:
        Each of ``places`` with its result, in order.

    Raises:
        DataError: some clips have a file, others decoded audio.
    """
    if all(clip.stored is None for clip in clips):
        with closing(embedder.embed_many((clips[i].path for i in places), jobs=jobs, errors="return")) as results:
            yield from zip(places, results, strict=True)
        return
    samples = open_stored(clips)
    for place in places:
        stored = clips[place].stored
        if stored is None:
            raise DataError(f"clip {clips[place].clip_id!r}: it has a file, others of this dataset decoded audio")
        yield place, embedder.embed_waveform(samples[place] / np.float32(FULL_SCALE), stored.sample_rate_hz)
