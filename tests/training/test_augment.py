"""Augmentations: filters, noise, codecs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import sosfreqz

from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.datasets.base import Clip
from earmark.datasets.labelled_set.shards import RATE_HZ, loudness
from earmark.training.audio_store import PackedAudio
from earmark.training.augment import apply_step, biquad, draw_steps, recipe_steps, samples_needed
from earmark.training.augmentation_section import AugmentationSection
from earmark.training.data import TrainingWindows
from earmark.training.sections import TrainingSection
from tests.helpers.sounds import music


@pytest.mark.parametrize(
    ("shape", "low_db", "high_db"),
    [("low_shelf", -9, 0), ("high_shelf", 0, -9), ("low_pass", 0, -60), ("high_pass", -60, 0)],
)
def test_filters_do_what_their_names_say(shape: str, low_db: float, high_db: float) -> None:
    _, response = sosfreqz(biquad(shape, 1000.0, -9.0, rate_hz=RATE_HZ), worN=[10.0, 1000.0, 7950.0], fs=RATE_HZ)
    low, corner, high = 20 * np.log10(np.abs(response))
    for found, wanted in ((low, low_db), (high, high_db)):
        assert found < -55 if wanted == -60 else found == pytest.approx(wanted, abs=0.1)
    assert corner == pytest.approx(-4.5 if "shelf" in shape else -3.01, abs=0.02)


def test_an_unknown_filter_or_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="band_pass"):
        biquad("band_pass", 100.0, rate_hz=RATE_HZ)
    with pytest.raises(ConfigError, match="reverse"):
        apply_step(np.zeros(10, np.float32), {"kind": "reverse"}, RATE_HZ)


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_has_its_level_and_colour(colour: str) -> None:
    sound = music(4.0, RATE_HZ)[0]
    step = {"kind": "noise", "colour": colour, "snr_db": 20.0, "seed": 1}
    noise = apply_step(sound, step, RATE_HZ) - sound
    assert 20 * np.log10(loudness(sound) / loudness(noise)) == pytest.approx(20.0, abs=0.05)
    np.testing.assert_array_equal(apply_step(sound, step, RATE_HZ) - sound, noise)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = power[4 * 250 : 4 * 500].sum() / power[4 * 2000 : 4 * 4000].sum()
    assert octaves == pytest.approx(1.0 if colour == "pink" else 1 / 8, rel=0.2)


@pytest.mark.parametrize(("container", "kbps"), [("mp3", 24), ("mp3", 64), ("ogg", 12), ("ogg", 32)])
def test_codecs_change_the_sound_but_not_its_place(container: str, kbps: int) -> None:
    sound = music(5.0, RATE_HZ)[0]
    encoded = apply_step(sound, {"kind": "codec", "container": container, "kbps": kbps}, RATE_HZ)
    assert encoded.shape == sound.shape
    assert encoded.dtype == np.float32
    envelopes = [np.abs(x).reshape(-1, 80).mean(axis=1) for x in (sound, encoded)]
    assert np.corrcoef(*envelopes)[0, 1] > 0.9
    assert np.abs(encoded - sound).max() > 1e-3


@pytest.mark.slow
def test_drawn_steps_can_be_carried_out() -> None:
    rng = np.random.default_rng(0)
    drawn = [step for _ in range(60) for step in draw_steps(rng)]
    assert {step["kind"] for step in drawn} == {"filter", "noise", "gain", "codec"}
    sound = music(1.0, RATE_HZ)[0]
    for step in drawn:
        assert np.isfinite(apply_step(sound, step, RATE_HZ)).all()


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050])
@pytest.mark.parametrize(
    "step",
    [
        {"kind": "pitch", "semitones": -3.0},
        {"kind": "filter", "shape": "low_pass", "hz": 7000.0},
        {"kind": "noise", "colour": "pink", "snr_db": 20.0, "seed": 1},
        {"kind": "codec", "container": "mp3", "kbps": 32},
        {"kind": "codec", "container": "ogg", "kbps": 16},
        {"kind": "gain", "db": -6.0},
    ],
    ids=lambda step: step if isinstance(step, int) else "-".join(map(str, step.values())),
)
def test_steps_keep_length_and_place_at_any_rate(step: dict[str, Any], rate_hz: int) -> None:
    sound = music(2.0, rate_hz)[0]
    out = apply_step(sound, step, rate_hz)
    assert (out.shape, out.dtype) == (sound.shape, np.float32)
    assert np.isfinite(out).all()
    n = rate_hz // 100
    envelopes = [np.abs(x[: len(x) // n * n]).reshape(-1, n).mean(axis=1) for x in (sound, out)]
    assert np.corrcoef(*envelopes)[0, 1] > (0.7 if step["kind"] == "pitch" else 0.8)
    assert np.abs(out - sound).max() > 1e-3


def peak_hz(samples: np.ndarray, rate_hz: int) -> float:
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * rate_hz / len(samples))


def test_pitch_and_stretch_change_one_thing_each() -> None:
    rate_hz = 16_000
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate_hz) / rate_hz).astype(np.float32)
    shifted = apply_step(tone, {"kind": "pitch", "semitones": 12.0}, rate_hz)
    assert len(shifted) == len(tone)
    assert peak_hz(shifted, rate_hz) == pytest.approx(880, rel=0.01)
    steps = [{"kind": "stretch", "speed": 1.25}]
    faster = apply_step(tone, steps[0], rate_hz)
    assert len(faster) == len(tone) / 1.25
    assert peak_hz(faster, rate_hz) == pytest.approx(440, rel=0.01)
    assert samples_needed(len(faster), steps) == len(tone)


def test_recipes_draw_what_they_ask_for() -> None:
    rng = np.random.default_rng(0)
    config = AugmentationSection(pitch_semitones=2, stretch=0.2, noise_share=0.5, filter_share=1, codec_share=0)
    drawn = [recipe_steps(rng, config) for _ in range(200)]
    kinds = [[step["kind"] for step in steps] for steps in drawn]
    assert all(kind[:3] == ["stretch", "pitch", "filter"] for kind in kinds)
    assert 70 < sum("noise" in kind for kind in kinds) < 130
    assert max(abs(steps[1]["semitones"]) for steps in drawn) <= 2
    assert all(1 / 1.2 <= steps[0]["speed"] <= 1.2 for steps in drawn)
    assert recipe_steps(rng, AugmentationSection()) == []
    assert not AugmentationSection(gain_db=3, mixup_alpha=1).changes_waveforms


CHANGES = [
    {"pitch_semitones": 2},
    {"stretch": 0.2},
    {"filter_share": 1},
    {"noise_share": 1},
    {"codec_share": 1},
    {"gain_db": 6},
    {"mixup_alpha": 0.5},
]


@pytest.mark.slow
@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: next(iter(changes)))
@pytest.mark.parametrize("sampling", ["random", "segments", "subclips", "pairs"])
def test_every_change_of_a_recipe_is_a_function_of_epoch_and_batch(changes: dict[str, float], sampling: str) -> None:
    """The contract of augmentation: same seed, same windows; other windows than without; labels and shapes stay."""
    if "mixup_alpha" in changes and sampling in ("subclips", "pairs"):
        return  # refused by the recipe
    rate_hz, length = 8000, 4000
    waveforms = [PackedAudio.pack(music(1.5, rate_hz, seed=seed)[0]) for seed in range(4)]
    clips = [Clip(str(i), Path(str(i)), "train", np.array([i % 2], np.float32)) for i in range(4)]
    training = TrainingSection(
        epochs=1, batch_size=4, sampling=sampling, windows_per_clip=2 if sampling == "subclips" else 1, seed=3
    )
    spec = InputSpec(rate_hz, length, length)

    def windows(**fields: float) -> TrainingWindows:
        augmentation = AugmentationSection(**fields)
        return TrainingWindows(clips, waveforms, spec=spec, training=training, augmentation=augmentation)

    (plain, labels), (changed, found), (again, _) = windows()[0, 0], windows(**changes)[0, 0], windows(**changes)[0, 0]
    assert (
        changed.shape == plain.shape == {"subclips": (4, 2, length), "pairs": (4, 2, length)}.get(sampling, (4, length))
    )
    assert np.array_equal(changed, again)
    assert not np.array_equal(changed, plain)
    assert np.isfinite(changed.numpy()).all()
    if "mixup_alpha" not in changes:
        assert np.array_equal(labels, found)
    assert not np.array_equal(windows(**changes)[1, 0][0], changed)
    halves = [
        TrainingWindows(
            clips,
            waveforms,
            spec=spec,
            training=training,
            augmentation=AugmentationSection(**changes),
            rank=rank,
            world_size=2,
        )[0, 0][0]
        for rank in range(2)
    ]
    assert np.array_equal(np.stack(halves, axis=1).reshape(changed.shape), changed)
