"""From a student's checkpoint to a model file that can be given out: calibrated, exported, measured, with its card."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.audio import cut, load
from earmark.core.card import Metric, ModelCard
from earmark.core.errors import DataError
from earmark.datasets import Dataset
from earmark.datasets.labelled_set import LabelledSets
from earmark.distillation.agreement import Agreement, KnownTagAgreement, known_tag_agreement
from earmark.distillation.calibration import (
    HELD_OUT,
    VALIDATION,
    CalibratedStudent,
    calibrate_student,
)
from earmark.distillation.card_text import CardText
from earmark.evaluation import evaluate
from earmark.evaluation.report import Report
from earmark.export import export_onnx
from earmark.export.precision import Weights
from earmark.models.checkpoint import load_checkpoint, save_checkpoint
from earmark.models.summary import count_macs, count_weights

_CHECKED_SONGS = 4


@dataclass(frozen=True)
class MusicNames:
    """What the labelled music is called, on the card and on pages.

    Attributes:
        dataset, split: of the metrics of agreement on the card.
        held_out, validation: the two sets, for pages; ``short``: the first one, shorter.
        drawn: what their intervals draw, for pages.
        group: what a group of songs is, e.g. "source".
    """

    dataset: str = "labelled_set"
    split: str = "heldout"
    held_out: str = "held-out songs"
    short: str = "held-out songs"
    validation: str = "validation songs"
    drawn: str = "groups in the held-out songs, songs in the validation songs"
    group: str = "group"


@dataclass(frozen=True, eq=False)
class Release:
    """A finished model.

    Attributes:
        student: the calibrated student and its agreement with the teachers.
        card: with its metrics.
        onnx: the model file.
        report: the evaluation of the exported file on a dataset; None where none was given.
        n_weights, macs_10_s, size_bytes: of the network, for ten seconds of audio, and of the file.
        groups: song -> artist or source.
        known: agreement with known labels of unseen songs, of the tags that no teacher knows.
        names: of the music.
    """

    student: CalibratedStudent
    card: ModelCard
    onnx: Path
    report: Report | None
    n_weights: int
    macs_10_s: int
    size_bytes: int
    groups: dict[str, str]
    known: tuple[KnownTagAgreement, ...]
    names: MusicNames


def release_student(
    checkpoint: Path,
    folder: Path,
    out: Path,
    text: CardText,
    *,
    dataset: Dataset | None = None,
    weights: Weights = "float16",
    least_correlation: float | None = None,
    names: MusicNames | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Release:
    """Calibrate a student, export it, measure the exported file, and complete its card.

    Writes OUT/checkpoint, OUT/NAME.onnx, and OUT/evaluation where there is a dataset.

    Args:
        checkpoint: of the student.
        folder: the labelled sets that it learned from.
        out: folder of the results.
        text: of the card.
        dataset: its test split is measured.
        weights: how the ONNX file stores them.
        least_correlation: tags below are left out; None for the text's, see :func:`earmark.distillation.calibration.calibrate_student`.
        names: of the music.
        on_step: called with a line for people after each step.

    Raises:
        DataError: sets or audio are missing.
        ModelError: no such checkpoint, or an export whose scores differ from PyTorch's.
    """
    names, say = names or MusicNames(), on_step or (lambda _: None)
    sets = LabelledSets.open(folder)
    student = calibrate_student(checkpoint, folder, out / "checkpoint", text, least_correlation)
    agreement = student.agreement[HELD_OUT]
    say(
        f"{len(student.card.vocabulary)} tags, {len(student.left_out)} left out; held-out music: rank correlation "
        f"{agreement.mean_correlation:.3f}, {agreement.mean_shared:.2f} of five tags shared"
    )
    model, card = load_checkpoint(student.checkpoint)
    songs = [song.path for song in sets.songs if song.split == VALIDATION][:_CHECKED_SONGS]
    if not songs:
        raise DataError(f"{folder}: songs.csv has no validation songs, with which the exported file is checked")
    windows = np.concatenate(
        [cut(load(path, card.input.sample_rate_hz, card.input.conditioning), card.input) for path in songs]
    )
    onnx = out / f"{card.name}.onnx"
    report = None
    metrics: tuple[Metric, ...] = ()
    if dataset is not None:
        export_onnx(model, card, onnx, windows, weights)
        report = evaluate(str(onnx), dataset, out / "evaluation")
        metrics = tuple(metric for metric in report.metrics if metric.name == "roc_auc")
        say(f"{dataset.name}, test: ROC-AUC {report.find('roc_auc').value:.4f}")
    n_teachers = len(card.training["teachers"])
    metrics = (*metrics, *agreement_metrics(agreement, n_teachers, sets.groups, names))
    card = save_checkpoint(out / "checkpoint", model, card.replace(metrics=metrics))
    exported = export_onnx(model, card, onnx, windows, weights)
    say(f"{onnx}: {exported.size_bytes / 1e6:.2f} MB, at most {exported.max_abs_difference:.1e} from PyTorch")
    return Release(
        student=student,
        card=card,
        onnx=onnx,
        report=report,
        n_weights=count_weights(model)[0],
        macs_10_s=count_macs(model) * 10 * card.input.sample_rate_hz // card.input.window_samples,
        size_bytes=exported.size_bytes,
        groups=sets.groups,
        known=known_tag_agreement(
            tuple(student.agreement.values()),
            sets.songs,
            [tag for tag, sources in card.training["heard_from"].items() if not sources],
        ),
        names=names,
    )


def agreement_metrics(
    agreement: Agreement,
    n_teachers: int,
    groups: dict[str, str],
    names: MusicNames | None = None,
    n_resamples: int = 500,
) -> tuple[Metric, ...]:
    """A student's agreement on held-out music for its card: both means with intervals, and every tag."""
    names = names or MusicNames()
    ends = agreement.intervals(groups, n_resamples)

    def metric(name: str, value: float, tag: str | None = None, between: tuple[float, float] | None = None) -> Metric:
        return Metric(
            name,
            round(float(value), 4),
            dataset=names.dataset,
            protocol=f"against {n_teachers} published networks averaged",
            split=names.split,
            tag=tag,
            low=None if between is None else round(between[0], 4),
            high=None if between is None else round(between[1], 4),
            resampled=None if between is None else names.group if groups else "song",
            n_clips=len(agreement.songs),
        )

    return (
        metric("rank_correlation", agreement.mean_correlation, between=ends[0]),
        metric("top5_shared", agreement.mean_shared, between=ends[1]),
        *(
            metric("rank_correlation", value, tag)
            for tag, value in zip(agreement.tags, agreement.correlations.tolist(), strict=True)
            if not math.isnan(value)  # no teacher knows it
        ),
    )
