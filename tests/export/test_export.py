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
from click.testing import CliRunner
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from earmark.cli.main import app
from earmark.core.card import CARD_KEY, Metric, ModelCard
from earmark.core.errors import ConfigError, DataError, ModelError
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Vocabulary
from earmark.export import add_embedding, check_signals, export_onnx
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.tagging.runtime import OnnxModel, find_model
from tests.helpers.onnx_files import as_of_old, without_embedding

pytestmark = pytest.mark.slow

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
    (source,), (answer, embedding) = session.get_inputs(), session.get_outputs()
    assert (source.name, source.type, source.shape) == ("waveform", "tensor(float)", ["batch", model.window_samples])
    assert (answer.name, answer.type, answer.shape) == ("probabilities", "tensor(float)", ["batch", 3])
    width = model.layers.last.in_channels
    assert (embedding.name, embedding.type, embedding.shape) == ("embedding", "tensor(float)", ["batch", width])
    waveform = np.random.default_rng(0).standard_normal((5, model.window_samples)).astype(np.float32) * 0.1
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(waveform)).sigmoid().numpy()
    for size in (1, 5):
        (scores,) = session.run(["probabilities"], {"waveform": waveform[:size]})
        np.testing.assert_allclose(scores, expected[:size], atol=1e-5)


def test_card_is_inside_and_beside(exported, card, model):
    card = card.replace(embedding_dims=model.layers.last.in_channels)
    (entry,) = (item for item in onnx.load(exported.path).metadata_props if item.key == CARD_KEY)
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


class Constant(torch.nn.Module):
    """Nothing that is multiplied by weights."""

    def forward(self, features):
        return features[:, :3].mean(dim=2)


def test_a_network_without_dense_or_convolutional_layers_gives_no_embeddings(card, tmp_path):
    other = create_model("ensemble_model1", 3, window_seconds=2, width=0.1, frontend={"n_fft": 512})
    other.layers = Constant()
    other.spare = torch.nn.Linear(2, 2)  # never run
    report = export_onnx(other, card, tmp_path / "x.onnx", check_signals(card.input))
    runtime = OnnxModel(report.path)
    assert runtime.embedding_dims is runtime.card.embedding_dims is None
    assert runtime(check_signals(card.input)).shape == (6, 3)
    with pytest.raises(ModelError, match="gives no embeddings"):
        runtime.with_embedding(check_signals(card.input))


