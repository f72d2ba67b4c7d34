"""The network for the tempo: tempograms in, the probability of each tempo out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from earmark.tagging.tempo_key.tempogram import BINS_PER_OCTAVE, N_BINS

FIRST_BIN, N_TEMPI = 30, 80
"""The tempi that it tells apart: 40 to 248 BPM."""

RATIOS = (1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6, 8)


class TempoNetwork(nn.Module):
    """Looks at each tempo's multiples and fractions with the same weights, then at its place on the scale.

    As Bittner et al. ("Deep salience representations for f0 estimation", ISMIR 2017) stack harmonics of a pitch, the
    tempograms are stacked at simple ratios of each tempo. Segments are averaged within the network, so any number goes in.

    Args:
        n_bands: of the onset strength; there are two tempograms of each.
        width: channels.
        dropout: of the channels.
    """

    place: Tensor

    def __init__(self, n_bands: int = 6, width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        self.smooth = nn.Conv1d(2 * n_bands, 16, 3, padding=1)
        offsets = [round(float(np.log2(ratio)) * BINS_PER_OCTAVE) for ratio in RATIOS]
        self.margin = -min(offsets) - FIRST_BIN
        self.begins = [self.margin + FIRST_BIN + offset for offset in offsets]
        self.end_margin = max(0, max(self.begins) + N_TEMPI - self.margin - N_BINS)
        place = torch.linspace(-1, 1, N_TEMPI)
        self.register_buffer("place", torch.stack([place, place**2]).view(1, 2, N_TEMPI))
        self.first = nn.Conv1d(16 * len(RATIOS), width, 1)
        self.second = nn.Conv1d(width, width, 1)
        self.third = nn.Conv1d(width + 2, width, 1)
        self.score = nn.Conv1d(width, 1, 1)
        self.none = nn.Linear(2 * width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, grams: Tensor) -> Tensor:
        """``(n, n_segments, 2 * n_bands, 161)`` -> logits ``(n, 81)``: of the tempi, and of no clear beat."""
        n, n_segments = grams.shape[:2]
        x = torch.relu(self.smooth(grams.flatten(0, 1)))
        x = nn.functional.pad(x, (self.margin, self.end_margin))
        x = torch.cat([x[..., begin : begin + N_TEMPI] for begin in self.begins], dim=1)
        x = torch.relu(self.second(self.dropout(torch.relu(self.first(x)))))
        x = x.view(n, n_segments, -1, N_TEMPI).mean(dim=1)
        x = torch.cat([x, self.place.expand(n, -1, -1)], dim=1)
        x = self.dropout(torch.relu(self.third(x)))
        none = self.none(torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1))
        return torch.cat([self.score(x).squeeze(1), none], dim=1)
