"""Weights and card in one folder: ``model.safetensors`` and ``card.json``.

Both are written to temporary files and renamed, so that a killed run leaves no partial file; the card has the hash of the weights,
so that weights of another run are refused. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from earmark.core.atomic_files import write_together
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.core.input_spec import Conditioning, InputSpec, LastWindow
from earmark.core.vocabulary import Vocabulary
from earmark.models import TaggingModel, create_model

WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "card.json"


def make_card(
    model: TaggingModel,
    *,
    name: str,
    vocabulary: Vocabulary,
    hop_samples: int | None = None,
    last_window: LastWindow = "overlap",
    lead_samples: int = 0,
    **fields: Any,
) -> ModelCard:
    """A card, with all fields that follow from the model filled in.

    Args:
        model: from :func:`earmark.models.create_model`.
        name: of the card.
        vocabulary: tags in output order.
        hop_samples: distance between the starts of windows; None for windows side by side.
        last_window, lead_samples: how the ends of a file are cut, see :class:`earmark.core.input_spec.InputSpec`.
        fields: the other fields of :class:`earmark.core.card.ModelCard`.

    Raises:
        ConfigError: the vocabulary and the model have different numbers of tags, or the model was not made by create_model.
    """
    hop = model.window_samples if hop_samples is None else hop_samples
    conditioning = None if model.level is None else Conditioning(level_dbfs=model.level.level_dbfs)
    card = ModelCard(
        name=name,
        architecture=model.architecture,
        architecture_options=model.architecture_options,
        input=InputSpec(model.sample_rate_hz, model.window_samples, hop, last_window, lead_samples, conditioning),
        frontend=None if model.frontend is None else model.frontend.config.to_dict(),
        vocabulary=vocabulary,
        **fields,
    )
    check_card(model, card)
    return card


def check_card(model: TaggingModel, card: ModelCard) -> None:
    """Raises ConfigError, with every contradiction, if a card describes another model."""
    if not model.architecture:
        raise ConfigError(
            f"{type(model).__name__}: has no architecture name; build it with earmark.models.create_model"
        )
    pairs = {
        "architecture": (card.architecture, model.architecture),
        "architecture_options": (_as_json(card.architecture_options), _as_json(model.architecture_options)),
        "frontend": (_as_json(card.frontend), _as_json(model.frontend and model.frontend.config.to_dict())),
        "input.sample_rate_hz": (card.input.sample_rate_hz, model.sample_rate_hz),
        "input.conditioning.level_dbfs": (
            card.input.conditioning and card.input.conditioning.level_dbfs,
            model.level and model.level.level_dbfs,
        ),
        "number of tags": (len(card.vocabulary), model.n_tags),
    }
    if not model.variable_length:
        pairs["input.window_samples"] = (card.input.window_samples, model.window_samples)
    problems = [
        f"{what}: the card says {given}, the model {is_}" for what, (given, is_) in pairs.items() if given != is_
    ]
    if model.variable_length and card.input.window_samples < model.min_samples:
        problems.append(f"input.window_samples: the card says {card.input.window_samples}, below {model.min_samples}")
    if problems:
        raise ConfigError(problems)


def save_checkpoint(directory: str | Path, model: TaggingModel, card: ModelCard) -> ModelCard:
    """Write a model and its card.

    Args:
        directory: created if missing; an older checkpoint in it is replaced.
        model: from :func:`earmark.models.create_model`, on any device.
        card: of this model, see :func:`make_card`.

    Returns:
        The card as written, with the SHA-256 of the weights file.

    Raises:
        ConfigError: the card is of another model.
        OSError: the folder cannot be written.
    """
    check_card(model, card)
    weights = save({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()})
    card = card.replace(weights_sha256=hashlib.sha256(weights).hexdigest())
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    write_together({folder / WEIGHTS_NAME: weights, folder / CARD_NAME: card.to_json().encode()})
    return card


def load_checkpoint(directory: str | Path) -> tuple[TaggingModel, ModelCard]:
    """Read a checkpoint back. Leaves torch's random generators as they were.

    Returns:
        The model, on the CPU and in eval mode, and its card.

    Raises:
        ModelError: a file is missing or damaged, the weights are not those of the card (wrong hash), weights are
            missing, unknown or of another shape (listed by name), or the card's architecture cannot be built.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; a checkpoint is a folder with {WEIGHTS_NAME} and {CARD_NAME}")
    card = ModelCard.read(folder / CARD_NAME)
    path = folder / WEIGHTS_NAME
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the weights cannot be read ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != card.weights_sha256:
        raise ModelError(
            f"{path}: SHA-256 {found[:12]}… is not the card's ({card.weights_sha256[:12] or 'none'}…): these weights "
            "are damaged or of another checkpoint; copy both files again"
        )
    try:
        weights = load(content)
    except SafetensorError as error:
        raise ModelError(f"{path}: not safetensors ({error})") from error
    try:
        with torch.random.fork_rng(devices=[]):
            model = create_model(card.architecture, len(card.vocabulary), **card.architecture_options)
        check_card(model, card)
    except (
        ConfigError,
        TypeError,
        ValueError,
        OverflowError,
        RuntimeError,
        MemoryError,
    ) as error:  # of damaged options
        raise ModelError(f"{folder / CARD_NAME}: {error}") from error
    load_weights(model, weights, where=str(path))
    return model.eval(), card


def load_weights(model: TaggingModel, weights: dict[str, Tensor], where: str) -> None:
    """Copy named weights into a model: all of them, and no others.

    Args:
        model: gets the weights.
        weights: name -> tensor, as ``model.state_dict()`` has them.
        where: file name for error messages.

    Raises:
        ModelError: names missing or unknown, or shapes or types that differ.
    """
    own = model.state_dict()
    problems = [f"weights {name!r} are missing" for name in own if name not in weights]
    problems += [f"weights {name!r} are unknown to {model.architecture}" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        found, wanted = weights[name], own[name]
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            problems.append(
                f"weights {name!r} are {tuple(found.shape)} {found.dtype}, must be {tuple(wanted.shape)} {wanted.dtype}"
            )
    if problems:
        raise ModelError("\n".join(f"{where}: {problem}" for problem in sorted(problems)))
    model.load_state_dict(weights)


def _as_json(value: Any) -> Any:
    """As read back from JSON: tuples become lists."""
    return json.loads(json.dumps(value))
