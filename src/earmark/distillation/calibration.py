"""From a trained student to a model for use: noisy tags removed, scores calibrated, rules and the full card."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from earmark.core.calibration import Platt
from earmark.core.card import ModelCard
from earmark.core.default_constraints import default_constraints
from earmark.core.errors import ConfigError
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.labelled_set import (
    LabelledSet,
    LabelledSets,
    TagUnion,
    UnionTag,
    add_known_labels,
    soft_labels,
    training_fusion,
)
from earmark.datasets.labelled_set.label_fusion import Doubles
from earmark.datasets.labelled_set.shards import TRAIN_SET
from earmark.distillation.agreement import Agreement, compare, fused_labels, fusion_of_all_teachers, network_scores
from earmark.distillation.calibration_targets import FittedMaps, choose_thresholds, fit_maps, reference_limits
from earmark.distillation.card_text import LEAST_CORRELATION, CardText
from earmark.distillation.ranks import rank_correlations
from earmark.distillation.teacher_agreement import NOISE, teacher_agreement
from earmark.distillation.teacher_comparison import song_logits
from earmark.evaluation.torch_model import TorchModel
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint, save_checkpoint
from earmark.tagging.tagger import Tagger

HELD_OUT, VALIDATION = "heldout", "validation"
LEAST_KNOWN_CORRELATION = 0.3
"""A tag that no teacher knows, only people, is left out below this: listeners' emotions are noisy labels."""


@dataclass(frozen=True, eq=False)
class CalibratedStudent:
    """A student that is ready for use.

    Attributes:
        checkpoint: its folder.
        card: complete but for metrics.
        agreement: set -> agreement with the mean of all teachers, on the tags kept.
        left_out: tag -> why.
        calibrated: the tags kept, without degrees, which are no probabilities.
        fitted: the calibration, of these.
        reference: (n, n_calibrated) which tags hold for the clips that it was fitted on: 0, 1, or NaN where it is not known.
        share_factors: of the reference, see :class:`~earmark.distillation.card_text.CardText`.
    """

    checkpoint: Path
    card: ModelCard
    agreement: dict[str, Agreement]
    left_out: dict[str, str]
    calibrated: tuple[str, ...]
    fitted: FittedMaps
    reference: Doubles
    share_factors: dict[str, float]


def calibrate_student(
    checkpoint: Path, folder: Path, out: Path, text: CardText, least_correlation: float | None = None
) -> CalibratedStudent:
    """Calibrate a student and complete its card.

    Args:
        checkpoint: of `earmark train`.
        folder: the labelled sets that it learned from, with the sets "heldout" and "validation".
        out: folder of the new checkpoint.
        text: of the card.
        least_correlation: with the averaged teachers on held-out music; tags below it are left out. None for the text's.

    Raises:
        DataError: sets are missing.
        ModelError: no such checkpoint.
        ConfigError: no tag is left.
    """
    sets = LabelledSets.open(folder)
    union = sets.union
    model, card = load_checkpoint(checkpoint)
    student = Tagger(TorchModel(checkpoint))
    names = card.vocabulary.names
    all_teachers = fusion_of_all_teachers(sets)
    labelled = {part: sets[part] for part in (HELD_OUT, VALIDATION)}
    scores = {part: network_scores(student, found) for part, found in labelled.items()}
    agreement = {
        part: compare(scores[part], names, found, fused_labels(found, all_teachers, union), union)
        for part, found in labelled.items()
    }
    least = text.least_correlation if least_correlation is None else least_correlation
    left_out = noisy_tags(agreement[HELD_OUT], labelled[HELD_OUT], union, least)
    left_out |= wrong_known_tags(scores, names, sets)
    left_out |= {tag: reason for tag, reason in text.leave_out.items() if tag in names}
    kept = tuple(tag for tag in names if tag not in left_out)
    kept_tags = [union.tags[union.vocabulary.index(tag)] for tag in kept]
    if not kept:
        raise ConfigError(f"{checkpoint}: no tag can be distinguished from noise; train longer, or on more music")

    # The reference is that of the teachers which labelled the training set, on their scale.
    options = card.training.get("recipe", {}).get("data", {}).get("options", {})
    fusion, teachers = training_fusion(sets, options.get("vocabulary_weights"))
    judged = [row.tag for row in kept_tags if row.tag.kind == "classification"]
    places = [union.vocabulary.index(tag.name) for tag in judged]

    def reference_of(part: str) -> npt.NDArray[np.float32]:
        labels = soft_labels(sets[part], fusion, teachers, union)
        add_known_labels(labels, sets[part], sets.songs, union.vocabulary)
        return labels[:, places]

    levels = reference_limits(reference_of(TRAIN_SET), [text.share_factors.get(tag.category, 1.0) for tag in judged])
    targets, network, groups = [], [], []
    for part, found in labelled.items():
        rows = found.audible
        labels = reference_of(part)[rows]
        targets.append(np.where(np.isnan(labels), np.nan, labels >= levels))
        network.append(scores[part][rows][:, [names.index(tag.name) for tag in judged]])
        groups += [song for song, audible in zip(found.songs(), rows, strict=True) if audible]
    rivals = text.rivals_among([row.tag for row in kept_tags])
    rules = default_constraints(kept, union.parents, rivals, text.rival_margin)
    calibrated = tuple(tag.name for tag in judged)
    reference = with_implied_tags(np.concatenate(targets), calibrated, rules)
    fitted = fit_maps(reference, np.concatenate(network), levels, groups)

    smaller = keep_outputs(model, card, [names.index(tag) for tag in kept])
    card = dataclasses.replace(
        card,
        name=text.name,
        description=text.description,
        version=text.version,
        vocabulary=Vocabulary(tuple(row.tag for row in kept_tags)),
        thresholds=dict(zip(calibrated, choose_thresholds(reference, fitted.scores).tolist(), strict=True)),
        calibration={
            tag: Platt(round(found.slope, 5), round(found.offset, 5))
            for tag, found in zip(calibrated, fitted.maps, strict=True)
        },
        rules=rules,
        metrics=(),
        limits=text.limits,
        citations=text.citations,
        licence=text.licence or card.licence,
        training={**card.training, **origin(sets, kept_tags, text.also_learned_from), "left_out": left_out},
    )
    card = save_checkpoint(out, smaller, card)
    chosen = {part: found.select_tags(kept) for part, found in agreement.items()}
    return CalibratedStudent(out, card, chosen, left_out, calibrated, fitted, reference, text.share_factors)


