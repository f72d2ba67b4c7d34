"""What a mix of channels loses because they differ in phase."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_FFT_SECONDS = 0.08
_SEGMENTS = 8  # a shorter transform, if need be, gives so many
_LEAST_FFT_SAMPLES = 64
_LEAST_SOUNDING = 1.3  # segments, by how the energy is spread over them: of one alone nothing can be said
_FIRST_BIN = 4  # what is below 40 Hz is in phase, be it rumble or bass
_BANDS_PER_OCTAVE = 3
_HIGHEST_HZ = 8_000.0  # all that networks at 16 kHz get
_FAINTEST_BAND = 1e-6  # of the energy of the loudest


def lost_share(samples: Floats, shares: Floats, sample_rate_hz: int) -> float:
    """Share, 0..1, of the sound that a mix of channels loses because they differ in phase.

    Mean over bands of a third of an octave up to 8 kHz, all alike but those that are 60 dB below the loudest: most energy is in
    the bass, while a channel that is a tenth of a millisecond late cancels the treble. Of a band, from averaged
    cross-spectra S of the weighted channels: the sum over bins and pairs of ``2 (C_ij - Re S_ij)``, over the energy there
    would be without phase differences. C_ij is the part of ``|S_ij|`` that two channels have in common.
    Of n segments, channels without anything in common have ``|S_ij|^2 = S_ii S_jj / n`` on average, or rather the sum of
    the segments' products: so much is taken away, with its sign, so that what is left of chance is 0 in the sum, and the
    rest is made larger so that it stays ``S_ii S_jj`` where channels are the same but for phase and level. Bins with sound in
    one segment only, where all would be in common, do not count.

    Args:
        samples: ``(n_channels, n_samples)``, at any scale.
        shares: ``(n_channels,)``, of the mix.
        sample_rate_hz: rate of the samples.
    """
    used, n_samples = np.flatnonzero(shares), samples.shape[1]
    size, first_bin = 2 ** round(np.log2(sample_rate_hz * _FFT_SECONDS)), _FIRST_BIN
    while n_samples < _SEGMENTS * size and size > _LEAST_FFT_SAMPLES:
        size, first_bin = size // 2, max(2, first_bin // 2)
    n_segments = min(_SEGMENTS, n_samples // size)
    end_bin = min(size // 2, int(size * _HIGHEST_HZ / sample_rate_hz)) + 1
    if len(used) < 2 or not n_segments or end_bin <= first_bin:  # the last: a few samples at a high rate
        return 0.0
    starts = np.linspace(0, n_samples - size, n_segments).astype(int)
    segments = np.lib.stride_tricks.sliding_window_view(samples, size, axis=1)[used[:, None], starts]
    # In double precision: of integers of 32 bits, fourth powers would be infinite.
    segments = segments * (shares[used, None, None] * np.hanning(size))
    spectra = np.fft.rfft(segments)[..., first_bin:end_bin]
    powers = spectra.real**2 + spectra.imag**2
    energies = powers.sum(axis=1)
    lost, total = np.zeros(energies.shape[1]), energies.sum(axis=0)
    measured = np.zeros(energies.shape[1], bool)
    for i in range(len(used)):
        for j in range(i):
            cross = np.einsum("sf,sf->f", spectra[i], spectra[j].conj())
            by_chance = np.einsum("sf,sf->f", powers[i], powers[j])
            at_most = energies[i] * energies[j]
            known = at_most > by_chance * _LEAST_SOUNDING
            squares = (np.abs(cross) ** 2 - by_chance)[known] / (1 - by_chance[known] / at_most[known])
            common = np.sign(squares) * np.sqrt(np.abs(squares))
            measured |= known
            total[known] += 2 * common
            lost[known] += 2 * (common - cross.real[known])
    bands = (np.log2(np.arange(first_bin, end_bin) / first_bin) * _BANDS_PER_OCTAVE).astype(int)
    totals, losses = np.bincount(bands, total * measured), np.bincount(bands, lost)
    counted = totals > max(0.0, float(totals.max())) * _FAINTEST_BAND
    return max(0.0, float((losses[counted] / totals[counted]).clip(-1, 1).mean())) if counted.any() else 0.0
