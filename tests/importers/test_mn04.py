"""mn04 answers as in its authors' program: real clips, from the waveform on, to 1e-4.

The numbers are from the code of fschmid56/EfficientAT (commit a425fdc; models/mn/model.py and models/preprocess.py, with
torchaudio 2.11.1's Kaldi mel bands and torch 2.13), run on the windows of 10 s that the test cuts: the six likeliest
classes of a window and the sum over all 527.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark import audio
from earmark.core.published_weights import find_published
from earmark.importers.convert import convert_weights
from earmark.importers.detect_format import import_weights
from earmark.tagging.runtime import OnnxModel

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.usefixtures("one_thread")]

TOLERANCE = 1e-4
REFERENCE = {
    ("joram.mp3", 0): (
        {
            "Music": 0.77355,
            "Tabla": 0.40136,
            "Sitar": 0.2025,
            "Carnatic music": 0.16488,
            "Musical instrument": 0.12386,
            "Folk music": 0.11351,
        },
        2.7416,
    ),
    ("fishin.ogg", 1): (
        {
            "Music": 0.88329,
            "Music for children": 0.32333,
            "Happy music": 0.15424,
            "Country": 0.13598,
            "Singing": 0.1098,
            "Bluegrass": 0.06355,
        },
        2.5670,
    ),
    ("sugarplum.ogg", 4): (
        {
            "Music": 0.59668,
            "Orchestra": 0.53203,
            "Classical music": 0.38142,
            "Musical instrument": 0.35702,
            "Marimba, xylophone": 0.25316,
            "Brass instrument": 0.23454,
        },
        4.0889,
    ),
    ("sugarplum.ogg", 5): (
        {
            "Music": 0.63494,
            "Violin, fiddle": 0.38581,
            "Bowed string instrument": 0.33561,
            "Orchestra": 0.31519,
            "Cello": 0.2905,
            "Musical instrument": 0.27474,
        },
        3.3894,
    ),
}
"""(Clip, number of the window) -> the six highest probabilities, and the sum of all."""


@pytest.fixture(scope="module")
def weights(shared_dir: Path) -> Path:
    """The published file."""
    folder = Path(os.environ.get("EARMARK_WEIGHTS", shared_dir / "data" / "peers"))
    path = folder / find_published("mn04").file_name
    if not path.is_file():
        pytest.skip(f"no {path.name} in {folder} (set EARMARK_WEIGHTS to the folder of published weights)")
    return path


@pytest.fixture(scope="module")
def windows(shared_dir: Path, weights: Path) -> np.ndarray:
    spec = import_weights(weights)[1].input
    clips = {
        clip: audio.cut(audio.load(shared_dir / "data" / "clips" / clip, spec.sample_rate_hz), spec)
        for clip in dict.fromkeys(clip for clip, _ in REFERENCE)
    }
    return np.stack([clips[clip][number] for clip, number in REFERENCE])


def check(probabilities: np.ndarray, names: tuple[str, ...]) -> None:
    for answer, (highest, total) in zip(probabilities, REFERENCE.values(), strict=True):
        order = np.argsort(-answer)[: len(highest)]
        assert [names[i] for i in order] == list(highest)
        np.testing.assert_allclose(answer[order], list(highest.values()), rtol=0, atol=TOLERANCE)
        assert answer.sum() == pytest.approx(total, abs=1e-3)


def test_from_the_waveform_on(weights, windows):
    model, card = import_weights(weights)
    with torch.inference_mode():
        check(model(torch.from_numpy(windows)).sigmoid().numpy(), card.vocabulary.names)


def test_through_onnx_runtime(weights, windows, tmp_path):
    card, report = convert_weights(weights, tmp_path)
    assert report.max_abs_difference < TOLERANCE
    model = OnnxModel(report.path)
    probabilities, embedding = model.with_embedding(windows)
    check(probabilities, card.vocabulary.names)
    assert embedding.shape == (len(windows), 512)


def test_its_card(weights):
    _, card = import_weights(weights)
    assert (card.name, card.licence, len(card.vocabulary)) == ("mn04", "MIT", 527)
    assert (card.input.sample_rate_hz, card.input.window_samples, card.input.hop_samples) == (32000, 320000, 320000)
    assert card.vocabulary.names[137] == "Music"
    assert card.vocabulary.names[500] == "Silence"
