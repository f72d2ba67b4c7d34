"""Importers on made files: what they take, and what they refuse and how they say it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from earmark.core import published_weights as published
from earmark.core.errors import ConfigError, ModelError
from earmark.core.published_weights import all_published, find_published, published_by_hash
from earmark.core.spectrum import LogMelConfig, mel_filterbank
from earmark.core.tag_lists import VOCABULARIES, load_vocabulary
from earmark.core.vocabulary import CATEGORIES
from earmark.importers.convert import convert_weights
from earmark.importers.detect_format import import_weights
from earmark.models import create_model, list_models
from earmark.models.checkpoint import load_checkpoint
from tests.helpers.imported import answers, refusal


@pytest.fixture(scope="module")
def crnn():
    torch.manual_seed(0)
    return create_model("crnn", 50).eval()


@pytest.fixture(scope="module")
def state(crnn):
    """The network's weights as the published PyTorch files name them."""
    config = LogMelConfig(16000, 512, 256, 96, mel_scale="htk", norm=None)
    named = {
        "spec.spectrogram.window": torch.hann_window(512),
        "spec.mel_scale.fb": torch.from_numpy(mel_filterbank(config).T.astype(np.float32)),
    }
    for name, value in crnn.state_dict().items():
        name = name.replace("norm_input", "spec_bn").replace("recurrent", "layer5").replace("last", "dense")
        name = re.sub(r"layers\.(\d)\.0", lambda match: f"layer{int(match[1]) + 1}.conv", name)
        name = re.sub(r"layers\.(\d)\.1", lambda match: f"layer{int(match[1]) + 1}.bn", name)
        named[name] = value
    return named


@pytest.fixture(scope="module")
def vgg():
    torch.manual_seed(0)
    model = create_model("musicnn_vgg", 50)
    with torch.no_grad():
        model(torch.randn(4, model.window_samples) * 0.1)  # running statistics that are not the fresh ones
    return model.eval()


@pytest.fixture(scope="module")
def arrays(vgg):
    """The network's weights as the published Keras files hold them."""
    own = {name: value.numpy() for name, value in vgg.state_dict().items()}
    held = {}

    def norm(layer, ours):
        for kind, name in zip(
            ("gamma", "beta", "moving_mean", "moving_variance"),
            ("weight", "bias", "running_mean", "running_var"),
            strict=True,
        ):
            held[f"{layer}/{layer}/{kind}:0"] = own[f"{ours}.{name}"]

    norm("bn_input", "norm_input")
    for i in range(5):
        held[f"{i + 1}CNN/{i + 1}CNN/kernel_1:0"] = np.einsum("oibt->tbio", own[f"layers.{i}.0.weight"])
        held[f"{i + 1}CNN/{i + 1}CNN/bias_1:0"] = own[f"layers.{i}.0.bias"]
        norm(f"bn_conv{i + 1}", f"layers.{i}.2")
    by_frame = own["last.weight"].reshape(50, 128, 2).transpose(2, 1, 0)  # frame, channel, tag
    held["output/output/kernel:0"] = by_frame.reshape(256, 50)
    held["output/output/bias:0"] = own["last.bias"]
    return held


def write_keras(path, arrays, root="model_weights"):
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[f"{root}/{name}"] = value
    return path


