"""Comparison of teachers, each alone and averaged: with known labels, and with each other.

Known labels are those of the table of music. Where teachers of one vocabulary disagree about a tag on music that none of
them was trained on, the tag is noise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from earmark.core.errors import ConfigError, DataError
from earmark.datasets.labelled_set import LabelFusion, LabelledSet, LabelledSets, TagUnion, union_logits
from earmark.datasets.labelled_set.label_fusion import Doubles
from earmark.distillation.ranks import N_TOP, rank_correlations, shared_tags
from earmark.metrics import bootstrap, roc_auc

NOISE = 0.35
"""Below this agreement of teachers of one vocabulary a tag is noise."""


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


def song_logits(labelled: Sequence[LabelledSet], union: TagUnion) -> tuple[list[str], Doubles]:
    """Every song's logits, (n_songs, n_teachers, n_tags): probabilities are averaged over the examples of a song.

    Args:
        labelled: sets with the same teachers; silent examples are left out.
        union: the tags.

    Raises:
        DataError: sets of different teachers.
    """
    if any(other.teachers != labelled[0].teachers for other in labelled):
        raise DataError("sets of different teachers cannot be put together")
    names: list[str] = []
    rows: list[npt.NDArray[np.float64]] = []
    for part in labelled:
        songs = np.array(part.songs())
        for song in dict.fromkeys(songs[part.audible].tolist()):
            names.append(song)
            rows.append(part.means[(songs == song) & part.audible].astype(np.float64).mean(axis=0))
    return names, union_logits(np.stack(rows), labelled[0].vocabularies, union)


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


@dataclass(frozen=True, eq=False)
class TeacherAgreement:
    """Rank correlations of teachers, tag by tag.

    Attributes:
        within: (n_tags,) mean over pairs of teachers with one vocabulary; NaN where there is no such pair.
        across: (n_tags,) mean over pairs of teachers with two vocabularies.
        of_teacher: (n_teachers, n_tags) mean over a teacher's pairs with all others that know the tag.
    """

    within: Doubles
    across: Doubles
    of_teacher: Doubles


def teacher_agreement(logits: Doubles, vocabularies: Sequence[str]) -> TeacherAgreement:
    """Spearman's rank correlation of every pair of teachers over songs, for every tag that both know.

    Args:
        logits: (n_songs, n_teachers, n_tags), at least three songs.
        vocabularies: of each teacher.
    """
    if len(logits) < 3:
        raise ConfigError(f"{len(logits)} songs: a rank correlation needs at least 3")
    n_teachers, n_tags = logits.shape[1:]
    pairs = np.full((n_teachers, n_teachers, n_tags), np.nan)
    for tag in range(n_tags):
        known = np.flatnonzero(~np.isnan(logits[0, :, tag]))
        ranks = rankdata(logits[:, known, tag], axis=0)
        ranks -= ranks.mean(axis=0)
        norm = np.sqrt((ranks**2).sum(axis=0)).clip(1e-9)
        pairs[known[:, None], known, tag] = (ranks / norm).T @ (ranks / norm)
    pairs[np.diag_indices(n_teachers)] = np.nan
    same = np.array(vocabularies)[:, None] == np.array(vocabularies)[None]
    return TeacherAgreement(
        within=_mean(np.where(same[:, :, None], pairs, np.nan), (0, 1)),
        across=_mean(np.where(same[:, :, None], np.nan, pairs), (0, 1)),
        of_teacher=_mean(pairs, (1,)),
    )


def agreement_with_all(logits: Doubles, members: Sequence[int], n_top: int = N_TOP) -> tuple[float, float]:
    """Soft labels fused from some teachers compared with those from all, over the tags that some of them know.

    Args:
        logits: (n_songs, n_teachers, n_tags), at least three songs.
        members: positions of the teachers that are fused.
        n_top: highest tags of a song that are compared.

    Returns:
        Mean over tags of Spearman's rank correlation over songs, and how many of the ``n_top`` are shared on average.
    """
    chosen = logits[:, list(members)]
    known = ~np.isnan(chosen[0]).all(axis=0)
    some = LabelFusion.fit(chosen[:, :, known]).soft_labels(chosen[:, :, known])
    everyone = LabelFusion.fit(logits[:, :, known]).soft_labels(logits[:, :, known])
    return float(rank_correlations(some, everyone).mean()), float(shared_tags(some, everyone, n_top).mean())


def _mean(values: Doubles, axes: tuple[int, ...]) -> Doubles:
    """Mean without NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    n = known.sum(axis=axes)
    total = np.where(known, values, 0.0).sum(axis=axes)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


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


