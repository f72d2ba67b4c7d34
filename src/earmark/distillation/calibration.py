"""From a trained student to a model for people: noise left out, scores calibrated, rules and the whole card."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from earmark.core.calibration import Platt
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.tag_constraints import TagRules, usual_rules
from earmark.core.vocabulary import Vocabulary
from earmark.distillation import teacher_comparison as comparison
from earmark.distillation.agreement import Agreement, all_teachers, answers, compare, merged_labels
from earmark.distillation.calibration_targets import Fitted, fit_maps, reference_limits, thresholds
from earmark.distillation.labelled_set import LabelledSet
from earmark.distillation.student_dataset import labels_of, lesson_merger
from earmark.distillation.tags import Union, load_union
from earmark.evaluation.torch_model import TorchModel
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint, save_checkpoint
from earmark.tagging.tagger import Tagger

HELD_OUT, VALIDATION = "heldout", "validation"
LEAST_CORRELATION = 0.6
"""A tag that a student orders worse than this on held-out music, against the averaged teachers, is noise to it."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A student that is ready.

    Attributes:
        checkpoint: its folder.
        card: with everything in it.
        agreement: set -> beside all teachers averaged, on the tags kept.
        left_out: tag -> why.
        fitted: the calibration, of the tags kept.
        holds: (n, n_tags) the reference of the clips that it was fitted on.
    """

    checkpoint: Path
    card: ModelCard
    agreement: dict[str, Agreement]
    left_out: dict[str, str]
    fitted: Fitted
    holds: npt.NDArray[np.bool_]


def finish(
    checkpoint: Path,
    sets: Path,
    out: Path,
    *,
    name: str,
    description: str,
    limits: Sequence[str] = (),
    citations: Sequence[str] = (),
    licence: str | None = None,
    version: str = "1",
    least_correlation: float = LEAST_CORRELATION,
) -> Finished:
    """Make a checkpoint of a student into one for people.

    Args:
        checkpoint: of `earmark distill train`.
        sets: what it has learned from, with the sets "heldout" and "validation".
        out: folder of the new checkpoint.
        name, description, limits, citations, licence, version: for its card.
        least_correlation: with the averaged teachers on held-out music; tags below it are left out.

    Raises:
        DataError: sets that are not there.
        ModelError: no such checkpoint.
        ConfigError: no tag is left.
    """
    union = load_union()
    model, card = load_checkpoint(checkpoint)
    student = Tagger(TorchModel(checkpoint))
    names = card.vocabulary.names
    everyone = all_teachers(sets, union)
    labelled = {part: LabelledSet.open(sets / part) for part in (HELD_OUT, VALIDATION)}
    said = {part: answers(student, found) for part, found in labelled.items()}
    merged = {part: merged_labels(found, everyone, union) for part, found in labelled.items()}
    whole = {part: compare(said[part], names, labelled[part], merged[part], union) for part in labelled}
    left_out = noise(whole[HELD_OUT], sets, union, least_correlation)
    kept = tuple(tag for tag in names if tag not in left_out)
    if not kept:
        raise ConfigError(f"{checkpoint}: no tag can be told from noise; train longer, or on more music")

    # The reference is that of the teachers which labelled the training set, on their scale.
    merger, learned_from = lesson_merger(sets, union)
    places = [union.vocabulary.index(tag) for tag in kept]
    train = LabelledSet.open(sets / "train")
    levels = reference_limits(labels_of(train, merger, learned_from, union)[:, places])
    holds, scores, groups = [], [], []
    for part, found in labelled.items():
        rows = found.audible
        holds.append(labels_of(found, merger, learned_from, union)[rows][:, places] >= levels)
        scores.append(said[part][rows][:, [names.index(tag) for tag in kept]])
        groups += [song for song, heard in zip(found.songs(), rows, strict=True) if heard]
    rules = usual_rules(kept)
    held = with_needed(np.concatenate(holds), kept, rules)
    fitted = fit_maps(held, np.concatenate(scores), levels, groups)

    vocabulary = Vocabulary(
        tuple(dataclasses.replace(union.vocabulary.tags[place], kind="classification") for place in places)
    )
    chosen = thresholds(held, fitted.scores)
    smaller = trimmed(model, card, [names.index(tag) for tag in kept])
    card = dataclasses.replace(
        card,
        name=name,
        description=description,
        version=version,
        vocabulary=vocabulary,
        thresholds=dict(zip(kept, chosen.tolist(), strict=True)),
        calibration={
            tag: Platt(round(found.slope, 5), round(found.offset, 5))
            for tag, found in zip(kept, fitted.maps, strict=True)
        },
        rules=rules,
        metrics=(),
        limits=tuple(limits),
        citations=tuple(citations),
        licence=licence or card.licence,
        training={
            **card.training,
            "teachers": {teacher["name"]: teacher["sha256"] for teacher in labelled[HELD_OUT].document["teachers"]},
            "vocabularies": dict(zip(labelled[HELD_OUT].teachers, labelled[HELD_OUT].vocabularies, strict=True)),
            "also_learned_from": {"emotify": "artist-disjoint"},
            "teachers_of_training_set": list(learned_from),
            "heard_from": {
                row.tag.name: {source: list(tags) for source, tags in row.sources.items()}
                for row in (union.tags[place] for place in places)
            },
            "left_out": left_out,
        },
    )
    card = save_checkpoint(out, smaller, card)
    return Finished(out, card, {part: found.of_tags(kept) for part, found in whole.items()}, left_out, fitted, held)


def with_needed(holds: npt.NDArray[np.bool_], names: Sequence[str], rules: TagRules) -> npt.NDArray[np.bool_]:
    """The reference (n, n_tags), in which a tag also holds where one holds that needs it: no female vocals without vocals."""
    out = holds.copy()
    for tag, needed in rules.requires.items():
        out[:, names.index(needed)] |= holds[:, names.index(tag)]
    return out


def noise(heard: Agreement, sets: Path, union: Union, least_correlation: float = LEAST_CORRELATION) -> dict[str, str]:
    """Tags that are better left out, with the reason.

    Args:
        heard: student and teachers on held-out music.
        sets: for the teachers' agreement among themselves on the same music.
        union: the tags.
        least_correlation: of student and teachers.
    """
    held_out = LabelledSet.open(sets / HELD_OUT)
    _, logits = comparison.song_logits([held_out], union)
    within = comparison.agreement(logits, held_out.vocabularies).within
    out = {}
    for tag, correlation in zip(heard.tags, heard.correlations, strict=True):
        agreed = within[union.vocabulary.index(tag)]
        if agreed < comparison.NOISE:  # NaN: one teacher alone, or none to compare with
            out[tag] = f"teachers of one vocabulary agree by a rank correlation of {agreed:.2f} on held-out music"
        elif not correlation >= least_correlation:
            out[tag] = f"rank correlation with the averaged teachers is {correlation:.2f} on held-out music"
    return out


def trimmed(model: torch.nn.Module, card: ModelCard, kept: Sequence[int]) -> Any:
    """The same network with some of its tags alone."""
    smaller = create_model(card.architecture, len(kept), **card.architecture_options)
    weights = model.state_dict()
    own = smaller.state_dict()
    rows = torch.tensor(list(kept))
    smaller.load_state_dict(
        {key: value if value.shape == own[key].shape else value[rows] for key, value in weights.items()}
    )
    return smaller.eval()
