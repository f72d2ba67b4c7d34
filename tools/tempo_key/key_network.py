"""The network for the key: pitches of the steps of a recording in, the probability of each key out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from earmark.tagging.tempo_key.pitch_features import LOWEST_MIDI, N_SEMITONES

REGISTERS = ((28, 50), (45, 64), (58, 76), (70, 94))
"""MIDI pitches of overlapping registers, whose pitch classes are added up."""


def fold_matrix() -> Tensor:
    """``(66, 4 * 12)``: from pitches to the pitch classes of each register; its edges fade over an octave."""
    pitches = np.arange(N_SEMITONES) + LOWEST_MIDI
    matrix = np.zeros((N_SEMITONES, len(REGISTERS), 12), np.float32)
    for register, (low, high) in enumerate(REGISTERS):
        weight = np.clip(np.minimum(pitches - low + 3, high + 2 - pitches) / 6, 0, 1)
        matrix[np.arange(N_SEMITONES), register, pitches % 12] = weight
    return torch.from_numpy(matrix.reshape(N_SEMITONES, -1))


class KeyNetwork(nn.Module):
    """Looks at pitch classes from each tonic with the same weights, so music moved by a semitone gives the key moved so.

    Each step of two seconds is seen beside its neighbours and the mean of all; steps are then averaged, once evenly and
    once by weights that the network gives (as Korzeniowski and Widmer, "Genre-agnostic key classification with
    convolutional neural networks", ISMIR 2018, average over time within the network).

    Args:
        width: channels.
        dropout: of the channels.
    """

    fold: Tensor
    rotations: Tensor

    def __init__(self, width: int = 48, dropout: float = 0.15) -> None:
        super().__init__()
        self.register_buffer("fold", fold_matrix())
        self.register_buffer("rotations", (torch.arange(12)[:, None] + torch.arange(12)[None]) % 12)
        n = 12 * len(REGISTERS)
        self.first = nn.Conv1d(2 * n, width, 1)
        self.second = nn.Conv1d(width, width, 3, padding=1)
        self.attention = nn.Conv1d(width, 1, 1)
        self.third = nn.Linear(2 * width + n, width)
        self.modes = nn.Linear(width, 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, pitches: Tensor) -> Tensor:
        """``(n, n_steps, 66)`` -> logits ``(n, 24)``: major keys from C, then minor keys."""
        n, n_steps = pitches.shape[:2]
        classes = (pitches @ self.fold).view(n, n_steps, len(REGISTERS), 12)
        classes = classes / (classes.sum(dim=(2, 3), keepdim=True) + 1e-3)
        overall = classes.mean(dim=1, keepdim=True)
        x = torch.cat([torch.sqrt(classes), torch.sqrt(overall).expand_as(classes)], dim=2)
        x = x[..., self.rotations]  # (n, n_steps, 2 * registers, tonics, classes above the tonic)
        x = x.permute(0, 3, 2, 4, 1).reshape(n * 12, -1, n_steps)
        x = torch.relu(self.first(x))
        x = torch.relu(self.second(self.dropout(x)))
        weights = torch.softmax(self.attention(x), dim=2)
        whole = torch.sqrt(overall)[:, 0][..., self.rotations].permute(0, 2, 1, 3).reshape(n * 12, -1)
        x = torch.cat([x.mean(dim=2), (x * weights).sum(dim=2), whole], dim=1)
        x = torch.relu(self.third(self.dropout(x)))
        logits: Tensor = self.modes(x)
        return logits.view(n, 12, 2).transpose(1, 2).reshape(n, 24)
