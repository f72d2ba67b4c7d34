"""A model and its card as one ONNX file: waveform in, probabilities out, compared with PyTorch before it is written."""

from __future__ import annotations

import copy
import hashlib
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from earmark.core.atomic_files import write_atomic
from earmark.core.card import CARD_KEY, ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.core.input_spec import InputSpec
from earmark.export.embedding import WithEmbedding
from earmark.export.precision import Weights, clear_subnormals, with_weights
from earmark.models import TaggingModel
from earmark.models.activation import softmax_places
from earmark.models.checkpoint import check_card
from earmark.tagging.runtime import EMBEDDING_NAME, INPUT_NAME, OUTPUT_NAME

OPSET = 18
"""ONNX operator set of the files: known to ONNX Runtime from 1.15 on, in the browser too."""
TOLERANCE = 1e-4
"""Largest difference of a probability between PyTorch and ONNX Runtime that an export may have."""
EMBEDDING_TOLERANCE = 1e-3
"""Largest difference of a value of an embedding, as a share of the largest value of all (or of 1, if that is less)."""
TOLERANCES: dict[Weights, tuple[float, float]] = {
    "float32": (TOLERANCE, EMBEDDING_TOLERANCE),
    "float16": (1e-2, 1e-2),
    "int8": (1e-1, 1e-1),
}
"""Of probabilities and embeddings, by how a file keeps its weights."""


@dataclass(frozen=True)
class ExportReport:
    """The result of an export.

    Attributes:
        path: the ONNX file.
        card_path: its card beside it.
        size_bytes: of the ONNX file.
        n_windows: windows on which it was compared with PyTorch.
        max_abs_difference: largest difference of a probability among them.
    """

    path: Path
    card_path: Path
    size_bytes: int
    n_windows: int
    max_abs_difference: float


