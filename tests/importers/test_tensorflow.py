"""TensorFlow's files, made here with random weights: what is taken, what is refused, and how it is said."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.core import published_weights as published
from earmark.core.errors import ModelError
from earmark.core.published_weights import PublishedFile, all_published, find_published
from earmark.core.tag_lists import load_vocabulary
from earmark.importers.convert import convert_weights
from earmark.importers.detect_format import import_weights
from earmark.importers.tensorflow_graph import is_frozen_graph, read_frozen_graph, read_tfjs
from earmark.models import create_model
from tests.helpers.imported import answers, refusal

LAYERS = ("timbral.0", "timbral.1", "temporal.0", "temporal.1", "temporal.2", "residual1", "residual2", "residual3")
NORMS = ("norm_input", *(f"{layer}.norm" for layer in LAYERS), "norm_pooled.0", "norm_dense")


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, value: bytes | int) -> bytes:
    """A field of a protobuf message: an integer, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def const(name: str, values: np.ndarray, dtype: int = 1) -> bytes:
    """A node with weights, as TensorFlow writes it; a single number is a list, not raw bytes."""
    shape = b"".join(field(2, field(1, n)) for n in values.shape)
    numbers = field(5, values.tobytes()) if values.size == 1 and dtype == 1 else field(4, values.tobytes())
    tensor = field(1, dtype) + field(2, shape) + numbers
    attributes = field(5, field(1, b"dtype") + field(2, field(6, dtype))) + field(
        5, field(1, b"value") + field(2, field(8, tensor))
    )
    return field(1, field(1, name.encode()) + field(2, b"Const") + attributes)


def graph(arrays: dict[str, np.ndarray]) -> bytes:
    nodes = [field(1, field(1, b"model/Placeholder") + field(2, b"Placeholder"))]
    nodes += [const("model/concat/axis", np.array([2, 3], "<i4"), 3), const("model/add/y", np.array(0.001, "<f4"))]
    nodes += [const(name, values) for name, values in arrays.items()]
    nodes += [field(1, field(1, b"model/Sigmoid") + field(2, b"Sigmoid") + field(3, b"model/dense_2/BiasAdd"))]
    return b"".join(nodes) + field(4, field(1, 987))  # versions


def tfjs(arrays: dict[str, np.ndarray], **changes: object) -> tuple[bytes, bytes]:
    """model.json and the file with the weights."""
    weights = [{"name": "model/axis", "shape": [], "dtype": "int32"}]
    weights += [{"name": name, "shape": list(values.shape), "dtype": "float32"} for name, values in arrays.items()]
    manifest = [{"paths": ["group1-shard1of1.bin"], "weights": weights}]
    document = {"format": "graph-model", "modelTopology": {"node": []}, "weightsManifest": manifest, **changes}
    return json.dumps(document).encode(), bytes(4) + b"".join(values.tobytes() for values in arrays.values())


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    model = create_model("musicnn", 2, head_units=100, frontend={"periodic_window": False})
    with torch.no_grad():
        model(torch.randn(4, model.window_samples) * 0.1)  # running statistics that are not the fresh ones
    return model.eval()


def named_arrays(model, folded: bool) -> dict[str, np.ndarray]:
    """A network's weights as Essentia's files name and order them."""
    own = {name: value.numpy() for name, value in model.state_dict().items()}
    for name in [name for name in own if name.startswith("norm_pooled.") or name == "dense.weight"]:
        half = own[name].shape[-1] // 2 if own[name].ndim else 0
        if half:  # maxima and means in pairs
            own[name] = np.stack([own[name][..., :half], own[name][..., half:]], axis=-1).reshape(own[name].shape)
    dense = ["dense", "head.0", "last"] if "head.0.weight" in own else ["dense", "last"]
    arrays = {}
    for kind, layers in (("conv2d", [f"{layer}.conv" for layer in LAYERS]), ("dense", dense)):
        for i, ours in enumerate(layers):
            theirs, weight = f"{kind}_{i}" if i else kind, own[f"{ours}.weight"]
            if weight.ndim == 3:
                weight = weight[:, None].swapaxes(1, 2).reshape(weight.shape[0], 1, *weight.shape[1:])
            arrays[f"{theirs}/kernel"] = np.ascontiguousarray(weight.T)
            arrays[f"{theirs}/bias"] = own[f"{ours}.bias"]
    for i, ours in enumerate(NORMS):
        theirs = f"batch_normalization_{i}" if i else "batch_normalization"
        gamma, beta, mean, variance = (own[f"{ours}.{x}"] for x in ("weight", "bias", "running_mean", "running_var"))
        factor = gamma / np.sqrt(variance + np.float32(1e-3))
        if not folded:
            named = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
            arrays.update({f"{theirs}/{kind}": values for kind, values in named.items()})
        else:
            scale, offset = (
                ("FusedBatchNormV3/Scaled", "FusedBatchNormV3/Offset") if i < 9 else ("batchnorm/mul", "batchnorm/sub")
            )
            arrays[f"model/{theirs}/{scale}"], arrays[f"model/{theirs}/{offset}"] = factor, beta - mean * factor
    return {name: values.astype("<f4") for name, values in arrays.items()}


