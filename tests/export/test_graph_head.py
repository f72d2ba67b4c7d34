"""A trunk and a head as one file: the same numbers as both apart, for every layer and pooling."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from earmark.core.errors import ConfigError, ModelError
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Vocabulary
from earmark.evaluation.torch_model import TorchModel
from earmark.export.graph_head import export_head, trunk_of
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.probes.head import Head
from earmark.tagging.layer_pooling import channels_last, pool_frames
from earmark.tagging.onnx_layers import layer_shapes
from earmark.tagging.runtime import OnnxModel, find_model
from earmark.tagging.tagger import load_tagger

TAGS = Vocabulary.of(["rock", "jazz", "loud"])


def head_for(n_dims: int, hidden: int, softmax: tuple[int, ...]) -> Head:
    rng = np.random.default_rng(0)
    sizes = [n_dims, *([hidden] if hidden else []), 3]
    layers = [
        (rng.normal(0, n_in**-0.5, (n_out, n_in)).astype(np.float32), rng.normal(size=n_out).astype(np.float32))
        for n_in, n_out in pairwise(sizes)
    ]
    return Head(tuple(layers), softmax)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "within", "hidden", "softmax"),
    [
        ("embedding", "mean", 0, ()),
        ("embedding", "mean+std", 8, (0, 1, 2)),
        ("relu_9", "mean", 0, (0, 1)),
        ("relu_9", "max", 5, ()),
        ("relu_9", "mean+std", 0, ()),
        ("max_pool2d", "mean+std", 0, (0, 1, 2)),  # channels, frequency, time
        ("probabilities", "mean", 4, ()),
        ("linear_1", "mean", 0, ()),
    ],
)
def test_it_gives_what_trunk_and_head_give(
    tmp_path: Path, layer: str, within: Any, hidden: int, softmax: tuple[int, ...]
) -> None:
    trunk = OnnxModel(find_model(), layer=layer)
    shape = layer_shapes(find_model().read_bytes())[layer]
    n_dims = int(shape[0]) * (2 if within == "mean+std" else 1)
    head = head_for(n_dims, hidden, softmax)
    classes = tuple(TAGS.names[i] for i in softmax)
    rules = TagConstraints(exclusive=(classes,) if classes else ())
    card = trunk.card.replace(name="new", vocabulary=TAGS, thresholds={}, calibration={}, rules=rules, softmax=classes)

    def expected(windows: np.ndarray) -> np.ndarray:
        return head(pool_frames(channels_last(trunk.layer_values(windows), None), within)[:, 0])

    out = tmp_path / "new.onnx"
    written = export_head(
        find_model().read_bytes(), card, out, layer=layer, layers=head.layers, within=within, expected=expected
    )
    tagger = load_tagger(out, embeddings=True)
    assert tagger.card.vocabulary == TAGS
    assert tagger.embedding_dims == n_dims == written.embedding_dims
    noise = np.random.default_rng(1).normal(0, 0.1, trunk.card.input.window_samples * 2)
    found = tagger.tag_waveform(noise, trunk.card.input.sample_rate_hz)
    windows = noise.reshape(2, -1).astype(np.float32)
    np.testing.assert_allclose(found.scores, expected(windows).mean(axis=0), atol=1e-4)
    assert (tmp_path / "new.json").is_file()


def test_what_only_the_old_tags_need_is_left_out(tmp_path: Path) -> None:
    card = OnnxModel(find_model()).card.replace(vocabulary=TAGS, thresholds={}, calibration={}, rules=TagConstraints())
    export_head(
        find_model().read_bytes(), card, tmp_path / "x.onnx", layer="relu_9", layers=head_for(320, 0, ()).layers
    )
    before, after = onnx.load(find_model()).graph, onnx.load(tmp_path / "x.onnx").graph
    gone = {node.op_type for node in before.node} - {node.op_type for node in after.node}
    assert "ReduceMax" in gone
    assert not {"linear", "linear_1", "trunk_embedding"} & {name for node in after.node for name in node.output}
    used = {name for node in after.node for name in node.input}
    assert all(item.name in used for item in after.initializer)


@pytest.mark.slow
@pytest.mark.parametrize("layer", [None, "convolutions.1"])
def test_a_checkpoint_is_a_trunk(tmp_path: Path, layer: str | None) -> None:
    torch.manual_seed(0)
    model = create_model("samplecnn_basic", 2, n_samples=3**6, sample_rate_hz=8000, width=0.0625).eval()
    name = layer
    if layer is not None:
        name = next(n for n, module in model.named_modules() if isinstance(module, torch.nn.Conv1d))
    save_checkpoint(tmp_path / "c", model, make_card(model, name="small", vocabulary=Vocabulary.of(["a", "b"])))
    trunk = TorchModel(tmp_path / "c", layer=name)
    windows = np.random.default_rng(0).normal(0, 0.1, (2, 3**6)).astype(np.float32)
    n_dims = trunk.layer_values(windows).shape[1]
    head = head_for(n_dims, 0, ())
    content, value = trunk_of(trunk.network, name)
    card = trunk.card.replace(vocabulary=TAGS)

    def expected(batch: np.ndarray) -> np.ndarray:
        return head(channels_last(trunk.layer_values(batch), None).mean(axis=1))

    export_head(content, card, tmp_path / "new.onnx", layer=value, layers=head.layers, expected=expected)
    np.testing.assert_allclose(OnnxModel(tmp_path / "new.onnx")(windows), expected(windows), atol=1e-5)


@pytest.mark.slow
def test_wrong_ones_are_not_written(tmp_path: Path) -> None:
    content, card = find_model().read_bytes(), OnnxModel(find_model()).card
    new = card.replace(vocabulary=TAGS, thresholds={}, calibration={}, rules=TagConstraints())
    layers = head_for(384, 0, ()).layers
    with pytest.raises(ModelError, match="no layer 'nothing'"):
        export_head(content, new, tmp_path / "x.onnx", layer="nothing", layers=layers)
    with pytest.raises(ConfigError, match="must end in"):
        export_head(content, new, tmp_path / "x.bin", layer="embedding", layers=layers)
    with pytest.raises(ModelError, match="not written"):
        export_head(
            content,
            new,
            tmp_path / "x.onnx",
            layer="embedding",
            layers=layers,
            expected=lambda w: np.zeros((len(w), 3)),
        )
    assert list(tmp_path.iterdir()) == []
