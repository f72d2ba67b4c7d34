"""All the way from a student's checkpoint to the model that is shipped, and its page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from earmark.audio import cut, load
from earmark.core.atomic_files import write_atomic
from earmark.core.card import ModelCard
from earmark.datasets import load_dataset
from earmark.distillation import model_figures
from earmark.distillation.augment import RATE_HZ
from earmark.distillation.calibration import HELD_OUT, LEAST_CORRELATION, Finished, finish
from earmark.distillation.corpus import read_songs
from earmark.distillation.model_page import Findings, to_markdown
from earmark.evaluation import evaluate
from earmark.export import export_onnx
from earmark.export.precision import Weights
from earmark.models.checkpoint import load_checkpoint, save_checkpoint
from earmark.models.summary import count_macs, count_weights
from earmark.tagging.tagger import load_tagger

_CHECKED_SONGS = 4


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
    """Finish a student, export it, measure what was exported, and write card and page.

    Args:
        checkpoint: of the student.
        sets: what it learned from.
        emotify, corpus: the collections behind the sets.
        out: folder.
        instruments: single notes, see :func:`earmark.distillation.model_figures.instrument_rows`.
        weights: how the ONNX file keeps them.
        least_correlation: tags with less are left out, see :func:`earmark.distillation.calibration.finish`.

    Yields:
        What was done, a line each.

    Raises:
        DataError: data that are not there.
        ModelError: no such checkpoint, or an export that answers otherwise than PyTorch.
    """
    text: dict[str, Any] = json.loads((files("earmark.distillation") / "data" / "card.json").read_text("utf-8"))
    finished = finish(checkpoint, sets, out / "checkpoint", least_correlation=least_correlation, **text)
    name = finished.card.name
    heard = finished.agreement[HELD_OUT]
    yield (
        f"{len(finished.card.vocabulary)} tags, {len(finished.left_out)} left out; held-out music: rank correlation "
        f"{heard.mean_correlation:.3f}, {heard.mean_shared:.2f} of five tags shared"
    )
    dataset = load_dataset("emotify", emotify, "artist-disjoint")
    few = [clip.path for clip in dataset.split("validation")[:_CHECKED_SONGS]]
    groups = {song.song_id: song.source for song in read_songs(emotify, corpus)}
    model, card = load_checkpoint(finished.checkpoint)
    windows = np.concatenate([cut(load(path, card.input.sample_rate_hz), card.input) for path in few])
    onnx = out / f"{name}.onnx"
    export_onnx(model, card, onnx, windows, weights)
    report = evaluate(str(onnx), dataset, out / "evaluation")
    yield f"Emotify, test: ROC-AUC {report.find('roc_auc').value:.4f}"
    card = save_checkpoint(out / "checkpoint", model, with_metrics(finished, card, report, groups))
    exported = export_onnx(model, card, onnx, windows, weights)
    yield f"{onnx}: {exported.size_bytes / 1e6:.2f} MB, at most {exported.max_abs_difference:.1e} from PyTorch"

    tagger = load_tagger(onnx)
    rows, low, high = model_figures.teacher_rows(sets, emotify)
    songs, n_songs = model_figures.mistakes(tagger, emotify)
    macs = count_macs(model) * 10 * card.input.sample_rate_hz // card.input.window_samples
    findings = Findings(
        finished=finished,
        n_weights=count_weights(model)[0],
        macs_10_s=macs,
        size_bytes=exported.size_bytes,
        licences=model_figures.licence_hours(corpus),
        emotify=report,
        teachers=rows,
        averaged_ends=(low, high),
        groups=groups,
        mistakes=songs,
        n_songs=n_songs,
        sounds={sound: tagger.tag_waveform(samples, RATE_HZ) for sound, samples in model_figures.not_music().items()},
        instruments=model_figures.instrument_rows(tagger, instruments) if instruments else (),
        command="earmark distill finish",
    )
    page = out / f"{name}.md"
    write_atomic(page, to_markdown(findings).encode())
    yield str(page)


def with_metrics(finished: Finished, card: ModelCard, report: Any, groups: dict[str, str]) -> ModelCard:
    """The card with what was measured: real genres, and agreement with the teachers on held-out music."""
    real = [metric for metric in report.metrics if metric.name == "roc_auc"]
    n_teachers = len(card.training["teachers"])
    return card.replace(
        metrics=(*real, *model_figures.agreement_metrics(finished.agreement[HELD_OUT], n_teachers, groups))
    )
