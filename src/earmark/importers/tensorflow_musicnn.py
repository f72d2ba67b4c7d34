"""musicnn and Essentia's classifiers on musicnn, as frozen TensorFlow graphs and as TensorFlow.js models.

Layers are numbered in the order in which the program made them. Axes are in reverse order, and pooled values come in
pairs of a channel's maximum and mean, as in the Keras files. For TensorFlow.js every batch norm has become a factor and
an offset for each channel.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.core.card import ModelCard
from earmark.importers.layout import Array, Layout, fresh_model, match_layout, published_model
from earmark.importers.registry import register_importer
from earmark.importers.tensorflow_graph import (
    Arrays,
    is_frozen_graph,
    is_tfjs_model,
    read_frozen_graph,
    read_tfjs,
    shard_names,
)
from earmark.models import TaggingModel
from earmark.models.musicnn import FORMS

_CONVOLUTIONS = (
    *("timbral.0", "timbral.1", "temporal.0", "temporal.1", "temporal.2"),
    *("residual1", "residual2", "residual3"),
)
_NORMS = ("norm_input", *(f"{layer}.norm" for layer in _CONVOLUTIONS), "norm_pooled.0", "norm_dense")
_DENSE = {0: ("dense", "last"), 100: ("dense", "head.0", "last")}
"""By units of the head."""
_GRAPHS = ((0, 50), (100, 2), (100, 8))
_JS_MODELS = ((100, 2),)
"""Units of the head and outputs of the published networks."""


@register_importer(title="a frozen TensorFlow graph", recognises=is_frozen_graph)
def tensorflow_graph(content: bytes, where: str) -> tuple[TaggingModel, ModelCard]:
    """The network in a frozen graph, and its card.

    Args:
        content: of the file.
        where: its name for error messages.

    Raises:
        ModelError: damaged, cut short, of another layout, or none of the published files.
    """
    arrays = read_frozen_graph(content, where)
    layout = match_layout(_shapes(arrays), _layouts(folded=False), where)
    return published_model(content, layout, _convert(layout, arrays, folded=False), where)


@register_importer(title="a TensorFlow.js model", recognises=is_tfjs_model, shard_names=shard_names)
def tensorflow_js(content: bytes, where: str, *shards: bytes) -> tuple[TaggingModel, ModelCard]:
    """The network in a TensorFlow.js graph model, and its card.

    Args:
        content: of its model.json.
        where: name of this file for error messages.
        shards: contents of the files with the weights.

    Raises:
        ModelError: damaged, cut short, of another layout, or none of the published models.
    """
    arrays = read_tfjs(content, shards, where)
    layout = match_layout(_shapes(arrays), _layouts(folded=True), where)
    return published_model(content, layout, _convert(layout, arrays, folded=True), where, shards)


def _shapes(arrays: Arrays) -> dict[str, Array]:
    return {name: Array(values.shape, values.dtype.name) for name, values in arrays.items()}


def _names(head_units: int, folded: bool) -> dict[str, str]:
    """Name in the file -> name in our network."""
    names = {}
    for kind, layers in (("conv2d", [f"{layer}.conv" for layer in _CONVOLUTIONS]), ("dense", _DENSE[head_units])):
        for i, ours in enumerate(layers):
            names[f"{_numbered(kind, i)}/kernel"] = f"{ours}.weight"
            names[f"{_numbered(kind, i)}/bias"] = f"{ours}.bias"
    for i, ours in enumerate(_NORMS):
        theirs = _numbered("batch_normalization", i)
        if not folded:
            names[f"{theirs}/gamma"], names[f"{theirs}/beta"] = f"{ours}.weight", f"{ours}.bias"
            names[f"{theirs}/moving_mean"] = f"{ours}.running_mean"
            names[f"{theirs}/moving_variance"] = f"{ours}.running_var"
        elif i <= len(_CONVOLUTIONS):
            names[f"model/{theirs}/FusedBatchNormV3/Scaled"] = f"{ours}.weight"
            names[f"model/{theirs}/FusedBatchNormV3/Offset"] = f"{ours}.bias"
        else:
            names[f"model/{theirs}/batchnorm/mul"] = f"{ours}.weight"
            names[f"model/{theirs}/batchnorm/sub"] = f"{ours}.bias"
    return names


def _numbered(kind: str, i: int) -> str:
    return f"{kind}_{i}" if i else kind


@cache
def _layouts(folded: bool) -> list[Layout]:
    layouts = []
    for head_units, n_outputs in _JS_MODELS if folded else _GRAPHS:
        options: dict[str, Any] = {"head_units": head_units}
        own = fresh_model("musicnn", options, n_outputs).state_dict()
        arrays = {}
        for name, target in _names(head_units, folded).items():
            shape = tuple(own[target].shape)[::-1]
            if len(shape) == 3:  # our convolutions over time alone are convolutions over all bands there
                shape = (shape[0], shape[1], 1, shape[2])
            arrays[name] = Array(shape, "float32")
        kind = "TensorFlow.js" if folded else "TensorFlow"
        layouts.append(Layout(f"musicnn ({kind}, {n_outputs} outputs)", "musicnn", options, arrays))
    return layouts


def _convert(layout: Layout, arrays: Arrays, folded: bool) -> dict[str, Tensor]:
    """Arrays of the file as weights of our network, all outputs of the file included."""
    names = _names(layout.options["head_units"], folded)
    bias = next(name for name, target in names.items() if target == "last.bias")
    own = fresh_model(layout.architecture, layout.options, arrays[bias].size).state_dict()
    weights = {name: torch.zeros_like(value) for name, value in own.items() if name.endswith("num_batches_tracked")}
    if folded:
        for ours in _NORMS:  # a batch norm that only scales and shifts
            weights[f"{ours}.running_mean"] = torch.zeros_like(own[f"{ours}.running_mean"])
            weights[f"{ours}.running_var"] = torch.full_like(own[f"{ours}.running_var"], 1 - FORMS["pons2019"].epsilon)
    for name, target in names.items():
        values: NDArray[np.float32] = np.ascontiguousarray(arrays[name].T, np.float32).reshape(tuple(own[target].shape))
        if target.startswith("norm_pooled.") or target == "dense.weight":
            values = np.concatenate([values[..., 0::2], values[..., 1::2]], axis=-1)  # maxima, then means
        weights[target] = torch.from_numpy(values.copy())
    return weights
