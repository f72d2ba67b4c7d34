"""The sounds that units of a network on raw audio answer to most, found by gradient ascent on the sound.

After Lee, Park, Kim & Nam 2017, "Sample-level deep convolutional neural networks for music auto-tagging using raw
waveforms", SMC (section 6): noise is changed step by step so that a unit answers more, and its spectrum is examined.
Here the loudness is constant, the sound is about as long as the layer needs, and the unit's answer is the one in the middle of it,
before the activation function, where even a unit that is off has a gradient. (A mean over time would be largest for
the tone that fits the layers' strides, which says nothing about the unit.) For a first layer this gives the filter itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from earmark.core.errors import ConfigError
from earmark.metrics.table import FloatArray
from earmark.models.base import TaggingModel
from earmark.models.harmonic import HarmonicCNN
from earmark.plots.axes import even_choice
from earmark.plots.sweep import (
    AMPLITUDE,
    LOWEST_HZ,
    N_TONES,
    LayerResponse,
    OnDone,
    band_edges_hz,
    layer_names,
    ordered,
)

SHORTEST_SAMPLES = 256
_FINE_FFT = 1 << 16
_SAMPLES_AT_ONCE = 1 << 17
_STEP = 0.3  # of the sound's own loudness


class _Reached(Exception):  # noqa: N818 - not an error: layers after this one need not be computed
    def __init__(self, values: Tensor) -> None:
        self.values = values


def ascend(
    model: TaggingModel,
    layers: Sequence[str] | None = None,
    *,
    most_units: int = 32,
    n_steps: int = 40,
    n_tones: int = N_TONES,
    lowest_hz: float = LOWEST_HZ,
    seed: int = 0,
    on_done: OnDone | None = None,
) -> list[LayerResponse]:
    """Spectra of the sounds that units answer to most, in bands as :func:`earmark.plots.sweep.sweep` has them.

    Args:
        model: on raw audio, in eval mode. Its weights get no gradients.
        layers: names from :func:`earmark.plots.sweep.layer_names`; None for all.
        most_units: of a layer with more units than this, so many are taken, evenly spaced.
        n_steps: of the ascent.
        n_tones, lowest_hz: bands, on a logarithmic scale up to half the sample rate.
        seed: of the noise it begins with.
        on_done: called with layers done and all layers.

    Returns:
        For each layer a response whose values are mean magnitudes within the bands. ``n_units`` counts those taken.

    Raises:
        ConfigError: the network's input is a spectrogram, or numbers are out of range.
    """
    if model.frontend is not None or isinstance(model, HarmonicCNN):
        raise ConfigError(
            f"{model.architecture}: gradient ascent is for networks on raw audio, its input is a spectrogram"
        )
    if n_steps < 1 or most_units < 1:
        raise ConfigError(f"n_steps {n_steps}, most_units {most_units}: must be at least 1")
    wanted = layer_names(model) if layers is None else list(layers)
    edges = band_edges_hz(model.sample_rate_hz, n_tones, lowest_hz)
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    found = []
    try:
        for done, name in enumerate(wanted, start=1):
            n_samples, n_units = _reach(model, name)
            units = even_choice(n_units, most_units)
            sounds = _climb(model, name, units.tolist(), n_samples, n_steps, seed)
            one = ordered(name, edges, band_magnitudes(sounds, edges, model.sample_rate_hz))
            found.append(LayerResponse(name, edges, units[one.units], one.peak_hz, one.response, n_units=len(units)))
            if on_done is not None:
                on_done(done, len(wanted))
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    return found


def band_magnitudes(sounds: FloatArray, edges_hz: FloatArray, sample_rate_hz: int) -> FloatArray:
    """Mean magnitude of the Hann-windowed spectrum within each band: (B, N) -> (B, n_tones)."""
    n_fft = max(_FINE_FFT, sounds.shape[1])
    magnitudes = np.abs(np.fft.rfft(sounds * np.hanning(sounds.shape[1]), n_fft, axis=1))
    starts = np.searchsorted(np.fft.rfftfreq(n_fft, 1 / sample_rate_hz), edges_hz)
    return np.stack(
        [magnitudes[:, low : max(low + 1, high)].mean(axis=1) for low, high in pairwise(starts)],
        axis=1,
    )


def _climb(model: TaggingModel, name: str, units: list[int], n_samples: int, n_steps: int, seed: int) -> FloatArray:
    """One sound for each unit: (n_units, n_samples)."""
    noise = _loud(torch.randn(len(units), n_samples, generator=torch.Generator().manual_seed(seed)))
    at_once = max(1, _SAMPLES_AT_ONCE // n_samples)  # the gradients of all earlier layers are kept in memory
    found = [
        _climb_together(model, name, units[i : i + at_once], noise[i : i + at_once], n_steps)
        for i in range(0, len(units), at_once)
    ]
    return torch.cat(found).double().numpy()


def _climb_together(model: TaggingModel, name: str, units: list[int], sounds: Tensor, n_steps: int) -> Tensor:
    rows = torch.arange(len(units))
    for _ in range(n_steps):
        sounds.requires_grad_(True)
        values = _in_front(model, name, sounds)  # (B, C, T)
        answers = values[rows, units, values.shape[2] // 2]
        (slope,) = torch.autograd.grad(answers.sum(), sounds)
        sounds = _loud(sounds.detach() + _STEP * _loud(slope))
    return sounds


def _loud(sounds: Tensor) -> Tensor:
    """Each with an RMS of AMPLITUDE / sqrt 2, as a tone has; silence stays silent."""
    return sounds * (AMPLITUDE / 2**0.5 / sounds.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-20))


def _in_front(model: TaggingModel, name: str, sounds: Tensor) -> Tensor:
    """What goes into a layer's activation: (B, C, T)."""

    def stop(_module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        raise _Reached(inputs[0])

    hook = model.get_submodule(name).register_forward_pre_hook(stop)
    try:
        model.network(sounds)
    except _Reached as reached:
        return reached.values
    finally:
        hook.remove()
    raise ConfigError(f"{model.architecture}: sound does not go through a layer {name!r}")


def _reach(model: TaggingModel, name: str) -> tuple[int, int]:
    """The shortest sound, in samples, that the layer answers, and the layer's units."""
    n_samples = min(SHORTEST_SAMPLES, model.window_samples)
    while True:
        try:
            with torch.no_grad():
                values = _in_front(model, name, torch.zeros(1, n_samples))
            if values.ndim >= 3 and values.shape[2:].numel():
                return n_samples, values.shape[1]
        except RuntimeError:  # an earlier pooling has nothing left
            if n_samples >= model.window_samples:
                raise
        if n_samples >= model.window_samples:
            raise ConfigError(f"{model.architecture}: layer {name!r} has no units that answer over time")
        n_samples = min(2 * n_samples, model.window_samples)