@pytest.fixture(scope="module")
def arrays(classifier):
    return named_arrays(classifier, folded=False)


@pytest.fixture(scope="module")
def folded(classifier):
    return named_arrays(classifier, folded=True)


def publish(monkeypatch, name: str, content: bytes, *shards: bytes) -> None:
    """Let a made file count as the published one of that name."""
    sha256, *others = (hashlib.sha256(part).hexdigest() for part in (content, *shards))
    parts = tuple(PublishedFile("group1-shard1of1.bin", other, 1, ("https://x/y",)) for other in others)
    item = dataclasses.replace(find_published(name), sha256=sha256, shards=parts)
    monkeypatch.setattr(published, "all_published", lambda: (*(p for p in all_published() if p.name != name), item))


def write_folder(folder: Path, content: bytes, shard: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_bytes(content)
    (folder / "group1-shard1of1.bin").write_bytes(shard)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("name", "output"), [("essentia-happy", 0), ("essentia-relaxed", 1)])
def test_a_frozen_graph_becomes_network_and_card(tmp_path, monkeypatch, classifier, arrays, name, output):
    """Of a pair of opposites the positive one is kept: the first or the second, as the file has it."""
    path = tmp_path / "any name"
    path.write_bytes(graph(arrays))
    publish(monkeypatch, name, graph(arrays))
    model, card = import_weights(path)
    torch.testing.assert_close(answers(model), answers(classifier)[:, [output]])
    assert (card.name, card.vocabulary) == (name, load_vocabulary(name))
    assert card.architecture_options["head_units"] == 100
    assert card.input.hop_samples == 187 * 256
    assert card.licence == "CC BY-NC-SA 4.0"
    assert any("CC BY-NC-ND 4.0" in limit for limit in card.limits)
    assert card.training["source_sha256"] == hashlib.sha256(graph(arrays)).hexdigest()


@pytest.mark.slow
def test_a_tfjs_model_is_read_by_its_folder_or_by_its_json(tmp_path, monkeypatch, classifier, folded):
    content, shard = tfjs(folded)
    folder = write_folder(tmp_path / "model", content, shard)
    publish(monkeypatch, "essentia-sad", content, shard)
    for path in (folder, folder / "model.json"):
        model, card = import_weights(path)
        torch.testing.assert_close(answers(model), answers(classifier)[:, [1]], rtol=1e-4, atol=1e-4)
        assert card.name == "essentia-sad"
        assert card.training["source_shards"] == {"group1-shard1of1.bin": hashlib.sha256(shard).hexdigest()}


@pytest.mark.slow
def test_a_classifier_of_more_classes_keeps_all(tmp_path, monkeypatch):
    torch.manual_seed(1)
    genres = create_model("musicnn", 8, head_units=100, frontend={"periodic_window": False}).eval()
    content = graph(named_arrays(genres, folded=False))
    (tmp_path / "x.pb").write_bytes(content)
    publish(monkeypatch, "essentia-genre", content)
    model, card = import_weights(tmp_path / "x.pb")
    torch.testing.assert_close(answers(model), answers(genres))
    assert card.vocabulary.names[0] == "classical"


