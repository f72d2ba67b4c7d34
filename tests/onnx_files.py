"""ONNX files as tests need them."""

from __future__ import annotations

from pathlib import Path

import onnx

from earmark.card import ONNX_METADATA_KEY, ModelCard


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
    (entry,) = (item for item in model.metadata_props if item.key == ONNX_METADATA_KEY)
    entry.value = as_of_old(ModelCard.from_json(entry.value))
    out.write_bytes(model.SerializeToString())
    return out


def as_of_old(card: ModelCard) -> str:
    """A card's JSON without the key of embeddings."""
    text = card.replace(embedding_dims=None).to_json()
    assert '\n  "embedding_dims": null\n' in text
    return text.replace(',\n  "embedding_dims": null\n', "\n")
