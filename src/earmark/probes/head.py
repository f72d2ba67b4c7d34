"""Heads: one dense layer, or two with a ReLU between, from embeddings of windows to probabilities of tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from earmark.core.calibration import sigmoid
from earmark.probes.features import Floats, WindowFeatures

Doubles = npt.NDArray[np.float64]

STRENGTHS = tuple(round(10 ** (k / 2), 6) for k in range(-8, 3))
"""Of the regularisation: half powers of ten from 1e-4 to 10."""

_MOST_STEPS = 100
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class Head:
    """A head that has been fitted.

    Attributes:
        layers: weights (n_out, n_in) and biases (n_out,) of each dense layer, on embeddings as they are.
        softmax: positions of the tags whose probabilities sum to 1; all others have a sigmoid.
    """

    layers: tuple[tuple[Floats, Floats], ...]
    softmax: tuple[int, ...] = ()

    def __call__(self, values: Floats) -> Doubles:
        """Embeddings (n, n_dims) -> probabilities (n, n_tags)."""
        z = values.astype(np.float64)
        for i, (weights, biases) in enumerate(self.layers):
            z = (z if i == 0 else np.maximum(z, 0)) @ weights.T.astype(np.float64) + biases
        out = sigmoid(z)
        if self.softmax:
            chosen = z[:, list(self.softmax)]
            powers = np.exp(chosen - chosen.max(axis=1, keepdims=True))
            out[:, list(self.softmax)] = powers / powers.sum(axis=1, keepdims=True)
        return out


def fit_heads(
    features: WindowFeatures,
    labels: npt.NDArray[np.floating],
    strengths: Sequence[float],
    *,
    hidden: int = 0,
    softmax: Sequence[int] = (),
    seed: int = 0,
) -> list[Head]:
    """Fit a head for each strength of the regularisation.

    Every window is an example with the labels of its clip, and all windows of a clip count as much as one. What is
    minimised is the cross-entropy, averaged over the labelled clips of each tag and summed over tags, plus strength / 2 times
    the sum of the squared weights, of embeddings scaled to a deviation of 1. All of it at once, by L-BFGS.

    Args:
        features: windows of the clips.
        labels: (n_clips, n_tags) in 0..1; NaN where not labelled.
        strengths: one or more, above 0.
        hidden: units of the layer between; 0 for a linear head.
        softmax: positions of tags of which every labelled clip has one.
        seed: of the weights that a hidden layer begins with.
    """
    x = torch.from_numpy(features.values.astype(np.float64))
    weights = torch.from_numpy(features.weights)[:, None]
    centre = (weights * x).sum(dim=0) / features.n_clips
    spread = ((weights * (x - centre).square()).sum(dim=0) / features.n_clips).sqrt().clamp(min=_LEAST_SPREAD)
    scaled = (x - centre) / spread
    y = torch.from_numpy(np.asarray(labels, np.float64))[torch.from_numpy(features.clip_of)]
    known = ~y.isnan()
    shares = weights * known / (weights * known).sum(dim=0).clamp(min=1e-12)  # (n_windows, n_tags), sums of 1
    wanted = y.nan_to_num(0.0)
    sizes = [x.shape[1], *([hidden] if hidden else []), y.shape[1]]
    classes, others = _split(y.shape[1], softmax)

    def loss_of(layers: list[tuple[Tensor, Tensor]], strength: float) -> Tensor:
        z = scaled
        for i, (matrix, bias) in enumerate(layers):
            z = F.linear(z if i == 0 else z.relu(), matrix, bias)
        loss = strength / 2 * sum((matrix.square().sum() for matrix, _ in layers), torch.zeros(()))
        if others:
            entropies = F.binary_cross_entropy_with_logits(z[:, others], wanted[:, others], reduction="none")
            loss = loss + (shares[:, others] * entropies).sum()
        if classes:
            loss = loss - (shares[:, classes] * wanted[:, classes] * z[:, classes].log_softmax(dim=1)).sum()
        return loss

    heads = {}
    layers = _fresh(sizes, seed)
    for strength in sorted(strengths, reverse=True):  # each linear head begins where the last one ended
        layers = _fresh(sizes, seed) if hidden else layers
        _minimise(layers, partial(loss_of, layers, strength))
        found = [(matrix.detach(), bias.detach()) for matrix, bias in layers]
        first = found[0][0] / spread
        found[0] = (first, found[0][1] - first @ centre)
        plain = tuple((matrix.numpy().astype(np.float32), bias.numpy().astype(np.float32)) for matrix, bias in found)
        heads[strength] = Head(plain, tuple(softmax))
    return [heads[strength] for strength in strengths]


def _split(n_tags: int, softmax: Sequence[int]) -> tuple[list[int], list[int]]:
    return list(softmax), [i for i in range(n_tags) if i not in softmax]


def _fresh(sizes: Sequence[int], seed: int) -> list[tuple[Tensor, Tensor]]:
    """Zeros for a linear head; normally distributed weights where there is a hidden layer."""
    generator = torch.Generator().manual_seed(seed)
    deviations = [0.0] if len(sizes) == 2 else [(2 / n) ** 0.5 for n in sizes[:-1]]
    return [
        (
            (torch.randn(n_out, n_in, generator=generator, dtype=torch.float64) * deviation).requires_grad_(),
            torch.zeros(n_out, dtype=torch.float64, requires_grad=True),
        )
        for n_in, n_out, deviation in zip(sizes[:-1], sizes[1:], deviations, strict=True)
    ]


def _minimise(layers: list[tuple[Tensor, Tensor]], loss_of: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.LBFGS(
        [value for layer in layers for value in layer],
        max_iter=_MOST_STEPS,
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
