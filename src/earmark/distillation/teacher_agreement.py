"""Agreement of teachers with each other, tag by tag.

Where teachers of one vocabulary disagree about a tag on music that none of them was trained on, the tag is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from earmark.core.errors import ConfigError
from earmark.datasets.labelled_set import LabelFusion, TagUnion
from earmark.datasets.labelled_set.label_fusion import Doubles
from earmark.distillation.ranks import N_TOP, rank_correlations, shared_tags

NOISE = 0.35
"""A tag is noise if teachers of one vocabulary agree less than this."""


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


def agreement_results(
    union: TagUnion,
    chosen: tuple[str, ...],
    logits: Doubles,
    teachers: Sequence[str],
    vocabularies: Sequence[str],
    groups: dict[str, Sequence[str]],
) -> AgreementResults:
    """Compare teachers with each other, tag by tag, and groups of them with all.

    Args:
        union: the tags.
        chosen: names of the sets that the songs are from.
        logits: (n_songs, n_teachers, n_tags), at least three songs.
        teachers, vocabularies: names, in order, and the vocabulary of each.
        groups: title -> names of teachers that are averaged.
    """
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
