"""Which of a model's tags answer a label: ``answers.csv``.

Models name their tags differently, so names are compared without case, prefix ("genre---rock" is rock), words in brackets,
what comes after a comma ("Violin, fiddle" is violin), and the word "music" at the end. A label's own name comes first,
then the groups of its row, divided by ";": the first group of which a model has any tag answers. Of several tags in a
group the highest score counts. The tags in ``implied_by`` say the label, too, when they are predicted: who says "choir"
has said that there is a voice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.errors import ConfigError
from earmark.datasets.table import read_table

TABLE = Path(__file__).parent / "answers.csv"
Doubles = npt.NDArray[np.float64]


def plain_name(tag: str) -> str:
    """A tag's name without what only tells vocabularies apart.

    >>> [plain_name(tag) for tag in ("genre---hiphop", "Violin, fiddle", "Sad music", "Keyboard (musical)", "Music")]
    ['hiphop', 'violin', 'sad', 'keyboard', 'music']
    """
    name = re.sub(r"\(.*?\)", "", tag.casefold().rpartition("---")[2]).partition(",")[0].strip()
    return name.removesuffix(" music").strip()


@dataclass(frozen=True)
class Answer:
    """A row of the table.

    Attributes:
        groups: plain names of tags, the best group first.
        implied_by: plain names of tags that say the label when they are predicted.
    """

    groups: tuple[tuple[str, ...], ...]
    implied_by: tuple[str, ...] = ()


@cache
def read_answers(path: Path = TABLE) -> dict[str, Answer]:
    """The table by label. Raises ConfigError for labels that are there twice."""
    table = read_table(path)
    table.require("label", "tags", "implied_by", where=str(path))
    found: dict[str, Answer] = {}
    for row in table.rows:
        label = row.values["label"]
        if label in found:
            raise ConfigError(f"{path}: {row.where}: label {label!r} is there twice")
        groups = [tuple(group.split("|")) for group in row.values["tags"].split(";")]
        found[label] = Answer(((label,), *groups), tuple(filter(None, row.values["implied_by"].split("|"))))
    return found


def tags_for_label(label: str, tags: Sequence[str]) -> list[int]:
    """Positions of the tags that answer a label; none where the model does not know it.

    >>> tags_for_label("a voice", ["rock", "Male singing", "Female singing"])
    [1, 2]
    """
    places: dict[str, list[int]] = {}
    for i, tag in enumerate(tags):
        places.setdefault(plain_name(tag), []).append(i)
    answer = read_answers().get(label, Answer(((label,),)))
    for group in answer.groups:
        if found := [i for name in group for i in places.get(name, [])]:
            return found
    return []


def label_scores(labels: Sequence[str], tags: Sequence[str], scores: npt.NDArray[np.float32]) -> Doubles:
    """Scores of labels (n_songs, n_labels): the highest of the tags that answer; NaN where the model knows none.

    Args:
        labels: their names.
        tags: of the model.
        scores: (n_songs, n_tags).
    """
    out = np.full((len(scores), len(labels)), np.nan)
    for column, label in enumerate(labels):
        if places := tags_for_label(label, tags):
            out[:, column] = scores[:, places].max(axis=1)
    return out


def labels_said(labels: Sequence[str], tags: Sequence[str], predicted: npt.NDArray[np.bool_]) -> Doubles:
    """Which labels the predicted tags say, (n_songs, n_labels) of 0 and 1; NaN where the model cannot say a label.

    Args:
        labels: their names.
        tags: of the model.
        predicted: (n_songs, n_tags), which tags the model gives.
    """
    names = [plain_name(tag) for tag in tags]
    out = np.full((len(predicted), len(labels)), np.nan)
    for column, label in enumerate(labels):
        if places := tags_for_label(label, tags):
            implied = set(read_answers()[label].implied_by) if label in read_answers() else set()
            places = sorted({*places, *(i for i, name in enumerate(names) if name in implied)})
            out[:, column] = predicted[:, places].any(axis=1)
    return out
