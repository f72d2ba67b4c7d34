"""One probe: from labelled music and a trained network to a tagger.

OUT/NAME.onnx, NAME.json    trunk and head as one model, and its card
OUT/scores.parquet, report.json, report.md      test clips, measured as `earmark evaluate` does
OUT/validation.parquet      scores of the clips of the folds, on which strength, thresholds and calibration were chosen
OUT/probe.json              every strength with its loss, and what was chosen
OUT/embeddings.npz          of all windows: another probe of the same layer begins with them
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.atomic_files import write_atomic
from earmark.core.calibration import calibrated
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, DataError
from earmark.core.version import __version__
from earmark.datasets.base import Dataset, Labels, label_matrix
from earmark.datasets.folds import group_folds
from earmark.datasets.tag_table import classes_of, with_tags
from earmark.evaluation.report import Report, make_report
from earmark.evaluation.run import write_results
from earmark.evaluation.scores import grouped
from earmark.evaluation.torch_model import TorchModel
from earmark.export.graph_head import export_head, trunk_of
from earmark.probes.card import first_card, probe_warnings, score_table
from earmark.probes.choice import HeadConfig, choose
from earmark.probes.features import WindowFeatures, clip_features
from earmark.probes.head import Head
from earmark.tagging.layer_pooling import Within, channels_last, pool_frames
from earmark.tagging.runtime import EMBEDDING_NAME, OnnxModel

OnDone = Callable[[str, int, int], None]

FOLDS_SPLIT = "cross-validation"
"""Split of the report where the dataset has no test clips: nested cross-validation over all of them."""


@dataclass(frozen=True)
class ProbeResult:
    """The result of a probe.

    Attributes:
        model: the ONNX file.
        card: its card.
        report: on the test clips, or of nested cross-validation.
        strength: that was chosen.
        notes: what a reader must know, one line each.
    """

    model: Path
    card: ModelCard
    report: Report
    strength: float
    notes: tuple[str, ...]


def probe(
    trunk: OnnxModel | TorchModel,
    dataset: Dataset,
    out: str | Path,
    *,
    name: str,
    tags: Sequence[str] = (),
    within: Within = "mean",
    time_axis: int | None = None,
    hidden: int = 0,
    n_folds: int = 5,
    groups: str | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
    jobs: int | None = None,
    on_done: OnDone | None = None,
) -> ProbeResult:
    """Learn a head on frozen embeddings, measure it, and write it with its trunk as one tagger.

    The strength of the regularisation is chosen by cross-validation over groups in the training and validation clips;
    the scores that these got by heads that had not learned from them set thresholds and calibration. The head of the
    tagger learns from all of them. Test clips are scored once, by it; without any, another cross-validation around all of this
    scores every clip by a head for which nothing was chosen on it (nested cross-validation).

    Args:
        trunk: an exported model or a checkpoint, with its layer.
        dataset: labelled clips. Classification tags of which each clip has exactly one get a softmax.
        out: folder; see the module docstring.
        name: of the tagger.
        tags: names or categories of the tags to learn; empty for all.
        within, time_axis: how a window has one vector, see :class:`earmark.tagging.embedder.Embedder`.
        hidden: units of a hidden layer; 0 for a linear head.
        n_folds: of the cross-validations; 0 to choose on the dataset's validation clips alone, from which the head
            then does not learn.
        groups: what folds and bootstrap keep together: artist, song or clip; None for the first that is known.
        seed: of folds, hidden weights and bootstrap.
        n_resamples: draws behind the intervals.
        jobs: files side by side; None for one per core.
        on_done: called with "embedding" or "folds", how many are done and how many there are.

    Raises:
        ConfigError: options out of range, unknown tags, or fewer than two groups.
        DataError: files that cannot be read, a classification tag without a clip to learn from, or no validation clips
            where they are needed.
    """
    folder = Path(out)
    if n_folds == 1 or n_folds < 0 or hidden < 0:
        raise ConfigError(f"n_folds {n_folds}, hidden {hidden}: folds must be 0, or 2 or more, hidden units 0 or more")
    dataset = with_tags(dataset, tags)
    classes = classes_of(dataset)
    dataset = dataset.replace(exclusive=classes)
    config = HeadConfig(hidden, tuple(dataset.vocabulary.index(tag) for tag in classes), seed=seed)
    labels, splits = label_matrix(dataset.clips), np.array([clip.split for clip in dataset.clips])
    learning = np.flatnonzero(splits != "test")
    _require_positives(dataset, labels[splits == "train"] if n_folds == 0 else labels[learning])
    members = _groups(dataset, groups)
    folder.mkdir(parents=True, exist_ok=True)
    features = clip_features(
        trunk, dataset, folder / "embeddings.npz", within=within, time_axis=time_axis, jobs=jobs, on_done=on_done
    )

    of_learning, y = features.of_clips(learning), labels[learning]
    folds = _folds(splits[learning], [members[i] for i in learning], n_folds, seed)
    n_inner = len(np.unique(folds[folds >= 0]))
    nested = "test" not in dataset.counts
    outer = group_folds(members, n_folds or 5, seed + 1) if nested else np.zeros(0, np.int64)
    progress = _Counter(on_done, n_inner + sum(1 + n_inner for _ in np.unique(outer)))
    choice = choose(of_learning, y, folds, config, progress)
    learned = np.flatnonzero(folds < 0) if n_folds == 0 else np.arange(len(y))
    (head,) = config.fit(of_learning.of_clips(learned), y[learned], [choice.strength])

    card, validation, notes = first_card(trunk.card, dataset, choice, learning[choice.places], name)
    if nested:
        scores = _nested_scores(features, labels, outer, members, config, n_folds or 5, progress)
        measured, split = np.arange(len(labels)), FOLDS_SPLIT
    else:
        measured, split = np.flatnonzero(splits == "test"), "test"
        held_out = features.of_clips(measured)
        found = held_out.clip_means(head(held_out.values)).astype(np.float32)
        scores = calibrated(found, card.vocabulary.names, card.calibration)
    table = score_table(dataset, measured, scores, split, name)
    settings = {
        "trunk": {"name": trunk.card.name, "version": trunk.card.version, "weights_sha256": trunk.card.weights_sha256},
        "layer": trunk.layer,
        "within": within,
        "time_axis": time_axis,
        "hidden": hidden,
        "strength": choice.strength,
        "folds": n_folds,
        "seed": seed,
    }
    notes = (*probe_warnings(trunk.card, dataset, choice, config), *notes)
    report = make_report(
        table,
        train_labels=labels[learning],
        thresholds=None if nested else card.thresholds,
        thresholds_from="the folds",
        groups=groups,
        n_resamples=n_resamples,
        seed=seed,
        about={"dataset_sha256": dataset.fingerprint, "probe": settings, "versions": {"earmark": __version__}},
        warnings=notes,
    )
    card = card.replace(metrics=report.metrics, training={**card.training, "probe": settings})
    model = folder / f"{name}.onnx"
    card = _write_model(model, trunk, card, head, within, time_axis)
    write_results(table, report, folder)
    validation.write(folder / "validation.parquet")
    chosen = {**settings, "strengths": dict(zip(map(str, config.strengths), choice.losses, strict=True))}
    write_atomic(folder / "probe.json", (json.dumps(chosen, indent=2) + "\n").encode())
    return ProbeResult(model, card, report, choice.strength, notes)


class _Counter:
    """Counts folds for a callback."""

    def __init__(self, on_done: OnDone | None, total: int) -> None:
        self.on_done, self.total, self.n_done = on_done, total, 0

    def __call__(self) -> None:
        self.n_done += 1
        if self.on_done is not None:
            self.on_done("folds", self.n_done, self.total)


def _groups(dataset: Dataset, by: str | None) -> tuple[str, ...]:
    clips = dataset.clips
    ids, artists, songs = ([getattr(clip, key) for clip in clips] for key in ("clip_id", "artist", "song"))
    return grouped(ids, artists, songs, by)[1]


def _require_positives(dataset: Dataset, labels: Labels) -> None:
    names = dataset.vocabulary.names
    empty = [names[i] for i in dataset.vocabulary.indices("classification") if not (labels[:, i] > 0).any()]
    if empty:
        raise DataError(f"no clip to learn from has {', '.join(map(repr, empty))}; leave them out with tags")


def _folds(splits: npt.NDArray[np.str_], members: Sequence[str], n_folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Folds of the clips to learn from; -1 for those that are never held out."""
    if n_folds:
        return group_folds(members, n_folds, seed)
    if not (splits == "validation").any():
        raise DataError("folds 0: there are no validation clips to choose on; give a number of folds")
    return np.where(splits == "validation", 0, -1)