def write_torch(path, value, zipped=False):
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def publish(monkeypatch, path, name):
    """Let a made file count as the published one of that name."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    made = [dataclasses.replace(item, sha256=sha256) if item.name == name else item for item in all_published()]
    monkeypatch.setattr(published, "all_published", lambda: tuple(made))


@pytest.mark.slow
def test_keras_weights_come_over_into_network_and_card(tmp_path, monkeypatch, vgg, arrays):
    path = write_keras(tmp_path / "any name.bin", arrays)
    publish(monkeypatch, path, "vgg-mtt")
    model, card = import_weights(path)
    torch.testing.assert_close(answers(model), answers(vgg))
    assert card.name == "vgg-mtt"
    assert card.vocabulary == load_vocabulary("mtat-50")
    assert (card.input.window_samples, card.input.hop_samples) == (48128, 187 * 256)
    assert card.licence == "ISC"
    assert any("Pons" in citation for citation in card.citations)


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [False, True])
def test_pytorch_weights_come_over_into_network_and_card(tmp_path, monkeypatch, crnn, state, zipped):
    path = write_torch(tmp_path / "x.pth", state, zipped)
    publish(monkeypatch, path, "crnn-msd")
    model, card = import_weights(path)
    assert not model.training
    assert torch.equal(answers(model), answers(crnn))
    assert (card.name, card.architecture, card.licence) == ("crnn-msd", "crnn", "MIT")
    assert card.vocabulary == load_vocabulary("msd-50")
    assert card.input.window_samples == card.input.hop_samples == 464000


@pytest.mark.slow
def test_weights_of_efficientat_come_over_into_network_and_card(tmp_path, monkeypatch):
    torch.manual_seed(0)
    mn04 = create_model("efficientat_mn", 527, width=0.4).eval()
    named = {
        name.replace("layers.", "features.", 1)
        .replace(".fc", ".conc_se_layers.0.fc")
        .replace("hidden.", "classifier.2.")
        .replace("last.", "classifier.5."): value
        for name, value in mn04.state_dict().items()
    }
    path = write_torch(tmp_path / "x.pt", named, zipped=True)
    assert "efficientat_mn (PyTorch, 527 tags), but is none of the published files" in refusal(path)
    publish(monkeypatch, path, "mn04")
    model, card = import_weights(path)
    waveform = torch.randn(1, 32000) * 0.1
    with torch.inference_mode():
        assert torch.equal(model(waveform), mn04(waveform))
    assert (card.name, card.architecture, card.input.sample_rate_hz) == ("mn04", "efficientat_mn", 32000)
    assert card.vocabulary == load_vocabulary("audioset-527")
    changed = {
        **named,
        "features.4.block.2.conc_se_layers.0.fc1.weight": torch.zeros(8, 24),
        "features.17.0.weight": torch.zeros(2),
    }
    del changed["classifier.5.bias"]
    message = refusal(write_torch(tmp_path / "y.pt", changed))
    assert "not the layers of efficientat_mn (PyTorch, 527 tags)" in message
    assert "expected classifier.5.bias (527,) float32, found none" in message
    assert "features.4.block.2.conc_se_layers.0.fc1.weight: expected (8, 32) float32, found (8, 24) float32" in message
    assert "found features.17.0.weight (2,) float32, expected no such layer" in message


@pytest.mark.slow
def test_converted_it_is_a_checkpoint_and_an_onnx_file(tmp_path, monkeypatch, vgg, arrays):
    path = write_keras(tmp_path / "x.h5", arrays)
    publish(monkeypatch, path, "vgg-msd")
    card, report = convert_weights(path, tmp_path / "out")
    assert {item.name for item in (tmp_path / "out").iterdir()} == {
        "model.safetensors", "card.json", "vgg-msd.onnx", "vgg-msd.json",
    }  # fmt: skip
    model, loaded = load_checkpoint(tmp_path / "out")
    assert loaded == card
    torch.testing.assert_close(answers(model), answers(vgg))
    assert report.max_abs_difference < 1e-4


@pytest.mark.slow
def test_layers_that_fit_but_weights_that_are_not_published_are_refused(tmp_path, arrays, state):
    for path, title in (
        (write_keras(tmp_path / "x.h5", arrays), "musicnn_vgg"),
        (write_torch(tmp_path / "x.pth", state), "crnn"),
    ):
        message = refusal(path)
        assert title in message
        assert "none of the published files" in message
        assert hashlib.sha256(path.read_bytes()).hexdigest() in message
        assert "so that the tags of its outputs are unknown" in message


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, state):
    marker = tmp_path / "was run"

    class Malicious:
        def __reduce__(self):
            return os.system, (f"touch '{marker}'",)

    files = {
        "legacy": write_torch(tmp_path / "legacy.pth", {**state, "dense.bias": Malicious()}),
        "zip": write_torch(tmp_path / "zip.pth", {**state, "extra": Malicious()}, zipped=True),
        "pickle": tmp_path / "bare.pth",
    }
    files["pickle"].write_bytes(pickle.dumps(Malicious(), protocol=2))
    for path in files.values():
        message = refusal(path)
        assert "would run code" in message
        assert "system" in message
    newer = tmp_path / "newer.pth"
    newer.write_bytes(pickle.dumps(Malicious(), protocol=5))
    assert "could run code" in refusal(newer)
    assert not marker.exists()
    with pytest.raises(ModelError):
        convert_weights(files["legacy"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_whole_pickled_network_is_refused(tmp_path, crnn):
    assert "would run code" in refusal(write_torch(tmp_path / "x.pth", crnn))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pytorch_file_that_is_cut_short_is_refused(tmp_path, state, zipped):
    content = write_torch(tmp_path / "whole.pth", state, zipped).read_bytes()
    for share in (0.0001, 0.001, 0.01, 0.3, 0.7, 0.99, 0.99999):
        path = tmp_path / "short.pth"
        path.write_bytes(content[: int(len(content) * share)])
        assert "cut short" in refusal(path)


def test_a_keras_file_that_is_cut_short_is_refused(tmp_path, arrays):
    content = write_keras(tmp_path / "whole.h5", arrays).read_bytes()
    for share in (0.00001, 0.001, 0.01, 0.3, 0.7, 0.99, 0.9999):
        path = tmp_path / "short.h5"
        path.write_bytes(content[: int(len(content) * share)])
        assert "cut short" in refusal(path)


@pytest.mark.slow
def test_a_damaged_file_is_refused(tmp_path, arrays, state):
    rng = np.random.default_rng(0)
    for name, content in (
        ("x.h5", write_keras(tmp_path / "whole.h5", arrays).read_bytes()),
        ("x.pth", write_torch(tmp_path / "whole.pth", state).read_bytes()),
    ):
        for _ in range(40):
            damaged = bytearray(content)
            for place in rng.integers(8, 8000, 20):  # where names and shapes stand
                damaged[place] = rng.integers(256)
            path = tmp_path / name
            path.write_bytes(damaged)
            refusal(path)


def test_missing_foreign_and_misshapen_layers_are_reported(tmp_path, arrays, state):
    changed = {**state, "layer6.weight": torch.zeros(3), "layer1.conv.bias": torch.zeros(7)}
    del changed["dense.bias"]
    message = refusal(write_torch(tmp_path / "x.pth", changed))
    assert "crnn (PyTorch, 50 tags)" in message
    assert "expected dense.bias (50,) float32, found none" in message
    assert "found layer6.weight (3,) float32, expected no such layer" in message
    assert "layer1.conv.bias: expected (64,) float32, found (7,) float32" in message

    changed = {**arrays, "2CNN/2CNN/kernel_1:0": np.zeros((5, 3, 128, 128), np.float32), "x/y:0": np.zeros(2)}
    del changed["bn_conv3/bn_conv3/gamma:0"]
    message = refusal(write_keras(tmp_path / "x.h5", changed))
    assert "musicnn_vgg (Keras, 50 tags)" in message
    assert "expected bn_conv3/gamma (128,) float32, found none" in message
    assert "found x/y (2,) float64, expected no such layer" in message
    assert "2CNN/kernel: expected (3, 3, 128, 128) float32, found (5, 3, 128, 128) float32" in message


def test_another_number_of_tags_is_reported(tmp_path, state):
    changed = {**state, "dense.weight": torch.zeros(30, 32), "dense.bias": torch.zeros(30)}
    message = refusal(write_torch(tmp_path / "x.pth", changed))
    assert "dense.weight: expected (50, 32) float32, found (30, 32) float32" in message


def test_half_precision_is_reported(tmp_path, state):
    changed = {**state, "dense.bias": state["dense.bias"].half()}
    assert "dense.bias: expected (50,) float32, found (50,) float16" in refusal(write_torch(tmp_path / "x", changed))


def test_another_spectrogram_is_refused(tmp_path, state):
    changed = {**state, "spec.mel_scale.fb": state["spec.mel_scale.fb"] * 1.01}
    assert "spec.mel_scale.fb is of another spectrogram" in refusal(write_torch(tmp_path / "x.pth", changed))
    changed["spec.mel_scale.fb"] = state["spec.mel_scale.fb"] * float("nan")
    assert "spec.mel_scale.fb is of another spectrogram" in refusal(write_torch(tmp_path / "x.pth", changed))


def test_weights_of_another_network_are_refused(tmp_path):
    message = refusal(write_torch(tmp_path / "x.pth", {"encoder.weight": torch.zeros(2, 2)}))
    assert "expected the layers of fcn4 (PyTorch" in message
    assert "found 1 arrays of another network (encoder.weight)" in message
    message = refusal(write_keras(tmp_path / "x.h5", {"a/a/kernel:0": np.zeros((2, 2), np.float32)}))
    assert "expected the layers of musicnn (Keras" in message
    message = refusal(write_keras(tmp_path / "y.h5", {"a/a/kernel:0": np.zeros((2, 2))}, root="elsewhere"))
    assert "expected a Keras model with the group 'model_weights'; found elsewhere" in message


@pytest.mark.parametrize(
    "value", [[torch.zeros(2)], {"epoch": 3, "state_dict": {}}, torch.zeros(3), {1: torch.zeros(2)}]
)
def test_other_things_saved_with_pytorch_are_refused(tmp_path, value):
    assert f"found a {type(value).__name__}" in refusal(write_torch(tmp_path / "x.pth", value))


def test_other_files_are_refused(tmp_path):
    for content, found in ((b"", "an empty file"), (b"RIFF0000WAVE", "RIFF0000"), (b"\x0a\x30frozen graph", "begin")):
        path = tmp_path / "x"
        path.write_bytes(content)
        message = refusal(path)
        assert "expected Keras HDF5, a PyTorch state dict" in message
        assert found in message
    assert "cannot be read" in refusal(tmp_path / "none.h5")
    assert "cannot be read" in refusal(tmp_path)
    with (tmp_path / "large.h5").open("wb") as file:
        file.truncate(1 << 29)
    assert "no published weights have more" in refusal(tmp_path / "large.h5")


def test_registry_is_sound():
    items = all_published()
    for distinct in ("name", "sha256", "file_name"):
        assert len({getattr(item, distinct) for item in items}) == len(items) >= 21
    for item in items:
        assert re.fullmatch(r"[0-9a-f]{64}", item.sha256)
        assert item.architecture in list_models()
        assert item.vocabulary in VOCABULARIES
        assert item.addresses
        assert all(address.startswith("https://") for address in item.addresses)
        assert item.licence in ("ISC", "MIT", "CC BY-NC-SA 4.0")
        assert len(item.citations) >= 2
        assert find_published(item.name) is item
        assert published_by_hash(item.sha256, *(shard.sha256 for shard in item.shards)) is item
        for shard in item.shards:
            assert Path(shard.file_name).parent == Path(item.file_name).parent
            assert all(address.startswith("https://") for address in shard.addresses)
        for equal in item.equal_files:
            assert published_by_hash(*equal) is item
            assert published_by_hash(*equal, "0" * 64) is None
        assert item.total_bytes == item.size_bytes + sum(shard.size_bytes for shard in item.shards)
        assert len(item.outputs) in (0, len(load_vocabulary(item.vocabulary)))
    with pytest.raises(ModelError, match=r"did you mean .*musicnn-mtt"):
        find_published("musicnn-mt")
    assert published_by_hash("0" * 64) is None


@pytest.mark.parametrize("name", [name for name in VOCABULARIES if name[-1].isdigit()])
def test_vocabularies_have_as_many_tags_as_their_names_say_with_categories(name):
    vocabulary = load_vocabulary(name)
    assert len(vocabulary) == int(name.rpartition("-")[2])
    assert {tag.category for tag in vocabulary} <= set(CATEGORIES)
    assert len({tag.category for tag in vocabulary}) >= 4
    assert {tag.kind for tag in vocabulary} == {"classification"}


def test_vocabularies_are_one_to_a_kind_of_network():
    assert set(VOCABULARIES) == {item.vocabulary for item in all_published()}
    assert [load_vocabulary(f"essentia-{name}").names for name in ("happy", "voice")] == [
        ("happy",),
        ("instrumental", "voice"),
    ]


def test_an_unknown_vocabulary_is_refused():
    with pytest.raises(ConfigError, match="mtat-50, msd-50, mtg-jamendo-50"):
        load_vocabulary("mtat-51")


@pytest.mark.slow
def test_the_command_imports(tmp_path, monkeypatch, arrays):
    from earmark.cli.main import app

    path = write_keras(tmp_path / "x.h5", arrays)
    publish(monkeypatch, path, "vgg-mtt")
    result = CliRunner().invoke(app, ["import-weights", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "vgg-mtt" in result.output
    assert (tmp_path / "out" / "vgg-mtt.onnx").is_file()
    assert (tmp_path / "out" / "card.json").is_file()

    before = {file: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    publish(monkeypatch, path, "vgg-msd")  # as if it were another one
    arguments = ["import-weights", str(path), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, arguments).exception
    assert isinstance(refused, ConfigError)
    assert [line.partition(":")[0] for line in refused.problems] == [
        str(tmp_path / "out" / name) for name in ("model.safetensors", "card.json")
    ]
    assert {file: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    assert "vgg-msd" in (tmp_path / "out" / "card.json").read_text()
