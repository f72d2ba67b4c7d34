"""The first layer of networks that do not depend on the level of a recording."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from earmark.core.errors import ConfigError

_BLOCK_SECONDS = 0.0025
_TAPS = 101  # 0.25 s
_STRIDE = 8  # means that one position of the low-pass gives; several are quicker than one
_CUTOFF_HZ = 22.0  # -6 dB; rumble ends at some 15 Hz, and the lowest notes of basses begin at 30 Hz
_SOFTEST_DBFS = -100.0  # what is softer is raised no more than that: below the steps of 16-bit samples


class WindowLevel(nn.Module):
    """Waveform (B, N) -> (B, N): offset and rumble removed, every window brought to one level. No weights.

    The rumble is a low-pass of means over 2.5 ms, linear between them: below 14 Hz 40 dB or more are removed, from 30 Hz on
    nothing. The level is the root of the mean square over the window; windows below
    -100 dBFS are raised by as much as one of -100 dBFS. So the answers do not change with the gain of a recording or with
    a constant offset. It has only products and sums, so it is exported with the network.

    Args:
        sample_rate_hz: rate of the waveform, 1600 or more.
        level_dbfs: the level, in dB relative to full scale, 0 or less.

    Raises:
        ConfigError: values out of range.

    Example:
        >>> import torch
        >>> level = WindowLevel(16000, -18.0)
        >>> noise = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
        >>> loud, soft = level(0.1 * noise), level(0.001 * noise + 0.1)
        >>> torch.allclose(loud, soft, atol=1e-4), round(float(20 * loud.square().mean().sqrt().log10()), 2)
        (True, -18.0)
    """

    low_pass: Tensor
    between: Tensor

    def __init__(self, sample_rate_hz: int, level_dbfs: float) -> None:
        super().__init__()
        if sample_rate_hz < 4 / _BLOCK_SECONDS:
            raise ConfigError(f"sample_rate_hz {sample_rate_hz}: must be {4 / _BLOCK_SECONDS:.0f} or more")
        if not -150 <= level_dbfs <= 0:
            raise ConfigError(f"level_dbfs {level_dbfs}: must be -150 to 0, or null for none")
        self.level_dbfs = level_dbfs
        self.block_samples = round(sample_rate_hz * _BLOCK_SECONDS)
        times = np.arange(_TAPS) - _TAPS // 2
        taps = np.sinc(2 * _CUTOFF_HZ * self.block_samples / sample_rate_hz * times) * np.hamming(_TAPS)
        shifted = np.stack([np.pad(taps / taps.sum(), (i, _STRIDE - 1 - i)) for i in range(_STRIDE)])
        self.register_buffer("low_pass", torch.from_numpy(shifted).float().unsqueeze(1), persistent=False)
        at = (torch.arange(self.block_samples) + 0.5) / self.block_samples - 0.5  # from a block's centre, in blocks
        # A sample lies between the centre of its block and that of the block before, or of the one behind.
        sides = [(-at).clamp(min=0), 1 - at.abs(), at.clamp(min=0)]
        self.register_buffer("between", torch.stack(sides), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) -> (B, N)."""
        sound = waveform - self.rumble(waveform)
        level = (sound * sound).mean(dim=1, keepdim=True).sqrt().clamp(min=10 ** (_SOFTEST_DBFS / 20))
        return sound * (10 ** (self.level_dbfs / 20) / level)

    def rumble(self, waveform: Tensor) -> Tensor:
        """What is below some 20 Hz: (B, N) -> (B, N)."""
        n_samples, size = waveform.shape[1], self.block_samples
        n_blocks = math.ceil(n_samples / size)
        if short := n_blocks * size - n_samples:
            waveform = torch.cat([waveform, waveform[:, -1:].expand(-1, short)], dim=1)
        means = waveform.reshape(-1, n_blocks, size).mean(dim=2)
        n_behind = _TAPS // 2 + -n_blocks % _STRIDE
        means = torch.cat([means[:, :1].expand(-1, _TAPS // 2), means, means[:, -1:].expand(-1, n_behind)], dim=1)
        means = F.conv1d(means.unsqueeze(1), self.low_pass, stride=_STRIDE)  # (B, _STRIDE, n_blocks / _STRIDE)
        means = means.transpose(1, 2).reshape(-1, n_blocks + -n_blocks % _STRIDE)[:, :n_blocks]
        before, behind = (
            torch.cat([means[:, :1], means[:, :-1]], dim=1),
            torch.cat([means[:, 1:], means[:, -1:]], dim=1),
        )
        rumble = torch.stack([before, means, behind], dim=2) @ self.between
        return rumble.reshape(-1, n_blocks * size)[:, :n_samples]
