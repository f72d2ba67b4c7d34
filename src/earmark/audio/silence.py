"""Which parts of the audio are silent. All settings are in :class:`earmark.core.input_spec.Conditioning`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from earmark.core.input_spec import InputSpec

Floats = npt.NDArray[np.float32]

_SAMPLES_AT_ONCE = 50_000
_FITS_PER_SECOND = 40
_FIT_DEGREE = 5
_FITS_PER_STEP = 4
LEAST_FIT_SAMPLES = 2 * _FIT_DEGREE
"""Of fewer, polynomials leave nothing."""
_REPORTED_SHARE = 0.1
_LEAST_SILENCE_SECONDS = 1.0


class SilenceMeter:
    """Energy of the audio in steps of 0.1 s, from which follows what of it is silent. Offset and rumble are no sound.

    Args:
        spec: the input of the model. Without conditioning nothing is measured, and nothing is silent.

    Attributes:
        block_samples: length of a step.
        n_samples: length of the audio so far.
    """

    def __init__(self, spec: InputSpec) -> None:
        self.spec, self.conditioning = spec, spec.conditioning
        self.block_samples = _FITS_PER_STEP * fit_samples(spec.sample_rate_hz)
        self.n_samples = 0
        self._lengths: list[int] = []
        self._energies: list[float] = []
        self._rest: Floats = np.zeros(0, np.float32)

    def add(self, samples: Floats) -> None:
        """The next samples, mono, at the model's rate."""
        if self.conditioning is None:
            return
        self.n_samples += len(samples)
        samples = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        n_whole = len(samples) // self.block_samples
        blocks = samples[: n_whole * self.block_samples].reshape(n_whole, self.block_samples)
        self._rest = samples[n_whole * self.block_samples :].copy()
        self._energies += energies_of(blocks, self.block_samples // _FITS_PER_STEP).tolist()
        self._lengths += n_whole * [self.block_samples]

    def add_step(self, n_samples: int, energy: float) -> None:
        """The next step, which is measured already; it may be shorter. Not to be mixed with :meth:`add`."""
        self.n_samples += n_samples
        self._lengths.append(n_samples)
        self._energies.append(energy)

    def audible(self) -> npt.NDArray[np.bool_]:
        """Of each step of 0.1 s, whether it is not silent, ``(n_steps,)``; the last may be shorter."""
        if self.conditioning is None or not self.n_samples:
            return np.zeros(0, bool)
        last = [energy_of(self._rest, self.spec.sample_rate_hz)] if len(self._rest) else []
        energies = np.array(self._energies + last)
        loudest = float(energies.max())
        if loudest < 10 ** (self.conditioning.silence_dbfs / 10):
            return np.zeros(len(energies), bool)
        audible: npt.NDArray[np.bool_] = energies >= loudest * 10 ** (-self.conditioning.silence_range_db / 10)
        return audible

    def silent_seconds(self) -> float:
        """Length of the silent parts."""
        return float((self._edges()[1:] - self._edges()[:-1])[~self.audible()].sum() / self.spec.sample_rate_hz)

    def is_partly_silent(self) -> bool:
        """Whether a tenth or more is silent."""
        return (
            self.n_samples > 0 and self.silent_seconds() >= _REPORTED_SHARE * self.n_samples / self.spec.sample_rate_hz
        )

    def silences_seconds(self) -> npt.NDArray[np.float64]:
        """Begin and end of each silent part of at least a second, ``(n, 2)``."""
        change = np.diff(np.concatenate([[0], ~self.audible(), [0]]))
        edges = self._edges() / self.spec.sample_rate_hz
        parts = np.stack([edges[change == 1], edges[change == -1]], axis=1)
        return parts[np.diff(parts, axis=1)[:, 0] >= _LEAST_SILENCE_SECONDS]

    def warnings(self, left_out_seconds: float = 0.0) -> list[str]:
        """What a user should know, at the end of the file.

        Args:
            left_out_seconds: silence of the file that was not added.
        """
        if self.conditioning is None:
            return []
        if not self.audible().any():
            return [f"silent: nothing above {self.conditioning.silence_dbfs:g} dBFS, so it has no tags"]
        sound = self.n_samples / self.spec.sample_rate_hz
        silent, whole = self.silent_seconds() + left_out_seconds, sound + left_out_seconds
        found = []
        if silent >= _REPORTED_SHARE * whole:
            found.append(f"silent for {silent:.1f} of {whole:.1f} s, which do not count")
        if self.n_samples < self.spec.window_samples:
            found.append(f"short: {sound:.1f} s, repeated to fill a window of {self.spec.window_seconds:.1f} s")
        return found

    def weights(self, starts: npt.NDArray[np.int64] | None) -> Floats | None:
        """What windows count for, ``(n_windows,)``, 0..1; None without conditioning.

        It is the share of a window that is not silent, and that no window before it has: so that every second of the
        music counts once, also where the last window is moved back.

        Args:
            starts: first sample of each window; None where the audio added is one whole window after the other. What is
                beyond the end of the audio does not count.
        """
        if self.conditioning is None:
            return None
        if starts is None:
            starts = np.arange(0, self.n_samples, self.spec.window_samples)
        edges, audible = self._edges(), self.audible()
        covered = np.concatenate([[0.0], np.cumsum(np.diff(edges) * audible)])
        ends = np.minimum(starts + self.spec.window_samples, self.n_samples)
        if self.spec.repeats(self.n_samples):  # all windows hold the same
            return np.full(len(starts), covered[-1] / max(1, self.n_samples), np.float32)
        begins = np.maximum(starts, np.append(0, ends[:-1]))
        covered_samples = np.interp(ends, edges, covered) - np.interp(begins, edges, covered)
        weights: Floats = (covered_samples / self.spec.window_samples).astype(np.float32)
        return weights

    def _edges(self) -> npt.NDArray[np.int64]:
        """Where the steps of :meth:`audible` begin, and where the last one ends, in samples."""
        return np.cumsum([0, *self._lengths, *([len(self._rest)] if len(self._rest) else [])])


def fit_samples(sample_rate_hz: int) -> int:
    """Samples of the parts in which rumble is estimated."""
    return max(LEAST_FIT_SAMPLES, sample_rate_hz // _FITS_PER_SECOND)


def energies_of(steps: Floats, size: int) -> Floats:
    """Mean squares of rows, without offset and rumble.

    Rumble is the polynomial of degree 5 that is nearest to the waveform, in every part of 25 ms for itself. So nothing of
    it depends on what comes before or behind, as with a filter that rings. Rumble as loud as music is silent, and a bass alone is
    not; what is left of tones: docs/design.md.

    Args:
        steps: ``(n_steps, n_samples)``, of whole parts.
        size: samples of a part, see :func:`fit_samples`.

    Returns:
        ``(n_steps,)`` float32.
    """
    out = np.empty(len(steps), np.float32)
    fits = polynomials(size)
    # For larger products OpenBLAS wakes its threads, which then wait in a loop on other cores.
    n_steps = max(1, _SAMPLES_AT_ONCE // steps.shape[1])
    for start in range(0, len(steps), n_steps):
        some = steps[start : start + n_steps]
        parts = some.reshape(-1, size)
        sound = (parts @ fits) @ fits.T
        np.subtract(parts, sound, out=sound)
        squares = sound[:, None, :] @ sound[:, :, None]  # quicker than sums
        out[start : start + n_steps] = squares.reshape(len(some), -1).sum(axis=1) / np.float32(steps.shape[1])
    return out


def energy_of(samples: Floats, sample_rate_hz: int) -> float:
    """The same of ``(n_samples,)`` of any length but 0; the last part is moved back."""
    size = min(fit_samples(sample_rate_hz), len(samples))
    n_whole = len(samples) // size * size
    parts = samples[:n_whole] if n_whole == len(samples) else np.concatenate([samples[:n_whole], samples[-size:]])
    return float(energies_of(parts[None], size)[0])


@lru_cache(maxsize=16)
def polynomials(size: int) -> Floats:
    """Orthonormal polynomials up to degree 5, as columns: ``(size, at most 6)``."""
    powers = np.vander(np.linspace(-1, 1, size), min(_FIT_DEGREE + 1, size), increasing=True)
    out: Floats = np.linalg.qr(powers)[0].astype(np.float32)
    return out
