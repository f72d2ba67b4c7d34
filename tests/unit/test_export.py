"""A checkpoint as an ONNX file: what is in it, and that a wrong one is never written."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from earmark.card import ONNX_METADATA_KEY, InputSpec, Metric, ModelCard
from earmark.checkpoint import make_card, save_checkpoint
from earmark.cli.main import app
from earmark.errors import ConfigError, DataError, ModelError
from earmark.export import check_signals, export_onnx
from earmark.models import create_model
from earmark.vocabulary import Vocabulary

TAGS = Vocabulary.of(["loud", "soft", "fast"])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("ensemble_model1", 3, window_seconds=2, width=0.1, frontend={"n_fft": 512})


@pytest.fixture(scope="module")
def card(model):
    return make_card(model, name="test", vocabulary=TAGS, thresholds={"loud": 0.25})


@pytest.fixture(scope="module")
def exported(model, card, tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "test.onnx"
    return export_onnx(model, card, out, check_signals(card.input))


def test_file_takes_waveforms_and_gives_probabilities_for_any_batch(exported, model):
    session = onnxruntime.InferenceSession(exported.path.read_bytes(), providers=["CPUExecutionProvider"])
    (source,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (source.name, source.type, source.shape) == ("waveform", "tensor(float)", ["batch", model.window_samples])
    assert (answer.name, answer.type, answer.shape) == ("probabilities", "tensor(float)", ["batch", 3])
    waveform = np.random.default_rng(0).standard_normal((5, model.window_samples)).astype(np.float32) * 0.1
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(waveform)).sigmoid().numpy()
    for size in (1, 5):
        (scores,) = session.run(None, {"waveform": waveform[:size]})
        np.testing.assert_allclose(scores, expected[:size], atol=1e-5)


def test_card_is_inside_and_beside(exported, card):
    (entry,) = (item for item in onnx.load(exported.path).metadata_props if item.key == ONNX_METADATA_KEY)
    assert ModelCard.from_json(entry.value) == card
    beside = ModelCard.read(exported.path.with_name("test.json"))
    assert beside.weights_sha256 == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    assert beside.replace(weights_sha256="") == card


def test_file_is_standard_single_and_lean(exported, model):
    graph = onnx.load(exported.path, load_external_data=False)
    assert [(item.domain, item.version) for item in graph.opset_import] == [("", 18)]
    assert {node.domain for node in graph.graph.node} == {""}
    assert not any(tensor.external_data for tensor in graph.graph.initializer)
    assert sorted(path.name for path in exported.path.parent.iterdir()) == ["test.json", "test.onnx"]
    values = sum(value.numel() for value in (*model.parameters(), *model.buffers()))
    assert exported.size_bytes < 4 * values + 60_000
    content = exported.path.read_bytes()
    for trace in (b".py", str(Path.cwd()).encode(), sys.prefix.encode()):
        assert trace not in content  # no file names of the machine that made it


def test_parity_is_reported(exported):
    assert exported.n_windows == 6
    assert 0 < exported.max_abs_difference < 1e-4


def test_model_is_left_as_it_was(model, card, tmp_path):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        export_onnx(model, card, tmp_path / "x.onnx", check_signals(card.input)[:1])
        assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Drifting(torch.nn.Module):
    """Answers otherwise at every call: no graph can be its equal."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, logits):
        self.calls += 1
        return logits + 0.01 * self.calls


def test_a_graph_that_differs_is_not_written(card, tmp_path):
    torch.manual_seed(0)
    other = create_model("ensemble_model1", 3, window_seconds=2, width=0.1, frontend={"n_fft": 512})
    other.layers.append(Drifting())
    with pytest.raises(ModelError, match="differ by"):
        export_onnx(other, card, tmp_path / "x.onnx", check_signals(card.input))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_answers_nan_is_not_written(card, tmp_path):
    other = create_model("ensemble_model1", 3, window_seconds=2, width=0.1, frontend={"n_fft": 512})
    with torch.no_grad():
        other.layers.last.bias.fill_(float("nan"))
    with pytest.raises(ModelError, match="differ by nan"):
        export_onnx(other, card, tmp_path / "x.onnx", check_signals(card.input))
    assert list(tmp_path.iterdir()) == []


def test_wrong_windows_cards_and_names_are_refused(model, card, tmp_path):
    windows = check_signals(card.input)
    other = create_model("ensemble_model1", 3, window_seconds=3, width=0.1)
    for arguments, message in (
        ((model, card, tmp_path / "x.bin", windows), "must end in .onnx"),
        ((model, card, tmp_path / "x.onnx", windows[:, :-1]), "check_windows"),
        ((model, card, tmp_path / "x.onnx", windows[:0]), "check_windows"),
        ((other, card, tmp_path / "x.onnx", windows), "the card says"),
    ):
        with pytest.raises(ConfigError, match=message):
            export_onnx(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_check_signals_are_different_sounds_in_range():
    signals = check_signals(InputSpec(16000, 32000, 32000))
    assert signals.shape == (6, 32000)
    assert signals.dtype == np.float32
    assert np.abs(signals).max() <= 1
    assert len({signal.tobytes() for signal in signals}) == 6
    assert signals.any(axis=1).all()
    assert check_signals(InputSpec(8000, 1, 1)).shape == (6, 1)


@pytest.mark.shared
def test_command_exports_and_checks_on_real_audio(model, card, shared_dir, tmp_path):
    save_checkpoint(tmp_path / "run", model, card)
    out = tmp_path / "model.onnx"
    audio = [str(shared_dir / "data/clips" / name) for name in ("joram.mp3", "fishin.ogg")]
    arguments = ["export", str(tmp_path / "run"), "--out", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--check-audio", audio[0], "--check-audio", audio[1]])
    assert result.exit_code == 0, result.output
    assert "from PyTorch on" in result.output
    assert out.is_file()
    assert out.with_suffix(".json").is_file()


def test_command_without_audio_checks_on_made_up_sound(model, card, tmp_path):
    save_checkpoint(tmp_path / "run", model, card)
    result = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--out", str(tmp_path / "model.onnx")])
    assert result.exit_code == 0, result.output
    assert "on 6 windows" in result.output


def test_measured_figures_go_into_the_card(model, card, tmp_path):
    save_checkpoint(tmp_path / "checkpoint", model, card)
    report = tmp_path / "report.json"
    figure = {"name": "roc_auc", "value": 0.75, "dataset": "emotify", "protocol": "artist-disjoint", "split": "test"}
    report.write_text(json.dumps({"metrics": [figure]}))
    out = tmp_path / "a.onnx"
    arguments = ["export", str(tmp_path / "checkpoint"), "--out", str(out), "--report", str(report)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert ModelCard.read(tmp_path / "a.json").metrics == (Metric(**figure),)
    report.write_text("{}")
    assert isinstance(CliRunner().invoke(app, arguments).exception, DataError)
