"""A checkpoint to go on training from, made of a released model file: runs are too large to keep in the repository.

In the file, batch normalisation is part of the convolutions in front of it. For training it is taken out again: each layer gets
the mean and variance that music has there as its statistics, and the scale and offset that undo them, so the network answers as the
file does, and learns as it did before. Weights have the file's 16 bits. Tags that the release left out answer their mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.datasets import load_dataset
from earmark.datasets.labelled_set import LabelledSets
from earmark.models import TaggingModel
from earmark.models.checkpoint import save_checkpoint
from earmark.training.config import load_recipe
from earmark.training.data_setup import build_model
from earmark.training.provenance import first_card

EXAMPLES = 512
"""Of the training set, of which the statistics are; each batch of them counts alike."""
_BATCH = 16
_LEAST_MEAN = 1e-3
_PREFIX, _LAST = "model.", "layer"
"""Of names in the file: of the network, and its last layer, whose input is the embedding."""

Normalisation = nn.BatchNorm1d | nn.BatchNorm2d
Arrays = Mapping[str, npt.NDArray[np.float32]]


def checkpoint_from_onnx(file: Path, card: ModelCard, recipe: str, sets: Path, out: Path) -> Path:
    """Write the checkpoint.

    Args:
        file: a model that was trained with the recipe.
        card: its card.
        recipe: of the network.
        sets: labelled sets; their tags become the outputs.
        out: folder of the checkpoint.

    Raises:
        ModelError: a file of another network.
        ConfigError, DataError: the recipe or the sets have problems.
    """
    given = load_recipe(recipe, [f"data.root={sets}"])
    dataset = load_dataset(given.data.dataset, str(sets), None)
    model, _ = build_model(given, dataset)
    labels = np.stack([clip.labels for clip in dataset.split("train")])
    known = ~np.isnan(labels)
    means = np.where(known, labels, 0).sum(axis=0) / known.sum(axis=0).clip(1)  # 0 where nothing is known
    means = means.clip(_LEAST_MEAN, 1 - _LEAST_MEAN)
    places = [dataset.vocabulary.index(tag) for tag in card.vocabulary.names]
    try:
        normalisations = load_folded(model, _arrays(file), places, np.log(means / (1 - means)))
    except (LookupError, RuntimeError) as error:
        raise ModelError(f"{file}: not the network of the recipe {recipe} ({error})") from error
    unfold(model, normalisations, _windows(sets, model.window_samples))
    save_checkpoint(out, model, first_card(given, dataset, model))
    return out


def load_folded(
    model: TaggingModel, arrays: Arrays, places: list[int], mean_logits: npt.NDArray[np.floating]
) -> list[Normalisation]:
    """Give a network the weights of a file; its normalisations after convolutions become mere offsets, and are returned.

    Args:
        model: in evaluation mode afterwards.
        arrays: name in the file -> values.
        places: of the file's outputs among those of the model.
        mean_logits: (n_tags,) what the other outputs answer.
    """
    state = model.state_dict()
    found: list[Normalisation] = []
    folded: list[str] = []
    modules = dict(model.named_modules())
    for name, module in modules.items():
        if isinstance(module, nn.Conv1d | nn.Conv2d) and f"{name}.weight" in state and not name.startswith("level"):
            parent, _, number = name.rpartition(".")
            after = f"{parent}.{int(number) + 1}"
            normalisation = modules[after]
            assert isinstance(normalisation, Normalisation)
            state[f"{name}.weight"] = _tensor(arrays, f"{_PREFIX}{name}.weight")
            offset = _tensor(arrays, f"{_PREFIX}{name}.weight_bias")
            state[f"{after}.running_mean"], state[f"{after}.bias"] = torch.zeros_like(offset), offset
            state[f"{after}.weight"] = torch.ones_like(offset)
            state[f"{after}.running_var"] = torch.full_like(offset, 1 - normalisation.eps)
            found.append(normalisation)
            folded += [
                f"{name}.weight",
                *(f"{after}.{key}" for key in ("running_mean", "bias", "weight", "running_var")),
            ]
    last = next(name for name, module in reversed(list(modules.items())) if isinstance(module, nn.Linear))
    weight, bias = torch.zeros_like(state[f"{last}.weight"]), torch.tensor(mean_logits, dtype=torch.float32)
    weight[places], bias[places] = _tensor(arrays, f"{_LAST}.weight"), _tensor(arrays, f"{_LAST}.bias")
    state[f"{last}.weight"], state[f"{last}.bias"] = weight, bias
    done = {*folded, f"{last}.weight", f"{last}.bias"}
    for key in state:
        if key not in done and _has(arrays, f"{_PREFIX}{key}"):
            state[key] = _tensor(arrays, f"{_PREFIX}{key}").reshape(state[key].shape)
    model.load_state_dict(state)
    model.eval()
    return found


@torch.no_grad()
def unfold(model: TaggingModel, normalisations: list[Normalisation], windows: Iterator[Tensor]) -> None:
    """Give normalisations that are mere offsets the statistics of these windows, (B, window_samples) each.

    The network's answers stay as they are.
    """
    batches: dict[Normalisation, list[Tensor]] = {module: [] for module in normalisations}

    def add(module: Normalisation, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)  # (C, B ...)
        batches[module].append(torch.stack([values.mean(dim=1), values.square().mean(dim=1)]))

    hooks = [module.register_forward_pre_hook(add) for module in normalisations]
    for batch in windows:
        model(batch)
    for hook in hooks:
        hook.remove()
    for module, found in batches.items():
        mean, square = torch.stack(found).mean(dim=0)
        variance = (square - mean.square()).clamp_min(0)
        state = module.state_dict()  # the values themselves
        state["running_mean"].copy_(mean)
        state["running_var"].copy_(variance)
        state["weight"].copy_((variance + module.eps).sqrt())
        state["bias"].add_(mean)


def _windows(folder: Path, window_samples: int) -> Iterator[Tensor]:
    audio = [samples for shard in LabelledSets.open(folder)["train"].audio for samples in shard[:_BATCH]]
    chosen = np.linspace(0, len(audio) - 1, min(EXAMPLES, len(audio))).astype(int)
    for start in range(0, len(chosen), _BATCH):
        rows = [audio[k][:window_samples].astype(np.float32) / 32767 for k in chosen[start : start + _BATCH]]
        yield torch.from_numpy(np.stack(rows))


def _arrays(file: Path) -> Arrays:
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(file).graph.initializer}


def _has(arrays: Arrays, name: str) -> bool:
    return name in arrays or f"{name}_float16" in arrays


def _tensor(arrays: Arrays, name: str) -> Tensor:
    found = arrays[name] if name in arrays else arrays[f"{name}_float16"]
    return torch.from_numpy(found.astype(np.float32))
