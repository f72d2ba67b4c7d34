"""What tests of networks share."""

from __future__ import annotations

import torch

from earmark.models import TaggingModel


def layer_shapes(model: TaggingModel) -> dict[str, tuple[int, ...]]:
    """Output shape of every layer for one window, without the batch, by the layer's name (less "layers.")."""
    seen: dict[str, tuple[int, ...]] = {}

    def watch(name: str, module: torch.nn.Module):
        return module.register_forward_hook(lambda _m, _i, out: seen.update({name: tuple(out.shape[1:])}))

    hooks = [watch(name.removeprefix("layers."), module) for name, module in model.named_modules() if name]
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, model.window_samples))
    finally:
        for hook in hooks:
            hook.remove()
    return seen
