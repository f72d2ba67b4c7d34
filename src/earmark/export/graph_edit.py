"""Changes exported ONNX files: adds the embedding or a first layer that levels windows, sets rules. No checkpoint is needed."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import compose, helper, shape_inference

from earmark.core.atomic_files import write_atomic
from earmark.core.card import CARD_KEY, ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.core.input_spec import Conditioning
from earmark.core.tag_constraints import TagConstraints
from earmark.export.onnx import export_graph
from earmark.models.conditioning import WindowLevel
from earmark.tagging.runtime import EMBEDDING_NAME, INPUT_NAME, OUTPUT_NAME

_KERNELS = ("Conv", "Gemm", "MatMul")


def add_embedding(path: str | Path, out: str | Path) -> ModelCard:
    """Give an ONNX file the output "embedding": what goes into its last layer, as :func:`export_onnx` does.

    Weights and all that leads to "probabilities" stay as they are, and so do the answers, bit for bit. The card inside says the size; so does the one
    beside ``out``, NAME.json, which is made of the one beside ``path`` where there is one.

    Args:
        path: an ONNX file that :func:`export_onnx` wrote.
        out: what to write, ends in ".onnx"; may be the same file.

    Returns:
        The card beside the new file, with the hash of that file.

    Raises:
        ConfigError: ``out`` has another ending.
        ModelError: not such a file, it has the output already, or no layer whose input could be one.
    """
    path, out = Path(path), Path(out)
    model, entry = _read(path, out)
    if EMBEDDING_NAME in [item.name for item in model.graph.output]:
        raise ModelError(f"{path}: it gives embeddings already")
    dims = _add_output(model, path)
    inside = ModelCard.from_json(entry.value, where=str(path)).replace(embedding_dims=dims)
    entry.value = inside.to_json()
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    _compare(path.read_bytes(), content, inside.input.window_samples, dims, path)
    beside = path.with_suffix(".json")
    card = ModelCard.read(beside) if beside.is_file() else inside
    return write_model(out, content, card.replace(embedding_dims=dims))


def add_level(path: str | Path, out: str | Path, conditioning: Conditioning) -> ModelCard:
    """Put :class:`earmark.models.conditioning.WindowLevel` in front of the network in an ONNX file, and conditioning into its card.

    For a network that was trained without it; what that does to accuracy has to be measured. Weights stay as they are.

    Args:
        path: an ONNX file that :func:`export_onnx` wrote.
        out: what to write, ends in ".onnx"; may be the same file.
        conditioning: what the card is to say.

    Returns:
        The card beside the new file, with the hash of that file.

    Raises:
        ConfigError: ``out`` has another ending, or the card has conditioning already or windows that exclude it.
        ModelError: not such a file.
    """
    path, out = Path(path), Path(out)
    model, entry = _read(path, out)
    inside = ModelCard.from_json(entry.value, where=str(path))
    if inside.input.conditioning is not None:
        raise ConfigError(f"{path}: has conditioning already")
    spec = dataclasses.replace(inside.input, conditioning=conditioning)
    options = {**inside.architecture_options, "level_dbfs": conditioning.level_dbfs}
    level = export_graph(WindowLevel(spec.sample_rate_hz, conditioning.level_dbfs), spec.window_samples, ["levelled"])
    level = compose.add_prefix(level, "level_", rename_inputs=False, rename_outputs=False)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == INPUT_NAME:
                node.input[i] = "levelled"
    graph = model.graph
    nodes = [*level.graph.node, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(level.graph.initializer)
    onnx.checker.check_model(model, full_check=True)
    return _write_changed(path, out, model, entry, input=spec, architecture_options=options)


def set_rules(path: str | Path, out: str | Path, rules: TagConstraints) -> ModelCard:
    """Put rules into the card of an ONNX file, inside it and beside it, instead of those that it has. The network stays as it is.

    Args:
        path: an ONNX file that :func:`export_onnx` wrote.
        out: what to write, ends in ".onnx"; may be the same file.
        rules: what the card is to say.

    Returns:
        The card beside the new file, with the hash of that file.

    Raises:
        ConfigError: ``out`` has another ending, or the rules name tags that the model does not have.
        ModelError: not such a file.
    """
    path, out = Path(path), Path(out)
    model, entry = _read(path, out)
    return _write_changed(path, out, model, entry, rules=rules)


def _read(path: Path, out: Path) -> tuple[onnx.ModelProto, onnx.StringStringEntryProto]:
    """An exported model, and the entry with its card."""
    if out.suffix != ".onnx":
        raise ConfigError(f"{out}: the file name must end in .onnx")
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors are of no one kind
        raise ModelError(f"{path}: not an ONNX file that can be read ({error})") from error
    entry = next((item for item in model.metadata_props if item.key == CARD_KEY), None)
    if entry is None:
        raise ModelError(f"{path}: an ONNX file without earmark's card: make it with `earmark export`")
    return model, entry


def _write_changed(
    path: Path, out: Path, model: onnx.ModelProto, entry: onnx.StringStringEntryProto, **changes: Any
) -> ModelCard:
    """Write the model with these fields of its card changed, inside it and beside it."""
    inside = ModelCard.from_json(entry.value, where=str(path))
    entry.value = inside.replace(**changes).to_json()
    beside = path.with_suffix(".json")
    card = ModelCard.read(beside) if beside.is_file() else inside
    return write_model(out, model.SerializeToString(), card.replace(**changes))


def write_model(out: Path, content: bytes, card: ModelCard) -> ModelCard:
    """An ONNX file and its card beside it; the card as written, with the hash of the file."""
    card = card.replace(weights_sha256=hashlib.sha256(content).hexdigest())
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, content)
    write_atomic(out.with_suffix(".json"), card.to_json().encode())
    return card


def _add_output(model: onnx.ModelProto, path: Path) -> int:
    """Nodes and an output for the embedding. Returns its length."""
    graph = model.graph
    kernel = _last_kernel(graph)
    source = None if kernel is None else kernel.input[0]
    shapes = value_shapes(model)
    shape = [] if source is None else shapes.get(source, [])
    channel = 1 if kernel is not None and kernel.op_type == "Conv" else len(shape) - 1
    dims = shape[channel] if len(shape) >= 2 else None
    if source is None or not isinstance(dims, int):
        raise ModelError(f"{path}: no last layer was found whose input could be the embedding")
    rest = [axis for axis in range(1, len(shape)) if axis != channel]
    if rest:
        axes = f"{EMBEDDING_NAME}_axes"
        graph.initializer.append(helper.make_tensor(axes, onnx.TensorProto.INT64, [len(rest)], rest))
        graph.node.append(helper.make_node("ReduceMean", [source, axes], [EMBEDDING_NAME], keepdims=0))
    else:
        graph.node.append(helper.make_node("Identity", [source], [EMBEDDING_NAME]))
    graph.output.append(
        helper.make_tensor_value_info(EMBEDDING_NAME, onnx.TensorProto.FLOAT, [shapes[OUTPUT_NAME][0], dims])
    )
    return dims


def _compare(before: bytes, after: bytes, window_samples: int, dims: int, path: Path) -> None:
    """Raises ModelError if a file does not give one embedding per window, or other probabilities than before."""
    old, new = (
        onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]) for content in (before, after)
    )
    for n_windows in (1, 3):
        noise = np.random.default_rng(0).standard_normal((n_windows, window_samples)).astype(np.float32) * 0.1
        (expected,) = old.run([OUTPUT_NAME], {INPUT_NAME: noise})
        scores, embeddings = new.run([OUTPUT_NAME, EMBEDDING_NAME], {INPUT_NAME: noise})
        if embeddings.shape != (n_windows, dims) or not np.array_equal(scores, expected, equal_nan=True):
            raise ModelError(
                f"{path}: the input of its last layer is no embedding of each window (shape {embeddings.shape} for "
                f"{n_windows}), or asking for it changes the probabilities"
            )


def _last_kernel(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """The last node, in the order of execution, that multiplies by weights and leads to the probabilities."""
    weights = {item.name for item in graph.initializer if len(item.dims) >= 2}
    wanted = {OUTPUT_NAME}
    node: onnx.NodeProto
    for node in reversed(graph.node):  # a graph's nodes are in an order in which they can be run
        if wanted.intersection(node.output):
            if node.op_type in _KERNELS and node.input[1] in weights:
                return node
            wanted.update(node.input)
    return None


def value_shapes(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    """Name -> shape of every value whose shape is known; "batch" and its like are names."""
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    found = {}
    for item in (*graph.input, *graph.value_info, *graph.output):
        found[item.name] = [axis.dim_value or axis.dim_param for axis in item.type.tensor_type.shape.dim]
    return found
