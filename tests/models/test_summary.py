"""Numbers of architectures: counted multiplications and weights against counts by hand, and the page made of them."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from earmark.core.spectrum import LogMelConfig
from earmark.models import TaggingModel, create_model, list_models
from earmark.models.summary import (
    PAPERS,
    count_macs,
    count_weights,
    describe_input,
    summarise,
    summarise_all,
)
from earmark.models.summary_page import COLUMNS, cells, short_number, to_markdown
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def everything():
    return summarise_all()


class Made(TaggingModel):
    """Layers for a waveform (B, N), seen as (B, 1, N)."""

    def __init__(self, layers: nn.Module, window_samples: int, frontend: LogMelConfig | None = None) -> None:
        rate = None if frontend else 1000
        super().__init__(n_tags=1, window_samples=window_samples, sample_rate_hz=rate, frontend=frontend)
        self.layers = layers

    def network(self, features: Tensor) -> Tensor:
        x = features if features.ndim == 3 else features.unsqueeze(1)
        out = self.layers(x)
        return (out[0] if isinstance(out, tuple) else out).flatten(1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 6, num_layers=2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x.reshape(len(x), -1, 4))[0]


@pytest.mark.parametrize(
    ("layers", "n", "macs"),
    [
        (nn.Conv1d(1, 7, 5, stride=2), 21, 7 * 5 * 9),  # nine places of a filter of five
        (nn.Sequential(nn.Conv1d(1, 8, 1), nn.Conv1d(8, 8, 3, padding=1, groups=4)), 10, 8 * 10 + 8 * (2 * 3) * 10),
        (nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)), 12, 12 * 5 + 5 * 2),
        (nn.Sequential(nn.Unflatten(2, (4, 5)), nn.Conv2d(1, 3, (2, 3))), 20, 3 * (2 * 3) * (3 * 3)),
        (Recurrent(), 40, 10 * (3 * 6 * (4 + 6) + 3 * 6 * (6 + 6))),  # ten steps, three gates, two layers
        (nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2), nn.ReLU(), nn.MaxPool1d(2)), 10, 2 * 10),
    ],
)
def test_multiplications_of_known_layers(layers, n, macs):
    assert count_macs(Made(layers, n)) == macs


def test_multiplications_of_the_front_end():
    """A folded Fourier transform: half a frame for the real part, one sample less for the imaginary; then the bands."""
    config = LogMelConfig(sample_rate_hz=8000, n_fft=64, hop_samples=32, n_mels=6)
    model = Made(nn.Conv1d(6, 1, 1), 800, config)
    assert model.frontend is not None
    bins = model.frontend.mel.shape[0]
    frames = config.n_frames(800)
    assert count_macs(model) == frames * (32 * bins + 31 * bins + bins * 6 + 6)


def test_counting_changes_nothing():
    model = create_model("samplecnn_basic", 5, n_samples=729, width=0.1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_macs(model)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert count_macs(model.eval()) > 0
    assert not model.training


def test_longer_windows_cost_more():
    model = create_model("pons2017_waveform", 5, window_seconds=2.0, width=0.1)
    assert 1.9 < count_macs(model, 64000) / count_macs(model) < 2.2


def test_weights_as_the_authors_count_them():
    trained, stored = count_weights(create_model("samplecnn_basic", 50))
    assert stored == 2_690_354  # of the authors' code, running statistics counted
    assert trained == 2_690_354 - 2 * (128 * 3 + 256 * 6 + 512 + 1024)


@pytest.mark.slow
def test_frozen_members_are_stored_but_not_trained(everything):
    combiner = next(item for item in everything if item.name == "ensemble_combiner")
    members = [item for item in everything if item.name.startswith("ensemble_model")]
    dense = 150 * 256 + 256 + 256 * 512 + 512 + 512 * 50 + 50
    assert combiner.weights_trained == dense
    assert combiner.weights_total == dense + sum(item.weights_total for item in members)
    assert combiner.macs_window == 150 * 256 + 256 * 512 + 512 * 50 + sum(item.macs_window for item in members)


def test_seconds_follow_from_windows():
    summary = summarise("dieleman2014_raw", 50)
    assert summary.window_seconds == 3.0
    assert summary.macs_second == summary.macs_window / 3
    assert summary.n_tags == 50
    assert summary.paper is not None
    assert summary.paper.where == "ICASSP 2014"


def test_options_count():
    assert (
        summarise("samplecnn_basic", n_samples=729).macs_window
        < summarise("samplecnn_basic", n_samples=2187).macs_window
    )
    assert summarise("samplecnn_basic", 10, n_samples=729).n_tags == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("samplecnn_se", "waveform"),
        ("musicnn", "log-mel 96 x 187"),
        ("ensemble_model1", "log-mel 128 x 592"),
        ("ensemble_combiner", "log-mel 128 x 592 and waveform"),
        ("harmonic_cnn", "harmonics 6 x 128 x 313"),
    ],
)
def test_input_is_described(name, text):
    assert describe_input(create_model(name, 50)) == text


@pytest.mark.slow
def test_every_architecture_has_a_paper(everything):
    assert set(PAPERS) == set(list_models()) == {item.name for item in everything}
    for paper in PAPERS.values():
        assert paper.title
        assert paper.title in paper.reference


@pytest.mark.slow
def test_summaries_are_json(everything):
    for summary in everything:
        values = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
        assert isinstance(values["macs_window"], int)
        assert values["macs_second"] * values["window_seconds"] == pytest.approx(values["macs_window"])
        assert values["weights_total"] >= values["weights_trained"] > 0
        assert values["paper"].startswith(summary.paper.authors)


@pytest.mark.slow
def test_the_page_is_up_to_date(everything):
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written == to_markdown(everything), "run: python benchmarks/architectures.py --out docs/models.md"


@pytest.mark.slow
def test_a_row_has_as_many_cells_as_headings(everything):
    for summary in everything:
        assert len(cells(summary)) == len(COLUMNS)
        assert all(cells(summary))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (15_640_515, "15.6 M"), (335_310_000, "335 M"), (4e9, "4.00 G")],
)
def test_short_numbers(value, text):
    assert short_number(value) == text
