"""The card of a probe's tagger, and what readers of its scores must know."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.card import ModelCard
from earmark.core.errors import DataError
from earmark.core.tag_constraints import TagConstraints
from earmark.core.version import __version__
from earmark.datasets.base import Dataset, label_matrix
from earmark.datasets.leaks import leak_warnings
from earmark.evaluation.platt import calibrated_card
from earmark.evaluation.report import best_thresholds
from earmark.evaluation.scores import ScoreTable
from earmark.probes.choice import Choice, HeadConfig


def score_table(
    dataset: Dataset, places: npt.NDArray[np.int64], scores: npt.NDArray[np.floating[Any]], split: str, model: str
) -> ScoreTable:
    """Labels and scores (n, n_tags) of the clips at these places."""
    clips = [dataset.clips[i] for i in places]
    return ScoreTable(
        dataset.vocabulary,
        tuple(clip.clip_id for clip in clips),
        tuple(clip.artist for clip in clips),
        tuple(clip.song for clip in clips),
        label_matrix(clips),
        scores.astype(np.float32),
        dataset.name,
        dataset.protocol,
        split,
        model,
        exclusive=dataset.exclusive,
    )


def first_card(
    trunk: ModelCard, dataset: Dataset, choice: Choice, places: npt.NDArray[np.int64], name: str
) -> tuple[ModelCard, ScoreTable, tuple[str, ...]]:
    """The card without what was measured, scores of the folds, and notes on the calibration.

    Args:
        trunk: card of the trunk.
        dataset: labels; its exclusive tags have a softmax.
        choice: of the strength, with scores of the clips at ``places``.
        places: (n_validated,) in the dataset.
        name: of the tagger.
    """
    info, classes = dataset.info, dataset.exclusive
    n_learned = sum(n for split, n in dataset.counts.items() if split != "test")
    card = trunk.replace(
        name=name,
        vocabulary=dataset.vocabulary,
        thresholds={},
        calibration={},
        rules=TagConstraints(exclusive=(classes,) if classes else ()),
        softmax=classes,
        description=f"{', '.join(dataset.vocabulary.names)}: a head on {trunk.name}, learned from {info.title}.",
        version="1",
        metrics=(),
        licence=f"that of {trunk.name} ({trunk.licence}) and of {info.title} ({info.licence})",
        limits=(
            f"Its trunk is {trunk.name}, unchanged; its tags were learned from {n_learned} clips.",
            *trunk.limits,
        ),
        citations=tuple(dict.fromkeys((*((info.citation,) if info.citation else ()), *trunk.citations))),
        weights_sha256="",
        training={
            "dataset": dataset.name,
            "protocol": dataset.protocol,
            "dataset_licence": info.licence,
            "dataset_sha256": dataset.fingerprint,
            "clips": dataset.counts,
            "also_learned_from": trunk.learned_from,
            "trunk_training": trunk.training,
            "versions": {"earmark": __version__},
        },
    )
    table = score_table(dataset, places, choice.scores, "validation", name)
    tags = [tag for tag in dataset.vocabulary.indices("classification") if dataset.vocabulary.names[tag] not in classes]
    notes: tuple[str, ...] = ()
    if tags:
        try:
            card, notes = calibrated_card(card, table, refit_thresholds=True)
        except DataError as error:
            card, notes = card.replace(thresholds=best_thresholds(table)), (str(error),)
    return card.replace(thresholds={**card.thresholds, **dict.fromkeys(classes, 0.0)}), table, notes


def probe_warnings(trunk: ModelCard, dataset: Dataset, choice: Choice, config: HeadConfig) -> tuple[str, ...]:
    """Why scores are too high, and what was odd about the choice; one line each."""
    warnings = [*leak_warnings(dataset), *dataset.notes]
    learned = trunk.learned_from
    if dataset.name in learned:
        same = learned[dataset.name] == dataset.protocol and "test" in dataset.counts
        which = "so that its embeddings fit the clips of the folds too well: what was chosen on them is too confident"
        warnings.append(
            f"{trunk.name} itself learned from {dataset.name} ({learned[dataset.name]}), "
            f"{which if same else 'and its training clips may be among those measured: the scores flatter'}."
        )
    if choice.strength in (min(config.strengths), max(config.strengths)):
        warnings.append(
            f"The strength that was chosen, {choice.strength:g}, is the first or last of those that were tried."
        )
    return tuple(warnings)
