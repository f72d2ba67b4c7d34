"""The comparison of the teachers as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from earmark.datasets import load_dataset
from earmark.datasets.emotify import GENRES
from earmark.distillation.label_fusion import Doubles, Merger
from earmark.distillation.labelled_set import LabelledSet
from earmark.distillation.tags import Union, load_union
from earmark.distillation.teacher_comparison import (
    NOISE,
    GenreRow,
    TeacherAgreement,
    agreement,
    agreement_with_all,
    all_groups,
    genre_labels,
    genre_rows,
    greedy_order,
    song_logits,
)
from earmark.metrics import bootstrap


def compare_teachers(folder: Path, emotify: Path, sets: Sequence[str] = ("emotify", "validation")) -> str:
    """What `earmark distill teachers` writes.

    Args:
        folder: of the labelled sets.
        emotify: Emotify's folder, for its labels.
        sets: sets whose genres are measured, together and each alone.

    Raises:
        DataError: a set is not there, or of other teachers.
    """
    union = load_union()
    opened = {name: LabelledSet.open(folder / name) for name in (*sets, "heldout")}
    heldout = opened["heldout"]
    teachers, vocabularies = heldout.teachers, heldout.vocabularies
    lines = [
        "# Teachers",
        "",
        "ROC-AUC of Emotify's genres; a song's score is the mean over its examples of 29.1 s.",
        "",
    ]
    groups = all_groups(teachers, vocabularies)
    for chosen in [sets, *([name] for name in sets if len(sets) > 1)]:
        songs, logits = song_logits([opened[name] for name in chosen], union)
        labels = genre_labels(emotify, songs)
        rows = genre_rows(logits, labels, union, teachers, groups)
        lines += [f"## Genres: {' and '.join(chosen)}, {len(songs)} songs", "", *_genre_table(rows), ""]
        if chosen is sets:
            lines += _uncertainty(logits, labels, songs, union, emotify)
            lines += _greedy(logits, labels, union, teachers)
    for chosen in (["heldout"], ["heldout", *sets]):
        songs, logits = song_logits([opened[name] for name in chosen], union)
        found = agreement(logits, vocabularies)
        lines += [
            f"## TeacherAgreement: {' and '.join(chosen)}, {len(songs)} songs",
            "",
            *_agreement(found, union, logits),
            "",
        ]
        lines += [*_agreement_of_teachers(found, teachers), "", *_agreement_of_groups(logits, teachers, groups), ""]
    return "\n".join(lines).rstrip() + "\n"


def _genre_table(rows: Sequence[GenreRow]) -> list[str]:
    lines = [f"| teachers | {' | '.join(GENRES)} | mean |", "|---|" + "---|" * (len(GENRES) + 1)]
    for row in rows:
        cells = [_number(value) for value in row.values]
        lines.append(f"| {row.title} | {' | '.join(cells)} | {_number(row.mean)} |")
    return [*lines, "", "A dash: the vocabulary does not have the genre; the mean is then over the others."]


def _uncertainty(logits: Doubles, labels: np.ndarray, songs: Sequence[str], union: Union, emotify: Path) -> list[str]:
    """How far to trust the third place: the interval of the average of all teachers."""
    artists = {clip.clip_id: clip.artist for clip in load_dataset("emotify", emotify).clips}
    genres = [union.vocabulary.index(genre) for genre in GENRES]
    common = Merger.fit(logits[:, :, genres]).common(logits[:, :, genres])
    ends = bootstrap("roc_auc", labels, common, [artists[song] for song in songs], seed=0)
    line = f"95 % interval of the mean for all teachers averaged, drawing artists ({ends.n_groups}): "
    return [line + f"{ends.macro_low:.3f} to {ends.macro_high:.3f}.", ""]


def _greedy(logits: Doubles, labels: np.ndarray, union: Union, teachers: Sequence[str]) -> list[str]:
    """Chosen and measured on the same songs: the best of it flatters."""

    def value(members: tuple[str, ...]) -> float:
        # One genre without a teacher makes a group useless.
        row = genre_rows(logits, labels, union, teachers, {"": members})[-1]
        return float(np.where(np.isnan(row.values), 0.5, row.values).mean())

    lines = ["Teachers added one by one, the best next one each time (chosen on these very songs, so it flatters):", ""]
    for members, mean in greedy_order(value, teachers):
        lines.append(f"{len(members)}. {members[-1]}: {mean:.3f}")
    return [*lines, ""]


def _agreement(found: TeacherAgreement, union: Union, logits: Doubles) -> list[str]:
    """Tags with the least agreement first."""
    order = np.argsort(found.within)
    n_knowing = (~np.isnan(logits[0])).sum(axis=0)
    noisy = [union.vocabulary.names[tag] for tag in order if found.within[tag] < NOISE]
    lines = [
        "Spearman's rank correlation over songs: mean over pairs of teachers with one vocabulary, and with two.",
        f"Below {NOISE} within one vocabulary: {', '.join(noisy) or 'none'}.",
        "",
        "| tag | category | teachers | within | across |",
        "|---|---|---|---|---|",
    ]
    for tag in order:
        row = union.tags[tag].tag
        numbers = f"{_number(found.within[tag], 2)} | {_number(found.across[tag], 2)}"
        lines.append(f"| {row.name} | {row.category} | {n_knowing[tag]} | {numbers} |")
    return lines


def _agreement_of_teachers(found: TeacherAgreement, teachers: Sequence[str]) -> list[str]:
    lines = ["| teacher | mean agreement with the others, over its tags |", "|---|---|"]
    return lines + [f"| {name} | {np.nanmean(row):.2f} |" for name, row in zip(teachers, found.of_teacher, strict=True)]


def _agreement_of_groups(logits: Doubles, teachers: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    lines = [
        "| teachers merged | rank correlation with all of them, mean over tags | of the five highest tags, shared |",
        "|---|---|---|",
    ]
    for title, members in groups.items():
        correlation, shared = agreement_with_all(logits, [teachers.index(name) for name in members])
        lines.append(f"| {title} | {correlation:.3f} | {shared:.2f} |")
    return lines


def _number(value: float, places: int = 3) -> str:
    return "–" if np.isnan(value) else f"{value:.{places}f}"
