"""A checkpoint with the interface of an exported model: a card, and windows in, probabilities out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from earmark.models.activation import softmax_places, to_scores
from earmark.models.checkpoint import load_checkpoint


class TorchModel:
    """A checkpoint on PyTorch, on the CPU. Safe to call from several threads.

    Args:
        folder: what :func:`earmark.models.checkpoint.save_checkpoint` wrote.

    Attributes:
        network: gives logits; in eval mode.
        card: the model's card.

    Raises:
        ModelError: not a checkpoint.
    """

    def __init__(self, folder: str | Path) -> None:
        self.network, self.card = load_checkpoint(folder)
        self._softmax = softmax_places(self.card)

    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Probabilities (n, n_tags), 0..1, of windows (n, window_samples)."""
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(np.ascontiguousarray(batch)))
            scores: npt.NDArray[np.float32] = to_scores(logits, self._softmax).numpy()
        return scores
