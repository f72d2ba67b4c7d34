"""Self-supervised training: NT-Xent on pairs of windows (Chen et al. 2020; of music: CLMR, Spijkervelt and Burgoyne 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.export.embedding import WithEmbedding
from earmark.training.loading import Batch
from earmark.training.module import TaggingModule, not_finite
from earmark.training.selection import Validation


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, equation 1), averaged over all 2 B vectors.

    Each vector is to be found by its partner among the 2 B - 1 others, by cosine similarity.

    Args:
        first, second: (B, n_dims) partners, two or more pairs.
        temperature: above 0.

    Example:
        >>> vectors = torch.eye(4)
        >>> bool(nt_xent(vectors, vectors, 0.1) < nt_xent(vectors, vectors.roll(1, 0), 0.1))
        True
    """
    vectors = F.normalize(torch.cat([first, second]).float(), dim=1)
    similarity = vectors @ vectors.T / temperature
    similarity = similarity.masked_fill(torch.eye(len(vectors), dtype=torch.bool, device=vectors.device), -torch.inf)
    n = len(first)
    partners = torch.arange(2 * n, device=vectors.device).roll(n)
    return F.cross_entropy(similarity, partners)


class ContrastiveModule(TaggingModule):
    """Trains the trunk of a model by a recipe with a contrastive loss. Arguments as of :class:`TaggingModule`.

    Raises:
        ConfigError: a network without an embedding, several devices, or fewer than two validation clips.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.recipe.training.ema_decay is not None or self.recipe.training.compile:
            raise ConfigError("training.ema_decay, training.compile: not with contrastive.temperature")
        hooked = WithEmbedding(self.model)
        n_dims = hooked.embedding_dims
        if n_dims is None:
            raise ConfigError(f"{self.recipe.model.name}: has no embedding; a contrastive loss needs one")
        self._hooked = [hooked]  # shares the weights; in a list, so that it is no submodule
        self.projector = nn.Sequential(
            nn.Linear(n_dims, n_dims, bias=False),
            nn.ReLU(),
            nn.Linear(n_dims, self.recipe.contrastive.projection_dims, bias=False),
        )
        assert self.recipe.contrastive.temperature is not None
        self.temperature = self.recipe.contrastive.temperature
        if len(self._labels) < 2:
            raise ConfigError("contrastive.temperature: two validation clips or more are needed")
        self._pairs: dict[int, Tensor] = {}

    def _project(self, waveforms: Tensor) -> Tensor:
        projected: Tensor = self.projector(self._hooked[0](waveforms)[1])
        return projected

    def _loss_of(self, batch: Batch) -> Tensor:
        """Loss of one batch of pairs (B, 2, N)."""
        if self.trainer.world_size > 1:
            raise ConfigError("devices: a contrastive loss compares the windows of one device; use one")
        waveforms, _ = batch
        vectors = self._project(waveforms.flatten(0, 1))  # pair by pair
        return nt_xent(vectors[0::2], vectors[1::2], self.temperature)

    def optimised(self) -> nn.Module:
        """The model and the layers behind it."""
        return nn.ModuleDict({"model": self.model, "projector": self.projector})

    def validation_step(self, batch: tuple[Tensor, Tensor | None, int], _batch_idx: int) -> None:
        """The first and the last window of a clip."""
        windows, _, place = batch
        if place >= len(self.validator.labels):  # a training clip that is measured, too
            return
        self._pairs[int(place)] = self._project(torch.stack([windows[0], windows[-1]]))

    def on_validation_epoch_start(self) -> None:
        """Reset."""
        self._pairs.clear()

    def on_validation_epoch_end(self) -> None:
        """The loss over validation clips in batches of the recipe's size, of as equal a size as can be."""
        vectors = torch.stack([self._pairs[place] for place in sorted(self._pairs)])
        n_batches = max(1, round(len(vectors) / self.recipe.training.batch_size))
        losses = [
            nt_xent(part[:, 0], part[:, 1], self.temperature)
            for part in vectors.tensor_split(n_batches)
            if len(part) > 1
        ]
        self.validation_loss = float(torch.stack(losses).mean())
        if not np.isfinite(self.validation_loss):
            raise not_finite(self.trainer, "the contrastive loss of validation clips is not finite")
        unknown = np.full(self._labels.shape[1], np.nan)
        self.validation = Validation(-self.validation_loss, unknown, unknown, unknown, unknown)
