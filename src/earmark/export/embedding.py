"""Embeddings: the input of a network's last layer with weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

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

    Attributes:
        embedding_dims: length of the embedding; None for a network without such a layer.
    """

    def __init__(self, model: TaggingModel, softmax: Sequence[int] = ()) -> None:
        super().__init__()
        self.model = model
        self.softmax = tuple(softmax)
        self.layer, self.embedding_dims = _last_layer(model)
        self._inputs: list[Tensor] = []
        if self.layer is not None:
            self.layer.register_forward_pre_hook(lambda _, inputs: self._inputs.append(inputs[0]))

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        logits: Tensor = self.model(waveform)
        if self.layer is None:
            return (to_scores(logits, self.softmax),)
        embedding = _mean_over_rest(self.layer, self._inputs[-1])
        self._inputs.clear()
        return to_scores(logits, self.softmax), embedding


def _last_layer(model: TaggingModel) -> tuple[nn.Module | None, int | None]:
    """The layer that is run last of all with weights, and how many values describe a window in front of it."""
    calls: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: calls.append((layer, inputs[0])))
        for layer in model.modules()
        if isinstance(layer, LAYERS)
    ]
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            model(torch.zeros(2, model.window_samples, device=device))
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