def export_onnx(
    model: TaggingModel,
    card: ModelCard,
    out: str | Path,
    check_windows: NDArray[np.float32],
    weights: Weights = "float32",
) -> ExportReport:
    """Write a model as a single ONNX file of standard operators, and its card beside it as NAME.json.

    The graph takes "waveform", float32 (batch, window_samples), full scale -1..1, with any batch size, and answers
    "probabilities", float32 (batch, n_tags), and "embedding", float32 (batch, embedding_dims): what goes into the last
    dense or convolutional layer, as a mean over the time and frequency left there; networks without such a layer give
    none. The card is in the file's metadata, too, under :data:`earmark.core.card.CARD_KEY`, as given but for
    ``embedding_dims``; the one beside holds the hash of the ONNX file.

    Args:
        model: stays as it is; exported on the CPU in eval mode.
        card: of this model.
        out: ends in ".onnx"; an older file is replaced.
        check_windows: (n_windows, window_samples) float32, at least one: what both runtimes must agree on, best real
            audio; :func:`check_signals` makes some.
        weights: how the file keeps them, see :mod:`earmark.export.precision`. Narrow ones may differ more from PyTorch, as
            :data:`TOLERANCES` says.

    Returns:
        What was done.

    Raises:
        ConfigError: the card is of another model, ``out`` has another ending, or the windows another shape.
        ModelError: the graph holds operators that are not standard, or ONNX Runtime's probabilities differ from
            PyTorch's by 1e-4 or more, or its embeddings by more than 1e-3 of their largest value (more with narrow
            weights). No file is written then.
    """
    path = Path(out)
    if path.suffix != ".onnx":
        raise ConfigError(f"{path}: the file name must end in .onnx")
    check_card(model, card)
    window_samples = card.input.window_samples
    if check_windows.ndim != 2 or check_windows.shape[1] != window_samples or len(check_windows) < 1:
        raise ConfigError(f"check_windows of shape {check_windows.shape}: must be (1 or more, {window_samples})")
    module = WithEmbedding(copy.deepcopy(model).cpu().eval(), softmax_places(card))
    card = card.replace(embedding_dims=module.embedding_dims)
    graph = with_weights(export_graph(module, window_samples, _outputs(module)), weights)
    tolerance, embedding_tolerance = TOLERANCES[weights]
    entry = graph.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.to_json()
    onnx.checker.check_model(graph, full_check=True)
    content = graph.SerializeToString()
    difference, of_embedding = _differences(module, content, np.ascontiguousarray(check_windows, dtype=np.float32))
    if not difference < tolerance:  # also where it is NaN
        raise ModelError(
            f"{path}: not written: PyTorch and ONNX Runtime differ by {difference:.2e} in a probability, allowed is "
            f"less than {tolerance:g}"
        )
    if not of_embedding < embedding_tolerance:
        raise ModelError(
            f"{path}: not written: embeddings of PyTorch and ONNX Runtime differ by {of_embedding:.2e} of their largest "
            f"value, allowed is less than {embedding_tolerance:g}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    card_path = path.with_suffix(".json")
    write_atomic(path, content)
    write_atomic(card_path, card.replace(weights_sha256=hashlib.sha256(content).hexdigest()).to_json().encode())
    return ExportReport(path, card_path, len(content), len(check_windows), difference)


def export_graph(module: torch.nn.Module, window_samples: int, outputs: list[str]) -> onnx.ModelProto:
    """The ONNX graph of a module that takes waveforms, without the exporter's notes (they name files of this machine).

    Raises:
        ModelError: it holds operators that are not standard.
    """
    example = torch.zeros(2, window_samples)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it reports that torchvision is absent
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's own deprecations; parity is checked below
            program = torch.onnx.export(
                module,
                (example,),
                input_names=[INPUT_NAME],
                output_names=outputs,
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes={"waveform": {0: torch.export.Dim("batch")}},
                optimize=True,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    foreign = sorted(
        {f"{node.domain}.{node.op_type}" for node in proto.graph.node if node.domain not in ("", "ai.onnx")}
    )
    foreign += [f"function {function.name}" for function in proto.functions]
    if foreign:
        raise ModelError(f"not exported: the graph holds operators that are not standard: {', '.join(foreign)}")
    graph = proto.graph
    noted = (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for item in noted:
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    clear_subnormals(graph)
    graph.name, proto.producer_name, proto.producer_version = "earmark", "earmark", ""
    return proto


def _outputs(module: WithEmbedding) -> list[str]:
    return [OUTPUT_NAME] if module.embedding_dims is None else [OUTPUT_NAME, EMBEDDING_NAME]


def _differences(module: WithEmbedding, content: bytes, windows: NDArray[np.float32]) -> tuple[float, float]:
    """Largest differences between both runtimes, of a probability and, relative, of an embedding's value.

    Windows go in one by one, and two at a time.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    largest = [0.0, 0.0]
    scale = 1.0
    for size in (1, 2):
        for start in range(0, len(windows), size):
            batch = windows[start : start + size]
            with torch.inference_mode():
                expected = [values.numpy() for values in module(torch.from_numpy(batch))]
            answers = session.run(_outputs(module), {INPUT_NAME: batch})
            for i, (answer, truth) in enumerate(zip(answers, expected, strict=True)):
                largest[i] = float(np.maximum(largest[i], np.abs(answer - truth).max()))  # keeps NaN
            scale = max(scale, float(np.abs(expected[-1]).max()))
    return largest[0], largest[1] / scale


def check_signals(spec: InputSpec, seed: int = 0) -> NDArray[np.float32]:
    """Windows of synthetic sound on which runtimes are compared, where there is no audio.

    Returns:
        (6, window_samples) float32 in -1..1: white noise, a sweep over all frequencies, a decaying chord, clicks,
        noise at -100 dB, and silence that ends in a tone. Sounds have noise at -100 dB, too: beside a purer tone, or between
        its clicks, a spectrogram in decibels holds rounding errors, in which any two runtimes differ.
    """
    n, rate = spec.window_samples, spec.sample_rate_hz
    rng = np.random.default_rng(seed)
    time_s = np.arange(n) / rate
    sweep = 0.5 * np.sin(np.pi * (rate / 2) * time_s**2 / max(time_s[-1], 1 / rate))  # 0 Hz to half the rate
    chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.18, 329.63)) * 0.25 * np.exp(-2 * (time_s % 1))
    clicks = np.where(np.arange(n) % max(1, rate // 3) == 0, 0.9, 0.0)
    tone = np.where(np.arange(n) < n // 2, 0.0, 0.3 * np.sin(2 * np.pi * 440.0 * time_s))
    noise = rng.standard_normal((2, n)) * 0.2
    signals = np.stack([noise[0], sweep, chord, clicks, noise[1] * 5e-5, tone])
    signals[:5] += rng.standard_normal((5, n)) * 1e-5
    signals[5, n // 2 :] += rng.standard_normal(n - n // 2) * 1e-5
    return signals.clip(-1, 1).astype(np.float32)
