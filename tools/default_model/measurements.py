"""Measurements of earmark-1 for its page, besides its agreement with the teachers."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.datasets import load_dataset
from earmark.datasets.emotify import GENRES
from earmark.datasets.labelled_set import LabelFusion, LabelledSets
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.distillation.teacher_auc import KnownLabelRow, known_label_rows
from earmark.distillation.teacher_comparison import song_logits
from earmark.metrics import bootstrap
from earmark.tagging.tagger import Tagger

_LICENCES = (
    (r"BY-NC-SA", "CC BY-NC-SA"),
    (r"BY-NC-ND", "CC BY-NC-ND"),
    (r"BY-NC", "CC BY-NC"),
    (r"BY-ND", "CC BY-ND"),
    (r"BY-SA|cc-sa", "CC BY-SA"),
    (r"CC0|zero|public ?domain|publicdomain", "public domain, CC0"),
    (r"CC[- ]BY|cc-by|licenses/by|oga-by", "CC BY"),
    (r"GPL", "GPL"),
)


def licence_hours(corpus: Path) -> dict[str, float]:
    """Hours of the corpus by kind of licence, the most first; where its table names two, the stricter one."""
    hours: Counter[str] = Counter()
    with (corpus / "tracks.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = next(
                (kind for pattern, kind in _LICENCES if re.search(pattern, row["licence"], re.IGNORECASE)), "other"
            )
            hours[kind] += float(row["duration_s"]) / 3600  # type: ignore[assignment]
    return dict(hours.most_common())


def teacher_rows(folder: Path) -> tuple[list[KnownLabelRow], float, float]:
    """Genres of Emotify's test songs by each teacher, and by all averaged with the ends of its interval.

    The common scale is taken from the other sets.
    """
    sets = LabelledSets.open(folder)
    test = sets["test"]
    songs, logits = song_logits([test], sets.union)
    _, others = song_logits([sets[name] for name in ("emotify", "validation")], sets.union)
    labels = sets.known_labels(songs)
    genres = [sets.union.vocabulary.index(genre) for genre in GENRES]
    everyone = {"all averaged": list(test.teachers)}
    rows = known_label_rows(logits, labels, genres, test.teachers, everyone, fitted_on=others)
    common = LabelFusion.fit(others[:, :, genres]).common_scale(logits[:, :, genres])
    ends = bootstrap("roc_auc", labels, common, [sets.groups[song] for song in songs], seed=0)
    return rows, ends.macro_low, ends.macro_high


@dataclass(frozen=True)
class Mistake:
    """A song whose genre is not the one that scores highest among the four.

    Attributes:
        title: artist and title.
        genre: the real one.
        predicted: the one that scores highest.
        scores: of both.
        tags: the highest tags of all.
    """

    title: str
    genre: str
    predicted: str
    scores: tuple[float, float]
    tags: tuple[str, ...]


def mistakes(tagger: Tagger, emotify: Path, split: str = "test") -> tuple[list[Mistake], int]:
    """Songs of Emotify whose highest genre is wrong, the clearest mistakes first; and how many songs there are.

    Of the genres that the model knows: a trial on little music may leave some out.
    """
    known = [k for k, genre in enumerate(GENRES) if genre in tagger.card.vocabulary.names]
    clips = [
        clip
        for clip in load_dataset("emotify", emotify, "artist-disjoint").split(split)
        if int(np.argmax(clip.labels[: len(GENRES)])) in known
    ]
    with (emotify / "tracks.csv").open(encoding="utf-8", newline="") as file:
        titles = {row["track_id"]: f"{row['artist']}: {row['title'].strip()}" for row in csv.DictReader(file)}
    places = [tagger.card.vocabulary.index(GENRES[k]) for k in known]
    found = []
    for clip, result in zip(clips, tagger.tag_many([clip.path for clip in clips]), strict=True):
        assert not isinstance(result, Exception)  # raised
        scores = result.scores[places]
        real, predicted = known.index(int(np.argmax(clip.labels[: len(GENRES)]))), int(scores.argmax())
        if real != predicted:
            found.append(
                Mistake(
                    titles.get(clip.clip_id, clip.clip_id),
                    GENRES[known[real]],
                    GENRES[known[predicted]],
                    (float(scores[real]), float(scores[predicted])),
                    tuple(f"{tag.tag} {tag.score:.2f}" for tag in result.top(0) if tag.kind == "classification")[:4],
                )
            )
    return sorted(found, key=lambda one: one.scores[0] - one.scores[1]), len(clips)


def not_music(seconds: float = 20.0, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Sounds that are no music, at 16 kHz."""
    n = int(seconds * RATE_HZ)
    rng = np.random.default_rng(seed)
    time_s = np.arange(n) / RATE_HZ
    white = rng.standard_normal(n)
    hum = sum(np.sin(2 * np.pi * 50 * k * time_s) / k for k in (1, 2, 3, 5))
    clicks = np.where(np.arange(n) % RATE_HZ == 0, 1.0, 0.0)
    brown = np.cumsum(white) - np.linspace(0, white.sum(), n)
    bursts = white * (np.sin(2 * np.pi * 3.5 * time_s) > 0.3)
    sounds = {
        "digital silence": np.zeros(n),
        "white noise": 0.2 * white,
        "brown noise": 0.3 * brown / np.abs(brown).max(),
        "a tone of 440 Hz": 0.3 * np.sin(2 * np.pi * 440 * time_s),
        "mains hum": 0.2 * hum,
        "a click each second": 0.8 * clicks,
        "bursts of noise": 0.2 * bursts,
    }
    return {name: np.clip(sound, -1, 1).astype(np.float32) for name, sound in sounds.items()}


