"""From channels to mono: which of a file's channels are used. The settings are in :class:`earmark.core.input_spec.Conditioning`.

Level, offset and rumble are left to the network itself (:class:`earmark.models.conditioning.WindowLevel`), which sees
each window as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.audio.phase_loss import lost_share
from earmark.audio.silence import LEAST_FIT_SAMPLES, polynomials
from earmark.core.input_spec import Conditioning

Floats = npt.NDArray[np.float32]
Channels: TypeAlias = Floats | Sequence[Floats]

_SHARES = {
    **dict.fromkeys(("FC", "FLC", "FRC"), 2**0.5),
    **dict.fromkeys(("SL", "SR", "BL", "BR", "TFL", "TFR", "TBL", "TBR", "WL", "WR"), 0.5**0.5),
    **dict.fromkeys(("BC", "TC", "TFC", "TBC"), 1.0),
    **dict.fromkeys(("LFE", "LFE2"), 0.0),
}
"""What a channel counts for, compared with the front left one: what left and right of ITU-R BS.775-3 (table 2) add up to."""

_USUAL_CHANNELS = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}

_SURELY_IN_PHASE = 1 - 1e-5  # share of the amplitude sum that is left: of one signal in all channels, at any levels
_FADE_SAMPLES = 1024
_STEP = 8
_AS_LOUD = 0.99
_RELEASE = 0.75  # of `cancelled_share`: so that borderline music does not go to and fro
_MEASURED_SECONDS = (10.0, 60.0)  # a recording's phases are those of its making: they rarely change
_LOUDER = 4.0  # energy compared with the frame that was measured: of a few soft notes little can be said
_SILENT_SHARE = 1e-6  # of the energy of the loudest channel, or frame
_LEFT_OUT_SHARE = 1e-3  # of the loudest channel's energy: all that is in the mix is softer
_FITS_PER_SECOND = 20  # polynomials over 50 ms are rumble: -45 dB are left of 15 Hz, all above 50 Hz


class Mixer:
    """Mixes the channels of one file to mono, frame by frame.

    Channels are averaged, those of surround sound by what they count for in a downmix (ITU-R BS.775-3). Where channels
    cancel each other (one of them inverted, or delayed), the loudest is used alone. What the mix loses is measured from
    the channels' cross-spectra: of all that would be there if the channels were in phase, the share that is not, in each
    third of an octave. It is 0 for music panned by level or by separate recordings, 1 for an inverted channel, about 0.5 for one
    that is late by some milliseconds, and 0.2 for one that is by a tenth.

    Args:
        conditioning: its settings; None for a plain mean over channels.

    Attributes:
        cancelled_seconds: length of the frames in which one channel was used for that reason; without those that are silent.
        only_lfe_seconds: length of those in which one was used because nothing sounds but low-frequency effects, which a
            downmix leaves out.
        is_mean: whether all frames so far were mixed as without conditioning, to the bit.
    """

    def __init__(self, conditioning: Conditioning | None) -> None:
        self.conditioning = conditioning
        self.cancelled_seconds = self.only_lfe_seconds = 0.0
        self.is_mean = True
        self._energies: list[float] = []
        self._loudest = 0.0  # energy of a sample of the loudest channel, in the loudest frame
        self._shares: Floats = np.zeros(0, np.float32)
        self._alone: int | None = None
        self._last: Floats | None = None  # shares of the channels in the last frame's mix
        self._seconds = 0.0
        self._only_lfe = False
        # Lost share, what it weighs, energy of the mix compared with that in phase, that of all channels, and when.
        self._measured: tuple[float, float, float, float, float] | None = None

    def mix(self, samples: Channels, scale: float, sample_rate_hz: int, channels: Sequence[str] = ()) -> Floats:
        """The next frame.

        Args:
            samples: ``(n_channels, n_samples)``, or an array of ``(n_samples,)`` for each channel.
            scale: what samples are multiplied by, to be in -1..1.
            sample_rate_hz: their rate.
            channels: FFmpeg's names of the channels, e.g. "FL"; empty where not known.

        Returns:
            ``(n_samples,)``.
        """
        n_channels = len(samples)
        with np.errstate(all="ignore"):  # NaN and infinity are reported by who reads the result
            if self.conditioning is None or n_channels == 1:
                return _weighted_sum(np.full(n_channels, scale / n_channels, np.float32), samples)
            return self._mix(samples, scale, sample_rate_hz, channels)

    def _mix(self, samples: Channels, scale: float, sample_rate_hz: int, channels: Sequence[str]) -> Floats:
        # Numbers of channels and pairs are plain floats: NumPy's calls would take longer than the sums.
        n_channels, n_samples = len(samples), len(samples[0])
        if len(self._energies) != n_channels:
            self._energies, self._last, self._alone, self._measured = [0.0] * n_channels, None, None, None
            self._shares = downmix_shares(n_channels, channels)
            self.is_mean &= bool((self._shares == self._shares[0]).all())
        # Every eighth sample is enough to compare channels, and a quarter of the time.
        step = _STEP if n_samples > _FADE_SAMPLES * _STEP else 1
        few: Floats = np.stack([channel[::step] for channel in samples])
        gram = _covariances(few, max(LEAST_FIT_SAMPLES, sample_rate_hz // (_FITS_PER_SECOND * step)))
        for i in range(n_channels):
            self._energies[i] += gram[i][i] * step * scale * scale
        energy = max(gram[i][i] for i in range(n_channels)) * step * scale * scale / n_samples
        self._loudest = max(self._loudest, energy)
        sounding_seconds = n_samples / sample_rate_hz if energy > self._loudest * _SILENT_SHARE else 0.0
        self._choose(samples, gram, sample_rate_hz)
        self._seconds += n_samples / sample_rate_hz
        shares = self._shares if self._alone is None else np.eye(n_channels, dtype=np.float32)[self._alone]
        if self._alone is not None:
            if self._only_lfe:
                self.only_lfe_seconds += sounding_seconds
            else:
                self.cancelled_seconds += sounding_seconds
            self.is_mean = False
        mono = _weighted_sum(shares * np.float32(scale), samples)
        if self._last is not None and not np.array_equal(self._last, shares):
            n = min(_FADE_SAMPLES, n_samples)
            change = (self._last - shares) * np.float32(scale)
            mono[:n] += _weighted_sum(change, [channel[:n] for channel in samples]) * np.linspace(
                1, 0, n, dtype=np.float32
            )
        self._last = shares
        return mono

    def jump(self) -> None:
        """The next frame does not follow the last one."""
        self._last, self._alone, self._measured = None, None, None

    def warnings(self) -> list[str]:
        """What a user should know of the channels, at the end of the file."""
        found = []
        if self.cancelled_seconds:
            found.append(
                f"channels cancel each other when mixed to mono: one channel was used for {self.cancelled_seconds:.0f} s"
            )
        if self.only_lfe_seconds:
            found.append(
                f"nothing but the channel of low-frequency effects for {self.only_lfe_seconds:.0f} s: it was used there"
            )
        n, loudest = len(self._energies), max(self._energies, default=0.0)
        n_silent = sum(energy < loudest * _SILENT_SHARE for energy in self._energies)
        if n_silent and loudest:
            found.append(f"{n_silent} of {n} channels {'is' if n_silent == 1 else 'are'} silent")
        return found

    def _choose(self, samples: Channels, gram: list[list[float]], sample_rate_hz: int) -> None:
        """Sets ``_alone``: the channel to be used alone, or None for the mix."""
        assert self.conditioning is not None
        energies, shares = [row[i] for i, row in enumerate(gram)], self._shares.tolist()
        most = max(energies)
        if not most:
            return
        mixed = sum(
            a * b * value for a, row in zip(shares, gram, strict=True) for b, value in zip(shares, row, strict=True)
        )
        in_phase = sum(share * math.sqrt(energy) for share, energy in zip(shares, energies, strict=True))
        in_phase *= in_phase
        limit = self.conditioning.cancelled_share * (1 if self._alone is None else _RELEASE)
        in_mix = [energy if share else 0.0 for energy, share in zip(energies, shares, strict=True)]
        self._only_lfe = max(in_mix) < _LEFT_OUT_SHARE * most
        if not self._only_lfe and mixed >= _SURELY_IN_PHASE * in_phase:
            self._alone = None
        elif self._only_lfe or self._lost_share(samples, mixed / in_phase, sum(energies), sample_rate_hz) > limit:
            # Bass in the channel of low-frequency effects is mostly louder than what cancels, but it is not the music.
            usable = energies if self._only_lfe else in_mix
            loudest = next((i for i, energy in enumerate(usable) if energy > _AS_LOUD * max(usable)), 0)
            if self._alone is None or usable[loudest] > 2 * usable[self._alone]:
                self._alone = loudest
        else:
            self._alone = None

    def _lost_share(self, samples: Channels, mixed: float, energy: float, sample_rate_hz: int) -> float:
        """:func:`lost_share`, measured now and then, and where the mix holds much more or less than it did then, or it is louder.

        Mean over measurements, by energy: where drums are in phase, what sounds between them may not be. But where the mix
        suddenly holds much more or less, the sound is another, and only what is measured there counts.

        Args:
            mixed: energy of the mix, compared with what it would be if all channels were in phase.
            energy: of all channels.
        """
        weight, lost_then = 0.0, 0.0
        if self._measured is not None:
            lost_then, weight, mixed_then, energy_then, seconds = self._measured
            least, most = _MEASURED_SECONDS
            is_recent = self._seconds - seconds < min(most, max(least, seconds))
            is_another = abs(mixed - mixed_then) >= 0.05 + mixed_then / 2
            if is_recent and not is_another and energy < _LOUDER * energy_then:
                return lost_then
            if is_another:
                weight = 0.0
        lost = lost_share(np.asarray(samples), self._shares, sample_rate_hz)
        lost = (lost_then * weight + lost * energy) / (weight + energy)
        self._measured = lost, weight + energy, mixed, energy, self._seconds
        return lost


def _covariances(samples: Floats, size: int) -> list[list[float]]:
    """Sums of products of each two channels without offset and rumble, which is taken away in parts of ``size`` samples."""
    n_channels, n_samples = samples.shape
    size = min(size, n_samples)
    parts = samples[:, : n_samples // size * size]
    shares = (parts.reshape(n_channels, -1, size) @ polynomials(size)).reshape(n_channels, -1)
    gram: list[list[float]] = (parts @ parts.T - shares @ shares.T).tolist()
    for i, row in enumerate(gram):
        row[i] = max(0.0, row[i])
    return gram


def _weighted_sum(weights: Floats, samples: Channels) -> Floats:
    """Sum of the channels, each multiplied by its weight."""
    if isinstance(samples, np.ndarray) and not samples.flags.c_contiguous:  # interleaved
        out: Floats = samples.T @ weights
        return out
    if len(weights) == 2 and weights[0] == weights[1]:  # most music: two passes over the samples instead of three
        out = samples[0] + samples[1]
        out *= weights[0]
        return out
    out = samples[0] * weights[0]
    for weight, channel in zip(weights[1:], samples[1:], strict=True):
        if weight:
            out += channel * weight
    return out


def downmix_shares(n_channels: int, channels: Sequence[str] = ()) -> Floats:
    """Shares of the channels in the mix to mono, ``(n_channels,)``, that sum to 1.

    Args:
        n_channels: how many there are.
        channels: FFmpeg's names of them; all count alike where they are not known.

    Example:
        >>> downmix_shares(3, ["FL", "FR", "LFE"]).tolist()
        [0.5, 0.5, 0.0]
    """
    named = [_SHARES.get(name, 1.0) for name in channels] if len(channels) == n_channels else []
    if not sum(named):
        named = [1.0] * n_channels
    return np.array(named, np.float32) / np.float32(sum(named))


def usual_channels(n_channels: int) -> tuple[str, ...]:
    """FFmpeg's names of so many channels, as in FLAC, Opus and Vorbis; empty for one, two, and more than eight.

    Example:
        >>> usual_channels(3)
        ('FL', 'FR', 'FC')
    """
    return _USUAL_CHANNELS.get(n_channels, ())
