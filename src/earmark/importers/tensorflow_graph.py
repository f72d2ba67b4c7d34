"""Arrays of numbers in TensorFlow's files, read without TensorFlow: frozen graphs (.pb) and TensorFlow.js graph models.

A frozen graph is a ``GraphDef`` message of Protocol Buffers: a list of nodes, in which those of kind "Const" contain the
weights. ONNX already needs the protobuf library, which gets a schema of the few fields that are read here; it skips all
others. A TensorFlow.js graph model is a JSON file that lists names, shapes and types, and files with the numbers, one
array after another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from earmark.core.errors import ModelError
from earmark.core.json_records import parse_json

Arrays = dict[str, NDArray[Any]]

MAX_BYTES = 1 << 24
"""Largest frozen graph that is read: 16 MiB, five times the largest published one."""

_SCHEMA = {  # message -> fields: name, number, type (":" a message), repeated
    "GraphDef": (("node", 1, ":NodeDef", True),),
    "NodeDef": (("name", 1, "STRING", False), ("op", 2, "STRING", False), ("attr", 5, ":Attribute", True)),
    "Attribute": (("key", 1, "STRING", False), ("value", 2, ":AttrValue", False)),
    "AttrValue": (("tensor", 8, ":Tensor", False),),
    "Tensor": (
        ("dtype", 1, "INT32", False),
        ("tensor_shape", 2, ":Shape", False),
        ("tensor_content", 4, "BYTES", False),
        ("float_val", 5, "FLOAT", True),
    ),
    "Shape": (("dim", 2, ":Dim", True),),
    "Dim": (("size", 1, "INT64", False),),
}
"""The part of TensorFlow's graph.proto, attr_value.proto, tensor.proto and tensor_shape.proto that is read."""
_DTYPES = {1: "float32", 2: "float64", 19: "float16"}
"""TensorFlow's numbers of the types that weights can have."""


@cache
def _graph_class() -> Any:
    """The message class ``GraphDef`` of the schema."""
    file = descriptor_pb2.FileDescriptorProto(name="earmark_graph.proto", package="earmark", syntax="proto3")
    for message, fields in _SCHEMA.items():
        described = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = described.field.add(name=name, number=number)
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if kind.startswith(":"):
                field.type, field.type_name = field.TYPE_MESSAGE, f".earmark.{kind[1:]}"
            else:
                field.type = getattr(field, f"TYPE_{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("earmark.GraphDef"))


def is_frozen_graph(content: bytes) -> bool:
    """Does a file begin like a graph: a node whose first field is its name? More is seen when it is read."""
    length = 1
    while length < min(len(content), 6) and content[length] & 0x80:
        length += 1
    return content[:1] == b"\n" and content[length + 1 : length + 2] == b"\n"


def read_frozen_graph(content: bytes, where: str) -> Arrays:
    """The constants of a frozen graph, by name; single numbers and integers are left out.

    Raises:
        ModelError: damaged, cut short, or too large.
    """
    if len(content) > MAX_BYTES:  # a message takes many times the memory of its bytes
        raise ModelError(f"{where}: {len(content)} bytes: no published graph has more than {MAX_BYTES}")
    graph = _graph_class()()
    try:
        graph.ParseFromString(content)
    except DecodeError as error:
        raise ModelError(f"{where}: expected a whole frozen TensorFlow graph; it is damaged or cut short") from error
    arrays: Arrays = {}
    for node in graph.node:
        if node.op != "Const":
            continue
        tensor = next((item.value.tensor for item in node.attr if item.key == "value"), None)
        if tensor is None or not tensor.tensor_shape.dim or tensor.dtype not in _DTYPES:
            continue
        shape = tuple(axis.size for axis in tensor.tensor_shape.dim)
        if tensor.dtype == 1 and len(tensor.float_val) == math.prod(shape):  # small arrays are lists of numbers
            values = np.array(tensor.float_val, "<f4")
        else:
            values = _numbers(tensor.tensor_content, shape, _DTYPES[tensor.dtype], f"{where}: {node.name}")
        arrays[node.name] = _shaped(values, shape, f"{where}: {node.name}")
    return arrays


def is_tfjs_model(content: bytes) -> bool:
    """Is a file the model.json of a TensorFlow.js model?"""
    return content.lstrip()[:1] == b"{" and b'"weightsManifest"' in content


def shard_names(content: bytes, where: str) -> list[str]:
    """Names of the files with the weights of a TensorFlow.js model, in their order. Raises ModelError as :func:`read_tfjs`."""
    return [name for group in _manifest(content, where) for name in group["paths"]]


def read_tfjs(content: bytes, shards: Sequence[bytes], where: str) -> Arrays:
    """The arrays of a TensorFlow.js model, by name; single numbers and integers are left out.

    Args:
        content: of its model.json.
        shards: contents of the files that :func:`shard_names` gives.
        where: file name for error messages.

    Raises:
        ModelError: not the JSON of such a model, weights with fewer bits, or shards of another length.
    """
    arrays: Arrays = {}
    rest = list(shards)
    for group in _manifest(content, where):
        data, rest = b"".join(rest[: len(group["paths"])]), rest[len(group["paths"]) :]
        at = 0
        for entry in group["weights"]:
            name, shape, dtype = entry["name"], tuple(entry["shape"]), entry["dtype"]
            if "quantization" in entry or dtype not in ("float32", "int32"):
                raise ModelError(f"{where}: {name} is stored with fewer bits or as {dtype}: expected float32")
            size = 4 * math.prod(shape)
            values = _numbers(data[at : at + size], shape, dtype, f"{where}: {name}")
            at += size
            if shape and dtype == "float32":
                arrays[name] = _shaped(values, shape, f"{where}: {name}")
        if at != len(data):
            raise ModelError(f"{where}: {', '.join(group['paths'])}: expected {at} bytes of weights, found {len(data)}")
    return arrays


def _manifest(content: bytes, where: str) -> list[dict[str, Any]]:
    """The groups of weights that a model.json lists, checked."""
    try:
        groups = parse_json(content)["weightsManifest"]
        sound = all(
            all(isinstance(name, str) for name in group["paths"])
            and all(
                isinstance(entry["name"], str)
                and isinstance(entry["dtype"], str)
                and all(type(n) is int and n >= 0 for n in entry["shape"])
                for entry in group["weights"]
            )
            for group in groups
        )
    except (ValueError, LookupError, TypeError) as error:
        raise ModelError(
            f"{where}: expected the model.json of a TensorFlow.js model; it is damaged or cut short"
        ) from error
    if not sound:
        raise ModelError(f"{where}: expected names, shapes and types of weights; the model.json is damaged")
    return list(groups)


def _numbers(data: bytes, shape: tuple[int, ...], dtype: str, what: str) -> NDArray[Any]:
    """Little-endian numbers. Raises ModelError where there are more or fewer than the shape has."""
    kind = np.dtype(dtype).newbyteorder("<")
    if min(shape, default=1) < 0 or len(data) != kind.itemsize * math.prod(shape):
        raise ModelError(
            f"{what}: expected {shape} {dtype}, found {len(data)} bytes of it; the file is damaged or cut short"
        )
    return np.frombuffer(data, kind)


def _shaped(values: NDArray[Any], shape: tuple[int, ...], what: str) -> NDArray[Any]:
    """Raises ModelError for shapes that no array can have: below 0, too large beside a 0, of more than 64 axes."""
    try:
        if min(shape) >= 0:
            return values.reshape(shape)
    except ValueError:
        pass
    raise ModelError(f"{what}: has the shape {str(shape)[:60]}; the file is damaged")
