"""Students beside each other: how well each has learned, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.datasets.emotify import GENRES
from earmark.distillation.agreement import Agreement, all_teachers, answers, compare, genre_auc, merged_labels
from earmark.distillation.label_fusion import Doubles
from earmark.distillation.labelled_set import LabelledSet
from earmark.distillation.tags import load_union
from earmark.evaluation.torch_model import TorchModel
from earmark.models.summary import count_macs, count_weights
from earmark.tagging.tagger import Tagger

SETS = ("validation", "heldout")


@dataclass(frozen=True, eq=False)
class StudentRow:
    """One student.

    Attributes:
        title: folder of its run.
        architecture: what it is.
        n_windows: training windows that it has heard, over all epochs.
        n_weights, macs_10_s: of the network; for ten seconds of audio, front-end included.
        agreement: set -> beside all teachers averaged.
        genres: (4,) ROC-AUC of the genres of Emotify's validation songs.
    """

    title: str
    architecture: str
    n_windows: int
    n_weights: int
    macs_10_s: int
    agreement: dict[str, Agreement]
    genres: Doubles


def measure(checkpoints: Sequence[Path], sets: Path, emotify: Path) -> list[StudentRow]:
    """Measure checkpoints of students on music that they were not trained on; the test split is not looked at.

    Raises:
        DataError: sets that are not there.
        ModelError: no such checkpoint.
    """
    union = load_union()
    everyone = all_teachers(sets, union)
    labelled = {name: LabelledSet.open(sets / name) for name in SETS}
    merged = {name: merged_labels(found, everyone, union) for name, found in labelled.items()}
    rows = []
    for path in checkpoints:
        model = TorchModel(path)
        names, card = model.card.vocabulary.names, model.card
        said = {name: answers(Tagger(model), found) for name, found in labelled.items()}
        recipe, clips = card.training.get("recipe", {}), card.training.get("clips", {})
        training = recipe.get("training", {})
        rows.append(
            StudentRow(
                title=path.parent.name if path.name == "checkpoint" else path.name,
                architecture=card.architecture,
                n_windows=clips.get("train", 0) * training.get("windows_per_clip", 1) * training.get("epochs", 0),
                n_weights=count_weights(model.network)[0],
                macs_10_s=count_macs(model.network) * 10 * card.input.sample_rate_hz // card.input.window_samples,
                agreement={name: compare(said[name], names, labelled[name], merged[name], union) for name in labelled},
                genres=genre_auc(said["validation"], names, labelled["validation"], emotify)[0],
            )
        )
    return rows


def to_markdown(rows: Sequence[StudentRow], command: str) -> str:
    """A page with a table."""
    lines = [
        "# Students",
        "",
        f"Written by `{command}`. Agreement is with all teachers averaged, on parts of 29.1 s: the mean over tags of "
        "Spearman's rank correlation, and how many of the five highest tags are shared. Genres: mean ROC-AUC of "
        f"{', '.join(GENRES)} on Emotify's validation songs (33 songs, 20 artists: differences of a few hundredths mean "
        "nothing). MACs are for 10 s of audio, front-end included.",
        "",
        "| run | architecture | weights | GMAC | hours heard | validation: correlation | shared | genres "
        "| held-out: correlation | shared |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        hours = row.n_windows * 9.7 / 3600
        heard = [f"{found.mean_correlation:.3f} | {found.mean_shared:.2f}" for found in row.agreement.values()]
        lines.append(
            f"| {row.title} | `{row.architecture}` | {row.n_weights / 1e6:.2f} M | {row.macs_10_s / 1e9:.3f} | {hours:.0f} "
            f"| {heard[0]} | {np.nanmean(row.genres):.3f} | {heard[1]} |"
        )
    return "\n".join(lines) + "\n"
