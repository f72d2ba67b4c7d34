"""Decoded audio that a dataset keeps in array files, mapped from disk: see :class:`earmark.datasets.base.StoredAudio`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.array_files import ARRAY_FILE_ERRORS, problem_of
from earmark.core.errors import DataError
from earmark.datasets.base import Clip

FULL_SCALE = 32767


def open_stored(clips: Sequence[Clip]) -> list[npt.NDArray[np.int16]]:
    """Samples (n,) int16 of clips that all have stored audio; :data:`FULL_SCALE` is 1.0. Every file is opened once.

    Raises:
        DataError: an array file cannot be read.
    """
    arrays: dict[Path, npt.NDArray[np.int16]] = {}
    samples = []
    for clip in clips:
        stored = clip.stored
        if stored is None:
            raise DataError(f"clip {clip.clip_id!r}: its audio is a file of its own, {clip.path}")
        if stored.path not in arrays:
            try:
                arrays[stored.path] = np.load(stored.path, mmap_mode="r", allow_pickle=False)
            except ARRAY_FILE_ERRORS as error:
                raise DataError(f"{stored.path}: {problem_of(error)}") from error
        samples.append(arrays[stored.path][stored.row, stored.start : stored.stop])
    return samples
