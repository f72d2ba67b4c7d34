"""How well a student has learned: its answers against those of all teachers averaged, on music that it has not heard.

Rank correlation asks of each tag whether clips are put into the same order; shared tags ask of each clip whether the same
tags are its highest. Both are measured on the scores of the network, before calibration, which has a reference of its own
and moves tags against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.calibration import calibrated
from earmark.core.errors import DataError
from earmark.datasets.emotify import GENRES
from earmark.distillation.augment import RATE_HZ
from earmark.distillation.label_fusion import Doubles, Merger, union_logits
from earmark.distillation.labelled_set import LabelledSet
from earmark.distillation.ranks import rank_correlations, shared_tags
from earmark.distillation.tags import Union
from earmark.distillation.teacher_comparison import genre_labels
from earmark.distillation.windows import to_float
from earmark.metrics import roc_auc
from earmark.tagging.tagger import Tagger

PLAIN = ("emotify", "validation", "heldout")
"""The sets that together give the teachers' common scale: unchanged music of all sources, labelled by all teachers."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """A student beside the teachers, on the audible examples of one set.

    Attributes:
        tags: names, in the order of the columns.
        songs: (n,) of the examples.
        student, teachers: (n, n_tags) scores and soft labels, 0..1.
        correlations: (n_tags,) Spearman's, over examples; NaN for a tag of which either says always the same.
        shared: (n,) how many of the highest :data:`N_TOP` tags of an example are the same.
    """

    tags: tuple[str, ...]
    songs: tuple[str, ...]
    student: Doubles
    teachers: Doubles
    correlations: Doubles
    shared: npt.NDArray[np.int64]

    @classmethod
    def of(cls, tags: Sequence[str], songs: Sequence[str], student: Doubles, teachers: Doubles) -> Agreement:
        """Measure both tables (n, n_tags)."""
        return cls(
            tuple(tags),
            tuple(songs),
            student,
            teachers,
            rank_correlations(student, teachers),
            shared_tags(student, teachers),
        )

    @property
    def mean_correlation(self) -> float:
        """Over tags."""
        return float(np.nanmean(self.correlations))

    @property
    def mean_shared(self) -> float:
        """Over examples."""
        return float(self.shared.mean())

    def of_tags(self, names: Sequence[str]) -> Agreement:
        """The same, of some tags alone."""
        places = [self.tags.index(name) for name in names]
        return Agreement.of(names, self.songs, self.student[:, places], self.teachers[:, places])

    def intervals(
        self, groups: Mapping[str, str] | None = None, n_resamples: int = 500, seed: int = 0
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """95 % intervals of both means, drawing songs.

        Args:
            groups: song -> what is drawn in its place, e.g. its source.
            n_resamples, seed: of the bootstrap.
        """
        names = [(groups or {}).get(song, song) for song in self.songs]
        members = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
        rng = np.random.default_rng(seed)
        drawn = np.empty((n_resamples, 2))
        for i in range(n_resamples):
            rows = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
            found = rank_correlations(self.student[rows], self.teachers[rows])
            drawn[i, 0] = found[~np.isnan(found)].mean() if not np.isnan(found).all() else np.nan
            drawn[i, 1] = self.shared[rows].mean()
        low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)  # one song drawn again and again has no order
        return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def all_teachers(folder: Path, union: Union) -> Merger:
    """The common scale of all teachers. Raises DataError for sets that are not there."""
    sets = [LabelledSet.open(folder / name) for name in PLAIN]
    if any(other.teachers != sets[0].teachers for other in sets):
        raise DataError(f"{folder}: {', '.join(PLAIN)} were labelled by different teachers")
    logits = [union_logits(part.means.astype(np.float32), part.vocabularies, union) for part in sets]
    return Merger.fit(np.concatenate(logits))


def merged_labels(labelled: LabelledSet, merger: Merger, union: Union) -> Doubles:
    """Soft labels of the examples of a set, (n, n_tags) of the union."""
    return merger.merge(union_logits(labelled.means.astype(np.float32), labelled.vocabularies, union)).astype(
        np.float64
    )


def answers(tagger: Tagger, labelled: LabelledSet) -> Doubles:
    """What a model says of the examples, (n, n_tags) in the order of its tags, its calibration taken back."""
    scores = [
        tagger.tag_waveform(to_float(np.asarray(samples)), RATE_HZ).scores
        for part in labelled.audio
        for samples in part
    ]
    return uncalibrated(np.stack(scores).astype(np.float64), tagger)


def uncalibrated(scores: Doubles, tagger: Tagger) -> Doubles:
    """The network's scores of calibrated ones (n, n_tags)."""
    names = tagger.card.vocabulary.names
    back = {name: platt.inverse() for name, platt in tagger.card.calibration.items()}
    return calibrated(scores, names, back).astype(np.float64)


def compare(
    student: Doubles, names: Sequence[str], labelled: LabelledSet, teachers: Doubles, union: Union
) -> Agreement:
    """A student's answers (n, n_tags) beside soft labels of the union, on the tags that both have."""
    known = union.vocabulary.names
    if missing := [name for name in names if name not in known]:
        raise DataError(f"tags that no teacher knows: {', '.join(missing)}")
    rows = labelled.audible
    songs = [song for song, heard in zip(labelled.songs(), rows, strict=True) if heard]
    return Agreement.of(names, songs, student[rows], teachers[rows][:, [known.index(name) for name in names]])


def genre_auc(
    student: Doubles, names: Sequence[str], labelled: LabelledSet, emotify: Path
) -> tuple[Doubles, list[str], Doubles, npt.NDArray[np.float32]]:
    """ROC-AUC (4,) of Emotify's genres; a song's score is the mean over its examples.

    Returns:
        The values, the songs, their scores (n_songs, 4) and labels (n_songs, 4).
    """
    songs = np.array(labelled.songs())
    rows = labelled.audible
    chosen = list(dict.fromkeys(songs[rows].tolist()))
    places = [list(names).index(genre) for genre in GENRES]
    scores = np.stack([student[(songs == song) & rows][:, places].mean(axis=0) for song in chosen])
    labels = genre_labels(emotify, chosen)
    return np.asarray(roc_auc(labels, scores)), chosen, scores, labels
