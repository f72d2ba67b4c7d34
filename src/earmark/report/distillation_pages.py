"""Markdown pages about distillation: its teachers, its students, and the finished model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.card import ModelCard
from earmark.core.markdown import render_markdown
from earmark.core.tag_constraints import by_parents
from earmark.core.vocabulary import CATEGORIES
from earmark.distillation.agreement import Agreement
from earmark.distillation.calibration import HELD_OUT, LEAST_KNOWN_CORRELATION, VALIDATION
from earmark.distillation.calibration_targets import calibration_error, reliability
from earmark.distillation.release import Release
from earmark.distillation.student_comparison import StudentComparison
from earmark.distillation.teacher_agreement import NOISE
from earmark.distillation.teacher_comparison import TeacherComparison
from earmark.evaluation.report import Report

_TEMPLATES = Path(__file__).parent / "templates"


def teacher_page(found: TeacherComparison) -> str:
    """The comparison of the teachers."""
    return render_markdown("teachers.md.j2", _TEMPLATES, found=found, noise=NOISE)


def student_page(found: StudentComparison, command: str) -> str:
    """The comparison of students; ``command`` wrote it."""
    return render_markdown("students.md.j2", _TEMPLATES, found=found, command=command)


def model_page(
    release: Release,
    command: str,
    *,
    template: str = "model.md.j2",
    folders: Sequence[Path] = (),
    licences: dict[str, str] | None = None,
    **values: Any,
) -> str:
    """The page of a finished model: what it was made from, what was measured, and where it fails.

    Args:
        release: the model.
        command: what wrote the page.
        template: "model.md.j2", or one that extends it.
        folders: of that template.
        licences: teacher -> licence of its weights; None leaves the column out.
        values: further values of the template.
    """
    student, card = release.student, release.card
    held_out = student.agreement[HELD_OUT]
    bins = reliability(student.reference, student.fitted.scores)
    limits = np.array([card.thresholds[tag] for tag in student.calibrated])
    places = {tag: i for i, tag in enumerate(student.calibrated)}
    return render_markdown(
        template,
        *folders,
        _TEMPLATES,
        release=release,
        command=command,
        card=card,
        student=student,
        held_out=held_out,
        categories=_categories(card, held_out),
        agreement=[
            (title, found, *found.intervals(release.groups if part == HELD_OUT else None))
            for part, title in ((HELD_OUT, release.names.held_out), (VALIDATION, release.names.validation))
            for found in (student.agreement[part],)
        ],
        stages=_stages(card),
        licences=licences,
        tree=by_parents(card.rules.parents),
        labelled=lambda name: _labelled(card, name),
        least_known=LEAST_KNOWN_CORRELATION,
        bins=bins,
        degrees=[tag.name for tag in card.vocabulary if tag.kind == "regression"],
        share_factors=", ".join(f"{value:g} for {name}" for name, value in student.share_factors.items()),
        calibration_error=calibration_error(bins),
        fitted=student.fitted,
        said=_predicted(student.reference, student.fitted.scores >= limits),
        tags=[
            (
                tag,
                held_out.correlations[i],
                np.nanmean(student.reference[:, places[tag.name]]) if tag.name in places else None,
            )
            for i in card.vocabulary.display_order()
            for tag in (card.vocabulary.tags[i],)
        ],
        metric=lambda name, tag=None: _metric(release.report, name, tag) if release.report else "",
        **values,
    )


def _categories(card: ModelCard, held_out: Agreement) -> list[dict[str, Any]]:
    """Tags by category: how many, the mean correlation, and the worst."""
    rows = []
    for category in CATEGORIES:
        tags = [tag.name for tag in card.vocabulary if tag.category == category]
        if tags:
            part = held_out.select_tags(tags)
            known = not np.isnan(part.correlations).all()  # not where no teacher knows any of them
            worst = int(np.nanargmin(part.correlations)) if known else 0
            rows.append(
                {
                    "name": category,
                    "n": len(tags),
                    "correlation": part.mean_correlation if known else float("nan"),
                    "worst": tags[worst],
                    "worst_correlation": part.correlations[worst],
                }
            )
    return rows


def _labelled(card: ModelCard, teacher: str) -> str:
    """How much of the training set a teacher labelled."""
    if teacher not in card.training["teachers_of_training_set"]:
        return "no: too slow"
    share = card.training.get("shares_of_training_set", {}).get(teacher, 1.0)
    return "yes" if share == 1 else f"{share:.0%} of it"


def _stages(card: ModelCard) -> str:
    """How many training examples there were, how often they were used, and what training began with."""
    training = card.training.get("recipe", {}).get("training", {})
    n_windows = training.get("windows_per_clip", 1) if training.get("sampling") == "subclips" else 1
    n_clips = card.training.get("clips", {}).get("train", 0)
    amount = f"{n_clips:,} examples of {n_windows * card.input.window_seconds:.1f} s"
    if "epochs" in training:
        amount += f", {training['epochs']} times over"
    if "begun_with" in card.training:
        first = card.training["begun_with"]
        return f"In its last stage, begun with {first['name']} ({first['weights_sha256'][:12]}…), it was trained on {amount}"
    return f"It was trained on {amount}"


def _predicted(reference: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> dict[str, float]:
    """Tags per clip above their thresholds and in the reference; precision and recall over all clip-tag pairs."""
    predicted = predicted & ~np.isnan(reference)
    return {
        "per_clip": float(predicted.sum(axis=1).mean()),
        "true_per_clip": float(np.nansum(reference, axis=1).mean()),
        "precision": float(reference[predicted].mean()) if predicted.any() else float("nan"),
        "recall": float(predicted[reference == 1].mean()),
    }


def _metric(report: Report, name: str, tag: str | None = None) -> str:
    metric = report.find(name, tag)
    if metric.value is None:
        return "undefined"
    return f"{metric.value:.3f}" + ("" if metric.low is None else f" [{metric.low:.3f}, {metric.high:.3f}]")