def origin(sets: LabelledSets, tags: Sequence[UnionTag], also_learned_from: Mapping[str, str]) -> dict[str, Any]:
    """From whom a student learned these tags, as its card says it."""
    return {
        "teachers": {teacher["name"]: teacher["sha256"] for teacher in sets[HELD_OUT].networks},
        "vocabularies": {teacher["name"]: teacher["vocabulary"] for teacher in sets[HELD_OUT].networks},
        **({"also_learned_from": dict(also_learned_from)} if also_learned_from else {}),
        "teachers_of_training_set": [teacher["name"] for teacher in sets[TRAIN_SET].networks],
        "shares_of_training_set": {
            name: round(share, 3) for name, share in sets[TRAIN_SET].shares().items() if share < 1
        },
        "heard_from": {row.tag.name: {source: list(names) for source, names in row.sources.items()} for row in tags},
    }


def with_implied_tags(reference: Doubles, names: Sequence[str], rules: TagConstraints) -> Doubles:
    """The reference (n, n_tags), in which a tag also holds where one that implies it does: no female vocals without vocals.

    Of several parents none is added: the reference does not say which is the likeliest.
    """
    links = {tag: parents[0] for tag, parents in rules.parents.items() if len(parents) == 1} | rules.requires
    out = reference.copy()
    for tag in links:
        holds, above = reference[:, names.index(tag)] == 1, links.get(tag)
        while above is not None:
            out[holds, names.index(above)] = 1
            above = links.get(above)
    return out


def noisy_tags(
    student: Agreement, held_out: LabelledSet, union: TagUnion, least_correlation: float = LEAST_CORRELATION
) -> dict[str, str]:
    """Tags that are better left out, with the reason.

    Args:
        student: compared with the teachers on held-out music.
        held_out: the same music, for the agreement of the teachers with each other.
        union: the tags.
        least_correlation: of student and teachers.
    """
    _, logits = song_logits([held_out], union)
    within = teacher_agreement(logits, held_out.vocabularies).within
    out = {}
    for tag, correlation in zip(student.tags, student.correlations, strict=True):
        place = union.vocabulary.index(tag)
        agreed = within[place]
        if not any(union.tags[place].sources.values()):
            continue  # people's labels say how good it is
        if agreed < NOISE:  # NaN: no other teacher to compare with
            out[tag] = f"teachers of one vocabulary agree by a rank correlation of {agreed:.2f} on held-out music"
        elif not correlation >= least_correlation:
            out[tag] = f"rank correlation with the averaged teachers is {correlation:.2f} on held-out music"
    return out


def wrong_known_tags(scores: Mapping[str, Doubles], names: Sequence[str], sets: LabelledSets) -> dict[str, str]:
    """Tags that no teacher knows and that do not follow the known labels of unseen songs, with the reason.

    Args:
        scores: set -> the network's scores (n, n_tags) of its examples.
        names: of the tags.
        sets: with the known labels.
    """
    alone = [row.tag.name for row in sets.union.tags if row.tag.name in names and not any(row.sources.values())]
    if not alone:
        return {}
    known = {song.song_id: song.labels for song in sets.songs if song.labels}
    labels = [known.get(song, {}).get(tag, np.nan) for part in scores for song in sets[part].songs() for tag in alone]
    given = np.concatenate([values[:, [list(names).index(tag) for tag in alone]] for values in scores.values()])
    found = rank_correlations(given, np.array(labels).reshape(-1, len(alone)))
    return {
        tag: "no teacher knows it, nor is it known of unseen songs, so there is nothing to calibrate it to"
        if np.isnan(value)
        else f"rank correlation with the known labels of unseen songs is {value:.2f}"
        for tag, value in zip(alone, found, strict=True)
        if not value >= LEAST_KNOWN_CORRELATION
    }


def keep_outputs(model: torch.nn.Module, card: ModelCard, kept: Sequence[int]) -> Any:
    """The same network with some of its outputs only."""
    smaller = create_model(card.architecture, len(kept), **card.architecture_options)
    weights = model.state_dict()
    own = smaller.state_dict()
    rows = torch.tensor(list(kept))
    smaller.load_state_dict(
        {key: value if value.shape == own[key].shape else value[rows] for key, value in weights.items()}
    )
    return smaller.eval()
