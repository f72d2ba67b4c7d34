"""How well teachers hear, each alone and averaged: against real genres, and against each other.

Emotify's genres are real labels that no teacher has seen (those trained on MagnaTagATune may know some of its artists:
both are of Magnatune). Where teachers of one vocabulary disagree about a tag on music that none of them has heard, the
tag is noise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import load_dataset
from earmark.datasets.emotify import GENRES
from earmark.distillation.label_fusion import Doubles, Merger, union_logits
from earmark.distillation.labelled_set import LabelledSet
from earmark.distillation.ranks import N_TOP, rank_correlations, shared_tags
from earmark.distillation.tags import Union
from earmark.metrics import roc_auc

NOISE = 0.35
"""Teachers of one vocabulary that agree less than this about a tag do not hear it."""


@dataclass(frozen=True)
class GenreRow:
    """ROC-AUC of the genres for one teacher, or for several averaged.

    Attributes:
        title: whose.
        values: (4,) in the order of :data:`earmark.datasets.emotify.GENRES`; NaN for a genre that is not known.
    """

    title: str
    values: Doubles

    @property
    def mean(self) -> float:
        """Over the genres that are known."""
        return float(np.nanmean(self.values))


def song_logits(labelled: Sequence[LabelledSet], union: Union) -> tuple[list[str], Doubles]:
    """Every song's logits, (n_songs, n_teachers, n_tags): probabilities are averaged over the examples of a song.

    Args:
        labelled: sets with the same teachers; silent examples are left out.
        union: the tags.

    Raises:
        DataError: sets of other teachers.
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


def genre_labels(emotify: Path, songs: Sequence[str]) -> npt.NDArray[np.float32]:
    """Emotify's genres, (n_songs, 4) of 0 and 1. Raises DataError for a song that it does not have."""
    labels = {clip.clip_id: clip.labels[: len(GENRES)] for clip in load_dataset("emotify", emotify).clips}
    if missing := [song for song in songs if song not in labels]:
        raise DataError(f"{emotify}: has no {', '.join(missing[:5])}")
    return np.stack([labels[song] for song in songs])


def genre_rows(
    logits: Doubles,
    labels: npt.NDArray[np.float32],
    union: Union,
    teachers: Sequence[str],
    groups: dict[str, Sequence[str]],
    fitted_on: Doubles | None = None,
) -> list[GenreRow]:
    """Genres of each teacher and of groups of teachers.

    Args:
        logits: (n_songs, n_teachers, n_tags).
        labels: (n_songs, 4).
        union: the tags.
        teachers: names, in order.
        groups: title -> names of teachers that are averaged on their common scale.
        fitted_on: logits from which the scale is taken; None for ``logits``.
    """
    genres = [union.vocabulary.index(genre) for genre in GENRES]
    scores = logits[:, :, genres]
    scale = scores if fitted_on is None else fitted_on[:, :, genres]
    rows = [GenreRow(name, _auc(labels, scores[:, i])) for i, name in enumerate(teachers)]
    for title, members in groups.items():
        chosen = [teachers.index(name) for name in members]
        known = ~np.isnan(scale[0, chosen]).all(axis=0)
        averaged = np.full((len(scores), len(GENRES)), np.nan)
        averaged[:, known] = Merger.fit(scale[:, chosen][:, :, known]).common(scores[:, chosen][:, :, known])
        rows.append(GenreRow(title, _auc(labels, averaged)))
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


def agreement(logits: Doubles, vocabularies: Sequence[str]) -> TeacherAgreement:
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
    """Soft labels merged from some teachers against those merged from all, over the tags that some of them know.

    Args:
        logits: (n_songs, n_teachers, n_tags), at least three songs.
        members: places of the teachers that are merged.
        n_top: highest tags of a song that are compared.

    Returns:
        Mean over tags of Spearman's rank correlation over songs, and how many of the ``n_top`` are shared on average.
    """
    chosen = logits[:, list(members)]
    known = ~np.isnan(chosen[0]).all(axis=0)
    some = Merger.fit(chosen[:, :, known]).merge(chosen[:, :, known])
    everyone = Merger.fit(logits[:, :, known]).merge(logits[:, :, known])
    return float(rank_correlations(some, everyone).mean()), float(shared_tags(some, everyone, n_top).mean())


def _mean(values: Doubles, axes: tuple[int, ...]) -> Doubles:
    """Mean without NaN; NaN where nothing else is there."""
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
    """Groups that are worth a look: all, one vocabulary, one architecture, the cheap ones."""
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
