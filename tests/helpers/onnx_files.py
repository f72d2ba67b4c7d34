"""ONNX files as tests need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from earmark.core.card import CARD_KEY, ModelCard
from earmark.tagging.runtime import find_model


def without_embedding(path: Path, out: Path) -> Path:
    """A file as earmark wrote it before it knew of embeddings: no such output, no such key in the card."""
    model = onnx.load(path)
    (output,) = (item for item in model.graph.output if item.name == "embedding")
    model.graph.output.remove(output)
    wanted = {item.name for item in model.graph.output}
    for node in model.graph.node:  # the output may be a value that the tags are made of
        node.input[:] = ["inner" if name == "embedding" else name for name in node.input]
        node.output[:] = ["inner" if name == "embedding" else name for name in node.output]
    for node in reversed(list(model.graph.node)):
        if wanted.intersection(node.output):
            wanted.update(node.input)
        else:
            model.graph.node.remove(node)
    for tensor in list(model.graph.initializer):
        if tensor.name not in wanted:
            model.graph.initializer.remove(tensor)
    (entry,) = (item for item in model.metadata_props if item.key == CARD_KEY)
    entry.value = as_of_old(ModelCard.from_json(entry.value))
    out.write_bytes(model.SerializeToString())
    return out


def as_of_old(card: ModelCard) -> str:
    """A card's JSON without the key of embeddings."""
    text = card.replace(embedding_dims=None).to_json()
    assert '\n  "embedding_dims": null\n' in text
    return text.replace(',\n  "embedding_dims": null\n', "\n")


def with_card(out: Path, **changes: Any) -> Path:
    """The bundled model with changes of its card."""
    model = onnx.load(find_model())
    (entry,) = (item for item in model.metadata_props if item.key == CARD_KEY)
    entry.value = ModelCard.from_json(entry.value).replace(**changes).to_json()
    out.write_bytes(model.SerializeToString())
    return out


def tiny(out: Path, card: ModelCard) -> Path:
    """A model of a few sums, for tests that need windows or tags of their own: loudness of eighths of a window, mixed.

    The card is taken as it is, but for its embedding's length; its windows must have a multiple of 8 samples.
    """
    n_tags, size = len(card.vocabulary), card.input.window_samples
    mix = np.random.default_rng(0).normal(0, 10, (8, n_tags)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["waveform", "eighths"], ["parts"]),
        helper.make_node("Abs", ["parts"], ["loud"]),
        helper.make_node("ReduceMean", ["loud", "last"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "mix"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    constants = {"eighths": np.array([-1, 8, size // 8]), "last": np.array([2]), "mix": mix}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("waveform", onnx.TensorProto.FLOAT, ["n", size])],
        [
            helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", n_tags]),
            helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["n", 8]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    card = card.replace(embedding_dims=8)
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    out.write_bytes(model.SerializeToString())
    out.with_suffix(".json").write_text(card.to_json(), encoding="utf-8")
    return out
