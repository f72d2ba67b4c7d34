"""From a student's checkpoint to earmark-1 or earmark-2: the model file, its card, and its page."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from earmark.core.card import ModelCard
from earmark.core.published_weights import find_published, published_names
from earmark.datasets import Dataset, load_dataset
from earmark.datasets.emotify import GENRES
from earmark.datasets.labelled_set import LabelledSets
from earmark.datasets.labelled_set.shards import RATE_HZ, TRAIN_SET
from earmark.distillation.card_text import CardText, read_card_text
from earmark.distillation.release import MusicNames, Release, release_student
from earmark.export.precision import Weights
from earmark.report.distillation_pages import model_page
from earmark.tagging.tagger import load_tagger
from tools.default_model import measurements
from tools.default_model.earmark_2 import training_data
from tools.default_model.earmark_2.degrees import DEGREES
from tools.default_model.judges.page_tables import read_factors, read_judged
from tools.default_model.judges.report import judge_table
from tools.default_model.music.kept_apart import TRAIN_SHARE
from tools.default_model.music.tracks import TEST_SHARE

FOLDER = Path(__file__).parent
SECOND = FOLDER / "earmark_2"
COMMAND = "python -m tools.default_model finish"
FIRST_NAMES = MusicNames(
    dataset="corpus",
    split="held-out sources",
    held_out="held-out sources of the corpus",
    short="held-out sources",
    validation="validation songs of Emotify",
    drawn="sources in the corpus, songs in Emotify",
    group="source",
)
SECOND_NAMES = MusicNames(
    dataset="music",
    split="held-out groups",
    held_out="held-out artists and packages",
    short="held-out music",
    validation="validation songs of Emotify",
    drawn="groups in the held-out music, songs in Emotify",
)
PURPOSES = {
    "train": "training",
    "heldout": "agreement with the teachers, calibration",
    "validation": "choice of the student, calibration",
    "test": "measured at the end",
}
_MOST_MISTAKES = 12


def make_earmark_1(
    checkpoint: Path,
    sets: Path,
    emotify: Path,
    corpus: Path,
    out: Path,
    *,
    instruments: Path | None = None,
    weights: Weights = "float16",
    least_correlation: float | None = None,
) -> Iterator[str]:
    """Release a student as earmark-1, measure the exported file, and write its page.

    Args:
        checkpoint: of the student.
        sets: the labelled sets that it learned from.
        emotify, corpus: the collections behind the sets.
        out: folder.
        instruments: single notes, see :func:`tools.default_model.measurements.instrument_rows`.
        weights: how the ONNX file stores them.
        least_correlation: tags with less are left out; None for what the text of the card says.

    Yields:
        A line for people after each step.

    Raises:
        DataError: data is missing.
        ModelError: no such checkpoint, or an export whose scores differ from PyTorch's.
    """
    dataset = load_dataset("emotify", emotify, "artist-disjoint")
    text = read_card_text(FOLDER / "card.json")
    release = yield from _release(checkpoint, sets, out, text, FIRST_NAMES, weights, least_correlation, dataset)
    rows, low, high = measurements.teacher_rows(sets)
    yield _write_page(
        release,
        out,
        FOLDER / "earmark-1.md.j2",
        emotify,
        "test",
        instruments,
        best_teacher=measurements.best_single(rows, tuple(release.card.training["teachers"])).mean,
        licence_hours=measurements.licence_hours(corpus),
        genres=GENRES,
        teachers=rows,
        averaged_ends=(low, high),
    )


def make_earmark_2(
    checkpoint: Path,
    sets: Path,
    emotify: Path,
    out: Path,
    *,
    judged: Path | None = None,
    name: str | None = None,
    instruments: Path | None = None,
    weights: Weights = "float16",
    least_correlation: float | None = None,
) -> Iterator[str]:
    """Release a student as earmark-2, and write its page.

    Args:
        checkpoint: of the student.
        sets: the labelled sets that it learned from, whose songs are those of :func:`tools.default_model.earmark_2.songs`.
        emotify: folder with Emotify.
        out: folder.
        judged: folder of `judge`. Results of another file than the one that is exported here are left out, so it is
            made and judged first, and then made again, which gives the same file. With "factors" in it, of `factors`,
            the page shows these, too.
        name: instead of that on the card, e.g. "earmark-2-large".
        instruments, weights, least_correlation: see :func:`make_earmark_1`.

    Yields:
        A line for people after each step.

    Raises:
        DataError: data is missing, or results that are none.
        ModelError: no such checkpoint, or an export whose scores differ from PyTorch's.
    """
    text = read_card_text(SECOND / "card.json")
    text = text.model_copy(update={"name": name or text.name})
    release = yield from _release(checkpoint, sets, out, text, SECOND_NAMES, weights, least_correlation)
    card, labelled = release.card, LabelledSets.open(sets)
    options = card.training.get("recipe", {}).get("data", {}).get("options", {})
    sha256 = hashlib.sha256(release.onnx.read_bytes()).hexdigest()
    validation, test = (read_judged(judged, card.name, sha256, split) for split in ("validation", "test"))
    yield from (found.why_not for found in (validation, test) if found.why_not)
    factors = read_factors(judged)
    yield _write_page(
        release,
        out,
        SECOND / "earmark-2.md.j2",
        emotify,
        "validation",
        instruments,
        degree_names=DEGREES,
        vocabulary_weights=_weights_text(options.get("vocabulary_weights") or {}),
        sources=training_data.source_rows(labelled.songs, labelled[TRAIN_SET].first(options.get("hours")), emotify),
        splits=training_data.split_rows(labelled.songs, emotify),
        purposes=PURPOSES,
        label_counts=training_data.label_counts(labelled.songs),
        n_test_songs=len(load_dataset("emotify", emotify, "artist-disjoint").split("test")),
        test_share=TEST_SHARE,
        judged_titles_share=1 - TRAIN_SHARE,
        validation=validation,
        test=test,
        judged_tags=validation.by_tag(card.vocabulary.names)
        | {
            one.tag: f"VibeNet: rank correlation {one.correlation:.2f}, {one.n_songs} songs"
            for one in release.known
            if one.tag in DEGREES
        },
        factors=[
            (judge[0].upper() + judge[1:], judge_table(judge, factors, "one threshold"))
            for judge in ("all of these labels", "nothing said of music")
            if any(value.judge == judge for values in factors.values() for value in values)
        ],
        teachers_of=teachers_by_tag(card),
    )


def teachers_by_tag(card: ModelCard) -> dict[str, str]:
    """Tag -> vocabularies of teachers that know it, with the number of teachers: "mtat-50 (4), msd-50"."""
    n_teachers = Counter(card.training["vocabularies"].values())
    return {
        tag: ", ".join(name if n_teachers[name] == 1 else f"{name} ({n_teachers[name]})" for name in sources)
        for tag, sources in card.training["heard_from"].items()
    }


def _weights_text(weights: dict[str, Any]) -> str:
    """Weights of vocabularies for people: "mtat-50 2 (vocals 3)"."""
    parts = []
    for name, given in weights.items():
        by_tag = given if isinstance(given, dict) else {"*": given}
        some = ", ".join(f"{tag} {value:g}" for tag, value in by_tag.items() if tag != "*")
        parts.append(f"{name} {by_tag.get('*', 1):g}" + (f" ({some})" if some else ""))
    return "; ".join(parts)


def _release(
    checkpoint: Path,
    sets: Path,
    out: Path,
    text: CardText,
    names: MusicNames,
    weights: Weights,
    least_correlation: float | None,
    dataset: Dataset | None = None,
) -> Generator[str, None, Release]:
    """Release a student; yields a line for people after each step, and returns the release."""
    lines: list[str] = []
    release = release_student(
        checkpoint,
        sets,
        out,
        text,
        dataset=dataset,
        weights=weights,
        least_correlation=least_correlation,
        names=names,
        on_step=lines.append,
    )
    yield from lines
    return release


def _write_page(
    release: Release,
    out: Path,
    template: Path,
    emotify: Path,
    mistakes_split: str,
    instruments: Path | None,
    **values: Any,
) -> str:
    """Measure where the exported file fails, write the page, and return its path."""
    tagger = load_tagger(release.onnx)
    mistakes, n_songs = measurements.mistakes(tagger, emotify, mistakes_split)
    page = out / f"{release.card.name}.md"
    text = model_page(
        release,
        COMMAND,
        template=template.name,
        folders=(template.parent, FOLDER),
        licences={
            name: find_published(name).licence if name in published_names() else "–"
            for name in release.card.training["teachers"]
        },
        mistakes=mistakes,
        mistakes_split=mistakes_split,
        most_mistakes=_MOST_MISTAKES,
        n_songs=n_songs,
        sounds={name: tagger.tag_waveform(samples, RATE_HZ) for name, samples in measurements.not_music().items()},
        instruments=measurements.instrument_rows(tagger, instruments) if instruments else (),
        **values,
    )
    write_atomic(page, text.encode())
    return str(page)
