"""The base class of every network: waveform in, logits out, with the length and rate of its windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from earmark.core.errors import ConfigError
from earmark.core.spectrum import LogMelConfig
from earmark.models.conditioning import WindowLevel
from earmark.models.frontend import LogMel


class TaggingModel(nn.Module, ABC):
    """Waveform (B, N) float32, full scale -1..1 -> logits (B, n_tags) float32.

    A subclass calls ``super().__init__`` and implements :meth:`network`; it does not override :meth:`forward`. Networks on
    raw waveforms give no ``frontend`` and get the waveform itself.

    Args:
        n_tags: number of outputs, at least 1.
        window_samples: length of the windows it is built for.
        frontend: the log-mel between waveform and network, or None.
        sample_rate_hz: rate of the waveform; required without a front-end, which has its own.
        min_samples: shortest waveform that a network of variable length takes; its front-end's own minimum also
            applies. None means window_samples.
        variable_length: takes every length from min_samples on, not only window_samples.
        level_dbfs: level (RMS) to which every window is brought first, see
            :class:`earmark.models.conditioning.WindowLevel`; None takes windows as they are.

    Attributes:
        architecture: registered name, set by :func:`earmark.models.create_model`.
        architecture_options: all options that rebuild it, as JSON values; set likewise.

    Raises:
        ConfigError: values out of range.
    """

    def __init__(
        self,
        *,
        n_tags: int,
        window_samples: int,
        frontend: LogMelConfig | None = None,
        sample_rate_hz: int | None = None,
        min_samples: int | None = None,
        variable_length: bool = False,
        level_dbfs: float | None = None,
    ) -> None:
        super().__init__()
        if frontend is not None:
            if sample_rate_hz not in (None, frontend.sample_rate_hz):
                raise ConfigError(f"sample_rate_hz {sample_rate_hz}: the front-end's is {frontend.sample_rate_hz}")
            sample_rate_hz = frontend.sample_rate_hz
        if sample_rate_hz is None:
            raise ConfigError("sample_rate_hz: a network without a front-end must give it")
        if n_tags < 1:
            raise ConfigError(f"n_tags {n_tags}: must be at least 1")
        smallest = window_samples if min_samples is None else min_samples
        if frontend is not None:
            smallest = max(smallest, frontend.min_samples)
        if not 1 <= smallest <= window_samples:
            raise ConfigError(f"window_samples {window_samples}: this network needs at least {max(1, smallest)}")
        self.n_tags = n_tags
        self.sample_rate_hz = sample_rate_hz
        self.window_samples = window_samples
        self.variable_length = variable_length
        self.min_samples = smallest if variable_length else window_samples
        self.level = None if level_dbfs is None else WindowLevel(sample_rate_hz, level_dbfs)
        self.frontend = None if frontend is None else LogMel(frontend)
        self.architecture = ""
        self.architecture_options: dict[str, Any] = {}

    @abstractmethod
    def network(self, features: Tensor) -> Tensor:
        """The network after the front-end: (B, n_mels, T), or (B, N) without one, -> logits (B, n_tags)."""

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits of waveforms.

        Args:
            waveform: (B, N) float32, full scale -1..1; N = window_samples, or at least min_samples if
                variable_length is set.

        Returns:
            (B, n_tags) logits; their sigmoid is the score.

        Raises:
            ConfigError: another shape or length.
        """
        return self.network(self.features(waveform))

    def features(self, waveform: Tensor) -> Tensor:
        """The input of :meth:`network`: the log-mel (B, n_mels, T), or the waveform (B, N) without a front-end."""
        self._check(waveform)
        if self.level is not None:
            waveform = self.level(waveform)
        if self.frontend is None:
            return waveform
        mel: Tensor = self.frontend(waveform)
        return mel

    def _check(self, waveform: Tensor) -> None:
        """Refuse shapes that the network is not built for."""
        who = self.architecture or type(self).__name__
        if waveform.ndim != 2:
            raise ConfigError(f"{who}: waveform of shape {tuple(waveform.shape)}: must be (batch, samples)")
        if waveform.dtype != torch.float32:
            raise ConfigError(f"{who}: waveform of {waveform.dtype}: must be torch.float32, full scale -1..1")
        n_samples = waveform.shape[1]
        if self.variable_length and n_samples < self.min_samples:
            raise ConfigError(
                f"{who}: {n_samples} samples are too few: it takes {self.min_samples} or more "
                f"({self.min_samples / self.sample_rate_hz:.2f} s); pad the waveform with zeros"
            )
        if not self.variable_length and n_samples != self.window_samples:
            raise ConfigError(
                f"{who}: {n_samples} samples: it takes windows of {self.window_samples} samples "
                f"({self.window_samples / self.sample_rate_hz:.2f} s) and no other length; "
                "cut the audio with earmark.audio.windows"
            )

    @property
    def n_parameters(self) -> int:
        """Number of trained values: weights and biases, without running statistics."""
        return sum(parameter.numel() for parameter in self.parameters())
