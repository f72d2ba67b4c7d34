"""Teachers: found, resampled for, and run as `earmark tag` runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from earmark import audio
from earmark.core.errors import ModelError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ
from earmark.distillation.labelling_inputs import LabellingInputs
from earmark.distillation.teachers import Teacher, load_teacher, prepare_teacher, resample_example
from earmark.distillation.windows import Examples, make_example, to_float
from earmark.export import check_signals, export_onnx
from earmark.models import create_model
from earmark.models.checkpoint import make_card
from earmark.tagging.tagger import Tagger
from tests.helpers.sounds import music


def test_a_missing_teacher_is_reported_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match=r"mtat_fcn\.pth.*earmark models pull fcn-mtat"):
        prepare_teacher("fcn-mtat", tmp_path, tmp_path)


def test_at_32_khz_an_example_keeps_its_band_and_gets_a_mirror_image_that_falls_towards_16_khz() -> None:
    def spectrum(waveform: np.ndarray) -> np.ndarray:
        return np.abs(np.fft.rfft(waveform[RATE_HZ : 3 * RATE_HZ]))  # 1 s at 32 kHz: a bin is 1 Hz

    time = np.arange(2 * RATE_HZ) / RATE_HZ
    for hz, image_db in ((500, -63), (7000, -18)):
        tone = 0.5 * np.sin(2 * np.pi * hz * time).astype(np.float32)
        found = spectrum(resample_example(tone, 32000))
        assert found[hz] == pytest.approx(spectrum(audio.resample(tone, RATE_HZ, 32000))[hz], rel=1e-3)
        assert 20 * np.log10(found[16000 - hz] / found[hz]) == pytest.approx(image_db, abs=1)
    np.testing.assert_array_equal(resample_example(tone, RATE_HZ), tone)


@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [32000, 22050])
def test_a_teacher_of_another_rate_gets_the_example_resampled(tmp_path: Path, rate_hz: int) -> None:
    torch.manual_seed(0)
    model = create_model(
        "efficientat_mn", 5, width=0.1, frontend={"sample_rate_hz": rate_hz, "f_max_hz": 8000.0}
    ).eval()
    card = make_card(model, name="other", vocabulary=Vocabulary.of(["a", "b", "c", "d", "e"]))
    export_onnx(model, card, tmp_path / "other.onnx", check_signals(card.input)[:1])
    teacher = load_teacher(tmp_path / "other.onnx", EXAMPLE_SAMPLES)
    document = teacher.to_document()
    assert document["starts"] == [0, 160_000, EXAMPLE_SAMPLES - 160_000]
    assert document["window_samples"] == 160_000
    samples = music(29.1, RATE_HZ, seed=1)[0].astype(np.float32)
    answers = teacher.predict(samples)
    assert answers.shape == (3, 5)
    resampled = resample_example(samples, rate_hz)
    first = round(29.1 * rate_hz) - model.window_samples
    np.testing.assert_allclose(answers[2:], teacher.model(resampled[None, first : first + model.window_samples]))
    with pytest.raises(ModelError, match="longer than examples"):
        load_teacher(tmp_path / "other.onnx", 9 * RATE_HZ)


@pytest.mark.slow
@pytest.mark.shared
def test_a_published_network_hears_an_example_as_a_user_would(
    shared_dir: Path, folders: tuple[Path, Path], inputs: LabellingInputs, tmp_path: Path
) -> None:
    path = prepare_teacher("vgg-mtt", tmp_path / "teachers", shared_dir / "data" / "peers")
    teacher: Teacher = load_teacher(path, EXAMPLE_SAMPLES)
    examples = Examples(inputs.songs, inputs.seconds, seed=0)
    samples = to_float(make_example(examples.recipe(5), inputs.waveforms))
    scores = teacher.predict(samples)
    assert scores.shape == (len(teacher.starts), 50) == (10, 50)
    tagger = Tagger(teacher.model)
    np.testing.assert_allclose(scores.mean(axis=0), tagger.tag_waveform(samples, RATE_HZ).scores, atol=1e-5)
