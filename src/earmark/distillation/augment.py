"""Augmentation: changes of level, equalisers, noise and codecs. Pure functions of waveform and step.

Every step is a dictionary that JSON can hold, drawn by :func:`draw_steps` and carried out by :func:`apply_step`, so that
a labelled example records how it was made. Waveforms are (n,) float32 at :data:`RATE_HZ`; steps keep their length.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from scipy.signal import sosfilt

from earmark import audio
from earmark.core.errors import ConfigError
from earmark.datasets.labelled_set.shards import RATE_HZ, loudness

Samples = npt.NDArray[np.float32]
Step = dict[str, Any]

FILTER_PROBABILITY = 0.3
NOISE_PROBABILITY = 0.1
GAIN_PROBABILITY = 0.6
CODEC_PROBABILITY = 0.25

_CODECS = {"mp3": ("libmp3lame", (24, 32, 48, 64)), "ogg": ("libopus", (12, 16, 24, 32))}
"""Container -> encoder and its bit rates in kbit/s, all low: high ones are hardly audible at 16 kHz."""
_FRAME_SAMPLES = 4096


def draw_steps(rng: np.random.Generator) -> list[Step]:
    """Which changes an example gets, in the order in which they are made; often none."""
    steps: list[Step] = []
    if rng.random() < FILTER_PROBABILITY:
        steps.append(_draw_filter(rng))
    if rng.random() < NOISE_PROBABILITY:
        colour = ("white", "pink")[int(rng.integers(2))]
        seed = int(rng.integers(2**31))
        steps.append({"kind": "noise", "colour": colour, "snr_db": _uniform(rng, 15, 45), "seed": seed})
    if rng.random() < GAIN_PROBABILITY:
        steps.append({"kind": "gain", "db": _uniform(rng, -20, 6)})
    if rng.random() < CODEC_PROBABILITY:
        container = ("mp3", "ogg")[int(rng.integers(2))]
        rates = _CODECS[container][1]
        steps.append({"kind": "codec", "container": container, "kbps": rates[int(rng.integers(len(rates)))]})
    return steps


def _draw_filter(rng: np.random.Generator) -> Step:
    shape = ("low_shelf", "high_shelf", "low_pass", "high_pass")[int(rng.choice(4, p=[0.35, 0.35, 0.15, 0.15]))]
    low, high = {
        "low_shelf": (80, 500),
        "high_shelf": (1500, 5000),
        "low_pass": (2500, 7000),
        "high_pass": (60, 400),
    }[shape]
    step: Step = {"kind": "filter", "shape": shape, "hz": round(float(low * (high / low) ** rng.random()), 1)}
    if shape.endswith("shelf"):
        step["db"] = _uniform(rng, -12, 9)
    return step


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 2)


def apply_step(samples: Samples, step: Step) -> Samples:
    """Carry out one step. Raises ConfigError for a kind that there is not."""
    kinds: dict[str, Callable[[Samples, Step], Samples]] = {
        "filter": _filter,
        "noise": _noise,
        "gain": _gain,
        "codec": _codec,
    }
    if step.get("kind") not in kinds:
        raise ConfigError(f"augmentation {step!r}: its kind must be one of {', '.join(kinds)}")
    return kinds[step["kind"]](samples, step)


def _gain(samples: Samples, step: Step) -> Samples:
    return samples * np.float32(10 ** (step["db"] / 20))


def _noise(samples: Samples, step: Step) -> Samples:
    rng = np.random.default_rng(step["seed"])
    noise = rng.standard_normal(len(samples), dtype=np.float32)
    if step["colour"] == "pink":  # power falls by 3 dB an octave: amplitude by the root of the frequency
        spectrum = np.fft.rfft(noise)
        spectrum /= np.sqrt(np.arange(len(spectrum)).clip(1))
        noise = np.fft.irfft(spectrum, len(samples)).astype(np.float32)
    wanted = loudness(samples) * 10 ** (-step["snr_db"] / 20)
    return samples + noise * np.float32(wanted / max(loudness(noise), 1e-9))


def _filter(samples: Samples, step: Step) -> Samples:
    out: Samples = sosfilt(biquad(step["shape"], step["hz"], step.get("db", 0.0)), samples).astype(np.float32)
    return out


def biquad(shape: str, hz: float, db: float = 0.0) -> npt.NDArray[np.float64]:
    """A second-order filter at :data:`RATE_HZ` as scipy's sections (1, 6).

    The formulas of Bristow-Johnson's Audio EQ Cookbook: shelves of slope 1, passes without a bump (Q = 0.707).

    Args:
        shape: low_shelf, high_shelf, low_pass or high_pass.
        hz: corner frequency.
        db: gain of a shelf.

    Example:
        >>> biquad("low_shelf", 200.0, 0.0).round(6).tolist()[0][:3] == biquad("low_shelf", 200.0).round(6).tolist()[0][3:]
        True
    """
    turn = 2 * math.pi * hz / RATE_HZ
    cos, alpha = math.cos(turn), math.sin(turn) / math.sqrt(2)
    if shape in ("low_pass", "high_pass"):
        sign = 1 if shape == "low_pass" else -1
        edge = 1 - sign * cos
        b = [edge / 2, sign * edge, edge / 2]
        a = [1 + alpha, -2 * cos, 1 - alpha]
    elif shape in ("low_shelf", "high_shelf"):
        sign = 1 if shape == "low_shelf" else -1
        gain = 10 ** (db / 40)
        root = 2 * math.sqrt(gain) * alpha
        b = [
            gain * ((gain + 1) - sign * (gain - 1) * cos + root),
            sign * 2 * gain * ((gain - 1) - sign * (gain + 1) * cos),
            gain * ((gain + 1) - sign * (gain - 1) * cos - root),
        ]
        a = [
            (gain + 1) + sign * (gain - 1) * cos + root,
            -sign * 2 * ((gain - 1) + sign * (gain + 1) * cos),
            (gain + 1) + sign * (gain - 1) * cos - root,
        ]
    else:
        raise ConfigError(f"filter {shape!r}: must be low_shelf, high_shelf, low_pass or high_pass")
    return np.array([[*(x / a[0] for x in b), *(x / a[0] for x in a)]])


def _codec(samples: Samples, step: Step) -> Samples:
    """Encoded and decoded again, in memory. What is above full scale is clipped first, as in any file."""
    encoder, _ = _CODECS[step["container"]]
    file = io.BytesIO()
    with av.open(file, "w", format=step["container"]) as container:
        stream = container.add_stream(encoder, rate=RATE_HZ, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = step["kbps"] * 1000
        clipped = samples.clip(-1, 1)
        for start in range(0, len(clipped), _FRAME_SAMPLES):
            part = np.rint(clipped[None, start : start + _FRAME_SAMPLES] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part, format="s16" if encoder == "libopus" else "s16p", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    decoded = audio.load(audio.AudioBytes(file.getvalue(), f"example.{step['container']}"), RATE_HZ)[: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded)))
