"""Embeddings: the input of a network's last layer with weights, or what another layer gives."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.models import TaggingModel
from earmark.models.activation import to_scores

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class WithEmbedding(nn.Module):
    """A model followed by the sigmoid or softmax, with its embedding as a second output.

    (B, N) -> probabilities (B, n_tags) in 0..1 and, where the model has one, embedding (B, embedding_dims): what goes
    into its last dense or convolutional layer, as a mean over the time and frequency that are left there. "Last" is by
    order of execution, so that it holds for every architecture. In eval mode dropout in front of that layer does nothing.

    Args:
        model: in eval mode; it gets a hook, so give a copy.
        softmax: positions of the tags that get a softmax, see :func:`earmark.models.activation.to_scores`.
        layer: name of a module, see :func:`layer_names`: its output, as it is, is the second output instead (of a
            recurrent layer, the sequence).

    Attributes:
        embedding_dims: length of the embedding; None for a network without such a layer, and with ``layer``.

    Raises:
        ConfigError: no such layer.
    """

    def __init__(self, model: TaggingModel, softmax: Sequence[int] = (), layer: str | None = None) -> None:
        super().__init__()
        self.model = model
        self.softmax = tuple(softmax)
        self._values: dict[int, Tensor] = {}  # by thread
        self.embedding_dims: int | None = None
        self.layer: nn.Module | None
        if layer is None:
            self.layer, self.embedding_dims = last_layer(model)
            if self.layer is not None:
                self.layer.register_forward_pre_hook(
                    lambda layer, inputs: self._keep(_mean_over_rest(layer, inputs[0]))
                )
            return
        if layer not in (names := layer_names(model)):
            raise ConfigError(f"no layer {layer!r} in {model.architecture}; it has {', '.join(names)}")
        self.layer = model.get_submodule(layer)
        self.layer.register_forward_hook(
            lambda _, __, output: self._keep(output[0] if isinstance(output, tuple) else output)
        )

    def _keep(self, values: Tensor) -> None:
        self._values[threading.get_ident()] = values

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        logits: Tensor = self.model(waveform)
        if self.layer is None:
            return (to_scores(logits, self.softmax),)
        return to_scores(logits, self.softmax), self._values.pop(threading.get_ident())


def layer_names(model: nn.Module) -> list[str]:
    """Names of a network's modules, in the order in which they were made: what may be a layer."""
    return [name for name, _ in model.named_modules() if name]


def run_once(model: TaggingModel, n_windows: int = 2) -> None:
    """Run a network on silence, as in validation, for the hooks of its modules; it stays as it was."""
    was_training = model.training
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(n_windows, model.window_samples, device=next(model.parameters()).device))
    finally:
        model.train(was_training)


def layer_shapes(model: TaggingModel) -> list[tuple[str, str, tuple[int, ...]]]:
    """Name, class and shape of values without the batch, of all modules that give values for every window, in the order of execution."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    n_windows = 2

    def note(name: str, module: nn.Module, output: object) -> None:
        values = output[0] if isinstance(output, tuple) else output
        if isinstance(values, Tensor) and values.ndim > 1 and len(values) == n_windows:
            found[name] = type(module).__name__, tuple(values.shape[1:])

    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        for name, module in model.named_modules()
        if name
    ]
    try:
        run_once(model, n_windows)
    finally:
        for hook in hooks:
            hook.remove()
    return [(name, kind, shape) for name, (kind, shape) in found.items()]


def last_layer(model: TaggingModel) -> tuple[nn.Module | None, int | None]:
    """The layer that is run last of all with weights, and how many values describe a window in front of it."""
    calls: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: calls.append((layer, inputs[0])))
        for layer in model.modules()
        if isinstance(layer, LAYERS)
    ]
    try:
        run_once(model)
    finally:
        for hook in hooks:
            hook.remove()
    if not calls:
        return None, None
    layer, given = calls[-1]
    if len(given) != 2:  # it does not see windows one by one
        return None, None
    return layer, _mean_over_rest(layer, given).shape[1]


def _mean_over_rest(layer: nn.Module, given: Tensor) -> Tensor:
    """(B, ..., C) for a dense layer, (B, C, ...) for a convolution -> (B, C)."""
    rest = list(range(1, given.ndim - 1)) if isinstance(layer, nn.Linear) else list(range(2, given.ndim))
    return given.mean(dim=rest) if rest else given
