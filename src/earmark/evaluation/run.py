"""One evaluation: model and dataset in, scores.parquet, report.json and report.md out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from earmark.core.atomic_files import write_atomic
from earmark.core.card import ModelCard
from earmark.core.version import __version__
from earmark.datasets.base import Dataset, label_matrix
from earmark.datasets.leaks import leak_warnings
from earmark.evaluation.report import Report, make_report
from earmark.evaluation.report_page import to_markdown
from earmark.evaluation.scores import ScoreTable, grouped
from earmark.evaluation.scoring import score_dataset
from earmark.tagging.runtime import list_installed
from earmark.tagging.tagger import Tagger, load_tagger

SCORES_NAME, JSON_NAME, PAGE_NAME = "scores.parquet", "report.json", "report.md"


def load_model(model: str | Path) -> Tagger:
    """A tagger from a checkpoint folder (PyTorch), an ONNX file, or the name of an installed model.

    Raises:
        ModelError: none of these, or it cannot be loaded.
    """
    if Path(model).is_dir() and str(model) not in list_installed():  # a name means the model, as in `earmark tag`
        from earmark.evaluation.torch_model import TorchModel

        return Tagger(TorchModel(model))
    return load_tagger(model)


def evaluate(
    model: str | Path | Tagger,
    dataset: Dataset,
    out: str | Path,
    *,
    split: str = "test",
    thresholds: Mapping[str, float] | None = None,
    thresholds_from: str = "",
    groups: str | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    jobs: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> Report:
    """Score one split of a dataset with a model and write scores and reports into a folder.

    Args:
        model: what :func:`load_model` takes, or a tagger.
        dataset: labelled clips under a protocol.
        out: folder; made where missing, older files in it are replaced.
        split: which clips.
        thresholds: tag -> score from which it is predicted; None for those of the model's card.
        thresholds_from: where they come from, as text.
        groups: what the bootstrap draws, see :meth:`ScoreTable.groups`.
        n_resamples, seed: of the bootstrap behind the intervals.
        jobs: files side by side; None for one per core.
        on_done: called with how many clips are done and how many there are.

    Raises:
        ModelError: the model cannot be loaded.
        DataError: see :func:`earmark.evaluation.scoring.score_dataset`.
    """
    tagger = model if isinstance(model, Tagger) else load_model(model)
    clips = dataset.split(split)
    # What cannot be drawn is reported before hours of tagging, not after.
    grouped([c.clip_id for c in clips], [c.artist for c in clips], [c.song for c in clips], groups)
    started = time.monotonic()
    table = score_dataset(tagger, dataset, split=split, jobs=jobs, on_done=on_done)
    seconds = time.monotonic() - started
    train_labels = None
    if "train" in dataset.counts:
        places = [dataset.vocabulary.index(name) for name in table.vocabulary.names]
        train_labels = label_matrix(dataset.split("train"))[:, places]
    report = make_report(
        table,
        train_labels=train_labels,
        thresholds=_own_thresholds(tagger.card) if thresholds is None else thresholds,
        thresholds_from="the model's card" if thresholds is None else thresholds_from or "given",
        groups=groups,
        n_resamples=n_resamples,
        seed=seed,
        about=_about(tagger.card, dataset, table, seconds),
        warnings=_warnings(tagger.card, dataset, split),
    )
    write_results(table, report, Path(out))
    return report


def write_results(table: ScoreTable, report: Report, folder: Path) -> None:
    """scores.parquet, report.json and report.md into a folder, made where missing; each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    table.write(folder / SCORES_NAME)
    for name, text in ((JSON_NAME, report.to_json()), (PAGE_NAME, to_markdown(report))):
        write_atomic(folder / name, text.encode())


def _own_thresholds(card: ModelCard) -> dict[str, float]:
    """Those of tags with scores of their own; classes of a softmax have none."""
    return {tag: x for tag, x in card.thresholds.items() if tag not in card.softmax}


def _about(card: ModelCard, dataset: Dataset, table: ScoreTable, seconds: float) -> dict[str, Any]:
    shared = set(table.vocabulary.names)
    return {
        "model_version": card.version,
        "model_weights_sha256": card.weights_sha256,
        "dataset_title": dataset.info.title,
        "dataset_sha256": dataset.fingerprint,
        "dataset_citation": dataset.info.citation,
        "dataset_licence": dataset.info.licence,
        "tags_only_in_model": [name for name in card.vocabulary.names if name not in shared],
        "tags_only_in_dataset": [name for name in dataset.vocabulary.names if name not in shared],
        "window_seconds": card.input.window_seconds,
        "hop_seconds": card.input.hop_seconds,
        "scoring_seconds": round(seconds, 3),
        "versions": {"earmark": __version__, "numpy": np.__version__},
    }


def _warnings(card: ModelCard, dataset: Dataset, split: str) -> tuple[str, ...]:
    """What makes these scores optimistic, as far as card and dataset show."""
    warnings = []
    if split == "train":
        warnings.append("These are training clips: the scores show what was memorised, not what was learned.")
    elif split == "validation":
        warnings.append("These are validation clips: if the model was chosen on them, the scores flatter.")
    warnings += [*leak_warnings(dataset), *dataset.notes]
    protocols = card.learned_from
    if protocols.get(dataset.name, dataset.protocol) != dataset.protocol:
        warnings.append(
            f"The model was trained under another protocol of this dataset ({protocols[dataset.name] or 'which one, its card does not say'}): its training "
            "clips may be among these, and the scores mean nothing where they are."
        )
    kinds = {(tag.name, tag.kind) for tag in card.vocabulary}
    if missing := [tag.name for tag in dataset.vocabulary if (tag.name, tag.kind) not in kinds]:
        warnings.append(f"Tags that the model does not know, and that are not measured: {', '.join(missing)}.")
    return tuple(warnings)
