"""SampleCNN as a family: blocks with and without squeeze-and-excitation and skips, on raw audio.

Source: T. Kim, J. Lee, J. Nam, "Sample-level CNN architectures for music auto-tagging using raw waveforms", ICASSP
2018 (2, 3.2, Figure 1); base: J. Lee et al., "Sample-level deep convolutional neural networks for music auto-tagging
using raw waveforms", SMC 2017. The six networks of the paper are registered in kim2018.py.

Filters are three samples long, strides and poolings three, and a window is 3^k samples: a strided convolution and
k - 1 blocks bring it down to one frame.

Where the paper is silent (the first four as in the authors' code):

- Every convolution and dense layer has a bias, also in front of a normalisation.
- SE comes behind the block's pooling in SE, and on the residual branch, before the sum, in ReSE. Res and ReSE:
  convolution, normalisation, ReLU, dropout, convolution, normalisation, sum, ReLU, pooling; with one convolution the
  first four are left out. The skip is the block's input, through a convolution of length 1 and a normalisation
  where the channels change.
- Initial weights: He uniform for convolutions of length 3, Glorot uniform for the rest, biases 0.
- Batch normalisation adds 0.001 to the variance. Its running statistics move by 0.1 per step, PyTorch's default (the
  authors' 0.01 is slow on small datasets).
- Other powers of three: 128, 128, then 256, and 512 in the last block, as at 3^10.
- Group normalisation (from the Bristol replication, see bristol.py) replaces batch normalisation everywhere, in 8
  groups.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.models.base import TaggingModel
from earmark.models.blocks import dropout_layer, init_glorot, init_he, normalisation_layer, scaled

LayerNormalisation = Literal["batch", "group"]

PAPER_SAMPLES = 3**10
PAPER_RATE_HZ = 22050
MIN_BLOCKS = 4
"""With fewer, not every width of the paper would be there. 4 blocks take 3^5 = 243 samples."""
BATCH_NORM_EPSILON = 1e-3


def _normalisation(kind: LayerNormalisation, channels: int) -> nn.Module:
    if kind not in ("batch", "group"):
        raise ConfigError(f"normalisation {kind!r}: must be batch or group")
    return normalisation_layer(kind, channels, eps=BATCH_NORM_EPSILON if kind == "batch" else 1e-5)


class TimeMean(nn.Module):
    """The squeeze: (B, C, T) -> (B, C), mean over time."""

    def forward(self, activations: Tensor) -> Tensor:
        """(B, C, T) -> (B, C)."""
        return activations.mean(dim=2)


class SqueezeExcite(nn.Module):
    """Scales each channel by a function of all channels' means over time (2.1.1).

    The excitations, the sigmoids with which channels are scaled, are the output (B, C), in 0..1, of the submodule
    ``excitation``. Read them with a forward hook; in a SampleCNN with SE it is
    ``model.blocks.block1.se.excitation`` to ``block9``, and ``model.excitations(waveform)`` collects them all.

    Args:
        channels: C.
        alpha: the hidden layer has alpha C units, at least 1. The paper tried 2^-3 to 2^6 and took 16.
    """

    def __init__(self, channels: int, alpha: float) -> None:
        super().__init__()
        if not 0 < alpha <= 1024:
            raise ConfigError(f"alpha {alpha}: must be above 0 and at most 1024")
        hidden = max(1, round(alpha * channels))
        self.excitation = nn.Sequential(
            OrderedDict[str, nn.Module](
                squeeze=TimeMean(),  #                  (B, C)
                dense1=nn.Linear(channels, hidden),  #  (B, alpha C)
                relu=nn.ReLU(),
                dense2=nn.Linear(hidden, channels),  #  (B, C)
                gate=nn.Sigmoid(),
            )
        )

    def forward(self, activations: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        gates: Tensor = self.excitation(activations)
        return activations * gates.unsqueeze(2)


@dataclass(frozen=True)
class BlockKind:
    """The settings shared by all blocks of a network.

    Attributes:
        n_convolutions: 1 or 2.
        residual: adds a skip.
        alpha: of squeeze-and-excitation; None leaves it out.
        normalisation: "batch" or "group".
        dropout: share dropped between two convolutions in training.
    """

    n_convolutions: Literal[1, 2]
    residual: bool
    alpha: float | None
    normalisation: LayerNormalisation
    dropout: float = 0.0


class Block(nn.Module):
    """One block: (B, inputs, T) -> (B, outputs, T // 3) (Figure 1b to 1e)."""

    def __init__(self, inputs: int, outputs: int, kind: BlockKind) -> None:
        super().__init__()
        layers = OrderedDict[str, nn.Module]()  # (B, inputs, T) -> (B, outputs, T)
        if kind.n_convolutions == 2:
            layers["conv0"] = nn.Conv1d(inputs, outputs, 3, padding=1)
            layers["norm0"] = _normalisation(kind.normalisation, outputs)
            layers["relu0"] = nn.ReLU()
            layers["dropout"] = dropout_layer(kind.dropout)
        layers["conv"] = nn.Conv1d(outputs if kind.n_convolutions == 2 else inputs, outputs, 3, padding=1)
        layers["norm"] = _normalisation(kind.normalisation, outputs)
        self.branch = nn.Sequential(layers)
        self.skip: nn.Module | None = None
        if kind.residual and inputs == outputs:
            self.skip = nn.Identity()
        elif kind.residual:
            self.skip = nn.Sequential(nn.Conv1d(inputs, outputs, 1), _normalisation(kind.normalisation, outputs))
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool1d(3)
        self.se = nn.Identity() if kind.alpha is None else SqueezeExcite(outputs, kind.alpha)
        init_glorot(self)
        init_he(self.branch)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T) -> (B, outputs, T // 3)."""
        out: Tensor
        if self.skip is None:
            out = self.se(self.pool(self.relu(self.branch(x))))
        else:
            out = self.pool(self.relu(self.se(self.branch(x)) + self.skip(x)))
        return out


class SampleCNN(TaggingModel):
    """A strided convolution, blocks, global max pooling and two dense layers (Figure 1a).

    Args:
        kind: of every block; its normalisation is that of the other layers, too.
        the others: as options of :func:`samplecnn_basic`.
    """

    def __init__(
        self,
        n_tags: int,
        kind: BlockKind,
        *,
        multi: bool,
        dropout: float,
        n_samples: int,
        n_blocks: int | None,
        sample_rate_hz: int,
        width: float,
    ) -> None:
        n_blocks = _n_blocks(n_samples, n_blocks)
        super().__init__(n_tags=n_tags, window_samples=n_samples, sample_rate_hz=sample_rate_hz)
        first, *channels = [scaled(c, width) for c in (128, 128, 128, *[256] * (n_blocks - 3), 512)]
        self.multi = multi
        self.first = nn.Sequential(
            OrderedDict[str, nn.Module](  #                at 59,049 samples and width 1: (B, 1, 59049)
                conv=nn.Conv1d(1, first, 3, stride=3),  #  (B, 128, 19683)
                norm=_normalisation(kind.normalisation, first),
                relu=nn.ReLU(),
            )
        )
        init_he(self.first)
        blocks = OrderedDict[str, nn.Module]()
        # (B, 128, 6561), (B, 128, 2187), (B, 256, 729), (B, 256, 243), (B, 256, 81), (B, 256, 27), (B, 256, 9),
        # (B, 256, 3), (B, 512, 1)
        for i, (inputs, outputs) in enumerate(zip([first, *channels], channels, strict=False), start=1):
            blocks[f"block{i}"] = Block(inputs, outputs, kind)
        self.blocks = nn.Sequential(blocks)
        units = sum(channels[-3:]) if multi else channels[-1]
        self.head = nn.Sequential(
            OrderedDict[str, nn.Module](  #             multi: (B, 256 + 256 + 512), otherwise (B, 512)
                dense1=nn.Linear(units, units),  #      (B, 1024), otherwise (B, 512)
                norm=_normalisation(kind.normalisation, units),
                relu=nn.ReLU(),
                dropout=dropout_layer(dropout),
                dense2=nn.Linear(units, n_tags),  #     (B, n_tags)
            )
        )
        init_glorot(self.head)

    def network(self, features: Tensor) -> Tensor:
        """Waveform (B, N) -> logits (B, n_tags)."""
        x = self.first(features.unsqueeze(1))
        peaks = []  # of each block over time, (B, C)
        for block in self.blocks:
            x = block(x)
            peaks.append(x.amax(dim=2))
        logits: Tensor = self.head(torch.cat(peaks[-3:], dim=1) if self.multi else peaks[-1])
        return logits

    def excitations(self, waveform: Tensor) -> list[Tensor]:
        """The sigmoids with which the blocks scale their channels (5), from the first block to the last.

        Args:
            waveform: (B, window_samples) float32.

        Returns:
            For each block (B, C) in 0..1.

        Raises:
            ConfigError: the blocks have no squeeze-and-excitation, or the waveform another shape.
        """
        modules = [
            block.se for block in self.blocks if isinstance(block, Block) and isinstance(block.se, SqueezeExcite)
        ]
        if not modules:
            raise ConfigError(
                f"{self.architecture or type(self).__name__}: its blocks have no excitations; "
                "samplecnn_se, samplecnn_rese1 and samplecnn_rese2 have"
            )
        seen: list[Tensor] = []
        hooks = [module.excitation.register_forward_hook(lambda _m, _i, out: seen.append(out)) for module in modules]
        try:
            self(waveform)
        finally:
            for hook in hooks:
                hook.remove()
        return seen


def _n_blocks(n_samples: int, n_blocks: int | None) -> int:
    """Blocks for a window: those that 3^k implies, or the requested number if the window is long enough."""
    if n_blocks is not None:
        if n_blocks < MIN_BLOCKS:
            raise ConfigError(f"n_blocks {n_blocks}: must be at least {MIN_BLOCKS}")
        if n_samples < 3 ** (n_blocks + 1):
            raise ConfigError(
                f"n_samples {n_samples}: {n_blocks} blocks need at least 3^{n_blocks + 1} = {3 ** (n_blocks + 1)}"
            )
        return n_blocks
    k = max(MIN_BLOCKS + 1, round(math.log(max(n_samples, 1), 3)))
    if n_samples != 3**k:
        raise ConfigError(
            f"n_samples {n_samples}: must be a power of three from 3^{MIN_BLOCKS + 1} = {3 ** (MIN_BLOCKS + 1)} on "
            f"(the nearest is 3^{k} = {3**k}); n_blocks, too, allows other lengths"
        )
    return k - 1
