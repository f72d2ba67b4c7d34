"""What training minimises: the loss of each kind of tag."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.training.sections import LossSection

Floats = npt.NDArray[np.float32]

_LEAST_LOGIT = 1e-5
"""Labels of 0 and 1 have no logit."""
_LEAST_SPREAD = 0.05


class TagLoss(nn.Module):
    """Loss of logits (B, n_tags) against labels (B, n_tags), NaN where not labelled; a scalar.

    The mean over labelled pairs of each kind of tag, or of both; see :class:`earmark.training.config.LossSection`.

    Args:
        vocabulary: tags in the order of the logits.
        config: the loss of each kind.
        complete: no label is ever NaN, so that none has to be looked for: same loss, a few hundred microseconds faster.
        spreads: (n_tags,) of the loss "logits", see :func:`logit_spreads`; None for 1.
        exclusive: classification tags of which every labelled clip has one, for the loss "softmax".

    Raises:
        ConfigError: "softmax" without such tags.
    """

    spreads: Tensor

    def __init__(
        self,
        vocabulary: Vocabulary,
        config: LossSection,
        *,
        complete: bool = False,
        spreads: Floats | None = None,
        exclusive: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.complete = complete
        self.cross_entropy = config.cross_entropy
        known = np.ones(len(vocabulary), np.float32) if spreads is None else np.asarray(spreads, np.float32)
        self.register_buffer("spreads", torch.from_numpy(known), persistent=False)
        self.jointly = config.regression_weight == "by_tags"
        weight = 1.0 if config.regression_weight == "by_tags" else config.regression_weight
        self.kinds = [
            (_run_or_list(vocabulary.indices("classification")), config.classification, 1.0),
            (_run_or_list(vocabulary.indices("regression")), config.regression, weight),
        ]
        if require_classes(config, exclusive):
            classes = [vocabulary.index(tag) for tag in exclusive]
            others = [i for i in vocabulary.indices("classification") if i not in classes]
            self.kinds[:1] = [(_run_or_list(classes), "softmax", 1.0), (_run_or_list(others), "bce", 1.0)]

    def n_known(self, labels: Tensor) -> Tensor:
        """Labelled pairs (of "softmax", clips) of each part of the loss, (n_parts,) float32."""
        known = [~torch.isnan(labels[:, tags]) for tags, _, _ in self.kinds]
        counted = zip(known, self.kinds, strict=True)
        return torch.stack([(k.any(dim=1) if kind == "softmax" else k).sum() for k, (_, kind, _) in counted]).float()

    def forward(self, logits: Tensor, labels: Tensor, n_known: Tensor | None = None) -> Tensor:
        """The loss; zero, with a gradient of zero, where nothing is labelled.

        ``n_known`` (n_parts,) is what :meth:`n_known` gives: where several devices divide a batch, the mean over
        devices, so that the mean of their losses is the loss of the whole batch.
        """
        parts: list[tuple[Tensor, Tensor | float]] = []  # the weighted sum of a kind's losses, and its labelled pairs
        for place, (tags, kind, weight) in enumerate(self.kinds):
            if not tags:
                continue
            answer, wanted = _columns(logits, tags).float(), _columns(labels, tags)
            known: Tensor | None = None
            n_all = len(wanted) if kind == "softmax" else wanted.numel()
            number: Tensor | float = n_all if n_known is None else n_known[place]
            if not self.complete:
                known = (~torch.isnan(wanted)).float()
                wanted = wanted.nan_to_num(0.0)
                if n_known is None:
                    number = (known.amax(dim=1) if kind == "softmax" else known).sum()
            if kind == "softmax":  # clips that are not labelled have weights of 0
                losses = -(wanted * answer.log_softmax(dim=1)).sum()
            elif kind == "bce":
                losses = F.binary_cross_entropy_with_logits(answer, wanted, known, reduction="sum")
            else:
                if kind == "logits":
                    errors = ((answer - _logit(wanted)) / _columns(self.spreads[None], tags)).square()
                else:
                    errors = (answer.sigmoid() - wanted).square()
                losses = (errors if known is None else errors * known).sum()
                if kind == "logits" and self.cross_entropy:
                    entropies = F.binary_cross_entropy_with_logits(answer, wanted, known, reduction="sum")
                    losses = losses + self.cross_entropy * entropies
            parts.append((weight * losses, number))
        if self.jointly:
            parts = [(sum((losses for losses, _ in parts[1:]), parts[0][0]), sum(number for _, number in parts))]
        means = [losses / (number if self.complete else _at_least_one(number)) for losses, number in parts]
        return sum(means[1:], means[0])


def _at_least_one(number: Tensor | float) -> Tensor:
    """A number of labelled pairs to divide by; 1 in place of none."""
    found = torch.as_tensor(number)
    return torch.where(found > 0, found, 1.0)


def require_classes(config: LossSection, exclusive: Sequence[str]) -> bool:
    """Whether the loss is a softmax over classes. Raises ConfigError where it should be, and none exclude each other."""
    if config.classification != "softmax":
        return False
    if not exclusive:
        raise ConfigError("loss.classification softmax: no tags of this dataset exclude each other; use bce")
    return True


def logit_spreads(labels: Floats) -> Floats:
    """Standard deviations of the logits of labels (n_clips, n_tags) in 0..1, NaN where not labelled: (n_tags,)."""
    p = np.clip(labels, _LEAST_LOGIT, 1 - _LEAST_LOGIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a tag without a label
        spreads = np.nanstd(np.log(p) - np.log1p(-p), axis=0)
    out: Floats = np.maximum(np.nan_to_num(spreads, nan=1.0), _LEAST_SPREAD).astype(np.float32)
    return out


def _logit(p: Tensor) -> Tensor:
    p = p.clamp(_LEAST_LOGIT, 1 - _LEAST_LOGIT)
    return p.log() - (-p).log1p()


def _columns(values: Tensor, tags: slice | list[int]) -> Tensor:
    """Values (B, n_tags) of some tags; all of them cost nothing."""
    return values if tags == slice(0, values.shape[1]) else values[:, tags]


def _run_or_list(places: Sequence[int]) -> slice | list[int]:
    """Places beside each other as a slice, which takes far less time to look up than a list of them."""
    if places and list(places) == list(range(places[0], places[-1] + 1)):
        return slice(places[0], places[-1] + 1)
    return list(places)