@dataclass(frozen=True)
class InstrumentRow:
    """Single notes and phrases of one instrument.

    Attributes:
        instrument: as their table names it; a tag of the model.
        n: files.
        first, among_three: share of files in which the tag is the highest, one of the three highest, instrument tag.
        holds: share in which it reaches its threshold.
        instead: the instrument tag that is highest most often.
    """

    instrument: str
    n: int
    first: float
    among_three: float
    holds: float
    instead: str


def instrument_rows(tagger: Tagger, folder: Path) -> list[InstrumentRow]:
    """Single notes with known instruments: how well they are recognised, by instrument.

    Args:
        tagger: the model.
        folder: with tracks.csv: path, and in ``label`` "instrument NAME" among parts divided by ";".
    """
    with (folder / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    vocabulary = tagger.card.vocabulary
    places = [i for i, tag in enumerate(vocabulary) if tag.category == "instrument"]
    names = [vocabulary.names[i] for i in places]
    paths: dict[str, list[Path]] = {}
    for row in rows:
        named = re.search(r"instrument ([a-z ]+)", row["label"])
        if named and named[1].strip() in names:
            paths.setdefault(named[1].strip(), []).append(folder / row["path"])
    out = []
    for instrument, files in sorted(paths.items()):
        ranks, n_applied, tops = [], 0, Counter[str]()
        for result in tagger.tag_many(files):
            assert not isinstance(result, Exception)  # raised
            scores = result.scores[places]
            ranks.append(int((scores > scores[names.index(instrument)]).sum()))
            n_applied += instrument in {tag.tag for tag in result.top(0, "auto")}
            tops[names[int(scores.argmax())]] += 1
        if ranks:
            order = np.array(ranks)
            out.append(
                InstrumentRow(
                    instrument,
                    len(ranks),
                    float((order == 0).mean()),
                    float((order < 3).mean()),
                    n_applied / len(ranks),
                    tops.most_common(1)[0][0],
                )
            )
    return out


def best_single(rows: Sequence[KnownLabelRow], teachers: Sequence[str]) -> KnownLabelRow:
    """The teacher with the highest mean among those that know all four genres."""
    alone = [row for row in rows if row.title in teachers and not np.isnan(row.values).any()]
    return max(alone, key=lambda row: row.mean)
