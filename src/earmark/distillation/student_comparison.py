"""Comparison of students: agreement with the teachers, known labels, and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.datasets.labelled_set import LabelledSets
from earmark.distillation.agreement import (
    Agreement,
    compare,
    fused_labels,
    fusion_of_all_teachers,
    known_label_auc,
    network_scores,
)
from earmark.evaluation.torch_model import TorchModel
from earmark.models.summary import count_macs, count_weights
from earmark.tagging.tagger import Tagger

SETS = ("validation", "heldout")


@dataclass(frozen=True, eq=False)
class StudentRow:
    """One student.

    Attributes:
        title: folder of its run.
        architecture: name of the network.
        n_windows: training windows over all epochs.
        hours: of audio in these windows.
        n_weights, macs_10_s: of the network; for ten seconds of audio, front-end included.
        agreement: set -> agreement with the mean of all teachers.
        known_auc: mean ROC-AUC of the tags with known labels on the validation songs; NaN without known labels.
    """

    title: str
    architecture: str
    n_windows: int
    hours: float
    n_weights: int
    macs_10_s: int
    agreement: dict[str, Agreement]
    known_auc: float


@dataclass(frozen=True, eq=False)
class StudentComparison:
    """Students in the order in which they were given.

    Attributes:
        rows: one for each.
        known_tags: tags with known labels; often none.
        n_songs, n_groups: validation songs, and artists or sources among them.
    """

    rows: Sequence[StudentRow]
    known_tags: tuple[str, ...]
    n_songs: int
    n_groups: int


def compare_students(checkpoints: Sequence[Path], folder: Path) -> StudentComparison:
    """Measure checkpoints of students on music that they were not trained on; the test songs are not used.

    Args:
        checkpoints: of the students.
        folder: of the labelled sets.

    Raises:
        DataError: sets are missing.
        ModelError: no such checkpoint.
    """
    sets = LabelledSets.open(folder)
    fusion = fusion_of_all_teachers(sets)
    labelled = {name: sets[name] for name in SETS}
    targets = {name: fused_labels(found, fusion, sets.union) for name, found in labelled.items()}
    rows = []
    for path in checkpoints:
        model = TorchModel(path)
        names, card = model.card.vocabulary.names, model.card
        scores = {name: network_scores(Tagger(model), found) for name, found in labelled.items()}
        clips, training = card.training.get("clips", {}), card.training.get("recipe", {}).get("training", {})
        n_windows = clips.get("train", 0) * training.get("windows_per_clip", 1) * training.get("epochs", 0)
        known_auc = float("nan")
        if sets.known_tags:
            known_auc = float(np.nanmean(known_label_auc(scores["validation"], names, labelled["validation"], sets)[0]))
        rows.append(
            StudentRow(
                title=path.parent.name if path.name == "checkpoint" else path.name,
                architecture=card.architecture,
                n_windows=n_windows,
                hours=n_windows * card.input.window_seconds / 3600,
                n_weights=count_weights(model.network)[0],
                macs_10_s=count_macs(model.network) * 10 * card.input.sample_rate_hz // card.input.window_samples,
                agreement={
                    name: compare(scores[name], names, labelled[name], targets[name], sets.union) for name in labelled
                },
                known_auc=known_auc,
            )
        )
    validation = labelled["validation"]
    songs = {song for song, audible in zip(validation.songs(), validation.audible, strict=True) if audible}
    groups = sets.groups
    return StudentComparison(rows, sets.known_tags, len(songs), len({groups.get(song, song) for song in songs}))
