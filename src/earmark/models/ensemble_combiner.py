"""Combines several taggers: dense layers on the scores of trained, frozen members.

Source: "an efficient ensemble of three light CNNs for on-device auto-tagging" (Methods, Combiner, Table 4).

Where the paper is silent:

- Members are frozen: they keep their weights and stay in eval mode, so that only the combiner's three dense layers
  learn. At three members and 50 tags these have 195,890 weights, 784 KB, as the paper reports.
- Members may be any registered models of one sample rate. The window is that of the member with the longest; one with a
  shorter window gets it in windows side by side, the last moved back to end with it, and answers their mean.
- Initial weights: Keras' defaults, as it uses Keras.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.models.base import TaggingModel
from earmark.models.blocks import dropout_layer, init_glorot, scaled
from earmark.models.registry import create_model, register_model

NAME = "ensemble_combiner"


class EnsembleCombiner(TaggingModel):
    """Members' scores side by side, and three dense layers on them.

    Args:
        members: one or more models from :func:`earmark.models.create_model`; they become part of this one.
        width: multiplies the units of the hidden layers.
        dropout: share dropped in front of the last dense layer in training.

    Attributes:
        members: the members, frozen.
        dense: the combiner: (B, members * n_tags) -> logits (B, n_tags).
    """

    members: nn.ModuleList

    def __init__(self, members: Sequence[TaggingModel], *, width: float = 1.0, dropout: float = 0.0) -> None:
        _check_members(members)
        n_tags = members[0].n_tags
        super().__init__(
            n_tags=n_tags,
            window_samples=max(member.window_samples for member in members),
            sample_rate_hz=members[0].sample_rate_hz,
        )
        self.members = nn.ModuleList(members).requires_grad_(False)
        a, b = scaled(256, width), scaled(512, width)
        self.dense = nn.Sequential(
            OrderedDict(  #                                        three members, 50 tags, width 1: (B, 150)
                dense1=nn.Linear(len(members) * n_tags, a),  # (B, 256)
                relu1=nn.ReLU(),
                dense2=nn.Linear(a, b),  #                     (B, 512)
                relu2=nn.ReLU(),
                dropout=dropout_layer(dropout),
                last=nn.Linear(b, n_tags),  #                  (B, 50)
            )
        )
        init_glorot(self.dense)
        self.train()

    @property
    def architecture_options(self) -> dict[str, Any]:
        """The options that rebuild it: those given, with all options of the members written out."""
        return self._options

    @architecture_options.setter
    def architecture_options(self, options: dict[str, Any]) -> None:
        if "members" in options:
            members = [{"architecture": m.architecture, "options": m.architecture_options} for m in self._each()]
            options = {**options, "members": members}
        self._options = options

    def train(self, mode: bool = True) -> EnsembleCombiner:
        """Training mode for the combiner only: frozen members keep their running statistics and use no dropout."""
        super().train(mode)
        self.members.eval()
        return self

    def member_scores(self, waveform: Tensor) -> Tensor:
        """Scores of each member, 0..1: (B, window_samples) -> (B, n_members, n_tags)."""
        return torch.stack([_scores(member, waveform) for member in self._each()], dim=1)

    def network(self, features: Tensor) -> Tensor:
        """Waveform (B, window_samples) -> logits (B, n_tags)."""
        logits: Tensor = self.dense(self.member_scores(features).flatten(1))
        return logits

    def _each(self) -> list[TaggingModel]:
        return [member for member in self.members if isinstance(member, TaggingModel)]


@register_model
def ensemble_combiner(
    n_tags: int,
    *,
    members: Sequence[str | Mapping[str, Any]] = ("ensemble_model1", "ensemble_model2", "ensemble_model3"),
    width: float = 1.0,
    dropout: float = 0.0,
) -> TaggingModel:
    """The ensemble paper's combiner (Table 4) over any registered models, here with fresh weights.

    For trained members use :func:`combine`.

    Args:
        n_tags: outputs, of each member and of the combiner.
        members: names, or ``{"architecture": name, "options": {...}}``.
        width: multiplies the units of the combiner's hidden layers.
        dropout: share dropped in front of the combiner's last layer in training; the paper has none.

    Raises:
        ConfigError: no members, members that cannot be built or combined, or values out of range.
    """
    if isinstance(members, str) or not isinstance(members, Sequence):
        raise ConfigError(f"members {members!r}: must be a list of names or of {{architecture, options}}")
    return EnsembleCombiner([_member(n_tags, spec) for spec in members], width=width, dropout=dropout)


def combine(members: Sequence[TaggingModel], *, width: float = 1.0, dropout: float = 0.0) -> EnsembleCombiner:
    """A combiner, itself untrained, over trained members, e.g. from :func:`earmark.models.checkpoint.load_checkpoint`.

    It holds copies of the members' weights; the members stay as they are. Their tags must be in the same
    order; this is not checked, because models do not know their vocabularies.

    Args:
        members: one or more models from :func:`earmark.models.create_model`, of one sample rate and number of tags.
        width, dropout: of the combiner, see :func:`ensemble_combiner`.

    Returns:
        The combiner in training mode, members frozen; ready to train, to save and to export.

    Raises:
        ConfigError: the members cannot be combined.
    """
    _check_members(members)
    specs = [{"architecture": member.architecture, "options": member.architecture_options} for member in members]
    model = create_model(NAME, members[0].n_tags, members=specs, width=width, dropout=dropout)
    assert isinstance(model, EnsembleCombiner)
    for own, given in zip(model.members, members, strict=True):
        own.load_state_dict(given.state_dict())
    return model


def _member(n_tags: int, spec: str | Mapping[str, Any]) -> TaggingModel:
    """Build one member from its name, or from name and options."""
    entry = {"architecture": spec} if isinstance(spec, str) else spec
    if not isinstance(entry, Mapping) or "architecture" not in entry or set(entry) - {"architecture", "options"}:
        raise ConfigError(f"member {spec!r}: must be a name, or an object with architecture and, if need be, options")
    options = entry.get("options") or {}
    if not isinstance(options, Mapping):
        raise ConfigError(f"member {entry['architecture']!r}: options {options!r} must be an object")
    return create_model(entry["architecture"], n_tags, **options)


def _check_members(members: Sequence[TaggingModel]) -> None:
    """Raises ConfigError, with every reason, if models cannot be combined."""
    if not members:
        raise ConfigError("members: there must be at least one")
    problems = [
        f"member {type(member).__name__}: has no architecture name; build it with earmark.models.create_model"
        for member in members
        if not member.architecture
    ]
    for what in ("n_tags", "sample_rate_hz"):
        values = {f"{member.architecture}: {getattr(member, what)}" for member in members}
        if len({getattr(member, what) for member in members}) > 1:
            problems.append(f"members differ in {what}, which must be the same: {', '.join(sorted(values))}")
    if problems:
        raise ConfigError(problems)


def _scores(member: TaggingModel, waveform: Tensor) -> Tensor:
    """Mean score over the member's own windows: (B, N) -> (B, n_tags) in 0..1, N at least the member's window."""
    n, window = waveform.shape[1], member.window_samples
    starts = list(range(0, n - window + 1, window))
    if starts[-1] + window < n:
        starts.append(n - window)
    if len(starts) == 1:
        scores: Tensor = member(waveform).sigmoid()
        return scores
    windows = torch.stack([waveform[:, start : start + window] for start in starts], dim=1)  # (B, W, window)
    each: Tensor = member(windows.flatten(0, 1)).sigmoid()
    return each.reshape(-1, len(starts), member.n_tags).mean(dim=1)
