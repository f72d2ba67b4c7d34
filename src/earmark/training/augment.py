"""Augmentation: pitch, stretching, equalisers, noise, level and codecs. Pure functions of waveform and step.

Every step is a dictionary that JSON can hold, drawn by :func:`draw_steps` or, for recipes, :func:`recipe_steps`, and carried
out by :func:`apply_step`, so that a labelled example records how it was made. Waveforms are (n,) float32. Steps keep
their length, but for "stretch".
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
import soxr
from scipy.signal import istft, sosfilt, stft

from earmark import audio
from earmark.core.errors import ConfigError
from earmark.datasets.labelled_set.shards import loudness
from earmark.training.augmentation_section import AugmentationSection

Samples = npt.NDArray[np.float32]
Step = dict[str, Any]

FILTER_PROBABILITY = 0.3
NOISE_PROBABILITY = 0.1
GAIN_PROBABILITY = 0.6
CODEC_PROBABILITY = 0.25

_CODECS = {"mp3": ("libmp3lame", (24, 32, 48, 64)), "ogg": ("libopus", (12, 16, 24, 32))}
"""Container -> encoder and its bit rates in kbit/s, all low: high ones are hardly audible at 16 kHz."""
_CODEC_RATES_HZ = (16_000, 24_000, 48_000)
"""That both encoders take."""
_FRAME_SAMPLES = 4096
_VOCODER_SECONDS = 0.064
"""Length of its frames, about: longer ones blur beginnings of notes, shorter ones low notes."""


def draw_steps(rng: np.random.Generator) -> list[Step]:
    """Which changes an example of a labelled set gets, in the order in which they are made; often none."""
    steps: list[Step] = []
    if rng.random() < FILTER_PROBABILITY:
        steps.append(_draw_filter(rng))
    if rng.random() < NOISE_PROBABILITY:
        steps.append(_draw_noise(rng))
    if rng.random() < GAIN_PROBABILITY:
        steps.append({"kind": "gain", "db": _uniform(rng, -20, 6)})
    if rng.random() < CODEC_PROBABILITY:
        steps.append(_draw_codec(rng))
    return steps


def recipe_steps(rng: np.random.Generator, config: AugmentationSection) -> list[Step]:
    """Which changes a training window gets, in the order in which they are made, as a recipe has them.

    In order: time stretch, pitch shift, filter, noise, encoding. The level, which is no step, is set last.
    """
    steps: list[Step] = []
    if config.stretch:
        steps.append({"kind": "stretch", "speed": round(float((1 + config.stretch) ** rng.uniform(-1, 1)), 4)})
    if config.pitch_semitones:
        bound = config.pitch_semitones
        steps.append({"kind": "pitch", "semitones": _uniform(rng, -bound, bound)})
    draws = ((config.filter_share, _draw_filter), (config.noise_share, _draw_noise), (config.codec_share, _draw_codec))
    steps += [draw(rng) for share, draw in draws if share and rng.random() < share]
    return steps


def _draw_noise(rng: np.random.Generator) -> Step:
    colour = ("white", "pink")[int(rng.integers(2))]
    seed = int(rng.integers(2**31))
    return {"kind": "noise", "colour": colour, "snr_db": _uniform(rng, 15, 45), "seed": seed}


def _draw_codec(rng: np.random.Generator) -> Step:
    container = ("mp3", "ogg")[int(rng.integers(2))]
    rates = _CODECS[container][1]
    return {"kind": "codec", "container": container, "kbps": rates[int(rng.integers(len(rates)))]}


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


def apply_step(samples: Samples, step: Step, rate_hz: int) -> Samples:
    """Carry out one step on samples (n,) at a rate. Raises ConfigError for a kind that there is not.

    Args:
        samples: full scale -1..1.
        step: see :func:`recipe_steps`.
        rate_hz: their rate.
    """
    kinds: dict[str, Callable[[Samples, Step, int], Samples]] = {
        "filter": _filter,
        "noise": _noise,
        "gain": _gain,
        "codec": _codec,
        "stretch": _stretch,
        "pitch": _pitch,
    }
    if step.get("kind") not in kinds:
        raise ConfigError(f"augmentation {step!r}: its kind must be one of {', '.join(kinds)}")
    return kinds[step["kind"]](samples, step, rate_hz)


def samples_needed(n_samples: int, steps: list[Step]) -> int:
    """How many samples become ``n_samples`` by these steps: more or fewer where they are stretched.

    >>> samples_needed(1000, [{"kind": "stretch", "speed": 1.25}])
    1250
    """
    speed: float = math.prod(step["speed"] for step in steps if step["kind"] == "stretch")
    return math.ceil(n_samples * speed)


def _stretch(samples: Samples, step: Step, rate_hz: int) -> Samples:
    """Played at another speed with the same pitch."""
    return _vocoder(samples, step["speed"], rate_hz)


def _pitch(samples: Samples, step: Step, rate_hz: int) -> Samples:
    """Shifted with the same speed: stretched, and resampled to the length that it had."""
    ratio = 2 ** (step["semitones"] / 12)
    stretched = _vocoder(samples, 1 / ratio, rate_hz)
    return _fixed(soxr.resample(stretched, rate_hz * ratio, rate_hz, quality="HQ").astype(np.float32), len(samples))


def _vocoder(samples: Samples, speed: float, rate_hz: int) -> Samples:
    """A phase vocoder (Flanagan and Golden 1966): frames at other times, with phases that go on as those of the original do.

    librosa has one, too, whose loop over frames takes longer than the network's step, and imports numba.
    """
    size = 1 << round(math.log2(_VOCODER_SECONDS * rate_hz))
    hop = size // 4
    *_, frames = stft(samples, nperseg=size, noverlap=size - hop)
    places = np.arange(0, frames.shape[1] - 1, speed)
    left = places.astype(np.int64)
    share = (places - left).astype(np.float32)
    sizes, phases = np.abs(frames), np.angle(frames)
    usual = (2 * np.pi * hop / size * np.arange(len(frames)))[:, None]
    ahead = phases[:, left + 1] - phases[:, left] - usual
    ahead += usual - 2 * np.pi * np.rint(ahead / (2 * np.pi))
    phase = phases[:, :1] + np.cumsum(ahead, axis=1) - ahead
    between = (1 - share) * sizes[:, left] + share * sizes[:, left + 1]
    _, out = istft(between * np.exp(1j * phase), nperseg=size, noverlap=size - hop)
    return _fixed(out.astype(np.float32), round(len(samples) / speed))


def _fixed(samples: Samples, n_samples: int) -> Samples:
    """Cut, or filled up with zeros."""
    return np.pad(samples[:n_samples], (0, max(0, n_samples - len(samples))))


def _gain(samples: Samples, step: Step, _rate_hz: int) -> Samples:
    return samples * np.float32(10 ** (step["db"] / 20))


def _noise(samples: Samples, step: Step, _rate_hz: int) -> Samples:
    rng = np.random.default_rng(step["seed"])
    noise = rng.standard_normal(len(samples), dtype=np.float32)
    if step["colour"] == "pink":  # power falls by 3 dB an octave: amplitude by the root of the frequency
        spectrum = np.fft.rfft(noise)
        spectrum /= np.sqrt(np.arange(len(spectrum)).clip(1))
        noise = np.fft.irfft(spectrum, len(samples)).astype(np.float32)
    wanted = loudness(samples) * 10 ** (-step["snr_db"] / 20)
    return samples + noise * np.float32(wanted / max(loudness(noise), 1e-9))


def _filter(samples: Samples, step: Step, rate_hz: int) -> Samples:
    hz = min(step["hz"], 0.45 * rate_hz)
    out: Samples = sosfilt(biquad(step["shape"], hz, step.get("db", 0.0), rate_hz=rate_hz), samples).astype(np.float32)
    return out


def biquad(shape: str, hz: float, db: float = 0.0, *, rate_hz: int) -> npt.NDArray[np.float64]:
    """A second-order filter as scipy's sections (1, 6).

    The formulas of Bristow-Johnson's Audio EQ Cookbook: shelves of slope 1, passes without a bump (Q = 0.707).

    Args:
        shape: low_shelf, high_shelf, low_pass or high_pass.
        hz: corner frequency.
        db: gain of a shelf.
        rate_hz: of the samples.

    Example:
        >>> biquad("low_shelf", 200.0, rate_hz=16_000).round(6).tolist()[0][:3]  # of 0 dB: what goes in comes out
        [1.0, -1.889033, 0.894874]
    """
    turn = 2 * math.pi * hz / rate_hz
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


def _codec(samples: Samples, step: Step, rate_hz: int) -> Samples:
    """Encoded and decoded again, in memory, at 16 kHz or more. What is above full scale is clipped first, as in any file."""
    encoder, _ = _CODECS[step["container"]]
    n_samples = len(samples)
    coded_hz = next((known for known in _CODEC_RATES_HZ if known >= rate_hz), _CODEC_RATES_HZ[-1])
    if coded_hz != rate_hz:
        samples = soxr.resample(samples, rate_hz, coded_hz)
    file = io.BytesIO()
    with av.open(file, "w", format=step["container"]) as container:
        stream = container.add_stream(encoder, rate=coded_hz, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = step["kbps"] * 1000
        clipped = samples.clip(-1, 1)
        for start in range(0, len(clipped), _FRAME_SAMPLES):
            part = np.rint(clipped[None, start : start + _FRAME_SAMPLES] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part, format="s16" if encoder == "libopus" else "s16p", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = coded_hz, start, Fraction(1, coded_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    coded = audio.AudioBytes(file.getvalue(), f"example.{step['container']}")
    return _fixed(audio.load(coded, rate_hz), n_samples)
