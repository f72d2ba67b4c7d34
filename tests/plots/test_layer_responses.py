"""What layers hear: a planted filter answers where it was planted, to tones and by gradient ascent alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.models import create_model
from earmark.models.base import TaggingModel
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.plots.ascent import ascend, band_magnitudes
from earmark.plots.layer_responses import draw_layer_responses
from earmark.plots.mel_filters import first_mel_filters, strongest
from earmark.plots.sweep import band_edges_hz, layer_names, ordered, short_name, sweep, tones

PLANTED_HZ = [3000.0, 200.0, 800.0, 6000.0]
STRIDED = "layers.strided_activation"
TAGS = Vocabulary.of(["a", "b", "c"])


@pytest.fixture(scope="module")
def planted() -> TaggingModel:
    """Four filters of known frequencies, and one that is dead."""
    torch.manual_seed(0)
    model = create_model("dieleman2014_raw", 3, window_seconds=0.5, n_filters=5).eval()
    weights = model.get_submodule("layers.strided").weight
    seconds = torch.arange(256) / 16000
    window = torch.hann_window(256)
    with torch.no_grad():
        for row, hz in enumerate(PLANTED_HZ):
            weights[row, 0] = window * torch.sin(2 * torch.pi * hz * seconds)
        weights[4] = 0
        model.get_submodule("layers.strided").bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.0, -1.0]))
    return model


@pytest.mark.parametrize("find", [sweep, ascend])
def test_planted_filters_are_found_in_order(planted: TaggingModel, find) -> None:
    (layer,) = find(planted, [STRIDED], n_tones=48)
    live = [unit for unit in layer.units.tolist() if unit != 4]
    assert live == [1, 2, 0, 3]
    peaks = layer.peak_hz[layer.units != 4]
    step = layer.edges_hz[1] / layer.edges_hz[0]
    assert np.abs(np.log(peaks / sorted(PLANTED_HZ))).max() < 1.6 * np.log(step)
    assert layer.response.shape == (len(layer.units), 48)
    assert layer.response.max(axis=1).tolist() == [1.0] * len(layer.units)
    assert layer.n_units == 5
    if find is sweep:
        assert 4 not in layer.units  # the dead one answers to nothing


def test_tones_stay_in_their_bands() -> None:
    edges = band_edges_hz(16000, 24, 100.0)
    waves = tones(edges, 16000, 8000, amplitude=0.5).numpy()
    assert edges[[0, -1]] == pytest.approx([100, 8000])
    assert np.abs(waves).max() == pytest.approx(0.5, abs=0.01)
    magnitudes = band_magnitudes(waves.astype(np.float64), edges, 16000)
    assert magnitudes.argmax(axis=1).tolist() == list(range(24))


def test_units_are_ordered_and_the_silent_left_out() -> None:
    edges = np.array([100.0, 200.0, 400.0, 800.0])
    layer = ordered("x", edges, np.array([[0.0, 0.0, 4.0], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.5]]))
    assert layer.units.tolist() == [2, 3, 0]
    assert layer.peak_hz == pytest.approx([141.42, 282.84, 565.69], abs=0.01)
    assert layer.response.tolist() == [[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]]
    assert layer.n_units == 4


def test_ascent_leaves_the_network_as_it_was_and_follows_its_seed(planted: TaggingModel) -> None:
    before = {name: value.clone() for name, value in planted.state_dict().items()}
    first, again = (ascend(planted, n_steps=3, most_units=4, n_tones=8, seed=1) for _ in range(2))
    other = ascend(planted, n_steps=3, most_units=4, n_tones=8, seed=2)
    assert all(torch.equal(value, before[name]) for name, value in planted.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in planted.parameters())
    assert [layer.layer for layer in first] == layer_names(planted)
    assert all(np.array_equal(a.response, b.response) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].response, other[0].response)


def test_layers_come_in_the_order_of_the_sound() -> None:
    model = create_model("samplecnn_rese2", 3, n_samples=729, width=0.1, alpha=0.5).eval()
    names = layer_names(model)
    assert names[:3] == ["first.relu", "blocks.block1.branch.relu0", "blocks.block1.relu"]
    assert not any("se" in name.split(".") or "head" in name for name in names)  # no time there
    assert short_name("blocks.block1.branch.relu0") == "block1.relu0"
    with pytest.raises(ConfigError, match="no layer 'nowhere'"):
        sweep(model, ["nowhere"])
    with pytest.raises(ConfigError, match="1 tones"):
        sweep(model, names[:1], n_tones=1)


def test_filters_on_spectrograms_know_their_place() -> None:
    model = create_model("dieleman2014_spectrogram", 3, window_seconds=1.0).eval()
    weights = model.get_submodule("layers.conv1").weight
    with torch.no_grad():
        weights.zero_()
        for row in range(len(weights)):
            weights[row, 127 - 3 * row, 4] = 1.0 + row  # the first filter answers to the highest band
    (group,) = first_mel_filters(model)
    assert group.rows == "bands"
    assert group.weights.shape == (32, 128, 8)
    assert group.frame_seconds == 256 / 16000
    assert group.centres() == pytest.approx(127 - 3 * np.arange(32))
    assert strongest(group, 4).tolist() == [31, 30, 29, 28]  # largest weights, low bands first
    assert group.rows_hz[0] == pytest.approx(23.4, abs=0.1)  # Slaney's lowest of 128 bands to 8 kHz
    assert group.rows_hz[-1] < 8000


def test_temporal_filters_are_ordered_by_their_pace() -> None:
    model = create_model("musicnn", 3, variant="won2020", window_seconds=1.0, width=0.2).eval()
    weights = model.get_submodule("temporal.0.conv").weight
    seconds = torch.arange(weights.shape[2]) * 256 / 16000
    paces = torch.tensor([8.0, 2.0, 4.0, 16.0])
    with torch.no_grad():
        weights[:4, 0] = 5 + 9 * torch.cos(2 * torch.pi * paces[:, None] * seconds)
    groups = first_mel_filters(model)
    assert [group.rows for group in groups] == ["sliding", "sliding", "time", "time", "time"]
    assert [group.weights.shape[1:] for group in groups[:2]] == [(67, 7), (38, 7)]
    assert groups[2].centres()[:4] == pytest.approx([8, 2, 4, 16], abs=0.3)
    assert strongest(groups[2], 4).tolist() == [1, 2, 0, 3]


def test_ways_that_do_not_fit_are_refused(planted: TaggingModel) -> None:
    mel = create_model("musicnn", 3, window_seconds=1.0, width=0.1).eval()
    with pytest.raises(ConfigError, match="by filters is for networks on spectrograms"):
        draw_layer_responses(planted, make_card(planted, name="p", vocabulary=TAGS), "filters")
    with pytest.raises(ConfigError, match="ascent is for networks on raw audio"):
        draw_layer_responses(mel, make_card(mel, name="m", vocabulary=TAGS), "ascent")
    with pytest.raises(ConfigError, match="by 'ear': must be one of auto, filters"):
        draw_layer_responses(mel, make_card(mel, name="m", vocabulary=TAGS), "ear")  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_commands_write_and_print_their_files(planted: TaggingModel, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from earmark.cli.analyze import group

    save_checkpoint(tmp_path / "checkpoint", planted, make_card(planted, name="planted", vocabulary=TAGS))
    done = CliRunner().invoke(group, ["filters", str(tmp_path / "checkpoint"), "--out", str(tmp_path / "figures")])
    assert done.exit_code == 0, done.output
    written = [
        tmp_path / "figures" / f"filter-{n}.{kind}" for n in ("spectra", "waveforms") for kind in ("png", "svg", "csv")
    ]
    assert done.stdout.splitlines() == [str(path) for path in written]
    assert all(path.stat().st_size for path in written)
    done = CliRunner().invoke(
        group, ["layer-responses", str(tmp_path / "checkpoint"), "--layers", "2", "--out", str(tmp_path / "figures")]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "figures" / "layer-sweep.csv").read_text().startswith("layer,name,rank,unit,peak_hz,at_")
