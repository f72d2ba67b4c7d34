"""The values inside an ONNX graph, by name, and a copy of the graph that gives one of them as an output.

ONNX Runtime runs graphs but does not list their nodes, and the package ``onnx`` belongs to the research half. An ONNX file
is a protocol buffer: a few of its field numbers, which never change, are enough to list names. Two messages written one
after the other are one with the lists of both, so that an output is added by appending some bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from earmark.core.errors import ModelError

_GRAPH, _NODE, _GRAPH_OUTPUT = 7, 1, 12  # of ModelProto, GraphProto
_NODE_OUTPUT, _OP_TYPE, _NAME = 2, 4, 1  # of NodeProto, NodeProto, ValueInfoProto
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def layer_operators(content: bytes) -> dict[str, str]:
    """Name of each value that a graph computes -> the operator that computes it, in the order of execution.

    Args:
        content: of an ONNX file.

    Raises:
        ModelError: it is none.
    """
    found: dict[str, str] = {}
    try:
        for field, graph in _fields(memoryview(content)):
            for of_graph, node in _fields(graph) if field == _GRAPH else ():
                if of_graph != _NODE:
                    continue
                parts = list(_fields(node))
                operator = next((bytes(part).decode() for number, part in parts if number == _OP_TYPE), "")
                found |= {bytes(part).decode(): operator for number, part in parts if number == _NODE_OUTPUT}
    except (IndexError, ValueError) as error:
        raise ModelError(f"not an ONNX file that can be read ({error})") from error
    found.pop("", None)  # an output that is not wanted
    return found


def with_output(content: bytes, name: str) -> bytes:
    """The same graph with one more output, whose type and shape ONNX Runtime infers.

    Args:
        content: of an ONNX file.
        name: one of :func:`layer_operators`.
    """
    return content + _field(_GRAPH, _field(_GRAPH_OUTPUT, _field(_NAME, name.encode())))


def layer_shapes(content: bytes) -> dict[str, tuple[int | str, ...]]:
    """Name of each value that has numbers for every window -> its shape without the batch.

    Args:
        content: of an ONNX file.

    Raises:
        ModelError: it is none, or ONNX Runtime cannot load it.
    """
    import onnxruntime as ort

    outputs = {item.name for item in ort.InferenceSession(content, providers=["CPUExecutionProvider"]).get_outputs()}
    for name in layer_operators(content):
        if name not in outputs:
            content = with_output(content, name)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    return {
        item.name: tuple(item.shape[1:])
        for item in session.get_outputs()
        if item.type == "tensor(float)" and len(item.shape) > 1 and isinstance(item.shape[0], str)
    }


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field of a message that has bytes; numbers are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind in (_FIXED_64, _FIXED_32):
            at += 8 if kind == _FIXED_64 else 4
        elif kind == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("a field is longer than the file")
            yield key >> 3, message[at : at + size]
            at += size
        else:
            raise ValueError(f"a field of type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _field(number: int, content: bytes) -> bytes:
    """A field with bytes."""
    head = [number << 3 | _BYTES]
    size = len(content)
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + content
