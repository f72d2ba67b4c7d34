"""A trunk and a head as one ONNX file: the graph up to one of its values, and dense layers from there to new tags."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from earmark.core.card import CARD_KEY, ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.export.embedding import WithEmbedding
from earmark.export.graph_edit import value_shapes, write_model
from earmark.export.onnx import TOLERANCE, check_signals, export_graph
from earmark.models import TaggingModel
from earmark.tagging.runtime import EMBEDDING_NAME, INPUT_NAME, OUTPUT_NAME

Floats = npt.NDArray[np.float32]


def export_head(
    trunk: bytes,
    card: ModelCard,
    out: str | Path,
    *,
    layer: str,
    layers: Sequence[tuple[Floats, Floats]],
    within: Literal["mean", "mean+std", "max"] = "mean",
    time_axis: int | None = None,
    expected: Callable[[Floats], npt.NDArray[np.floating[Any]]] | None = None,
) -> ModelCard:
    """Write a trunk with a new head as an ONNX file, and its card beside it as NAME.json.

    The output "embedding" is what goes into the head. What leads to the trunk's own tags alone is left out.

    Args:
        trunk: an ONNX file as :func:`earmark.export.export_onnx` writes it.
        card: of the new model; its ``softmax`` says which tags have one.
        out: ends in ".onnx"; an older file is replaced.
        layer: the value of the trunk's graph that the head takes.
        layers: weights (n_out, n_in) and biases (n_out,) of dense layers, with a ReLU between.
        within, time_axis: how a window has one vector, see :class:`earmark.tagging.embedder.Embedder`.
        expected: windows -> probabilities (n, n_tags) that the file must give; None checks nothing.

    Returns:
        The card beside the file, with the hash of that file.

    Raises:
        ConfigError: ``out`` has another ending.
        ModelError: no such layer, or the file gives other probabilities; none is written then.
    """
    out = Path(out)
    if out.suffix != ".onnx":
        raise ConfigError(f"{out}: the file name must end in .onnx")
    model = onnx.load_from_string(trunk)
    shape = value_shapes(model).get(layer)
    if shape is None or len(shape) < 2:
        raise ModelError(f"{card.name}: no layer {layer!r} whose shape is known")
    graph = model.graph
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param or "batch"
    layer = _rename_outputs(graph, layer)
    n_dims = layers[0][0].shape[1]
    del graph.output[:]
    _add_pooling(graph, layer, len(shape), within, time_axis)
    _add_dense(graph, layers, [card.vocabulary.index(tag) for tag in card.softmax])
    for name, size in ((OUTPUT_NAME, len(card.vocabulary)), (EMBEDDING_NAME, n_dims)):
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, size]))
    _prune(graph)
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    card = card.replace(embedding_dims=n_dims)
    entry.key, entry.value = CARD_KEY, card.to_json()
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    if expected is not None:
        _compare(content, check_signals(card.input), expected, out)
    return write_model(out, content, card)


def trunk_of(model: TaggingModel, layer: str | None) -> tuple[bytes, str]:
    """A network as an ONNX file that gives a layer, and the name of that value in it.

    Args:
        model: stays as it is.
        layer: a module's name; None for what goes into the last layer.

    Raises:
        ConfigError: no such layer.
        ModelError: the network has no embedding, or operators that are not standard.
    """
    module = WithEmbedding(copy.deepcopy(model).cpu().eval(), layer=layer)
    if module.layer is None:
        raise ModelError(f"{model.architecture}: gives no embeddings: choose a layer")
    name = EMBEDDING_NAME if layer is None else "layer"
    return export_graph(module, model.window_samples, [OUTPUT_NAME, name]).SerializeToString(), name


def _rename_outputs(graph: onnx.GraphProto, layer: str) -> str:
    """Free the names of outputs, which the new head gets; returns the name of the layer now."""
    before = {name: f"trunk_{name}" for name in (OUTPUT_NAME, EMBEDDING_NAME)}
    for node in graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = before.get(name, name)
    for value in graph.value_info:
        value.name = before.get(value.name, value.name)
    return before.get(layer, layer)


def _add_pooling(graph: onnx.GraphProto, layer: str, rank: int, within: str, time_axis: int | None) -> None:
    """From a layer to "embedding", (batch, n_dims); as :func:`earmark.tagging.embedder.channels_last` has it."""
    if rank == 2:
        values = layer
        if within == "mean+std":  # of one frame
            graph.node.append(helper.make_node("Sub", [layer, layer], ["head_deviation"]))
            graph.node.append(helper.make_node("Concat", [layer, "head_deviation"], [EMBEDDING_NAME], axis=1))
            return
        graph.node.append(helper.make_node("Identity", [values], [EMBEDDING_NAME]))
        return
    time = rank - 1 if time_axis is None else time_axis
    channels = 1 if time != 1 else rank - 1
    rest = [axis for axis in range(1, rank) if axis not in (time, channels)]
    values = _reduced(graph, "ReduceMean", layer, "head_frames", rest, keepdims=True) if rest else layer
    others = [*rest, time]
    if within == "max":
        _reduced(graph, "ReduceMax", values, EMBEDDING_NAME, others)
    elif within == "mean":
        _reduced(graph, "ReduceMean", values, EMBEDDING_NAME, others)
    else:
        mean = _reduced(graph, "ReduceMean", values, "head_mean", others, keepdims=True)
        graph.node.append(helper.make_node("Sub", [values, mean], ["head_differences"]))
        graph.node.append(helper.make_node("Mul", ["head_differences", "head_differences"], ["head_squares"]))
        variance = _reduced(graph, "ReduceMean", "head_squares", "head_variance", others, keepdims=True)
        graph.node.append(helper.make_node("Sqrt", [variance], ["head_deviation"]))
        graph.node.append(helper.make_node("Concat", [mean, "head_deviation"], ["head_both"], axis=channels))
        _reduced(graph, "ReduceMean", "head_both", EMBEDDING_NAME, others)  # over axes of length 1


def _reduced(
    graph: onnx.GraphProto, operator: str, source: str, name: str, axes: list[int], *, keepdims: bool = False
) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"{name}_axes"))
    graph.node.append(helper.make_node(operator, [source, f"{name}_axes"], [name], keepdims=int(keepdims)))
    return name


def _add_dense(graph: onnx.GraphProto, layers: Sequence[tuple[Floats, Floats]], softmax: list[int]) -> None:
    """From "embedding" to "probabilities"."""
    source = EMBEDDING_NAME
    for i, (weights, biases) in enumerate(layers):
        if i:
            graph.node.append(helper.make_node("Relu", [source], [f"head_hidden_{i}"]))
            source = f"head_hidden_{i}"
        for part, values in (("weights", weights), ("biases", biases)):
            graph.initializer.append(
                numpy_helper.from_array(np.ascontiguousarray(values, np.float32), f"head_{part}_{i}")
            )
        inputs = [source, f"head_weights_{i}", f"head_biases_{i}"]
        source = f"head_{i}" if i + 1 < len(layers) else "head_logits"
        graph.node.append(helper.make_node("Gemm", inputs, [source], transB=1))
    n_tags = len(layers[-1][1])
    if len(softmax) == n_tags:
        graph.node.append(helper.make_node("Softmax", [source], [OUTPUT_NAME], axis=1))
        return
    if not softmax:
        graph.node.append(helper.make_node("Sigmoid", [source], [OUTPUT_NAME]))
        return
    chosen = np.zeros((1, n_tags), bool)
    chosen[0, softmax] = True
    lowest = np.where(chosen, np.float32(0), np.float32(-1e30)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(chosen, "head_classes"))
    graph.initializer.append(numpy_helper.from_array(lowest, "head_others_lowest"))
    graph.node.append(helper.make_node("Add", [source, "head_others_lowest"], ["head_class_logits"]))
    graph.node.append(helper.make_node("Softmax", ["head_class_logits"], ["head_softmax"], axis=1))
    graph.node.append(helper.make_node("Sigmoid", [source], ["head_sigmoid"]))
    graph.node.append(helper.make_node("Where", ["head_classes", "head_softmax", "head_sigmoid"], [OUTPUT_NAME]))


def _prune(graph: onnx.GraphProto) -> None:
    """Remove nodes, constants and notes that lead to no output."""
    wanted = {item.name for item in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    nodes = list(reversed(kept))
    constants = [item for item in graph.initializer if item.name in wanted]
    shapes = [item for item in graph.value_info if item.name in wanted]
    for field, values in ((graph.node, nodes), (graph.initializer, constants), (graph.value_info, shapes)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)


def _compare(
    content: bytes, windows: Floats, expected: Callable[[Floats], npt.NDArray[np.floating[Any]]], out: Path
) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (answer,) = session.run([OUTPUT_NAME], {INPUT_NAME: windows})
    difference = float(np.abs(answer - expected(windows)).max())
    if not difference < TOLERANCE:
        raise ModelError(
            f"{out}: not written: it differs by {difference:.2e} from trunk and head in a probability, allowed is less than "
            f"{TOLERANCE:g}"
        )
