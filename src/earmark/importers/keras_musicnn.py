"""The Keras HDF5 files of musicnn and its VGG (musicnn_keras), read with h5py alone: no Keras, no TensorFlow.

Keras keeps a convolution's weights as (frames, bands, inputs, outputs) and a dense layer's as (inputs, outputs): earmark's
have the axes in reverse order. Other differences:

- musicnn's pooled values come in pairs there, the maximum and the mean of each channel; here all maxima come first.
- The VGG's last maps are flattened frame by frame there, channel by channel here.
"""

from __future__ import annotations

import io
import re
from functools import cache

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.importers.layout import N_TAGS, Array, Layout, fresh_model, match_layout, published_model
from earmark.importers.registry import register_importer
from earmark.models import TaggingModel

SIGNATURE = b"\x89HDF\r\n\x1a\n"
ROOT = "model_weights"

_MUSICNN = {  # layer in the file -> ours
    "batch_normalization": "norm_input",
    "conv2d": "timbral.0.conv",
    "batch_normalization_1": "timbral.0.norm",
    "conv2d_1": "timbral.1.conv",
    "batch_normalization_2": "timbral.1.norm",
    "conv2d_2": "temporal.0.conv",
    "batch_normalization_3": "temporal.0.norm",
    "conv2d_3": "temporal.1.conv",
    "batch_normalization_4": "temporal.1.norm",
    "conv2d_4": "temporal.2.conv",
    "batch_normalization_5": "temporal.2.norm",
    "midend_conv1": "residual1.conv",
    "bn_midend_conv1": "residual1.norm",
    "midend_conv2": "residual2.conv",
    "bn_midend_conv2": "residual2.norm",
    "midend_conv3": "residual3.conv",
    "bn_midend_conv3": "residual3.norm",
    "bn_flatpool": "norm_pooled.0",
    "dense": "dense",
    "bn_dense": "norm_dense",
    "dense_1": "last",
}
_VGG = {"bn_input": "norm_input", "output": "last"}
for _i in range(5):
    _VGG[f"{_i + 1}CNN"] = f"layers.{_i}.0"
    _VGG[f"bn_conv{_i + 1}"] = f"layers.{_i}.2"

_LAYERS = {"musicnn": _MUSICNN, "musicnn_vgg": _VGG}
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_DENSE = {"kernel": "weight", "bias": "bias"}


@register_importer(title="Keras HDF5", recognises=lambda content: content.startswith(SIGNATURE))
def keras_musicnn(content: bytes, where: str) -> tuple[TaggingModel, ModelCard]:
    """The network in a Keras HDF5 file, and its card.

    Args:
        content: of the file.
        where: its name for error messages.

    Raises:
        ModelError: damaged, cut short, of another layout, or none of the published files.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            datasets = _datasets(file, where)
            found = {name: Array(tuple(item.shape), str(item.dtype)) for name, item in datasets.items()}
            layout = match_layout(found, _layouts(), where)
            arrays = {name: np.asarray(item[()]) for name, item in datasets.items()}
    except (
        *(OSError, RuntimeError, LookupError, ValueError, TypeError),
        *(OverflowError, MemoryError),  # where a size is damaged
    ) as error:  # what h5py raises for damaged files
        raise ModelError(f"{where}: expected a whole HDF5 file; it is damaged or cut short ({error})") from error
    return published_model(content, layout, _convert(layout, arrays), where)


def _datasets(file: h5py.File, where: str) -> dict[str, h5py.Dataset]:
    """The arrays of the file as "layer/kind": Keras adds the layer's name twice, and numbers."""
    if not isinstance(file.get(ROOT), h5py.Group):
        names = ", ".join(list(file)[:4]) or "nothing"
        raise ModelError(f"{where}: expected a Keras model with the group {ROOT!r}; found {names}")
    datasets: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            kind = re.sub(r"(_\d+)?:0$", "", name.rsplit("/", 1)[-1])
            datasets[f"{name.split('/', 1)[0]}/{kind}"] = item

    file[ROOT].visititems(visit)
    return datasets


def _names(layout_layers: dict[str, str], own: dict[str, Tensor]) -> dict[str, str]:
    """Name in the file -> name in our network."""
    names = {}
    for layer, target in layout_layers.items():
        kinds = _NORM if f"{target}.running_mean" in own else _DENSE
        names.update({f"{layer}/{kind}": f"{target}.{ours}" for kind, ours in kinds.items()})
    return names


@cache
def _layouts() -> list[Layout]:
    layouts = []
    for architecture, layers in _LAYERS.items():
        own = fresh_model(architecture, {}).state_dict()
        arrays = {}
        for name, target in _names(layers, own).items():
            shape = tuple(own[target].shape)[::-1]
            if len(shape) == 3:  # our convolutions over time alone are convolutions over all bands there
                shape = (shape[0], shape[1], 1, shape[2])
            arrays[name] = Array(shape, "float32")
        layouts.append(Layout(f"{architecture} (Keras, {N_TAGS} tags)", architecture, {}, arrays))
    return layouts


def _convert(layout: Layout, arrays: dict[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Arrays of the file as weights of our network."""
    own = fresh_model(layout.architecture, layout.options).state_dict()
    weights = {name: torch.zeros_like(value) for name, value in own.items() if name.endswith("num_batches_tracked")}
    for name, target in _names(_LAYERS[layout.architecture], own).items():
        values = np.ascontiguousarray(arrays[name].T).reshape(tuple(own[target].shape))
        if layout.architecture == "musicnn" and (target.startswith("norm_pooled.") or target == "dense.weight"):
            values = np.concatenate([values[..., 0::2], values[..., 1::2]], axis=-1)  # maxima, then means
        elif layout.architecture == "musicnn_vgg" and target == "last.weight":
            channels = own["layers.4.0.bias"].numel()
            values = values.reshape(N_TAGS, -1, channels).swapaxes(1, 2).reshape(N_TAGS, -1)
        weights[target] = torch.from_numpy(values.copy())
    return weights
