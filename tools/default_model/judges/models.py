"""What is measured: one model, or the average of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tools.default_model.judges.answers import label_scores
from tools.default_model.judges.measures import known_labels
from tools.default_model.judges.scoring import ScoreStore, SongScores
from tools.default_model.judges.songs import Collection

Doubles = npt.NDArray[np.float64]
OnDone = Callable[[str, int, int], None]
"""Collection, songs that are done, all songs."""


class ScoreSource(Protocol):
    """Whatever gives labels scores: a model, or the average of several."""

    def scores(self, songs: Collection, labels: Sequence[str]) -> Doubles:
        """(n_songs, n_labels), NaN in columns of labels that are not known."""


class Model:
    """One model, whose scores are stored."""

    def __init__(self, store: ScoreStore, jobs: int | None = None, on_done: OnDone | None = None) -> None:
        self.name, self.card, self.sha256 = store.name, store.tagger.card, store.sha256
        self._store, self._jobs, self._on_done = store, jobs, on_done

    def output(self, songs: Collection) -> SongScores:
        """Scores and predicted tags."""
        on_done = self._on_done
        return self._store.scores(
            songs.songs,
            jobs=self._jobs,
            on_done=None if on_done is None else lambda done, n: on_done(songs.name, done, n),
        )

    def scores(self, songs: Collection, labels: Sequence[str]) -> Doubles:
        """See :class:`ScoreSource`."""
        return label_scores(labels, self.card.vocabulary.names, self.output(songs).scores)


class Average:
    """Models averaged on a common scale: the logits of each label's scores, less their mean, over their deviation."""

    def __init__(self, models: Sequence[ScoreSource]) -> None:
        self._models = models

    def scores(self, songs: Collection, labels: Sequence[str]) -> Doubles:
        """See :class:`ScoreSource`; a label's average is over the models that know it."""
        total, counts = np.zeros((len(songs.songs), len(labels))), np.zeros(len(labels))
        for model in self._models:
            p = np.clip(model.scores(songs, labels), 1e-9, 1 - 1e-9)
            known = known_labels(p)
            logits = np.log(p[:, known] / (1 - p[:, known]))
            total[:, known] += (logits - logits.mean(axis=0)) / (logits.std(axis=0) + 1e-9)
            counts += known
        mean = np.full(total.shape, np.nan)
        mean[:, counts > 0] = total[:, counts > 0] / counts[counts > 0]
        return mean
