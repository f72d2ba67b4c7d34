"""What a recipe may say about the start: learning without labels, and going on from other weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from earmark.training.config_schema import Section


class ContrastiveSection(Section):
    """Self-supervised training: two windows of a clip are to be more alike than windows of different clips.

    The normalised temperature-scaled cross-entropy (NT-Xent, Chen et al. 2020) of what goes into the network's last layer,
    behind two dense layers that are thrown away afterwards, as CLMR has it (Spijkervelt and Burgoyne 2021). Labels are not
    used, and the tags of the checkpoint are not trained: it is something to begin with (``earmark train --begin``), or to
    probe. It is validated by the same loss on pairs of the validation clips, so ``training.select`` must be
    "validation_loss".

    Attributes:
        temperature: of the cross-entropy; None for training on labels.
        projection_dims: length of the vectors that are compared.
    """

    temperature: float | None = Field(default=None, gt=0)
    projection_dims: int = Field(default=128, ge=1)


class TransferSection(Section):
    """What becomes of weights that training begins with (``earmark train --begin``).

    Attributes:
        freeze: "none", or "trunk": only the last layer learns; all else stays, statistics of batch norm among it.
        trunk_rate: the learning rate of all layers but the last is multiplied by this.
        layer_decay: the learning rate of each layer is this times that of the layer behind it (Clark et al. 2020).
    """

    freeze: Literal["none", "trunk"] = "none"
    trunk_rate: float = Field(default=1.0, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
