"""A checkpoint with the interface of an exported model: a card, and windows in, probabilities out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from earmark.core.errors import ModelError
from earmark.export.embedding import WithEmbedding
from earmark.models.activation import softmax_places
from earmark.models.checkpoint import load_checkpoint
from earmark.tagging.runtime import EMBEDDING_NAME

Floats = npt.NDArray[np.float32]


class TorchModel:
    """A checkpoint on PyTorch, on the CPU. Safe to call from several threads.

    Args:
        folder: what :func:`earmark.models.checkpoint.save_checkpoint` wrote.
        layer: name of the module whose output :meth:`layer_values` gives; None for the embedding, as exported models have it.

    Attributes:
        network: gives logits; in eval mode.
        card: the model's card.
        layer: as given, or "embedding".
        embedding_dims: length of the embeddings; None for a network without them, and with ``layer``.

    Raises:
        ModelError: not a checkpoint.
        ConfigError: no such layer.
    """

    def __init__(self, folder: str | Path, *, layer: str | None = None) -> None:
        self.network, self.card = load_checkpoint(folder)
        self.layer = layer or EMBEDDING_NAME
        chosen = None if self.layer == EMBEDDING_NAME else self.layer
        self._hooked = WithEmbedding(self.network, softmax_places(self.card), chosen).eval()
        self.embedding_dims = self._hooked.embedding_dims

    def __call__(self, batch: Floats) -> Floats:
        """Probabilities (n, n_tags), 0..1, of windows (n, window_samples)."""
        return self._run(batch)[0]

    def with_embedding(self, batch: Floats) -> tuple[Floats, Floats]:
        """Probabilities (n, n_tags), and embeddings (n, embedding_dims), of windows."""
        scores, values = self._run(batch)
        return scores, values

    def layer_values(self, batch: Floats) -> Floats:
        """Values (n, ...) of the layer, of windows (n, window_samples).

        Raises:
            ModelError: no layer was chosen, and the network has no embedding.
        """
        if self._hooked.layer is None:
            raise ModelError(f"model {self.card.name} gives no embeddings: choose a layer")
        return self._run(batch)[1]

    def _run(self, batch: Floats) -> list[Floats]:
        with torch.inference_mode():
            return [values.numpy() for values in self._hooked(torch.from_numpy(np.ascontiguousarray(batch)))]
