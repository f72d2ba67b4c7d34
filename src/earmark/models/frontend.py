"""The log-mel spectrogram as a layer: it trains, saves and exports with the network behind it.

Only real numbers, products and slices: every runtime that knows a dense layer can run it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import CLIP_EPSILON, DB_FLOOR, LogMelConfig, hann_window, mel_filterbank


class LogMel(nn.Module):
    """Waveform (B, N) float32, full scale -1..1 -> log-mel (B, n_mels, T) float32, T = ``config.n_frames(N)``.

    The discrete Fourier transform is a matrix product. Folding halves the work: with N = n_fft, cos is even and sin
    is odd about sample N / 2, and so is the window, so the real part needs only x[n] + x[N - n] and the imaginary
    part only x[n] - x[N - n]. A window that is not periodic is even about (N - 1) / 2: its pairs are x[n] and
    x[N - 1 - n], with time counted from half a sample before the frame, which changes phases alone. Frames are cut by
    reshaping into blocks of one hop.

    The matrices follow from the config and are kept out of checkpoints. It has weights with
    ``standardise="batch_norm"`` alone: a batch norm of every band, which learns with the network behind it.

    Example:
        >>> import torch
        >>> from earmark.core.spectrum import LogMelConfig
        >>> log_mel = LogMel(LogMelConfig(sample_rate_hz=16000, n_fft=512, hop_samples=256, n_mels=96))
        >>> log_mel(torch.zeros(2, 16000)).shape
        torch.Size([2, 96, 63])
    """

    cosine: Tensor
    sine: Tensor
    mel: Tensor
    window: Tensor

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.config = config
        half = config.n_fft // 2
        window = hann_window(config)
        # Only the bins that some band covers.
        bands = mel_filterbank(config)  # (n_mels, n_bins)
        covered = np.flatnonzero(bands.any(axis=0))
        bins = np.arange(covered[0], covered[-1] + 1) if len(covered) else np.arange(1)
        # The first sample of a pair. In a periodic window x[0] counts nothing, and x[N / 2] has no partner.
        self.first, doubled = (
            (1, 2 * np.arange(1, half + 1)) if config.periodic_window else (0, 2 * np.arange(half) + 1)
        )
        turns = np.outer(doubled, bins) % (2 * config.n_fft)  # exact in integers: angles stay small
        angle = np.pi * turns / config.n_fft  # (half, bins)
        self._constant("window", window[self.first : self.first + half])
        self._constant("cosine", np.cos(angle))
        self._constant("sine", np.sin(angle[: half - self.first]))
        self._constant("mel", bands[:, bins].T)  # (bins, n_mels)
        self.norm = nn.BatchNorm1d(config.n_mels) if config.standardise == "batch_norm" else None

    def _constant(self, name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
        self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)

    def frames(self, waveform: Tensor) -> Tensor:
        """Overlapping frames: (B, N) -> (B, T, n_fft), not yet windowed. ConfigError where N is too short."""
        if waveform.ndim != 2:
            raise ConfigError(f"waveform of shape {tuple(waveform.shape)}: must be (batch, samples)")
        config = self.config
        n_frames, hop = config.n_frames(waveform.shape[1]), config.hop_samples
        if config.pre_emphasis:
            waveform = waveform[:, 1:] - config.pre_emphasis * waveform[:, :-1]
        if config.centred:
            half = config.n_fft // 2
            waveform = F.pad(waveform.unsqueeze(1), (half, half), mode=config.pad_mode).squeeze(1)
        # Blocks of one hop, side by side; a frame is a run of blocks, the last one cut short.
        per_frame = math.ceil(config.n_fft / hop)
        n_blocks = n_frames + per_frame - 1
        waveform = waveform[:, : n_blocks * hop]
        waveform = F.pad(waveform, (0, n_blocks * hop - waveform.shape[1]))
        blocks = waveform.reshape(-1, n_blocks, hop)
        parts = [blocks[:, i : i + n_frames, : min(hop, config.n_fft - i * hop)] for i in range(per_frame)]
        return torch.cat(parts, dim=2)

    def energy(self, waveform: Tensor) -> Tensor:
        """Magnitudes (power 1) or their squares (power 2): (B, N) -> (B, T, bins between the outermost bands)."""
        first, half = self.first, self.config.n_fft // 2
        frames = self.frames(waveform)  # (B, T, n_fft)
        ahead, behind = frames[..., first:half], frames[..., half + first :].flip(-1)
        even, odd = ahead + behind, ahead - behind
        if first:
            even = torch.cat([even, frames[..., half : half + 1]], dim=-1)
        even, odd = even * self.window, odd * self.window[: half - first]
        energy = (even @ self.cosine).square() + (odd @ self.sine).square()
        return energy.sqrt() if self.config.power == 1.0 else energy

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) -> (B, n_mels, T). Raises ConfigError where the shape is wrong or N too short."""
        if torch.is_autocast_enabled(waveform.device.type):  # half precision cannot hold power spectra
            with torch.autocast(waveform.device.type, enabled=False):
                return self.forward(waveform.float())
        config = self.config
        mel = (self.energy(waveform) @ self.mel).transpose(1, 2)
        if config.compression == "log1p":
            mel = torch.log(1.0 + config.compression_c * mel)
        elif config.compression == "log10p":
            mel = torch.log10(1.0 + config.compression_c * mel)
        elif config.compression == "log":
            mel = torch.log(config.compression_c + mel)
        elif config.compression == "db":
            mel = 10.0 * torch.log10(mel.clamp(min=DB_FLOOR))
        if config.standardise == "clip":
            centred = mel - mel.mean(dim=(1, 2), keepdim=True)
            mel = centred / (centred.square().mean(dim=(1, 2), keepdim=True).sqrt() + CLIP_EPSILON)
        elif config.standardise == "dataset":
            mel = (mel - config.mean) / config.std
        elif self.norm is not None:
            mel = self.norm(mel)
        return mel

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.config.to_dict().items())
