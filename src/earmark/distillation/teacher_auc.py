"""ROC-AUC of teachers on the tags whose labels are known, each alone and averaged.

Known labels are those of the table of music.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.datasets.labelled_set import LabelFusion, LabelledSets
from earmark.datasets.labelled_set.label_fusion import Doubles
from earmark.metrics import bootstrap, roc_auc


@dataclass(frozen=True)
class KnownLabelRow:
    """ROC-AUC of tags with known labels for one teacher, or for several averaged.

    Attributes:
        title: of the teacher or the group.
        values: (n_known,) in the order of the tags; NaN for a tag that is not in the vocabulary.
    """

    title: str
    values: Doubles

    @property
    def mean(self) -> float:
        """Over the tags that are in the vocabulary."""
        return float(np.nanmean(self.values))


@dataclass(frozen=True, eq=False)
class KnownLabelResults:
    """Teachers compared with known labels, on the songs of some sets.

    Attributes:
        sets: their names.
        n_songs: how many songs there are.
        rows: each teacher, then groups.
        interval: 95 % interval of the mean for all teachers averaged, drawing ``n_groups`` groups; None for single sets.
        greedy: teachers added one by one, each time the one that raises the mean most, with the mean; chosen on these
            very songs, so it is optimistic. Empty for single sets.
    """

    sets: tuple[str, ...]
    n_songs: int
    rows: Sequence[KnownLabelRow]
    interval: tuple[float, float] | None
    n_groups: int
    greedy: Sequence[tuple[str, float]]


def known_label_rows(
    logits: Doubles,
    labels: npt.NDArray[np.float32],
    places: Sequence[int],
    teachers: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    fitted_on: Doubles | None = None,
) -> list[KnownLabelRow]:
    """ROC-AUC of tags with known labels, for each teacher and for groups of teachers.

    Args:
        logits: (n_songs, n_teachers, n_tags).
        labels: (n_songs, n_known).
        places: positions of these tags among all.
        teachers: names, in order.
        groups: title -> names of teachers that are averaged on their common scale.
        fitted_on: logits from which the scale is taken; None for ``logits``.
    """
    scores = logits[:, :, places]
    scale = scores if fitted_on is None else fitted_on[:, :, places]
    rows = [KnownLabelRow(name, _auc(labels, scores[:, i])) for i, name in enumerate(teachers)]
    for title, members in groups.items():
        chosen = [teachers.index(name) for name in members]
        known = ~np.isnan(scale[0, chosen]).all(axis=0)
        averaged = np.full((len(scores), len(places)), np.nan)
        fusion = LabelFusion.fit(scale[:, chosen][:, :, known])
        averaged[:, known] = fusion.common_scale(scores[:, chosen][:, :, known])
        rows.append(KnownLabelRow(title, _auc(labels, averaged)))
    return rows


def _auc(labels: npt.NDArray[np.float32], scores: Doubles) -> Doubles:
    known = ~np.isnan(scores[0])
    out = np.full(scores.shape[1], np.nan)
    if known.any():
        out[known] = roc_auc(labels[:, known], scores[:, known])
    return out


def known_label_results(
    sets: LabelledSets,
    chosen: tuple[str, ...],
    songs: Sequence[str],
    logits: Doubles,
    teachers: Sequence[str],
    groups: dict[str, Sequence[str]],
    whole: bool,
) -> KnownLabelResults:
    """Compare teachers, and groups of them, with the known labels of songs.

    Args:
        sets: with the known labels.
        chosen: names of the sets that the songs are from.
        songs: ids.
        logits: of the songs, (n_songs, n_teachers, n_tags).
        teachers: names, in order.
        groups: title -> names of teachers that are averaged.
        whole: with an interval, and teachers added one by one.
    """
    labels = sets.known_labels(songs)
    places = [sets.union.vocabulary.index(tag) for tag in sets.known_tags]
    rows = known_label_rows(logits, labels, places, teachers, groups)
    if not whole:
        return KnownLabelResults(chosen, len(songs), rows, None, 0, ())

    def mean_auc(members: tuple[str, ...]) -> float:
        # One tag without a teacher makes a group useless.
        values = known_label_rows(logits, labels, places, teachers, {"": members})[-1].values
        return float(np.where(np.isnan(values), 0.5, values).mean())

    common = LabelFusion.fit(logits[:, :, places]).common_scale(logits[:, :, places])
    answered = ~np.isnan(common[0])
    ends = bootstrap("roc_auc", labels[:, answered], common[:, answered], [sets.groups[song] for song in songs], seed=0)
    greedy = [(members[-1], mean) for members, mean in greedy_order(mean_auc, teachers)]
    return KnownLabelResults(chosen, len(songs), rows, (ends.macro_low, ends.macro_high), ends.n_groups, greedy)


def greedy_order(
    value_of: Callable[[tuple[str, ...]], float], names: Sequence[str]
) -> list[tuple[tuple[str, ...], float]]:
    """Teachers added one by one, each time the one with which the value is largest: every stage with its value."""
    chosen: tuple[str, ...] = ()
    stages = []
    while len(chosen) < len(names):
        options = [(*chosen, name) for name in names if name not in chosen]
        values = [value_of(option) for option in options]
        best = int(np.argmax(values))
        chosen = options[best]
        stages.append((chosen, values[best]))
    return stages
