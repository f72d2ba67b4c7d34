"""Agreement of a student with the mean of all teachers, on music that it was not trained on.

Rank correlation: for each tag, is the order of clips the same? Shared tags: for each clip, are the highest tags the same?
Both are measured on the network's scores before calibration, which has a reference of its own and changes the order of
tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.calibration import calibrated
from earmark.core.errors import DataError
from earmark.datasets.labelled_set import LabelFusion, LabelledSet, LabelledSets, Song, TagUnion, union_logits
from earmark.datasets.labelled_set.label_fusion import Doubles
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.distillation.ranks import rank_correlations, shared_tags
from earmark.distillation.windows import to_float
from earmark.metrics import CONFIDENCE_LEVEL, roc_auc
from earmark.metrics.resampling import ends_of
from earmark.tagging.tagger import Tagger


@dataclass(frozen=True, eq=False)
class Agreement:
    """A student compared with the teachers, on the audible examples of one set.

    Attributes:
        tags: names, in the order of the columns.
        songs: (n,) of the examples.
        student, teachers: (n, n_tags) scores and soft labels, 0..1; NaN of tags that no teacher knows.
        correlations: (n_tags,) Spearman's, over examples; NaN where either has the same score for all, or none.
        shared: (n,) how many of the :data:`~earmark.distillation.ranks.N_TOP` highest tags of an example are the same.
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
            shared_tags(np.where(np.isnan(teachers), -np.inf, student), teachers),
        )

    @property
    def mean_correlation(self) -> float:
        """Over tags."""
        return float(np.nanmean(self.correlations))

    @property
    def mean_shared(self) -> float:
        """Over examples."""
        return float(self.shared.mean())

    def select_tags(self, names: Sequence[str]) -> Agreement:
        """The same for some of the tags."""
        places = [self.tags.index(name) for name in names]
        return Agreement.of(names, self.songs, self.student[:, places], self.teachers[:, places])

    def intervals(
        self, groups: Mapping[str, str] | None = None, n_resamples: int = 500, seed: int = 0
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """95 % intervals of both means, drawing songs.

        Args:
            groups: song -> the group that is drawn instead of it, e.g. its source.
            n_resamples, seed: of the bootstrap.
        """
        names = [(groups or {}).get(song, song) for song in self.songs]
        members = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
        rng = np.random.default_rng(seed)
        means = np.empty((n_resamples, 2))
        for i in range(n_resamples):
            rows = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
            found = rank_correlations(self.student[rows], self.teachers[rows])
            means[i, 0] = found[~np.isnan(found)].mean() if not np.isnan(found).all() else np.nan
            means[i, 1] = self.shared[rows].mean()
        low, high = ends_of(means, CONFIDENCE_LEVEL)  # a single song drawn again and again has no order
        return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


@dataclass(frozen=True)
class KnownTagAgreement:
    """A student compared with the known labels of songs that it was not trained on.

    Attributes:
        tag: its name.
        n_songs: with a known label.
        correlation: Spearman's rank correlation over songs; NaN where all labels are the same.
        difference: mean absolute difference, of use for degrees.
    """

    tag: str
    n_songs: int
    correlation: float
    difference: float


def known_tag_agreement(
    parts: Sequence[Agreement], songs: Sequence[Song], tags: Sequence[str]
) -> tuple[KnownTagAgreement, ...]:
    """Compare a student with known labels, for each of these tags that is known of any song.

    Args:
        parts: agreement on sets that it was not trained on. A song's score is the mean over its examples.
        songs: with their known labels.
        tags: names.
    """
    given = np.concatenate([part.student for part in parts])
    names = np.array([song for part in parts for song in part.songs])
    found = []
    for tag in tags:
        known = [song for song in songs if tag in song.labels and song.song_id in names]
        if known:
            column = parts[0].tags.index(tag)
            scores = np.array([given[names == song.song_id, column].mean() for song in known])
            labels = np.array([song.labels[tag] for song in known])
            correlation = float(rank_correlations(scores[:, None], labels[:, None])[0])
            found.append(KnownTagAgreement(tag, len(known), correlation, float(np.abs(scores - labels).mean())))
    return tuple(found)


def fusion_of_all_teachers(sets: LabelledSets) -> LabelFusion:
    """The common scale of all teachers, from the unchanged sets that all of them labelled. Raises DataError without them."""
    names = (*sets.extra_sets, "validation", "heldout")
    opened = [sets[name] for name in names]
    if any(other.teachers != opened[0].teachers for other in opened):
        raise DataError(f"{sets.folder}: {', '.join(names)} were labelled by different teachers")
    return LabelFusion.fit(np.concatenate([all_logits(labelled, sets.union) for labelled in opened]))


def all_logits(labelled: LabelledSet, union: TagUnion) -> Doubles:
    """Logits (n, n_teachers, n_tags) of all teachers of a set."""
    return union_logits(labelled.means.astype(np.float32), labelled.vocabularies, union)


def fused_labels(labelled: LabelledSet, fusion: LabelFusion, union: TagUnion) -> Doubles:
    """Soft labels of the examples of a set by all its teachers, (n, n_tags) of the union."""
    return fusion.soft_labels(all_logits(labelled, union)).astype(np.float64)


def network_scores(tagger: Tagger, labelled: LabelledSet) -> Doubles:
    """A model's scores for the examples before calibration, (n, n_tags) in the order of its tags."""
    scores = [
        tagger.tag_waveform(to_float(np.asarray(samples)), RATE_HZ).scores
        for part in labelled.audio
        for samples in part
    ]
    return uncalibrated(np.stack(scores).astype(np.float64), tagger)


def uncalibrated(scores: Doubles, tagger: Tagger) -> Doubles:
    """The network's scores for calibrated ones (n, n_tags)."""
    names = tagger.card.vocabulary.names
    inverse = {name: platt.inverse() for name, platt in tagger.card.calibration.items()}
    return calibrated(scores, names, inverse).astype(np.float64)


def compare(
    student: Doubles, names: Sequence[str], labelled: LabelledSet, teachers: Doubles, union: TagUnion
) -> Agreement:
    """Compare a student's scores (n, n_tags) with soft labels of the union, on the tags that both have."""
    known = union.vocabulary.names
    if missing := [name for name in names if name not in known]:
        raise DataError(f"tags that no teacher knows: {', '.join(missing)}")
    rows = labelled.audible
    songs = [song for song, audible in zip(labelled.songs(), rows, strict=True) if audible]
    return Agreement.of(names, songs, student[rows], teachers[rows][:, [known.index(name) for name in names]])


def known_label_auc(
    student: Doubles, names: Sequence[str], labelled: LabelledSet, sets: LabelledSets
) -> tuple[Doubles, list[str], Doubles, npt.NDArray[np.float32]]:
    """ROC-AUC (n_known,) of the tags with known labels; a song's score is the mean over its examples.

    Returns:
        The values, the songs, their scores and their labels, both (n_songs, n_known).
    """
    songs = np.array(labelled.songs())
    rows = labelled.audible
    chosen = list(dict.fromkeys(songs[rows].tolist()))
    places = [list(names).index(tag) for tag in sets.known_tags]
    scores = np.stack([student[(songs == song) & rows][:, places].mean(axis=0) for song in chosen])
    labels = sets.known_labels(chosen)
    return np.asarray(roc_auc(labels, scores)), chosen, scores, labels
