"""Training that begins with the weights of another run: the head is replaced for other tags, the trunk frozen or slower."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.export.embedding import last_layer, run_once
from earmark.models import TaggingModel
from earmark.models.checkpoint import load_checkpoint
from earmark.training.start_sections import TransferSection


def begin_with(model: TaggingModel, card: ModelCard, folder: str | Path) -> tuple[ModelCard, ModelCard]:
    """Give a fresh model the weights of a checkpoint.

    For other tags, the last layer keeps its fresh weights, and so does whatever else depends on the number of tags.

    Args:
        model: fresh; gets the weights.
        card: of the model.
        folder: the checkpoint.

    Returns:
        The card of the model, with what it was begun with and what that had learned from; and the checkpoint's card.

    Raises:
        ConfigError: a checkpoint of another network.
        ModelError: no checkpoint.
    """
    source, begun = load_checkpoint(folder)
    if (begun.architecture, begun.architecture_options) != (card.architecture, card.architecture_options):
        raise ConfigError(
            f"{folder}: {begun.architecture} with other options than those of the recipe, or another network; options here: "
            f"{begun.architecture_options}, of the recipe: {card.architecture_options}"
        )
    fresh, weights = model.state_dict(), source.state_dict()
    replaced: list[str] = []
    if begun.vocabulary.names != card.vocabulary.names:
        head = head_of(model)
        of_head = {f"{head}.{name}" for name in model.get_submodule(head).state_dict()}
        replaced = [name for name in fresh if name in of_head or fresh[name].shape != weights[name].shape]
        weights |= {name: fresh[name] for name in replaced}
    model.load_state_dict(weights)
    start = {"name": begun.name, "weights_sha256": begun.weights_sha256}
    training = {**card.training, "begun_with": {**start, **({"replaced": replaced} if replaced else {})}}
    if begun.learned_from:
        training["also_learned_from"] = begun.learned_from
    return card.replace(training=training), begun


def head_of(model: TaggingModel) -> str:
    """Name of the last layer. Raises ConfigError for a network whose last layer does not take windows one by one."""
    layer, _ = last_layer(model)
    if layer is None:
        raise ConfigError(f"{model.architecture}: has no last layer that could be replaced for other tags")
    names: list[str] = [name for name, module in model.named_modules() if module is layer]
    return names[0]


def frozen_modules(model: TaggingModel, config: TransferSection) -> list[nn.Module]:
    """Freeze what the recipe freezes: its weights need no gradient any more.

    Returns:
        Modules that must stay in eval mode, so that statistics of batch norm stay, too, and dropout does nothing.
    """
    if config.freeze == "none":
        return []
    head = model.get_submodule(head_of(model))
    of_head = set(head.modules())
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in head.parameters():
        parameter.requires_grad_(True)
    return [module for module in model.modules() if module not in of_head]


def rate_shares(model: TaggingModel, config: TransferSection) -> dict[str, float]:
    """Name of each parameter -> what the learning rate is multiplied with for it.

    Layers are numbered from the last one, in the order of execution; a layer is what has a matrix or kernels, with the
    norms that follow it. What is never run counts as the first layer.
    """
    if config.trunk_rate == 1 and config.layer_decay == 1:
        return {}
    depth_of = _depths(model)
    deepest = max(depth_of.values())
    shares = {}
    for name, module in model.named_modules():
        depth = depth_of.get(name, deepest)
        share = (config.trunk_rate if depth else 1.0) * config.layer_decay**depth
        for own, _ in module.named_parameters(recurse=False):
            shares[f"{name}.{own}" if name else own] = share
    return shares


def _depths(model: TaggingModel) -> Mapping[str, int]:
    """Name of each module with parameters that is run -> how many layers are behind its own."""
    order: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, __, name=name: order.append(name))
        for name, module in model.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    try:
        run_once(model)
    finally:
        for hook in hooks:
            hook.remove()
    number, layer_of = -1, {}
    for name in dict.fromkeys(order):
        is_layer = any(parameter.ndim > 1 for parameter in model.get_submodule(name).parameters(recurse=False))
        number += is_layer
        layer_of[name] = max(number, 0)
    last = max(layer_of.values(), default=0)
    return {name: last - layer for name, layer in layer_of.items()}
