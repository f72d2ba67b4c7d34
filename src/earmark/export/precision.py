"""Smaller files of the same network: weights kept in half precision, or in eight bits.

Computation stays in single precision: a file holds the weights of convolutions and dense layers in a narrower type, and
turns them back when it is loaded. The front-end's constants stay as they are.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from earmark.core.errors import ModelError

Weights = Literal["float32", "float16", "int8"]

_MOST_HALF = 65504.0


def with_weights(model: onnx.ModelProto, weights: Weights) -> onnx.ModelProto:
    """A copy of a model that keeps its weights in another type.

    Args:
        model: with float32 weights.
        weights: "float32" for a plain copy; "float16"; or "int8", eight bits with a scale for each output of a layer.

    Raises:
        ModelError: a constant that half precision cannot hold.
    """
    out = onnx.ModelProto()
    out.CopyFrom(model)
    if weights == "float32":
        return out
    graph = out.graph
    nodes, kept = [], []
    axes = {node.input[1]: _output_axis(node) for node in graph.node if node.op_type in ("Conv", "Gemm")}
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        if constant.name not in axes or values.dtype != np.float32:
            kept.append(constant)
            continue
        name = f"{constant.name}_{weights}"
        if weights == "float16":
            if not np.abs(values).max(initial=0.0) <= _MOST_HALF:
                raise ModelError(f"{constant.name}: holds values that half precision cannot")
            kept.append(numpy_helper.from_array(values.astype(np.float16), name))
            nodes.append(helper.make_node("Cast", [name], [constant.name], to=TensorProto.FLOAT))
        else:
            axis = axes[constant.name]
            rest = tuple(i for i in range(values.ndim) if i != axis)
            scales = np.maximum(np.abs(values).max(axis=rest), 1e-12).astype(np.float32) / np.float32(127)
            shape = [-1 if i == axis else 1 for i in range(values.ndim)]
            whole = np.rint(values / scales.reshape(shape)).clip(-127, 127).astype(np.int8)
            kept.append(numpy_helper.from_array(whole, name))
            kept.append(numpy_helper.from_array(scales, f"{name}_scales"))
            nodes.append(helper.make_node("DequantizeLinear", [name, f"{name}_scales"], [constant.name], axis=axis))
    rest_of_graph = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend([*nodes, *rest_of_graph])
    return out


def clear_subnormals(graph: onnx.GraphProto) -> None:
    """Set float32 constants below the smallest normal number (1.2e-38) to 0, in place.

    Weight decay shrinks the weights of filters that are of no use until they are subnormal. They add nothing to any answer, but some
    processors multiply them a hundred times more slowly.
    """
    for constant in graph.initializer:
        if constant.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(constant)
        subnormal = (np.abs(values) < np.finfo(np.float32).tiny) & (values != 0)
        if subnormal.any():
            constant.CopyFrom(numpy_helper.from_array(np.where(subnormal, np.float32(0), values), constant.name))


def _output_axis(node: onnx.NodeProto) -> int:
    """Which axis of a layer's weights runs over its outputs."""
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if node.op_type == "Conv" or transposed else 1
