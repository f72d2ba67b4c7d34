"""Essentia's classifiers answer as in Essentia and in TensorFlow.js. Their files are in no folder of earmark's:
EARMARK_WEIGHTS names one with the files as :mod:`earmark.core.published_weights` names them.

How the numbers were made, for the second window of each clip of musicnn_reference.npz (16 kHz):

- ESSENTIA: essentia-tensorflow 2.1b6.dev1389, ``TensorflowPredictMusiCNN(graphFilename=..., patchHopSize=187)(audio)``.
- JS: @tensorflow/tfjs 4.22.0, backend cpu, ``loadGraphModel(...).predict(...)`` of the spectrogram that Essentia's
  ``TensorflowInputMusiCNN`` gives for frames of 512 samples, 256 apart, the first one from sample 0 on.

Essentia's spectrogram is musicnn's but for its Hann window, which is not periodic. From the waveform on answers agree to
1e-4, with Essentia's own spectrogram to 3e-6.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.audio import cut
from earmark.core.published_weights import find_published
from earmark.core.spectrum import mel_filterbank
from earmark.importers.detect_format import import_weights
from earmark.models.musicnn import PONS_FRONTEND

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.usefixtures("one_thread")]

CLIPS = ("joram", "fishin", "sugarplum")
TOLERANCE = 1e-4
# All outputs of the file, for each clip.
ESSENTIA = {
    "essentia-acoustic": [[0.372093, 0.65331], [0.798556, 0.255232], [0.76382, 0.325588]],
    "essentia-aggressive": [[0.159431, 0.972239], [0.098107, 0.995994], [0.073115, 0.9966]],
    "essentia-danceable": [[0.102578, 0.80442], [0.298728, 0.651294], [0.102054, 0.792545]],
    "essentia-electronic": [[0.514175, 0.355364], [0.264696, 0.87373], [0.023257, 0.986084]],
    "essentia-happy": [[0.871421, 0.40425], [0.241788, 0.688482], [0.058549, 0.960111]],
    "essentia-relaxed": [[0.680019, 0.289742], [0.141161, 0.723839], [0.009211, 0.973381]],
    "essentia-voice": [[0.638148, 0.196944], [0.455704, 0.262097], [0.560374, 0.157066]],
    "essentia-genre": [
        [0.719591, 0.224445, 0.109919, 0.204772, 0.31356, 0.095776, 0.099243, 0.038287],
        [0.071497, 0.004353, 0.000803, 0.072566, 0.148009, 0.068285, 0.012893, 0.009867],
        [0.707011, 9e-05, 6.3e-05, 0.704085, 0.000266, 0.001717, 0.000135, 0.001494],
    ],
}
JS = {
    "essentia-aggressive": [[0.149683, 0.975227], [0.101421, 0.995815], [0.073039, 0.996586]],
    "essentia-danceable": [[0.104871, 0.805293], [0.304374, 0.649095], [0.107157, 0.78844]],
    "essentia-happy": [[0.865611, 0.407955], [0.234933, 0.687479], [0.058032, 0.960367]],
    "essentia-relaxed": [[0.694771, 0.291463], [0.142058, 0.723177], [0.009423, 0.972968]],
    "essentia-sad": [[0.89089, 0.620708], [0.066126, 0.985614], [0.021305, 0.996246]],
}


@pytest.fixture(scope="module")
def weights() -> Path:
    named = os.environ.get("EARMARK_WEIGHTS")
    if not named:
        pytest.skip("EARMARK_WEIGHTS names no folder with Essentia's files")
    return Path(named)


@pytest.fixture(scope="module")
def audio(shared_dir):
    with np.load(shared_dir / "data" / "peers" / "musicnn_reference.npz") as file:
        return [file[f"{clip}_audio"] for clip in CLIPS]


def essentia_patch(samples: np.ndarray, centred: bool) -> torch.Tensor:
    """The second patch (1, 96, 187) of Essentia's spectrogram, in NumPy."""
    if centred:
        samples = np.concatenate([np.zeros(256, np.float32), samples])
    frames = np.lib.stride_tricks.sliding_window_view(samples, 512)[::256][187 : 2 * 187]
    power = np.abs(np.fft.rfft(frames * np.hanning(512))) ** 2
    log_mel = np.log10(1 + 10000 * power @ mel_filterbank(PONS_FRONTEND).T)
    return torch.from_numpy(log_mel.T[None].astype(np.float32))


def kept(name: str, rows: list[list[float]]) -> np.ndarray:
    """The outputs that earmark keeps, (clips, tags)."""
    published = find_published(name)
    return np.array(rows)[:, list(published.outputs) or slice(None)]


@pytest.mark.parametrize("name", ESSENTIA)
def test_as_essentia(name, weights, audio):
    model, card = import_weights(weights / find_published(name).file_name)
    assert card.name == name
    expected = kept(name, ESSENTIA[name])
    with torch.inference_mode():
        patches = torch.cat([essentia_patch(samples, centred=True) for samples in audio])
        network = model.network(patches).sigmoid().numpy()
        windows = np.stack([cut(samples, card.input)[1] for samples in audio])
        whole = model(torch.from_numpy(windows)).sigmoid().numpy()
    np.testing.assert_allclose(network, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(whole, expected, rtol=0, atol=TOLERANCE)
    assert np.abs(network - np.roll(expected, 1, axis=0)).max() > 100 * TOLERANCE  # the comparison can fail


@pytest.mark.parametrize("name", JS)
def test_as_tensorflow_js(name, weights, audio):
    folder = weights / Path(find_published(name).file_name.removesuffix(".pb").removesuffix("/model.json"))
    model, card = import_weights(folder)
    assert card.name == name
    with torch.inference_mode():
        network = model.network(torch.cat([essentia_patch(samples, centred=False) for samples in audio]))
    np.testing.assert_allclose(network.sigmoid().numpy(), kept(name, JS[name]), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", [name for name in JS if name in ESSENTIA])
def test_both_formats_have_the_same_weights(name, weights, audio):
    path = weights / find_published(name).file_name
    graph, _ = import_weights(path)
    js, _ = import_weights(path.with_suffix(""))
    with torch.inference_mode():
        patch = essentia_patch(audio[0], centred=True)
        torch.testing.assert_close(graph.network(patch), js.network(patch), rtol=0, atol=1e-4)
