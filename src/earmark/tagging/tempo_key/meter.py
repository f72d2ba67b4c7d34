"""Tempo and key of one recording, from its audio block by block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from earmark.core.errors import ConfigError
from earmark.tagging.tempo_key.key_estimation import estimate_key
from earmark.tagging.tempo_key.onset_features import HOP_SAMPLES as ONSET_HOP_SAMPLES
from earmark.tagging.tempo_key.onset_features import SAMPLE_RATE_HZ, OnsetFeatures
from earmark.tagging.tempo_key.pitch_features import SAMPLE_RATE_HZ as PITCH_RATE_HZ
from earmark.tagging.tempo_key.pitch_features import PitchFeatures
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo
from earmark.tagging.tempo_key.tempo_estimation import estimate_tempo

Floats = npt.NDArray[np.float32]

_CHUNK_SAMPLES = 60 * ONSET_HOP_SAMPLES  # about a second: for arrays above 128 KiB malloc asks the system each time


class TempoKeyMeter:
    """Measures tempo and key of one recording while it is decoded.

    Audio is always analysed in pieces of the same length, so the result does not depend on how it is cut into blocks. Kept
    are features of less than a megabyte per ten minutes. A meter belongs to one thread; several may run at once.

    Args:
        sample_rate_hz: of the blocks; other rates than 16 kHz are resampled.
        tempo: whether the tempo is asked for.
        key: whether the key is asked for.

    Attributes:
        onset_features, pitch_features: what is measured so far; None where it is not asked for.

    Raises:
        ConfigError: a rate that is not positive.

    Examples:
        >>> meter = TempoKeyMeter(16_000)
        >>> meter.add(np.zeros(16_000, np.float32))
        >>> tempo, key = meter.finish()
        >>> str(tempo), str(key)
        ('no clear beat', 'no clear key')
    """

    def __init__(self, sample_rate_hz: int, *, tempo: bool = True, key: bool = True) -> None:
        if sample_rate_hz <= 0:
            raise ConfigError(f"sample rate {sample_rate_hz} Hz: must be positive")
        self.onset_features = OnsetFeatures() if tempo else None
        self.pitch_features = PitchFeatures() if key else None
        self._resampler = None if sample_rate_hz == SAMPLE_RATE_HZ else _resampler(sample_rate_hz, SAMPLE_RATE_HZ, "HQ")
        self._decimator = _resampler(SAMPLE_RATE_HZ, PITCH_RATE_HZ, "LQ")
        self._waiting: list[Floats] = []
        self._n_waiting = 0

    def add(self, samples: npt.ArrayLike) -> None:
        """The next block: mono, full scale -1..1, ``(n,)``, of any length."""
        block = np.asarray(samples, np.float32)
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block)
        self._wait(block)

    def flush(self) -> None:
        """Analyse what is waiting: the audio has ended."""
        if self._resampler is not None:
            self._wait(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        rest = np.concatenate([*self._waiting, np.zeros(0, np.float32)])
        self._waiting, self._n_waiting = [], 0
        if len(rest):
            self._analyse(np.pad(rest, (0, -len(rest) % ONSET_HOP_SAMPLES)))
        if self.pitch_features is not None:
            self.pitch_features.add(self._decimator.resample_chunk(np.zeros(0, np.float32), last=True))
            self.pitch_features.finish()

    def finish(self) -> tuple[Tempo | None, KeyEstimate | None]:
        """The estimates, at the end of the audio; None for what was not asked for. Call it once."""
        self.flush()
        onsets, pitches = self.onset_features, self.pitch_features
        tempo = None if onsets is None else estimate_tempo(onsets.onsets())
        key = None if pitches is None else estimate_key(pitches.steps(), pitches.cents)
        return tempo, key

    def _wait(self, block: Floats) -> None:
        self._waiting.append(block)
        self._n_waiting += len(block)
        if self._n_waiting < _CHUNK_SAMPLES:
            return
        joined = np.concatenate(self._waiting)
        n_whole = len(joined) // _CHUNK_SAMPLES * _CHUNK_SAMPLES
        for begin in range(0, n_whole, _CHUNK_SAMPLES):
            self._analyse(joined[begin : begin + _CHUNK_SAMPLES])
        self._waiting, self._n_waiting = [joined[n_whole:]], len(joined) - n_whole

    def _analyse(self, samples: Floats) -> None:
        if self.onset_features is not None:
            self.onset_features.add(samples)
        if self.pitch_features is not None:
            self.pitch_features.add(self._decimator.resample_chunk(samples))


def _resampler(from_hz: int, to_hz: int, quality: str) -> soxr.ResampleStream:
    return soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)