@pytest.mark.slow
def test_it_becomes_an_onnx_file(tmp_path, monkeypatch, arrays):
    content = graph(arrays)
    (tmp_path / "x.pb").write_bytes(content)
    publish(monkeypatch, "essentia-happy", content)
    card, report = convert_weights(tmp_path / "x.pb", tmp_path / "out")
    assert card.vocabulary.names == ("happy",)
    assert report.path.name == "essentia-happy.onnx"
    assert report.max_abs_difference < 1e-4


@pytest.mark.slow
def test_weights_that_are_not_published_are_refused(tmp_path, arrays, folded):
    (tmp_path / "x.pb").write_bytes(graph(arrays))
    message = refusal(tmp_path / "x.pb")
    assert "musicnn (TensorFlow, 2 outputs), but is none of the published files" in message
    folder = write_folder(tmp_path / "model", *tfjs(folded))
    assert "musicnn (TensorFlow.js, 2 outputs), but is none of the published files" in refusal(folder)


def test_published_names_with_other_weights_are_refused(tmp_path, monkeypatch, folded):
    """The hash of model.json alone says nothing of the weights."""
    content, shard = tfjs(folded)
    publish(monkeypatch, "essentia-sad", content, shard)
    changed = shard[:-1] + bytes([shard[-1] ^ 1])
    assert "none of the published files" in refusal(write_folder(tmp_path / "model", content, changed))


@pytest.mark.slow
def test_cut_short_anywhere_it_is_refused(tmp_path, monkeypatch, arrays, folded):
    content = graph(arrays)
    path = tmp_path / "x.pb"
    for size in np.geomspace(60, len(content) - 1, 12).astype(int):
        path.write_bytes(content[:size])
        assert "cut short" in refusal(path)
    content, shard = tfjs(folded)
    for size in (0, 4, 1000, len(shard) - 1):
        assert "cut short" in refusal(write_folder(tmp_path / "model", content, shard[:size]))
    for size in (200, len(content) - 1):
        folder = write_folder(tmp_path / "model", content[:size] + b'"weightsManifest"', shard)
        assert "cut short" in refusal(folder)


@pytest.mark.slow
def test_damage_anywhere_is_refused(tmp_path, arrays, folded):
    rng = np.random.default_rng(0)
    small = graph({name: values[:1] for name, values in list(arrays.items())[:12]})
    content, shard = tfjs(folded)
    for _ in range(200):
        damaged = bytearray(small)
        for place in rng.integers(3, len(small), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "x.pb").write_bytes(damaged)
        refusal(tmp_path / "x.pb")
        damaged = bytearray(content)
        for place in rng.integers(1, len(content), 3):
            damaged[place] = rng.integers(256)
        refusal(write_folder(tmp_path / "model", bytes(damaged), shard[:100]))


@pytest.mark.parametrize("shape", [(2**62, 2**62), (2**63 - 1,), (2**64 - 1,), (7,)])
def test_sizes_that_cannot_be_are_damage(shape):
    axes = b"".join(field(2, field(1, n)) for n in shape)
    tensor = field(1, 1) + field(2, axes) + field(4, bytes(8))
    node = field(1, b"conv2d/kernel") + field(2, b"Const") + field(5, field(1, b"value") + field(2, field(8, tensor)))
    with pytest.raises(ModelError, match=r"x: conv2d/kernel: expected .* found 8 bytes of it"):
        read_frozen_graph(field(1, node), "x")


def test_missing_foreign_and_misshapen_layers_are_reported(tmp_path, arrays):
    changed = {**arrays, "conv2d_9/bias": np.zeros(3, "<f4"), "conv2d_2/bias": np.zeros(7, "<f4")}
    del changed["dense/bias"]
    (tmp_path / "x.pb").write_bytes(graph(changed))
    message = refusal(tmp_path / "x.pb")
    assert "expected dense/bias (200,) float32, found none" in message
    assert "found conv2d_9/bias (3,) float32, expected no such layer" in message
    assert "conv2d_2/bias: expected (51,) float32, found (7,) float32" in message


def test_graphs_of_other_networks_are_refused(tmp_path, arrays):
    (tmp_path / "x.pb").write_bytes(graph({"layer/kernel": np.zeros((2, 2), "<f4")}))
    assert "found 1 arrays of another network (layer/kernel)" in refusal(tmp_path / "x.pb")
    three = {**arrays, "dense_2/kernel": np.zeros((100, 3), "<f4"), "dense_2/bias": np.zeros(3, "<f4")}
    (tmp_path / "x.pb").write_bytes(graph(three))
    assert "dense_2/bias: expected (2,) float32, found (3,) float32" in refusal(tmp_path / "x.pb")


