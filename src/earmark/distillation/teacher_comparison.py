"""Comparison of teachers, each alone and averaged: with known labels, and with each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.errors import DataError
from earmark.datasets.labelled_set import LabelledSet, LabelledSets, TagUnion, union_logits
from earmark.datasets.labelled_set.label_fusion import Doubles
from earmark.distillation.teacher_agreement import AgreementResults, agreement_results
from earmark.distillation.teacher_auc import KnownLabelResults, known_label_results


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
            known.append(known_label_results(sets, tuple(chosen), songs, logits, teachers, groups, chosen is names))
    agreement = []
    for chosen in (["heldout"], ["heldout", *names]):
        songs, logits = song_logits([opened[name] for name in chosen], sets.union)
        agreement.append(agreement_results(sets.union, tuple(chosen), logits, teachers, vocabularies, groups))
    return TeacherComparison(sets.known_tags, known, agreement)
