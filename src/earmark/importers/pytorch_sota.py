"""The PyTorch state dicts of FCN, CRNN and musicnn (sota-music-tagging-models), read without running what is in them."""

from __future__ import annotations

import io
import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.core.spectrum import hann_window, mel_filterbank
from earmark.importers.layout import N_TAGS, Array, Layout, fresh_model, match_layout, published_model
from earmark.importers.registry import register_importer
from earmark.models import TaggingModel
from earmark.models.blocks import WON_FRONTEND

SIGNATURES = (b"PK\x03\x04", b"\x80")
"""Of PyTorch's zip files, and of the pickles that it wrote before."""

_FRONTEND = {"spec.spectrogram.window": (512,), "spec.mel_scale.fb": (257, 96)}
"""Constants of the spectrogram, which the files contain and earmark's front-end computes."""
_FRONTEND_TOLERANCE = 1e-4


def _conv_layers(count: int) -> dict[str, str]:
    layers = {}
    for i in range(count):
        layers[f"layer{i + 1}.conv"] = f"layers.{i}.0"
        layers[f"layer{i + 1}.bn"] = f"layers.{i}.1"
    return layers


_FCN = {"spec_bn": "norm_input", **_conv_layers(5), "dense": "last"}
_CRNN = {"spec_bn": "norm_input", **_conv_layers(4), "layer5": "recurrent", "dense": "last"}
_MUSICNN = {"spec_bn": "norm_input", "dense1": "dense", "bn": "norm_dense", "dense2": "last"}
for _i in range(5):
    _part = f"timbral.{_i}" if _i < 2 else f"temporal.{_i - 2}"
    _MUSICNN.update({f"layers.{_i}.conv": f"{_part}.conv", f"layers.{_i}.bn": f"{_part}.norm"})
for _i in range(1, 4):
    _MUSICNN.update({f"layer{_i}.conv": f"residual{_i}.conv", f"layer{_i}.bn": f"residual{_i}.norm"})

_KINDS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "fcn4": ({}, _FCN),
    "crnn": ({}, _CRNN),
    "musicnn": ({"variant": "won2020"}, _MUSICNN),
}
"""Architecture -> options, and layer in the file -> ours."""


@register_importer(title="a PyTorch state dict", recognises=lambda content: content.startswith(SIGNATURES))
def pytorch_sota(content: bytes, where: str) -> tuple[TaggingModel, ModelCard]:
    """The network in a PyTorch state dict, and its card.

    Args:
        content: of the file.
        where: its name for error messages.

    Raises:
        ModelError: damaged, cut short, of another layout or another spectrogram, a pickle that would run code, or none
            of the published files.
    """
    state = _load(content, where)
    found = {name: Array(tuple(value.shape), str(value.dtype).removeprefix("torch.")) for name, value in state.items()}
    layout = match_layout(found, _layouts(), where)
    constants = {
        "spec.spectrogram.window": hann_window(WON_FRONTEND),
        "spec.mel_scale.fb": mel_filterbank(WON_FRONTEND).T,
    }
    for name, expected in constants.items():
        difference = float(np.abs(state[name].numpy() - expected).max())
        if not difference < _FRONTEND_TOLERANCE:
            raise ModelError(
                f"{where}: {name} is of another spectrogram: expected that of 16 kHz, n_fft 512 and 96 HTK bands, "
                f"found one that differs from it by {difference:.2g}"
            )
    names = _names(layout.architecture, fresh_model(layout.architecture, layout.options).state_dict())
    weights = {target: state[name].contiguous() for name, target in names.items()}
    return published_model(content, layout, weights, where)


def _load(content: bytes, where: str) -> Mapping[str, Tensor]:
    """The state dict. Only tensors and containers of them are built; anything else is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about foreign pickles: the result is compared with the layout
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" not in str(error):
            raise ModelError(f"{where}: expected a PyTorch state dict; it is damaged or cut short") from error
        named = re.search(r"(?:GLOBAL|function|class) ([\w.]+)", str(error))
        what = f"would run code ({named[1]})" if named else "holds more than weights and could run code"
        raise ModelError(
            f"{where}: refused: expected nothing but weights, found a pickle that {what}. earmark never runs it; ask "
            "whoever made the file for its state dict"
        ) from error
    except (
        EOFError,
        RuntimeError,
        OSError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        AssertionError,
        struct.error,
    ) as error:  # what torch raises for files that end too early or hold other bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{where}: expected a whole PyTorch state dict; it is damaged or cut short ({reason})"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        keys = f" with the keys {', '.join(map(str, list(state)[:4]))}" if isinstance(state, Mapping) else ""
        raise ModelError(f"{where}: expected a dict of names and tensors, found a {type(state).__name__}{keys}")
    return state


def _names(architecture: str, own: dict[str, Tensor]) -> dict[str, str]:
    """Name in the file -> name in our network."""
    ours_to_theirs = {ours: theirs for theirs, ours in _KINDS[architecture][1].items()}
    names = {}
    for target in own:
        ours, kind = target.rsplit(".", 1)
        names[f"{ours_to_theirs[ours]}.{kind}"] = target
    return names


@cache
def _layouts() -> list[Layout]:
    layouts = []
    for architecture, (options, _) in _KINDS.items():
        own = fresh_model(architecture, options).state_dict()
        arrays = {
            name: Array(tuple(own[target].shape), str(own[target].dtype).removeprefix("torch."))
            for name, target in _names(architecture, own).items()
        }
        arrays.update({name: Array(shape, "float32") for name, shape in _FRONTEND.items()})
        layouts.append(Layout(f"{architecture} (PyTorch, {N_TAGS} tags)", architecture, options, arrays))
    return layouts