def all_groups(teachers: Sequence[str], vocabularies: Sequence[str]) -> dict[str, Sequence[str]]:
    """Groups to compare: all, one vocabulary, one architecture, the cheap architectures."""
    groups: dict[str, Sequence[str]] = {"all teachers": list(teachers)}
    for vocabulary in dict.fromkeys(vocabularies):
        members = [name for name, own in zip(teachers, vocabularies, strict=True) if own == vocabulary]
        groups[f"all of {vocabulary}"] = members
    for kind, alike in itertools.groupby(sorted(teachers, key=_kind), _kind):
        groups[f"all {kind}"] = list(alike)
    groups["without musicnn"] = [name for name in teachers if _kind(name) != "musicnn"]
    groups["FCN and CRNN"] = [name for name in teachers if _kind(name) in ("fcn", "crnn")]
    return {title: members for title, members in groups.items() if members}


def _kind(name: str) -> str:
    return name.split("-")[0]


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


@dataclass(frozen=True)
class TagAgreement:
    """Agreement about one tag: how many teachers know it, and mean correlations (NaN where there is no pair)."""

    name: str
    category: str
    n_teachers: int
    within: float
    across: float


@dataclass(frozen=True, eq=False)
class AgreementResults:
    """Teachers compared with each other, on the songs of some sets.

    Attributes:
        sets: their names.
        n_songs: how many songs there are.
        tags: those with the least agreement within a vocabulary first.
        teachers: name -> mean agreement with the others, over its tags.
        groups: (title, rank correlation with all teachers, how many of the five highest tags are shared).
    """

    sets: tuple[str, ...]
    n_songs: int
    tags: Sequence[TagAgreement]
    teachers: dict[str, float]
    groups: Sequence[tuple[str, float, float]]


@dataclass(frozen=True, eq=False)
class TeacherComparison:
    """All that is known about the teachers of labelled sets; ``known`` is empty without known labels."""

    known_tags: tuple[str, ...]
    known: Sequence[KnownLabelResults]
    agreement: Sequence[AgreementResults]


def compare_teachers(sets: LabelledSets) -> TeacherComparison:
    """Compare teachers on the unchanged sets other than "test".

    Raises:
        DataError: a set is missing, or of other teachers.
    """
    names = (*sets.extra_sets, "validation")
    opened = {name: sets[name] for name in (*names, "heldout")}
    teachers, vocabularies = opened["heldout"].teachers, opened["heldout"].vocabularies
    groups = all_groups(teachers, vocabularies)
    known = []
    if sets.known_tags:
        for chosen in [names, *([name] for name in names if len(names) > 1)]:
            songs, logits = song_logits([opened[name] for name in chosen], sets.union)
            known.append(_known_label_results(sets, tuple(chosen), songs, logits, teachers, groups, chosen is names))
    agreement = []
    for chosen in (["heldout"], ["heldout", *names]):
        songs, logits = song_logits([opened[name] for name in chosen], sets.union)
        agreement.append(_agreement_results(sets.union, tuple(chosen), logits, teachers, vocabularies, groups))
    return TeacherComparison(sets.known_tags, known, agreement)


def _known_label_results(
    sets: LabelledSets,
    chosen: tuple[str, ...],
    songs: Sequence[str],
    logits: Doubles,
    teachers: Sequence[str],
    groups: dict[str, Sequence[str]],
    whole: bool,
) -> KnownLabelResults:
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


def _agreement_results(
    union: TagUnion,
    chosen: tuple[str, ...],
    logits: Doubles,
    teachers: Sequence[str],
    vocabularies: Sequence[str],
    groups: dict[str, Sequence[str]],
) -> AgreementResults:
    found = teacher_agreement(logits, vocabularies)
    n_knowing = (~np.isnan(logits[0])).sum(axis=0)
    tags = [
        TagAgreement(
            union.tags[tag].tag.name,
            union.tags[tag].tag.category,
            int(n_knowing[tag]),
            float(found.within[tag]),
            float(found.across[tag]),
        )
        for tag in np.argsort(found.within)
    ]
    return AgreementResults(
        chosen,
        len(logits),
        tags,
        {name: float(np.nanmean(row)) for name, row in zip(teachers, found.of_teacher, strict=True)},
        [
            (title, *agreement_with_all(logits, [teachers.index(name) for name in members]))
            for title, members in groups.items()
        ],
    )
