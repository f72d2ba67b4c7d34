"""What is printed, by share factor: on which scale should scores be calibrated, so that what people say is said?

A student is calibrated with each factor for all categories (:mod:`earmark.distillation.calibration_targets`), and its
output is compared with people's labels. The network stays the same, so songs are tagged once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from earmark.core.calibration import calibrated
from earmark.core.card import ModelCard
from earmark.core.vocabulary import CATEGORIES
from earmark.distillation.calibration import calibrate_student
from earmark.distillation.card_text import CardText
from tools.default_model.judges import suite
from tools.default_model.judges.answers import label_scores
from tools.default_model.judges.measures import Value
from tools.default_model.judges.models import Doubles, Model
from tools.default_model.judges.scoring import SongScores, predicted_tags
from tools.default_model.judges.songs import Collection

FACTORS = (1.0, 1.5, 2.0, 3.0, 4.0)


class Recalibrated(Model):
    """A model with the calibration and thresholds of another card of the same network.

    Args:
        model: whose scores are stored.
        card: with the same tags.
    """

    def __init__(self, model: Model, card: ModelCard) -> None:
        self.name, self.card, self._model = model.name, card, model

    def output(self, songs: Collection) -> SongScores:
        """Scores and predicted tags."""
        names, found = self.card.vocabulary.names, self._model.output(songs)
        inverse = {tag: platt.inverse() for tag, platt in self._model.card.calibration.items()}
        raw = calibrated(found.scores.astype(np.float64), names, inverse)
        scores = calibrated(raw, names, self.card.calibration).astype(np.float32)
        return SongScores(self.card, scores, predicted_tags(self.card, scores))

    def scores(self, songs: Collection, labels: Sequence[str]) -> Doubles:
        """See :class:`tools.default_model.judges.models.ScoreSource`."""
        return label_scores(labels, self.card.vocabulary.names, self.output(songs).scores)


def outputs_by_factor(
    checkpoint: Path,
    sets: Path,
    text: CardText,
    model: Model,
    songs: Mapping[str, Collection],
    out: Path,
    factors: Sequence[float] = FACTORS,
) -> Iterator[tuple[float, list[Value]]]:
    """What is printed of the validation songs, and how it compares with people's labels.

    Args:
        checkpoint, sets: of the student.
        text: of its card.
        model: the student, exported with any factors.
        songs: with labels.
        out: folder of the calibrated checkpoints.
        factors: to try, each for all categories.

    Yields:
        Each factor and its values.
    """
    for factor in factors:
        alike = replace(text, share_factors=dict.fromkeys(CATEGORIES, factor))
        card = calibrate_student(checkpoint, sets, out / f"factor-{factor:g}", alike).card
        yield factor, suite.outputs(Recalibrated(model, card), songs, "validation")
