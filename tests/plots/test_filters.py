"""Filters on raw audio: planted frequencies come out in order, low-passed groups are what they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.plots.filters import (
    FilterBank,
    dominant_hz,
    draw_groups,
    draw_spectra,
    draw_waveforms,
    first_filters,
    low_passed,
    mel_spaced_hz,
    spectra,
)

RATE = 16000


def sines(frequencies: list[float], n_samples: int = 512, noise: float = 0.0) -> np.ndarray:
    seconds = np.arange(n_samples) / RATE
    phases = np.random.default_rng(0).uniform(0, 6, len(frequencies))[:, None]
    waves = np.sin(2 * np.pi * np.array(frequencies)[:, None] * seconds + phases)
    return waves + noise * np.random.default_rng(1).standard_normal(waves.shape)


def test_planted_frequencies_are_found_and_come_out_in_order() -> None:
    planted = [5000.0, 250.0, 1000.0, 125.0, 7000.0, 2000.0]
    bank = FilterBank(sines(planted, noise=0.3), RATE)
    assert dominant_hz(bank.filters, RATE) == pytest.approx(planted, abs=10)
    table = draw_spectra(bank, "planted").table
    by_rank = table.drop_duplicates("rank").set_index("rank")
    assert by_rank["filter"].tolist() == [3, 1, 2, 5, 0, 4]
    assert by_rank["dominant_hz"].tolist() == pytest.approx(sorted(planted), abs=10)
    peaks = table.loc[table.groupby("rank")["magnitude"].idxmax()]
    assert peaks["magnitude"].tolist() == [1.0] * 6
    assert peaks["frequency_hz"].tolist() == pytest.approx(sorted(planted), abs=RATE / 512)
    page = draw_waveforms(bank, "planted").table
    assert page["filter"].drop_duplicates().tolist() == [3, 1, 2, 5, 0, 4]
    assert page["weight"][:512].tolist() == bank.filters[3].tolist()
    assert page["time_ms"].max() == pytest.approx(511 / 16)


def test_mel_scale_beside_them() -> None:
    # mel = 2595 log10(1 + f / 700): 1000 Hz are 1000 mel
    assert mel_spaced_hz(1, 0.0, 8000.0)[0] == pytest.approx(700 * (10 ** (0.5 * np.log10(1 + 80 / 7)) - 1))
    spaced = 2595 * np.log10(1 + mel_spaced_hz(20, 100.0, 7000.0) / 700)
    assert np.diff(spaced) == pytest.approx(np.full(19, np.diff(spaced).mean()))


def test_a_filter_of_zeros_and_a_constant_one() -> None:
    frequencies, magnitudes = spectra(np.stack([np.zeros(64), np.ones(64)]), RATE)
    assert frequencies[0] == 0
    assert frequencies[-1] == RATE / 2
    assert not magnitudes[0].any()
    assert magnitudes[1, 0] == 1
    assert dominant_hz(np.ones((1, 64)), RATE).tolist() == [0]


def test_low_pass_keeps_what_is_below_and_takes_what_is_above() -> None:
    low, high = sines([200.0], 1024), sines([3000.0], 1024)
    smooth = low_passed(low + high, RATE, 800.0)
    assert np.abs(smooth - low)[:, 50:-50].max() < 0.01
    at_cutoff = low_passed(sines([800.0], 4096), RATE, 800.0)
    assert np.abs(at_cutoff)[:, 500:-500].max() == pytest.approx(0.5, abs=0.01)
    each = low_passed(np.concatenate([low + high, low + high]), RATE, np.array([800.0, 7000.0]))
    assert np.abs(each[1] - (low + high)[0])[50:-50].max() < 0.01
    with pytest.raises(ConfigError, match="cutoff 0 Hz"):
        low_passed(low, RATE, 0.0)


def test_groups_are_rows_by_their_common_frequency() -> None:
    planted = [900.0, 900.0, 900.0, 900.0, 300.0, 300.0, 300.0, 300.0, 3000.0, 300.0, 3000.0, 3000.0]
    bank = FilterBank(sines(planted), RATE, pool_filters=4, pooling="l2")
    table = draw_groups(bank, "planted").table
    rows = table.drop_duplicates("filter")
    assert rows["group"].tolist() == [1] * 4 + [0] * 4 + [2] * 4
    assert rows["filter"].tolist() == [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]
    assert rows["dominant_hz"].tolist() == pytest.approx([300.0] * 4 + [900.0] * 4 + [3000.0] * 4, abs=10)
    assert rows["low_pass_hz"].tolist() == pytest.approx([600.0] * 4 + [1800.0] * 4 + [6000.0] * 4, abs=20)
    cut = draw_groups(bank, "planted", 500.0).table
    gone = cut[cut["group"] == 2].groupby("filter")["weight"].apply(lambda w: np.abs(w.to_numpy())[100:-100].max())
    assert gone[9] > 0.9
    assert gone[[8, 10, 11]].max() < 0.01


def test_the_filters_of_a_network() -> None:
    model = create_model("dieleman2014_raw", 5, window_seconds=1.0, n_filters=8, feature_pooling="max", pool_filters=2)
    bank = first_filters(model)
    assert bank.filters.shape == (8, 256)
    assert (bank.pool_filters, bank.pooling, bank.sample_rate_hz) == (2, "max", 16000)
    weights = model.get_submodule("layers.strided").weight
    assert torch.equal(torch.from_numpy(bank.filters).float(), weights.detach()[:, 0])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("samplecnn_basic", {"n_samples": 729, "width": 0.1}, "3 samples long, too short"),
        ("musicnn", {"window_seconds": 1.0, "width": 0.1}, "do not run over samples"),
        ("harmonic_cnn", {"width": 0.1}, "do not run over samples"),
    ],
)
def test_networks_without_such_filters_are_refused(name: str, options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: .*{words}"):
        first_filters(create_model(name, 5, **options))
