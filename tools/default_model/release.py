"""From a student's checkpoint to earmark-1: the model file, its card, and its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earmark.core.atomic_files import write_atomic
from earmark.datasets import load_dataset
from earmark.datasets.emotify import GENRES
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.distillation.calibration import LEAST_CORRELATION, read_card_text
from earmark.distillation.release import MusicNames, release_student
from earmark.export.precision import Weights
from earmark.report.distillation_pages import model_page
from earmark.tagging.tagger import load_tagger
from tools.default_model import measurements

FOLDER = Path(__file__).parent
COMMAND = "python -m tools.default_model finish"
NAMES = MusicNames(
    dataset="corpus",
    split="held-out sources",
    held_out="held-out sources of the corpus",
    short="held-out sources",
    validation="validation songs of Emotify",
    drawn="sources in the corpus, songs in Emotify",
    group="source",
)
_ISC_TEACHERS = ("musicnn-mtt", "musicnn-msd", "vgg-mtt", "vgg-msd")
"""Those of the musicnn library; all others are MIT, of sota-music-tagging-models."""
_MOST_MISTAKES = 12


def make_model(
    checkpoint: Path,
    sets: Path,
    emotify: Path,
    corpus: Path,
    out: Path,
    *,
    instruments: Path | None = None,
    weights: Weights = "float16",
    least_correlation: float = LEAST_CORRELATION,
) -> Iterator[str]:
    """Release a student as earmark-1, measure the exported file, and write its page.

    Args:
        checkpoint: of the student.
        sets: the labelled sets that it learned from.
        emotify, corpus: the collections behind the sets.
        out: folder.
        instruments: single notes, see :func:`tools.default_model.measurements.instrument_rows`.
        weights: how the ONNX file stores them.
        least_correlation: tags with less are left out.

    Yields:
        A line for people after each step.

    Raises:
        DataError: data is missing.
        ModelError: no such checkpoint, or an export whose scores differ from PyTorch's.
    """
    lines: list[str] = []
    release = release_student(
        checkpoint,
        sets,
        out,
        read_card_text(FOLDER / "card.json"),
        dataset=load_dataset("emotify", emotify, "artist-disjoint"),
        weights=weights,
        least_correlation=least_correlation,
        names=NAMES,
        on_step=lines.append,
    )
    yield from lines
    tagger = load_tagger(release.onnx)
    rows, low, high = measurements.teacher_rows(sets)
    mistakes, n_songs = measurements.mistakes(tagger, emotify)
    teachers = tuple(release.card.training["teachers"])
    page = out / f"{release.card.name}.md"
    text = model_page(
        release,
        COMMAND,
        template="earmark-1.md.j2",
        folder=FOLDER,
        licences={name: "ISC" if name in _ISC_TEACHERS else "MIT" for name in teachers},
        best_teacher=measurements.best_single(rows, teachers).mean,
        licence_hours=measurements.licence_hours(corpus),
        genres=GENRES,
        teachers=rows,
        averaged_ends=(low, high),
        mistakes=mistakes,
        most_mistakes=_MOST_MISTAKES,
        n_songs=n_songs,
        sounds={name: tagger.tag_waveform(samples, RATE_HZ) for name, samples in measurements.not_music().items()},
        instruments=measurements.instrument_rows(tagger, instruments) if instruments else (),
    )
    write_atomic(page, text.encode())
    yield str(page)
