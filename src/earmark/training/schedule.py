"""How weights are updated: the optimiser, the learning rate as a function of the step or of the validation loss, averages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel

from earmark.training.sections import OptimiserSection

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


def make_optimiser(
    model: nn.Module, config: OptimiserSection, rate_shares: Mapping[str, float] | None = None
) -> Optimizer:
    """The optimiser of all trainable weights; weight decay goes where the recipe says.

    Args:
        model: that is trained.
        config: of the recipe.
        rate_shares: name of a parameter -> what the learning rate is multiplied with for it; 1 for others.
    """
    movable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    kernels = {f"{name}.weight" for name, layer in model.named_modules() if isinstance(layer, _CONVOLUTIONS)}
    if config.weight_decay_of == "convolutions":
        decayed = {name for name in movable if name in kernels}
    else:
        decayed = {name for name, weight in movable.items() if weight.ndim > 1}
    shares = rate_shares or {}
    groups: list[dict[str, Any]] = []
    # The highest rate first: it is the one that the log has.
    for share in sorted({shares.get(name, 1.0) for name in movable}, reverse=True):
        of_share = {name: weight for name, weight in movable.items() if shares.get(name, 1.0) == share}
        rate = {"lr": config.learning_rate * share}
        groups += [
            {
                "params": [w for name, w in of_share.items() if name in decayed],
                "weight_decay": config.weight_decay,
                **rate,
            },
            {"params": [w for name, w in of_share.items() if name not in decayed], "weight_decay": 0.0, **rate},
        ]
    groups = [group for group in groups if group["params"]]
    if config.name == "sgd":
        return SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.nesterov)
    return (AdamW if config.name == "adamw" else Adam)(groups, lr=config.learning_rate)


def learning_rate_share(step: int, total_steps: int, warmup_steps: int, config: OptimiserSection) -> float:
    """What the full learning rate is multiplied with at a step (from 0): a ramp, then 1 or half a cosine down to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if config.schedule != "cosine":
        return 1.0
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def averaged_weights(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of a model whose weights follow its own, as an exponential moving average over steps.

    The running statistics of batch norm are averaged likewise, so that they fit the averaged weights. In the first steps
    less is kept, (1 + n) / (10 + n) at step n, so that the fresh weights are soon forgotten.

    Args:
        model: that is trained; the copy needs no gradient.
        decay: share that stays at each step, 0..1.

    Returns:
        The copy; ``update_parameters(model)`` is called after each step. Its state tells the number of steps, too.
    """

    @torch.no_grad()
    def update(averaged: Any, current: Any, n_steps: Tensor | int) -> None:
        kept = min(decay, (1 + int(n_steps)) / (10 + int(n_steps)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - kept)
            else:  # batch norm counts its steps
                mean.copy_(value)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    average.requires_grad_(False)
    return average


class Plateau:
    """Lowers the learning rate where the validation loss no longer falls, if the recipe's schedule requires it.

    With "plateau_restart" each stage begins with the best weights of the stage before, a fresh optimiser and no loss to
    beat, and the run is over when the last stage is (Kim et al. 2018, 3.2, in whose code every stage is a program run of
    its own). Its state is part of the state file.

    Attributes:
        stage: from 1.
        finished: the last stage of "plateau_restart" is over.
    """

    def __init__(self, config: OptimiserSection) -> None:
        self.config = config
        self.active = config.schedule.startswith("plateau")
        self.restarts = config.schedule == "plateau_restart"
        self.best_loss = math.inf
        self.stale = 0
        self.stage = 1
        self.finished = False
        self._best_weights: dict[str, Tensor] = {}

    def after_validation(self, trainer: pl.Trainer, model: nn.Module, loss: float) -> None:
        """Report the validation loss; changes learning rate and weights when due."""
        if not self.active:
            return
        if loss < self.best_loss:
            self.best_loss, self.stale = loss, 0
            if self.restarts:
                self._best_weights = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            return
        self.stale += 1
        if self.stale < self.config.plateau_patience:
            return
        self.stale = 0
        if self.restarts and self.stage == self.config.plateau_stages:
            self.finished = True
            return
        self.stage += 1
        optimiser = trainer.optimizers[0]
        for group in optimiser.param_groups:
            group["lr"] *= self.config.plateau_factor
        if self.restarts and self._best_weights:
            model.load_state_dict(self._best_weights)
            optimiser.state.clear()
            self.best_loss = math.inf

    def state_dict(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "best_loss": self.best_loss,
            "stale": self.stale,
            "stage": self.stage,
            "finished": self.finished,
            "best_weights": self._best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From the state file."""
        self.best_loss, self.stale = state["best_loss"], state["stale"]
        self.stage, self.finished = state["stage"], state["finished"]
        self._best_weights = dict[str, torch.Tensor](state["best_weights"])
