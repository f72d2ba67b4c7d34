"""Which parts of the audio are silent. All settings are in :class:`earmark.core.input_spec.Conditioning`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.core.input_spec import Conditioning, InputSpec

Floats = npt.NDArray[np.float32]

_BLOCK_SECONDS = 0.1
_REPORTED_SHARE = 0.1
_LEAST_SILENCE_SECONDS = 1.0


class SilenceMeter:
    """Energy of the audio in steps of 0.1 s, from which follows what of it is silent. An offset is no sound.

    Args:
        spec: the input of the model. Without conditioning nothing is measured, and nothing is silent.
    """

    def __init__(self, spec: InputSpec) -> None:
        self.spec, self.conditioning = spec, spec.conditioning
        self.block_samples = max(1, round(spec.sample_rate_hz * _BLOCK_SECONDS))
        self.n_samples = 0
        self._energies: list[Floats] = []
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
        self._energies.append(_energies(blocks))

    def audible(self) -> npt.NDArray[np.bool_]:
        """Of each step of 0.1 s, whether it is not silent, ``(n_steps,)``; the last may be shorter."""
        if self.conditioning is None or not self.n_samples:
            return np.zeros(0, bool)
        energies = np.concatenate([*self._energies, *([_energies(self._rest[None])] if len(self._rest) else [])])
        loudest = float(energies.max())
        if loudest < 10 ** (self.conditioning.silence_dbfs / 10):
            return np.zeros(len(energies), bool)
        audible: npt.NDArray[np.bool_] = energies >= loudest * 10 ** (-self.conditioning.silence_range_db / 10)
        return audible

    def silent_seconds(self) -> float:
        """Length of the silent parts."""
        return float((self._edges()[1:] - self._edges()[:-1])[~self.audible()].sum() / self.spec.sample_rate_hz)

    def silences_seconds(self) -> npt.NDArray[np.float64]:
        """Begin and end of each silent part of at least a second, ``(n, 2)``."""
        change = np.diff(np.concatenate([[0], ~self.audible(), [0]]))
        edges = self._edges() / self.spec.sample_rate_hz
        parts = np.stack([edges[change == 1], edges[change == -1]], axis=1)
        return parts[np.diff(parts, axis=1)[:, 0] >= _LEAST_SILENCE_SECONDS]

    def warnings(self) -> list[str]:
        """What a user should know, at the end of the file."""
        if self.conditioning is None:
            return []
        silent, whole = self.silent_seconds(), self.n_samples / self.spec.sample_rate_hz
        if not self.audible().any():
            return [f"silent: nothing above {self.conditioning.silence_dbfs:g} dBFS, so it has no tags"]
        found = []
        if silent >= _REPORTED_SHARE * whole:
            found.append(f"silent for {silent:.1f} of {whole:.1f} s, which do not count")
        if self.n_samples < self.spec.window_samples:
            found.append(f"short: {whole:.1f} s, repeated to fill a window of {self.spec.window_seconds:.1f} s")
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
        if self.n_samples < self.spec.window_samples:  # repeated: all windows hold the same
            return np.full(len(starts), covered[-1] / max(1, self.n_samples), np.float32)
        begins = np.maximum(starts, np.append(0, ends[:-1]))
        heard = np.interp(ends, edges, covered) - np.interp(begins, edges, covered)
        weights: Floats = (heard / self.spec.window_samples).astype(np.float32)
        return weights

    def _edges(self) -> npt.NDArray[np.int64]:
        """Where the steps of :meth:`audible` begin, and where the last one ends, in samples."""
        n_steps = -(-self.n_samples // self.block_samples)
        return np.minimum(np.arange(n_steps + 1) * self.block_samples, self.n_samples)


def _energies(blocks: Floats) -> Floats:
    """Mean squares of rows, without their means."""
    size = np.float32(blocks.shape[1])
    sound = blocks - (blocks.sum(axis=1) / size)[:, None]
    out: Floats = (sound[:, None, :] @ sound[:, :, None])[:, 0, 0] / size  # products of matrices are quicker than sums
    return out


def trim_silence(samples: Floats, conditioning: Conditioning) -> Floats:
    """Samples from the first to the last that is not silent.

    Args:
        samples: ``(n_samples,)``, mono, at least one.
        conditioning: says what is silent.
    """
    sizes = np.abs(samples - samples.mean(dtype=np.float64))  # an offset is no sound
    audible = np.flatnonzero(sizes >= sizes.max() * 10 ** (-conditioning.silence_range_db / 20))
    return samples[audible[0] : audible[-1] + 1]
