"""From the scores of a file's windows to those of the file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from earmark.audio import window_starts
from earmark.core.calibration import calibrated
from earmark.core.card import ModelCard
from earmark.tagging.aggregation import aggregate
from earmark.tagging.file_windows import AudioSummary
from earmark.tagging.tag_scores import TagScores


class WindowScores(NamedTuple):
    """Window scores of one file.

    Attributes:
        path: the file, or the name of one in memory; None without a name.
        taggram: ``(n_windows, n_outputs)``, all outputs of the network for each window, which may be more than scores;
            with ``steps``, also of the windows between.
        audio: what is known of the audio.
    """

    path: Path | None
    taggram: npt.NDArray[np.float32]
    audio: AudioSummary


def file_scores(windows: WindowScores, card: ModelCard, *, steps: int, embedding: bool) -> TagScores:
    """Scores of a file: aggregated, calibrated, and 0 where it is silent.

    Args:
        windows: of the file; columns of the taggram are the scores, and then the embedding if there is one.
        card: of the model.
        steps: windows for each one of the card's, see :func:`earmark.audio.windows`.
        embedding: whether the taggram has one.
    """
    spec, audio = card.input, windows.audio
    taggram, embeddings = np.split(windows.taggram, [len(card.vocabulary)], axis=1)
    names, maps = card.vocabulary.names, card.calibration
    side_by_side: slice | npt.NDArray[np.bool_] = slice(None)
    if steps > 1:
        side_by_side = np.isin(window_starts(audio.n_samples, spec, steps), window_starts(audio.n_samples, spec))
    scores = calibrated(aggregate(taggram[side_by_side], audio.weights), names, maps)
    window_scores = np.ascontiguousarray(calibrated(taggram, names, maps))
    silent = audio.weights is not None and not audio.weights.any()
    if audio.weights is not None and steps == 1:
        window_scores[audio.weights == 0] = 0
    if silent:
        scores = np.zeros_like(scores)
    result = TagScores(
        path=windows.path,
        model=card.name,
        vocabulary=card.vocabulary,
        scores=scores,
        taggram=window_scores,
        window_starts_seconds=audio.window_starts_seconds(spec, steps),
        window_seconds=spec.window_seconds,
        duration_seconds=audio.duration_seconds,
        thresholds=dict(card.thresholds),
        warnings=audio.warnings,
        rules=card.rules,
        sparse=audio.starts is not None,
        embedding=aggregate(embeddings[side_by_side], audio.weights) if embedding else None,
        silent_seconds=audio.silent_seconds,
        silent=silent,
        n_windows=len(taggram[side_by_side]),
        silences_seconds=audio.silences_seconds,
        left_out_seconds=audio.left_out / spec.sample_rate_hz,
        uncalibrated=np.ascontiguousarray(taggram),
        calibration=dict(maps),
        tempo=audio.tempo,
        key=audio.key,
    )
    if steps > 1:  # a moment is silent, or not; windows around it may be longer
        window_scores[result.audible_seconds() == 0] = 0
    return result
