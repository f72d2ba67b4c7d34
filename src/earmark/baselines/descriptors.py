"""Descriptors of a piece of audio: timbre and loudness, harmony, rhythm. Computed by librosa, on frames.

    timbre, loudness    frames of 2048 samples (93 ms), 512 (23 ms) apart
    harmony             frames of 8192 samples (372 ms), 2048 (93 ms) apart: they resolve semitones of low notes
    rhythm              the onset strength of the timbre frames, of the whole file at once

All at :data:`SAMPLE_RATE_HZ`. Everything is finite for silence and for one sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 22_050
FRAME_SAMPLES, HOP_SAMPLES = 2048, 512
HARMONY_FRAME_SAMPLES, HARMONY_HOP_SAMPLES = 8192, 2048
N_MELS, N_MFCC, N_CONTRAST = 96, 20, 7
TEMPO_POINTS_BPM = (40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 160, 180, 200, 240)
PITCHES = ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b")

_TEMPO_WINDOW_FRAMES = 384  # 8.9 s
_SILENT_DB = -60.0
_TINY = 1e-10

# How well each of the twelve pitches fits a key, from its tonic upwards, as listeners rated it: C. L. Krumhansl,
# Cognitive Foundations of Musical Pitch, 1990.
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def timbre_frames(samples: Frames) -> dict[str, Frames]:
    """Timbre and loudness of every frame.

    Args:
        samples: (n_samples,) float32, at least 8192.

    Returns:
        name -> (n_rows, n_frames): mfcc and its change (20 rows), contrast_db (7), and one row each of centroid_hz,
        bandwidth_hz, rolloff_hz, flatness_db, zero_crossings (share of samples), percussive_share (of the energy),
        onset (dB per frame), rms_db.
    """
    import librosa

    magnitude = np.abs(librosa.stft(samples, n_fft=FRAME_SAMPLES, hop_length=HOP_SAMPLES))
    mel = librosa.feature.melspectrogram(S=magnitude**2, sr=SAMPLE_RATE_HZ, n_mels=N_MELS)
    mel_db = librosa.power_to_db(mel, top_db=None)
    mfcc = librosa.feature.mfcc(S=mel_db, n_mfcc=N_MFCC)
    harmonic, percussive = librosa.decompose.hpss(np.sqrt(mel))
    energy = (harmonic**2).sum(axis=0) + (percussive**2).sum(axis=0)
    rms = librosa.feature.rms(y=samples, frame_length=FRAME_SAMPLES, hop_length=HOP_SAMPLES)
    centroid = librosa.feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE_HZ)
    return {
        "mfcc": mfcc,
        "mfcc_change": np.abs(librosa.feature.delta(mfcc, mode="nearest")),
        "contrast_db": librosa.feature.spectral_contrast(S=magnitude, sr=SAMPLE_RATE_HZ),
        "centroid_hz": centroid,
        "bandwidth_hz": librosa.feature.spectral_bandwidth(S=magnitude, sr=SAMPLE_RATE_HZ, centroid=centroid),
        "rolloff_hz": librosa.feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE_HZ, roll_percent=0.85),
        "flatness_db": 10 * np.log10(librosa.feature.spectral_flatness(S=magnitude)),
        "zero_crossings": librosa.feature.zero_crossing_rate(
            samples, frame_length=FRAME_SAMPLES, hop_length=HOP_SAMPLES
        ),
        "percussive_share": ((percussive**2).sum(axis=0) / np.maximum(energy, _TINY))[np.newaxis],
        "onset": librosa.onset.onset_strength(S=mel_db, sr=SAMPLE_RATE_HZ, hop_length=HOP_SAMPLES)[np.newaxis],
        "rms_db": 20 * np.log10(np.maximum(rms, 1e-5)),
    }


def harmony_frames(samples: Frames) -> dict[str, Frames]:
    """Harmony of every frame.

    Args:
        samples: (n_samples,) float32, at least 8192.

    Returns:
        name -> (n_rows, n_frames): chroma (12 rows from C, the strongest pitch of a frame is 1, silence 0), tonnetz
        (6), chroma_entropy (0 a single pitch .. 1 all equal), chroma_change (0 same as the previous frame .. 1
        nothing in common), tuning_cents (of the whole piece, -50..50).
    """
    import librosa

    magnitude = np.abs(librosa.stft(samples, n_fft=HARMONY_FRAME_SAMPLES, hop_length=HARMONY_HOP_SAMPLES))
    tuning = _tuning(magnitude)
    chroma = librosa.feature.chroma_stft(S=magnitude**2, sr=SAMPLE_RATE_HZ, tuning=tuning)
    chroma = np.where(magnitude.max(axis=0) > _TINY, np.nan_to_num(chroma), 0).astype(np.float32)
    shares = chroma / np.maximum(chroma.sum(axis=0), _TINY)
    entropy = -(shares * np.log(np.maximum(shares, _TINY))).sum(axis=0) / np.log(12)
    unit = chroma / np.maximum(np.linalg.norm(chroma, axis=0), _TINY)
    change = np.zeros(chroma.shape[1])
    change[1:] = 1 - (unit[:, 1:] * unit[:, :-1]).sum(axis=0)
    return {
        "chroma": chroma,
        "tonnetz": librosa.feature.tonnetz(chroma=chroma),
        "chroma_entropy": entropy[np.newaxis],
        "chroma_change": change[np.newaxis],
        "tuning_cents": np.full((1, chroma.shape[1]), 100 * tuning),
    }


def _tuning(magnitude: Frames) -> float:
    """Deviation from A440 in semitones, -0.5..0.5; 0 where there are no pitches."""
    import librosa

    pitches, heights = librosa.piptrack(S=magnitude, sr=SAMPLE_RATE_HZ)
    found = pitches > 0
    if not found.any():
        return 0.0
    loud = found & (heights >= np.median(heights[found]))
    return float(librosa.pitch_tuning(pitches[loud]))


def key_features(chroma: Frames) -> dict[str, float]:
    """Chroma of a file, (12, n_frames), against the 24 keys.

    Returns:
        key_major and key_minor, the best correlation with a major and with a minor key (-1..1); key_clearness, by how
        much the best key of all 24 is better than the second; and key_pitch_00..11, the mean chroma from the best
        key's tonic upwards (so that songs in different keys can be compared).
    """
    mean = chroma.mean(axis=1, dtype=np.float64)
    fits = np.array([[_correlation(mean, np.roll(key, step)) for step in range(12)] for key in (_MAJOR, _MINOR)])
    best = np.sort(fits.ravel())
    tonic = int(fits.max(axis=0).argmax())
    values = {
        "key_major": float(fits[0].max()),
        "key_minor": float(fits[1].max()),
        "key_clearness": float(best[-1] - best[-2]),
    }
    return values | {f"key_pitch_{step:02d}": float(x) for step, x in enumerate(np.roll(mean, -tonic))}


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > _TINY else 0.0


def rhythm_features(onset: Frames) -> dict[str, float]:
    """Rhythm of a file from its onset strength, (n_frames,).

    Returns:
        tempo_bpm (0 without onsets), tempo_strength (how strongly the onsets repeat at that tempo, 0..1),
        tempogram_BPM at 15 tempi (mean autocorrelation of the onsets, 0..1), beat_rate_hz, beat_spread (standard
        deviation of the beat intervals over their mean), beat_contrast (mean onset strength at the beats over that
        of all frames), onset_rate_hz.
    """
    import librosa

    shape: dict[str, Any] = {"sr": SAMPLE_RATE_HZ, "hop_length": HOP_SAMPLES}
    values = dict.fromkeys(("tempo_bpm", "tempo_strength"), 0.0)
    values |= dict.fromkeys((f"tempogram_{bpm}" for bpm in TEMPO_POINTS_BPM), 0.0)
    values |= dict.fromkeys(("beat_rate_hz", "beat_spread", "beat_contrast", "onset_rate_hz"), 0.0)
    if onset.max() <= 1e-3:  # dB: no onset
        return values
    seconds = len(onset) * HOP_SAMPLES / SAMPLE_RATE_HZ
    tempogram = librosa.feature.tempogram(onset_envelope=onset, win_length=_TEMPO_WINDOW_FRAMES, **shape)
    mean = tempogram.mean(axis=1)
    tempi = librosa.tempo_frequencies(_TEMPO_WINDOW_FRAMES, **shape)  # falling, the first infinite
    tempo = float(librosa.feature.tempo(tg=tempogram, **shape)[0])
    values["tempo_bpm"] = tempo
    values["tempo_strength"] = float(np.interp(tempo, tempi[:0:-1], mean[:0:-1]))
    for bpm in TEMPO_POINTS_BPM:
        values[f"tempogram_{bpm}"] = float(np.interp(bpm, tempi[:0:-1], mean[:0:-1]))
    _, beats = librosa.beat.beat_track(onset_envelope=onset, bpm=tempo, trim=False, units="frames", **shape)
    values["beat_rate_hz"] = len(beats) / seconds
    if len(beats) > 2:
        gaps = np.diff(beats)
        values["beat_spread"] = float(gaps.std() / gaps.mean())
    if len(beats):
        values["beat_contrast"] = float(onset[beats].mean() / onset.mean())
    values["onset_rate_hz"] = len(librosa.onset.onset_detect(onset_envelope=onset, units="frames", **shape)) / seconds
    return values


def loudness_features(rms_db: Frames, peak: float) -> dict[str, float]:
    """Dynamics of a file from the level of its frames, (n_frames,) in dB, and its largest absolute sample.

    Returns:
        dynamic_range_db (from the 10th to the 95th percentile), crest_db (peak over RMS), silent_share (frames below
        -60 dB), low_energy_share (frames with less than half of the mean RMS).
    """
    rms = 10 ** (rms_db.astype(np.float64) / 20)
    low, high = np.percentile(rms_db, (10, 95))
    return {
        "dynamic_range_db": float(high - low),
        "crest_db": float(20 * np.log10(max(peak, 1e-5) / np.sqrt((rms**2).mean()))),
        "silent_share": float((rms_db < _SILENT_DB).mean()),
        "low_energy_share": float((rms < rms.mean() / 2).mean()),
    }