class Unfaithful(torch.nn.Module):
    """Gives the layer behind it another input at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x + self.calls


def test_a_graph_with_other_embeddings_is_not_written(card, tmp_path):
    other = create_model("ensemble_model1", 3, window_seconds=2, width=0.1, frontend={"n_fft": 512})
    torch.nn.init.zeros_(other.layers.last.weight)  # the tags do not tell
    other.layers.dropout = Unfaithful()
    with pytest.raises(ModelError, match="embeddings of PyTorch and ONNX Runtime differ"):
        export_onnx(other, card, tmp_path / "x.onnx", check_signals(card.input))
    assert list(tmp_path.iterdir()) == []


def test_embeddings_are_added_to_an_older_file_and_nothing_else_changes(exported, tmp_path):
    old = without_embedding(exported.path, tmp_path / "old.onnx")
    beside = ModelCard.read(exported.card_path).replace(description="only beside", embedding_dims=None)
    (tmp_path / "old.json").write_text(as_of_old(beside))
    windows = check_signals(beside.input)
    before = OnnxModel(old)
    assert before.embedding_dims is None
    expected = before(windows)
    card = add_embedding(old, tmp_path / "sub" / "new.onnx")
    new = tmp_path / "sub" / "new.onnx"
    assert card == ModelCard.read(new.with_suffix(".json"))
    digest = hashlib.sha256(new.read_bytes()).hexdigest()
    assert card == beside.replace(embedding_dims=card.embedding_dims, weights_sha256=digest)
    after = OnnxModel(new)
    assert after.card == before.card.replace(embedding_dims=after.embedding_dims)
    assert after.embedding_dims == card.embedding_dims == OnnxModel(exported.path).embedding_dims
    scores, embeddings = after.with_embedding(windows)
    assert np.array_equal(scores, expected)
    assert np.array_equal(after(windows), expected)
    np.testing.assert_allclose(embeddings, OnnxModel(exported.path).with_embedding(windows)[1], atol=1e-5)
    assert new.stat().st_size < old.stat().st_size + 1000
    add_embedding(old, old)  # in its place
    assert OnnxModel(old).embedding_dims == card.embedding_dims


def test_embeddings_are_not_added_to_what_is_no_such_file(exported, tmp_path):
    (tmp_path / "text.onnx").write_text("no")
    bare = onnx.load(exported.path)
    bare.ClearField("metadata_props")
    onnx.save(bare, tmp_path / "bare.onnx")
    ends = [
        make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 3]) for name in ("waveform", "probabilities")
    ]
    graph = make_graph([make_node("Sigmoid", ["waveform"], ["probabilities"])], "x", ends[:1], ends[1:])
    layerless = make_model(graph, opset_imports=[make_opsetid("", 18)], ir_version=10)
    layerless.metadata_props.extend(onnx.load(exported.path).metadata_props)
    onnx.save(layerless, tmp_path / "layerless.onnx")
    for path, message in (
        (exported.path, "gives embeddings already"),
        (tmp_path / "text.onnx", "not an ONNX file"),
        (tmp_path / "none.onnx", "not an ONNX file"),
        (tmp_path / "bare.onnx", "without earmark's card"),
        (tmp_path / "layerless.onnx", "no last layer"),
    ):
        with pytest.raises(ModelError, match=message):
            add_embedding(path, tmp_path / "x.onnx")
    with pytest.raises(ConfigError, match="must end in"):
        add_embedding(exported.path, tmp_path / "x.bin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.onnx", "layerless.onnx", "text.onnx"]


def test_the_bundled_model_gives_embeddings_and_its_card_is_true():
    path = find_model()
    runtime, beside = OnnxModel(path), ModelCard.read(path.with_suffix(".json"))
    assert runtime.embedding_dims == runtime.card.embedding_dims == beside.embedding_dims
    assert beside.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_model_is_left_as_it_was(model, card, tmp_path):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        export_onnx(model, card, tmp_path / "x.onnx", check_signals(card.input)[:1])
        assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_too_small_to_matter_are_zero(card, tmp_path):
    """Published weights have subnormal numbers by ten thousands: Intel processors took forty times as long for them."""
    torch.manual_seed(0)
    model = create_model("ensemble_model1", 3, window_seconds=2, width=0.1, frontend={"n_fft": 512}).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d):
                module.weight[0] *= 1e-40
    windows = check_signals(card.input)
    report = export_onnx(model, card, tmp_path / "test.onnx", windows)
    tiny = np.finfo(np.float32).tiny
    for constant in onnx.load(report.path).graph.initializer:
        values = onnx.numpy_helper.to_array(constant)
        if values.dtype == np.float32:
            assert not ((np.abs(values) < tiny) & (values != 0)).any(), constant.name
    with torch.no_grad():
        expected = torch.sigmoid(model(torch.from_numpy(windows))).numpy()
    session = onnxruntime.InferenceSession(report.path, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["probabilities"], {"waveform": windows})[0], expected, atol=1e-5)


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


def test_command_replaces_no_model_without_force(model, card, tmp_path):
    save_checkpoint(tmp_path / "run", model, card)
    out = tmp_path / "model.onnx"
    out.write_bytes(b"another model")
    arguments = ["export", str(tmp_path / "run"), "--out", str(out)]
    refused = CliRunner().invoke(app, arguments).exception
    assert isinstance(refused, ConfigError)
    assert refused.problems == [f"{out}: is there already; --force replaces it"]
    assert out.read_bytes() == b"another model"
    assert not out.with_suffix(".json").exists()
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    assert out.read_bytes() != b"another model"


def test_measured_metrics_go_into_the_card(model, card, tmp_path):
    save_checkpoint(tmp_path / "checkpoint", model, card)
    report = tmp_path / "report.json"
    metric = {"name": "roc_auc", "value": 0.75, "dataset": "emotify", "protocol": "artist-disjoint", "split": "test"}
    report.write_text(json.dumps({"metrics": [metric]}))
    out = tmp_path / "a.onnx"
    arguments = ["export", str(tmp_path / "checkpoint"), "--out", str(out), "--report", str(report)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert ModelCard.read(tmp_path / "a.json").metrics == (Metric(**metric),)
    report.write_text("{}")
    assert isinstance(CliRunner().invoke(app, arguments).exception, DataError)