def _nested_scores(
    features: WindowFeatures,
    labels: Labels,
    outer: npt.NDArray[np.int64],
    members: Sequence[str],
    config: HeadConfig,
    n_folds: int,
    progress: Callable[[], None],
) -> npt.NDArray[np.float32]:
    """Scores of all clips, each by a head for which nothing was chosen or learned on it."""
    scores = np.zeros(labels.shape, np.float32)
    for fold in np.unique(outer):
        inside, outside = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        of_inside, held_out = features.of_clips(inside), features.of_clips(outside)
        folds = group_folds([members[int(i)] for i in inside], n_folds, config.seed)
        choice = choose(of_inside, labels[inside], folds, config, progress)
        (head,) = config.fit(of_inside, labels[inside], [choice.strength])
        scores[outside] = held_out.clip_means(head(held_out.values))
        progress()
    return scores


def _write_model(
    path: Path, trunk: OnnxModel | TorchModel, card: ModelCard, head: Head, within: Within, time_axis: int | None
) -> ModelCard:
    if isinstance(trunk, OnnxModel):
        content, layer = trunk.path.read_bytes(), trunk.layer
    else:
        content, layer = trunk_of(trunk.network, None if trunk.layer == EMBEDDING_NAME else trunk.layer)

    def expected(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        frames = channels_last(trunk.layer_values(windows), time_axis)
        return head(pool_frames(frames, within)[:, 0])

    return export_head(
        content,
        card,
        path,
        layer=layer,
        layers=head.layers,
        within=within,
        time_axis=time_axis,
        expected=expected,
    )
