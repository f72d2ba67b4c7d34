"""The layer that levels windows."""

import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint, make_card, save_checkpoint
from earmark.models.conditioning import WindowLevel

TAGS = Vocabulary((Tag("rock"), Tag("jazz"), Tag("folk")))
LEVEL = WindowLevel(16_000, -18.0)


def tone(hz: float, n_samples: int = 32_000) -> torch.Tensor:
    return torch.from_numpy((0.1 * np.sin(2 * np.pi * hz / 16_000 * np.arange(n_samples))).astype(np.float32))[None]


def level_db(samples: torch.Tensor) -> float:
    return float(20 * samples.square().mean().sqrt().log10())


@pytest.mark.parametrize("n_samples", [16_000, 16_001, 32_039, 155_200])
def test_gain_and_offset_change_nothing(n_samples: int) -> None:
    noise = 0.1 * torch.randn(2, n_samples, generator=torch.Generator().manual_seed(0))
    expected = LEVEL(noise)
    assert level_db(expected) == pytest.approx(-18, abs=0.01)
    for gain in (1e-3, 4.0):
        for offset in (0.0, 0.1):
            assert torch.allclose(LEVEL(gain * noise + offset), expected, atol=2e-3)


@pytest.mark.parametrize("hz", [2, 5, 10, 14])
def test_rumble_is_removed(hz: float) -> None:
    rumble = tone(hz)
    rest = (rumble - LEVEL.rumble(rumble))[:, 4_000:-4_000]
    assert level_db(rest) < level_db(rumble) - 40


@pytest.mark.parametrize("hz", [31, 41, 100, 399, 1000])
def test_notes_stay(hz: float) -> None:
    note = tone(hz)
    rest = (note - LEVEL.rumble(note))[:, 4_000:-4_000]
    assert level_db(rest) == pytest.approx(level_db(note), abs=0.1)


def test_silence_stays_finite() -> None:
    assert torch.equal(LEVEL(torch.zeros(1, 16_000)), torch.zeros(1, 16_000))
    assert torch.isfinite(LEVEL(torch.full((1, 16_000), 1e-30))).all()


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="sample_rate_hz 800"):
        WindowLevel(800, -18.0)
    with pytest.raises(ConfigError, match=r"level_dbfs 3\.0"):
        WindowLevel(16_000, 3.0)


def test_a_levelled_model_has_conditioning_in_its_card_and_keeps_it(tmp_path) -> None:
    model = create_model("compact_1d", 3, window_seconds=1.0, width=0.25, level_dbfs=-20.0).eval()
    card = make_card(model, name="levelled", vocabulary=TAGS)
    assert card.input.conditioning is not None
    assert card.input.conditioning.level_dbfs == -20.0
    save_checkpoint(tmp_path / "a", model, card)
    again, read = load_checkpoint(tmp_path / "a")
    assert read.input == card.input
    windows = 0.1 * torch.randn(2, 16_000)
    with torch.inference_mode():
        assert torch.allclose(again(windows), again(0.02 * windows + 0.05), atol=1e-2)
        assert torch.equal(again(windows), model(windows))


@pytest.mark.parametrize("name", ["fcn4", "musicnn", "samplecnn_basic", "compact_1d"])
def test_other_models_take_audio_as_it_is(name: str) -> None:
    model = create_model(name, 3)
    assert model.level is None
    assert make_card(model, name="plain", vocabulary=TAGS).input.conditioning is None
