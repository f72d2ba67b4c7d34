"""PyTorch state dicts, read without running what is in them: FCN, CRNN and musicnn of sota-music-tagging-models, and
EfficientAT's mn04."""

from __future__ import annotations

import io
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.core.spectrum import hann_window, mel_filterbank
from earmark.importers.layout import Array, Layout, fresh_model, match_layout, published_model
from earmark.importers.registry import register_importer
from earmark.models import TaggingModel
from earmark.models.blocks import WON_FRONTEND

SIGNATURES = (b"PK\x03\x04", b"\x80")
"""Of PyTorch's zip files, and of the pickles that it wrote before."""

_FRONTEND = {"spec.spectrogram.window": (512,), "spec.mel_scale.fb": (257, 96)}
"""Constants of the spectrogram, which the files of sota-music-tagging-models contain and earmark's front-end computes."""
_FRONTEND_TOLERANCE = 1e-4


@dataclass(frozen=True)
class _Kind:
    """One network as its project saves it.

    Attributes:
        options: of the architecture.
        n_tags: outputs.
        layer_in_file: name of a layer of ours -> its name in the file.
        frontend: constants of the spectrogram in the file, with their shapes.
    """

    options: dict[str, Any]
    n_tags: int
    layer_in_file: Callable[[str], str]
    frontend: dict[str, tuple[int, ...]]

    def names(self, own: Mapping[str, Tensor]) -> dict[str, str]:
        """Name in the file -> name in our network."""
        names = {}
        for target in own:
            layer, kind = target.rsplit(".", 1)
            names[f"{self.layer_in_file(layer)}.{kind}"] = target
        return names


def _sota(theirs_to_ours: Mapping[str, str], options: dict[str, Any] | None = None) -> _Kind:
    ours_to_theirs = {ours: theirs for theirs, ours in theirs_to_ours.items()}
    return _Kind(options or {}, 50, ours_to_theirs.__getitem__, _FRONTEND)


def _efficientat_layer(ours: str) -> str:
    if ours in ("hidden", "last"):
        return {"hidden": "classifier.2", "last": "classifier.5"}[ours]
    return re.sub(r"\.(fc[12])$", r".conc_se_layers.0.\1", ours.replace("layers.", "features.", 1))


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

_KINDS = {
    "fcn4": _sota(_FCN),
    "crnn": _sota(_CRNN),
    "musicnn": _sota(_MUSICNN, {"variant": "won2020"}),
    "efficientat_mn": _Kind({"width": 0.4}, 527, _efficientat_layer, {}),
}
"""By architecture."""


@register_importer(title="a PyTorch state dict", recognises=lambda content: content.startswith(SIGNATURES))
def pytorch_state_dict(content: bytes, where: str) -> tuple[TaggingModel, ModelCard]:
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
    kind = _KINDS[layout.architecture]
    constants = {
        "spec.spectrogram.window": hann_window(WON_FRONTEND),
        "spec.mel_scale.fb": mel_filterbank(WON_FRONTEND).T,
    }
    for name in kind.frontend:
        difference = float(np.abs(state[name].detach().numpy() - constants[name]).max())
        if not difference < _FRONTEND_TOLERANCE:
            raise ModelError(
                f"{where}: {name} is of another spectrogram: expected that of 16 kHz, n_fft 512 and 96 HTK bands, "
                f"found one that differs from it by {difference:.2g}"
            )
    names = kind.names(fresh_model(layout.architecture, kind.options, kind.n_tags).state_dict())
    weights = {target: state[name].detach().contiguous() for name, target in names.items()}
    return published_model(content, layout, weights, where)


def _load(content: bytes, where: str) -> Mapping[str, Tensor]:
    """The state dict. Only tensors and containers of them are built; anything else is refused."""
    _check_members(content, where)
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
    if isinstance(state, Mapping):
        for name, value in state.items():
            if isinstance(value, Tensor) and (value.layout != torch.strided or value.device.type != "cpu"):
                raise ModelError(f"{where}: {name} is a tensor without plain numbers ({value.layout}, {value.device})")
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        keys = f" with the keys {', '.join(map(str, list(state)[:4]))}" if isinstance(state, Mapping) else ""
        raise ModelError(f"{where}: expected a dict of names and tensors, found a {type(state).__name__}{keys}")
    return state


def _check_members(content: bytes, where: str) -> None:
    """PyTorch compresses nothing: a zip file whose members are larger than itself is none of its, and takes any memory."""
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise ModelError(
            f"{where}: expected a whole PyTorch state dict; it is damaged or cut short ({error})"
        ) from error
    if n_bytes > len(content):
        raise ModelError(f"{where}: refused: holds {n_bytes} bytes in {len(content)}; PyTorch compresses nothing")


@cache
def _layouts() -> list[Layout]:
    layouts = []
    for architecture, kind in _KINDS.items():
        own = fresh_model(architecture, kind.options, kind.n_tags).state_dict()
        arrays = {
            name: Array(tuple(own[target].shape), str(own[target].dtype).removeprefix("torch."))
            for name, target in kind.names(own).items()
        }
        arrays.update({name: Array(shape, "float32") for name, shape in kind.frontend.items()})
        layouts.append(Layout(f"{architecture} (PyTorch, {kind.n_tags} tags)", architecture, kind.options, arrays))
    return layouts
