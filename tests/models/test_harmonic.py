"""The harmonic CNN of Won et al. 2020: its filters, its spectrum against NumPy's FFT, shapes, weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.export import check_signals
from earmark.models import create_model
from earmark.models.checkpoint import make_card
from earmark.models.harmonic import note_frequencies_hz

LAYERS = {
    "spectrum": (6, 128, 313),
    "layers.block1": (128, 64, 156),
    "layers.block2": (128, 32, 78),
    "layers.block3": (128, 16, 39),
    "layers.block4": (128, 8, 19),
    "layers.block5": (256, 4, 9),
    "layers.block6": (256, 2, 3),
    "layers.block7": (256, 1, 1),
    "layers.pool": (256,),
    "layers": (50,),
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("harmonic_cnn", 50).eval()


@pytest.mark.slow
def test_layers_have_the_published_shapes(model):
    assert (model.window_samples, model.sample_rate_hz, model.variable_length) == (80_000, 16_000, True)
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
        for name, module in model.named_modules()
    ]
    with torch.inference_mode():
        model(torch.zeros(1, 80_000))
    for hook in hooks:
        hook.remove()
    assert {name: seen[name] for name in LAYERS} == LAYERS


def test_weights_are_those_of_the_published_layers(model):
    def conv(inputs, outputs):
        return outputs * (inputs * 9 + 1) + 2 * outputs  # with its batch norm

    blocks = conv(6, 128) + 6 * conv(128, 128) + conv(128, 256) + 4 * conv(256, 256)
    head = 256 * 257 + 2 * 256 + 50 * 257
    assert model.n_parameters == 1 + 12 + blocks + head
    assert model.spectrum.q.tolist() == [1.0]


def test_notes_are_half_semitones_from_c1_to_below_e6():
    notes = note_frequencies_hz(16_000, 6, 2)
    assert len(notes) == 128
    assert notes[0] == pytest.approx(32.7032, abs=1e-3)
    np.testing.assert_allclose(notes[1:] / notes[:-1], 2 ** (1 / 24))
    assert notes[-1] * 2 ** (1 / 24) == pytest.approx(1318.51, abs=1e-2)
    assert len(note_frequencies_hz(16_000, 3, 2)) == 2 * (100 - 24)  # 2,666.7 Hz: E7 is the last below


def test_filters_are_triangles_at_the_harmonics(model):
    filters = model.spectrum.filters().detach().numpy()  # (257, 768)
    bins = np.arange(257) * 31.25
    notes = note_frequencies_hz(16_000, 6, 2)
    for harmonic, note in ((0, 0), (0, 90), (2, 90), (5, 127)):
        peak = (harmonic + 1) * notes[note]
        half = (0.1079 * peak + 24.7) / 2
        expected = np.interp(bins, [peak - half, peak, peak + half], [0.0, 1.0, 0.0], left=0, right=0)
        np.testing.assert_allclose(filters[:, harmonic * 128 + note], expected, atol=1e-4)


def test_a_larger_q_narrows_the_filters():
    spectrum = create_model("harmonic_cnn", 5, width=0.1).spectrum
    with torch.no_grad():
        wide = spectrum.filters().sum()
        spectrum.q.fill_(2.0)
        narrow = spectrum.filters().sum()
        spectrum.q.fill_(-1.0)  # where a step of training may throw it
        assert spectrum.filters().isfinite().all()
    assert narrow < 0.6 * wide


def test_spectrum_is_that_of_an_fft(model):
    waveform = check_signals(make_card(model, name="x", vocabulary=Vocabulary.of([f"{i}" for i in range(50)])).input)
    waveform = waveform[[0, 4]].astype(np.float64)  # noise, loud and at -100 dB
    padded = np.pad(waveform, ((0, 0), (256, 256)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 512, axis=1)[:, ::256]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    bands = power @ model.spectrum.filters().detach().double().numpy()
    expected = 10 * np.log10(np.maximum(bands, 1e-10)).transpose(0, 2, 1).reshape(2, 6, 128, 313)
    with torch.inference_mode():
        own = model.spectrum(torch.from_numpy(waveform.astype(np.float32))).numpy()
    np.testing.assert_allclose(own, expected, atol=2e-3)


def test_a_note_lights_up_in_the_channel_of_its_harmonic(model):
    tone = 0.5 * torch.sin(2 * torch.pi * 880.0 * torch.arange(80_000) / 16_000)[None]
    with torch.inference_mode():
        mean = model.spectrum(tone)[0].mean(dim=2)  # (6, 128)
    a4, a5 = 90, 114
    assert mean[1, a4] > mean[0, a4] + 60  # 880 Hz is the second harmonic of A4
    assert mean[0, a5] > mean[1, a5] + 60  # and the first of A5


def test_fixed_bandwidth_has_one_weight_less():
    learned = create_model("harmonic_cnn", 5, width=0.1)
    fixed = create_model("harmonic_cnn", 5, width=0.1, learn_bandwidth=False)
    assert learned.n_parameters - fixed.n_parameters == 1
    assert "spectrum.q" not in fixed.state_dict()


def test_shortest_input(model):
    assert model.min_samples == 287 * 256
    with pytest.raises(ConfigError, match="takes 73472 or more"):
        model(torch.zeros(1, 73_471))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters_per_semitone": 1}, "makes 64 notes"),
        ({"filters_per_semitone": 0}, "filters_per_semitone 0"),
        ({"n_harmonics": 0}, "n_harmonics 0"),
        ({"n_harmonics": 400}, "n_harmonics 400"),
        ({"window_seconds": 4.0}, "window_samples 64000: this network needs at least 73472"),
        ({"n_fft": 511}, "n_fft 511"),
    ],
)
def test_bad_values_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        create_model("harmonic_cnn", 5, **options)