@pytest.mark.parametrize("name", ["../x.bin", "/etc/passwd", "", ".", "..", "a\\b", "a/b.bin", "a\0b"])
def test_shards_elsewhere_are_not_read(tmp_path, name):
    manifest = [{"paths": [name], "weights": []}]
    folder = write_folder(tmp_path / "model", tfjs({}, weightsManifest=manifest)[0], b"")
    assert "must be the name of a file beside it" in refusal(folder)


def test_absent_and_too_many_shards_are_reported(tmp_path):
    folder = write_folder(tmp_path / "model", tfjs({}, weightsManifest=[{"paths": ["b.bin"], "weights": []}])[0], b"")
    with pytest.raises(ModelError, match=r"b\.bin: the weights cannot be read"):
        import_weights(folder)
    write_folder(folder, tfjs({}, weightsManifest=[{"paths": ["b.bin"] * 65, "weights": []}])[0], b"")
    assert "names 65 further files" in refusal(folder)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, "damaged or cut short"),
        ([{}], "damaged or cut short"),
        ([{"paths": [], "weights": [{"name": "a", "shape": [1.5], "dtype": "float32"}]}], "the model.json is damaged"),
        ([{"paths": [1], "weights": []}], "the model.json is damaged"),
        (
            [{"paths": [], "weights": [{"name": "a", "shape": [1], "dtype": "uint8"}]}],
            "stored with fewer bits or as uint8",
        ),
        (
            [{"paths": [], "weights": [{"name": "a", "shape": [1], "dtype": "float32", "quantization": {}}]}],
            "fewer bits",
        ),
    ],
)
def test_unsound_lists_of_weights_are_refused(manifest, said):
    content = tfjs({}, weightsManifest=manifest)[0]
    with pytest.raises(ModelError, match=said):
        read_tfjs(content, [], "x")


def test_weights_left_over_are_reported():
    content, shard = tfjs({"a": np.zeros(3, "<f4")})
    assert read_tfjs(content, [shard], "x")["a"].shape == (3,)
    with pytest.raises(ModelError, match=r"group1-shard1of1\.bin: expected 16 bytes of weights, found 20"):
        read_tfjs(content, [shard + bytes(4)], "x")


def test_other_files_are_no_graphs():
    assert is_frozen_graph(field(1, field(1, b"x" * 200) + field(2, b"Const")))
    for content in (b"", b"\n", b"\x0a\x30frozen graph", b"\n\xff\xff\xff\xff\xff\xff", b"RIFF", b"# a\n\nb"):
        assert not is_frozen_graph(content)


@pytest.mark.parametrize(
    ("shape", "n_numbers"), [((-1, -4), 4), ((1,) * 70, 1), ((0, -5), 0), ((2**62, 0), 0), ((0,) * 70, 0)]
)
@pytest.mark.parametrize("as_list", [True, False])
def test_shapes_that_no_array_has(shape: tuple[int, ...], n_numbers: int, as_list: bool) -> None:
    sizes = b"".join(field(2, field(1, n % 2**64)) for n in shape)
    numbers = field(5 if as_list else 4, bytes(4 * n_numbers))
    tensor = field(1, 1) + field(2, sizes) + numbers
    node = field(1, field(1, b"a") + field(2, b"Const") + field(5, field(1, b"value") + field(2, field(8, tensor))))
    with pytest.raises(ModelError, match="damaged"):
        read_frozen_graph(node, "a.pb")
    if min(shape) >= 0:
        weights = [{"name": "x", "shape": list(shape), "dtype": "float32"}]
        content = json.dumps({"weightsManifest": [{"paths": ["a"], "weights": weights}]}).encode()
        with pytest.raises(ModelError, match="damaged"):
            read_tfjs(content, [bytes(4 * n_numbers)], "model.json")


def test_graphs_of_millions_of_empty_nodes() -> None:
    """In memory a message is 35 times as large as in the file."""
    with pytest.raises(ModelError, match="no published graph has more"):
        read_frozen_graph(field(1, field(1, b"a")) + b"\n\0" * (10 << 20), "a.pb")
